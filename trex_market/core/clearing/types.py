"""What clearing rules take and give, and where a price lies between two others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from trex_market.core.messages import Order
from trex_market.core.units import MICRO, rounded


class Match(msgspec.Struct, frozen=True, gc=False):
    """A bid and an ask that meet. Quantity in Wh, prices in micro-dollars per kWh."""

    bid: Order
    ask: Order
    quantity: int
    price_sell: int
    price_buy: int


class RuleOptions(msgspec.Struct, frozen=True):
    """What a rule may depend on besides the orders.

    Args:
        k: place of a price between a lower and a higher one, in millionths.
        price_floor: no price lies below, micro-dollars per kWh.
        price_cap: no price lies above, micro-dollars per kWh; None if there is no such bound.
    """

    k: int = MICRO // 2
    price_floor: int = 0
    price_cap: int | None = None


Matching = Callable[[Sequence[Order], Sequence[Order]], list[Match]]


def between(low: int, high: int, k: int) -> int:
    """Return the price at `k` millionths of the way from `low` to `high`, rounded half to even."""
    return rounded(low * (MICRO - k) + high * k, MICRO)
