"""What demand response speaks of: its terms, devices, events, invitations and what came of them.

Power is in W, energy in Wh or, where it is a sum of samples, in W*s (3600 of them are a Wh), shares in
millionths, times in UNIX seconds, prices in micro-dollars per kWh, money in nano-dollars.
"""

from __future__ import annotations

from typing import Literal

import msgspec

MILLION = 1_000_000
"""A whole, in millionths."""

WS_PER_WH = 3600
"""Watt-seconds in a watt-hour."""

NAME = "demand_response"
"""The programme's name, and its id among sellers and buyers."""

Accept = Literal["any", "all", "quorum"]
Mode = Literal["off", "shifting", "participation"]
Status = Literal["pending", "scheduled", "active", "completed", "cancelled", "expired"]
Measured = Literal["power", "meter"]
Quality = Literal["full", "fewer_days", "prognosis", "none"]

HOURS = 24

SHED_SHARES: dict[Mode, int] = {"off": 0, "shifting": 200_000, "participation": MILLION}
"""An hour's instruction -> the part of its load that a device may shed then, in millionths."""

SHIFTING: Mode = "shifting"

ALWAYS_SHIFTING: tuple[Mode, ...] = (SHIFTING,) * HOURS


class Device(msgspec.Struct, frozen=True):
    """What can reduce its load.

    Args:
        device_id: its name.
        participant_id: whose it is.
        measured: by the power that it reports, or by the market's meter readings of its participant.
        hours: for each hour of the day, how much of it can be shed.
    """

    device_id: str
    participant_id: str
    measured: Measured = "power"
    hours: tuple[Mode, ...] = ALWAYS_SHIFTING


class AutoResponse(msgspec.Struct, frozen=True):
    """A standing rule that answers for a participant that does not.

    Args:
        is_on: whether it answers at all.
        most: of a device's load it commits at most so much, in millionths.
        delay_s: it answers so long after the invitation.
        notice_s: and only if so much time is left until the event.
    """

    is_on: bool = False
    most: int = 200_000
    delay_s: int = 300
    notice_s: int = 3600


class BaselineTerms(msgspec.Struct, frozen=True):
    """How a baseline is made; see `baselines`.

    Args:
        weekdays: the method on weekdays.
        weekends: the method on weekends and holidays.
        adjustment: how the day's own load corrects it.
        cap: the factor lies at most so far from 1, in millionths.
        cap_w: what is added is at most so much either way; None for any.
        adjust_from_s: the time that corrects it begins so long before the event.
        adjust_until_s: and ends so long before it.
        look_back_days: earlier days do not count.
        holidays: dates that count as weekends, as "2016-07-18".
    """

    weekdays: str = "high_5_of_10"
    weekends: str = "high_3_of_5"
    adjustment: Literal["ratio", "additive", "none"] = "ratio"
    cap: int = 200_000
    cap_w: int | None = None
    adjust_from_s: int = 14_400
    adjust_until_s: int = 3600
    look_back_days: int = 45
    holidays: tuple[str, ...] = ()


class PlannedEvent(msgspec.Struct, frozen=True):
    """An event to which the programme itself invites, when it is time.

    Args:
        event_id: its name.
        invite_at: when.
        start: of the event.
        duration_s: its length.
        energy: Wh to be shed; None if a share says it.
        share: of each device's load, in millionths; None if the energy says it.
        devices: which; none for all.
    """

    event_id: str
    invite_at: int
    start: int
    duration_s: int
    energy: int | None = None
    share: int | None = None
    devices: tuple[str, ...] = ()


class Terms(msgspec.Struct, frozen=True):
    """What holds for the whole programme.

    Args:
        timezone: of days and hours.
        step: length of the market's slots, in seconds.
        interval_s: load is kept in intervals of this length, a whole number of slots.
        price: for what was committed and shed.
        penalty: for what was committed and not shed.
        sample_s: progress is told so often.
        silence_s: the time between two samples that are further apart is not measured.
        answer_lead_s: answers are taken until so long before the event, unless the invitation says when.
        accept: whether an event takes place if anybody accepts, only if all do, or from a quorum on.
        quorum: the share of the load asked for that must be committed, in millionths.
        rebound_s: so long after an event its devices are still compared with their baselines.
        meter_delay_s: readings of slots come so long after them, at the latest.
        auto_response: of participants of which nothing else is said.
        participants: participant id -> its own rule.
        devices: that there are.
        baseline: how baselines are made.
        plan: events to which the programme invites by itself.
    """

    timezone: str
    step: int
    interval_s: int = 900
    price: int = 0
    penalty: int = 0
    sample_s: int = 5
    silence_s: int = 60
    answer_lead_s: int = 600
    accept: Accept = "any"
    quorum: int = 500_000
    rebound_s: int = 7200
    meter_delay_s: int = 0
    auto_response: AutoResponse = AutoResponse()
    participants: dict[str, AutoResponse] = {}
    devices: tuple[Device, ...] = ()
    baseline: BaselineTerms = BaselineTerms()
    plan: tuple[PlannedEvent, ...] = ()


