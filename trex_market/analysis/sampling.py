"""Long series made short enough for a page, in a way that can be said in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

MOST_POINTS = 1_000
"""So many points of a series are shown."""

NICE_PERIODS = (900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800)
"""Seconds that people count in."""

Value = TypeVar("Value")


class Bins(msgspec.Struct, frozen=True):
    """Rows of a series put together.

    Args:
        period: length of a bin, in seconds.
        starts: of each bin.
        bounds: first row of each bin, and the number of rows at the end.
    """

    period: int
    starts: list[int]
    bounds: list[int]

    def sums(self, column: Sequence[int]) -> list[int]:
        """Return the sum of a column in each bin."""
        ends = zip(self.bounds, self.bounds[1:], strict=False)
        return [sum(column[first:last]) for first, last in ends]

    def means(self, column: Sequence[float | None]) -> list[float | None]:
        """Return the mean of a column in each bin; None where there is nothing."""
        means: list[float | None] = []
        for first, last in zip(self.bounds, self.bounds[1:], strict=False):
            there = [value for value in column[first:last] if value is not None]
            means.append(sum(there) / len(there) if there else None)
        return means

    @property
    def rows(self) -> list[int]:
        """How many rows each bin has."""
        return [last - first for first, last in zip(self.bounds, self.bounds[1:], strict=False)]


def bins(starts: Sequence[int], period: int, most: int = MOST_POINTS) -> Bins:
    """Put the rows of a series into bins so that there are few enough.

    Args:
        starts: of each row, in order.
        period: length of a row, in seconds.
        most: about so many bins, one more where the ends of the run cut some.
    """
    length = period
    if len(starts) > most:
        needed = -(-(starts[-1] + period - starts[0]) // most)
        length = next((nice for nice in NICE_PERIODS if nice >= needed and nice % period == 0), needed)
    binned: list[int] = []
    bounds: list[int] = []
    for row, start in enumerate(starts):
        begin = start if length == period else start - start % length
        if not binned or binned[-1] != begin:
            binned.append(begin)
            bounds.append(row)
    return Bins(length, binned, [*bounds, len(starts)])


def thinned(values: Sequence[Value], most: int) -> list[Value]:
    """Return at most so many of a series' values, evenly spread, the first and the last among them."""
    count = len(values)
    if count <= most:
        return list(values)
    return [values[place * (count - 1) // (most - 1)] for place in range(most)]
