"""The homes of a SimBench low-voltage grid (Meinecke et al. 2020, Energies 13(12):3290).

SimBench gives each load and unit a rated power and a profile of what share of
it is used, every quarter of an hour of the year 2016. A home here is a load
with a household profile (H0-...); what else is connected to its bus (heat pump,
charging point, photovoltaics) is the home's, the first home's if the bus has
more than one. Other loads, their units and batteries are left out, and so is reactive
power. A home's battery is of no effect on its profile; `storages` tells of it.

    energy of a quarter of an hour in Wh = rated power in MW * share * 250,000

SimBench writes German local time, with the jumps of summer time (27 March,
30 October); the time of a row is the start of its slot. Only the data set's
CSV files are read: neither pandapower nor pandas is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from trex_market.core.errors import MissingExtraError, ProfileError, unknown_name
from trex_market.profiles.cells import EXACT, Number, energy
from trex_market.profiles.files import csv_rows, opened
from trex_market.profiles.profile import Fill, Profile
from trex_market.profiles.series import Series, check_request, profile_from
from trex_market.profiles.storage import StorageData

GRIDS = {
    "rural1": "LV1.101",
    "rural2": "LV2.101",
    "rural3": "LV3.101",
    "semiurb4": "LV4.101",
    "semiurb5": "LV5.201",
    "urban6": "LV6.201",
}
"""Name of a grid in a SimBench code -> its name in the tables."""

SCENARIOS = ("0", "1", "2")
"""Today, future, far future."""

STEP = 900
"""Length of a slot of the data, in seconds."""

WH_PER_MEGAWATT = 250_000
"""Energy of a quarter of an hour at 1 MW, in Wh."""

FIRST = datetime(2015, 12, 31, 23, tzinfo=UTC)
"""The start of the first slot: midnight in Germany."""

DAYS_A_MONTH = 30
"""Of a battery's monthly self-discharge."""

GERMANY = ZoneInfo("Europe/Berlin")

Record = dict[str, str]


class Element(msgspec.Struct, frozen=True):
    """A load or a unit.

    Args:
        id: its name in SimBench.
        profile: the column with its share of the rated power.
        megawatts: rated power.
        source: what it generates from; empty for a load.
    """

    id: str
    profile: str
    megawatts: Decimal
    source: str = ""


class Home(msgspec.Struct, frozen=True):
    """A home and what is connected at it, the household's own load first."""

    participant_id: str
    bus: str
    elements: list[Element]
    has_battery: bool = False


