"""Messages of demand response. Power in kW, but for a device's own in W; energy in kWh, shares in percent.

Over Socket.IO participants get events and answer; over HTTP whoever manages the programme invites and looks.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from trex_market.protocol.wire import Message, Result, Seconds

Kilowatts = Annotated[float, Meta(description="kW")]
KilowattHours = Annotated[float, Meta(description="kWh")]
Percent = Annotated[float, Meta(description="%")]
Watts = Annotated[int, Meta(ge=-(2**40), le=2**40, description="W")]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Moment = Annotated[int, Meta(ge=0, le=2**37, description="UNIX seconds")]
Length = Annotated[int, Meta(ge=0, le=2**31, description="seconds")]

Status = Literal["pending", "scheduled", "active", "completed", "cancelled", "expired"]
Mode = Literal["off", "shifting", "participation"]

# ---------------------------------------------------------------- requests of participants


class DrAnswer(Message, frozen=True, kw_only=True):
    """`dr_answer`: answer an invitation for one of the participant's devices; the last before the deadline counts.

    Whoever declines after the deadline, having accepted, leaves the event: what it sheds then counts as zero.

    Args:
        accept: whether it takes part.
        reduction_kw: what it will shed, if it does.
    """

    event_id: Name
    device_id: Name
    accept: bool
    reduction_kw: Kilowatts = 0.0


class DeviceSample(Message, frozen=True, kw_only=True):
    """A device's power at a moment.

    Args:
        power_w: W, below 0 if it feeds in.
        time: when; now if it is left out.
    """

    device_id: Name
    power_w: Watts
    time: Moment | None = None


class DevicePower(Message, frozen=True, kw_only=True):
    """`device_power`: what devices take; one (`device_id`, `power_w`, `time`), or several in order of time.

    Args:
        samples: if there are several.
    """

    device_id: Name | None = None
    power_w: Watts | None = None
    time: Moment | None = None
    samples: Annotated[tuple[DeviceSample, ...], Meta(max_length=10_000)] = ()


# ---------------------------------------------------------------- what is told


class DrDevice(Message, frozen=True, kw_only=True):
    """A device's part in an event.

    Args:
        expected_kw: what it was expected to take.
        asked_kw: what it is asked to shed.
        accepts: the answer; null as long as there is none.
        committed_kw: what it will shed.
        answered_at: when it was answered.
        automatic: whether the standing rule answered.
        left_at: when it declined after the deadline, although it had accepted; what it sheds from then on counts as
            zero. null if it did not.
        status: of its part: that of an event that goes on without it is `expired`.
        baseline_kwh: what it would have taken, in the time that was measured; null before that is known, as are all below.
        metered_kwh: what it took.
        reduction_kwh: the difference.
        committed_kwh: what it had committed.
        credited_kwh: what of it counts.
        measured_s: how long it was measured, seconds.
        baseline_quality: `full`, `fewer_days`, `prognosis` or `none`.
        paid: dollars.
        rebound_kwh: what it took above its baseline afterwards.
    """

    device_id: str
    participant_id: str
    expected_kw: Kilowatts
    asked_kw: Kilowatts
    accepts: bool | None
    committed_kw: Kilowatts
    answered_at: Seconds | None
    automatic: bool
    left_at: Seconds | None
    status: Status
    baseline_kwh: KilowattHours | None = None
    metered_kwh: KilowattHours | None = None
    reduction_kwh: KilowattHours | None = None
    committed_kwh: KilowattHours | None = None
    credited_kwh: KilowattHours | None = None
    measured_s: int | None = None
    baseline_quality: str | None = None
    paid: Annotated[float, Meta(description="$")] | None = None
    rebound_kwh: KilowattHours | None = None


class DrEventState(Message, frozen=True, kw_only=True):
    """An event, and the parts of devices in it.

    Args:
        start: when it begins.
        end: when it ends, or ended.
        load_kwh: energy that all together are to shed; null if a share says it.
        load_percent: the share of each device's load; null if an energy says it.
        price: $/kWh, for what was committed and shed.
        penalty: $/kWh, for what was committed and not shed.
        answer_by: until then answers are taken.
        devices: to a participant, its own.
    """

    event_id: str
    status: Status
    start: Seconds
    end: Seconds
    load_kwh: KilowattHours | None
    load_percent: Percent | None
    price: float
    penalty: float
    invited_at: Seconds
    answer_by: Seconds
    devices: list[DrDevice]


class DrNews(DrEventState, frozen=True, kw_only=True):
    """Something happened to an event of the participant's devices: the name of the Socket.IO event says what.

    Args:
        event: running number of the events sent to this participant.
    """

    event: int


class DrDeviceProgress(Message, frozen=True, kw_only=True):
    """How a device does in a running event.

    Args:
        baseline_kw: what it would take now; null if that is not known.
        power_kw: what it takes now; null if it is silent.
        reduction_kw: the difference.
        reduced_kwh: shed so far, in the time that was measured.
        measured_s: how long that was, seconds.
    """

    device_id: str
    participant_id: str
    committed_kw: Kilowatts
    baseline_kw: Kilowatts | None
    power_kw: Kilowatts | None
    reduction_kw: Kilowatts | None
    reduced_kwh: KilowattHours
    measured_s: int


class DrProgress(Message, frozen=True, kw_only=True):
    """`dr_progress`: how devices do in a running event.

    Args:
        reduction_kw: what all those shed now of which it is known.
        reduced_kwh: shed so far by all.
    """

    event_id: str
    time: Seconds
    reduction_kw: Kilowatts
    reduced_kwh: KilowattHours
    devices: list[DrDeviceProgress]


class DrSilence(Message, frozen=True, kw_only=True):
    """`dr_silent`: a device was silent in an event; that time counts as not measured.

    Args:
        event: running number of the events sent to this participant.
    """

    event: int
    event_id: str
    device_id: str
    start: Seconds
    end: Seconds


class DrOverview(Message, frozen=True, kw_only=True):
    """Events, those to which devices were invited last first.

    Args:
        time: now, for the server.
    """

    events: list[DrEventState]
    time: Seconds
    ok: bool = True


# ---------------------------------------------------------------- of those who manage


class NewEvent(Message, frozen=True, kw_only=True):
    """Invite devices to an event.

    Args:
        event_id: a new one; made up if left out.
        start: when it begins.
        duration_s: how long it lasts, seconds.
        load_kwh: energy that all together are to shed; either this or load_percent.
        load_percent: the share of each device's load.
        devices: ids; empty for all.
        answer_by: until then answers are taken; what the config says if left out, and so on below.
        accept: whether it takes place if `any` device accepts, only if `all` do, or from a `quorum` on.
        quorum_percent: of the load asked for.
        price: $/kWh, for what was committed and shed.
        penalty: $/kWh, for what was committed and not shed.
    """

    start: Moment
    event_id: Name | None = None
    duration_s: Length = 3540
    load_kwh: KilowattHours | None = None
    load_percent: Percent | None = None
    devices: Annotated[tuple[Name, ...], Meta(max_length=100_000)] = ()
    answer_by: Moment | None = None
    accept: Literal["any", "all", "quorum"] | None = None
    quorum_percent: Percent | None = None
    price: float | None = None
    penalty: float | None = None


class AutoResponse(Message, frozen=True, kw_only=True):
    """A standing rule that answers for participants that do not.

    Args:
        enabled: whether it answers.
        max_reduction_percent: of a device's load it commits at most so much.
        delay_s: it answers so long after the invitation, seconds.
        notice_s: and only if so much time is left until the event, seconds.
    """

    enabled: bool
    max_reduction_percent: Percent = 20.0
    delay_s: Length = 300
    notice_s: Length = 3600


class Hours(Message, frozen=True, kw_only=True):
    """What can be shed of a device, for each hour of the day: nothing, 20 % or all of it."""

    hours: Annotated[list[Mode], Meta(min_length=24, max_length=24)]


class DeviceInfo(Message, frozen=True, kw_only=True):
    """A device.

    Args:
        measured: by the `power` that it reports, or by the `meter` readings of its participant.
        hours: for each hour of the day, how much of it can be shed.
        sampled_at: when it was last measured; null if it never was.
        power_kw: what it takes; null if that is not known.
        mode: this hour's instruction.
        sheddable_kw: what it could shed now.
        auto_response: its participant's standing rule.
    """

    device_id: str
    participant_id: str
    measured: Literal["power", "meter"]
    hours: list[Mode]
    sampled_at: Seconds | None
    power_kw: Kilowatts | None
    mode: Mode
    sheddable_kw: Kilowatts
    auto_response: AutoResponse


class Devices(Message, frozen=True, kw_only=True):
    """All devices, and what they could shed together."""

    devices: list[DeviceInfo]
    sheddable_kw: Kilowatts
    ok: bool = True


class DeviceShed(Message, frozen=True, kw_only=True):
    """What a device could shed at a moment."""

    device_id: str
    participant_id: str
    power_kw: Kilowatts | None
    mode: Mode
    sheddable_kw: Kilowatts


class Snapshot(Message, frozen=True, kw_only=True):
    """What could be shed at a moment, by device and in all."""

    time: Seconds
    sheddable_kw: Kilowatts
    devices: list[DeviceShed]


class Snapshots(Message, frozen=True, kw_only=True):
    """What could be shed now, and at the full hours before, the newest first; older ones are in the database."""

    now: Snapshot
    history: list[Snapshot]
    ok: bool = True


class EventDevice(DrDevice, frozen=True, kw_only=True):
    """A device's part in an event, and in which."""

    event_id: str
    answer_by: Seconds


