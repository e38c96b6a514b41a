"""Any source of profiles into files of the project's own: profiles, prices, and a config's participants.

profiles.parquet    the long table of `trex_market.profiles.table`, in whole Wh
grid_price.parquet  what participants are charged, if the source knows
participants.yaml   the section of a config, with batteries if the source knows them

Without PyArrow the first two are CSV.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from trex_market.core.errors import MissingExtraError, ProfileError, unknown_name
from trex_market.profiles.cells import EXACT, Number
from trex_market.profiles.overview import overview, total
from trex_market.profiles.profile import DataSource, Fill, Profile
from trex_market.profiles.storage import PriceSource, RemarkSource, StorageData, StorageSource

PROFILES = "profiles"
PRICES = "grid_price"
PARTICIPANTS = "participants.yaml"

STRATEGY = "basic"
"""Of the participants that are written; whoever uses them chooses."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

Rows = Iterable[Sequence[object]]


class Imported(msgspec.Struct, frozen=True):
    """What was written.

    Args:
        files: where.
        participants: how many.
        slots: of all participants together.
        load: Wh used in all.
        generated: Wh generated in all.
        load_lost: Wh of load that whole Wh do not hold; below 0 where they hold more.
        generation_lost: likewise of generation.
        remarks: what the source had to say.
    """

    files: tuple[Path, ...]
    participants: int
    slots: int
    load: int
    generated: int
    load_lost: Number
    generation_lost: Number
    remarks: tuple[str, ...]


class Wanted(msgspec.Struct, frozen=True):
    """What is to be imported.

    Args:
        participants: whose; none for all.
        step: length of a slot in seconds; None for that of the data.
        fill: what stands in for missing slots; None to refuse them.
    """

    participants: tuple[str, ...] = ()
    step: int | None = None
    fill: Fill | None = None


def import_profiles(source: DataSource, out: Path, wanted: Wanted | None = None) -> Imported:
    """Write a source's profiles, and what else it knows.

    Args:
        source: of the profiles.
        out: a folder for all; or a file that ends in .csv, .csv.gz or .parquet, for the profiles alone.
        wanted: which participants, and in which form.

    Raises:
        ProfileError: if the data are wrong, a file is there already or cannot be written.
        MissingExtraError: if it is to be Parquet and PyArrow is not installed.
    """
    wanted = wanted or Wanted()
    single = out.name.lower().endswith((".csv", ".csv.gz", ".parquet"))
    ending = ".parquet" if find_spec("pyarrow") else ".csv"
    file = out if single else out / f"{PROFILES}{ending}"
    names = _chosen(source, wanted.participants)
    remarks = tuple(source.remarks()) if isinstance(source, RemarkSource) else ()
    storages = source.storages() if isinstance(source, StorageSource) else {}
    prices = source.prices() if isinstance(source, PriceSource) and not single else []
    taken = [_take(source, name, wanted) for name in names]
    files = [(file, _profile_writer([profile for profile, _, _ in taken]))]
    if prices:
        rows = [(end, float(price)) for end, price in prices]
        files.append((out / f"{PRICES}{ending}", _table_writer(["time", "price"], rows)))
    if not single:
        text = participants_section(names, storages)
        files.append((out / PARTICIPANTS, lambda path: path.write_bytes(text.encode())))
    _write(files)
    return Imported(
        tuple(path for path, _ in files),
        len(names),
        sum(len(profile.load) for profile, _, _ in taken),
        sum(sum(profile.load) for profile, _, _ in taken),
        sum(sum(map(sum, profile.generation.values())) for profile, _, _ in taken),
        total([lost for _, lost, _ in taken]),
        total([lost for _, _, lost in taken]),
        remarks,
    )


def _chosen(source: DataSource, wanted: Sequence[str]) -> list[str]:
    known = source.participants()
    for name in wanted:
        if name not in known:
            raise ProfileError(unknown_name("participant", name, known))
    names = list(wanted) or known
    if not names:
        raise ProfileError("there are no participants to import")
    return names


def _take(source: DataSource, name: str, wanted: Wanted) -> tuple[Profile, Number, Number]:
    """Read a participant's profile; with what whole Wh lose of load and generation."""
    series = source.series(name)
    found = overview(name, series)
    step = wanted.step or found.step
    # Whole slots of the market's, at its multiples of the step; what stands over is left out.
    start, end = -(-found.start // step) * step, found.end // step * step
    if end <= start:
        raise ProfileError(f"{series.place}: its data are shorter than a slot of {step} s")
    profile = source.read(name, start=start, end=end, step=step, fill=wanted.fill)
    if found.gaps or (start, end) != (found.start, found.end):
        return profile, 0, 0  # what was filled in or cut off is no loss of rounding
    generation = total(list(found.generation.values()))
    made = sum(map(sum, profile.generation.values()))
    return profile, _less(found.load, sum(profile.load)), _less(generation, made)


def _less(exact: Number, whole: int) -> Number:
    return exact - whole if isinstance(exact, int) else EXACT.subtract(exact, Decimal(whole))


# ---------------------------------------------------------------- files


def participants_section(names: Sequence[str], storages: dict[str, StorageData]) -> str:
    """Write the participants of a config, to be put in place of its own.

    Args:
        names: their ids.
        storages: id -> battery.
    """
    lines = ["participants:"]
    for name in names:
        key = name if _PLAIN.fullmatch(name) else json.dumps(name)
        storage = storages.get(name)
        lines.append(f"  {key}: {{trader: {{type: {STRATEGY}}}{_storage(storage)}}}")
    return "\n".join(lines) + "\n"


def _storage(storage: StorageData | None) -> str:
    if storage is None:
        return ""
    loss = f", monthly_sdr: {storage.monthly_sdr:g}" if storage.monthly_sdr else ""
    return (
        f", storage: {{capacity: {storage.capacity}, power: {storage.power}, "
        f"efficiency: {storage.efficiency:g}{loss}}}"
    )


Writer = Callable[[Path], object]


def _write(files: Sequence[tuple[Path, Writer]]) -> None:
    for path, _ in files:
        if path.exists():
            raise ProfileError(f"{path}: is there already; name another place with --out, or remove it")
    for path, write in files:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
        except OSError as error:
            raise ProfileError(f"{path}: cannot be written: {error.strerror}") from error


def _profile_writer(profiles: Sequence[Profile]) -> Writer:
    sources = sorted({source for profile in profiles for source in profile.generation})

    def rows() -> Rows:
        for profile in profiles:
            columns = [profile.generation.get(source, [0] * len(profile.load)) for source in sources]
            ends = range(profile.start + profile.step, profile.end + 1, profile.step)
            for cells in zip(ends, profile.load, *columns, strict=True):
                yield (cells[0], profile.participant_id, *cells[1:])

    return _table_writer(["time", "participant_id", "load", *sources], rows())


def _table_writer(header: list[str], rows: Rows) -> Writer:
    def write(path: Path) -> None:
        if path.suffix.lower() == ".parquet":
            _write_parquet(path, header, rows)
        else:
            _write_csv(path, header, rows)

    return write


def _write_csv(path: Path, header: list[str], rows: Rows) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.name.lower().endswith(".gz") else content)


def _write_parquet(path: Path, header: list[str], rows: Rows) -> None:
    try:
        arrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtraError("writing Parquet", "parquet") from None
    columns = list(zip(*rows, strict=True))
    parquet.write_table(
        arrow.table(dict(zip(header, map(list, columns), strict=True))), path, compression="zstd"
    )
