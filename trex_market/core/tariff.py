"""The grid's prices at a moment: flat, by time of use, or from a series.

`price` is what the grid pays; it sells at ``price * (1 + fee_ratio)``. Both are
rounded to 4 decimals of $/kWh. Time of use is read in the study's local time;
Saturday and Sunday use `price`. A series replaces all of it.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from trex_market.core.errors import InputError
from trex_market.core.messages import GridTerms
from trex_market.core.units import exact, grid_price

_SATURDAY = 5


class GridPrices(NamedTuple):
    """What the grid pays and charges, micro-dollars per kWh."""

    sell_price: int
    buy_price: int


class Tariff:
    """Answers which grid prices are in force at a moment.

    Args:
        terms: the tariff's terms.
        timezone: IANA name of the study's time zone.

    Raises:
        InputError: if there is no such time zone.
    """

    def __init__(self, terms: GridTerms, timezone: str) -> None:
        self._zone = _zone(timezone)
        self._mark_up = 1 + exact(terms.fee_ratio)
        self._base = self._prices(exact(terms.price))
        self._schedule = self._compiled(terms.tou) if terms.tou else {}
        self._series = terms.series or None
        self._starts = [start for start, _, _ in terms.series] if terms.series else []

    def at(self, time: int) -> GridPrices:
        """Return the prices in force at a moment.

        Args:
            time: UNIX seconds. Before the first period of a series, the first period's prices hold.
        """
        if self._series is not None:
            _, sell_price, buy_price = self._series[max(0, bisect_right(self._starts, time) - 1)]
            return GridPrices(sell_price, buy_price)
        if not self._schedule:
            return self._base
        local = datetime.fromtimestamp(time, self._zone)
        if local.weekday() >= _SATURDAY:
            return self._base
        return self._schedule.get((local.month, local.hour), self._base)

    def _prices(self, price: Fraction) -> GridPrices:
        return GridPrices(grid_price(price), grid_price(price * self._mark_up))

    def _compiled(self, tou: dict[str, dict[str, float]]) -> dict[tuple[int, int], GridPrices]:
        """Turn months -> hours -> price into (month, hour) -> prices; the first match counts."""
        schedule: dict[tuple[int, int], GridPrices] = {}
        for months, prices_by_hours in tou.items():
            for hours, price in prices_by_hours.items():
                prices = self._prices(exact(price))
                for month in _numbers(months):
                    for hour in _numbers(hours):
                        schedule.setdefault((month, hour), prices)
        return schedule


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise InputError(
            f"unknown time zone {name!r}; it must be an IANA name, such as Europe/Berlin"
        ) from error


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]
