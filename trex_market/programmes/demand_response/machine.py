"""The programme: commands in, events out; what follows from the clock happens when it is told the time.

`handle` first does what was due until the command's time. What the market says of readings and rounds is heard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.core.messages import Event, MeterAccepted, ProgrammeCommand, RoundStarted
from trex_market.programmes.demand_response import checks
from trex_market.programmes.demand_response.analytics import Analytics, analyse
from trex_market.programmes.demand_response.clockwork import Clockwork
from trex_market.programmes.demand_response.devices import MeasuredDevice
from trex_market.programmes.demand_response.inviting import event_of, invitations_of
from trex_market.programmes.demand_response.known import DrState, Known
from trex_market.programmes.demand_response.measuring import cut_at, only_of, spread
from trex_market.programmes.demand_response.messages import (
    COMMANDS,
    AdvanceDr,
    AnswerDr,
    AutoResponseSet,
    CancelDr,
    DeviceInstructed,
    DrAdvanced,
    DrAnswered,
    DrCancelled,
    DrInvited,
    DrOpened,
    DrRefused,
    DrSilent,
    FlexibilityTaken,
    InstructDevice,
    InviteDr,
    OpenDr,
    PowerTaken,
    ReportPower,
    SetAutoResponse,
    TakeFlexibility,
)
from trex_market.programmes.demand_response.records import NAME, Invitation, PowerSample, Terms
from trex_market.programmes.demand_response.running import RunningEvent, Stage


class DemandResponse:
    """Invites devices to shed load, measures what they shed, and pays for it.

    Args:
        terms: that it shall have; `opening` makes the command that gives it them.
    """

    name = NAME
    commands = COMMANDS

    def __init__(self, terms: Terms) -> None:
        self.known = Known(terms)
        """What it knows; to be looked at, never to be changed, from outside."""
        self._clockwork = Clockwork(self.known, self._invite)
        self._handlers: dict[type, Callable[[Any], list[Event]]] = {
            AdvanceDr: lambda command: [DrAdvanced(command.time)],
            InviteDr: self._invite,
            AnswerDr: self._answer,
            CancelDr: self._cancel,
            ReportPower: self._report,
            SetAutoResponse: self._set_rule,
            InstructDevice: self._instruct,
            TakeFlexibility: lambda command: [FlexibilityTaken(self.known.flexibility(command.time))],
        }

    # ------------------------------------------------------------ what the engine asks

    def opening(self) -> tuple[ProgrammeCommand, ...]:
        """Return the commands that give it the terms that it shall have."""
        known = self.known
        return () if known.is_open and known.terms == known.wanted else (OpenDr(known.wanted),)

    def handle(self, command: ProgrammeCommand) -> list[Event]:
        """Do what was due until now, then handle a command; the last event is the answer to it."""
        if isinstance(command, OpenDr):
            self.known.take(command.terms)
            return [DrOpened(command.terms)]
        if not self.known.is_open:
            return [DrRefused(RefusalCode.WRONG_PHASE, "demand response is not open")]
        time: int = command.time  # type: ignore[attr-defined]  # all others have one
        events = self._clockwork.advance(time)
        try:
            return [*events, *self._handlers[type(command)](command)]
        except ProtocolError as error:
            named = {
                name: getattr(command, name, None) for name in ("participant_id", "event_id", "device_id")
            }
            return [*events, DrRefused(error.code, error.detail, **named)]

    def hear(self, events: Sequence[Event]) -> list[Event]:
        """Take readings and the time from the market."""
        follows: list[Event] = []
        if not self.known.is_open:
            return follows
        for event in events:
            if type(event) is MeterAccepted:
                self._measure(event)
            elif type(event) is RoundStarted:
                follows += self._clockwork.advance(event.time)
        return follows

    def _measure(self, event: MeterAccepted) -> None:
        for device in self.known.metered.get(event.participant_id, ()):
            device_id = device.device.device_id
            piece = device.read(event.meter)
            for running in self.known.measured_in(device_id):
                spread(running.segments_of(device_id), device_id, piece)

    def state(self) -> DrState:
        """Return all that it knows."""
        return self.known.state()

    def resume(self, state: bytes) -> None:
        """Know what another one knew."""
        self.known.resume(msgspec.json.decode(state, type=DrState))

    def analytics(self, start: int, end: int) -> Analytics:
        """Return what the events came to that began in a period."""
        return analyse(self.known.events.values(), start, end, self.known.now)

    def next_due(self) -> int | None:
        """Return when it must be told the time next; None if nothing is planned."""
        return self._clockwork.next_due() if self.known.is_open else None

    # ------------------------------------------------------------ commands

    def _invite(self, command: InviteDr) -> list[Event]:
        known = self.known
        checks.check_invitation(command, known.events)
        device_ids = list(dict.fromkeys(command.devices)) or list(known.devices)
        devices = {name: checks.known_device(known.devices, name) for name in device_ids}
        if not devices:
            raise ProtocolError(RefusalCode.UNKNOWN_DEVICE, "there are no devices")
        checks.check_free(command, devices, known.live.values())
        event = event_of(command, known.terms)
        expectation = known.expectation(event)
        expected = {name: expectation.mean_power(device) for name, device in devices.items()}
        owners = {name: device.device.participant_id for name, device in devices.items()}
        running = RunningEvent(event, invitations_of(event, owners, expected))
        running.automatic = sorted(
            (command.time + known.rule_of(owner).delay_s, name) for name, owner in owners.items()
        )
        known.add(running)
        return [DrInvited(event, tuple(running.invitations.values()))]

    def _answer(self, command: AnswerDr) -> list[Event]:
        running = checks.known_event(self.known.events, command.event_id)
        invitation = checks.check_answer(command, running)
        if command.time >= running.event.answer_by:
            return self._leave(invitation, running, command.time)
        invitation = msgspec.structs.replace(
            invitation,
            accepts=command.accepts,
            committed_w=command.reduction_w,
            answered_at=command.time,
            is_automatic=False,
        )
        running.invitations[command.device_id] = invitation
        return [DrAnswered(invitation)]

    def _leave(self, invitation: Invitation, running: RunningEvent, time: int) -> list[Event]:
        """Let a device leave an event; what it committed stays, and what it sheds counts as zero from now on."""
        invitation = msgspec.structs.replace(invitation, left_at=time)
        running.invitations[invitation.device_id] = invitation
        if (
            running.stage == Stage.STARTED
        ):  # a cut in the segments of all would change what others are credited
            own = only_of(running.segments, invitation.device_id)
            running.own_segments[invitation.device_id] = cut_at(own, time)
        return [DrAnswered(invitation)]

    def _cancel(self, command: CancelDr) -> list[Event]:
        running = checks.known_event(self.known.events, command.event_id)
        status = running.status(command.time)
        if status not in ("pending", "scheduled", "active"):
            detail = f"the event {command.event_id!r} is {status}, and cannot be cancelled any more"
            raise ProtocolError(RefusalCode.WRONG_PHASE, detail)
        running.event = msgspec.structs.replace(running.event, cancelled_at=command.time)
        if running.stage == Stage.STARTED:
            running.stage = Stage.ENDED
            running.segments = cut_at(running.segments, command.time)
            for device_id, own in running.own_segments.items():
                running.own_segments[device_id] = cut_at(own, command.time)
        else:
            self.known.is_done(running)
        return [DrCancelled(running.event, running.participants)]

    def _report(self, command: ReportPower) -> list[Event]:
        # All or none: they are looked at before any is taken.
        checks.check_report(command, self.known.devices)
        happened: list[Event] = []
        listed: list[tuple[str, PowerSample]] = []
        for sample in command.samples:
            happened += self._sampled(self.known.devices[sample.device_id], sample, listed)
        return [*happened, PowerTaken(command.participant_id, tuple(listed))]

    def _sampled(
        self, device: MeasuredDevice, sample: PowerSample, listed: list[tuple[str, PowerSample]]
    ) -> list[Event]:
        before, owner = device.sampled_at, device.device.participant_id
        piece = device.sample(sample.power_w, sample.time)
        happened: list[Event] = []
        for running in self.known.measured_in(sample.device_id):
            event = running.event
            if event.start <= sample.time <= event.end:
                listed.append((event.event_id, sample))
            if piece is not None:
                spread(running.segments_of(sample.device_id), sample.device_id, piece)
                continue
            start, end = max(event.start, before or 0), min(sample.time, event.end)
            if start < end:
                happened.append(DrSilent(event.event_id, sample.device_id, owner, start, end))
        return happened

    def _set_rule(self, command: SetAutoResponse) -> list[Event]:
        checks.check_rule(command, self.known.devices.values())
        if command.participant_id is None:
            self.known.rule = command.rule
        else:
            self.known.rules[command.participant_id] = command.rule
        return [AutoResponseSet(command.participant_id, command.rule)]

    def _instruct(self, command: InstructDevice) -> list[Event]:
        measured = checks.known_device(self.known.devices, command.device_id)
        checks.check_hours(command.hours)
        self.known.hours[command.device_id] = command.hours
        measured.device = msgspec.structs.replace(measured.device, hours=command.hours)
        return [DeviceInstructed(measured.device)]
