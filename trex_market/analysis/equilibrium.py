"""The competitive allocation of a book: what an auction's result is measured by.

An order's price is taken for the value or cost of its owner. Nobody is asked
who it is: the allocation may pair a participant with itself, so that the most
that a market without self-trade can reach may lie a little below.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from trex_market.core.messages import Order


class Equilibrium(msgspec.Struct, frozen=True):
    """A book's competitive allocation.

    Args:
        volume: what trades, in Wh; trades without a gain count.
        gains: sum of value less cost, in nano-dollars.
        low: lowest competitive price, micro-dollars per kWh; 0 without trade.
        high: highest competitive price, micro-dollars per kWh; 0 without trade.
        fills: order id -> Wh.
    """

    volume: int
    gains: int
    low: int
    high: int
    fills: dict[str, int]


def equilibrium(bids: Sequence[Order], asks: Sequence[Order]) -> Equilibrium:
    """Pair the highest bids with the lowest asks as long as they cross.

    The prices are those of unit orders, ``[max(s_q, b_q+1), min(b_q, s_q+1)]`` with b_q, s_q the last
    units that trade and b_q+1, s_q+1 the next ones, also where an order is cut in two.

    Args:
        bids: from the highest price.
        asks: from the lowest price.

    Source: D. K. Gode and S. Sunder, Journal of Political Economy 101(1), 1993, for the measure; the greedy
    sort is textbook.
    """
    fills: dict[str, int] = {}
    volume = gains = low = high = 0
    bid_place = ask_place = 0
    wanted = bids[0].quantity if bids else 0
    available = asks[0].quantity if asks else 0
    while wanted and available and bids[bid_place].price >= asks[ask_place].price:
        bid, ask = bids[bid_place], asks[ask_place]
        quantity = min(wanted, available)
        volume += quantity
        gains += quantity * (bid.price - ask.price)
        for order in (bid, ask):
            fills[order.order_id] = fills.get(order.order_id, 0) + quantity
        wanted -= quantity
        available -= quantity
        low, high = ask.price, bid.price
        if not wanted:
            bid_place += 1
            wanted = bids[bid_place].quantity if bid_place < len(bids) else 0
        if not available:
            ask_place += 1
            available = asks[ask_place].quantity if ask_place < len(asks) else 0
    if volume and wanted:
        low = max(low, bids[bid_place].price)
    if volume and available:
        high = min(high, asks[ask_place].price)
    return Equilibrium(volume, gains, low, high, fills)
