"""Pay-as-clear: one price for all that trade in a pool.

The price is chosen as on exchanges: the largest volume that can trade at one
price without anybody trading with itself; among such prices the least surplus
of eligible orders; `k` of the interval that is left. Without self-trade this is
``[max(s_q, b_q+1), min(b_q, s_q+1)]``, the competitive interval.

At most ``B + A - max_i(b_i + a_i)`` can trade between others, where B and A are
the eligible bids and asks and b_i, a_i those of participant i: what one side of
a bipartite graph without its diagonal lets flow (max-flow min-cut).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import accumulate, groupby
from operator import attrgetter

from trex_market.core.clearing.types import Match, Matching, RuleOptions, between
from trex_market.core.messages import Order

Fill = tuple[Order, int]
_price = attrgetter("price")


def uniform(options: RuleOptions) -> Matching:
    """Make the uniform rule with `options.k` in the competitive interval."""

    def match(bids: Sequence[Order], asks: Sequence[Order]) -> list[Match]:
        low, high, volume = competitive_interval(bids, asks)
        if not volume:
            return []
        price = between(low, high, options.k)
        bought = _filled([bid for bid in bids if bid.price >= price], volume)
        sold = _filled([ask for ask in asks if ask.price <= price], volume)
        _spare_self_trade(bids, asks, price, bought, sold, volume)
        return [
            Match(bid, ask, quantity, price, price)
            for bid, ask, quantity in _paired(bids, asks, bought, sold, volume)
        ]

    return match


def competitive_interval(bids: Sequence[Order], asks: Sequence[Order]) -> tuple[int, int, int]:
    """Find the prices at which the most can trade, with the least surplus.

    Args:
        bids: by priority, from the highest price.
        asks: by priority, from the lowest price.

    Returns:
        lowest and highest price (micro-dollars per kWh) and the volume in Wh; the volume is 0 if nothing can
        trade.
    """
    best = (0, 0)
    interval = (0, 0)
    growing = False
    for price, state in _states(bids, asks):
        if state > best:
            best, growing = state, True
            interval = (price, price)
        elif state < best:
            growing = False
        elif growing:
            interval = (interval[0], price)
    return (*interval, best[0])


def _states(bids: Sequence[Order], asks: Sequence[Order]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Go through all prices upwards and tell how good each is: at an order's price, then just above it.

    Yields:
        price, (volume, minus the surplus).
    """
    eligible = _Eligible(bids, asks)
    at_bids = {price: list(group) for price, group in groupby(bids, key=_price)}
    at_asks = {price: list(group) for price, group in groupby(asks, key=_price)}
    for price in sorted(at_bids.keys() | at_asks.keys()):
        asks_below = eligible.asks
        for ask in at_asks.get(price, ()):
            eligible.change(ask, ask.quantity)
        bids_above = eligible.bids - sum(bid.quantity for bid in at_bids.get(price, ()))
        surplus = max(bids_above - eligible.asks, asks_below - eligible.bids, 0)
        yield price, (eligible.volume(), -surplus)
        for bid in at_bids.get(price, ()):
            eligible.change(bid, -bid.quantity)
        yield price, (eligible.volume(), -abs(eligible.bids - eligible.asks))


class _Eligible:
    """What is on offer at a price, in all and by each participant that is on both sides."""

    def __init__(self, bids: Sequence[Order], asks: Sequence[Order]) -> None:
        both = {bid.participant_id for bid in bids} & {ask.participant_id for ask in asks}
        self.bids = sum(bid.quantity for bid in bids)
        self.asks = 0
        self._own = dict.fromkeys(both, 0)
        for bid in bids:
            if bid.participant_id in both:
                self._own[bid.participant_id] += bid.quantity
        self._largest: list[tuple[int, str]] = []
        for participant_id in sorted(both):
            heappush(self._largest, (-self._own[participant_id], participant_id))

    def change(self, order: Order, quantity: int) -> None:
        """Add an order's quantity, or take it away if negative."""
        if order.side == "bid":
            self.bids += quantity
        else:
            self.asks += quantity
        participant_id = order.participant_id
        if participant_id in self._own:
            self._own[participant_id] += quantity
            heappush(self._largest, (-self._own[participant_id], participant_id))

    def volume(self) -> int:
        """Return what can trade without self-trade, in Wh."""
        largest = self._largest
        while largest and -largest[0][0] != self._own[largest[0][1]]:
            heappop(largest)
        own = -largest[0][0] if largest else 0
        return min(self.bids, self.asks, self.bids + self.asks - own)


