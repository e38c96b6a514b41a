"""`trex-market serve`: a study whose participants come from elsewhere."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from secrets import token_urlsafe

import msgspec

from trex_market.build import BASELINE, TRAINING, Study, make_participant
from trex_market.config import Config
from trex_market.core.errors import ConfigError, InputError, MissingExtraError, SimulationStoppedError
from trex_market.gateway.events import TICKS
from trex_market.gatewaying import PASSWORD_VARIABLE, make_gateway
from trex_market.played import Played
from trex_market.server.app import LOOPBACK, ServerSettings, SimulationServer
from trex_market.server.conductor import Patience
from trex_market.server.desk import Limits
from trex_market.server.doorkeeper import OBSERVER, OPERATOR, token_hash
from trex_market.server.keys import terminal_keys
from trex_market.server.tls import server_context
from trex_market.simulation.run import Driver
from trex_market.throttle import Rate
from trex_market.transport import REACH, playing

logger = logging.getLogger(__name__)

TOKEN_VARIABLE = "TREX_MARKET_TOKEN_"  # noqa: S105 - the name of a variable
"""An environment variable of this name and a participant's id, "operator" or "observer" holds a token."""

METER_TOKEN_VARIABLE = "TREX_MARKET_METER_TOKEN_"  # noqa: S105 - the name of a variable
"""An environment variable of this name and a participant's id holds its meter's token."""


def server_settings(config: Config, certificate: tuple[str, str | None] | None) -> ServerSettings:
    """Make a server's settings of a config and the environment.

    Args:
        config: the config.
        certificate: files of the TLS certificate and its key; None for plain HTTP.

    Raises:
        ConfigError: if other machines could come in without a token, and nobody said so explicitly.
        InputError: if there is something wrong with certificate or key.
    """
    server = config.server
    hashes, meter_hashes = _token_hashes(config, os.environ)
    is_open = server.open or not (hashes or meter_hashes)
    if is_open and not server.open and server.host not in LOOPBACK:
        raise ConfigError(
            f"{config.where('server.host')}: {server.host} lets other machines in, but there are no tokens; make some "
            "with `trex-market token`, or say --open"
        )
    if certificate is not None:
        server_context(*certificate)  # to say now what is wrong with it
    return ServerSettings(
        host=server.host,
        port=server.port,
        token_hashes=hashes,
        meter_token_hashes=meter_hashes,
        is_open=is_open,
        allowed_origins=server.allowed_origins,
        patience=Patience(server.turn_timeout_s + _slot_s(config), None, server.silence),
        limits=_limits(config),
        default_source=config.market.default_bid_source,
        announce=_announces(config),
        certificate=certificate[0] if certificate else None,
        key=certificate[1] if certificate else None,
    )


def _slot_s(config: Config) -> float:
    """Return how long a slot lasts in a simulation because of agents that count on ticks, in seconds."""
    gsy = config.gateway.gsy
    return 0.0 if gsy is None else TICKS * gsy.tick_s


def _announces(config: Config) -> bool:
    """Say whether the server announces itself on the local network.

    Raises:
        MissingExtraError: if it shall, and cannot.
    """
    wanted = config.server.announce
    if wanted is False or (wanted is None and config.server.host in LOOPBACK):
        return False
    if find_spec("zeroconf") is not None:
        return True
    if wanted:
        raise MissingExtraError("announcing the market on the local network", "discovery")
    logger.info("the market is not announced on the local network: zeroconf is not installed")
    return False


def _limits(config: Config) -> Limits:
    server = config.server
    # A simulation's rounds follow each other as fast as they are played; on the wall clock one may last an hour.
    rate = Rate(server.max_requests_per_second, server.request_burst)
    return Limits(
        requests_per_round=server.max_requests_per_round,
        open_orders=server.max_open_orders,
        takes_over=server.second_connection == "take_over",
        rate=rate if config.market.mode == "realtime" else None,
        connections_per_address=server.max_connections_per_address,
    )


