"""Pay-as-clear over lines: one price for all that trade; see `trex_market.core.clearing.uniform`."""

from __future__ import annotations

import numpy as np

from trex_market.kernels.columns import Column, Contracts, RuleTerms
from trex_market.kernels.compiled import inner, whole
from trex_market.kernels.interval import competitive_interval, eligible, hold_both
from trex_market.kernels.lines import (
    FILL_QUANTITY,
    FILL_WHO,
    LEFT,
    WHO,
    Line,
    Numbers,
    bring_front,
    owner_of,
    place_of,
)
from trex_market.kernels.prices import between
from trex_market.kernels.sorting import PLACE, SHIFT, SORTED, Keys, sort_keys
from trex_market.kernels.volumes import Fills, cut, pair_fills

_NOWHERE = -1


@inner
def uniform(
    terms: RuleTerms, bids: Line, asks: Line, owners: Column, contracts: Contracts, count: int
) -> int:
    """Pair all that trade at one price.

    Args:
        terms: the rule.
        bids: a line.
        asks: a line.
        owners: room for three numbers of each participant, and two more.
        contracts: written from `count` on.
        count: how many there are.

    Returns:
        how many contracts there are now.
    """
    bring_front(bids, asks)
    participants = len(owners) // 3
    held, tree = owners[:participants], owners[participants:]
    low, high, volume, crowded = competitive_interval(bids, asks, held, tree)
    if not volume:
        return count
    price = between(low, high, terms.k)
    last_bid, last_ask = eligible(bids, price), eligible(asks, price)
    bids.numbers[LEFT, cut(bids.numbers, volume) : last_bid] = 0
    asks.numbers[LEFT, cut(asks.numbers, volume) : last_ask] = 0
    if crowded:
        _spare_self_trade(bids, asks, last_bid, last_ask, volume, held)
    bid_owners, ask_owners = _sort_fills(bids, last_bid), _sort_fills(asks, last_ask)
    turn = _turn(bids.numbers[LEFT], asks.numbers[LEFT], bid_owners, ask_owners, held)
    demand = _rotated(bids.numbers, bid_owners, whole(0))
    supply = _rotated(asks.numbers, ask_owners, -turn % volume)
    return pair_fills(demand, supply, price, price, contracts, count)


# -------------------------------------------------------------------- self-trade


@inner
def _spare_self_trade(
    bids: Line, asks: Line, last_bid: int, last_ask: int, volume: int, held: Column
) -> None:
    """Let others step in where one participant would hold more than the volume on both sides together."""
    if hold_both(bids.numbers, asks.numbers, last_bid, last_ask, held) <= volume:
        return
    # Both sides together are twice the volume: only one can hold more than that, and not without bids.
    for at in range(last_bid):
        owner = owner_of(bids.numbers[WHO, at])
        excess = held[owner] - volume
        if excess > 0:
            excess -= _shift(bids, last_bid, owner, excess)
            _shift(asks, last_ask, owner, excess)
            break


@inner
def _shift(line: Line, last: int, owner: int, amount: int) -> int:
    """Move up to `amount` Wh of fills from an owner's last orders to the first free ones of others.

    Returns:
        how much was moved, in Wh.
    """
    who, left = line.numbers[WHO], line.numbers[LEFT]
    taker, giver, moved = 0, last - 1, 0
    while taker < last and giver >= 0 and moved < amount:
        free = line.quantity[place_of(who[taker])] - left[taker]
        if owner_of(who[taker]) == owner or not free:
            taker += 1
        elif owner_of(who[giver]) != owner or not left[giver]:
            giver -= 1
        else:
            part = min(free, left[giver], amount - moved)
            left[taker] += part
            left[giver] -= part
            moved += part
    return moved


# -------------------------------------------------------------------- the circle


@inner
def _sort_fills(line: Line, last: int) -> Keys:
    """Return keys of the first orders that trade, sorted by owner: the owner, and the place in the line."""
    who, left, keys = line.numbers[WHO], line.numbers[LEFT], line.keys[SORTED]
    end = np.uint64(0)
    for at in range(last):
        keys[end] = np.uint64(owner_of(who[at])) << SHIFT | np.uint64(at)
        end += np.uint64(left[at] > 0)
    fills: Keys = keys[: whole(end)]
    sort_keys(fills, line.keys)
    return fills


@inner
def _turn(bid_left: Column, ask_left: Column, bid_owners: Keys, ask_owners: Keys, ends: Column) -> int:
    """Return how far the asks are to be turned so that no owner's lie on its bids, in Wh."""
    for key in ask_owners:
        ends[key >> SHIFT] = _NOWHERE
    end = 0
    for key in bid_owners:
        end += bid_left[key & PLACE]
        ends[key >> SHIFT] = end
    turn, begin = 0, 0
    found = False
    for key in ask_owners:
        end = ends[key >> SHIFT]
        if end != _NOWHERE and (not found or end - begin > turn):
            turn, found = end - begin, True
        begin += ask_left[key & PLACE]
    return turn


@inner
def _rotated(line: Numbers, owners: Keys, offset: int) -> Fills:
    """Lay fills out from `offset` Wh on, around the circle; the fill that lies there is cut."""
    who, left = line[WHO], line[LEFT]
    fill_who, quantity = line[FILL_WHO], line[FILL_QUANTITY]
    first = 0
    while offset >= left[owners[first] & PLACE]:
        offset -= left[owners[first] & PLACE]
        first += 1
    count = 0
    for stretch in (owners[first:], owners[:first]):
        for key in stretch:
            fill_who[count] = who[key & PLACE]
            quantity[count] = left[key & PLACE]
            count += 1
    quantity[0] -= offset
    if offset:
        fill_who[count] = fill_who[0]
        quantity[count] = offset
        count += 1
    return Fills(fill_who, quantity, count)
