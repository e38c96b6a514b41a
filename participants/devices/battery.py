"""A battery: capacity, power, one-way efficiency, self-discharge; energy is conserved to the last micro-Wh.

Inside, the state of charge is kept in whole micro-Wh and the efficiency in
whole millionths, so that charging E Wh stores exactly ``E * efficiency``.
Discharging E Wh takes ``E / efficiency`` out, rounded up to a micro-Wh.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from trex_market.core.errors import InputError
from trex_market.core.units import rounded

_MICRO = 1_000_000
_SECONDS_PER_MONTH = 30 * 24 * 3600


class BatteryTerms(NamedTuple):
    """A battery in whole numbers.

    Args:
        capacity: micro-Wh.
        efficiency: one way, in millionths.
        limit: the most that is charged and discharged in a slot, in Wh.
        loss: self-discharge in a slot, in micro-Wh.
        initial: stored at the start of an episode, in micro-Wh.
    """

    capacity: int
    efficiency: int
    limit: int
    loss: int
    initial: int


class Battery:
    """A battery with a schedule that can never overdraw it.

    Args:
        capacity: usable, in Wh.
        power: largest charge and discharge, in W, as seen from outside.
        efficiency: one way, above 0 and at most 1.
        monthly_sdr: self-discharge in 30 days, as a fraction of the capacity.
        initial_charge: Wh stored at the start of an episode.

    Raises:
        InputError: if a value is out of its range.
    """

    def __init__(
        self,
        capacity: float,
        power: float,
        efficiency: float = 1.0,
        monthly_sdr: float = 0.0,
        initial_charge: float = 0.0,
    ) -> None:
        if capacity < 0 or power < 0 or not 0 < efficiency <= 1 or not 0 <= monthly_sdr <= 1:
            raise InputError(
                "a battery needs capacity and power of at least 0, efficiency above 0 and at most 1, monthly_sdr "
                f"from 0 to 1; found {capacity}, {power}, {efficiency}, {monthly_sdr}"
            )
        if not 0 <= initial_charge <= capacity:
            raise InputError(
                f"initial_charge must be 0 to the capacity of {capacity} Wh, found {initial_charge}"
            )
        self.capacity = int(capacity)
        self.efficiency = efficiency
        self._power = power
        self._capacity = self.capacity * _MICRO
        self._efficiency = rounded(int(efficiency * _MICRO * 1000), 1000)
        self._monthly_loss = monthly_sdr * self._capacity
        self._initial = min(int(initial_charge * _MICRO), self._capacity)
        self.start(0, 1)

    def start(self, slot_start: int, step: int) -> None:
        """Begin anew at a slot.

        Args:
            slot_start: the first slot.
            step: length of a slot, in seconds.
        """
        terms = self.terms(step)
        self._step = step
        self._now = slot_start
        self._stored = self._initial
        self._limit = terms.limit
        self._loss = terms.loss
        self._schedule: dict[int, int] = {}

    def terms(self, step: int) -> BatteryTerms:
        """Return the battery in whole numbers.

        Args:
            step: length of a slot, in seconds.
        """
        limit = int(self._power * step / 3600)
        loss = int(self._monthly_loss * step / _SECONDS_PER_MONTH)
        return BatteryTerms(self._capacity, self._efficiency, limit, loss, self._initial)

    @property
    def power(self) -> int:
        """Largest charge and discharge, in whole W, as seen from outside."""
        return int(self._power)

    @property
    def state_of_charge(self) -> int:
        """What is stored at the start of the current slot, in whole Wh."""
        return self._stored // _MICRO

    @property
    def stored_micro_wh(self) -> int:
        """What is stored, exactly, in micro-Wh."""
        return self._stored

    def scheduled(self, slot_start: int) -> int:
        """Return what is planned for a slot: positive into, negative out of the battery, in Wh."""
        return self._schedule.get(slot_start, 0)

    def potential(self, slot_start: int, also: Mapping[int, int] | None = None) -> tuple[int, int]:
        """Return how much could be discharged and charged in a slot, in Wh, both at least 0.

        Whatever is planned for other slots stays possible.

        Args:
            slot_start: the slot's start.
            also: slot start -> Wh that is about to be planned besides.
        """
        if also:
            before = dict(self._schedule)
            for other, energy in also.items():
                self.schedule(other, energy)
            potential = self.potential(slot_start)
            self._schedule = before
            return potential
        if slot_start < self._now:
            return 0, 0
        stored = self._stored
        for slot in range(self._now, slot_start, self._step):
            stored = self._after(stored, self._schedule.get(slot, 0))
        lowest = highest = stored
        if self._schedule:
            lowest, highest = self._extremes_behind(slot_start, stored)
        # Without this slot's own plan, later ones that rest on it may be out of reach.
        discharge = max(0, lowest) * self._efficiency // (_MICRO * _MICRO)
        charge = max(0, self._capacity - highest) // self._efficiency
        return min(discharge, self._limit), min(charge, self._limit)

    def schedule(self, slot_start: int, energy: int) -> int:
        """Plan a slot; what is more than the battery can do is cut off.

        Args:
            slot_start: the slot's start; a slot that is over is ignored.
            energy: Wh into (positive) or out of (negative) the battery, as seen from outside.

        Returns:
            what is planned now, in Wh.
        """
        previous = self._schedule.pop(slot_start, 0)
        discharge, charge = self.potential(slot_start)
        planned = max(-discharge, min(charge, energy))
        if previous and not self._possible(slot_start, planned):
            planned = self._nearest_possible(slot_start, planned, previous)
        if planned:
            self._schedule[slot_start] = planned
        return planned

    def advance(self) -> int:
        """Do what is planned for the current slot and go to the next.

        Returns:
            what was done: Wh into (positive) or out of (negative) the battery.
        """
        energy = self._schedule.pop(self._now, 0)
        self._stored = self._after(self._stored, energy)
        self._now += self._step
        return energy

    def _after(self, stored: int, energy: int) -> int:
        """Return the state of charge (micro-Wh) after a slot in which `energy` (Wh) flowed."""
        return max(0, self._moved(stored, energy) - self._loss)

    def _moved(self, stored: int, energy: int) -> int:
        if energy > 0:
            return stored + energy * self._efficiency
        return stored - (-energy * _MICRO * _MICRO + self._efficiency - 1) // self._efficiency

    def _extremes_behind(self, slot_start: int, stored: int) -> tuple[int, int]:
        """Return the lowest and highest state of charge (micro-Wh) from a slot to the end of the schedule.

        What flows in the slot lowers or raises all that comes behind it by as much at most: self-discharge
        takes nothing from an empty battery, so it can only narrow a difference.
        """
        lowest = highest = stored
        stored = max(0, stored - self._loss)
        for slot in range(slot_start + self._step, max(self._schedule) + 1, self._step):
            moved = self._moved(stored, self._schedule.get(slot, 0))
            if slot in self._schedule:
                lowest = min(lowest, moved)
                highest = max(highest, moved)
            stored = max(0, moved - self._loss)
        return lowest, highest

    def _possible(self, slot_start: int, energy: int) -> bool:
        """Tell whether a slot's plan leaves all that is planned from now on within the capacity."""
        stored = self._stored
        for slot in range(self._now, max([slot_start, *self._schedule]) + 1, self._step):
            moved = self._moved(stored, energy if slot == slot_start else self._schedule.get(slot, 0))
            if not 0 <= moved <= self._capacity:
                return False
            stored = max(0, moved - self._loss)
        return True

    def _nearest_possible(self, slot_start: int, wanted: int, previous: int) -> int:
        """Return what is nearest to an impossible plan and leaves later plans, which rest on `previous`, possible."""
        while abs(wanted - previous) > 1:
            middle = (wanted + previous) // 2
            if self._possible(slot_start, middle):
                previous = middle
            else:
                wanted = middle
        return previous
