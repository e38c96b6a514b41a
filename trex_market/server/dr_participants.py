"""Demand response and participants over connections: what they may ask, and what they are told.

The same on the wall clock (`server.demand_response`) and in a simulation (`server.conductor`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from trex_market.core.errors import ProtocolError
from trex_market.core.messages import Event, ProgrammeCommand
from trex_market.engine import Engine
from trex_market.programmes.demand_response import DemandResponse
from trex_market.programmes.demand_response import messages as said
from trex_market.programmes.demand_response.records import DeviceProgress, DrEvent
from trex_market.programmes.demand_response.running import RunningEvent, Stage
from trex_market.protocol import dr_wire, wire
from trex_market.protocol.dr_answers import event_fields, event_state, progress_message, reported, watts
from trex_market.protocol.requests import decoded
from trex_market.server.desk import Desk
from trex_market.server.seats import Seat

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

STANDS = {
    Stage.INVITED: "dr_invitation",
    Stage.DECIDED: "dr_event_scheduled",
    Stage.STARTED: "dr_event_started",
}
"""What was done about an event -> the Socket.IO event that says so."""

Submit = Callable[[ProgrammeCommand], Event]


class DrParticipants:
    """Answers participants about demand response, and tells them of it.

    Args:
        desk: of the market.
        programme: beside it.
        now: tells the time, UNIX seconds.
        submit: hands a command to the programme, and returns the event that answers it, or raises `ProtocolError`.
    """

    def __init__(self, desk: Desk, programme: DemandResponse, now: Callable[[], int], submit: Submit) -> None:
        self._desk = desk
        self._known = programme.known
        self._now = now
        self._submit = submit
        self._own_answers: dict[int, Event] = {}
        """Those that are still to be heard of, by identity."""
        desk.serve("dr_answer", self._answer)
        desk.serve("device_power", self._device_power)
        desk.serve("dr_events", self._events)

    # ------------------------------------------------------------ requests

    def _answer(self, seat: Seat, data: object) -> wire.Result:
        request = decoded(dr_wire.DrAnswer, data)
        reduction = watts(request.reduction_kw)
        who = (request.event_id, request.device_id, seat.participant_id)
        answered = self._submit(said.AnswerDr(*who, request.accept, self._now(), reduction))
        self._own_answers[id(answered)] = answered
        return wire.Result()

    def _device_power(self, seat: Seat, data: object) -> wire.Result:
        now = self._now()
        samples = reported(decoded(dr_wire.DevicePower, data), now)
        self._submit(said.ReportPower(seat.participant_id, samples, now))
        return wire.Result()

    def _events(self, seat: Seat, _data: object) -> dr_wire.DrOverview:
        name, now = seat.participant_id, self._now()
        own = [
            event_state(running, now, name)
            for running in self._known.events.values()
            if name in running.participants
        ]
        return dr_wire.DrOverview(events=own[::-1], time=now)

    # ------------------------------------------------------------ telling

    async def tell(self, events: Iterable[Event]) -> None:
        """Tell participants what has happened; of their own answers they know."""
        answered: dict[tuple[str, str], None] = {}
        for event in events:
            if type(event) in NEWS:
                await self._tell_all(NEWS[type(event)], event.event)  # type: ignore[union-attr]
            elif isinstance(event, said.DrAnswered):
                if self._own_answers.pop(id(event), None) is None:
                    answered[event.invitation.event_id, event.invitation.participant_id] = None
            elif isinstance(event, said.DrProgressed):
                await self._tell_progress(event)
            elif isinstance(event, said.DrSilent):
                await self._tell_silence(event)
        for event_id, participant_id in answered:  # once, however many devices
            await self._tell_one("dr_answered", participant_id, self._known.events.get(event_id))

    def welcome(self, seat: Seat) -> None:
        """Let somebody who knows nothing find how the events stand that concern it."""
        for running in self._known.live.values():
            name = STANDS.get(Stage(running.stage))
            if name is not None and seat.participant_id in running.participants:
                seat.keep(name, self._news(seat, running))

    async def _tell_all(self, name: str, event: DrEvent) -> None:
        running = self._known.events.get(event.event_id)
        for participant_id in () if running is None else running.participants:
            await self._tell_one(name, participant_id, running)

    async def _tell_one(self, name: str, participant_id: str, running: RunningEvent | None) -> None:
        seat = self._desk.seats.find(participant_id)
        if seat is not None and running is not None:
            await seat.send(name, self._news(seat, running))

    def _news(self, seat: Seat, running: RunningEvent) -> dr_wire.DrNews:
        fields = event_fields(running, self._now(), seat.participant_id)
        return dr_wire.DrNews(event=seat.next_event(), **fields)

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


class DrTold:
    """Demand response of an episode, with participants who are far away: told as its rounds are.

    Args:
        desk: of the market.
        engine: of the episode.
        programme: beside its market.
        start: of the episode, UNIX seconds.
    """

    def __init__(self, desk: Desk, engine: Engine, programme: DemandResponse, start: int) -> None:
        self._engine = engine
        self._time = start
        self._outbox = engine.listen()
        self._participants = DrParticipants(desk, programme, lambda: self._time, self._submit)

    def _submit(self, command: ProgrammeCommand) -> Event:
        return answer_of(self._engine.submit(command))

    async def play(self, time: int) -> None:
        """Tell of what has happened until the start of a round, before the round is announced."""
        self._time = time
        await self._participants.tell(self._outbox.take())


def answer_of(events: list[Event]) -> Event:
    """Return the event that answers a command, the last one of those that it led to.

    Raises:
        ProtocolError: if it is a refusal.
    """
    outcome = events[-1]
    if isinstance(outcome, said.DrRefused):
        raise ProtocolError(outcome.code, outcome.detail)
    return outcome


def programme_of(engine: Engine) -> DemandResponse | None:
    """Return the programme beside an engine's market, if there is one."""
    return next((one for one in engine.programmes if isinstance(one, DemandResponse)), None)


def demand_response_told(desk: Desk, engine: Engine, start: int) -> DrTold | None:
    """Return what tells participants of demand response; None if there is none beside an episode's market."""
    programme = programme_of(engine)
    return None if programme is None else DrTold(desk, engine, programme, start)
