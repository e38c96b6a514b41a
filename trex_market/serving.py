"""`trex-market serve`: a study whose participants come from elsewhere."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from secrets import token_urlsafe

import msgspec

from trex_market.build import BASELINE, TRAINING, Study, make_participant
from trex_market.config import Config
from trex_market.core.errors import ConfigError
from trex_market.plugins import CLIENTS, find
from trex_market.server.app import LOOPBACK, ServerSettings, SimulationServer
from trex_market.server.conductor import Patience
from trex_market.server.desk import Limits
from trex_market.server.doorkeeper import OPERATOR, token_hash
from trex_market.server.keys import terminal_keys
from trex_market.simulation.run import Driver
from trex_market.transport import REACH, playing

TOKEN_VARIABLE = "TREX_MARKET_TOKEN_"  # noqa: S105 - the name of a variable
"""An environment variable of this name and a participant's id holds its token."""


def server_settings(config: Config, certificate: tuple[str, str | None] | None) -> ServerSettings:
    """Make a server's settings of a config and the environment.

    Args:
        config: the config.
        certificate: files of the TLS certificate and its key; None for plain HTTP.

    Raises:
        ConfigError: if other machines could come in without a token, and nobody said so explicitly.
    """
    server = config.server
    hashes = _token_hashes(config, os.environ)
    is_open = server.open or not hashes
    if is_open and not server.open and server.host not in LOOPBACK:
        raise ConfigError(
            f"{config.where('server.host')}: {server.host} lets other machines in, but there are no tokens; make some "
            "with `trex-market token`, or say --open"
        )
    return ServerSettings(
        host=server.host,
        port=server.port,
        token_hashes=hashes,
        is_open=is_open,
        patience=Patience(server.turn_timeout_s, None, server.silence),
        limits=Limits(
            server.max_requests_per_round, server.max_open_orders, server.second_connection == "take_over"
        ),
        default_source=config.market.default_bid_source,
        certificate=certificate[0] if certificate else None,
        key=certificate[1] if certificate else None,
    )


def _token_hashes(config: Config, environment: Mapping[str, str]) -> dict[str, str]:
    hashes = {name: section.token_sha256 for name, section in config.participants.items()}
    hashes[OPERATOR] = config.server.operator_token_sha256
    found = {name: known for name, known in hashes.items() if known is not None}
    for name in hashes:
        token = environment.get(TOKEN_VARIABLE + name)
        if token:
            found[name] = token_hash(token)
    return found


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
        self._tokens = {name: token_urlsafe() for name in played}
        hashes = {name: token_hash(token) for name, token in self._tokens.items()}
        self._settings = msgspec.structs.replace(
            settings, trex_database=database, token_hashes={**settings.token_hashes, **hashes}
        )
        self._say = say

    def reach(self, study: Study, simulation: str) -> AbstractAsyncContextManager[Driver]:
        """Return a simulation's driver, for as long as the context lasts."""
        return REACH["local"](study, simulation) if simulation == BASELINE else self._serve(study, simulation)

    @asynccontextmanager
    async def _serve(self, study: Study, simulation: str) -> AsyncIterator[Driver]:
        async with SimulationServer(study.terms, study.config.participants, self._settings) as market:
            awaited = [name for name in study.config.participants if name not in self._tokens]
            self._say(
                f"market {study.terms.market_id} at {market.url}; waiting for: {', '.join(awaited) or 'nobody'}"
            )
            client = find(CLIENTS, "socketio", study.base)
            players = [
                client(make_participant(study.config, name, simulation), market.url, token=token).run()
                for name, token in self._tokens.items()
            ]
            async with playing(players, market.conductor):
                with terminal_keys(market.controls, self._say):
                    try:
                        yield market.conductor
                    finally:
                        await market.conductor.finish()


def check_played(config: Config, played: Collection[str]) -> None:
    """Check that the config's own strategies can play some of its participants.

    Raises:
        ConfigError: if there is no such participant, or its strategy cannot be made.
    """
    for name in played:
        make_participant(config, name, TRAINING)
