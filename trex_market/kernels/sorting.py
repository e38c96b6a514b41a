"""Sorting keys: whole numbers that hold a price and, in their low bits, an order's place in its column.

Radix sort, by the digits of the highest bits in which the keys differ. What is still equal then is a run; a short run
is sorted by insertion, a long one by its lower digits. So the work grows with the number of keys alone, whatever they
are. All of it keeps the order of equal prices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trex_market.kernels.columns import DIGIT_BITS, PLACE_BITS, Column
from trex_market.kernels.compiled import compiled, inner, whole

Keys = NDArray[np.uint64]
KeyRows = NDArray[np.uint64]

SHIFT = np.uint64(PLACE_BITS)
"""By how many bits a price stands above the place."""

PLACE = np.uint64((1 << PLACE_BITS) - 1)
"""The bits of the place."""

PACKED, SORTED, SPARE, RUN, LOW, HIGH = range(6)
"""Rows of room for keys: as they come, sorted, two more of that length, and two histograms of a digit."""

_ONE = np.uint64(1)
_DIGIT = np.uint64(DIGIT_BITS)
_SMALL_DIGIT = np.uint64(8)
_SHORT = 24  # insertion is quicker up to about here
_RANK_BITS = np.uint64(63 - PLACE_BITS)


@compiled
def sort_keys(keys: Keys, room: KeyRows) -> None:
    """Sort keys by price, in place; equal prices keep their order.

    Args:
        keys: a stretch of a row of the room.
        room: its rows `SPARE`, `LOW` and `HIGH` are written over.
    """
    if len(keys) <= _SHORT:
        _insert(keys, whole(0), len(keys))
        return
    lowest = highest = keys[0]
    for at in range(len(keys)):  # counted, for the processor does several at once then
        lowest = min(lowest, keys[at])
        highest = max(highest, keys[at])
    base = lowest & ~PLACE
    bits = _bits((highest - base) >> SHIFT)
    if not bits:
        return
    digit = min(_digit(keys), (bits + _ONE) >> _ONE)
    shift = SHIFT + max(bits, digit + digit) - digit - digit
    _sort_two_digits(keys, base, shift, digit, room)
    if shift > SHIFT:
        _sort_runs(keys, base, shift, room)


@inner
def _digit(keys: Keys) -> np.uint64:
    """Return by how many bits so many keys are best sorted at once."""
    return _DIGIT if len(keys) > 1 << DIGIT_BITS else _SMALL_DIGIT


@inner
def _bits(number: np.uint64) -> np.uint64:
    bits = np.uint64(0)
    while number:
        number >>= _ONE
        bits += _ONE
    return bits


@inner
def _sort_two_digits(keys: Keys, base: np.uint64, shift: np.uint64, digit: np.uint64, room: KeyRows) -> None:
    size = _ONE << digit
    mask = size - _ONE
    low, high = room[LOW, :size], room[HIGH, :size]
    low[:] = 0
    high[:] = 0
    for key in keys:
        value = (key - base) >> shift
        low[value & mask] += _ONE
        high[value >> digit] += _ONE
    spare = room[SPARE, : len(keys)]
    _move(keys, spare, base, shift, low)
    _move(spare, keys, base, shift + digit, high)


@inner
def _move(source: Keys, target: Keys, base: np.uint64, shift: np.uint64, histogram: Keys) -> None:
    """Move keys into the order of one digit, given how many there are of each value."""
    mask = np.uint64(len(histogram) - 1)
    place = np.uint64(0)
    for value in range(len(histogram)):
        count = histogram[value]
        histogram[value] = place
        place += count
    for key in source:
        value = ((key - base) >> shift) & mask
        place = histogram[value]
        target[place] = key
        histogram[value] = place + _ONE


@inner
def _insert(keys: Keys, first: int, last: int) -> None:
    for at in range(first + 1, last):
        key = keys[at]
        place = at
        while place > first and keys[place - 1] >> SHIFT > key >> SHIFT:
            keys[place] = keys[place - 1]
            place -= 1
        keys[place] = key


@inner
def _sort_runs(keys: Keys, base: np.uint64, shift: np.uint64, room: KeyRows) -> None:
    """Sort each run of keys that are equal from a bit on by the bits below."""
    first = whole(0)
    top = (keys[0] - base) >> shift
    for at in range(1, len(keys) + 1):
        if at < len(keys):
            previous, top = top, (keys[at] - base) >> shift
            if top == previous:
                continue
        if at - first > _SHORT:
            _sort_low_digits(keys[first:at], base, shift, room)
        elif at - first > 1:
            _insert(keys, first, at)
        first = at


@inner
def _sort_low_digits(keys: Keys, base: np.uint64, until: np.uint64, room: KeyRows) -> None:
    digit = _digit(keys)
    shift = SHIFT
    while shift < until:
        histogram = room[LOW, : _ONE << min(digit, until - shift)]
        mask = np.uint64(len(histogram) - 1)
        histogram[:] = 0
        for key in keys:
            histogram[((key - base) >> shift) & mask] += _ONE
        _move(keys, room[SPARE], base, shift, histogram)
        keys[:] = room[SPARE, : len(keys)]
        shift += digit


# -------------------------------------------------------------------- ties


@compiled
def settle_ties(keys: Keys, rank: Column, room: KeyRows) -> None:
    """Sort each run of equal prices by rank; equal ranks keep their order.

    Args:
        keys: sorted by price; a stretch of a row of the room.
        rank: by place.
        room: its rows `SPARE`, `RUN`, `LOW` and `HIGH` are written over.
    """
    first = whole(0)
    for at in range(1, len(keys) + 1):
        if at < len(keys) and keys[at] >> SHIFT == keys[at - 1] >> SHIFT:
            continue
        if at - first > _SHORT:
            _sort_by_rank(keys[first:at], rank, room)
        elif at - first > 1:
            _insert_by_rank(keys, first, at, rank)
        first = at


@inner
def _insert_by_rank(keys: Keys, first: int, last: int, rank: Column) -> None:
    for at in range(first + 1, last):
        key = keys[at]
        own = rank[key & PLACE]
        place = at
        while place > first and rank[keys[place - 1] & PLACE] > own:
            keys[place] = keys[place - 1]
            place -= 1
        keys[place] = key


@inner
def _sort_by_rank(keys: Keys, rank: Column, room: KeyRows) -> None:
    """Sort keys of one price with the highest bits of the ranks in the price's place, then by the bits below."""
    lowest = highest = rank[keys[0] & PLACE]
    for key in keys:
        lowest = min(lowest, rank[key & PLACE])
        highest = max(highest, rank[key & PLACE])
    bits = _bits(np.uint64(highest) - np.uint64(lowest))
    low_bits = max(bits, _RANK_BITS) - _RANK_BITS
    run = room[RUN, : len(keys)]
    run[:] = keys
    _sort_by_bits(run, rank, lowest, low_bits, _RANK_BITS, room)
    if low_bits:
        _settle_low_bits(run, rank, lowest, low_bits, room)
    price = keys[0] & ~PLACE
    for at in range(len(keys)):
        keys[at] = price | (run[at] & PLACE)


@inner
def _sort_by_bits(
    run: Keys, rank: Column, lowest: int, shift: np.uint64, bits: np.uint64, room: KeyRows
) -> None:
    mask = (_ONE << bits) - _ONE
    for at in range(len(run)):
        place = run[at] & PLACE
        value = (np.uint64(rank[place]) - np.uint64(lowest)) >> shift
        run[at] = (value & mask) << SHIFT | place
    sort_keys(run, room)


@inner
def _settle_low_bits(run: Keys, rank: Column, lowest: int, low_bits: np.uint64, room: KeyRows) -> None:
    """Sort each run of ranks that are equal in their highest bits."""
    first = whole(0)
    top = run[0] >> SHIFT
    for at in range(1, len(run) + 1):
        if at < len(run):
            previous, top = top, run[at] >> SHIFT
            if top == previous:
                continue
        if at - first > _SHORT:
            _sort_by_bits(run[first:at], rank, lowest, np.uint64(0), low_bits, room)
        elif at - first > 1:
            _insert_by_rank(run, first, at, rank)
        first = at
