"""schema.json of a CityLearn data set: which buildings there are, their files, panels and batteries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from trex_market.core.errors import ProfileError
from trex_market.profiles.files import opened
from trex_market.profiles.storage import StorageData

MONTH_LENGTH = 30 * 86_400
"""Of a battery's monthly self-discharge, in seconds."""

MAX_STEP = 86_400


class Building(msgspec.Struct, frozen=True):
    """What the schema says of a building.

    Args:
        file: its data.
        panels: kW of photovoltaics.
        storage: its battery; None for none.
        pricing: the file with what it is charged; empty if there is none.
    """

    file: str
    panels: Decimal
    storage: StorageData | None
    pricing: str


class Schema(msgspec.Struct, frozen=True):
    """What is needed of a schema.

    Args:
        step: length of a slot, in seconds.
        buildings: those that it includes, at least one.
    """

    step: int
    buildings: dict[str, Building]


def read_schema(folder: Path, place: str) -> Schema:
    """Read a data set's schema.

    Args:
        folder: where it is.
        place: how it is called in messages.

    Raises:
        ProfileError: if it cannot be read, or is not one.
    """
    with opened(folder / "schema.json", place) as stream:
        content = stream.read()
    try:
        data = json.loads(content)
    except ValueError as error:
        raise ProfileError(f"{place}: is not JSON: {error}") from None
    sections = data.get("buildings") if isinstance(data, dict) else None
    if not isinstance(sections, dict) or not all(isinstance(one, dict) for one in sections.values()):
        raise ProfileError(f"{place}: names no buildings; it is not the schema of a CityLearn data set")
    step = data.get("seconds_per_time_step", 3600)
    if not isinstance(step, int | float) or step != int(step) or not 0 < step <= MAX_STEP:
        raise ProfileError(
            f"{place}: seconds_per_time_step must be whole seconds, at most a day, found {step!r}"
        )
    buildings = {
        name: _building(f"{place}, building {name!r}", section, int(step))
        for name, section in sections.items()
        if section.get("include", True)
    }
    if not buildings:
        raise ProfileError(f"{place}: includes no building")
    return Schema(int(step), buildings)


def _building(place: str, section: Mapping[str, Any], step: int) -> Building:
    file = section.get("energy_simulation")
    if not isinstance(file, str) or not file:
        raise ProfileError(f"{place}: names no energy_simulation, the file with its data")
    panels = Decimal(0)
    if section.get("pv"):
        panels = _number(place, section["pv"], "pv", "nominal_power")
    pricing = section.get("pricing")
    return Building(file, panels, _storage(place, section, step), pricing if isinstance(pricing, str) else "")


def _storage(place: str, section: Mapping[str, Any], step: int) -> StorageData | None:
    device = section.get("electrical_storage")
    if not device:
        return None
    kilowatthours = _number(place, device, "electrical_storage", "capacity")
    if not kilowatthours:
        return None
    kilowatts = _number(place, device, "electrical_storage", "nominal_power")
    efficiency = _number(place, device, "electrical_storage", "efficiency", default="1")
    loss = _number(place, device, "electrical_storage", "loss_coefficient", default="0")
    if not 0 < efficiency <= 1 or loss > 1 or not kilowatts:
        raise ProfileError(
            f"{place}: electrical_storage needs a nominal_power above 0, an efficiency above 0 to 1 and a "
            f"loss_coefficient of 0 to 1, found {kilowatts}, {efficiency} and {loss}"
        )
    return StorageData(
        round(kilowatthours * 1_000),
        round(kilowatts * 1_000),
        float(efficiency),
        min(1.0, float(loss * MONTH_LENGTH / step)),
    )


def _number(place: str, device: Any, what: str, key: str, default: str | None = None) -> Decimal:
    attributes = device.get("attributes") if isinstance(device, dict) else None
    found = (attributes or {}).get(key, default) if isinstance(attributes, dict | None) else default
    if isinstance(found, int | float | str) and not isinstance(found, bool):
        try:
            number = Decimal(str(found))
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite() and number >= 0:
            return number
    raise ProfileError(
        f"{place}: {what} needs a {key} of at least 0 in its attributes, found {found!r}"
        + ("; sizes that CityLearn chooses itself (autosize) are not known here" if found is None else "")
    )
