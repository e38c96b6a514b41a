"""A load of which a part can wait: it is shed when that is asked for, and made up for afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trex_market.core.errors import InputError
from trex_market.core.units import rounded

_MILLION = 1_000_000


class ShiftableLoad:
    """Shifts load; in all no Wh is lost or made.

    Args:
        share: the part of the load that can wait, 0 to 1.
        shift_s: within this time after it was shed it is made up for, evenly, in seconds.

    Raises:
        InputError: if a value is out of its range.
    """

    def __init__(self, share: float, shift_s: int) -> None:
        if not 0 <= share <= 1 or shift_s <= 0:
            raise InputError(
                f"a load that can wait needs a share of 0 to 1 and a time above 0, found {share}, {shift_s}"
            )
        self._share = rounded(int(share * _MILLION * 1000), 1000)
        self._shift_s = shift_s
        self.start(1)

    def start(self, step: int) -> None:
        """Begin anew, with slots of `step` seconds."""
        self._step = step
        self._changes: dict[int, int] = {}
        self._planned: set[int] = set()

    def change(self, slot_start: int) -> int:
        """Return by how many Wh the load of a slot is another than it would be."""
        return self._changes.get(slot_start, 0)

    def plan(self, now: int, asked: Mapping[int, int], load: Callable[[int], int]) -> None:
        """Plan for what is asked, a slot once.

        Args:
            now: start of the current slot.
            asked: slot start -> Wh by which less (below 0) shall be taken.
            load: what a slot's load would be, in Wh.
        """
        for old in [slot for slot in self._changes if slot < now]:
            del self._changes[old]
        self._planned = {slot for slot in self._planned if slot >= now}
        wanted = {slot: -energy for slot, energy in asked.items() if energy < 0 and slot >= now}
        if not wanted.keys() - self._planned:
            return
        after = max(wanted) + self._step
        slots = max(1, self._shift_s // self._step)
        for slot in sorted(wanted.keys() - self._planned):
            shed = min(wanted[slot], rounded(load(slot) * self._share, _MILLION))
            self._planned.add(slot)
            self._add(slot, -shed)
            for number in range(slots):
                part = shed * (number + 1) // slots - shed * number // slots
                self._add(after + number * self._step, part)

    def _add(self, slot: int, energy: int) -> None:
        self._changes[slot] = self._changes.get(slot, 0) + energy
