"""From a config to a gateway for gsy-e-sdk beside a server, on the same port."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from secrets import token_urlsafe

from trex_market.build import Study, make_storage
from trex_market.config.gateway import GsyConfig, GsyHomeConfig
from trex_market.core.errors import ConfigError, InputError
from trex_market.core.market import Phase
from trex_market.core.messages import EndTurn, OpenMarket, TurnsEnded
from trex_market.engine import Engine
from trex_market.gateway.core import Gateway, GatewaySettings
from trex_market.gateway.events import TICKS
from trex_market.gateway.homes import SOLAR
from trex_market.gateway.host import Moments
from trex_market.gateway.rest import Rest, forbidding
from trex_market.gateway.translate import AssetKind
from trex_market.gateway.tree import HomeAssets
from trex_market.gateway.users import User
from trex_market.gateway.websocket import WebSockets
from trex_market.protocol import wire
from trex_market.server.app import MarketServer
from trex_market.server.clock import Clock
from trex_market.server.desk import Desk
from trex_market.server.doorkeeper import Doorkeeper, Role, token_hash

PASSWORD_VARIABLE = "TREX_MARKET_GATEWAY_PASSWORD_"  # noqa: S105 - the name of a variable
"""An environment variable of this name and a user's name holds its password."""

SECRET_FILE = "gateway.secret"  # noqa: S105 - the name of a file
REGISTERED_FILE = "gateway.json"

LINGER_S = 5.0
"""After `finish` agents are given so long to leave, in seconds."""


class DeskHost:
    """The market behind a desk, as the gateway knows it.

    Args:
        desk: the desk.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def terms(self) -> OpenMarket:
        """The market's terms."""
        return self._desk.terms

    @property
    def engine(self) -> Engine | None:
        """What orders go to; None between episodes."""
        return self._desk.engine

    def now(self) -> int:
        """Return the time of a command, UNIX seconds."""
        return self._desk.pace.now(self._desk.engine)

    def order_id(self, participant_id: str) -> str:
        """Return the id of a participant's next order."""
        assert self._desk.engine is not None
        return self._desk.pace.order_id(self._desk.engine, participant_id)

    def check_rate(self, participant_id: str) -> None:
        """Count a request.

        Raises:
            ProtocolError: rate_limited.
        """
        self._desk.check_rate(participant_id)

    async def safe(self) -> None:
        """Wait until all that was taken would survive a crash."""
        await self._desk.pace.safe()

    def end_turn(self, participant_id: str) -> None:
        """Say that a home has nothing more to say in this round."""
        seat, engine = self._desk.seats.find(participant_id), self._desk.engine
        assert seat is not None
        seat.absent, seat.round = False, None
        # On the wall clock nobody waits for turns.
        if self.terms.mode == "simulation" and engine is not None and engine.market.phase is Phase.ROUND:
            events = engine.submit(EndTurn(participant_id))
            if events and isinstance(events[0], TurnsEnded):
                self._desk.turns_ended()

    def faulty(self, error: BaseException) -> None:
        """Stop the market because of a fault."""
        self._desk.faulty(error)


class SimulatedMoments:
    """Ticks of a simulation, paced so that agents can take part.

    Args:
        tick_s: length of a tick, in seconds.
    """

    def __init__(self, tick_s: float) -> None:
        self._slot_s = TICKS * tick_s
        self._round: int | None = None
        self._began = 0.0

    async def until(self, round_start: int, share: float) -> None:
        """Wait until a share (0 to 1) of a round is over."""
        now = asyncio.get_running_loop().time()
        if round_start != self._round:
            self._round, self._began = round_start, now
        await asyncio.sleep(self._began + share * self._slot_s - now)


class WallMoments:
    """Ticks on the wall clock.

    Args:
        clock: tells the time.
        step: length of a slot, in seconds.
    """

    def __init__(self, clock: Clock, step: int) -> None:
        self._clock = clock
        self._step = step

    async def until(self, round_start: int, share: float) -> None:
        """Wait until a share (0 to 1) of a round is over."""
        await self._clock.sleep_until(round_start + share * self._step)


