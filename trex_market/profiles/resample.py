"""From the slots of the data to the slots of the market, conserving energy exactly.

Energy is spread evenly over each slot of the data. With C(t) the energy up to t,
exact, and R rounding half to even, a slot of the market gets

    R(C(end)) - R(C(start))

(the largest-remainder method on the running sum). So the sum over any range is
within 1 Wh of the truth, and where C is whole, as at the edges of slots of
whole Wh, it is the truth. C is 0 at the start of the first slot given.

What is exactly half is rounded to even: at the edge of a slot of the data its
running sum, inside of a slot what was added since R(C) of its edge. So for data
in whole Wh a slot gets the same amount wherever the range that is read begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from trex_market.core.units import rounded
from trex_market.profiles.cells import EXACT, Number


def resample(values: Sequence[Number], *, native: int, offset: int, step: int, count: int) -> list[int]:
    """Divide or add up amounts of energy into slots of another length.

    Args:
        values: Wh in each slot of the data, without gaps.
        native: length of a slot of the data, in seconds.
        offset: from the start of the first slot of the data to the start of the first new slot, in
            seconds; at least 0 and less than `native`.
        step: length of a new slot, in seconds.
        count: how many new slots; the data cover them.

    Returns:
        whole Wh in each new slot.
    """
    amounts, denominator = _common(values)
    if native == step and offset == 0 and denominator == 1:
        return amounts[:count]
    scale = denominator * native
    passed = 0  # energy of the data's slots that have ended
    index = 0
    before = rounded(amounts[0] * offset, scale)
    slots = []
    for time in range(offset + step, offset + step * count + 1, step):
        while (index + 1) * native <= time:
            passed += amounts[index]
            index += 1
        inside = time - index * native
        now = rounded(passed, denominator)
        if inside:
            rest = passed - now * denominator
            now += rounded(rest * native + amounts[index] * inside, scale)
        slots.append(now - before)
        before = now
    return slots


def _common(values: Sequence[Number]) -> tuple[list[int], int]:
    """Write all amounts over one denominator."""
    decimals = max((_decimals(value) for value in values if isinstance(value, Decimal)), default=0)
    if not decimals:
        return [int(value) for value in values], 1
    denominator = 10**decimals
    return [int(EXACT.multiply(value, denominator)) for value in values], denominator


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
