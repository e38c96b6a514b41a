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


class PairMatch(Match, frozen=True, gc=False):
    """A bid and an ask that meet on terms of their own. Fees in micro-dollars per kWh.

    Args:
        fee_ask: the seller gets so much less than `price_sell`.
        fee_bid: the buyer pays so much more than `price_buy`.
        bid_set: place of the requirement under which the bid met the ask; 0 if it has none.
        ask_set: likewise of the ask.
    """

    fee_ask: int
    fee_bid: int
    bid_set: int
    ask_set: int


class PairPricing(msgspec.Struct, frozen=True):
    """How a pair is priced, where pairs meet on terms of their own.

    Args:
        k: place of the price between ask and bid, in millionths; None if each has its own price.
        equal: whether only equal prices meet.
    """

    k: int | None
    equal: bool = False


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
