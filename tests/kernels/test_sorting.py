"""Sorting of keys against NumPy's, over prices and ranks of all shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from trex_market.kernels.columns import DIGIT_BITS, PLACE_BITS
from trex_market.kernels.sorting import SORTED, KeyRows, settle_ties, sort_keys

pytestmark = pytest.mark.timeout(900)  # compiling for the first time takes its while

Draw = Callable[[np.random.Generator, int], NDArray[np.int64]]

HIGHEST = 1 << 43
SIZES = [0, 1, 2, 24, 25, 60, 300, 2_048, 2_049, 5_000]

PRICES: dict[str, Draw] = {
    "all bits": lambda chance, count: chance.integers(0, HIGHEST, count),
    "31 bits": lambda chance, count: chance.integers(0, 1 << 31, count),
    "one digit": lambda chance, count: chance.integers(0, 200, count),
    "few": lambda chance, count: chance.integers(5, 9, count),
    "equal": lambda _chance, count: np.full(count, 7),
    "the highest alone": lambda _chance, count: np.full(count, HIGHEST - 1),
    "heaps": lambda chance, count: (
        chance.choice([0, HIGHEST // 2, HIGHEST - 1_000], count) + chance.integers(0, 900, count)
    ),
    "falling": lambda _chance, count: np.arange(count)[::-1] * 1_000,
}

RANKS: dict[str, Draw] = {
    "any": lambda chance, count: chance.integers(-(2**63), 2**63 - 1, count),
    "dense": lambda chance, count: chance.permutation(count),
    "few": lambda chance, count: chance.integers(0, 3, count),
    "equal": lambda _chance, count: np.zeros(count, np.int64),
    "both ends": lambda chance, count: chance.choice([-(2**63), 2**63 - 1, 0], count),
    "heaps": lambda chance, count: chance.choice([-(2**63), 2**62], count) + chance.integers(0, 999, count),
}


def room(count: int) -> KeyRows:
    return np.full((6, max(count, 1 << DIGIT_BITS)), 12_345, np.uint64)


def keys_of(prices: NDArray[np.int64], places: NDArray[np.int64], rows: KeyRows) -> NDArray[np.uint64]:
    keys = rows[SORTED, : len(prices)]
    keys[:] = (prices << PLACE_BITS | places).astype(np.uint64)
    return keys


@pytest.mark.parametrize("kind", PRICES)
@pytest.mark.parametrize("count", SIZES)
def test_keys_are_sorted_by_price_alone(kind: str, count: int) -> None:
    chance = np.random.default_rng(count)
    prices, rows = PRICES[kind](chance, count), room(count)
    keys = keys_of(prices, chance.permutation(count), rows)
    expected = keys[np.argsort(prices, kind="stable")]
    sort_keys(keys, rows)
    assert np.array_equal(keys, expected)


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("kind", ["all bits", "few", "equal"])
@pytest.mark.parametrize("count", SIZES[1:])
def test_ties_are_settled_by_rank_then_place(ranks: str, kind: str, count: int) -> None:
    chance = np.random.default_rng(count)
    prices, rank, rows = PRICES[kind](chance, count), RANKS[ranks](chance, count), room(count)
    keys = keys_of(prices, np.arange(count), rows)
    expected = keys[np.lexsort((np.arange(count), rank, prices))]
    sort_keys(keys, rows)
    settle_ties(keys, rank, rows)
    assert np.array_equal(keys, expected)