class Invitations(Message, frozen=True, kw_only=True):
    """Invitations that wait for an answer, and those that were answered in the last day, the newest first."""

    unanswered: list[EventDevice]
    answered: list[EventDevice]
    ok: bool = True


class DeviceAnalytics(Message, frozen=True, kw_only=True):
    """What a device did over a period."""

    device_id: str
    participant_id: str
    invited: int
    accepted: int
    committed_kwh: KilowattHours
    reduction_kwh: KilowattHours
    credited_kwh: KilowattHours
    unmeasured_s: int
    paid: float


class Analytics(Message, frozen=True, kw_only=True):
    """What the events of a period came to.

    Args:
        start: of the period.
        end: of the period; events count that began in it.
        events: how many took place and are measured.
        target_kwh: what was to be shed.
        reduction_kwh: what was shed.
        achievement_percent: of the target; null without one.
        performance_percent: of what was committed.
        credited_percent: the same of what counts.
        response_percent: of those invited, who answered or was answered for.
        participation_percent: of those invited, who accepted.
        median_answer_s: from invitation to answer, seconds.
        mean_duration_s: of the events as they really were, seconds.
        paid: dollars.
    """

    start: Seconds
    end: Seconds
    events: int
    cancelled: int
    expired: int
    invited: int
    target_kwh: KilowattHours
    committed_kwh: KilowattHours
    reduction_kwh: KilowattHours
    credited_kwh: KilowattHours
    rebound_kwh: KilowattHours
    achievement_percent: Percent | None
    performance_percent: Percent | None
    credited_percent: Percent | None
    response_percent: Percent | None
    participation_percent: Percent | None
    median_answer_s: float | None
    mean_duration_s: float | None
    paid: float
    devices: list[DeviceAnalytics]
    ok: bool = True


