"""Clearing a slot from columns: the same contracts as `trex_market.core.clearing`, bit for bit, in the same order.

`clear_orders` is for compiled code that has its own room; `clear_slot` is for everybody else.
"""

from __future__ import annotations

import numpy as np

from trex_market.core.clearing import RuleOptions
from trex_market.core.errors import InputError
from trex_market.kernels.columns import (
    BAD_CONTRACTS,
    BAD_LENGTHS,
    BAD_ORDERS,
    BAD_PARTICIPANTS,
    BAD_POOLS,
    BAD_PRICES,
    BAD_QUANTITIES,
    EQUAL_PRICE,
    LIMITS,
    MCAFEE,
    OWN_PRICED,
    TRADE_REDUCTION,
    UNIFORM,
    Column,
    Contracts,
    Orders,
    Room,
    RuleTerms,
    Scratch,
    make_room,
    rule_terms,
)
from trex_market.kernels.compiled import compiled, inner, whole
from trex_market.kernels.limits import broken_limit
from trex_market.kernels.lines import Line
from trex_market.kernels.packing import pack_side
from trex_market.kernels.pairwise import crossing, equal_price
from trex_market.kernels.prices import meet_between
from trex_market.kernels.sorting import PACKED
from trex_market.kernels.truthful import truthful
from trex_market.kernels.uniform import uniform


def clear_slot(
    rule: str,
    bids: Orders,
    asks: Orders,
    options: RuleOptions | None = None,
    room: Room | None = None,
) -> Contracts:
    """Clear a slot, pool by pool.

    Args:
        rule: one of `columns.RULE_CODES`.
        bids: in any order.
        asks: in any order.
        options: what the rule depends on besides the orders.
        room: from `columns.make_room`. It saves time to keep it from slot to slot; the contracts are then part of it, and
            the next call writes over them.

    Raises:
        InputError: if there is no such rule, a column does not hold whole numbers, or a limit does not hold.
    """
    terms = rule_terms(rule, options)
    bids, asks = _whole_numbers("bids", bids), _whole_numbers("asks", asks)
    room = room or make_room(
        max(len(bids.price), len(asks.price)),
        max(_most(bids.participant), _most(asks.participant)) + 1,
        max(_most(bids.pool), _most(asks.pool), 0) + 1,
    )
    count = clear_orders(terms, bids, asks, room.contracts, room.scratch)
    if count < 0:
        found = _found(-count, bids, asks)
        raise InputError(f"clearing needs {LIMITS[-count]}; found {found}")
    return Contracts(*(column[:count] for column in room.contracts))


def _whole_numbers(side: str, orders: Orders) -> Orders:
    """Return columns as compiled code takes them."""
    columns = []
    for name, given in zip(Orders._fields, orders, strict=True):
        column = np.asarray(given)
        if column.ndim != 1 or not np.can_cast(column.dtype, np.int64):
            raise InputError(
                f"{name} of {side} must be a column of whole numbers of 64 bits, found {column.dtype} in "
                f"{column.ndim} dimensions"
            )
        columns.append(np.ascontiguousarray(column, np.int64))
    return Orders(*columns)


def _most(column: Column) -> int:
    return int(column.max()) if len(column) else -1


def _found(broken: int, bids: Orders, asks: Orders) -> str:
    """Say what was found where a limit does not hold."""
    if broken in (BAD_LENGTHS, BAD_ORDERS, BAD_CONTRACTS):
        return " and ".join(
            ", ".join(f"{len(column):,}" for column in (side if broken == BAD_LENGTHS else (side.price,)))
            for side in (bids, asks)
        )
    name = {
        BAD_PRICES: "price",
        BAD_QUANTITIES: "quantity",
        BAD_PARTICIPANTS: "participant",
        BAD_POOLS: "pool",
    }[broken]
    both = np.concatenate([getattr(bids, name), getattr(asks, name)])
    return f"{both.min():,} to {both.max():,}"


@compiled
def clear_orders(terms: RuleTerms, bids: Orders, asks: Orders, contracts: Contracts, scratch: Scratch) -> int:
    """Clear a slot, pool by pool, for compiled code.

    Args:
        terms: the rule.
        bids: in any order; not changed.
        asks: in any order; not changed.
        contracts: written from the front on.
        scratch: room to work in.

    Returns:
        how many contracts there are. Below 0, nothing was cleared: ``LIMITS[-answer]`` does not hold.
    """
    broken = broken_limit(bids, asks, contracts, scratch)
    if broken:
        return -broken
    starts, keys, numbers = scratch.starts, scratch.keys, scratch.numbers
    sell, buy = whole(1), whole(-1)
    bid_ties, ask_ties = pack_side(bids, buy, keys[0], starts[0]), pack_side(asks, sell, keys[1], starts[1])
    count = whole(0)
    for pool in range(starts.shape[1] - 1):
        packed_bids = keys[0, PACKED, starts[0, pool] : starts[0, pool + 1]]
        packed_asks = keys[1, PACKED, starts[1, pool] : starts[1, pool + 1]]
        if len(packed_bids) and len(packed_asks):
            bid_line = Line(
                buy, bid_ties, packed_bids, keys[0], numbers[0], bids.participant, bids.quantity, bids.rank
            )
            ask_line = Line(
                sell, ask_ties, packed_asks, keys[1], numbers[1], asks.participant, asks.quantity, asks.rank
            )
            count = _clear_pool(terms, bid_line, ask_line, contracts, count, scratch.owners)
    return count


@inner
def _clear_pool(
    terms: RuleTerms, bids: Line, asks: Line, contracts: Contracts, count: int, owners: Column
) -> int:
    """Clear a pool; return how many contracts there are now."""
    if terms.code == UNIFORM:
        return uniform(terms, bids, asks, owners, contracts, count)
    if terms.code in (MCAFEE, TRADE_REDUCTION):
        return truthful(terms, bids, asks, owners, contracts, count)
    first = count
    if terms.code == EQUAL_PRICE:
        count = equal_price(bids, asks, contracts, count)
    else:
        count = crossing(bids, asks, contracts, count)
    if terms.code != OWN_PRICED:
        meet_between(contracts.price_sell[first:count], contracts.price_buy[first:count], terms.k)
    return count
