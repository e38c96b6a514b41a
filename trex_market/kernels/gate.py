"""From the orders of a round to the contracts of the slot that they are for.

Orders are admitted as `trex_market.core.market` does it, then cleared. Orders for slots further ahead are
only judged and numbered: a population takes back in each round what it had ordered for them before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trex_market.core.clearing import RuleOptions, make_rule
from trex_market.core.clearing.slot import pools_of
from trex_market.core.messages import OpenMarket
from trex_market.core.units import MAX_PRICE, MAX_QUANTITY, MICRO
from trex_market.kernels import lots
from trex_market.kernels.clearing import clear_orders
from trex_market.kernels.columns import (
    Contracts,
    Orders,
    RuleTerms,
    Scratch,
    make_contracts,
    make_scratch,
    rule_terms,
)
from trex_market.kernels.compiled import compiled, inner
from trex_market.kernels.layout import Numbers
from trex_market.kernels.records import (
    ACCEPTED,
    BAD_PRICE,
    BAD_QUANTITY,
    BEYOND_HORIZON,
    CONTRACT,
    NOBODY,
    TAKEN_BACK,
    UNKNOWN_SOURCE,
    Records,
    records,
)

NO_HORIZON = int(np.iinfo(np.int64).max)


class GateTerms(NamedTuple):
    """What admission depends on besides the orders.

    Args:
        by_source: whether bids name a source.
        default_source: the source of a bid that names none, where pools are by source.
        price_floor: lowest price, micro-dollars per kWh.
        price_cap: highest price.
        max_quantity: Wh.
        horizon: so many slots after the next one to be cleared an order may lie.
    """

    by_source: bool
    default_source: int
    price_floor: int
    price_cap: int
    max_quantity: int
    horizon: int


# Rows of a side of the book, which hold the columns of `columns.Orders`, and two of our own.
_PARTICIPANT, _POOL, _PRICE, _QUANTITY, _RANK, _NUMBER, _SOURCE = range(7)


class Book(NamedTuple):
    """The orders of one slot, and room to clear them; see `make_book`.

    Args:
        bids: a row for each of participant, pool, price, quantity, rank, number and source.
        asks: likewise.
        met: what clearing makes of them.
        scratch: of clearing.
        contracts: what is handed on, of type `CONTRACT`.
    """

    bids: Numbers
    asks: Numbers
    met: Contracts
    scratch: Scratch
    contracts: Records


class Entry(NamedTuple):
    """An order for the book, with the columns of its side."""

    is_bid: bool
    time: int
    participant: int
    pool: int
    price: int
    quantity: int
    rank: int
    number: int
    source: int


def gate_terms(
    terms: OpenMarket, sources: tuple[str, ...], default_source: str
) -> tuple[GateTerms, RuleTerms, Numbers]:
    """Turn a market's terms into numbers.

    Returns:
        what admission and clearing depend on; source -> its pool, -1 if the market does not know it.

    Args:
        terms: the market's.
        sources: names of all sources, by number.
        default_source: the source of a bid that names none, where pools are by source.
    """
    k = MICRO // 2 if terms.k is None else terms.k
    options = RuleOptions(k, terms.price_floor, terms.price_cap)
    rule = make_rule(terms.rule, options, terms.pools)
    by_source = rule.pools == "by_source"
    pools = pools_of(rule, terms.sources)
    pool = [
        -1 if source not in terms.sources else pools.index(source) if by_source else 0 for source in sources
    ]
    horizon = NO_HORIZON if terms.horizon_steps is None else terms.horizon_steps - terms.close_steps
    price_cap = MAX_PRICE if terms.price_cap is None else min(terms.price_cap, MAX_PRICE)
    gate = GateTerms(
        by_source,
        sources.index(default_source),
        terms.price_floor,
        price_cap,
        MAX_QUANTITY,
        horizon,
    )
    return gate, rule_terms(terms.rule, options), np.array(pool, dtype=np.int64)


def make_book(orders: int, participants: int, pools: int) -> Book:
    """Make room for the orders of a slot.

    Args:
        orders: the most that there can be.
        participants: how many there are.
        pools: how many there are.
    """
    return Book(
        np.zeros((7, orders), dtype=np.int64),
        np.zeros((7, orders), dtype=np.int64),
        make_contracts(2 * orders),
        make_scratch(orders, participants, pools),
        records(CONTRACT, 2 * orders),
    )


@inner
def _status(terms: GateTerms, bid: int, quantity: int, price: int, pool: int, ahead: int) -> int:
    """Judge an order, in the order of `trex_market.core.market`; its pool is -1 if there is none of its source."""
    if quantity < 1 or quantity > terms.max_quantity:
        return BAD_QUANTITY
    if price < terms.price_floor or price > terms.price_cap:
        return BAD_PRICE
    if pool < 0 and (terms.by_source or not bid):
        return UNKNOWN_SOURCE
    if ahead > terms.horizon:
        return BEYOND_HORIZON
    return ACCEPTED


@compiled
def admit(
    participants: Records,
    orders: Records,
    pool_of: Numbers,
    terms: GateTerms,
    checksums: NDArray[np.uint64],
    slot_start: int,
    is_last: bool,  # noqa: FBT001 - compiled code takes arguments by place
    bids: Numbers,
    asks: Numbers,
) -> tuple[int, int]:
    """Judge and number the orders of a round, and put those for the next slot into the book.

    Args:
        participants: with their orders; how many they have submitted is counted.
        orders: of the round; numbers, sources and statuses are filled in.
        pool_of: source -> pool.
        terms: of the gate.
        checksums: participant -> checksum, for its lot.
        slot_start: the next slot to be cleared.
        is_last: whether no round follows in which orders could be taken back.
        bids: of the book.
        asks: likewise.

    Returns:
        how many bids and asks the slot has.
    """
    bid_count = ask_count = 0
    for who in range(len(participants)):
        owner = participants[who]
        if not owner.orders:
            continue
        drawn = int(lots.rank(slot_start, checksums[who]))
        for place in range(owner.order, owner.order + owner.orders):
            order = orders[place]
            owner.submitted += 1
            order.number = owner.submitted
            if order.bid and (order.source == NOBODY or not terms.by_source):
                order.source = terms.default_source if terms.by_source else NOBODY
            pool = pool_of[order.source] if order.source >= 0 else NOBODY
            status = _status(terms, order.bid, order.quantity, order.price, pool, order.ahead)
            if order.ahead and status == ACCEPTED and not is_last:
                status = TAKEN_BACK
            order.status = status
            if order.ahead or status != ACCEPTED:
                continue
            if order.bid:
                _enter(bids, bid_count, who, max(0, pool), drawn, order)
                bid_count += 1
            else:
                _enter(asks, ask_count, who, max(0, pool), drawn, order)
                ask_count += 1
    return bid_count, ask_count


def add_entries(book: Book, bids: int, asks: int, now: int, entries: Sequence[Entry]) -> tuple[int, int]:
    """Put further orders into the book, which may have been submitted in earlier rounds.

    Args:
        book: with room for them.
        bids: how many there are.
        asks: how many there are.
        now: when these were submitted.
        entries: the others, each participant's in its own order.

    Returns:
        how many bids and asks there are now.
    """
    counts = []
    for side, count, is_bid in ((book.bids, bids, True), (book.asks, asks, False)):
        times = [now] * count
        for entry in entries:
            if entry.is_bid == is_bid:
                side[:, len(times)] = entry[2:]
                times.append(entry.time)
        places = np.arange(len(times))
        submitted = side[:, : len(times)]
        # Earlier submissions come first, whatever their lot.
        order = np.lexsort((places, submitted[_PARTICIPANT], submitted[_RANK], np.array(times)))
        submitted[_RANK, order] = places
        counts.append(len(times))
    return counts[0], counts[1]


@inner
def _enter(side: Numbers, place: int, who: int, pool: int, rank: int, order: Any) -> None:
    """Put an order into the book."""
    side[_PARTICIPANT, place] = who
    side[_POOL, place] = pool
    side[_PRICE, place] = order.price
    side[_QUANTITY, place] = order.quantity
    side[_RANK, place] = rank
    side[_NUMBER, place] = order.number
    side[_SOURCE, place] = order.source


@compiled
def clear(rule: RuleTerms, book: Book, bids: int, asks: int) -> int:
    """Clear the slot whose orders are in the book, into `book.contracts`.

    Args:
        rule: how.
        book: the orders.
        bids: how many there are.
        asks: how many there are.

    Returns:
        how many contracts there are; below 0 if a limit does not hold, see `columns.LIMITS`.
    """
    if not bids or not asks:
        return 0
    met = book.met
    count = clear_orders(rule, _side(book.bids, bids), _side(book.asks, asks), met, book.scratch)
    _hand_on(
        count,
        book.bids,
        book.asks,
        met.bid,
        met.ask,
        met.quantity,
        met.price_sell,
        met.price_buy,
        book.contracts,
    )
    return count


@inner
def _side(side: Numbers, count: int) -> Orders:
    """Return the columns that clearing takes of so many orders."""
    return Orders(
        side[_PARTICIPANT, :count],
        side[_POOL, :count],
        side[_PRICE, :count],
        side[_QUANTITY, :count],
        side[_RANK, :count],
    )


@inner
def _hand_on(
    count: int,
    bids: Numbers,
    asks: Numbers,
    met_bid: Numbers,
    met_ask: Numbers,
    quantity: Numbers,
    price_sell: Numbers,
    price_buy: Numbers,
    contracts: Records,
) -> None:
    """Write out the contracts that clearing made."""
    for place in range(count):
        bid, ask = met_bid[place], met_ask[place]
        contract = contracts[place]
        contract.seller = asks[_PARTICIPANT, ask]
        contract.buyer = bids[_PARTICIPANT, bid]
        contract.source = asks[_SOURCE, ask]
        contract.quantity = quantity[place]
        contract.price_sell = price_sell[place]
        contract.price_buy = price_buy[place]
        contract.bid = bids[_NUMBER, bid]
        contract.ask = asks[_NUMBER, ask]


@compiled
def begin_round(
    cleared: Records, due: Records, participants: Records, channels: Records, channel_of: Numbers
) -> None:
    """Forget the orders of the last round, and note what each participant bought and sold.

    Args:
        cleared: contracts of the slot that was just cleared.
        due: contracts of the slot that is delivered.
        participants: their `orders` and `bought` are set.
        channels: their `sold` and `due` are set.
        channel_of: participant, source -> channel.
    """
    for who in range(len(participants)):
        participants[who].orders = 0
        participants[who].bought = 0
    for place in range(len(channels)):
        channels[place].sold = 0
        channels[place].due = 0
    for place in range(len(cleared)):
        contract = cleared[place]
        participants[contract.buyer].bought += contract.quantity
        channel = channel_of[contract.seller, contract.source]
        if channel != NOBODY:
            channels[channel].sold += contract.quantity
    for place in range(len(due)):
        contract = due[place]
        channel = channel_of[contract.seller, contract.source]
        if channel != NOBODY:
            channels[channel].due += contract.quantity
