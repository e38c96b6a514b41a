"""Load and generation data for the command line: what is in there, and what was imported, in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from trex_market.core.errors import InputError
from trex_market.profiles import DataSource, Fill, open_source
from trex_market.profiles.cells import Number, utc
from trex_market.profiles.importing import Wanted, import_profiles
from trex_market.profiles.overview import months, overview
from trex_market.profiles.storage import RemarkSource, StorageData, StorageSource

GAPS_SHOWN = 20

RANGE = ["from (UTC)", "to (UTC)", "step"]
"""Columns that are shown where participants differ in them."""


class TextTable(NamedTuple):
    """A table, and what is said under it."""

    title: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str]


def source_tables(location: str) -> list[TextTable]:
    """Return the table of all participants of a source.

    Args:
        location: as for `open_source`; relative paths start from the working directory.

    Raises:
        ProfileError: if it cannot be read, or is irregular.
        MissingExtraError: if what reads it is not installed.
    """
    source = open_source(location, base=Path())
    storages = _storages(source)
    found = [overview(name, source.series(name)) for name in source.participants()]
    kinds = sorted({kind for one in found for kind in one.generation})
    ranges = {(one.start, one.end, one.step) for one in found}
    alike = len(ranges) == 1
    header = ["participant", *([] if alike else RANGE), "slots", "missing", "load", *kinds]
    header += ["battery"] if storages else []
    rows = []
    for one in found:
        row = [one.participant_id, *([] if alike else [utc(one.start), utc(one.end), f"{one.step} s"])]
        row += [f"{one.slots:,}", f"{one.missing:,}"]
        row += [_kwh(one.load), *(_kwh(one.generation.get(kind, 0)) for kind in kinds)]
        rows.append(row + ([_battery(storages.get(one.participant_id))] if storages else []))
    notes = (
        [f"{utc(start)} to {utc(end)} in slots of {step} s" for start, end, step in ranges] if alike else []
    )
    notes += source.remarks() if isinstance(source, RemarkSource) else []
    return [TextTable(f"{len(found)} participants, energy in kWh", header, rows, notes)]


def participant_tables(location: str, name: str) -> list[TextTable]:
    """Return the table of one participant, month by month, and its gaps.

    Args:
        location: as for `open_source`; relative paths start from the working directory.
        name: the participant's id in the data.

    Raises:
        ProfileError: if it is not there, cannot be read, or is irregular.
        MissingExtraError: if what reads it is not installed.
    """
    source = open_source(location, base=Path())
    series = source.series(name)
    found = overview(name, series)
    kinds = sorted(found.generation)
    rows = [
        [month.name, f"{month.slots:,}", _kwh(month.load), *(_kwh(month.generation[kind]) for kind in kinds)]
        for month in months(series)
    ]
    rows.append(
        ["all", f"{found.slots:,}", _kwh(found.load), *(_kwh(found.generation[kind]) for kind in kinds)]
    )
    notes = [
        f"{utc(found.start)} to {utc(found.end)} in slots of {found.step} s; {found.missing:,} are missing"
    ]
    notes += [
        f"missing: {gap.slots:,} from {utc(gap.start)} to {utc(gap.end)}" for gap in found.gaps[:GAPS_SHOWN]
    ]
    if len(found.gaps) > GAPS_SHOWN:
        notes.append(f"and {len(found.gaps) - GAPS_SHOWN:,} more gaps")
    storage = _storages(source).get(name)
    if storage is not None:
        notes.append(f"battery: {_battery(storage)}, efficiency {storage.efficiency:g} each way")
    return [
        TextTable(f"{name}: months of UTC, energy in kWh", ["month", "slots", "load", *kinds], rows, notes)
    ]


def import_from(
    location: str, out: Path, participants: Sequence[str], step: int | None, fill: Fill | None
) -> list[str]:
    """Import a source's data, and say what came of it.

    Args:
        location: as for `open_source`; relative paths start from the working directory.
        out: a folder, or a file for the profiles alone.
        participants: whose; none for all.
        step: length of a slot, in seconds; None for the data's.
        fill: what stands in for missing slots; None to refuse them.

    Raises:
        InputError: if the step is not above 0, or the data are wrong or cannot be written.
        MissingExtraError: if what reads or writes them is not installed.
    """
    if step is not None and step <= 0:
        raise InputError(f"--step takes seconds, at least 1, found {step}")
    source = open_source(location, base=Path())
    done = import_profiles(source, out, Wanted(tuple(participants), step, fill))
    energy = f"load {_kwh(done.load)} kWh, generation {_kwh(done.generated)} kWh"
    lines = [f"{done.participants:,} participants, {done.slots:,} slots, {energy}"]
    if done.load_lost or done.generation_lost:
        lines.append(
            f"whole Wh leave out {float(done.load_lost):+.1f} Wh of all load and "
            f"{float(done.generation_lost):+.1f} Wh of all generation"
        )
    lines += done.remarks
    return lines + [f"written   {path}" for path in done.files]


def _storages(source: DataSource) -> dict[str, StorageData]:
    return source.storages() if isinstance(source, StorageSource) else {}


def _battery(storage: StorageData | None) -> str:
    return "" if storage is None else f"{storage.capacity / 1_000:g} kWh, {storage.power / 1_000:g} kW"


def _kwh(energy: Number) -> str:
    return f"{float(energy) / 1_000:,.1f}"