class EventTaken(Message, frozen=True, kw_only=True):
    """The answer to an invitation or a cancellation: the event as it is now."""

    made: DrEventState
    ok: bool = True


class GivenAnswer(Message, frozen=True, kw_only=True):
    """An answer for one of an event's devices, given by whoever manages the programme.

    Args:
        accept: whether it takes part.
        reduction_kw: what it will shed, if it does; what is asked of it if left out.
    """

    device_id: Name
    accept: bool
    reduction_kw: Kilowatts | None = None


class EventAnswer(Message, frozen=True, kw_only=True):
    """An event, and how it does if it is running."""

    found: DrEventState
    progress: DrProgress | None
    ok: bool = True


DR_REQUESTS: dict[str, tuple[type[Message] | None, type[Message]]] = {
    "dr_events": (None, DrOverview),
    "dr_answer": (DrAnswer, Result),
    "device_power": (DevicePower, Result),
}
"""Request of a participant -> its data, and the answer."""

DR_NEWS = (
    "dr_invitation",
    "dr_answered",
    "dr_event_scheduled",
    "dr_event_expired",
    "dr_event_started",
    "dr_event_completed",
    "dr_event_cancelled",
    "dr_result",
)
"""Socket.IO events whose data is a `DrNews`."""

DR_EVENTS: dict[str, type[Message]] = {
    **dict.fromkeys(DR_NEWS, DrNews),
    "dr_progress": DrProgress,
    "dr_silent": DrSilence,
}
"""Socket.IO event -> its data."""
