"""Pairwise rules over lines: each bid goes through the asks in order and takes what it can.

As in `trex_market.core.clearing.pairwise`, two places in the asks are kept, the front one and the first behind it of
another owner. As long as no bid meets its own ask, which is the rule, the two lines are walked side by side without.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trex_market.kernels.columns import Column, Contracts
from trex_market.kernels.compiled import inner, whole
from trex_market.kernels.lines import (
    ALL,
    KNOWN,
    LEFT,
    LIMIT,
    PRICE,
    STATE,
    WHO,
    Line,
    Numbers,
    bring_all,
    bring_front,
    bring_rest,
    end_line,
    place_of,
    same_owner,
)

_ZERO = np.uint64(0)
_ONE = np.uint64(1)


class Front(NamedTuple):
    """Where two lines stand.

    Args:
        bid: the front bid.
        ask: the front ask.
        other: between the front ask and this one all are of the front's owner, or used up.
        used_up: from this ask on none is used up.
    """

    bid: int
    ask: int
    other: int
    used_up: int


@inner
def crossing(bids: Line, asks: Line, contracts: Contracts, count: int) -> int:
    """Pair bids with asks that are not dearer, at the price of each.

    Returns:
        how many contracts there are now.
    """
    bring_front(bids, asks)
    start = whole(0)
    at = Front(start, start, start, start)
    while True:
        at, count = _pair(
            bids.numbers,
            asks.numbers,
            at,
            contracts.bid,
            contracts.ask,
            contracts.quantity,
            contracts.price_sell,
            contracts.price_buy,
            count,
        )
        if not bring_rest(bids, asks, at.bid, max(at.ask, at.other)):
            return count


@inner
def equal_price(bids: Line, asks: Line, contracts: Contracts, count: int) -> int:
    """Pair bids with asks of exactly the same price.

    Returns:
        how many contracts there are now.
    """
    bring_all(bids, asks)
    demand, supply = bids.numbers, asks.numbers
    met_bid, met_ask, quantity, price_sell, price_buy = contracts
    bid, last_ask = whole(0), supply[STATE, KNOWN]
    while bid < len(bids.packed) and last_ask:
        price = demand[PRICE, bid]
        if supply[PRICE, last_ask - 1] > price:
            last_ask -= 1
            continue
        last_bid, first_ask = bid + 1, last_ask
        while demand[PRICE, last_bid] == price:
            last_bid += 1
        while first_ask and supply[PRICE, first_ask - 1] == price:
            first_ask -= 1
        if first_ask < last_ask:
            # What stands behind waits behind the end of the line for a while.
            next_bid, next_ask = demand[PRICE, last_bid], supply[PRICE, last_ask]
            end_line(demand, whole(-1), last_bid)
            end_line(supply, whole(1), last_ask)
            at = Front(bid, first_ask, whole(0), whole(0))
            at, count = _pair(demand, supply, at, met_bid, met_ask, quantity, price_sell, price_buy, count)
            demand[PRICE, last_bid], supply[PRICE, last_ask] = next_bid, next_ask
        bid, last_ask = last_bid, first_ask
    return count


@inner
def _pair(
    bids: Numbers,
    asks: Numbers,
    at: Front,
    met_bid: Column,
    met_ask: Column,
    quantity: Column,
    price_sell: Column,
    price_buy: Column,
    count: int,
) -> tuple[Front, int]:
    """Pair until a line ends or the asks are dearer.

    Columns are taken one by one: when one is taken out of a tuple it is counted who holds it, and that costs more than
    a pair of orders does.

    Returns:
        where the lines stand, and how many contracts there are.
    """
    while True:
        if at.used_up <= at.ask:
            at, count = _walk(bids, asks, at, met_bid, met_ask, quantity, price_sell, price_buy, count)
        if asks[PRICE, at.ask] > bids[PRICE, at.bid]:
            return at, count
        if at.other == asks[STATE, KNOWN] and asks[STATE, LIMIT] != ALL:
            return at, count
        at, count = _step_aside(bids, asks, at, met_bid, met_ask, quantity, price_sell, price_buy, count)


@inner
def _walk(
    bids: Numbers,
    asks: Numbers,
    at: Front,
    met_bid: Column,
    met_ask: Column,
    quantity: Column,
    price_sell: Column,
    price_buy: Column,
    count: int,
) -> tuple[Front, int]:
    """Pair the front bid with the front ask until the ask is dearer, or both are of one owner.

    Lines end with prices at which nobody trades. Which of the two orders is used up is as good as drawn, and a processor
    that guesses it wrong loses more time than all else here takes. So there is no branch on it: both next quantities are
    read, and one of them is used, or both. Places have no sign, which saves asking whether they count from the end.
    """
    bid, ask, written = np.uint64(at.bid), np.uint64(at.ask), np.uint64(count)
    wanted, offered = bids[LEFT, bid], asks[LEFT, ask]
    next_wanted, next_offered = bids[LEFT, bid + _ONE], asks[LEFT, ask + _ONE]
    while asks[PRICE, ask] <= bids[PRICE, bid] and not same_owner(bids[WHO, bid], asks[WHO, ask]):
        met_bid[written] = place_of(bids[WHO, bid])
        met_ask[written] = place_of(asks[WHO, ask])
        quantity[written] = min(wanted, offered)
        price_sell[written] = asks[PRICE, ask]
        price_buy[written] = bids[PRICE, bid]
        written += _ONE
        surplus = wanted - offered
        wanted = next_wanted if surplus <= 0 else surplus
        offered = next_offered if surplus >= 0 else -surplus
        bid += _ONE if surplus <= 0 else _ZERO
        ask += _ONE if surplus >= 0 else _ZERO
        next_wanted, next_offered = bids[LEFT, bid + _ONE], asks[LEFT, ask + _ONE]
    bids[LEFT, bid], asks[LEFT, ask] = wanted, offered
    return Front(whole(bid), whole(ask), at.other, at.used_up), whole(written)


@inner
def _step_aside(
    bids: Numbers,
    asks: Numbers,
    at: Front,
    met_bid: Column,
    met_ask: Column,
    quantity: Column,
    price_sell: Column,
    price_buy: Column,
    count: int,
) -> tuple[Front, int]:
    """Pair as long as the front ask is the bid's own, or asks behind it are used up already."""
    bid, ask, other, used_up = at
    last_bid, last_ask, all_known = bids[STATE, KNOWN], asks[STATE, KNOWN], asks[STATE, LIMIT] == ALL
    other = _next_of_another(asks, ask, max(other, ask + 1), last_ask)
    while bid < last_bid and ask < last_ask and (all_known or other < last_ask):
        own = same_owner(asks[WHO, ask], bids[WHO, bid])
        place = other if own else ask
        if not own and (used_up <= ask or asks[PRICE, ask] > bids[PRICE, bid]):
            break
        if asks[PRICE, place] > bids[PRICE, bid]:
            bid += 1
            continue
        taken = min(bids[LEFT, bid], asks[LEFT, place])
        met_bid[count] = place_of(bids[WHO, bid])
        met_ask[count] = place_of(asks[WHO, place])
        quantity[count] = taken
        price_sell[count] = asks[PRICE, place]
        price_buy[count] = bids[PRICE, bid]
        count += 1
        bids[LEFT, bid] -= taken
        asks[LEFT, place] -= taken
        if not bids[LEFT, bid]:
            bid += 1
        if not asks[LEFT, place]:
            ask, other, used_up = _after(asks, ask, other, place, used_up)
    return Front(bid, ask, other, used_up), count


@inner
def _after(asks: Numbers, ask: int, other: int, place: int, used_up: int) -> tuple[int, int, int]:
    """Return front, other and used_up when the ask at a place, one of the first two, has been used up."""
    last = asks[STATE, KNOWN]
    if place == other:
        return ask, _next_of_another(asks, ask, other + 1, last), other + 1
    while ask < last and not asks[LEFT, ask]:
        ask += 1
    if ask == other and ask < last:
        other = _next_of_another(asks, ask, ask + 1, last)
    return ask, other, used_up


@inner
def _next_of_another(asks: Numbers, front: int, place: int, last: int) -> int:
    """Return the first ask from `place` on whose owner is not that of `front`, else the end."""
    while place < last and same_owner(asks[WHO, place], asks[WHO, front]):
        place += 1
    return place
