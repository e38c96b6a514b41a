"""The competitive interval of the uniform rule; see `trex_market.core.clearing.uniform`.

Self-trade matters only where one participant holds more than the volume, on both sides together. Where nobody does,
the interval is ``[max(s_q, b_q+1), min(b_q, s_q+1)]``, found where the lines meet. Else all prices are gone through
with what each participant has on offer in a tree of largest values.
"""

from __future__ import annotations

from typing import NamedTuple

from trex_market.kernels.columns import Column
from trex_market.kernels.compiled import inner, whole
from trex_market.kernels.lines import (
    KNOWN,
    LEFT,
    PRICE,
    STATE,
    WHO,
    Line,
    Numbers,
    bring_all,
    bring_rest,
    owner_of,
)
from trex_market.kernels.volumes import meet

_NOWHERE = -1
_BIDS_ALONE = -2


@inner
def competitive_interval(bids: Line, asks: Line, held: Column, tree: Column) -> tuple[int, int, int, bool]:
    """Find the prices at which the most can trade, with the least surplus.

    Args:
        bids: a line, known in front at least.
        asks: a line, known in front at least.
        held: room for a number of each participant.
        tree: room for two numbers of each participant, and two more.

    Returns:
        lowest and highest price (micro-dollars per kWh), volume in Wh, and whether one participant holds more than it.
    """
    meeting = meet(bids, asks)
    if not meeting.volume:
        return 0, 0, 0, False
    low, high = asks.numbers[PRICE, meeting.ask], bids.numbers[PRICE, meeting.bid]
    if meeting.next_bid < bids.numbers[STATE, KNOWN]:
        low = max(low, bids.numbers[PRICE, meeting.next_bid])
    if meeting.next_ask < asks.numbers[STATE, KNOWN]:
        high = min(high, asks.numbers[PRICE, meeting.next_ask])
    last_bid, last_ask = eligible(bids, low), eligible(asks, high)
    while bring_rest(bids, asks, last_bid, last_ask):
        last_bid, last_ask = eligible(bids, low), eligible(asks, high)
    if hold_both(bids.numbers, asks.numbers, last_bid, last_ask, held) <= meeting.volume:
        return low, high, meeting.volume, False
    bring_all(bids, asks)
    low, high, volume = _interval_of_states(bids.numbers, asks.numbers, held, tree)
    return low, high, volume, True


@inner
def eligible(line: Line, price: int) -> int:
    """Return how many of those known in a line accept a price; they stand in front."""
    prices, sign = line.numbers[PRICE], line.sign
    first, last = whole(0), line.numbers[STATE, KNOWN]
    while first < last:
        middle = (first + last) >> 1
        if sign * prices[middle] <= sign * price:
            first = middle + 1
        else:
            last = middle
    return first


@inner
def hold_both(bids: Numbers, asks: Numbers, last_bid: int, last_ask: int, held: Column) -> int:
    """Count what each owner of the first bids and asks has left in them; return the most that one has."""
    for at in range(last_bid):
        held[owner_of(bids[WHO, at])] = 0
    for at in range(last_ask):
        held[owner_of(asks[WHO, at])] = 0
    return max(_hold(bids, last_bid, held), _hold(asks, last_ask, held))


@inner
def _hold(line: Numbers, last: int, held: Column) -> int:
    most = 0
    for at in range(last):
        owner = owner_of(line[WHO, at])
        held[owner] += line[LEFT, at]
        most = max(most, held[owner])
    return most


# -------------------------------------------------------------------- with self-trade


class _Best(NamedTuple):
    """The best prices so far: volume and surplus at them, and whether the last price was one of them."""

    low: int
    high: int
    volume: int
    surplus: int
    growing: bool