def _token_hashes(config: Config, environment: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the hashes of tokens, and those of meters' tokens; the environment goes before the config."""
    participants = config.participants.items()
    hashes = {name: section.token_sha256 for name, section in participants}
    hashes |= {
        OPERATOR: config.server.operator_token_sha256,
        OBSERVER: config.server.observer_token_sha256,
    }
    meter_hashes = {name: section.meter_token_sha256 for name, section in participants}
    return _found(hashes, TOKEN_VARIABLE, environment), _found(
        meter_hashes, METER_TOKEN_VARIABLE, environment
    )


def _found(
    configured: Mapping[str, str | None], variable: str, environment: Mapping[str, str]
) -> dict[str, str]:
    hashes = {name: known for name, known in configured.items() if known is not None}
    tokens = {name: environment.get(variable + name) for name in configured}
    return hashes | {name: token_hash(token) for name, token in tokens.items() if token}


class Token(msgspec.Struct, frozen=True):
    """A new token.

    Args:
        owner: whose it is.
        token: what its owner keeps.
        hash: what the config keeps.
        key: of the config.
        variable: of the environment, which may hold the token itself instead.
    """

    owner: str
    token: str
    hash: str
    key: str
    variable: str


def new_token(name: str, *, meter: bool = False, gateway: bool = False) -> Token:
    """Make a token.

    Args:
        name: a participant's id, "operator" or "observer"; or a user of the gateway.
        meter: whether it is for the participant's meter.
        gateway: whether it is the password of a user of the gateway.

    Raises:
        InputError: if operator or observer shall have a meter, or a user of the gateway one.
    """
    token = token_urlsafe(24)
    if gateway:
        if meter:
            raise InputError("--meter is for a participant, --gateway for a user of the gateway")
        key = f"gateway.gsy.users.{name}.password_sha256"
        return Token(f"the user {name}", token, token_hash(token), key, PASSWORD_VARIABLE + name)
    if name in (OPERATOR, OBSERVER):
        if meter:
            raise InputError(f"the {name} has no meter; --meter goes with a participant's id")
        return Token(name, token, token_hash(token), f"server.{name}_token_sha256", TOKEN_VARIABLE + name)
    key, variable = (
        ("meter_token_sha256", METER_TOKEN_VARIABLE) if meter else ("token_sha256", TOKEN_VARIABLE)
    )
    owner = f"the meter of {name}" if meter else name
    return Token(owner, token, token_hash(token), f"participants.{name}.{key}", variable + name)


class Serving:
    """Finds the participants of a simulation elsewhere; the baseline is played in this process.

    Args:
        settings: of the server.
        directory: of the run.
        say: tells a person something.
        played: ids of participants that the config's own strategies play, here.
    """

    def __init__(
        self,
        settings: ServerSettings,
        directory: Path,
        say: Callable[[str], None],
        played: Collection[str] = (),
    ) -> None:
        database = f"sqlite:///{(directory / 'participants.db').resolve()}"
        self._played = Played(played)
        self._settings = msgspec.structs.replace(self._played.admitted(settings), trex_database=database)
        self._say = say

    def reach(self, study: Study, simulation: str) -> AbstractAsyncContextManager[Driver]:
        """Return a simulation's driver, for as long as the context lasts."""
        return REACH["local"](study, simulation) if simulation == BASELINE else self._serve(study, simulation)

    @asynccontextmanager
    async def _serve(self, study: Study, simulation: str) -> AsyncIterator[Driver]:
        server = SimulationServer(study.terms, study.config.participants, self._settings)
        gateway = make_gateway(
            study, server, is_open=self._settings.is_open, played=self._played.participant_ids
        )
        async with server as market:
            if study.config.flexibility is not None:
                self._say("flexibility is not traded here: the participants are of other processes")
            awaited = [name for name in study.config.participants if name not in self._played]
            self._say(
                f"market {study.terms.market_id} at {market.url}; waiting for: {', '.join(awaited) or 'nobody'}"
            )
            if gateway is not None:
                self._say(gateway.invitation)
            players = self._played.clients(study, market.own_url, simulation)
            taking_part = nullcontext() if gateway is None else gateway.playing()
            async with playing(players, market.conductor), taking_part:
                with terminal_keys(market.controls, self._say):
                    try:
                        yield market.conductor
                    except (asyncio.CancelledError, SimulationStoppedError):
                        await market.tell_stopping("the simulation was stopped")
                        raise
                    finally:
                        await market.conductor.finish()


def check_played(config: Config, played: Collection[str]) -> None:
    """Check that the config's own strategies can play some of its participants.

    Raises:
        ConfigError: if there is no such participant, or its strategy cannot be made.
    """
    for name in played:
        make_participant(config, name, TRAINING)
