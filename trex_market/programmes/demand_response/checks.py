"""What may be asked for: each refusal with its code and its sentence."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from trex_market.core.errors import ProtocolError, RefusalCode, unknown_name
from trex_market.programmes.demand_response.devices import MeasuredDevice
from trex_market.programmes.demand_response.messages import (
    AnswerDr,
    InviteDr,
    ReportPower,
    SetAutoResponse,
)
from trex_market.programmes.demand_response.records import HOURS, MILLION, Invitation, PowerSample
from trex_market.programmes.demand_response.running import RunningEvent

MAX_ENERGY = 1_000_000_000
"""Wh of an event (1 GWh)."""

MAX_POWER = 1_000_000_000
"""W of a device (1 GW)."""

SHORTEST_S, LONGEST_S = 10, 86_400
"""Of an event."""

FURTHEST_S = 366 * 86_400
"""So long before an event devices may be invited."""

AHEAD_S = 2
"""A device's clock may be so much ahead."""

MAX_ID = 64

MAX_SAMPLES = 10_000
"""Of one report."""

SHOWN = 10
"""So many devices are named in a sentence."""


def refuse(code: RefusalCode, detail: str) -> ProtocolError:
    """Make a refusal."""
    return ProtocolError(code, detail)


def known_device(devices: Mapping[str, MeasuredDevice], device_id: str) -> MeasuredDevice:
    """Return a device.

    Raises:
        ProtocolError: unknown_device.
    """
    if device_id not in devices:
        raise refuse(RefusalCode.UNKNOWN_DEVICE, unknown_name("device", device_id, _some(devices)))
    return devices[device_id]


def known_event(events: Mapping[str, RunningEvent], event_id: str) -> RunningEvent:
    """Return an event.

    Raises:
        ProtocolError: unknown_event.
    """
    if event_id not in events:
        raise refuse(RefusalCode.UNKNOWN_EVENT, unknown_name("event", event_id, _some(events)))
    return events[event_id]


def _some(names: Iterable[str]) -> list[str]:
    return [name for name, _ in zip(names, range(SHOWN), strict=False)]


def check_invitation(command: InviteDr, taken: Container[str]) -> None:
    """Check an invitation but for its devices.

    Raises:
        ProtocolError: malformed, bad_time, bad_load.
    """
    name = command.event_id
    if not name or len(name) > MAX_ID or not name.isprintable():
        raise refuse(RefusalCode.MALFORMED, f"an event's id has 1 to {MAX_ID} characters that can be seen")
    if name in taken:
        raise refuse(RefusalCode.MALFORMED, f"there is an event {name!r} already")
    if command.start <= command.time:
        raise refuse(
            RefusalCode.BAD_TIME, f"the event begins at {command.start}, which is past: it is {command.time}"
        )
    if command.start > command.time + FURTHEST_S:
        raise refuse(RefusalCode.BAD_TIME, f"the event begins at {command.start}, more than a year ahead")
    if not SHORTEST_S <= command.duration_s <= LONGEST_S:
        detail = f"an event lasts {SHORTEST_S} to {LONGEST_S} s, found {command.duration_s}"
        raise refuse(RefusalCode.BAD_TIME, detail)
    if command.answer_by is not None and not command.time < command.answer_by <= command.start:
        detail = f"answer_by is from now ({command.time}) to the start ({command.start}), found {command.answer_by}"
        raise refuse(RefusalCode.BAD_TIME, detail)
    _check_load(command)


def _check_load(command: InviteDr) -> None:
    if (command.energy is None) == (command.share is None):
        raise refuse(RefusalCode.BAD_LOAD, "the load to be shed is given either in kWh or in percent")
    if command.energy is not None and not 0 < command.energy <= MAX_ENERGY:
        detail = f"the load to be shed is above 0 and at most {MAX_ENERGY} Wh, found {command.energy}"
        raise refuse(RefusalCode.BAD_LOAD, detail)
    if command.share is not None and not 0 < command.share <= MILLION:
        detail = f"the load to be shed is above 0 and at most 100 %, found {command.share / 10_000:g}"
        raise refuse(RefusalCode.BAD_LOAD, detail)
    if command.quorum is not None and not 0 < command.quorum <= MILLION:
        detail = f"the quorum is above 0 and at most 100 %, found {command.quorum / 10_000:g}"
        raise refuse(RefusalCode.BAD_LOAD, detail)


def check_free(command: InviteDr, device_ids: Iterable[str], events: Iterable[RunningEvent]) -> None:
    """Check that none of an event's devices is in another one at the same time.

    Raises:
        ProtocolError: overlapping_event.
    """
    wanted = set(device_ids)
    end = command.start + command.duration_s
    for running in events:
        event = running.event
        if event.start >= end or event.end <= command.start:
            continue
        if running.status(command.time) in ("cancelled", "expired", "completed"):
            continue
        for device_id, invitation in running.invitations.items():
            if device_id in wanted and invitation.accepts is not False:
                detail = f"device {device_id!r} is in the event {event.event_id!r} from {event.start} to {event.end}"
                raise refuse(RefusalCode.OVERLAPPING_EVENT, detail)


