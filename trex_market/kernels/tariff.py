"""The grid's prices of many slots at once, made by `trex_market.core.tariff`."""

from __future__ import annotations

import numpy as np

from trex_market.core.tariff import Tariff
from trex_market.kernels.layout import Numbers


def prices_of(tariff: Tariff, start: int, step: int, count: int) -> tuple[Numbers, Numbers]:
    """Return what the grid pays and what it charges in each slot, in micro-dollars per kWh.

    Args:
        tariff: the market's.
        start: of the first slot, UNIX seconds.
        step: length of a slot, in seconds.
        count: how many slots.
    """
    prices = [tariff.at(time) for time in range(start, start + step * count, step)]
    both = np.array(prices, dtype=np.int64).reshape(count, 2)
    return np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])
