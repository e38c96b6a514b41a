"""Amounts and moments, exactly as written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trex_market.profiles.cells import energy, moment, utc


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("12", 12),
        (" 12 ", 12),
        ("12.0", 12),
        ("1e3", 1_000),
        ("0.1", Decimal("0.1")),
        (0.1, Decimal("0.1")),
        (7, 7),
        (Decimal("7.50"), Decimal("7.5")),
        ("-0.0", 0),
        ("5e-324", Decimal("5e-324")),
    ],
)
def test_energy_is_read_exactly(cell: object, expected: object) -> None:
    assert energy(cell) == expected


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("abc", "'abc' is not a number"),
        ("1_000", "'1_000' is not a number"),
        ("", "it is empty"),
        (None, "it is empty"),
        (True, "'True' is not a number"),
        ("nan", "nan is not a finite number"),
        (float("inf"), "inf is not a finite number"),
        ("-1", "-1 is negative"),
        ("1e999999999", "1e999999999 is more than 1000000000 Wh in one slot"),
        ("1e-999999", "it has more than 400 decimals"),
    ],
)
def test_wrong_energy_is_refused(cell: object, message: str) -> None:
    with pytest.raises(ValueError, match="^" + message + "$"):
        energy(cell)


def test_signed_energy_may_be_negative() -> None:
    assert energy("-2.5", signed=True) == Decimal("-2.5")


@pytest.mark.parametrize(
    "cell",
    [
        1_453_071_600,
        "1453071600",
        1_453_071_600.0,
        "1453071600.0",
        "2016-01-17T23:00:00Z",
        "2016-01-18T00:00:00+01:00",
        "2016-01-18 00:00:00+01:00",
        datetime(2016, 1, 18, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_moments_are_read_in_every_form(cell: object) -> None:
    assert moment(cell) == 1_453_071_600


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("2016-01-18T00:00:00", "'2016-01-18T00:00:00' has no offset from UTC; write it like"),
        ("2016-01-18T00:00:00.5Z", "'2016-01-18T00:00:00.5Z' is not a whole second"),
        ("18.01.2016", "'18.01.2016' is neither UNIX seconds nor ISO 8601 with an offset"),
        ("1453071600000", "1453071600000 is not UNIX time in seconds"),
        (1.5, "1.5 is not UNIX time in whole seconds"),
        ("1e999999999", "'1e999999999' is neither UNIX seconds nor ISO 8601 with an offset"),
        (-1, "-1 is not UNIX time in seconds"),
        (None, "it is empty"),
    ],
)
def test_wrong_moments_are_refused(cell: object, message: str) -> None:
    with pytest.raises(ValueError, match="^" + message.replace("+", r"\+")):
        moment(cell)


@given(st.integers(0, 4_000_000_000))
def test_utc_and_moment_undo_each_other(time: int) -> None:
    assert moment(utc(time)) == time
    assert utc(time) == datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")
