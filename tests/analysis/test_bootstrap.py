"""The block bootstrap: seeded, circular, and as wide as theory says."""

from __future__ import annotations

import random
from math import sqrt
from statistics import pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trex_market.analysis.comparison.bootstrap import block_length, interval, resampled, resampling

numbers = st.lists(st.integers(-50, 50), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("slots", "step", "block"),
    [(7 * 96, 900, 96), (7 * 96 - 1, 900, 9), (24, 3600, 3), (1, 900, 1), (365 * 24, 3600, 24)],
)
def test_blocks_are_days_where_there_are_enough(slots: int, step: int, block: int) -> None:
    assert block_length(slots, step) == block


@given(values=numbers, block=st.integers(1, 12), seed=st.integers(0, 99))
def test_a_resample_is_the_sum_of_its_blocks_around_the_end(values: list[int], block: int, seed: int) -> None:
    block = min(block, len(values))
    drawn = resampling(len(values), block, 5, seed)
    around = values * 2
    expected = [sum(sum(around[first : first + block]) for first in draw) for draw in drawn.draws]
    assert resampled(values, drawn) == expected
    assert all(len(draw) == max(1, round(len(values) / block)) for draw in drawn.draws)


@given(value=st.integers(-9, 9), slots=st.integers(1, 50))
def test_what_never_changes_is_sure(value: int, slots: int) -> None:
    drawn = resampling(slots, block_length(slots, 900), 20, 1)
    sums = [total * drawn.scale for total in resampled([value] * slots, drawn)]
    assert sums == pytest.approx([value * slots] * 20)


def test_one_seed_draws_the_same_and_another_one_does_not() -> None:
    assert resampling(50, 5, 9, 3) == resampling(50, 5, 9, 3)
    assert resampling(50, 5, 9, 3) != resampling(50, 5, 9, 4)


def test_intervals_cut_off_as_much_on_both_sides() -> None:
    assert interval(list(range(1000)), 0.95) == (25, 974)
    assert interval([3.0], 0.95) == (3.0, 3.0)
    assert interval([], 0.95) is None


def test_independent_slots_are_as_sure_as_theory_says() -> None:
    chance = random.Random(5)
    values = [round(1000 * chance.gauss(0, 1)) for _ in range(900)]
    drawn = resampling(len(values), 1, 1500, 1)
    ends = interval(resampled(values, drawn), 0.95)
    assert ends is not None
    width = 2 * 1.96 * pstdev(values) * sqrt(len(values))
    assert ends[1] - ends[0] == pytest.approx(width, rel=0.1)


def test_slots_that_go_together_are_less_sure_and_blocks_see_it() -> None:
    chance = random.Random(5)
    values = [level for _ in range(90) for level in [round(1000 * chance.gauss(0, 1))] * 10]
    single, blocks = (
        interval(
            [total * drawn.scale for total in resampled(values, drawn)],
            0.95,
        )
        for drawn in (resampling(900, 1, 1000, 1), resampling(900, 10, 1000, 1))
    )
    assert single is not None
    assert blocks is not None
    # Ten equal slots are one observation: the truth is sqrt(10) times as wide as single slots say.
    assert (blocks[1] - blocks[0]) / (single[1] - single[0]) == pytest.approx(
        sqrt(10) * sqrt(2 / 3), rel=0.15
    )