class _HomeLine:
    """The connection of a home that the gateway plays, within this process.

    Args:
        participant_id: whose.
        gateway: plays it.
    """

    def __init__(self, participant_id: str, gateway: Gateway) -> None:
        self.sid = f"gateway {participant_id}"
        self._participant_id = participant_id
        self._ticker = gateway.ticker

    async def send(self, event: str, message: wire.Message) -> None:
        """Hear an event of the market."""
        if isinstance(message, wire.EpisodeMessage):
            self._ticker.begin_episode(self._participant_id, message.profile)
        elif event == "start_round":
            self._ticker.announce(self._participant_id)

    async def close(self) -> None:
        """Give the seat up; nothing is to be done, since there is no socket."""


class GatewayService:
    """A gateway beside a server.

    Args:
        gateway: the gateway.
        server: the server.
        config: of the gateway.
    """

    def __init__(self, gateway: Gateway, server: MarketServer, config: GsyConfig) -> None:
        self.gateway = gateway
        self._desk = server.desk
        self._config = config
        rest = Rest(gateway)
        self._sockets = WebSockets(gateway, rest)
        server.application.middlewares.append(forbidding)
        rest.add_to(server.application.router)
        self._sockets.add_to(server.application)

    @property
    def invitation(self) -> str:
        """What a person is told of it."""
        gateway = self.gateway
        return (
            f"agents of gsy-e-sdk: simulation {gateway.simulation_id}; it begins when {gateway.settings.aggregators} "
            "of their aggregators are there"
        )

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """Take the homes' seats and play their turns while the context lasts."""
        tasks = [asyncio.create_task(self.gateway.ticker.run())]
        if self._desk.terms.mode == "simulation":
            tasks.append(asyncio.create_task(self._come()))
        else:
            await self._sit_down()
        for task in tasks:
            task.add_done_callback(self._check)
        async with AsyncExitStack() as stack:
            if self._config.redis is not None:
                from trex_market.gateway.redis_mode import RedisMode  # noqa: PLC0415 - optional

                redis = RedisMode(self.gateway, self._config.redis.url, self._redis_password())
                await stack.enter_async_context(redis.serving(self._check))
            try:
                yield
                if self._desk.terms.mode == "simulation":
                    await self._finish()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _redis_password(self) -> str | None:
        assert self._config.redis is not None
        variable = self._config.redis.password_env
        if variable is None:
            return None
        if variable not in os.environ:
            raise ConfigError(f"gateway.gsy.redis: there is no environment variable {variable!r}")
        return os.environ[variable]

    async def _come(self) -> None:
        """Take the seats when those are there who shall take part: then the simulation begins."""
        await self.gateway.ready()
        await self._sit_down()

    async def _sit_down(self) -> None:
        for name in self.gateway.accounts:
            seat = self._desk.seats.find(name)
            assert seat is not None
            seat.wants_profile = True
            await self._desk.seats.take(seat, _HomeLine(name, self.gateway))

    async def _finish(self) -> None:
        """Say that it is over, and let agents leave."""
        self.gateway.ticker.finish()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self._sockets.flushed()
                await self.gateway.left()

    def _check(self, task: asyncio.Task[None]) -> None:
        """Stop the market if the gateway has a fault: one that nobody sees is worse."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._desk.faulty(error)


def make_gateway(
    study: Study,
    server: MarketServer,
    *,
    is_open: bool,
    played: Collection[str] = (),
    clock: Clock | None = None,
    directory: Path | None = None,
) -> GatewayService | None:
    """Put a gateway beside a server that does not listen yet.

    Args:
        study: whose config describes it.
        server: the server.
        is_open: whether the server lets those in who have no token.
        played: ids of participants whom somebody else plays.
        clock: on the wall clock; None in a simulation.
        directory: where tokens' secret, and who has what, are kept; None for nowhere.

    Returns:
        None if the config has no gateway.

    Raises:
        ConfigError: if there is something wrong with it.
        MissingExtraError: without PyJWT.
    """
    gsy = study.config.gateway.gsy
    if gsy is None:
        return None
    step = study.terms.step
    moments: Moments = SimulatedMoments(gsy.tick_s) if clock is None else WallMoments(clock, step)
    homes = home_assets(study, gsy, played)
    users = {
        name: User(None if user.areas is None else frozenset(user.areas)) for name, user in gsy.users.items()
    }
    server_config = study.config.server
    settings = GatewaySettings(
        simulation_id=gsy.simulation_id or study.terms.market_id,
        homes=homes,
        root=gsy.root,
        buses=gsy.market_makers,
        users=users,
        token_lifetime_s=gsy.token_lifetime_s,
        fee_type=gsy.grid_fee_type,
        aggregators=gsy.aggregators,
        default_source=study.config.market.default_bid_source,
        most_orders=server_config.max_open_orders,
    )
    batteries = {
        home.participant_id: make_storage(study.config.participants[home.participant_id], study.base)
        for home in homes
        if "Storage" in home.assets
    }
    try:
        gateway = Gateway(
            settings,
            DeskHost(server.desk),
            moments,
            batteries,
            password_check(gsy, os.environ, is_open=is_open),
            _secret(directory),
            None if directory is None else directory / REGISTERED_FILE,
        )
    except InputError as error:
        raise ConfigError(f"{study.config.where('gateway.gsy')}: gateway.gsy: {error}") from error
    _check_areas(study, gsy, gateway)
    return GatewayService(gateway, server, gsy)


def _check_areas(study: Study, gsy: GsyConfig, gateway: Gateway) -> None:
    """Check that users are given what there is."""
    for user, section in gsy.users.items():
        for name in section.areas or ():
            if name not in gateway.tree.by_name:
                known = ", ".join(sorted(gateway.tree.by_name))
                place = study.config.where(f"gateway.gsy.users.{user}.areas")
                raise ConfigError(
                    f"{place}: gateway.gsy.users.{user}.areas: there is no area, home or asset {name!r}; there are: {known}"
                )


def _secret(directory: Path | None) -> str:
    """Return what signs tokens; in a directory it stays the same."""
    if directory is None:
        return token_urlsafe(48)
    path = directory / SECRET_FILE
    if path.exists():
        return path.read_text("utf-8")
    secret = token_urlsafe(48)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret)
    return secret


def password_check(
    gsy: GsyConfig, environment: Mapping[str, str], *, is_open: bool
) -> Callable[[str, str, str], None]:
    """Return what checks the password of a user who comes from an address.

    Args:
        gsy: of the gateway.
        environment: may hold passwords.
        is_open: whether any will do, if no users are named.

    Raises:
        ConfigError: if a user has no password, or nobody could come in.
    """
    hashes: dict[str, str] = {}
    for name, user in gsy.users.items():
        given = environment.get(PASSWORD_VARIABLE + name)
        known = token_hash(given) if given else user.password_sha256
        if known is None:
            raise ConfigError(
                f"gateway.gsy.users.{name}: has no password; `trex-market token {name} --gateway` makes one"
            )
        hashes[name] = known
    if not hashes and not is_open:
        raise ConfigError(
            "gateway.gsy.users: nobody could come in: name users, since this server asks for tokens"
        )
    doorkeeper = Doorkeeper(hashes, is_open=not hashes)

    def check(name: str, password: str, address: str) -> None:
        doorkeeper.admit(Role.PARTICIPANT, password, name, address)

    return check


# ---------------------------------------------------------------- homes


def home_assets(study: Study, gsy: GsyConfig, played: Collection[str] = ()) -> tuple[HomeAssets, ...]:
    """Return the participants as homes, each with the assets that it has.

    Args:
        study: whose.
        gsy: what agents call them.
        played: ids of those whom somebody else plays; agents see them, and cannot trade for them.
    """
    wanted = study.config.participants if gsy.participants is None else gsy.participants
    return tuple(
        HomeAssets(
            name,
            named.name or name,
            _assets(study, name, named),
            registered=name in wanted and name not in played,
        )
        for name in study.config.participants
        for named in (gsy.homes.get(name, GsyHomeConfig()),)
    )


def _assets(study: Study, participant_id: str, named: GsyHomeConfig) -> dict[AssetKind, str]:
    """Return what a participant has: as its profile says, or else as it is named."""
    profile = study.profile(participant_id)
    if profile is not None:
        load, solar = any(profile.load), any(profile.generation.get(SOLAR, ()))
    else:
        load = solar = not (named.load or named.pv)
    area = named.name or participant_id
    assets: dict[AssetKind, str] = {}
    if load or named.load:
        assets["Load"] = named.load or f"{area} Load"
    if solar or named.pv:
        assets["PV"] = named.pv or f"{area} PV"
    if study.config.participants[participant_id].storage is not None:
        assets["Storage"] = named.storage or f"{area} Storage"
    return assets
