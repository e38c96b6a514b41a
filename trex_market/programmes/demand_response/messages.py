"""What demand response is told (commands) and what it answers (events).

The last event that a command leads to is the answer to it.
"""

from __future__ import annotations

from trex_market.core.errors import RefusalCode
from trex_market.core.messages import ProgrammeCommand, ProgrammeEvent
from trex_market.programmes.demand_response.records import (
    Accept,
    AutoResponse,
    Device,
    DeviceProgress,
    DrEvent,
    Flexibility,
    Invitation,
    Mode,
    PowerSample,
    Terms,
)

# ---------------------------------------------------------------- commands


class OpenDr(ProgrammeCommand, frozen=True, tag="dr_open"):
    """The programme has these terms from now on; events that there are keep theirs."""

    terms: Terms


class AdvanceDr(ProgrammeCommand, frozen=True, tag="dr_advance"):
    """It is `time`: what is due then happens."""

    time: int


class InviteDr(ProgrammeCommand, frozen=True, tag="dr_invite"):
    """Invite devices to an event; what is None follows from the programme's terms.

    Args:
        event_id: a new one.
        start: when it begins.
        time: now.
        duration_s: how long it lasts.
        energy: Wh to be shed by all together.
        share: of each device's load, in millionths.
        devices: which; none for all.
        answer_by: until when answers are taken.
    """

    event_id: str
    start: int
    time: int
    duration_s: int = 3540
    energy: int | None = None
    share: int | None = None
    devices: tuple[str, ...] = ()
    answer_by: int | None = None
    accept: Accept | None = None
    quorum: int | None = None
    price: int | None = None
    penalty: int | None = None


class AnswerDr(ProgrammeCommand, frozen=True, tag="dr_answer"):
    """A participant answers for one of its devices; the last answer before the deadline counts.

    After it, a device that accepted can still leave the event: what it sheds then counts as zero.

    Args:
        reduction_w: what it will shed, if it accepts.
    """

    event_id: str
    device_id: str
    participant_id: str
    accepts: bool
    time: int
    reduction_w: int = 0


class CancelDr(ProgrammeCommand, frozen=True, tag="dr_cancel"):
    """Cancel an event; what was shed until now is paid for."""

    event_id: str
    time: int


class ReportPower(ProgrammeCommand, frozen=True, tag="dr_report_power"):
    """A participant's devices tell their power."""

    participant_id: str
    samples: tuple[PowerSample, ...]
    time: int


class SetAutoResponse(ProgrammeCommand, frozen=True, tag="dr_set_auto_response"):
    """Change a participant's standing rule; None as its id changes that of all who have none of their own."""

    participant_id: str | None
    rule: AutoResponse
    time: int


class InstructDevice(ProgrammeCommand, frozen=True, tag="dr_instruct"):
    """Say for each hour of the day how much of a device's load can be shed."""

    device_id: str
    hours: tuple[Mode, ...]
    time: int


class TakeFlexibility(ProgrammeCommand, frozen=True, tag="dr_take_flexibility"):
    """Write down what could be shed now."""

    time: int


COMMANDS: tuple[type[ProgrammeCommand], ...] = (
    OpenDr,
    AdvanceDr,
    InviteDr,
    AnswerDr,
    CancelDr,
    ReportPower,
    SetAutoResponse,
    InstructDevice,
    TakeFlexibility,
)

# ---------------------------------------------------------------- events


class DrOpened(ProgrammeEvent, frozen=True):
    """The programme has these terms."""

    terms: Terms


class DrAdvanced(ProgrammeEvent, frozen=True):
    """It is `time`, and what was due happened."""

    time: int


class DrInvited(ProgrammeEvent, frozen=True):
    """Devices are invited to an event."""

    event: DrEvent
    invitations: tuple[Invitation, ...]


class DrAnswered(ProgrammeEvent, frozen=True):
    """An invitation was answered."""

    invitation: Invitation


class DrScheduled(ProgrammeEvent, frozen=True):
    """The deadline has passed, and the event will take place with these devices."""

    event: DrEvent
    invitations: tuple[Invitation, ...]


class DrExpired(ProgrammeEvent, frozen=True):
    """The deadline has passed, and too little was committed: the event will not take place."""

    event: DrEvent
    detail: str


class DrStarted(ProgrammeEvent, frozen=True):
    """An event has begun, for those who accepted."""

    event: DrEvent
    invitations: tuple[Invitation, ...]


class DrProgressed(ProgrammeEvent, frozen=True):
    """How the devices of a running event do."""

    event_id: str
    time: int
    devices: tuple[DeviceProgress, ...]


class DrSilent(ProgrammeEvent, frozen=True):
    """A device was silent from `start` to `end` of an event's time, which counts as not measured."""

    event_id: str
    device_id: str
    participant_id: str
    start: int
    end: int


class DrCompleted(ProgrammeEvent, frozen=True):
    """An event is over; what came of it follows as `DrSettled`."""

    event: DrEvent
    participants: tuple[str, ...]


class DrCancelled(ProgrammeEvent, frozen=True):
    """An event was cancelled."""

    event: DrEvent
    participants: tuple[str, ...]


class DrSettled(ProgrammeEvent, frozen=True):
    """What the devices of an event did; `outcome` of each is known. Comes again when the rebound is."""

    event: DrEvent
    invitations: tuple[Invitation, ...]


class PowerTaken(ProgrammeEvent, frozen=True):
    """Samples count.

    Args:
        samples: with the ids of events that they fell into; those that no event asked for are not listed.
    """

    participant_id: str
    samples: tuple[tuple[str, PowerSample], ...]


class AutoResponseSet(ProgrammeEvent, frozen=True):
    """A standing rule was changed."""

    participant_id: str | None
    rule: AutoResponse


class DeviceInstructed(ProgrammeEvent, frozen=True):
    """A device has other instructions."""

    device: Device


class FlexibilityTaken(ProgrammeEvent, frozen=True):
    """What could be shed at a moment."""

    flexibility: Flexibility


class DrRefused(ProgrammeEvent, frozen=True):
    """Something was refused; nothing was changed by it."""

    code: RefusalCode
    detail: str
    participant_id: str | None = None
    event_id: str | None = None
    device_id: str | None = None
