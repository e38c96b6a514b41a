"""A run's part files: ``DIR/<table>/day=YYYY-MM-DD/part-<run>-0000.parquet``, -0001, ...

A part is written beside, and put in its place by one renaming, so that it is there as a whole or not at all,
whatever becomes of the process. Nothing waits for the disk: a loss of power may cost the parts of a few seconds.
Each key is in one part only: what comes again does not go to a new part, but takes the place of the row in
the old one, which is written anew. So whoever reads the folder reads each row once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trex_market.core.errors import StorageError
from trex_market.storage.parquet_columns import (
    NAMES,
    NO_DAY,
    growing_column,
    joined,
    keys_of,
    without_repetitions,
)

UNFINISHED = ".unfinished"
"""The folder of files that are being written."""

LEFT_BEHIND = 3_600
"""After so many seconds without a change, what is in there was left behind by a process that was killed."""

GROUP_ROWS = 100_000
"""So many rows a row group has at most."""

NAME_LENGTH = 120
"""So many characters of a run's id go into a file's name."""


def file_name(run_id: str) -> str:
    """Return what a run's files are called by: its id, in letters that any file system takes."""
    name = quote(run_id, safe="")
    if len(name) > NAME_LENGTH:
        return blake2b(run_id.encode(), digest_size=20).hexdigest()
    return name


@contextmanager
def placed(root: Path, place: Path, *, new: bool = False) -> Iterator[Path]:
    """Put a file in its place that the block writes elsewhere, such that it is there as a whole or not at all.

    Args:
        root: of the database, with a folder `UNFINISHED`.
        place: of the file; its folder is made.
        new: whether a file that is there already must stay.

    Raises:
        FileExistsError: if there is one, and it must stay.
        OSError: if it cannot be written; then nothing has changed.
    """
    unfinished = root / UNFINISHED / f"{os.getpid()}-{token_hex(8)}"
    try:
        yield unfinished
        if not place.parent.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
        if new:
            place.hardlink_to(unfinished)
        else:
            unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)


def write_whole(root: Path, columns: Any, place: Path, *, new: bool = False) -> None:
    """Write rows, as Arrow has them, to a file; see `placed`."""
    texts = [name for name in columns.column_names if name in NAMES]
    with placed(root, place, new=new) as unfinished:
        pq.write_table(
            columns, unfinished, row_group_size=GROUP_ROWS, compression="zstd", use_dictionary=texts
        )


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file for reading, as long as the block lasts.

    Raises:
        StorageError: if it is damaged.
    """
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except pa.ArrowException as error:
        raise StorageError(f"the file {path} is damaged: {error}") from error


def read_whole(path: Path, columns: list[str] | None = None) -> Any:
    """Return a file's rows, as Arrow has them; see `opened`."""
    with opened(path) as file:
        return file.read(columns)


def remove_left_behind(root: Path) -> None:
    """Remove what processes that were killed were writing."""
    for path in (root / UNFINISHED).glob("*"):
        with suppress(OSError):  # another process may do the same
            if path.stat().st_mtime < time.time() - LEFT_BEHIND:
                path.unlink()


def day_folder(root: Path, table: str, day: str | None) -> Path:
    """Return the folder of a day's parts."""
    return root / table / f"day={NO_DAY if day is None else day}"


def days_of(root: Path, table: str) -> list[str | None]:
    """Return the days for which a table has parts of any run, in order; None comes first."""
    names = [folder.name.removeprefix("day=") for folder in (root / table).glob("day=*")]
    days = sorted(name for name in names if name != NO_DAY)
    return [None, *days] if NO_DAY in names else [*days]


def parts_of(root: Path, table: str, day: str | None, run_id: str | None) -> Iterator[Path]:
    """Yield the part files of a day, in order.

    Args:
        root: of the database.
        table: its name.
        day: YYYY-MM-DD; None for rows without a day.
        run_id: of this run only; None for all.
    """
    folder = day_folder(root, table, day)
    if run_id is None:
        yield from sorted(folder.glob("part-*.parquet"))
        return
    for number in count():
        part = folder / f"part-{file_name(run_id)}-{number:04d}.parquet"
        if not part.exists():
            return
        yield part


class Part(msgspec.Struct, frozen=True):
    """A part file that is there, and the first and last value of the column that grows."""

    path: Path
    first: Any
    last: Any


class DayParts:
    """The parts of a table's day in a run.

    Args:
        root: of the database.
        run_id: of the run.
        table: its name.
        day: YYYY-MM-DD; None for rows without a day.
    """

    def __init__(self, root: Path, run_id: str, table: str, day: str | None) -> None:
        self._root, self._run_id, self._table, self._day = root, run_id, table, day
        self._growing = growing_column(table)
        self._parts = [
            self._part(path, read_whole(path, [self._growing])) for path in parts_of(root, table, day, run_id)
        ]

    def _part(self, path: Path, columns: Any) -> Part:
        ends = pc.min_max(columns[self._growing]).as_py()
        return Part(path, ends["min"], ends["max"])

    def add(self, columns: Any, *, replace: bool) -> None:
        """Add rows; of those whose key is there already the later or the earlier stays.

        Args:
            columns: the rows, as Arrow has them.
            replace: whether the later one stays.

        Raises:
            OSError: if a file cannot be written; added again, the rows come to the same.
        """
        columns = without_repetitions(self._table, columns, replace=replace)
        for number, part in enumerate(self._parts):
            columns = self._merged(number, part, columns, replace=replace)
        if columns.num_rows:
            name = f"part-{file_name(self._run_id)}-{len(self._parts):04d}.parquet"
            path = day_folder(self._root, self._table, self._day) / name
            write_whole(self._root, columns, path)
            self._parts.append(self._part(path, columns))

    def _merged(self, number: int, part: Part, columns: Any, *, replace: bool) -> Any:
        """Put rows in the place of those with their keys in a part, and return the others."""
        growing = pc.min_max(columns[self._growing]).as_py()
        if not columns.num_rows or growing["min"] > part.last or growing["max"] < part.first:
            return columns
        there = read_whole(part.path)
        known = set(keys_of(self._table, there))
        again = pa.array([key in known for key in keys_of(self._table, columns)], pa.bool_())
        if replace and pc.any(again).as_py():
            both = joined([there, columns.filter(again)])
            rewritten = without_repetitions(self._table, both, replace=True)
            write_whole(self._root, rewritten, part.path)
            self._parts[number] = self._part(part.path, rewritten)
        return columns.filter(pc.invert(again))
