"""For rules with one price for many: the volume at which two lines meet, and pairing fills side by side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trex_market.kernels.columns import Column, Contracts
from trex_market.kernels.compiled import inner, whole
from trex_market.kernels.lines import (
    KNOWN,
    LEFT,
    PRICE,
    STATE,
    Line,
    Numbers,
    bring_rest,
    place_of,
)

_ONE = np.uint64(1)


class Meeting(NamedTuple):
    """Where two lines meet, whoever owns what.

    Args:
        volume: the most that can trade, in Wh.
        bid: the last bid that trades, wholly or in part.
        ask: the last ask that trades, wholly or in part.
        next_bid: the first bid that does not trade wholly; how many are known if all do.
        next_ask: the first ask that does not trade wholly; how many are known if all do.
    """

    volume: int
    bid: int
    ask: int
    next_bid: int
    next_ask: int


class Fills(NamedTuple):
    """What trades of one side.

    Args:
        who: of the orders; see `Line`.
        quantity: Wh, above 0. One further can be read.
        length: how many there are.
    """

    who: Column
    quantity: Column
    length: int


@inner
def meet(bids: Line, asks: Line) -> Meeting:
    """Go along both lines, to where the ask is dearer than the bid."""
    bid_left, ask_left = bids.numbers[LEFT], asks.numbers[LEFT]
    bid = ask = whole(0)
    wanted, offered = bid_left[0], ask_left[0]
    while True:
        bid, ask, wanted, offered = _go_along(bids.numbers, asks.numbers, bid, ask, wanted, offered)
        ends = bid == bids.numbers[STATE, KNOWN], ask == asks.numbers[STATE, KNOWN]
        if not bring_rest(bids, asks, bid, ask):
            break
        wanted = bid_left[bid] if ends[0] else wanted
        offered = ask_left[ask] if ends[1] else offered
    volume = bid_left[:bid].sum()
    part_of_bid = bid < bids.numbers[STATE, KNOWN] and wanted < bid_left[bid]
    part_of_ask = ask < asks.numbers[STATE, KNOWN] and offered < ask_left[ask]
    if part_of_bid:
        volume += bid_left[bid] - wanted
    return Meeting(volume, bid - (not part_of_bid), ask - (not part_of_ask), bid, ask)


@inner
def _go_along(
    bids: Numbers, asks: Numbers, first_bid: int, first_ask: int, wanted: int, offered: int
) -> tuple[int, int, int, int]:
    """Take from both fronts as long as they cross; without branches, as `pairwise` explains."""
    bid, ask = np.uint64(first_bid), np.uint64(first_ask)
    buy, bid_left, sell, ask_left = bids[PRICE], bids[LEFT], asks[PRICE], asks[LEFT]
    next_wanted, next_offered = bid_left[bid + _ONE], ask_left[ask + _ONE]
    while sell[ask] <= buy[bid]:
        surplus = wanted - offered
        wanted = next_wanted if surplus <= 0 else surplus
        offered = next_offered if surplus >= 0 else -surplus
        bid += np.uint64(surplus <= 0)
        ask += np.uint64(surplus >= 0)
        next_wanted, next_offered = bid_left[bid + _ONE], ask_left[ask + _ONE]
    return whole(bid), whole(ask), wanted, offered


@inner
def cut(line: Numbers, volume: int) -> int:
    """Leave in the front of a line just so much; return how many orders that takes."""
    left = line[LEFT]
    at = 0
    while volume and at < line[STATE, KNOWN]:
        left[at] = min(left[at], volume)
        volume -= left[at]
        at += 1
    return at


@inner
def pair_fills(
    demand: Fills, supply: Fills, price_sell: int, price_buy: int, contracts: Contracts, count: int
) -> int:
    """Pair two sides of one volume in their order, at given prices.

    Returns:
        how many contracts there are now.
    """
    if not demand.length or not supply.length:
        return count
    first, last_bid, last_ask = count, np.uint64(demand.length), np.uint64(supply.length)
    bid, ask, written = np.uint64(0), np.uint64(0), np.uint64(count)
    wanted, offered = demand.quantity[bid], supply.quantity[ask]
    next_wanted, next_offered = demand.quantity[bid + _ONE], supply.quantity[ask + _ONE]
    while bid < last_bid and ask < last_ask:
        contracts.bid[written] = place_of(demand.who[bid])
        contracts.ask[written] = place_of(supply.who[ask])
        contracts.quantity[written] = min(wanted, offered)
        written += _ONE
        surplus = wanted - offered
        wanted = next_wanted if surplus <= 0 else surplus
        offered = next_offered if surplus >= 0 else -surplus
        bid += np.uint64(surplus <= 0)
        ask += np.uint64(surplus >= 0)
        next_wanted, next_offered = demand.quantity[bid + _ONE], supply.quantity[ask + _ONE]
    contracts.price_sell[first:written] = price_sell
    contracts.price_buy[first:written] = price_buy
    return whole(written)
