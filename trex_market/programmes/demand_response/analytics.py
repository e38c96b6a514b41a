"""What events came to over a period."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from trex_market.programmes.demand_response.records import Invitation
from trex_market.programmes.demand_response.running import RunningEvent, Stage

PERIOD_S = 30 * 86_400


class DeviceAnalytics(msgspec.Struct, frozen=True):
    """What a device did over a period.

    Args:
        invited: to how many events.
        accepted: how many.
        committed_ws: what it had committed.
        reduction_ws: what it shed; negative if it took more than its baselines.
        credited_ws: what counted of it.
        unmeasured_s: of its events' time.
        amount: what its participant got.
    """

    device_id: str
    participant_id: str
    invited: int
    accepted: int
    committed_ws: int
    reduction_ws: int
    credited_ws: int
    unmeasured_s: int
    amount: int


class Analytics(msgspec.Struct, frozen=True):
    """What events came to over a period.

    Args:
        start: of the period.
        end: of the period; events count that began in it.
        events: how many took place and are measured.
        cancelled: how many were cancelled, before they began or later.
        expired: how many found too few.
        invited: devices, each once for each event.
        answered: of them, how many answered or were answered for.
        accepted: of them, how many accepted.
        target_ws: what was to be shed; the part of the load, where that was asked for.
        committed_ws: what was committed.
        reduction_ws: what was shed.
        credited_ws: what counted of it.
        mean_duration_s: of the events as they really were; None if there was none.
        median_answer_s: from invitation to answer; None if there was none.
        rebound_ws: what was taken above the baselines afterwards.
        amount: paid in all.
        devices: by device.
    """

    start: int
    end: int
    events: int
    cancelled: int
    expired: int
    invited: int
    answered: int
    accepted: int
    target_ws: int
    committed_ws: int
    reduction_ws: int
    credited_ws: int
    mean_duration_s: float | None
    median_answer_s: float | None
    rebound_ws: int
    amount: int
    devices: tuple[DeviceAnalytics, ...]

    @property
    def achievement(self) -> float | None:
        """What was shed as a share of the target; None without one."""
        return self.reduction_ws / self.target_ws if self.target_ws else None

    @property
    def performance(self) -> float | None:
        """What was shed as a share of what was committed; None if nothing was."""
        return self.reduction_ws / self.committed_ws if self.committed_ws else None

    @property
    def credited_performance(self) -> float | None:
        """The same of what counts for payment."""
        return self.credited_ws / self.committed_ws if self.committed_ws else None


def analyse(events: Iterable[RunningEvent], start: int, end: int, now: int) -> Analytics:
    """Add up the events that began in a period.

    Args:
        events: all that there are.
        start: of the period.
        end: of the period, not part of it.
        now: events that are over are counted.
    """
    chosen = [running for running in events if start <= running.event.start < end]
    measured = [running for running in chosen if _is_measured(running)]
    invitations = [one for running in chosen for one in running.invitations.values()]
    outcomes = [one.outcome for one in invitations if one.outcome is not None]
    durations = [running.event.end - running.event.start for running in measured]
    waits = sorted(
        one.answered_at - running.event.invited_at
        for running in chosen
        for one in running.invitations.values()
        if one.answered_at is not None
    )
    return Analytics(
        start=start,
        end=end,
        events=len(measured),
        cancelled=sum(running.event.cancelled_at is not None for running in chosen),
        expired=sum(running.status(now) == "expired" for running in chosen),
        invited=len(invitations),
        answered=len(waits),
        accepted=sum(bool(one.accepts) for one in invitations),
        target_ws=sum(map(target_ws, measured)),
        committed_ws=sum(one.committed_ws for one in outcomes),
        reduction_ws=sum(one.reduction_ws for one in outcomes),
        credited_ws=sum(one.credited_ws for one in outcomes),
        mean_duration_s=sum(durations) / len(durations) if durations else None,
        median_answer_s=_median(waits),
        rebound_ws=sum(one.rebound_ws or 0 for one in outcomes),
        amount=sum(one.amount for one in outcomes),
        devices=_by_device(invitations),
    )


def target_ws(running: RunningEvent) -> int:
    """Return what an event was to shed; of one that was cancelled, in the time until then."""
    event = running.event
    duration = event.end - event.start
    if event.energy is not None:
        return event.energy * 3600 * duration // event.duration_s
    return sum(one.asked_w for one in running.invitations.values()) * duration


def _is_measured(running: RunningEvent) -> bool:
    return running.stage >= Stage.SETTLED and any(
        one.outcome is not None for one in running.invitations.values()
    )


def _by_device(invitations: Iterable[Invitation]) -> tuple[DeviceAnalytics, ...]:
    by_device: dict[str, list[Invitation]] = {}
    for invitation in invitations:
        by_device.setdefault(invitation.device_id, []).append(invitation)
    return tuple(_device(device_id, own) for device_id, own in sorted(by_device.items()))


def _device(device_id: str, own: list[Invitation]) -> DeviceAnalytics:
    outcomes = [one.outcome for one in own if one.outcome is not None]
    return DeviceAnalytics(
        device_id=device_id,
        participant_id=own[-1].participant_id,
        invited=len(own),
        accepted=sum(bool(one.accepts) for one in own),
        committed_ws=sum(one.committed_ws for one in outcomes),
        reduction_ws=sum(one.reduction_ws for one in outcomes),
        credited_ws=sum(one.credited_ws for one in outcomes),
        unmeasured_s=sum(one.duration_s - one.measured_s for one in outcomes),
        amount=sum(one.amount for one in outcomes),
    )


def _median(ordered: list[int]) -> float | None:
    if not ordered:
        return None
    middle = len(ordered) // 2
    return float(ordered[middle]) if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
