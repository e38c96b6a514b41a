"""A CityLearn data set: a folder with schema.json and a CSV file for each building (Vázquez-Canteli et al. 2019).

A participant is a building that the schema includes. From its file come

    load    non_shiftable_load, kWh in the step
    solar   solar_generation, W per kW of panels; times pv.nominal_power, kW

under these names or those of CityLearn 1 ("Equipment Electric Power [kWh]",
"Solar Generation [W/kW]"). Heat and cold, which CityLearn makes of electricity
with devices of its own, are left out.

The rows have a month, an hour and a type of day (1 for Monday to 7, 8 for a
holiday) but no date. Unless the location says when the first row starts, as in
``citylearn:FOLDER?start=2016-07-31T23:00-08:00``, it is the first year from
2016 on in which months, hours and the first row's weekday fit, on the clock of UTC.
Hours of 1 to 24 name the end of a slot, hours of 0 to 23 its start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from functools import cached_property
from pathlib import Path

import msgspec

from trex_market.core.errors import ProfileError, unknown_name
from trex_market.profiles.cells import EXACT, Number, energy
from trex_market.profiles.citylearn_schema import Building, Schema, read_schema
from trex_market.profiles.files import csv_rows, opened
from trex_market.profiles.profile import Fill, Profile
from trex_market.profiles.series import Series, check_request, profile_from
from trex_market.profiles.storage import StorageData

FIRST_YEAR = 2016
YEARS = 28
"""After so many years weekdays and leap years repeat."""

HOLIDAY = 8

LOAD = ("non_shiftable_load", "equipment electric power [kwh]")
SOLAR = ("solar_generation", "solar generation [w/kw]")
MONTH = ("month",)
HOUR = ("hour",)
DAY_TYPE = ("day_type", "day type")
PRICE = ("electricity_pricing", "electricity pricing [$]", "electricity pricing [$/kwh]")
LEFT_OUT = {
    "cooling": ("cooling_demand", "cooling load [kwh]"),
    "heating": ("heating_demand", "heating load [kwh]"),
    "hot water": ("dhw_demand", "dhw heating [kwh]"),
}
"""What is left out -> its column's names."""

_WIDE = Context(prec=60)
"""For steps that are no simple part of an hour; what it cuts off is nothing that anybody could measure."""


class Table(msgspec.Struct, frozen=True):
    """A CSV file's columns, by their names in small letters."""

    place: str
    columns: dict[str, list[str]]

    def find(self, names: tuple[str, ...]) -> list[str] | None:
        """Return the first column that there is."""
        return next((self.columns[name] for name in names if name in self.columns), None)

    def need(self, names: tuple[str, ...]) -> list[str]:
        """Return the first column that there is.

        Raises:
            ProfileError: if there is none.
        """
        column = self.find(names)
        if column is None:
            raise ProfileError(
                f"{self.place}: no column {' or '.join(map(repr, names))}; there are: {', '.join(self.columns)}"
            )
        return column


