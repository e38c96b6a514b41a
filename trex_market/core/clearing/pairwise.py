"""Pairwise rules: each bid goes through the asks in order and takes what it can.

Bids come from the highest price, asks from the lowest; nobody trades with
itself (the next ask is tried); fills may be partial. Linear in the number of
orders, also if one participant owns all the front asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from trex_market.core.clearing.types import Match, Matching, between
from trex_market.core.messages import Order

Pair = tuple[Order, Order, int]
Pairing = Callable[[Sequence[Order], Sequence[Order]], list[Pair]]
_price = attrgetter("price")


def crossing(bids: Sequence[Order], asks: Sequence[Order]) -> list[Pair]:
    """Pair bids with asks that are not dearer.

    Two places in the asks are kept: `front`, the first that has something left, and `other`, the
    first behind it of another owner. A bid takes from `front`, or from `other` if `front` is its
    owner's own. Both only ever move on.

    Args:
        bids: by priority.
        asks: by priority.

    Returns:
        bid, ask and quantity in Wh, in the order in which they met.
    """
    pairs: list[Pair] = []
    owners = [ask.participant_id for ask in asks]
    left = [ask.quantity for ask in asks]
    count = len(asks)
    front = 0
    other = _next_of_another(owners, 0)
    for bid in bids:
        wanted = bid.quantity
        while wanted and front < count:
            place = other if owners[front] == bid.participant_id else front
            if place == count or asks[place].price > bid.price:
                break
            quantity = min(wanted, left[place])
            pairs.append((bid, asks[place], quantity))
            wanted -= quantity
            left[place] -= quantity
            if left[place]:
                continue
            if place == other:
                other = _next_of_another(owners, front, start=other + 1)
                continue
            while front < count and not left[front]:
                front += 1
            if front == other:
                other = _next_of_another(owners, front)
    return pairs


def _next_of_another(owners: Sequence[str], front: int, start: int | None = None) -> int:
    """Return the first place from `start` on whose owner is not that of `front`, else the end."""
    place = front + 1 if start is None else start
    while place < len(owners) and owners[place] == owners[front]:
        place += 1
    return min(place, len(owners))


def equal_price(bids: Sequence[Order], asks: Sequence[Order]) -> list[Pair]:
    """Pair bids with asks of exactly the same price; see `crossing`."""
    asks_at = {price: list(group) for price, group in groupby(asks, key=_price)}
    pairs: list[Pair] = []
    for price, group in groupby(bids, key=_price):
        if price in asks_at:
            pairs += crossing(list(group), asks_at[price])
    return pairs


def k_priced(pairing: Pairing, k: int) -> Matching:
    """Price each pair at `k` millionths of the way from its ask to its bid."""

    def match(bids: Sequence[Order], asks: Sequence[Order]) -> list[Match]:
        return list(priced(pairing(bids, asks)))

    def priced(pairs: list[Pair]) -> Iterator[Match]:
        for bid, ask, quantity in pairs:
            price = between(ask.price, bid.price, k)
            yield Match(bid, ask, quantity, price, price)

    return match


def own_priced(pairing: Pairing) -> Matching:
    """Let the buyer pay its bid and the seller get its ask; the spread is the operator's."""

    def match(bids: Sequence[Order], asks: Sequence[Order]) -> list[Match]:
        return [Match(bid, ask, quantity, ask.price, bid.price) for bid, ask, quantity in pairing(bids, asks)]

    return match
