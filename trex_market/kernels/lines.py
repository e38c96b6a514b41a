"""A side of a pool standing in line, who comes first in front; it is sorted only as far as is looked at.

Of a large pool mostly a half trades. A sample tells about how far that reaches; the orders behind wait unsorted, until
somebody asks for them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trex_market.core.units import MAX_PRICE
from trex_market.kernels.columns import PLACE_BITS, Column
from trex_market.kernels.compiled import inner, whole
from trex_market.kernels.sorting import PLACE, SHIFT, SORTED, Keys, settle_ties, sort_keys

EVERYTHING = np.uint64((1 << 63) - 1)
"""A limit that all keys are under."""

ALL = np.int64(EVERYTHING)
"""The same, as the state of a line holds it."""

NOBODY_PAYS = 1 << 40
"""More than any price."""

WHO, PRICE, LEFT, STATE, FILL_WHO, FILL_QUANTITY = range(6)
KNOWN, LIMIT = range(2)

Numbers = NDArray[np.int64]

_PLACE = (1 << PLACE_BITS) - 1
_NONE = np.uint64(0)
_ONE = np.uint64(1)
_LARGE = 2_048  # orders on a side; sorting fewer costs less than sampling them
_SAMPLES = 256
_BINS = 256


class Line(NamedTuple):
    """One side of a pool.

    Args:
        sign: 1 for asks, which come from the lowest price, and -1 for bids, which come from the highest.
        ties: whether equal prices are still to be brought into the order of ranks.
        packed: a key of each order of the pool, in the order of ranks unless `ties`.
        keys: rows of room to sort keys in; see `sorting`.
        numbers: a row for each of

            - `WHO`: the participant, and in the low bits the place in the columns; see `owner_of` and `place_of`
            - `PRICE`: micro-dollars per kWh; behind the last one known a price at which nobody trades
            - `LEFT`: what is still on offer, in Wh
            - `STATE`: how many orders stand in line, at `KNOWN`; from which key on the others wait, at `LIMIT`
            - `FILL_WHO` and `FILL_QUANTITY`: room for `volumes.Fills`
        participant: of all orders of the slot, by place.
        quantity: likewise.
        rank: likewise.
    """

    sign: int
    ties: bool
    packed: Keys
    keys: NDArray[np.uint64]
    numbers: Numbers
    participant: Column
    quantity: Column
    rank: Column


@inner
def pack(price: int, sign: int, place: int) -> np.uint64:
    """Return the key of an order: the lowest key comes first."""
    return np.uint64((MAX_PRICE + sign * price) << PLACE_BITS | place)


@inner
def owner_of(who: int) -> int:
    """Return the participant."""
    return who >> PLACE_BITS


@inner
def place_of(who: int) -> int:
    """Return the place in the columns."""
    return who & _PLACE


@inner
def same_owner(who: int, other: int) -> bool:
    """Tell whether two orders are of one participant."""
    return who ^ other <= _PLACE


@inner
def end_line(line: Numbers, sign: int, known: int) -> None:
    """Let a line of a sign end at a place."""
    line[STATE, KNOWN] = known
    line[PRICE, known] = sign * NOBODY_PAYS


@inner
def bring_all(bids: Line, asks: Line) -> None:
    """Let all stand in line."""
    _bring(bids, whole(0), _NONE, EVERYTHING)
    _bring(asks, whole(0), _NONE, EVERYTHING)


@inner
def bring_front(bids: Line, asks: Line) -> None:
    """Let those stand in line that will probably trade, and some more."""
    bid_limit = ask_limit = EVERYTHING
    if max(len(bids.packed), len(asks.packed)) > _LARGE:
        bid_limit, ask_limit = _limits(bids, asks)
    _bring(bids, whole(0), _NONE, bid_limit)
    _bring(asks, whole(0), _NONE, ask_limit)


@inner
def bring_rest(bids: Line, asks: Line, bid: int, ask: int) -> bool:
    """Let all stand in a line of which the end is reached, if some of it wait; tell whether it was so.

    Args:
        bids: a line.
        asks: a line.
        bid: the place that is reached among the bids.
        ask: the place that is reached among the asks.
    """
    of_bids, of_asks = bids.numbers[STATE], asks.numbers[STATE]
    if bid >= of_bids[KNOWN] and of_bids[LIMIT] != ALL:
        _bring(bids, of_bids[KNOWN], np.uint64(of_bids[LIMIT]), EVERYTHING)
        return True
    if ask >= of_asks[KNOWN] and of_asks[LIMIT] != ALL:
        _bring(asks, of_asks[KNOWN], np.uint64(of_asks[LIMIT]), EVERYTHING)
        return True
    return False


@inner
def _bring(line: Line, known: int, lower: np.uint64, upper: np.uint64) -> None:
    """Sort the orders with keys from `lower` to below `upper` and let them stand behind those already known."""
    keys, packed = line.keys[SORTED], line.packed
    end = np.uint64(known)
    for at in range(len(packed)):
        key = packed[at]
        keys[end] = key
        end += np.uint64(key - lower < upper - lower)
    stretch = keys[known : whole(end)]
    if len(stretch):
        sort_keys(stretch, line.keys)
        if line.ties:
            settle_ties(stretch, line.rank, line.keys)
    who, price, left = line.numbers[WHO], line.numbers[PRICE], line.numbers[LEFT]
    at_place = np.uint64(known)
    for key in stretch:
        place = key & PLACE
        who[at_place] = line.participant[place] << PLACE_BITS | whole(place)
        price[at_place] = _price(line.sign, key)
        left[at_place] = line.quantity[place]
        at_place += _ONE
    end_line(line.numbers, line.sign, whole(end))
    line.numbers[STATE, LIMIT] = whole(upper)


@inner
def _price(sign: int, key: np.uint64) -> int:
    return sign * (whole(key >> SHIFT) - MAX_PRICE)


# -------------------------------------------------------------------- who will probably trade


@inner
def _limits(bids: Line, asks: Line) -> tuple[np.uint64, np.uint64]:
    """Estimate which keys are too far behind to trade, from a sample of both sides.

    The sample's quantities are summed by price, those asked for from the top and those offered from the bottom. Where
    they meet is the volume; there is room for an eighth more on each side.
    """
    step = max(len(bids.packed), len(asks.packed)) // _SAMPLES + 1
    lowest = _price(asks.sign, _first_of(asks.packed, step))
    highest = _price(bids.sign, _first_of(bids.packed, step))
    if highest < lowest:
        return EVERYTHING, EVERYTHING  # of the sample nobody trades: it tells nothing
    shift = 0
    while (highest - lowest) >> shift >= _BINS:
        shift += 1
    wanted = _sampled(bids, step, lowest, highest, shift)
    offered = _sampled(asks, step, lowest, highest, shift)
    least_bid, most_ask = _reach(wanted, offered)
    bid_limit = ask_limit = EVERYTHING
    if least_bid >= 0:
        bid_limit = pack(lowest + (least_bid << shift) - 1, bids.sign, 0)
    if most_ask < _BINS:
        ask_limit = pack(lowest + ((most_ask + 1) << shift), asks.sign, 0)
    return bid_limit, ask_limit


@inner
def _first_of(keys: Keys, step: int) -> np.uint64:
    first: np.uint64 = keys[0]
    for at in range(0, len(keys), step):
        first = min(first, keys[at])
    return first


@inner
def _sampled(line: Line, step: int, lowest: int, highest: int, shift: int) -> Column:
    """Sum a sample's quantities by price; who can meet nobody does not count."""
    bins = line.numbers[FILL_WHO, :_BINS]
    bins[:] = 0
    for at in range(0, len(line.packed), step):
        key = line.packed[at]
        price = _price(line.sign, key)
        if lowest <= price <= highest:
            bins[(price - lowest) >> shift] += line.quantity[key & PLACE]
    return bins


@inner
def _reach(wanted: Column, offered: Column) -> tuple[int, int]:
    """Find the lowest bin of bids and the highest bin of asks that might trade."""
    demand, supply = 0, offered.sum()
    meet = _BINS - 1
    while meet > 0 and demand + wanted[meet] < supply:
        demand += wanted[meet]
        supply -= offered[meet]
        meet -= 1
    demand += wanted[meet]
    most = max(demand, supply)
    most += most >> 3
    least_bid = meet
    while least_bid >= 0 and demand < most:
        least_bid -= 1
        if least_bid >= 0:
            demand += wanted[least_bid]
    most_ask = meet
    while most_ask < _BINS and supply < most:
        most_ask += 1
        if most_ask < _BINS:
            supply += offered[most_ask]
    return least_bid, most_ask
