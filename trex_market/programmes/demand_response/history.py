"""A device's load over past intervals, as far as it was measured without a gap.

An interval is named by its number: its start divided by its length. What is known of one in part waits until
the rest comes, and is forgotten if it does not.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import msgspec

MISSING = -(2**63)
"""Stands for an interval that was not measured in full."""

WAITING_S = 3 * 86_400
"""So long the rest of an interval can come."""

MAX_GAP = 100_000
"""After so many intervals of nothing the history begins anew."""


class HistoryState(msgspec.Struct, frozen=True):
    """What a history holds.

    Args:
        first: number of the first interval.
        loads: W*s of each; `MISSING` if it was not measured in full.
        partial: number -> (W*s, seconds measured).
    """

    first: int
    loads: list[int]
    partial: dict[int, tuple[int, int]]


class History:
    """Load by interval.

    Args:
        interval_s: length of an interval, in seconds.
        most: how many intervals are kept.
    """

    def __init__(self, interval_s: int, most: int) -> None:
        self._interval_s = interval_s
        self._most = most
        self._first = 0
        self._loads = array("q")
        self._partial: dict[int, tuple[int, int]] = {}

    def add(self, start: int, end: int, energy_ws: int, measured_s: int) -> None:
        """Add what was taken in a piece of time, evenly.

        Args:
            start: of it.
            end: of it, later than the start.
            energy_ws: W*s.
            measured_s: how much of it becomes known by this: all, or 0 for a correction.
        """
        for number, part_ws, part_s in pieces(start, end, energy_ws, self._interval_s):
            self._add(number, part_ws, part_s if measured_s else 0)

    def _add(self, number: int, energy_ws: int, measured_s: int) -> None:
        known = self.load(number)
        if known is not None:
            self._loads[number - self._first] = known + energy_ws
            return
        before_ws, before_s = self._partial.pop(number, (0, 0))
        total_ws, total_s = before_ws + energy_ws, before_s + measured_s
        if total_s >= self._interval_s:
            self._keep(number, total_ws)
        else:
            self._partial[number] = total_ws, total_s
            horizon = number - WAITING_S // self._interval_s
            for old in [other for other in self._partial if other < horizon]:
                del self._partial[old]

    def _keep(self, number: int, energy_ws: int) -> None:
        place = number - self._first
        if not self._loads or place - len(self._loads) > MAX_GAP:
            self._first, self._loads = number, array("q", [energy_ws])
            return
        if place < 0:
            return  # older than all that counts
        if place >= len(self._loads):
            self._loads.extend([MISSING] * (place + 1 - len(self._loads)))
        self._loads[place] = energy_ws
        surplus = len(self._loads) - self._most
        if surplus > self._most // 8:  # not with each interval
            del self._loads[:surplus]
            self._first += surplus

    def load(self, number: int) -> int | None:
        """Return an interval's load in W*s; None if it was not measured in full."""
        place = number - self._first
        if not 0 <= place < len(self._loads):
            return None
        load = self._loads[place]
        return None if load == MISSING else load

    def loads(self, first: int, end: int) -> list[int] | None:
        """Return the loads of intervals, None if one of them was not measured in full."""
        begin, stop = first - self._first, end - self._first
        if begin < 0 or stop > len(self._loads):
            return None
        found = self._loads[begin:stop].tolist()
        return None if MISSING in found else found

    def newest(self) -> int | None:
        """Return the load of the newest interval that was measured in full, in W*s."""
        return self._loads[-1] if self._loads else None

    def state(self) -> HistoryState:
        """Return all that it holds."""
        return HistoryState(self._first, self._loads.tolist(), dict(self._partial))

    def resume(self, state: HistoryState) -> None:
        """Hold what another one held."""
        self._first, self._loads = state.first, array("q", state.loads)
        self._partial = dict(state.partial)


def pieces(start: int, end: int, energy_ws: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Cut a piece of time where intervals begin; the energies add up to the whole, to the last W*s.

    Yields:
        number of the interval, W*s, seconds.
    """
    begin = start
    while begin < end:
        number = begin // length
        stop = min(end, (number + 1) * length)
        yield number, part(energy_ws, start, end, begin, stop), stop - begin
        begin = stop


def part(energy_ws: int, start: int, end: int, begin: int, stop: int) -> int:
    """Return what of an energy that is spread evenly from `start` to `end` lies from `begin` to `stop`.

    Neighbouring parts add up exactly.
    """
    length = end - start
    return energy_ws * (stop - start) // length - energy_ws * (begin - start) // length
