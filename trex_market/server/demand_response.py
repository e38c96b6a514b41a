"""Demand response on the wall clock: participants answer and are told, and events happen at their time.

What is due is done when it is due, after a restart too; in between nothing is asked of the clock. What was
taken, or became of it, is in the journal before anybody is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.core.messages import Event, ProgrammeCommand
from trex_market.engine import Engine
from trex_market.programmes.demand_response import DemandResponse
from trex_market.programmes.demand_response import messages as said
from trex_market.programmes.demand_response.records import DeviceProgress, DrEvent, Flexibility
from trex_market.programmes.demand_response.running import RunningEvent
from trex_market.protocol import dr_wire, wire
from trex_market.protocol.dr_answers import event_fields, event_state, progress_message, reported, watts
from trex_market.protocol.requests import decoded
from trex_market.server.clock import Clock
from trex_market.server.desk import Desk
from trex_market.server.seats import Seat

logger = logging.getLogger(__name__)

SNAPSHOTS_KEPT = 168
"""Hours of which is remembered what could have been shed."""

LONGEST_WAIT_S = 3600.0

NEWS: dict[type[Event], str] = {
    said.DrInvited: "dr_invitation",
    said.DrScheduled: "dr_event_scheduled",
    said.DrExpired: "dr_event_expired",
    said.DrStarted: "dr_event_started",
    said.DrCompleted: "dr_event_completed",
    said.DrCancelled: "dr_event_cancelled",
    said.DrSettled: "dr_result",
}
"""What happened -> the Socket.IO event that says so to all whom it concerns."""


class Responding:
    """Demand response as a server does it.

    Args:
        desk: of the market; its engine has the programme beside it.
        programme: the programme.
        clock: tells the time.
    """

    def __init__(self, desk: Desk, programme: DemandResponse, clock: Clock) -> None:
        assert desk.engine is not None
        self.programme = programme
        self._desk = desk
        self._engine: Engine = desk.engine
        self._clock = clock
        self._outbox = desk.engine.listen()
        self._changed = asyncio.Event()
        self.snapshots: deque[Flexibility] = deque(maxlen=SNAPSHOTS_KEPT)
        """What could have been shed, the newest last."""
        desk.serve("dr_answer", self._answer)
        desk.serve("device_power", self._device_power)
        desk.serve("dr_events", self._events)

    def now(self) -> int:
        """Return the time, UNIX seconds."""
        return int(self._clock.now())

    # ------------------------------------------------------------ commands

    def submit(self, command: ProgrammeCommand) -> Event:
        """Hand a command to the programme, and return the event that answers it; it may be told after `safe`.

        Raises:
            ProtocolError: if it is refused.
        """
        try:
            outcome = self._engine.submit(command)[-1]
        except Exception as error:
            # A fault of ours: the market is stopped rather than left half changed.
            self._desk.faulty(error)
            raise
        self._changed.set()
        if isinstance(outcome, said.DrRefused):
            raise ProtocolError(outcome.code, outcome.detail)
        return outcome

    async def safe(self) -> None:
        """Wait until all that was taken would survive a crash."""
        await self._desk.pace.safe()

    def running(self, event_id: str) -> RunningEvent:
        """Return an event.

        Raises:
            ProtocolError: unknown_event.
        """
        found = self.programme.known.events.get(event_id)
        if found is None:
            raise ProtocolError(RefusalCode.UNKNOWN_EVENT, f"there is no event {event_id!r}")
        return found

    def _answer(self, seat: Seat, data: object) -> wire.Result:
        request = decoded(dr_wire.DrAnswer, data)
        reduction = watts(request.reduction_kw)
        who = (request.event_id, request.device_id, seat.participant_id)
        self.submit(said.AnswerDr(*who, request.accept, self.now(), reduction))
        return wire.Result()

    def _device_power(self, seat: Seat, data: object) -> wire.Result:
        now = self.now()
        samples = reported(decoded(dr_wire.DevicePower, data), now)
        self.submit(said.ReportPower(seat.participant_id, samples, now))
        return wire.Result()

    def _events(self, seat: Seat, _data: object) -> dr_wire.DrOverview:
        name, now = seat.participant_id, self.now()
        own = [
            event_state(running, now, name)
            for running in self.programme.known.events.values()
            if name in running.participants
        ]
        return dr_wire.DrOverview(events=own[::-1], time=now)

    # ------------------------------------------------------------ the clock

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Do what is due, and tell of it, for as long as the context lasts."""
        task = asyncio.create_task(self._run())
        task.add_done_callback(self._check)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def _check(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("demand response cannot go on", exc_info=error)
            self._desk.faulty(error)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            due = self.programme.next_due()
            now = self._clock.now()
            if due is not None and due <= now:
                self._engine.submit(said.AdvanceDr(int(now)))
            await self._tell()
            if due is None or due > now:
                await self._wait(now + LONGEST_WAIT_S if due is None else due)

    async def _wait(self, moment: float) -> None:
        """Wait for a moment, or for something new."""
        waiting = {
            asyncio.ensure_future(self._clock.sleep_until(moment)),
            asyncio.ensure_future(self._changed.wait()),
        }
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    # ------------------------------------------------------------ telling

    async def _tell(self) -> None:
        """Tell participants what has happened since the last time."""
        events = self._outbox.take()
        if not events:
            return
        await self.safe()
        for event in events:
            if type(event) in NEWS:
                await self._tell_all(NEWS[type(event)], event.event)  # type: ignore[union-attr]
            elif isinstance(event, said.DrAnswered):
                if event.invitation.is_automatic:
                    running = self.programme.known.events.get(event.invitation.event_id)
                    await self._tell_one("dr_answered", event.invitation.participant_id, running)
            elif isinstance(event, said.DrProgressed):
                await self._tell_progress(event)
            elif isinstance(event, said.DrSilent):
                await self._tell_silence(event)
            elif isinstance(event, said.FlexibilityTaken):
                self.snapshots.append(event.flexibility)

    async def _tell_all(self, name: str, event: DrEvent) -> None:
        running = self.programme.known.events.get(event.event_id)
        for participant_id in () if running is None else running.participants:
            await self._tell_one(name, participant_id, running)

    async def _tell_one(self, name: str, participant_id: str, running: RunningEvent | None) -> None:
        seat = self._desk.seats.find(participant_id)
        if seat is None or running is None:
            return
        fields = event_fields(running, self.now(), participant_id)
        await seat.send(name, dr_wire.DrNews(event=seat.next_event(), **fields))

    async def _tell_progress(self, event: said.DrProgressed) -> None:
        for participant_id, devices in _by_participant(event.devices):
            seat = self._desk.seats.find(participant_id)
            if seat is not None and seat.connected:
                await seat.send("dr_progress", progress_message(event.event_id, event.time, devices))

    async def _tell_silence(self, event: said.DrSilent) -> None:
        seat = self._desk.seats.find(event.participant_id)
        if seat is not None:
            message = dr_wire.DrSilence(
                event=seat.next_event(),
                event_id=event.event_id,
                device_id=event.device_id,
                start=event.start,
                end=event.end,
            )
            await seat.send("dr_silent", message)


def _by_participant(devices: Iterable[DeviceProgress]) -> list[tuple[str, list[DeviceProgress]]]:
    found: dict[str, list[DeviceProgress]] = {}
    for device in devices:
        found.setdefault(device.participant_id, []).append(device)
    return list(found.items())


def programme_of(engine: Engine) -> DemandResponse | None:
    """Return the programme beside an engine's market, if there is one."""
    return next((one for one in engine.programmes if isinstance(one, DemandResponse)), None)
