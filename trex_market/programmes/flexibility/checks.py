"""Rules that hold for messages of both sides. Each returns what is wrong, or None."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trex_market.core.errors import InputError
from trex_market.programmes.flexibility.isps import Calendar, Run, covered
from trex_market.programmes.flexibility.messages import DayMessage, FlexSettlement, Metering
from trex_market.programmes.flexibility.reasons import Reason, Rejection

MAX_ISPS = 1_500
"""No day has more ISPs; longer elements are not even counted."""


def day_rejections(message: DayMessage | Metering, calendar: Calendar) -> Iterator[Rejection]:
    """Check ISP duration, day and time zone."""
    if message.isp_duration_s != calendar.duration:
        detail = f"ISPs last {calendar.duration} s here, found {message.isp_duration_s} s"
        yield Rejection(Reason.ISP_DURATION, detail)
    try:
        calendar.bounds(message.period)
    except InputError as error:
        yield Rejection(Reason.INVALID_MESSAGE, str(error))
        return
    if not calendar.same_offset(message.time_zone, message.period):
        detail = f"{message.time_zone} has another offset than {calendar.time_zone} on {message.period}"
        yield Rejection(Reason.TIME_ZONE, detail)


def past_rejections(period: str, calendar: Calendar, time: int) -> Iterator[Rejection]:
    """Check that a day is not over."""
    if calendar.bounds(period)[1] <= time:
        yield Rejection(Reason.PERIOD_OUT_OF_BOUNDS, f"the day {period} is over")


def isp_rejections(runs: Sequence[Run], count: int) -> Iterator[Rejection]:
    """Check that there are ISPs, within the day, each at most once."""
    if not runs:
        yield Rejection(Reason.ISPS_OUT_OF_BOUNDS, "there are no ISPs")
        return
    for run in runs:
        # The duration first: it may be astronomically long.
        if run.start < 1 or not 1 <= run.duration <= MAX_ISPS or run.start + run.duration - 1 > count:
            detail = f"the day has ISPs 1 to {count}, found {run.duration} from {run.start} on"
            yield Rejection(Reason.ISPS_OUT_OF_BOUNDS, detail)
            return
    numbers = covered(runs)
    if len(set(numbers)) < len(numbers):
        twice = next(isp for isp in numbers if numbers.count(isp) > 1)
        yield Rejection(Reason.ISP_CONFLICT, f"ISP {twice} is there twice")


def expiry_rejections(
    expires: int, runs: Sequence[Run], period: str, calendar: Calendar, time: int
) -> Iterator[Rejection]:
    """Check that a message does not expire before now, nor after the last of its ISPs."""
    end = calendar.start_of(period, max(covered(runs)) + 1)
    if not time < expires <= end:
        detail = f"it must expire after {time} and not after {end}, found {expires}"
        yield Rejection(Reason.EXPIRATION_OUT_OF_BOUNDS, detail)


def revision_rejections(revision: int, last: int | None) -> Iterator[Rejection]:
    """Check that a revision is above the last one."""
    if last is not None and revision <= last:
        yield Rejection(Reason.SUBORDINATE_SEQUENCE, f"revision {revision} came after revision {last}")


def settlement_period_rejections(
    message: FlexSettlement, calendar: Calendar, time: int
) -> Iterator[Rejection]:
    """Check the days that are settled, and that all items lie within."""
    for period, reason in (
        (message.period_start, Reason.PERIOD_START),
        (message.period_end, Reason.PERIOD_END),
    ):
        try:
            calendar.bounds(period)
        except InputError as error:
            yield Rejection(reason, str(error))
            return
    if message.period_start > message.period_end:
        detail = f"it ends on {message.period_end}, before {message.period_start}"
        yield Rejection(Reason.PERIOD_START, detail)
    if calendar.bounds(message.period_end)[1] > time:
        yield Rejection(Reason.PERIOD_END, f"the day {message.period_end} is not over")
    days = [item.period for item in message.orders] + [item.period for item in message.contracts]
    outside = [day for day in days if not message.period_start <= day <= message.period_end]
    if outside:
        detail = f"an item is of {outside[0]}, outside of {message.period_start} to {message.period_end}"
        yield Rejection(Reason.PERIOD_OUT_OF_BOUNDS, detail)


def unknown(reference: str, found: str | None) -> Rejection:
    """Return the rejection of a reference (named as in the protocol) to what there is not."""
    return Rejection(Reason.UNKNOWN_REFERENCE, f"there is no {reference} {found!r}", reference)
