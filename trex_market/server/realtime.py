"""A market on the wall clock: rounds aligned to the step, slots delivered when their readings are due.

Whatever is acknowledged is in the journal before; a market that is killed and
started again replays it and goes on. Rounds that were missed (the machine
slept, or the market was down) are accounted for one by one, and the operator
is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from trex_market.core.errors import ConfigError, SimulationStoppedError
from trex_market.core.market import Phase
from trex_market.core.messages import (
    AdvanceClock,
    EndRound,
    Event,
    Join,
    OpenMarket,
    StartRound,
    Transaction,
)
from trex_market.engine import Engine, replay
from trex_market.journal import Journal
from trex_market.participant import MarketInfo
from trex_market.protocol import wire
from trex_market.protocol.answers import market_terms
from trex_market.rounds import announced, delivered_by_party
from trex_market.server.announcing import announce
from trex_market.server.clock import Clock
from trex_market.server.desk import Desk

logger = logging.getLogger(__name__)

JUMP_S = 1.0
"""A clock that jumps further than this is worth telling."""

REALTIME = "realtime"


def recovered_engine(
    journal: Journal, terms: OpenMarket, members: Sequence[str], now: int
) -> tuple[Engine, list[Event]]:
    """Bring back the market of a journal, or open a new one.

    Args:
        journal: open; it is written from now on.
        terms: the market's.
        members: who takes part.
        now: UNIX seconds.

    Returns:
        the engine, and all events of the journal.

    Raises:
        ConfigError: if the journal is one of a market with other terms.
        ScenarioError: if the journal is damaged.
    """
    engine = Engine()
    outbox = engine.listen()
    if not journal.is_new:
        for _ in replay(journal.path, engine):
            pass
        if engine.market.terms != terms:
            raise ConfigError(
                f"{journal.path}: this market was opened with other terms; name another directory with --out, "
                "or go back to the config that it was opened with"
            )
    engine.keep_in(journal)
    if engine.market.phase is Phase.CLOSED:
        engine.submit(terms)
    for name in members:
        if name not in engine.market.members:
            engine.submit(Join(name, now))
    return engine, outbox.take()


class RealtimeConductor:
    """Plays rounds by the wall clock.

    Args:
        desk: answers requests; its engine is the recovered one.
        journal: of the engine.
        clock: tells the time.
        on_status: is told how the market stands.
        on_events: takes what happened since the last time, to record it.
    """

    def __init__(
        self,
        desk: Desk,
        journal: Journal,
        clock: Clock,
        on_status: Callable[[wire.Status], Awaitable[None]],
        on_events: Callable[[], Awaitable[None]],
    ) -> None:
        assert desk.engine is not None
        self._desk = desk
        self._engine = desk.engine
        self._terms = desk.terms
        self._journal = journal
        self._clock = clock
        self._on_status = on_status
        self._on_events = on_events
        self._stop = asyncio.Event()
        self._fault: BaseException | None = None
        self._fresh: list[Event] = []
        self._missed = 0
        self._rounds = 0
        self._alarms: list[str] = []
        desk.faulty = self.fail

    async def run(self) -> None:
        """Play rounds until stopped.

        Raises:
            SimulationStoppedError: when an operator stops it.
        """
        step, grace = self._terms.step, self._terms.meter_grace_s
        self._catch_up(int(self._clock.now()) // step * step)
        start = self._next_start()
        while True:
            await self._until(start)
            jumped = self._clock.jump()
            if abs(jumped) > JUMP_S:
                self._alarm(f"the clock jumped by {jumped:+.1f} s")
            latest = int(self._clock.now()) // step * step
            self._catch_up(latest)
            await self._round(latest)
            # Every slot is due so many seconds after the start of a round.
            await self._until(latest + grace % step)
            self._advance()
            await self._journal.synced()
            await self._on_events()
            start = latest + step

    def _next_start(self) -> int:
        step = self._terms.step
        return (int(self._clock.now()) // step + 1) * step

    def _catch_up(self, latest: int) -> None:
        """Account for rounds that nobody could take part in, each by itself."""
        step, current = self._terms.step, self._engine.market.current
        if current is None:
            return
        first = current + step
        for time in range(first, latest, step):
            self._start(time)
            self._missed += 1
        if first < latest:
            self._alarm(f"{(latest - first) // step} rounds from {first} on were missed")

    def _start(self, time: int) -> list[Event]:
        engine = self._engine
        if engine.market.phase is Phase.ROUND:
            assert engine.market.current is not None
            engine.submit(EndRound(engine.market.current + self._terms.step))
        self._advance()
        return engine.submit(StartRound(time, self._terms.step))

    def _advance(self) -> None:
        self._fresh += self._engine.submit(AdvanceClock(int(self._clock.now())))

    async def _round(self, time: int) -> None:
        current = self._engine.market.current
        if current is not None and time <= current:
            return  # the clock was set back, or the round was started before the market was killed
        events = self._start(time)
        await self._journal.synced()
        self._rounds += 1
        await self._announce(events)
        await self._on_events()
        await self._on_status(self.status)

    async def _announce(self, events: Sequence[Event]) -> None:
        round, contracts = announced(events)
        transactions: dict[str, list[Transaction]] = delivered_by_party(self._fresh)
        self._fresh = []
        for seat in self._desk.seats:
            if not seat.last_event:
                await seat.send("start_episode", self._episode(seat.next_event(), round.time))
        await announce(self._engine, self._desk.seats, round, contracts, transactions)

    def _episode(self, event: int, start: int) -> wire.EpisodeMessage:
        info = MarketInfo.of(self._terms)
        return wire.EpisodeMessage(
            event=event, episode=0, simulation=REALTIME, market=market_terms(info), start=start, rounds=None
        )

    # ------------------------------------------------------------ control

    def stop(self) -> None:
        """End the market; its journal lets it go on later."""
        self._stop.set()

    def fail(self, error: BaseException) -> None:
        """End the market because of a fault."""
        self._fault = error
        self._stop.set()

    async def _until(self, moment: float) -> None:
        """Wait for a moment, unless the market is stopped before."""
        sleeping = asyncio.ensure_future(self._clock.sleep_until(moment))
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            stopping.cancel()
        if self._fault is not None:
            raise self._fault
        if self._stop.is_set():
            raise SimulationStoppedError("stopped by the operator")

    def _alarm(self, text: str) -> None:
        logger.warning(text)
        self._alarms = [*self._alarms[-9:], text]

    @property
    def status(self) -> wire.Status:
        """How the market stands."""
        seats = self._desk.seats
        return wire.Status(
            state="running",
            simulation=REALTIME,
            episode=0,
            time=self._engine.market.current,
            round=self._rounds,
            rounds=0,
            rounds_per_second=round(1 / self._terms.step, 6),
            participants=len(seats),
            connected=sum(seat.connected for seat in seats),
            silent=self._missed,
            alarms=[*self._alarms, *([f"offline: {', '.join(seats.missing)}"] if seats.missing else [])],
        )