class CityLearnSource:
    """A CityLearn data set.

    Args:
        folder: where schema.json is.
        start: when the first row starts, with its offset from UTC; None to find it.
    """

    def __init__(self, folder: Path, start: datetime | None = None) -> None:
        self.folder = folder
        self.place = f"citylearn:{folder}"
        self._start = start
        self._series: dict[str, Series] = {}
        self._tables: dict[str, Table] = {}

    def participants(self) -> list[str]:
        """List the buildings that the schema includes, sorted."""
        return sorted(self._buildings)

    def read(self, name: str, *, start: int, end: int, step: int, fill: Fill | None = None) -> Profile:
        """Read one building's profile, see `ProfileSource.read`."""
        check_request(self.place, start, end, step)
        return profile_from(self.series(name), name, start=start, end=end, step=step, fill=fill)

    def series(self, name: str) -> Series:
        """Read all data of one building, see `DataSource.series`."""
        if name not in self._buildings:
            raise ProfileError(f"{self.place}: {unknown_name('participant', name, self._buildings)}")
        if name not in self._series:
            self._series[name] = self._read_series(name)
        return self._series[name]

    def storages(self) -> dict[str, StorageData]:
        """Return building -> battery; its `efficiency` is taken for that of each way."""
        found = {name: self._buildings[name].storage for name in self.participants()}
        return {name: storage for name, storage in found.items() if storage is not None}

    def prices(self) -> list[tuple[int, str]]:
        """Return what the first building is charged: the end of each step, and $/kWh as written."""
        file = next((building.pricing for building in self._buildings.values() if building.pricing), "")
        if not file:
            return []
        table = self._table(file)
        cells = table.need(PRICE)
        self._check_length(table, len(cells))
        return list(zip(self._ends, cells, strict=True))

    def remarks(self) -> list[str]:
        """Say when the data are taken to begin, and what of them is left out."""
        said = (
            "as asked for"
            if self._start
            else f"the first year from {FIRST_YEAR} on that fits, on the clock of UTC"
        )
        remarks = [f"the first row starts at {self._first_moment.isoformat()} ({said})"]
        if len({building.pricing for building in self._buildings.values()}) > 1:
            remarks.append("buildings are charged different prices; those of the first one are taken")
        tables = [self._table(building.file) for building in self._buildings.values()]
        for what, names in LEFT_OUT.items():
            count = sum(_has_amounts(table.find(names)) for table in tables)
            if count:
                remarks.append(
                    f"left out: the demand for {what} of {count} building(s), which is heat and not electricity"
                )
        return remarks

    # ------------------------------------------------------------ the files

    def _table(self, file: str) -> Table:
        if file not in self._tables:
            place = f"{self.place}, {file}"
            with opened(self.folder / file, place) as stream:
                self._tables[file] = _read_table(place, csv_rows(stream, place))
        return self._tables[file]

    def _check_length(self, table: Table, length: int) -> None:
        first = next(iter(self._buildings.values())).file
        if length != len(self._ends):
            raise ProfileError(f"{table.place}: found {length} rows, but {first} has {len(self._ends)}")

    def _read_series(self, name: str) -> Series:
        building = self._buildings[name]
        table = self._table(building.file)
        cells = table.need(LOAD)
        self._check_length(table, len(cells))
        load = _amounts(table.place, LOAD[0], cells, lambda kwh: EXACT.multiply(kwh, Decimal(1_000)))
        generation: dict[str, list[Number]] = {}
        if building.panels:
            generation["solar"] = _amounts(
                table.place, SOLAR[0], table.need(SOLAR), self._solar(building.panels)
            )
        return Series(f"{self.place}, participant {name!r}", self._ends, load, generation)

    def _solar(self, panels: Decimal) -> Callable[[Decimal], Decimal]:
        factor = EXACT.multiply(panels, Decimal(self._step))

        def wh(watts_per_kilowatt: Decimal) -> Decimal:
            seconds = EXACT.multiply(watts_per_kilowatt, factor)
            return _WIDE.divide(seconds, Decimal(3_600))

        return wh

    # ------------------------------------------------------------ the clock

    @cached_property
    def _schema(self) -> Schema:
        return read_schema(self.folder, f"{self.place}, schema.json")

    @property
    def _buildings(self) -> dict[str, Building]:
        return self._schema.buildings

    @property
    def _step(self) -> int:
        return self._schema.step

    @cached_property
    def _ends(self) -> list[int]:
        first = int(self._first_moment.timestamp())
        count = len(self._clock)
        return list(range(first + self._step, first + self._step * (count + 1), self._step))

    @cached_property
    def _clock(self) -> list[tuple[int, int]]:
        """Month and hour (0 to 23) in which each row starts, as the first building's file says."""
        table = self._first_table
        hours = _whole(table, HOUR, 0, 24)
        months = _whole(table, MONTH, 1, 12)
        if not hours:
            raise ProfileError(f"{table.place}: found the names of columns but no row under them")
        shift = 0 if 0 in hours else 1
        return [(month, (hour - shift) % 24) for month, hour in zip(months, hours, strict=True)]

    @property
    def _first_table(self) -> Table:
        return self._table(next(iter(self._buildings.values())).file)

    @cached_property
    def _first_moment(self) -> datetime:
        if self._start is not None:
            wrong = self._misfit(self._start)
            if wrong is not None:
                row, found, expected = wrong
                raise ProfileError(
                    f"{self._first_table.place}, row {row + 1}: found month {found[0]} and a slot that starts in hour "
                    f"{found[1]}, expected month {expected[0]} and hour {expected[1]} if the first row starts at "
                    f"{self._start.isoformat()}; the clock must run on without jumps"
                )
            return self._start
        change = next((row for row, (month, _) in enumerate(self._clock) if month != self._clock[0][0]), None)
        weekday = _whole(self._first_table, DAY_TYPE, 1, HOLIDAY)[0]
        for year in range(FIRST_YEAR, FIRST_YEAR + YEARS) if change else ():
            start = datetime(year, self._clock[change or 0][0], 1, tzinfo=UTC) - timedelta(
                seconds=self._step * (change or 0)
            )
            if weekday in (HOLIDAY, start.isoweekday()) and self._misfit(start) is None:
                return start
        raise ProfileError(
            f"{self._first_table.place}: no date fits its months, hours and weekdays; say when its first row starts, as "
            f"in citylearn:{self.folder}?start=2016-08-01T00:00+00:00"
        )

    def _misfit(self, start: datetime) -> tuple[int, tuple[int, int], tuple[int, int]] | None:
        """Return the first row that is not of the month and hour that it would have with such a start."""
        step = timedelta(seconds=self._step)
        moment = start
        for row, found in enumerate(self._clock):
            if found != (moment.month, moment.hour):
                return row, found, (moment.month, moment.hour)
            moment += step
        return None


