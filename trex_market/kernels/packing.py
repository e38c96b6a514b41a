"""From columns to keys: an order as one whole number, pool by pool; see `lines` for what becomes of them."""

from __future__ import annotations

import numpy as np

from trex_market.kernels.columns import Column, Orders
from trex_market.kernels.compiled import inner
from trex_market.kernels.lines import pack
from trex_market.kernels.sorting import PACKED, PLACE, SPARE, KeyRows, Keys

_BLOCK = 512
_NOBODY = np.uint64((1 << 64) - 1)


@inner
def pack_side(orders: Orders, sign: int, room: KeyRows, starts: Column) -> bool:
    """Make the keys of a side.

    Args:
        orders: in any order.
        sign: of the line; see `Line`.
        room: its row `PACKED` gets the keys, those of a pool one after the other.
        starts: gets where the keys of each pool start, and where the last one's end.

    Returns:
        whether equal prices are still to be brought into the order of ranks; else they are in it.
    """
    keys = room[PACKED, : len(orders.price)]
    ties = False
    if _in_order(orders.rank):
        _pack_in_order(orders.price, sign, keys)
    elif not _pack_by_rank(orders.price, orders.rank, sign, keys):
        ties = True
        _pack_in_order(orders.price, sign, keys)
    starts[0] = 0
    starts[1] = len(keys)
    if len(starts) > 2:
        _split(orders.pool, keys, room[SPARE, : len(keys)], starts)
    return ties


@inner
def _in_order(rank: Column) -> bool:
    """Tell whether ranks nowhere fall from one place to the next."""
    first = 0
    while first < len(rank) and not _falls(rank[first : first + _BLOCK + 1]):
        first += _BLOCK
    return first >= len(rank)


@inner
def _falls(rank: Column) -> bool:
    falls = 0
    for at in range(len(rank) - 1):
        falls += rank[at + 1] < rank[at]
    return falls > 0


@inner
def _pack_in_order(price: Column, sign: int, keys: Keys) -> None:
    for place in range(len(price)):
        keys[place] = pack(price[place], sign, place)


@inner
def _pack_by_rank(price: Column, rank: Column, sign: int, keys: Keys) -> bool:
    """Make the keys in the order of ranks, if these are the numbers from 0 on; tell whether they are."""
    keys[:] = _NOBODY
    count = np.uint64(len(keys))
    for place in range(len(keys)):
        number = np.uint64(rank[place])
        if number >= count:
            return False
        keys[number] = pack(price[place], sign, place)
    missing = 0
    for at in range(len(keys)):
        missing += keys[at] == _NOBODY
    return missing == 0


@inner
def _split(pool: Column, keys: Keys, spare: Keys, starts: Column) -> None:
    """Bring keys into the order of pools, and tell where each starts."""
    starts[:] = 0
    for number in pool:
        starts[number + 1] += 1
    for number in range(1, len(starts)):
        starts[number] += starts[number - 1]
    for key in keys:
        number = pool[key & PLACE]
        spare[starts[number]] = key
        starts[number] += 1
    keys[:] = spare
    for number in range(len(starts) - 1, 0, -1):
        starts[number] = starts[number - 1]
    starts[0] = 0
