"""The grid's prices: flat, by time of use in local time, from a series."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trex_market.core.errors import InputError
from trex_market.core.messages import GridTerms
from trex_market.core.tariff import GridPrices, Tariff
from trex_market.core.units import MICRO

SUMMER = "5,6,7,8,9,10"
TOU = {SUMMER: {"7,8,9,10": 0.144, "11,12": 0.208}, "1,2,3,4,11,12": {"11,12": 0.144}}
BASE = 69_000


def at(year: int, month: int, day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp())


def sells_at(terms: GridTerms, time: int, timezone: str = "UTC") -> int:
    return Tariff(terms, timezone).at(time).sell_price


def test_a_flat_tariff_never_changes() -> None:
    tariff = Tariff(GridTerms(price=0.069, fee_ratio=1.1), "UTC")
    assert {tariff.at(time) for time in range(0, 10**9, 10**7)} == {GridPrices(69_000, 144_900)}


@pytest.mark.parametrize(
    ("price", "fee_ratio", "prices"),
    [
        (0.0625, 0.0, (62_500, 62_500)),
        (0.06255, 0.0, (62_600, 62_600)),
        (0.06245, 0.0, (62_400, 62_400)),
        (0.06245, 1.0, (62_400, 124_900)),  # the fee is on the price as written, not as rounded
        (0.1, 0.0005, (100_000, 100_000)),
        (0.1, 0.0015, (100_000, 100_200)),
        (-0.05, 1.0, (-50_000, -100_000)),
        (0, 2, (0, 0)),
    ],
)
def test_both_prices_are_rounded_to_four_decimals(
    price: float, fee_ratio: float, prices: tuple[int, int]
) -> None:
    assert Tariff(GridTerms(price=price, fee_ratio=fee_ratio), "UTC").at(0) == prices


@given(st.integers(0, 10**6), st.integers(0, 3 * 10**3))
def test_the_charge_is_price_and_fee_rounded_once(millionths: int, permille: int) -> None:
    terms = GridTerms(price=millionths / MICRO, fee_ratio=permille / 1000)
    charged = Fraction(millionths, MICRO) * (1 + Fraction(permille, 1000))
    assert Tariff(terms, "UTC").at(0) == (
        round(Fraction(millionths, 100)) * 100,
        round(charged * 10_000) * 100,
    )


# ---------------------------------------------------------------- time of use


@pytest.mark.parametrize(
    ("time", "price"),
    [
        (at(2016, 9, 5, 6, 59), BASE),
        (at(2016, 9, 5, 7), 144_000),
        (at(2016, 9, 5, 10, 59), 144_000),
        (at(2016, 9, 5, 11), 208_000),
        (at(2016, 9, 5, 13), BASE),
        (at(2016, 12, 5, 11), 144_000),
        (at(2016, 12, 5, 7), BASE),
        (at(2016, 9, 2, 11), 208_000),  # a Friday
        (at(2016, 9, 3, 11), BASE),  # Saturday
        (at(2016, 9, 4, 11), BASE),  # Sunday
    ],
)
def test_months_and_hours_count_on_weekdays(time: int, price: int) -> None:
    assert sells_at(GridTerms(price=0.069, tou=TOU), time) == price


def test_the_fee_applies_to_time_of_use_too() -> None:
    tariff = Tariff(GridTerms(price=0.069, fee_ratio=1.1, tou=TOU), "UTC")
    assert tariff.at(at(2016, 9, 5, 7)) == (144_000, 302_400)


def test_the_first_match_in_file_order_counts() -> None:
    tou = {"9": {"8": 0.1}, "8,9": {"8,9": 0.2, "9": 0.3}}
    terms = GridTerms(price=0.069, tou=tou)
    assert [sells_at(terms, at(2016, 9, 5, hour)) for hour in (7, 8, 9, 10)] == [
        69_000,
        100_000,
        200_000,
        69_000,
    ]
    backwards = GridTerms(price=0.069, tou=dict(reversed(tou.items())))
    assert sells_at(backwards, at(2016, 9, 5, 8)) == 200_000


def test_hours_are_local_before_and_after_the_clock_change() -> None:
    terms = GridTerms(price=0.069, tou={"10,11": {"8": 0.2}})
    friday, monday = (at(2016, 10, 28, hour) for hour in (6, 7)), (at(2016, 10, 31, hour) for hour in (6, 7))
    assert [sells_at(terms, time, "Europe/Berlin") for time in friday] == [200_000, 69_000]
    assert [sells_at(terms, time, "Europe/Berlin") for time in monday] == [69_000, 200_000]


def test_on_the_day_of_a_clock_change_an_hour_is_missing_or_twice_there() -> None:
    """In Cairo the clock changes on working days: Friday 2023-04-28 at 0:00, Thursday 2023-10-26 at 24:00."""
    terms = GridTerms(price=0.069, tou={"4,10": {"0": 0.1, "1": 0.2, "23": 0.3}})
    spring = [sells_at(terms, at(2023, 4, 27, 20) + n * 3600, "Africa/Cairo") for n in range(4)]
    assert spring == [69_000, 300_000, 200_000, 69_000]
    autumn = [sells_at(terms, at(2023, 10, 26, 19) + n * 3600, "Africa/Cairo") for n in range(5)]
    assert autumn == [69_000, 300_000, 300_000, 100_000, 200_000]


def test_the_weekend_begins_and_ends_at_local_midnight() -> None:
    terms = GridTerms(price=0.069, tou={"9": {"0,23": 0.2}})
    friday, saturday = at(2016, 9, 2, 21, 30), at(2016, 9, 2, 22, 30)
    sunday, monday = at(2016, 9, 4, 21, 30), at(2016, 9, 4, 22, 30)
    found = [sells_at(terms, time, "Europe/Berlin") for time in (friday, saturday, sunday, monday)]
    assert found == [200_000, 69_000, 69_000, 200_000]


months = st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True)
hours = st.lists(st.integers(0, 23), min_size=1, max_size=5, unique=True)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])


def text(numbers: list[int]) -> str:
    return ",".join(map(str, numbers))


@given(
    blocks=st.lists(st.tuples(months, st.lists(hours, min_size=1, max_size=3)), max_size=4),
    time=st.integers(1_400_000_000, 1_800_000_000),
    zone=zones,
)
def test_time_of_use_agrees_with_reading_the_file_from_the_top(
    blocks: list[tuple[list[int], list[list[int]]]], time: int, zone: str
) -> None:
    tou: dict[str, dict[str, float]] = {}
    for months, lines in blocks:
        tou.setdefault(text(months), {}).update({text(hours): 0.1 + 0.01 * len(hours) for hours in lines})
    local = datetime.fromtimestamp(time, ZoneInfo(zone))
    expected = 0.069
    for block, prices in reversed(tou.items()):
        for hours, price in reversed(prices.items()):
            if str(local.month) in block.split(",") and str(local.hour) in hours.split(","):
                expected = price
    if local.strftime("%a") in {"Sat", "Sun"}:
        expected = 0.069
    assert sells_at(GridTerms(price=0.069, tou=tou), time, zone) == round(expected * MICRO)


# ---------------------------------------------------------------- series


def test_a_series_replaces_all_else() -> None:
    series = ((1000, 1, 2), (2000, 3, 4), (4000, -5, 6))
    tariff = Tariff(GridTerms(price=0.069, fee_ratio=1.1, tou=TOU, series=series), "UTC")
    found = [tariff.at(time) for time in (0, 999, 1000, 1999, 2000, 3999, 4000, 10**9)]
    assert found == [(1, 2), (1, 2), (1, 2), (1, 2), (3, 4), (3, 4), (-5, 6), (-5, 6)]


def test_an_empty_series_replaces_nothing() -> None:
    assert Tariff(GridTerms(price=0.069, series=()), "UTC").at(0) == (69_000, 69_000)


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "", "America", "../secrets"])
def test_an_unknown_time_zone_is_an_input_error(timezone: str) -> None:
    with pytest.raises(InputError, match="unknown time zone"):
        Tariff(GridTerms(), timezone)