def _read_table(place: str, rows: Iterator[tuple[int, list[str]]]) -> Table:
    header = next(rows, None)
    if header is None:
        raise ProfileError(f"{place}: it is empty")
    names = [name.strip().lower() for name in header[1]]
    lists: list[list[str]] = [[] for _ in names]
    for line, cells in rows:
        if len(cells) != len(names):
            raise ProfileError(f"{place}, line {line}: found {len(cells)} cells under {len(names)} columns")
        for column, cell in zip(lists, cells, strict=True):
            column.append(cell)
    return Table(place, dict(zip(names, lists, strict=True)))


def _amounts(place: str, name: str, cells: list[str], to_wh: Callable[[Decimal], Decimal]) -> list[Number]:
    amounts: list[Number] = []
    for row, cell in enumerate(cells, 1):
        try:
            amounts.append(energy(to_wh(_exact(cell))))
        except ValueError as error:
            raise ProfileError(f"{place}, row {row}, column {name!r}: {error}") from None
    return amounts


def _exact(cell: str) -> Decimal:
    """Return a cell's number, exactly; `energy` says what is wrong with others."""
    return Decimal(energy(cell))


def _whole(table: Table, names: tuple[str, ...], least: int, most: int) -> list[int]:
    numbers = []
    for row, cell in enumerate(table.need(names), 1):
        try:
            number = float(cell)
        except ValueError:
            number = -1.0
        if not (least <= number <= most and number.is_integer()):
            raise ProfileError(
                f"{table.place}, row {row}, column {names[0]!r}: must be a whole number of {least} to {most}, "
                f"found {cell!r}"
            )
        numbers.append(int(number))
    return numbers


def _has_amounts(cells: list[str] | None) -> bool:
    return any(cell.strip() not in ("", "0", "0.0") for cell in cells or ())


def citylearn_source(location: str, base: Path) -> CityLearnSource:
    """Open a CityLearn data set.

    Args:
        location: its folder, perhaps with ``?start=`` and an ISO 8601 moment with an offset.
        base: the folder that relative paths start from.

    Raises:
        ProfileError: if the start is not such a moment, or there is no such folder.
    """
    path, mark, text = location.partition("?start=")
    start = None
    if mark:
        try:
            start = datetime.fromisoformat(text)
        except ValueError:
            start = None
        if start is None or start.tzinfo is None:
            raise ProfileError(
                f"citylearn:{location}: start must be a date and time with an offset, as in "
                f"2016-07-31T23:00-08:00, found {text!r}"
            )
    folder = base / path
    if not folder.is_dir():
        raise ProfileError(f"citylearn:{path}: there is no such folder")
    return CityLearnSource(folder, start)
