"""McAfee's double auction and trade reduction over lines; see `trex_market.core.clearing.truthful`."""

from __future__ import annotations

from trex_market.core.units import MICRO
from trex_market.kernels.columns import MCAFEE, NO_CAP, Column, Contracts, RuleTerms
from trex_market.kernels.compiled import inner, whole
from trex_market.kernels.lines import (
    FILL_WHO,
    KNOWN,
    LEFT,
    PRICE,
    STATE,
    WHO,
    Line,
    Numbers,
    bring_all,
    end_line,
    owner_of,
)
from trex_market.kernels.prices import between
from trex_market.kernels.volumes import Fills, Meeting, cut, meet, pair_fills

_NONE = -1


@inner
def truthful(
    terms: RuleTerms, bids: Line, asks: Line, front: Column, contracts: Contracts, count: int
) -> int:
    """Pair by McAfee's rule or by trade reduction, whichever the terms say.

    Args:
        terms: the rule.
        bids: a line.
        asks: a line.
        front: room for a number of each participant.
        contracts: written from `count` on.
        count: how many there are.

    Returns:
        how many contracts there are now.
    """
    bring_all(bids, asks)
    _set_off(bids.numbers, asks.numbers, front)
    end_line(bids.numbers, bids.sign, _close_up(bids.numbers))
    end_line(asks.numbers, asks.sign, _close_up(asks.numbers))
    if not bids.numbers[STATE, KNOWN] or not asks.numbers[STATE, KNOWN]:
        return count
    meeting = meet(bids, asks)
    if not meeting.volume:
        return count
    volume, price_sell, price_buy = _agreed(terms, bids.numbers, asks.numbers, meeting)
    last_bid, last_ask = cut(bids.numbers, volume), cut(asks.numbers, volume)
    demand = Fills(bids.numbers[WHO], bids.numbers[LEFT], last_bid)
    supply = Fills(asks.numbers[WHO], asks.numbers[LEFT], last_ask)
    return pair_fills(demand, supply, price_sell, price_buy, contracts, count)


@inner
def _agreed(terms: RuleTerms, bids: Numbers, asks: Numbers, meeting: Meeting) -> tuple[int, int, int]:
    """Return the volume that trades, and what its sellers get and its buyers pay."""
    price_sell, price_buy = asks[PRICE, meeting.ask], bids[PRICE, meeting.bid]
    if terms.code == MCAFEE:
        bid, ask = meeting.bid + 1, meeting.ask + 1
        low = bids[PRICE, bid] if bid < bids[STATE, KNOWN] else terms.price_floor
        high = asks[PRICE, ask] if ask < asks[STATE, KNOWN] else terms.price_cap
        if high != NO_CAP:
            middle = between(low, high, MICRO // 2)
            if price_sell <= middle <= price_buy:
                return meeting.volume, middle, middle
    reduced = min(bids[LEFT, : meeting.bid].sum(), asks[LEFT, : meeting.ask].sum())
    return reduced, price_sell, price_buy


@inner
def _set_off(bids: Numbers, asks: Numbers, front: Column) -> None:
    """Set each participant's own crossing bids and asks off against each other.

    Args:
        bids: of a line.
        asks: of a line.
        front: by participant, room for its first ask that has something left.
    """
    behind = asks[FILL_WHO]  # by ask, its owner's next one
    buyer, buy, bid_left = bids[WHO], bids[PRICE], bids[LEFT]
    seller, sell, ask_left = asks[WHO], asks[PRICE], asks[LEFT]
    for bid in range(bids[STATE, KNOWN]):
        front[owner_of(buyer[bid])] = _NONE
    for ask in range(asks[STATE, KNOWN]):
        front[owner_of(seller[ask])] = _NONE
    for ask in range(asks[STATE, KNOWN] - 1, -1, -1):
        owner = owner_of(seller[ask])
        behind[ask] = front[owner]
        front[owner] = ask
    for bid in range(bids[STATE, KNOWN]):
        owner = owner_of(buyer[bid])
        ask = front[owner]
        while bid_left[bid] and ask != _NONE and sell[ask] <= buy[bid]:
            quantity = min(bid_left[bid], ask_left[ask])
            bid_left[bid] -= quantity
            ask_left[ask] -= quantity
            if not ask_left[ask]:
                ask = front[owner] = behind[ask]


@inner
def _close_up(line: Numbers) -> int:
    """Let only those stand in line who have something left; return how many there are."""
    who, price, left = line[WHO], line[PRICE], line[LEFT]
    end = whole(0)
    for at in range(line[STATE, KNOWN]):
        if left[at]:
            who[end], price[end], left[end] = who[at], price[at], left[at]
            end += 1
    return end
