from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trex_market.core.errors import InputError
from trex_market.programmes.demand_response.baselines import (
    METHODS,
    DayLoad,
    find_method,
    kept_days,
    make_baseline,
)
from trex_market.programmes.demand_response.records import BaselineTerms

KW = 1000 * 900
"""W*s in a quarter of an hour."""

LEVELS = (10, 11, 12, 9, 13, 8, 14, 10, 12, 11)
DAYS = [DayLoad([level * KW] * 3, [8 * KW] * 4) for level in LEVELS]

loads = st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=2)
some_days = st.lists(st.builds(DayLoad, loads, loads, loads), max_size=15)


@pytest.mark.parametrize(
    ("method", "level"),
    [("10_of_10", "11"), ("high_5_of_10", "12.4"), ("mid_8_of_10", "11"), ("low_5_of_10", "9.6")],
)
def test_worked_levels_to_the_digit(method: str, level: str) -> None:
    baseline = make_baseline(DAYS, None, METHODS[method], BaselineTerms(), 900)
    assert baseline is not None
    assert baseline.window == (Fraction(level) * KW,) * 3
    assert baseline.quality == "full"
    assert not baseline.is_adjusted


def test_worked_ratio_to_the_digit() -> None:
    today = [Fraction("8.8") * KW] * 4
    baseline = make_baseline(
        DAYS, [int(load) for load in today], METHODS["high_5_of_10"], BaselineTerms(), 900
    )
    assert baseline is not None
    assert baseline.factor == Fraction("1.1")
    assert baseline.window == (Fraction("13.64") * KW,) * 3
    assert baseline.is_adjusted


def test_worked_additive_to_the_digit() -> None:
    terms = BaselineTerms(adjustment="additive")
    baseline = make_baseline(DAYS, [8800 * 900] * 4, METHODS["high_5_of_10"], terms, 900)
    assert baseline is not None
    assert baseline.window == (Fraction("13.2") * KW,) * 3
    capped = make_baseline(
        DAYS, [8800 * 900] * 4, METHODS["high_5_of_10"], BaselineTerms(adjustment="additive", cap_w=500), 900
    )
    assert capped is not None
    assert capped.window == (Fraction("12.9") * KW,) * 3


@pytest.mark.parametrize(("actual", "factor"), [(80, "1.2"), (1, "0.8"), (7, "0.875")])
def test_the_ratio_is_capped(actual: int, factor: str) -> None:
    baseline = make_baseline(DAYS, [actual * KW] * 4, METHODS["10_of_10"], BaselineTerms(), 900)
    assert baseline is not None
    assert baseline.factor == Fraction(factor)


def test_who_feeds_in_is_corrected_by_adding() -> None:
    days = [DayLoad([-2 * KW], [-KW]) for _ in range(10)]
    baseline = make_baseline(days, [-3 * KW], METHODS["10_of_10"], BaselineTerms(), 900)
    assert baseline is not None
    assert baseline.factor == 1
    assert baseline.window == (-4 * KW,)


def test_fewer_days_are_flagged_and_no_day_is_none() -> None:
    fewer = make_baseline(DAYS[:3], None, METHODS["high_5_of_10"], BaselineTerms(), 900)
    assert fewer is not None
    assert fewer.quality == "fewer_days"
    assert fewer.window == (11 * KW,) * 3
    assert make_baseline([], None, METHODS["high_5_of_10"], BaselineTerms(), 900) is None


def test_older_days_do_not_count() -> None:
    old = [*DAYS, DayLoad([99 * KW] * 3, [8 * KW] * 4)]
    assert kept_days(old, METHODS["high_5_of_10"]) == kept_days(DAYS, METHODS["high_5_of_10"])


def test_unknown_method_names_those_that_there_are() -> None:
    with pytest.raises(InputError, match="high_5_of_10"):
        find_method("high_5_of_1")


@given(some_days, st.sampled_from(sorted(METHODS)))
def test_a_baseline_lies_among_its_days(days: list[DayLoad], name: str) -> None:
    baseline = make_baseline(days, None, METHODS[name], BaselineTerms(adjustment="none"), 900)
    if not days:
        assert baseline is None
        return
    assert baseline is not None
    for place, load in enumerate(baseline.window):
        column = [day.window[place] for day in days]
        assert min(column) <= load <= max(column)


@given(some_days)
def test_high_is_not_below_mean_nor_low_above_it(days: list[DayLoad]) -> None:
    if len(days) < 10:
        return
    plain = BaselineTerms(adjustment="none")
    low, middle, high = (
        sum(found.window)
        for name in ("low_5_of_10", "10_of_10", "high_5_of_10")
        if (found := make_baseline(days, None, METHODS[name], plain, 900)) is not None
    )
    assert low <= middle <= high


@given(some_days, loads, st.integers(0, 10**6))
def test_the_factor_keeps_to_its_cap(days: list[DayLoad], today: list[int], cap: int) -> None:
    baseline = make_baseline(days, today, METHODS["10_of_10"], BaselineTerms(cap=cap), 900)
    if baseline is not None:
        assert abs(baseline.factor - 1) <= Fraction(cap, 10**6)
