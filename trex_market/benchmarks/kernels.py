"""Clearing a slot from columns, beside `np.sort` of the same packed keys: price and rank in one whole number.

NumPy sorts such keys with the widest instructions that the processor has. Clearing sorts them too, by the digits of what
differs in them, and makes the contracts of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from trex_market.benchmarks.figures import Figure
from trex_market.core.units import MAX_PRICE
from trex_market.kernels.clearing import clear_orders
from trex_market.kernels.columns import Orders, make_room, rule_terms

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
LARGE = (10_000, 100_000)
OWNERS = 400
POPULATIONS = 4
"""So many different ones in turn, for a processor learns by heart what it sees again and again."""

SECONDS = 0.5
"""So long is measured, at least; the shortest time counts."""

ROUNDS = 4
"""So often is each measured, at least."""

RULES = ("MicroTE2", "MicroTE3", "uniform", "mcafee", "trade_reduction")

Slot = tuple[Orders, Orders]
Draw = Callable[[np.random.Generator, int], Slot]


def kernels(sizes: tuple[int, ...] = SIZES, seconds: float = SECONDS) -> list[Figure]:
    """Clear slots of several sizes, by all rules, and of the awkward kinds.

    Args:
        sizes: numbers of orders, bids and asks together.
        seconds: for how long each is measured.
    """
    large = [size for size in LARGE if size in sizes]
    figures = [_cleared("MicroTE", "MicroTE", at_random, size, seconds) for size in sizes]
    figures += [_cleared(rule, rule, at_random, size, seconds) for rule in RULES for size in large]
    for what, draw in (("one owner of all front asks", one_owner), ("all prices equal", equal_prices)):
        figures += [_cleared("MicroTE", what, draw, size, seconds) for size in sizes if size >= LARGE[0]]
    return figures


def at_random(chance: np.random.Generator, size: int) -> Slot:
    """Draw orders of 400 participants at 0.05 to 0.3 $/kWh."""
    return _side(chance, size - size // 2), _side(chance, size // 2)


def one_owner(chance: np.random.Generator, size: int) -> Slot:
    """Let one participant own the nine tenths of the asks that come first, and a half of the bids."""
    bids, asks = at_random(chance, size)
    front = np.arange(len(asks.price)) * 10 < 9 * len(asks.price)
    asks.participant[front] = 0
    asks.price[front] = chance.integers(1, 50_000, front.sum())
    bids.participant[::2] = 0
    return bids, asks


def equal_prices(chance: np.random.Generator, size: int) -> Slot:
    """Let all bid and ask the same."""
    bids, asks = at_random(chance, size)
    bids.price[:] = asks.price[:] = 150_000
    return bids, asks


def _side(chance: np.random.Generator, count: int) -> Orders:
    return Orders(
        participant=chance.integers(0, OWNERS, count),
        pool=np.zeros(count, np.int64),
        price=chance.integers(50_000, 300_001, count),
        quantity=chance.integers(1, 2_001, count),
        rank=chance.permutation(count),
    )


def _packed(orders: Orders, sign: int) -> NDArray[np.int64]:
    """Return price and rank in one whole number, who comes first in front."""
    bits = max(len(orders.rank) - 1, 1).bit_length()
    return (MAX_PRICE + sign * orders.price) << bits | orders.rank


def _cleared(rule: str, what: str, draw: Draw, size: int, seconds: float) -> Figure:
    chance = np.random.default_rng(size)
    drawn = [draw(chance, size) for _ in range(POPULATIONS)]
    keys = [(_packed(bids, -1), _packed(asks, 1)) for bids, asks in drawn]
    slot, packed = draw(chance, size), (keys[0][0].copy(), keys[0][1].copy())
    terms, room = rule_terms(rule), make_room(size - size // 2, OWNERS, 1)
    least = np.full((2, POPULATIONS), np.inf)
    contracts = [0] * POPULATIONS
    until, rounds = perf_counter() + seconds, 0
    while perf_counter() < until or rounds < ROUNDS:
        rounds += 1
        for number in range(POPULATIONS):
            _write_over(packed, keys[number])
            began = perf_counter()
            packed[0].sort()
            packed[1].sort()
            least[0, number] = min(least[0, number], perf_counter() - began)
            for side, source in zip(slot, drawn[number], strict=True):
                _write_over(side, source)
            began = perf_counter()
            contracts[number] = clear_orders(terms, *slot, *room)
            least[1, number] = min(least[1, number], perf_counter() - began)
    bare, taken = least.mean(axis=1).tolist()
    note = f"{sum(contracts) / POPULATIONS:,.0f} contracts"
    beside = "np.sort of the same packed keys"
    return Figure("kernels", what, size, size / taken, "orders/s", size / bare, beside, note, taken)


def _write_over(columns: Sequence[NDArray[np.int64]], source: Sequence[NDArray[np.int64]]) -> None:
    """Let columns be those of another population, written just before they are used, as a driver does."""
    for column, other in zip(columns, source, strict=True):
        column[:] = other
