"""Whole numbers inside, and one way to round."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trex_market.core.clearing import between
from trex_market.core.units import (
    MICRO,
    dollars_from_money,
    dollars_from_price,
    exact,
    grid_price,
    price_from_dollars,
    rounded,
    wh_from_kwh,
)

wholes = st.integers(-(10**15), 10**15)
prices = st.integers(0, 1000 * MICRO)


def half_even(value: Fraction, places: int) -> Fraction:
    """Round with `decimal`, on a fraction that ends."""
    exact_value = Decimal(value.numerator) / Decimal(value.denominator)
    return Fraction(exact_value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN))


@given(wholes, st.integers(1, 10**6))
def test_rounding_is_pythons_half_to_even(numerator: int, denominator: int) -> None:
    assert rounded(numerator, denominator) == round(Fraction(numerator, denominator))


@pytest.mark.parametrize(
    ("numerator", "whole"), [(1, 0), (3, 2), (5, 2), (7, 4), (-1, 0), (-3, -2), (-5, -2), (-7, -4)]
)
def test_halves_go_to_the_even_neighbour(numerator: int, whole: int) -> None:
    assert rounded(numerator, 2) == whole


@given(prices)
def test_a_price_survives_the_edge(price: int) -> None:
    assert price_from_dollars(dollars_from_price(price)) == price


@given(st.floats(-1000, 1000))
def test_dollars_are_read_as_the_decimal_that_was_written(dollars: float) -> None:
    expected = Decimal(repr(dollars)).quantize(Decimal("0.000001"), rounding=ROUND_HALF_EVEN)
    assert price_from_dollars(dollars) == int(expected * MICRO)


@pytest.mark.parametrize(
    ("dollars", "price"),
    [
        (0.1234, 123_400),
        (0.0000005, 0),
        (0.0000015, 2),
        (0.0000025, 2),
        (0.1000005, 100_000),
        (0.1000015, 100_002),
        (-0.0000015, -2),
        (7, 7_000_000),
        (0.0, 0),
    ],
)
def test_prices_are_rounded_to_six_decimals_half_even(dollars: float, price: int) -> None:
    assert price_from_dollars(dollars) == price


@pytest.mark.parametrize("dollars", [float("nan"), float("inf"), float("-inf")])
def test_a_price_that_is_not_finite_is_refused(dollars: float) -> None:
    with pytest.raises(ValueError, match="not a finite price"):
        price_from_dollars(dollars)


@pytest.mark.parametrize("dollars", [1e12, 1e25, 1e305, -1e308])
def test_however_large_a_price_is_it_is_converted(dollars: float) -> None:
    assert price_from_dollars(dollars) == int(Decimal(repr(dollars)).scaleb(6))


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        ("0.069", 69_000),
        ("0.14490", 144_900),
        ("0.00005", 0),
        ("0.00015", 200),
        ("-0.00015", -200),
        ("1", MICRO),
    ],
)
def test_grid_prices_are_rounded_to_four_decimals_half_even(price: str, expected: int) -> None:
    assert grid_price(Fraction(price)) == expected


@given(st.integers(-(10**9), 10**9))
def test_grid_prices_agree_with_decimal(millionths: int) -> None:
    assert Fraction(grid_price(Fraction(millionths, MICRO)), MICRO) == half_even(
        Fraction(millionths, MICRO), 4
    )


def test_a_float_is_read_exactly_as_written() -> None:
    assert exact(0.069) == Fraction(69, 1000)
    assert exact(1.1) == Fraction(11, 10)


def test_money_is_energy_times_price() -> None:
    assert dollars_from_money(1_000 * price_from_dollars(0.25)) == 0.25  # 1 kWh at 0.25 $/kWh


@given(prices, prices, st.integers(0, MICRO))
def test_between_lies_between(one: int, other: int, k: int) -> None:
    low, high = sorted((one, other))
    assert low <= between(low, high, k) <= high
    assert between(low, high, 0) == low
    assert between(low, high, MICRO) == high
    assert between(low, high, k) == round(low + Fraction(k, MICRO) * (high - low))


@given(st.integers(0, 10**15), st.integers(0, 10**20 - 1))
def test_kwh_become_whole_wh_and_a_wh_that_has_begun_does_not_count(wh: int, begun: int) -> None:
    kwh = Decimal(f"{wh // 1000}.{wh % 1000:03d}{begun:020d}")
    assert wh_from_kwh(kwh) == wh
    assert wh_from_kwh(Decimal(wh).scaleb(-3)) == wh


@pytest.mark.parametrize(
    ("text", "wh"), [("1e-4", 0), ("-1e-4", -1), ("1E+3", 1_000_000), ("0e5", 0), ("-0", 0)]
)
def test_kwh_in_other_forms(text: str, wh: int) -> None:
    assert wh_from_kwh(Decimal(text)) == wh


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "1e60", "1e999999999", "1e-61", "1e-999999999"])
def test_what_is_no_number_of_kwh_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no number of kWh"):
        wh_from_kwh(Decimal(text))