class SimbenchSource:
    """The homes of a SimBench grid.

    Args:
        code: the grid's SimBench code, e.g. "1-LV-semiurb5--2-sw".
        networks: the folder `networks` of the package simbench.

    Raises:
        ProfileError: if it is not the code of a low-voltage grid.
    """

    def __init__(self, code: str, networks: Path | Traversable) -> None:
        match = re.fullmatch(r"1-LV-(\w+?)--(\d)-(?:sw|no_sw)", code)
        known = [f"1-LV-{grid}--{scenario}-sw" for grid in GRIDS for scenario in SCENARIOS]
        if match is None or match[1] not in GRIDS or match[2] not in SCENARIOS:
            raise ProfileError(unknown_name("SimBench grid", code, known))
        self.place = f"simbench:{code}"
        self._subnet = GRIDS[match[1]]
        self._folder = networks / f"1-complete_data-mixed-all-{match[2]}-sw"
        self._homes: dict[str, Home] = {}
        self._shares: dict[str, list[Decimal]] = {}
        self._series: dict[str, Series] = {}

    def homes(self) -> list[Home]:
        """List the homes, in the order of their load's number.

        Raises:
            ProfileError: if the tables cannot be read.
        """
        if not self._homes:
            self._homes = {home.participant_id: home for home in self._find_homes()}
        return list(self._homes.values())

    def participants(self) -> list[str]:
        """List the homes' ids, sorted."""
        return sorted(home.participant_id for home in self.homes())

    def read(self, name: str, *, start: int, end: int, step: int, fill: Fill | None = None) -> Profile:
        """Read one home's profile, see `ProfileSource.read`."""
        check_request(self.place, start, end, step)
        return profile_from(self.series(name), name, start=start, end=end, step=step, fill=fill)

    def series(self, name: str) -> Series:
        """Read all data of one home, see `DataSource.series`."""
        self.homes()
        if name not in self._homes:
            raise ProfileError(f"{self.place}: {unknown_name('participant', name, self._homes)}")
        if name not in self._series:
            self._series[name] = self._series_of(self._homes[name])
        return self._series[name]

    def storages(self) -> dict[str, StorageData]:
        """Return home -> battery: all that is stored at its bus, the first home's if the bus has more than one.

        Raises:
            ProfileError: if the tables cannot be read, or a battery is impossible.
        """
        at_bus: dict[str, list[Record]] = {}
        for record in self._records("Storage") if self._has("Storage") else ():
            at_bus.setdefault(record["node"], []).append(record)
        found: dict[str, StorageData] = {}
        for home in self.homes():
            records = at_bus.pop(home.bus, [])
            if records:
                found[home.participant_id] = _battery(self.place, records)
        return found

    def _rows(self, table: str) -> Iterator[list[str]]:
        file = self._folder / f"{table}.csv"
        with opened(file, f"{self.place}, {table}.csv") as stream:
            for _, cells in csv_rows(stream, f"{self.place}, {table}.csv", delimiter=";"):
                yield cells

    def _records(self, table: str) -> Iterator[Record]:
        """Go through the rows of the grid's elements, in the order of their numbers."""
        rows = self._rows(table)
        header = next(rows)
        records = (dict(zip(header, cells, strict=True)) for cells in rows)
        own = [record for record in records if record["subnet"].split("_")[0] == self._subnet]
        yield from sorted(own, key=lambda record: int(record["id"].rsplit(" ", 1)[1]))

    def _find_homes(self) -> Iterator[Home]:
        loads = list(self._records("Load"))
        households = [record for record in loads if record["profile"].startswith("H0-")]
        at_bus: dict[str, list[Element]] = {}
        for record in loads:
            if record not in households:
                at_bus.setdefault(record["node"], []).append(_load(record))
        for record in self._records("RES"):
            at_bus.setdefault(record["node"], []).append(_unit(record))
        stored = {record["node"] for record in self._records("Storage")} if self._has("Storage") else set()
        digits = len(str(len(households)))
        for number, record in enumerate(households, 1):
            bus = record["node"]
            elements = [_load(record), *at_bus.pop(bus, [])]
            yield Home(f"home_{number:0{digits}}", bus, elements, bus in stored)

    def _has(self, table: str) -> bool:
        return (self._folder / f"{table}.csv").is_file()

    def _series_of(self, home: Home) -> Series:
        if not self._shares:
            self._read_shares()
        count = len(next(iter(self._shares.values())))
        load: list[Number] = [0] * count
        generation: dict[str, list[Number]] = {}
        for element in home.elements:
            total = generation.setdefault(element.source, [0] * count) if element.source else load
            factor = element.megawatts * WH_PER_MEGAWATT
            for index, share in enumerate(self._shares[element.profile]):
                total[index] = EXACT.add(total[index], energy(EXACT.multiply(share, factor)))
        first = int(FIRST.timestamp()) + STEP
        ends = list(range(first, first + STEP * count, STEP))
        return Series(f"{self.place}, participant {home.participant_id!r}", ends, load, generation)

    def _read_shares(self) -> None:
        elements = [element for home in self.homes() for element in home.elements]
        shares = self._columns("LoadProfile", {item.profile for item in elements if not item.source})
        shares |= self._columns("RESProfile", {item.profile for item in elements if item.source})
        self._shares = shares

    def _columns(self, table: str, profiles: set[str]) -> dict[str, list[Decimal]]:
        rows = self._rows(table)
        header = next(rows)
        for profile in sorted(profiles):
            if profile not in header:
                raise ProfileError(f"{self.place}, {table}.csv: no column {profile!r}")
        columns: dict[str, list[Decimal]] = {profile: [] for profile in sorted(profiles)}
        places = [(values, header.index(profile)) for profile, values in columns.items()]
        for number, cells in enumerate(rows):
            self._check_clock(table, number, cells[0])
            for values, at in places:
                values.append(Decimal(cells[at]))
        return columns

    def _check_clock(self, table: str, number: int, found: str) -> None:
        expected = (FIRST + timedelta(seconds=STEP * number)).astimezone(GERMANY).strftime("%d.%m.%Y %H:%M")
        if found != expected:
            raise ProfileError(f"{self.place}, {table}.csv: found the time {found!r} instead of {expected!r}")


def _load(record: Record) -> Element:
    return Element(record["id"], f"{record['profile']}_pload", Decimal(record["pLoad"]))


def _unit(record: Record) -> Element:
    kind = record["type"].lower()
    source = "solar" if kind.startswith("pv") else "wind" if kind.startswith("wind") else kind
    return Element(record["id"], record["profile"], Decimal(record["pRES"]), source)


def _battery(place: str, records: list[Record]) -> StorageData:
    """Add up a home's batteries; the losses are those of the first."""
    try:
        megawatthours = sum(Decimal(record["eStore"]) for record in records)
        megawatts = sum(Decimal(record["sR"]) for record in records)
        efficiency = float(records[0]["etaStore"])
        percent_a_day = float(records[0]["sdStore"])
    except (KeyError, ValueError, InvalidOperation) as error:
        raise ProfileError(f"{place}, Storage.csv, {records[0]['id']}: is not a battery: {error}") from None
    if not (megawatthours > 0 and megawatts > 0 and 0 < efficiency <= 1 and percent_a_day >= 0):
        raise ProfileError(
            f"{place}, Storage.csv, {records[0]['id']}: needs eStore and sR above 0, etaStore above 0 to 1 and sdStore "
            f"of at least 0, found {megawatthours}, {megawatts}, {efficiency} and {percent_a_day}"
        )
    return StorageData(
        round(megawatthours * 1_000_000),
        round(megawatts * 1_000_000),
        efficiency,
        min(1.0, round(percent_a_day / 100 * DAYS_A_MONTH, 6)),
    )


def installed(code: str) -> SimbenchSource:
    """Open a grid of the installed package simbench.

    Args:
        code: the grid's SimBench code.

    Raises:
        MissingExtraError: if simbench is not installed.
        ProfileError: if it is not the code of a low-voltage grid.
    """
    spec = find_spec("simbench")  # finds the package without loading it
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("reading SimBench", "simbench")
    return SimbenchSource(code, Path(spec.submodule_search_locations[0]) / "networks")
