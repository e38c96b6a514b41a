"""The driver that plays rounds with participants who are far away.

A round ends when the market notices that all turns have ended, or at the
deadline; nothing is polled. What happens to those who stay silent is the
config's choice: `wait` for them, `skip` them (their readings are deemed and
marked), or `stop`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from time import monotonic
from typing import Literal

import msgspec

from trex_market.core.errors import ParticipantError, SimulationStoppedError
from trex_market.core.messages import (
    ClearOpenSlots,
    EndRound,
    EndTurn,
    Join,
    OpenMarket,
    StartRound,
    Transaction,
)
from trex_market.engine import Engine
from trex_market.participant import MarketInfo
from trex_market.protocol import wire
from trex_market.protocol.answers import market_terms, profile_message
from trex_market.rounds import EpisodePlan, announced, delivered_by_party
from trex_market.server.announcing import announce
from trex_market.server.desk import Desk
from trex_market.server.dr_participants import DrTold, demand_response_told

Silence = Literal["wait", "skip", "stop"]
StatusListener = Callable[[wire.Status], Awaitable[None]]

STATUS_PERIOD_S = 1.0
"""A running simulation tells its status at most this often, in seconds."""


class Patience(msgspec.Struct, frozen=True):
    """How long participants are waited for.

    Args:
        turn_timeout_s: a round goes on without those who have not ended their turn by then.
        join_timeout_s: an episode cannot start without those who have not come by then; None for no limit.
        silence: what then happens to them.
        starts_without: whether an episode starts even without those who have not come.
    """

    turn_timeout_s: float = 10.0
    join_timeout_s: float | None = None
    silence: Silence = "skip"
    starts_without: bool = False


class Conductor:
    """Plays rounds over connections; a `simulation.run.Driver`.

    Args:
        desk: answers requests in the meantime.
        patience: how long participants are waited for.
        on_status: is told how the simulation stands.
    """

    def __init__(self, desk: Desk, patience: Patience, on_status: StatusListener) -> None:
        self._desk = desk
        self._seats = desk.seats
        self._terms: OpenMarket = desk.terms
        self._patience = patience
        self._on_status = on_status
        self._turns_ended = asyncio.Event()
        self._go = asyncio.Event()
        self._go.set()
        self._steps = 0
        self._stopped = False
        self._interrupt = asyncio.Event()
        self._fault: BaseException | None = None
        self._delivered: Mapping[str, Sequence[Transaction]] = {}
        self._demand_response: DrTold | None = None
        self._state: Literal["waiting", "running", "paused", "ended"] = "waiting"
        self._plan = EpisodePlan("", 0, 0, 0, 0)
        self._round = 0
        self._time: int | None = None
        self._silent = 0
        self._begun = False
        self._told = 0.0
        self._speed = (monotonic(), 0)
        self._alarms: list[str] = []
        self.prepare: Callable[[int], Awaitable[None]] | None = None
        """What is done between the start of a round at a moment and its announcement."""
        desk.turns_ended = self._turns_ended.set
        desk.faulty = self.fail

    # ------------------------------------------------------------ episodes

    async def begin(self, plan: EpisodePlan, engine: Engine) -> None:
        """Wait until all are there, open the market, and begin an episode with all participants.

        Raises:
            ParticipantError: if somebody does not come.
            SimulationStoppedError: if an operator stops it.
        """
        self._plan, self._round, self._time = plan, 0, None
        self._state = "waiting"
        await self._tell_status()
        await self._wait_for_all()
        self._begun = True
        engine.submit(self._terms)
        for name in self._seats.names:
            engine.submit(Join(name, plan.start))
        self._desk.open(engine)
        self._demand_response = demand_response_told(self._desk, engine, plan.start)
        self._delivered = {}
        self._state = "running"
        self._speed = (monotonic(), 0)
        market = market_terms(MarketInfo.of(self._terms))
        for seat in self._seats:
            seat.begin_episode()
            profile = plan.profiles.get(seat.participant_id) if seat.wants_profile else None
            message = wire.EpisodeMessage(
                event=seat.next_event(),
                episode=plan.episode,
                simulation=plan.simulation,
                market=market,
                start=plan.start,
                rounds=plan.rounds,
                parameters=plan.parameters,
                lesson=plan.lesson,
                profile=None if profile is None else profile_message(profile),
            )
            await seat.send("start_episode", message)
        await self._tell_status()
        await self._wait_for_all()

    async def _wait_for_all(self) -> None:
        """Wait until all are there and ready; for those who were there before, as long as patience has it."""
        patience = self._patience
        limit = patience.join_timeout_s
        if self._begun:
            limit = None if patience.silence == "wait" else patience.turn_timeout_s
        try:
            async with asyncio.timeout(limit):
                await self._interruptible(self._seats.all_taken())
        except TimeoutError:
            away = f"not there after {limit:g} s: {', '.join(self._seats.missing)}"
            if not (self._begun or patience.starts_without) or patience.silence == "stop":
                raise ParticipantError(away) from None
            self._alarms = [away]
        await self._wait_for_ready()

    async def _wait_for_ready(self) -> None:
        try:
            async with asyncio.timeout(self._patience.join_timeout_s):
                for seat in self._seats:
                    await self._interruptible(seat.ready.wait())
        except TimeoutError:
            unready = [seat.participant_id for seat in self._seats if not seat.ready.is_set()]
            raise ParticipantError(
                f"not ready after {self._patience.join_timeout_s:g} s: {', '.join(unready)}"
            ) from None

    async def end(self, plan: EpisodePlan) -> None:
        """End the episode with all participants."""
        self._desk.engine = None
        for seat in self._seats:
            await seat.send("end_episode", wire.EpisodeEnd(event=seat.next_event(), episode=plan.episode))

    async def finish(self) -> None:
        """Tell all participants that nothing more will come."""
        self._state = "ended"
        for seat in self._seats:
            message = wire.EpisodeEnd(event=seat.next_event(), episode=self._plan.episode)
            await seat.send("end_simulation", message)
        await self._tell_status()

    # ------------------------------------------------------------ rounds

    async def play(self, time: int) -> None:
        """Play the round that starts at a moment.

        Raises:
            ParticipantError: if somebody stays silent and the config says to stop then.
            SimulationStoppedError: if an operator stops it.
        """
        await self._permission()
        engine = self._desk.engine
        assert engine is not None
        self._turns_ended.clear()
        step = self._terms.step
        events = engine.submit(StartRound(time, step))
        round, contracts = announced(events, engine.market)
        self._time = time
        if self.prepare is not None:
            await self.prepare(time)
        if self._demand_response is not None:
            await self._demand_response.play(time)
        await announce(engine, self._seats, round, contracts, self._delivered)
        self._skip_absent(engine)
        await self._turns(engine)
        self._count_silent()
        if self._terms.clearing == "tick":
            engine.submit(ClearOpenSlots(time))
        self._delivered = delivered_by_party(engine.submit(EndRound(time + step)))
        self._round += 1
        if monotonic() - self._told > STATUS_PERIOD_S:
            await self._tell_status()

    def _skip_absent(self, engine: Engine) -> None:
        """End the turns of those who are known to be away, so that the round does not wait for them."""
        if self._patience.silence != "skip":
            return
        for seat in self._seats:
            away = seat.absent or not seat.connected
            if away and engine.submit(EndTurn(seat.participant_id)):
                self._turns_ended.set()

    async def _turns(self, engine: Engine) -> None:
        """Wait until all turns have ended, or until patience does."""
        while True:
            try:
                async with asyncio.timeout(self._patience.turn_timeout_s):
                    await self._turns_ended.wait()
                break
            except TimeoutError:
                silent = sorted(engine.market.acting)
                self._alarms = [f"silent: {', '.join(silent)}"]
                await self._notify(silent)
                if self._patience.silence == "stop":
                    raise ParticipantError(
                        f"no turn within {self._patience.turn_timeout_s:g} s in round {self._time}: {', '.join(silent)}"
                    ) from None
                if self._patience.silence == "skip":
                    break
        self._check()

    async def _notify(self, silent: Sequence[str]) -> None:
        detail = (
            f"no turn within {self._patience.turn_timeout_s:g} s; the round at {self._time} does not wait"
        )
        for name in silent:
            seat = self._seats.find(name)
            assert seat is not None
            if self._patience.silence == "skip":
                seat.absent = True
            await seat.send("notice", wire.Notice(code="turn_timeout", detail=detail))

    def _count_silent(self) -> None:
        """Count those who have not answered the round until its end."""
        self._silent += sum(seat.round is not None for seat in self._seats)

    def metrics(self) -> Iterator[tuple[str, str, float]]:
        """Return what participants measured in the last round: id, name, value."""
        for seat in self._seats:
            for name, value in seat.metrics.items():
                yield seat.participant_id, name, value

    # ------------------------------------------------------------ control

    def pause(self) -> None:
        """Hold on before the next round."""
        self._steps = 0
        self._go.clear()

    def resume(self) -> None:
        """Go on."""
        self._steps = 0
        self._go.set()

    def step(self) -> None:
        """Play one round, then hold on again."""
        self._steps += 1
        self._go.set()

    def stop(self) -> None:
        """End the simulation; what was recorded stays."""
        self._stopped = True
        self._go.set()
        self._turns_ended.set()
        self._interrupt.set()

    @property
    def status(self) -> wire.Status:
        """How the simulation stands."""
        plan = self._plan
        began, before = self._speed
        seconds = monotonic() - began
        connected = sum(seat.connected for seat in self._seats)
        missing = self._seats.missing
        alarms = self._alarms + ([f"waiting for: {', '.join(missing)}"] if missing else [])
        return wire.Status(
            state=self._state if self._go.is_set() or self._state == "ended" else "paused",
            simulation=plan.simulation,
            episode=plan.episode,
            time=self._time,
            round=self._round,
            rounds=plan.rounds,
            rounds_per_second=round((self._round - before) / seconds, 1) if seconds > 0 else 0.0,
            participants=len(self._seats),
            connected=connected,
            silent=self._silent,
            alarms=alarms,
        )

    async def _tell_status(self) -> None:
        self._told = monotonic()
        await self._on_status(self.status)

    async def _permission(self) -> None:
        """Wait while paused."""
        if not self._go.is_set():
            await self._tell_status()
            await self._go.wait()
            await self._tell_status()
        if self._steps:
            self._steps -= 1
            if not self._steps:
                self._go.clear()
        self._check()

    async def _interruptible(self, waiting: Awaitable[object]) -> None:
        """Wait for something, or until the operator stops the simulation."""
        stop = asyncio.ensure_future(self._interrupt.wait())
        wait = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait({stop, wait}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stop, wait):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(stop, wait, return_exceptions=True)
        self._check()

    def fail(self, error: BaseException) -> None:
        """End the simulation because of a fault."""
        self._fault = error
        self._turns_ended.set()
        self._interrupt.set()

    def _check(self) -> None:
        """Raise what ends the simulation, if anything does."""
        if self._fault is not None:
            raise self._fault
        if self._stopped:
            raise SimulationStoppedError("stopped by the operator")
