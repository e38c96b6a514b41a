"""Settlement, money and ISPs: properties."""

from __future__ import annotations

import itertools
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trex_market.core.errors import InputError
from trex_market.programmes.flexibility.checks import isp_rejections
from trex_market.programmes.flexibility.isps import Calendar, powers_by_isp, runs_of
from trex_market.programmes.flexibility.messages import IspPower, MeterProfile
from trex_market.programmes.flexibility.metering import power_by_isp
from trex_market.programmes.flexibility.money import QUANTUM, decimal_from_nano, nano_from_decimal, split
from trex_market.programmes.flexibility.settlement import (
    Ordered,
    PenaltyTerms,
    isp_outcomes,
    net_of,
)

watts = st.integers(-50_000, 50_000)
prices = st.integers(0, 100_000).map(lambda part: part * QUANTUM)


@given(prices, watts.filter(bool), watts, st.none() | watts, st.integers(0, 300))
def test_net_is_price_less_penalty_and_never_above_the_price(
    price: int, ordered: int, baseline: int, actual: int | None, factor: int
) -> None:
    order = Ordered(price, {1: ordered}, frozenset({1}))
    (outcome,) = isp_outcomes([order], 1, baseline, actual, overloaded=False)
    net = net_of(order, {1: outcome}, PenaltyTerms(factor), 900)
    assert net.net == net.price - net.penalty
    assert net.net % QUANTUM == 0
    assert net.net <= price
    assert 0 <= outcome.delivered <= abs(ordered)
    if actual is not None and actual - baseline == ordered:
        assert (outcome.delivered, outcome.deficiency, net.net) == (abs(ordered), 0, price)
    if actual is None:
        assert (outcome.delivered, outcome.deficiency) == (0, abs(ordered))


@given(st.lists(st.tuples(st.integers(1, 5_000), prices), min_size=1, max_size=4), watts, watts)
def test_several_orders_of_one_direction_share_what_their_sum_came_to(
    orders: list[tuple[int, int]], baseline: int, actual: int
) -> None:
    several = [Ordered(price, {1: -size}, frozenset({1})) for size, price in orders]
    total = sum(size for size, _ in orders)
    (whole,) = isp_outcomes([Ordered(0, {1: -total}, frozenset({1}))], 1, baseline, actual, overloaded=False)
    parts = isp_outcomes(several, 1, baseline, actual, overloaded=False)
    assert sum(part.delivered for part in parts) == whole.delivered
    assert sum(part.deficiency for part in parts) == whole.deficiency
    for (size, _), part in zip(orders, parts, strict=True):
        assert 0 <= part.delivered <= size
        assert abs(Fraction(part.delivered) - Fraction(whole.delivered * size, total)) < 1


def test_orders_of_both_directions_are_settled_by_their_sum() -> None:
    less = Ordered(QUANTUM, {1: -1_000}, frozenset({1}))
    rebound = Ordered(QUANTUM, {1: 400}, frozenset())
    done = isp_outcomes([less, rebound], 1, 5_000, 4_400, overloaded=True)
    assert [(one.delivered, one.deficiency) for one in done] == [(1_000, 0), (0, 0)]
    half = isp_outcomes([less, rebound], 1, 5_000, 4_700, overloaded=False)
    assert [(one.delivered, one.deficiency) for one in half] == [(700, 300), (0, 0)]


@given(st.integers(-10_000, 10_000), st.lists(st.integers(0, 1_000), min_size=1, max_size=6))
def test_a_split_adds_up_and_is_in_proportion(total: int, weights: list[int]) -> None:
    shares = split(total, weights)
    assert sum(shares) == total
    whole = sum(weights)
    for share, weight in zip(shares, weights, strict=True):
        if whole:
            assert abs(share - Fraction(total * weight, whole)) < 1


@given(st.integers(-(10**12), 10**12))
def test_money_goes_to_the_wire_and_back(parts: int) -> None:
    money = parts * QUANTUM
    amount = decimal_from_nano(money)
    assert nano_from_decimal(amount) == money
    assert amount == Decimal(parts) / 10_000
    assert -amount.as_tuple().exponent == 4


@pytest.mark.parametrize("amount", ["0.00001", "NaN", "Infinity", "1.23456"])
def test_amounts_that_are_none(amount: str) -> None:
    with pytest.raises(InputError):
        nano_from_decimal(Decimal(amount))


@pytest.mark.parametrize(
    ("period", "isps"), [("2026-01-15", 96), ("2026-03-29", 92), ("2026-10-25", 100), ("2026-10-26", 96)]
)
def test_days_on_which_the_clock_changes(period: str, isps: int) -> None:
    calendar = Calendar("Europe/Amsterdam", 900)
    assert calendar.count(period) == isps
    start, end = calendar.bounds(period)
    assert calendar.start_of(period, isps) == end - 900
    for isp in (1, 9, 13, isps):
        assert calendar.locate(calendar.start_of(period, isp)) == (period, isp)
    assert calendar.locate(end) == (calendar.day_after(period), 1)
    assert calendar.locate(start - 1)[0] < period
    assert list(isp_rejections((IspPower(isps, 1),), isps)) == []
    assert list(isp_rejections((IspPower(isps + 1, 1),), isps))


@pytest.mark.parametrize("seconds", [0, 60 * 7, 90, 7200])
def test_isps_fill_an_hour(seconds: int) -> None:
    with pytest.raises(InputError, match="fill an hour"):
        Calendar("UTC", seconds)


@pytest.mark.parametrize("period", ["2026-1-5", "20260105", "2026-02-30", "tomorrow", ""])
def test_days_that_are_none(period: str) -> None:
    with pytest.raises(InputError, match="yyyy-mm-dd"):
        Calendar("UTC", 900).bounds(period)


def test_zones_that_are_none() -> None:
    with pytest.raises(InputError, match="no time zone"):
        Calendar("Mars/Olympus", 900)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=100))
def test_runs_say_the_same_as_a_day(powers: list[int]) -> None:
    runs = runs_of(powers)
    assert powers_by_isp(runs) == dict(enumerate(powers, 1))
    assert all(one.power != two.power for one, two in itertools.pairwise(runs))


def test_meter_data_of_all_kinds() -> None:
    profiles = [
        MeterProfile("import_energy", (250, 100), 3),
        MeterProfile("export_energy", (0, 350), 3),
        MeterProfile("import_reading", (10**6, 10**6)),
        MeterProfile("power", (7,), 9),
    ]
    assert power_by_isp(profiles, 900) == {3: 1_000, 4: -1_000, 9: 7}
