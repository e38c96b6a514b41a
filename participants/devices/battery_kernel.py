"""Batteries in arrays: `participants.devices.battery` for many at once, equal to it to the last micro-Wh.

Every battery is planned once in each round, for the same number of slots ahead. So nothing is ever planned
behind what is planned, what is planned is done, and one running state says what the battery will hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from participants.devices.battery import Battery, BatteryTerms
from trex_market.core.errors import InputError
from trex_market.core.units import MAX_QUANTITY, MICRO
from trex_market.kernels.compiled import compiled
from trex_market.kernels.records import Records, records

_SQUARE = MICRO * MICRO

MAX_CAPACITY = 9_000_000
"""The largest capacity in Wh: in micro-Wh and times an efficiency in millionths it fits 64 bits."""

MAX_PLANS = 50_000_000
"""The most plans that are kept: batteries times slots between the clearing of a slot and its end."""


BATTERY = np.dtype([(field, np.int64) for field in (*BatteryTerms._fields, "ahead")])
"""A battery: the fields of `BatteryTerms`, and what it holds at the start of the slot that is planned next."""

PLAN = np.dtype([("energy", np.int64), ("held", np.int64)])
"""A plan: Wh into (positive) or out of (negative) the battery, and the micro-Wh that it holds after the slot."""


def make_bank(
    batteries: Sequence[Battery], ahead: Sequence[int], step: int, slots: int
) -> tuple[Records, Records]:
    """Put batteries together, as they are at the start of an episode.

    Args:
        batteries: which.
        ahead: for each, how many slots after the current one it is planned for.
        step: length of a slot, in seconds.
        slots: how many slots have plans at one time.

    Returns:
        the batteries, of type `BATTERY`; slot, battery -> the plan, of type `PLAN`, a slot's place being its
        number modulo how many there are.

    Raises:
        InputError: if a battery, or their number, is beyond what fits.
    """
    if len(batteries) * slots > MAX_PLANS:
        raise InputError(
            f"arrays take at most {MAX_PLANS:,} plans of batteries; found {len(batteries):,} batteries with "
            f"plans for {slots:,} slots each (market.close_steps)"
        )
    terms = [battery.terms(step) for battery in batteries]
    largest = max((term.capacity // MICRO for term in terms), default=0)
    if largest > MAX_CAPACITY or any(term.efficiency == 0 for term in terms):
        raise InputError(
            f"arrays take batteries of at most {MAX_CAPACITY:,} Wh and at least a millionth of efficiency; found "
            f"up to {largest:,} Wh"
        )
    bank = records(BATTERY, len(batteries))
    plans = np.zeros((slots, len(batteries)), dtype=PLAN)
    for place, (term, before) in enumerate(zip(terms, ahead, strict=True)):
        held = [max(0, term.initial - slot * term.loss) for slot in range(before + 1)]
        bank[place] = (*term, held[-1])
        plans["held"][:before, place] = held[1:]
    return bank, plans


# What a battery could do is a quotient cut off at a limit. Most of the time the limit is what counts, and one
# product tells it; dividing would take several times as long.


@compiled
def discharge_potential(bank: Records, battery: int, limit: int = MAX_CAPACITY) -> int:
    """Return how much could be taken out in the slot that is planned next, but at most `limit`, in Wh."""
    cell = bank[battery]
    most: int = min(limit, cell.limit)
    inside: int = cell.ahead * cell.efficiency
    return most if most * _SQUARE <= inside else inside // _SQUARE


@compiled
def charge_potential(bank: Records, battery: int, limit: int = MAX_QUANTITY) -> int:
    """Return how much could be put in in the slot that is planned next, but at most `limit`, in Wh."""
    cell = bank[battery]
    most: int = min(limit, cell.limit)
    room: int = max(0, cell.capacity - cell.ahead)
    return most if most * cell.efficiency <= room else room // cell.efficiency


@compiled
def plan(bank: Records, plans: Records, battery: int, slot: int, energy: int) -> None:
    """Plan a battery's next slot; what is more than it can do is cut off.

    Args:
        bank: the batteries.
        plans: of all.
        battery: which.
        slot: the slot's place among the plans.
        energy: Wh into (positive) or out of (negative) the battery, as seen from outside; at most what a
            reading can have.
    """
    cell = bank[battery]
    planned = 0
    held: int = cell.ahead
    if energy > 0:
        planned = charge_potential(bank, battery, energy)
        held += planned * cell.efficiency
    elif energy < 0:
        planned = -discharge_potential(bank, battery, min(-energy, MAX_CAPACITY))
        held -= (-planned * _SQUARE + cell.efficiency - 1) // cell.efficiency
    held = max(0, held - cell.loss)
    cell.ahead = held
    plans[slot, battery].energy = planned
    plans[slot, battery].held = held