@inner
def _interval_of_states(bids: Numbers, asks: Numbers, leaf: Column, tree: Column) -> tuple[int, int, int]:
    """Go through all prices upwards and compare how good each is: at an order's price, then just above it."""
    leaves = _plant(bids, asks, leaf, tree)
    demand, supply = bids[LEFT, : bids[STATE, KNOWN]].sum(), 0
    best = _Best(0, 0, 0, 0, growing=False)
    bid, ask = bids[STATE, KNOWN], whole(0)
    while bid > 0 or ask < asks[STATE, KNOWN]:
        price = _next_price(bids, asks, bid, ask)
        first_bid, last_ask = bid, ask
        demand_here = supply_here = 0
        while last_ask < asks[STATE, KNOWN] and asks[PRICE, last_ask] == price:
            supply_here += asks[LEFT, last_ask]
            _change(tree, leaves, leaf[owner_of(asks[WHO, last_ask])], asks[LEFT, last_ask])
            last_ask += 1
        while first_bid > 0 and bids[PRICE, first_bid - 1] == price:
            first_bid -= 1
            demand_here += bids[LEFT, first_bid]
        surplus = max(demand - demand_here - supply - supply_here, supply - demand, 0)
        supply += supply_here
        best = _better(best, price, _volume(demand, supply, tree, leaves), surplus)
        for at in range(first_bid, bid):
            _change(tree, leaves, leaf[owner_of(bids[WHO, at])], -bids[LEFT, at])
        demand -= demand_here
        best = _better(best, price, _volume(demand, supply, tree, leaves), abs(demand - supply))
        bid, ask = first_bid, last_ask
    return best.low, best.high, best.volume


@inner
def _next_price(bids: Numbers, asks: Numbers, bid: int, ask: int) -> int:
    """Return the lowest price of the bids before one and the asks from one on."""
    lowest: int = bids[PRICE, bid - 1] if bid else asks[PRICE, ask]
    return min(lowest, asks[PRICE, ask]) if ask < asks[STATE, KNOWN] else lowest


@inner
def _better(best: _Best, price: int, volume: int, surplus: int) -> _Best:
    """Return what is best with a further price."""
    if volume > best.volume or (volume == best.volume and surplus < best.surplus):
        return _Best(price, price, volume, surplus, growing=True)
    if volume < best.volume or surplus > best.surplus:
        return _Best(best.low, best.high, best.volume, best.surplus, growing=False)
    if best.growing:
        return _Best(best.low, price, volume, surplus, growing=True)
    return best


@inner
def _volume(demand: int, supply: int, tree: Column, leaves: int) -> int:
    """Return what can trade without self-trade, in Wh."""
    largest = tree[1] if leaves else 0
    return min(demand, supply, demand + supply - largest)


@inner
def _plant(bids: Numbers, asks: Numbers, leaf: Column, tree: Column) -> int:
    """Give a leaf to each participant that is on both sides, with its bids on it; return how many there are."""
    for who in asks[WHO, : asks[STATE, KNOWN]]:
        leaf[owner_of(who)] = _NOWHERE
    for who in bids[WHO, : bids[STATE, KNOWN]]:
        leaf[owner_of(who)] = _BIDS_ALONE
    leaves = whole(0)
    for who in asks[WHO, : asks[STATE, KNOWN]]:
        owner = owner_of(who)
        if leaf[owner] == _BIDS_ALONE:
            leaf[owner] = leaves
            leaves += 1
    tree[: 2 * leaves] = 0
    for at in range(bids[STATE, KNOWN]):
        _change(tree, leaves, leaf[owner_of(bids[WHO, at])], bids[LEFT, at])
    return leaves


@inner
def _change(tree: Column, leaves: int, leaf: int, quantity: int) -> None:
    """Add to what a participant has on offer; each node of the tree is the larger one of the two below it."""
    if leaf < 0:
        return
    node = leaves + leaf
    tree[node] += quantity
    while node > 1:
        node >>= 1
        larger = max(tree[2 * node], tree[2 * node + 1])
        if tree[node] == larger:
            return
        tree[node] = larger
