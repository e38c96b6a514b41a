"""Small data sets in CityLearn's form, for tests: two buildings from 31 July 2016 23:00 on, hour by hour."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

FIRST = datetime(2016, 7, 31, 23, tzinfo=UTC)
"""When the first row starts, on the clock of UTC."""

NEW_HEADER = "month,hour,day_type,non_shiftable_load,cooling_demand,solar_generation"
OLD_HEADER = "Month,Hour,Day Type,Equipment Electric Power [kWh],Cooling Load [kWh],Solar Generation [W/kW]"

BATTERY = {"capacity": 6.4, "efficiency": 0.9, "loss_coefficient": 0.0, "nominal_power": 5.0}

Row = tuple[object, object]
"""Load in kWh, solar in W/kW."""


def building_rows(amounts: list[Row], first: datetime = FIRST) -> list[str]:
    """Return the rows of a building's file: hours of 1 to 24, named by the end of the slot."""
    rows = []
    for number, (load, solar) in enumerate(amounts):
        start = first + timedelta(hours=number)
        rows.append(f"{start.month},{start.hour + 1},{start.isoweekday()},{load},0,{solar}")
    return rows


def amounts(count: int) -> list[Row]:
    """Return amounts that differ from hour to hour, by day with sun."""
    return [
        (f"{0.5 + number % 5 / 8}", f"{max(0, 600 - 100 * abs((number + 23) % 24 - 12))}")
        for number in range(count)
    ]


def write_dataset(
    folder: Path,
    files: Mapping[str, list[str]],
    *,
    header: str = NEW_HEADER,
    buildings: Mapping[str, Mapping[str, Any]] | None = None,
    prices: list[object] | None = None,
    **schema: object,
) -> Path:
    """Write a data set.

    Args:
        folder: where; made if it is not there.
        files: building -> rows of its file.
        header: of those files.
        buildings: building -> what its section of the schema has besides its file.
        prices: what all are charged, if there are any.
        schema: further keys of the schema.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sections: dict[str, dict[str, Any]] = {}
    for name, rows in files.items():
        (folder / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        sections[name] = {"include": True, "energy_simulation": f"{name}.csv"} | dict(
            (buildings or {}).get(name, {})
        )
        if prices is not None:
            sections[name]["pricing"] = "pricing.csv"
    if prices is not None:
        lines = ["electricity_pricing,electricity_pricing_predicted_6h", *(f"{price},0" for price in prices)]
        (folder / "pricing.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    content = {"seconds_per_time_step": 3600, "buildings": sections} | schema
    (folder / "schema.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def panels(kilowatts: float) -> dict[str, Any]:
    """Return the part of a schema about photovoltaics."""
    return {"pv": {"type": "citylearn.energy_model.PV", "attributes": {"nominal_power": kilowatts}}}


def battery(**changes: object) -> dict[str, Any]:
    """Return the part of a schema about a battery."""
    return {"electrical_storage": {"type": "citylearn.energy_model.Battery", "attributes": BATTERY | changes}}
