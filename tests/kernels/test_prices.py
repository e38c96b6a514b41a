"""Prices between two others, against the core's, at the limits too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trex_market.core.clearing import between as plain_between
from trex_market.core.units import MAX_PRICE, MICRO
from trex_market.kernels.columns import MAX_BOUND
from trex_market.kernels.prices import between, meet_between

pytestmark = pytest.mark.timeout(900)  # compiling for the first time takes its while

steady = settings(deadline=None, derandomize=True, max_examples=500)
ks = st.one_of(st.sampled_from([0, 1, MICRO // 2, MICRO - 1, MICRO]), st.integers(0, MICRO))
bounds = st.one_of(st.integers(-3, 3), st.integers(-MAX_BOUND, MAX_BOUND))
prices = st.one_of(st.integers(-3, 3), st.integers(-MAX_PRICE, MAX_PRICE))


@steady
@given(low=bounds, high=bounds, k=ks)
def test_a_price_is_that_of_the_core(low: int, high: int, k: int) -> None:
    assert between(low, high, k) == plain_between(low, high, k)


def test_the_furthest_prices() -> None:
    for k in (0, 1, 499_999, 500_000, 999_999, MICRO):
        assert between(-MAX_BOUND, MAX_BOUND, k) == plain_between(-MAX_BOUND, MAX_BOUND, k)


@steady
@given(pairs=st.lists(st.tuples(prices, prices).map(sorted), max_size=40), k=ks)
def test_many_prices_are_those_of_the_core(pairs: list[list[int]], k: int) -> None:
    sell, buy = np.array(pairs, dtype=np.int64).reshape(-1, 2).T.copy()
    meet_between(sell, buy, k)
    assert sell.tolist() == buy.tolist() == [plain_between(low, high, k) for low, high in pairs]


def test_halves_go_to_the_even_price() -> None:
    sell, buy = np.array([0, 1, 2, -1, -2]), np.array([1, 2, 3, 0, -1])
    meet_between(sell, buy, MICRO // 2)
    assert sell.tolist() == [0, 2, 2, 0, -2]
    assert [between(low, low + 1, MICRO // 2) for low in (0, 1, 2, -1, -2)] == [0, 2, 2, 0, -2]


def test_just_beside_whole_prices_floats_are_put_right() -> None:
    """Products next to multiples of a million, where a quotient of floats may be one off."""
    for k in (1, 7, 333_333, 999_999, MICRO):
        for whole in (1, 1_999, 1_000_001, 1_999_999_999):
            span = whole * MICRO // k
            highs = [high for high in range(span - 2, span + 3) if 0 <= high <= 2 * MAX_PRICE]
            sell = np.full(len(highs), -MAX_PRICE)
            buy = np.array(highs, dtype=np.int64) - MAX_PRICE
            meet_between(sell, buy, k)
            assert sell.tolist() == [plain_between(-MAX_PRICE, high - MAX_PRICE, k) for high in highs]