class DrEvent(msgspec.Struct, frozen=True):
    """A time in which load is to be shed.

    Args:
        event_id: unique in the market.
        start: when it begins.
        duration_s: how long it lasts, if it is not cancelled.
        energy: Wh to be shed by all together; None if a share says it.
        share: of each device's load, in millionths; None if the energy says it.
        invited_at: when devices were invited.
        answer_by: until then answers are taken, and can be changed.
        accept: see `Terms`.
        quorum: see `Terms`.
        price: see `Terms`.
        penalty: see `Terms`.
        cancelled_at: when it was cancelled; None if it was not.
    """

    event_id: str
    start: int
    duration_s: int
    energy: int | None
    share: int | None
    invited_at: int
    answer_by: int
    accept: Accept
    quorum: int
    price: int
    penalty: int
    cancelled_at: int | None = None

    @property
    def planned_end(self) -> int:
        """When it ends, if it is not cancelled."""
        return self.start + self.duration_s

    @property
    def end(self) -> int:
        """When it ends, or ended."""
        if self.cancelled_at is None:
            return self.planned_end
        return max(self.start, min(self.cancelled_at, self.planned_end))


class Outcome(msgspec.Struct, frozen=True):
    """What a device did in an event. All energy is of the time that was measured, but for what was committed.

    Args:
        duration_s: how long the event was.
        measured_s: of it, how long the device was measured.
        baseline_ws: what it would have taken.
        metered_ws: what it took.
        committed_ws: what it had committed to shed.
        credited_ws: of that, what it shed, counted interval by interval.
        quality: of the baseline.
        is_adjusted: whether the day's own load corrected the baseline.
        paid: Wh that are paid for.
        amount: what its participant gets, less the penalty.
        rebound_ws: what it took above its baseline afterwards; None as long as that is not known.
        rebound_s: of that time, how long it was measured.
    """

    duration_s: int
    measured_s: int
    baseline_ws: int
    metered_ws: int
    committed_ws: int
    credited_ws: int
    quality: Quality
    is_adjusted: bool
    paid: int
    amount: int
    rebound_ws: int | None = None
    rebound_s: int = 0

    @property
    def reduction_ws(self) -> int:
        """What it shed; negative if it took more than its baseline."""
        return self.baseline_ws - self.metered_ws

    @property
    def shortfall_ws(self) -> int:
        """What it had committed and did not shed."""
        return self.committed_ws - self.credited_ws


class Invitation(msgspec.Struct, frozen=True):
    """A device's part in an event.

    Args:
        event_id: of the event.
        device_id: of the device.
        participant_id: whose it is.
        expected_w: what it was expected to take in the event when it was invited; 0 if that was not known.
        asked_w: what it is asked to shed.
        accepts: the answer; None as long as there is none.
        committed_w: what it will shed.
        answered_at: when it was last answered.
        is_automatic: whether the standing rule answered.
        outcome: what came of it, once that is known.
        left_at: when it withdrew after the deadline; what it sheds from then on counts as zero. None if it did not.
    """

    event_id: str
    device_id: str
    participant_id: str
    expected_w: int
    asked_w: int
    accepts: bool | None = None
    committed_w: int = 0
    answered_at: int | None = None
    is_automatic: bool = False
    outcome: Outcome | None = None
    left_at: int | None = None


class PowerSample(msgspec.Struct, frozen=True, gc=False):
    """A device's power at a moment; it holds until the next sample.

    Args:
        device_id: which.
        power_w: negative if it feeds in.
        time: when.
    """

    device_id: str
    power_w: int
    time: int


class DeviceProgress(msgspec.Struct, frozen=True, gc=False):
    """How a device does in a running event.

    Args:
        baseline_w: what it would take now; None if that is not known.
        power_w: what it takes now; None if it is silent.
        reduced_ws: shed so far, of the time that was measured.
        measured_s: how long that was.
    """

    device_id: str
    participant_id: str
    committed_w: int
    baseline_w: int | None
    power_w: int | None
    reduced_ws: int
    measured_s: int

    @property
    def reduction_w(self) -> int | None:
        """What it sheds now."""
        if self.baseline_w is None or self.power_w is None:
            return None
        return self.baseline_w - self.power_w


class DeviceFlexibility(msgspec.Struct, frozen=True, gc=False):
    """What a device could shed now.

    Args:
        power_w: what it takes; None if that is not known.
        mode: this hour's instruction.
        sheddable_w: the part of its power that it could shed.
    """

    device_id: str
    participant_id: str
    power_w: int | None
    mode: Mode
    sheddable_w: int


class Flexibility(msgspec.Struct, frozen=True):
    """What could be shed at a moment, by device and in all."""

    time: int
    devices: tuple[DeviceFlexibility, ...]

    @property
    def sheddable_w(self) -> int:
        """What all devices could shed together."""
        return sum(device.sheddable_w for device in self.devices)
