"""The registry of profile sources: a location's ending or prefix chooses who reads it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from trex_market.core.errors import ProfileError, unknown_name
from trex_market.profiles.citylearn import citylearn_source
from trex_market.profiles.database import FolderSource, postgresql_source, sqlite_source
from trex_market.profiles.files import csv_source, parquet_source
from trex_market.profiles.places import expanded
from trex_market.profiles.profile import DataSource
from trex_market.profiles.simbench import installed

Opener = Callable[[str, Path], DataSource]
"""Opens a location, given the folder that relative paths start from."""


def _csv(location: str, base: Path) -> DataSource:
    file = base / location
    return csv_source(file, str(file))


def _parquet(location: str, base: Path) -> DataSource:
    file = base / location
    return parquet_source(file, str(file))


def _sqlite_file(location: str, base: Path) -> DataSource:
    return sqlite_source(base / location)


def _url(location: str) -> sa.URL:
    try:
        return sa.make_url(location)
    except (ArgumentError, ValueError):
        prefix = location.partition(":")[0]
        raise ProfileError(f"profiles: found something that starts with {prefix}: but is not a URL") from None


def _sqlite(location: str, base: Path) -> DataSource:
    database = _url(location).database
    if not database or database == ":memory:":
        raise ProfileError(f"{location}: it names no file; write sqlite:///PATH")
    path = base / database
    return FolderSource(path) if database.endswith("/") or path.is_dir() else sqlite_source(path)


def _postgresql(location: str, _base: Path) -> DataSource:
    return postgresql_source(_url(location))


def _packaged(location: str, _base: Path) -> DataSource:
    name = location.partition(":")[2]
    data = files("trex_market") / "data"
    known = [folder.name for folder in data.iterdir() if (folder / "profiles.csv.gz").is_file()]
    if name not in known:
        raise ProfileError(unknown_name("packaged profiles", name, known))
    return csv_source(data / name / "profiles.csv.gz", location)


def _simbench(location: str, _base: Path) -> DataSource:
    return installed(location.partition(":")[2])


def _citylearn(location: str, base: Path) -> DataSource:
    return citylearn_source(location.partition(":")[2], base)


SOURCES: dict[str, Opener] = {
    ".csv": _csv,
    ".csv.gz": _csv,
    ".parquet": _parquet,
    ".db": _sqlite_file,
    "sqlite:": _sqlite,
    "postgresql:": _postgresql,
    "packaged:": _packaged,
    "simbench:": _simbench,
    "citylearn:": _citylearn,
}
"""Ending (".csv") or prefix ("sqlite:") -> who opens such a location."""


def open_source(location: str, *, base: Path) -> DataSource:
    """Open load and generation data.

    Args:
        location: a path, a database's URL (a driver in it, as in sqlite+aiosqlite, is passed over),
            "packaged:NAME", "simbench:CODE" or "citylearn:FOLDER"; any other folder holds one SQLite file
            per participant. ``${NAME}`` in it is an environment variable.
        base: the folder that relative paths start from.

    Raises:
        ProfileError: if nothing in `SOURCES` reads such a location, or a variable in it is not set.
        MissingExtraError: if what reads it is not installed.
    """
    location = expanded(location)
    prefix, colon, rest = location.partition(":")
    scheme = prefix.partition("+")[0].lower() + colon
    if colon and scheme in SOURCES:
        return SOURCES[scheme](f"{scheme}{rest}", base)
    path = base / location
    if path.is_dir():
        return FolderSource(path)
    for ending in sorted(SOURCES, key=len, reverse=True):
        if ending.startswith(".") and location.lower().endswith(ending):
            return SOURCES[ending](location, base)
    missing = "" if path.exists() or "://" in location else "; there is no such file or folder"
    shown = f"{prefix}://..." if "://" in location else str(path)
    raise ProfileError(
        f"profiles {shown}: unknown kind of data{missing}. Known endings and prefixes: {', '.join(SOURCES)}"
    )
