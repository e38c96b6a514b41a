"""A market on the wall clock: rounds aligned to the step, slots delivered when their readings are due.

Whatever is acknowledged is in the journal before; a market that is killed and
started again replays it and goes on. Rounds that were missed (the machine
slept, or the market was down) are accounted for one by one, and the operator
is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from trex_market.core.errors import SimulationStoppedError
from trex_market.core.market import Phase
from trex_market.core.messages import (
    AdvanceClock,
    ClearOpenSlots,
    Contract,
    EndRound,
    Event,
    RoundStarted,
    StartRound,
    Transaction,
)
from trex_market.journal import Journal
from trex_market.participant import MarketInfo, Series
from trex_market.protocol import wire
from trex_market.protocol.answers import RoundSketch, market_terms, profile_message
from trex_market.rounds import announced, delivered_by_party
from trex_market.server.announcing import announce
from trex_market.server.clock import Clock
from trex_market.server.desk import Desk
from trex_market.server.seats import Seat

logger = logging.getLogger(__name__)

JUMP_S = 1.0
"""A clock that jumps further than this is worth telling."""

TICKS = 10
"""Into so many parts a slot is divided where slots are cleared before their gates."""

REALTIME = "realtime"


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
        self._delivered = desk.engine.listen()
        self._missed = 0
        self._rounds = 0
        self._alarms: list[str] = []
        self.alarmed: Callable[[str], None] = lambda _text: None
        """Is told what the operator should know."""
        self.announced_late: Callable[[float], None] = lambda _seconds: None
        """Is told how long after a round's start all were told of it."""
        self.profile_of: Callable[[str, int], Series | None] = lambda _participant_id, _start: None
        """Tells load and generation of a participant who asks for them, from a slot on."""
        self.also_welcome: Callable[[Seat], None] = lambda _seat: None
        """Tells somebody who knows nothing what else goes on."""
        desk.faulty = self.fail
        desk.newcomer = self._welcome
        for seat in desk.seats:
            # Events are counted from the time on, so that they go on rising when the market is started again.
            seat.last_event = int(clock.now())

    async def run(self) -> None:
        """Play rounds until stopped.

        Raises:
            SimulationStoppedError: when an operator stops it.
        """
        await self._resume()
        while True:
            latest = await self._begin_round()
            for moment, act in self._within(latest):
                await self._until(moment)
                act()
                await self._journal.synced()
                await self._on_events()
            await self._until(latest + self._terms.step)

    def _within(self, start: int) -> list[tuple[float, Callable[[], None]]]:
        """Return what is to be done in a round, and when."""
        step = self._terms.step
        # Every slot is due so many seconds after the start of a round.
        moments: list[tuple[float, Callable[[], None]]] = [
            (start + self._terms.meter_grace_s % step, self._advance)
        ]
        if self._terms.clearing == "tick":
            moments += [(start + step * tick / TICKS, self._clear) for tick in range(1, TICKS)]
        return sorted(moments, key=lambda moment: moment[0])

    async def _begin_round(self) -> int:
        """Play the round that is now, after those that were missed; return its start."""
        jumped = self._clock.jump()
        if abs(jumped) > JUMP_S:
            self._alarm(f"the clock jumped by {jumped:+.1f} s")
        step = self._terms.step
        latest = int(self._clock.now()) // step * step
        self._catch_up(latest)
        await self._round(latest)
        return latest

    async def _resume(self) -> None:
        """Tell of the round in which the market was when it was stopped, if it is not over yet."""
        market = self._engine.market
        round = market.round
        if round is None or round.time + round.step <= self._clock.now():
            return
        own = {seat.participant_id: self._contracts(seat, round) for seat in self._desk.seats}
        await self._announce(round, own)

    def _contracts(self, seat: Seat, round: RoundStarted) -> list[Contract]:
        """Return a participant's contracts that a round announced."""
        contracts = self._engine.market.contracts_of(seat.participant_id)
        return [contract for contract in contracts if contract.slot_start == round.last_settle]

    def _welcome(self, seat: Seat) -> None:
        """Let somebody who knows nothing begin with the round that is running."""
        round = self._engine.market.round
        if round is None:
            return
        seat.events.clear()
        seat.keep("start_episode", self._episode(seat, round.time))
        sketch = RoundSketch(round, self._terms.timezone, self._clock.now())
        seat.keep("start_round", sketch.to(seat.next_event(), self._contracts(seat, round), ()))
        self.also_welcome(seat)

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
            moment = datetime.fromtimestamp(first, ZoneInfo(self._terms.timezone)).isoformat(" ")
            self._alarm(f"{(latest - first) // step} rounds from {moment} on were missed")

    def _start(self, time: int) -> list[Event]:
        engine = self._engine
        if engine.market.phase is Phase.ROUND:
            assert engine.market.current is not None
            engine.submit(EndRound(engine.market.current + self._terms.step))
        self._advance()
        return engine.submit(StartRound(time, self._terms.step))

    def _advance(self) -> None:
        self._engine.submit(AdvanceClock(int(self._clock.now())))

    def _clear(self) -> None:
        self._engine.submit(ClearOpenSlots(int(self._clock.now())))

    async def _round(self, time: int) -> None:
        current = self._engine.market.current
        if current is not None and time <= current:
            return  # the clock was set back, or the round was started before the market was killed
        round, contracts = announced(self._start(time), self._engine.market)
        await self._journal.synced()
        self._rounds += 1
        await self._announce(round, contracts)
        self.announced_late(max(0.0, self._clock.now() - time))
        await self._on_events()
        await self._on_status(self.status)

    async def _announce(self, round: RoundStarted, contracts: Mapping[str, Sequence[Contract]]) -> None:
        # Also of slots that were corrected by a late reading, whichever way it came.
        transactions: dict[str, list[Transaction]] = delivered_by_party(self._delivered.take())
        seats = self._desk.seats
        for seat in seats:
            if seat.episode is None:
                await seat.send("start_episode", self._episode(seat, round.time))
        await announce(self._engine, seats, round, contracts, transactions, self._clock.now())

    def _episode(self, seat: Seat, start: int) -> wire.EpisodeMessage:
        profile = self.profile_of(seat.participant_id, start) if seat.wants_profile else None
        return wire.EpisodeMessage(
            event=seat.next_event(),
            episode=0,
            simulation=REALTIME,
            market=market_terms(MarketInfo.of(self._terms)),
            start=start,
            rounds=None,
            profile=None if profile is None else profile_message(profile),
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
        self.alarmed(text)

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
