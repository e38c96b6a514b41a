"""Baselines: what a device would have taken, from days on which nobody asked anything of it.

X of Y: of the Y newest eligible days those X with the highest, middle or lowest load in the event's window are
kept, and b_t is the mean over them of load_{d,t}. The day's own load before the event then corrects it:

    ratio      f = sum(actual) / sum(b), clipped to 1 -+ cap;  b'_t = f b_t
    additive   delta = mean(actual - b), clipped to -+ cap;    b'_t = b_t + delta

All sums are exact (fractions), in whatever unit the loads have.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

from trex_market.core.errors import InputError, unknown_name
from trex_market.programmes.demand_response.records import MILLION, BaselineTerms, Quality


class Method(NamedTuple):
    """Which days are kept.

    Args:
        keep: how many (X).
        of: from so many newest ones (Y).
        which: by their load in the event's window.
    """

    keep: int
    of: int
    which: Literal["high", "middle", "low"]


METHODS: dict[str, Method] = {
    "10_of_10": Method(10, 10, "high"),
    "high_5_of_10": Method(5, 10, "high"),
    "mid_8_of_10": Method(8, 10, "middle"),
    "high_3_of_5": Method(3, 5, "high"),
    "low_5_of_10": Method(5, 10, "low"),
}


class DayLoad(NamedTuple):
    """A day's load around the time of day of the event, as long an interval each.

    Args:
        window: in the event's intervals.
        before: in the intervals that correct the baseline.
        after: in those after the event; empty if it is not known.
    """

    window: Sequence[int]
    before: Sequence[int]
    after: Sequence[int] = ()


class Baseline(NamedTuple):
    """What a device would have taken.

    Args:
        window: in the event's intervals.
        after: in those after it; empty if that cannot be said.
        quality: "fewer_days" than the method wants, "prognosis" if there was no day to go by.
        is_adjusted: whether the day's own load corrected it.
        factor: what corrected it.
        shift: likewise.
    """

    window: tuple[Fraction, ...]
    after: tuple[Fraction, ...]
    quality: Quality
    is_adjusted: bool = False
    factor: Fraction = Fraction(1)
    shift: Fraction = Fraction(0)


def find_method(name: str) -> Method:
    """Return the method of a name.

    Raises:
        InputError: if there is none.
    """
    if name not in METHODS:
        raise InputError(unknown_name("baseline method", name, METHODS))
    return METHODS[name]


def kept_days(days: Sequence[DayLoad], method: Method) -> list[DayLoad]:
    """Choose days.

    Args:
        days: eligible ones, newest first.
        method: which are kept; of fewer days than it wants, as many as there are.
    """
    candidates = list(days[: method.of])
    # Stable: among equal loads the newer day goes first.
    ranked = sorted(candidates, key=lambda day: sum(day.window), reverse=method.which != "low")
    if method.which == "middle":
        dropped = (method.of - method.keep) // 2
        middle = ranked[dropped : len(ranked) - dropped]
        return middle or ranked
    return ranked[: method.keep]


def make_baseline(
    days: Sequence[DayLoad],
    today: Sequence[int] | None,
    method: Method,
    terms: BaselineTerms,
    interval_s: int,
) -> Baseline | None:
    """Make a baseline.

    Args:
        days: eligible ones, newest first, loads in W*s.
        today: the load before the event, as long as the days' `before`; None if it is not complete.
        method: which days are kept.
        terms: how it is corrected.
        interval_s: length of an interval, in seconds.

    Returns:
        None if there is no day to go by.
    """
    kept = kept_days(days, method)
    if not kept:
        return None
    count = len(kept)
    window = _means([day.window for day in kept], count)
    after = _means([day.after for day in kept], count) if all(day.after for day in kept) else ()
    quality: Quality = "full" if len(days) >= method.of else "fewer_days"
    if not today or terms.adjustment == "none":
        return Baseline(window, after, quality)
    expected = Fraction(sum(sum(day.before) for day in kept), count)
    if terms.adjustment == "ratio" and expected > 0:
        factor = _clipped(sum(today) / expected, Fraction(1), Fraction(terms.cap, MILLION))
        scaled = tuple(factor * load for load in window), tuple(factor * load for load in after)
        return Baseline(*scaled, quality, is_adjusted=True, factor=factor)
    # The ratio means nothing for those who feed in, or take next to nothing.
    shift = (sum(today) - expected) / len(today)
    if terms.cap_w is not None:
        shift = _clipped(shift, Fraction(0), Fraction(terms.cap_w * interval_s))
    moved = tuple(load + shift for load in window), tuple(load + shift for load in after)
    return Baseline(*moved, quality, is_adjusted=True, shift=shift)


def _means(loads: Sequence[Sequence[int]], count: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(sum(column), count) for column in zip(*loads, strict=True))


def _clipped(value: Fraction, middle: Fraction, most: Fraction) -> Fraction:
    return min(max(value, middle - most), middle + most)
