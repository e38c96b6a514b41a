"""Rows in memory until their day is over, or there are many of them; then they become part files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import msgspec

from trex_market.storage.bulk import Batch
from trex_market.storage.parquet_columns import columns_of, joined, parts_by, parts_by_day
from trex_market.storage.parquet_parts import DayParts

PART_ROWS = 200_000
"""So many rows of a day become a part file before the day is over."""

BUFFERED_ROWS = 500_000
"""So many rows wait in all, some 80 MB."""


class _Place(NamedTuple):
    """Where rows belong to."""

    run_id: str
    table: str
    day: str | None


class _Arrived(NamedTuple):
    """Rows that came, as Arrow has them."""

    place: _Place
    columns: Any
    replace: bool


class _Buffer(msgspec.Struct):
    """Rows that wait.

    Args:
        replace: whether a later row takes the place of an earlier one with its key.
        pieces: as they came.
        rows: how many.
    """

    replace: bool
    pieces: list[Any] = msgspec.field(default_factory=list)
    rows: int = 0


class ParquetBuffers:
    """Takes rows, and hands days that are over to their part files; for any thread, one at a time.

    Rows come in order of time, but for orders and contracts, which may be for slots to come. So days before
    the first of all that arrives are over.

    Args:
        root: folder of the database.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._buffers: dict[_Place, _Buffer] = {}
        self._parts: dict[_Place, DayParts] = {}
        self._lock = Lock()

    def insert(self, batches: Sequence[Batch]) -> None:
        """Take all rows or none.

        Raises:
            pyarrow.ArrowException: if a row does not fit its table.
            OSError: if earlier rows cannot be written.
        """
        arrived = [
            _Arrived(_Place(run_id, batch.table.name, day), rows, batch.replace)
            for batch in batches
            if batch.rows
            for run_id, of_run in parts_by(columns_of(batch.table, batch.rows), "run_id")
            for day, rows in parts_by_day(batch.table.name, of_run)
        ]
        with self._lock:
            self._make_room(arrived)
            # Nothing may fail from here on: rows are taken once.
            for place, columns, replace in arrived:
                buffer = self._buffers.setdefault(place, _Buffer(replace))
                buffer.pieces.append(columns)
                buffer.rows += columns.num_rows

    def write(self, run_id: str | None = None) -> None:
        """Write all that waits.

        Args:
            run_id: of this run only, which is over.

        Raises:
            OSError: if it cannot be written; it waits on then.
        """
        with self._lock:
            self._write([place for place in self._buffers if run_id in (None, place.run_id)])
            self._parts = {place: parts for place, parts in self._parts.items() if place.run_id != run_id}

    def _make_room(self, arrived: Sequence[_Arrived]) -> None:
        """Write days that are over, and whatever has become too much."""
        first_days: dict[str, str] = {}
        for place in (one.place for one in arrived):
            if place.day is not None:
                first_days[place.run_id] = min(place.day, first_days.get(place.run_id, place.day))
        over = [
            place
            for place in self._buffers
            if place.day is not None and place.day < first_days.get(place.run_id, "")
        ]
        self._write(over)
        self._parts = {place: parts for place, parts in self._parts.items() if place not in over}
        self._write(
            [
                place
                for place, columns, _ in arrived
                if place in self._buffers and self._buffers[place].rows + columns.num_rows > PART_ROWS
            ]
        )
        coming = sum(one.columns.num_rows for one in arrived)
        while self._buffers and self._waiting + coming > BUFFERED_ROWS:
            self._write([max(self._buffers, key=lambda place: self._buffers[place].rows)])

    @property
    def _waiting(self) -> int:
        return sum(buffer.rows for buffer in self._buffers.values())

    def _write(self, places: Iterable[_Place]) -> None:
        for place in dict.fromkeys(places):
            buffer = self._buffers[place]
            if place not in self._parts:
                self._parts[place] = DayParts(self._root, *place)
            self._parts[place].add(joined(buffer.pieces), replace=buffer.replace)
            del self._buffers[place]
