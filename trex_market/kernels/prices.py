"""Where a price lies between two others: `trex_market.core.clearing.between` for compiled code."""

from __future__ import annotations

import numpy as np

from trex_market.core.units import MICRO
from trex_market.kernels.columns import Column
from trex_market.kernels.compiled import compiled


@compiled
def between(low: int, high: int, k: int) -> int:
    """Return the price at `k` millionths of the way from `low` to `high`, rounded half to even.

    That is ``low`` and `k` millionths of the difference, which fit 64 bits where both as a product would not.
    """
    part = (high - low) * k
    quotient = part // MICRO
    rest = part - quotient * MICRO
    price = low + quotient
    return price + (rest + (price & 1) > MICRO // 2)


@compiled
def meet_between(price_sell: Column, price_buy: Column, k: int) -> None:
    """Replace pairs of prices, none of which sells dearer than it buys, by the price `between` them.

    The quotient is found with floats, which the processor does several of at once, and put right where it is one off:
    the product is below 2^53.
    """
    for at in range(len(price_sell)):
        low = price_sell[at]
        part = (price_buy[at] - low) * k
        quotient = np.int64(np.float64(part) * 1e-6)
        rest = part - quotient * MICRO
        below, above = np.int64(rest < 0), np.int64(rest >= MICRO)
        rest += (below - above) * MICRO
        price = low + quotient - below + above
        price += np.int64(rest + (price & 1) > MICRO // 2)
        price_sell[at] = price
        price_buy[at] = price
