"""A series of grid prices from a file: a row per period.

    time        end of the period: UNIX seconds, or ISO 8601 with an offset
    price       what the grid pays, $/kWh; it charges ``price * (1 + fee_ratio)``
    sell_price  instead of `price`: what the grid pays, $/kWh
    buy_price   and what it charges, $/kWh

Periods are equally long; prices are rounded to 4 decimals of $/kWh.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import msgspec

from trex_market.core.errors import ProfileError
from trex_market.core.units import exact, grid_price
from trex_market.profiles.cells import moment
from trex_market.profiles.files import table_rows

Cells = Sequence[object]


class PriceSeries(msgspec.Struct, frozen=True):
    """Grid prices over time.

    Args:
        place: the file, for messages.
        periods: start (UNIX seconds), what the grid pays and charges (micro-dollars per kWh); by time.
        end: of the last period.
    """

    place: str
    periods: tuple[tuple[int, int, int], ...]
    end: int

    def check_covers(self, start: int, end: int) -> None:
        """Check that there is a price for each moment of a range.

        Raises:
            ProfileError: if there is not.
        """
        first = self.periods[0][0]
        if start < first or end > self.end:
            raise ProfileError(
                f"{self.place}: prices are needed from {start} to {end} (UNIX seconds), "
                f"there are some from {first} to {self.end}"
            )


def read_price_series(path: Path, fee_ratio: float, scale: float = 1.0) -> PriceSeries:
    """Read a price series.

    Args:
        path: CSV, plain or gzipped, or Parquet.
        fee_ratio: the grid charges ``price * (1 + fee_ratio)`` where only `price` is given.
        scale: what all prices are multiplied by first.

    Raises:
        ProfileError: if it cannot be read, a cell is wrong, or periods are not equally long.
        MissingExtraError: if reading Parquet is not installed.
    """
    place = str(path)
    header, rows = table_rows(path)
    names = [name.strip().lower() for name in header]
    if "time" not in names or not ("price" in names or {"sell_price", "buy_price"} <= set(names)):
        raise ProfileError(
            f"{place}: needs the columns time and price, or time, sell_price and buy_price; "
            f"there are: {', '.join(names)}"
        )
    ends, prices = _read_rows(place, names, rows, 1 + exact(fee_ratio), exact(scale))
    lengths = {later - earlier for earlier, later in pairwise(ends)}
    if len(ends) < 2 or len(lengths) > 1 or min(lengths) <= 0:
        raise ProfileError(
            f"{place}: needs at least two rows of equally long periods in order of time; found {len(ends)} rows "
            f"with steps of {', '.join(str(length) for length in sorted(lengths)[:4]) or 'nothing'} s"
        )
    length = lengths.pop()
    periods = tuple((end - length, *pair) for end, pair in zip(ends, prices, strict=True))
    return PriceSeries(place, periods, ends[-1])


def _read_rows(
    place: str, names: list[str], rows: Iterable[tuple[int, Cells]], mark_up: Fraction, scale: Fraction
) -> tuple[list[int], list[tuple[int, int]]]:
    ends: list[int] = []
    prices: list[tuple[int, int]] = []
    for number, cells in rows:
        if len(cells) != len(names):
            raise ProfileError(f"{place}, row {number}: found {len(cells)} cells under {len(names)} columns")
        row = dict(zip(names, cells, strict=True))
        try:
            ends.append(moment(row["time"]))
            if "sell_price" in row and "buy_price" in row:
                sell, buy = _dollars(row["sell_price"]) * scale, _dollars(row["buy_price"]) * scale
                prices.append((grid_price(sell), grid_price(buy)))
            else:
                price = _dollars(row["price"]) * scale
                prices.append((grid_price(price), grid_price(price * mark_up)))
        except ValueError as error:
            raise ProfileError(f"{place}, row {number}: {error}") from None
    return ends, prices


def _dollars(cell: object) -> Fraction:
    try:
        number = float(str(cell))
    except ValueError:
        raise ValueError(f"{cell!r} is not a price in $/kWh") from None
    if not math.isfinite(number) or abs(number) > 1000:
        raise ValueError(f"{cell!r} is not a price of at most 1,000 $/kWh")
    return exact(number)
