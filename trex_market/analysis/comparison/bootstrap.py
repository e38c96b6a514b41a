"""How sure a sum over slots is, where slots depend on those before: circular block bootstrap.

Source: D. N. Politis and J. P. Romano, "A circular block-resampling procedure
for stationary data", in Exploring the Limits of Bootstrap, Wiley, 1992.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate

import msgspec

DAY = 86_400
FEWEST_DAYS = 7
"""Of fewer days the blocks are shorter than a day."""


class Resampling(msgspec.Struct, frozen=True):
    """Which blocks of slots each resample is made of.

    Args:
        slots: how many there are.
        block: how many slots a block has.
        draws: of each resample the first slots of its blocks.
    """

    slots: int
    block: int
    draws: list[list[int]]

    @property
    def scale(self) -> float:
        """What makes of a resample's sum one over as many slots as there are."""
        return self.slots / (self.block * len(self.draws[0])) if self.draws else 1.0


def block_length(slots: int, step: int) -> int:
    """Return how many slots a block has: a day of them, or the cube root of their number if days are few.

    Args:
        slots: how many there are.
        step: length of a slot, in seconds.
    """
    day = max(1, DAY // step)
    if slots >= FEWEST_DAYS * day:
        return day
    return max(1, int(slots ** (1 / 3) + 0.5))


def resampling(slots: int, block: int, resamples: int, seed: int) -> Resampling:
    """Draw the blocks of all resamples.

    Args:
        slots: how many there are.
        block: how many slots a block has.
        resamples: how many.
        seed: of the draw.
    """
    chance = random.Random(seed)  # noqa: S311 - resampling, not secrets
    blocks = max(1, round(slots / block)) if slots else 0
    draws = [[chance.randrange(slots) for _ in range(blocks)] for _ in range(resamples)] if slots else []
    return Resampling(slots, block, draws)


def resampled(values: Sequence[int], drawn: Resampling) -> list[int]:
    """Return the sum of each resample of a series, whose end is followed by its beginning.

    Args:
        values: one a slot.
        drawn: the blocks.
    """
    around = [0, *accumulate([*values, *values[: drawn.block]])]
    sums = [around[first + drawn.block] - around[first] for first in range(len(values))]
    return [sum([sums[first] for first in draw]) for draw in drawn.draws]


def interval(values: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """Return the percentile interval of resamples; None if there are none.

    Args:
        values: of the resamples.
        confidence: e.g. 0.95.
    """
    if not values:
        return None
    ordered = sorted(values)
    tail = (1 - confidence) / 2
    low = int(tail * len(ordered))
    return ordered[low], ordered[len(ordered) - 1 - low]