def check_answer(command: AnswerDr, running: RunningEvent) -> Invitation:
    """Check an answer, and return what it answers.

    Raises:
        ProtocolError: unknown_device, unauthorised, wrong_phase, deadline_passed, bad_load.
    """
    event = running.event
    invitation = running.invitations.get(command.device_id)
    if invitation is None:
        detail = f"device {command.device_id!r} is not invited to the event {event.event_id!r}"
        raise refuse(RefusalCode.UNKNOWN_DEVICE, detail)
    if invitation.participant_id != command.participant_id:
        detail = f"device {command.device_id!r} is not one of {command.participant_id!r}"
        raise refuse(RefusalCode.UNAUTHORISED, detail)
    if event.cancelled_at is not None:
        raise refuse(RefusalCode.WRONG_PHASE, f"the event {event.event_id!r} was cancelled")
    if command.time >= event.answer_by and not is_withdrawal(command, running):
        detail = f"answers were taken until {event.answer_by}; it is {command.time}"
        raise refuse(RefusalCode.DEADLINE_PASSED, detail)
    if command.accepts and not 0 < command.reduction_w <= MAX_POWER:
        detail = f"who accepts sheds more than 0 and at most {MAX_POWER} W, found {command.reduction_w}"
        raise refuse(RefusalCode.BAD_LOAD, detail)
    if not command.accepts and command.reduction_w:
        raise refuse(RefusalCode.BAD_LOAD, "who does not accept sheds nothing")
    return invitation


def is_withdrawal(command: AnswerDr, running: RunningEvent) -> bool:
    """Say whether an answer after the deadline is that of a device which leaves an event to which it is committed."""
    invitation = running.invitations[command.device_id]
    is_committed = bool(invitation.accepts) and invitation.left_at is None
    can_leave = running.status(command.time) in ("scheduled", "active")
    return not command.accepts and is_committed and can_leave


def check_report(command: ReportPower, devices: Mapping[str, MeasuredDevice]) -> None:
    """Check what a participant's devices report, each sample as if those before it were taken.

    Raises:
        ProtocolError: malformed, unknown_device; see `check_sample`.
    """
    if not 0 < len(command.samples) <= MAX_SAMPLES:
        detail = f"a report has 1 to {MAX_SAMPLES} samples, found {len(command.samples)}"
        raise refuse(RefusalCode.MALFORMED, detail)
    newest: dict[str, int] = {}
    for sample in command.samples:
        device = known_device(devices, sample.device_id)
        check_sample(sample, device, command.participant_id, command.time)
        if sample.time <= newest.get(sample.device_id, sample.time - 1):
            raise refuse(RefusalCode.BAD_TIME, "the samples of a device are in order of time")
        newest[sample.device_id] = sample.time


def check_rule(command: SetAutoResponse, devices: Iterable[MeasuredDevice]) -> None:
    """Check a standing rule.

    Raises:
        ProtocolError: bad_load, bad_time, unknown_participant.
    """
    rule = command.rule
    if not 0 < rule.most <= MILLION:
        detail = f"the largest reduction is above 0 and at most 100 %, found {rule.most / 10_000:g}"
        raise refuse(RefusalCode.BAD_LOAD, detail)
    if not (0 <= rule.delay_s <= LONGEST_S and 0 <= rule.notice_s <= LONGEST_S):
        raise refuse(RefusalCode.BAD_TIME, f"delay and notice are 0 to {LONGEST_S} s")
    owners = {device.device.participant_id for device in devices}
    if command.participant_id is not None and command.participant_id not in owners:
        raise refuse(RefusalCode.UNKNOWN_PARTICIPANT, f"{command.participant_id!r} has no device")


def check_hours(hours: Sequence[str]) -> None:
    """Check a device's instructions.

    Raises:
        ProtocolError: malformed.
    """
    if len(hours) != HOURS:
        detail = f"there is an instruction for each of {HOURS} hours, found {len(hours)}"
        raise refuse(RefusalCode.MALFORMED, detail)


def check_sample(sample: PowerSample, device: MeasuredDevice, participant_id: str, now: int) -> None:
    """Check what a device reports.

    Raises:
        ProtocolError: unauthorised, wrong_phase, bad_load, bad_time.
    """
    if device.device.participant_id != participant_id:
        raise refuse(
            RefusalCode.UNAUTHORISED, f"device {sample.device_id!r} is not one of {participant_id!r}"
        )
    if device.device.measured != "power":
        detail = f"device {sample.device_id!r} is measured by the meter readings of {participant_id!r}"
        raise refuse(RefusalCode.WRONG_PHASE, detail)
    if abs(sample.power_w) > MAX_POWER:
        detail = f"a device takes at most {MAX_POWER} W, found {sample.power_w}"
        raise refuse(RefusalCode.BAD_LOAD, detail)
    if sample.time > now + AHEAD_S:
        detail = f"the sample is of {sample.time}, which is still to come: it is {now}"
        raise refuse(RefusalCode.BAD_TIME, detail)
    if device.sampled_at is not None and sample.time <= device.sampled_at:
        detail = f"the sample is of {sample.time}; a later one, of {device.sampled_at}, was taken before"
        raise refuse(RefusalCode.BAD_TIME, detail)