def _filled(orders: Sequence[Order], volume: int) -> dict[str, int]:
    """Fill orders in sequence until the volume is reached: order id -> Wh."""
    fills: dict[str, int] = {}
    for order in orders:
        quantity = min(order.quantity, volume)
        fills[order.order_id] = quantity
        volume -= quantity
    return fills


def _spare_self_trade(
    bids: Sequence[Order],
    asks: Sequence[Order],
    price: int,
    bought: dict[str, int],
    sold: dict[str, int],
    volume: int,
) -> None:
    """Let others step in where one participant would hold more than the volume on both sides together."""
    own = _by_owner(bids, bought) + _by_owner(asks, sold)
    if not own:
        return
    owner, held = max(own.items(), key=lambda item: (item[1], item[0]))
    excess = held - volume
    if excess > 0:
        excess -= _shift([bid for bid in bids if bid.price >= price], bought, owner, excess)
        _shift([ask for ask in asks if ask.price <= price], sold, owner, excess)


def _by_owner(orders: Sequence[Order], fills: dict[str, int]) -> Counter[str]:
    held: Counter[str] = Counter()
    for order in orders:
        held[order.participant_id] += fills.get(order.order_id, 0)
    return held


def _shift(orders: Sequence[Order], fills: dict[str, int], owner: str, amount: int) -> int:
    """Move up to `amount` Wh of fills from an owner's last orders to the first free ones of others.

    Returns:
        how much was moved, in Wh.
    """
    takers = (
        (order, order.quantity - fills[order.order_id]) for order in orders if order.participant_id != owner
    )
    givers = ((order, fills[order.order_id]) for order in reversed(orders) if order.participant_id == owner)
    moved = 0
    for taker, giver, quantity in _zipped(takers, givers):
        part = min(quantity, amount - moved)
        fills[taker.order_id] += part
        fills[giver.order_id] -= part
        moved += part
    return moved


def _paired(
    bids: Sequence[Order],
    asks: Sequence[Order],
    bought: dict[str, int],
    sold: dict[str, int],
    volume: int,
) -> Iterator[tuple[Order, Order, int]]:
    """Pair fills so that nobody meets itself.

    Both sides are laid on a circle of `volume` Wh, sorted by owner, and the asks are turned until no
    owner's bids lie on its own asks. Turning by ``max_i(B_i + b_i - A_i)``, with B_i and A_i what lies
    before owner i, does it whenever ``b_i + a_i <= volume`` for every owner.
    """
    demand = _sorted_fills(bids, bought)
    supply = _sorted_fills(asks, sold)
    turn = _turn(_spans(demand), _spans(supply))
    yield from _zipped(demand, _rotated(supply, -turn % volume))


def _sorted_fills(orders: Sequence[Order], fills: dict[str, int]) -> list[Fill]:
    filled = [(order, fills[order.order_id]) for order in orders if fills.get(order.order_id)]
    return sorted(filled, key=lambda fill: fill[0].participant_id)


def _spans(fills: Sequence[Fill]) -> dict[str, tuple[int, int]]:
    """Return where each owner's fills begin and end on the circle, in Wh."""
    spans: dict[str, tuple[int, int]] = {}
    ends = list(accumulate(quantity for _, quantity in fills))
    for (order, quantity), end in zip(fills, ends, strict=True):
        begin = spans.get(order.participant_id, (end - quantity, 0))[0]
        spans[order.participant_id] = (begin, end)
    return spans


def _turn(demand: dict[str, tuple[int, int]], supply: dict[str, tuple[int, int]]) -> int:
    return max((demand[owner][1] - supply[owner][0] for owner in demand.keys() & supply.keys()), default=0)


def _rotated(fills: Sequence[Fill], offset: int) -> list[Fill]:
    """Start the circle at `offset` Wh, cutting the fill that lies there."""
    before: list[Fill] = []
    after: list[Fill] = []
    for order, quantity in fills:
        head = min(quantity, offset)
        offset -= head
        if head:
            before.append((order, head))
        if quantity > head:
            after.append((order, quantity - head))
    return after + before


def _zipped(first: Iterable[Fill], second: Iterable[Fill]) -> Iterator[tuple[Order, Order, int]]:
    """Walk two sides at once and yield what lies side by side, until one ends."""
    others = iter(second)
    other, available = next(others, (None, 0))
    for order, filled in first:
        wanted = filled
        while wanted and other is not None:
            quantity = min(wanted, available)
            if quantity:
                yield order, other, quantity
            wanted -= quantity
            available -= quantity
            if not available:
                other, available = next(others, (None, 0))
