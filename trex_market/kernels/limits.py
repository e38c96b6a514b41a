"""Whether columns keep their limits; looked at once for each slot, before anything else is."""

from __future__ import annotations

from trex_market.core.units import MAX_PRICE, MAX_QUANTITY
from trex_market.kernels.columns import (
    BAD_CONTRACTS,
    BAD_LENGTHS,
    BAD_ORDERS,
    BAD_PARTICIPANTS,
    BAD_POOLS,
    BAD_PRICES,
    BAD_QUANTITIES,
    Column,
    Contracts,
    Orders,
    Scratch,
)
from trex_market.kernels.compiled import inner


@inner
def broken_limit(bids: Orders, asks: Orders, contracts: Contracts, scratch: Scratch) -> int:
    """Return which of `columns.LIMITS` does not hold, 0 if all do."""
    room = min(len(contracts.bid), len(contracts.ask), len(contracts.quantity))
    room = min(room, len(contracts.price_sell), len(contracts.price_buy))
    if len(bids.price) + len(asks.price) > room:
        return BAD_CONTRACTS
    for orders in (bids, asks):
        broken = _broken_by(orders, scratch)
        if broken:
            return broken
    return 0


@inner
def _broken_by(orders: Orders, scratch: Scratch) -> int:
    count = len(orders.price)
    for column in orders:
        if len(column) != count:
            return BAD_LENGTHS
    if count > scratch.numbers.shape[2] - 2:
        return BAD_ORDERS
    if not _within(orders.price, -MAX_PRICE, MAX_PRICE):
        return BAD_PRICES
    if not _within(orders.quantity, 1, MAX_QUANTITY):
        return BAD_QUANTITIES
    if not _within(orders.participant, 0, len(scratch.owners) // 3 - 1):
        return BAD_PARTICIPANTS
    if not _within(orders.pool, 0, scratch.starts.shape[1] - 2):
        return BAD_POOLS
    return 0


@inner
def _within(column: Column, least: int, most: int) -> bool:
    lowest, highest = least, most
    for at in range(len(column)):  # counted, for the processor does several at once then
        lowest = min(lowest, column[at])
        highest = max(highest, column[at])
    return lowest >= least and highest <= most
