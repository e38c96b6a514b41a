"""Rows of the tables as columns of Arrow, exactly: int64, float64, bool, text, and names by dictionary.

A row belongs to the UTC day of its slot, or of its time. Such a day follows from the row alone, is the same
for all runs in a folder, and has 24 hours always. What has no time belongs to none: an order that was rejected
names no slot.

PyArrow is an extra: `address.parse_address` tells who has none, before this is imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import BigInteger, Boolean, Column, Double, Table

from trex_market.storage import tables
from trex_market.storage.rows import Row
from trex_market.storage.schema import VERSION

SECONDS_A_DAY = 86_400

EPOCH = date(1970, 1, 1).toordinal()

TIMES = ("slot_start", "time_creation", "time_start", "time")
"""Names of columns whose day a row belongs to; the first that a table has."""

NAMES = frozenset(
    [
        *("run_id", "market_id", "participant_id", "seller_id", "buyer_id", "device_id"),
        *("energy_source", "kind", "side", "status", "code", "name"),
    ]
)
"""Columns of few different texts."""

NO_DAY = "__HIVE_DEFAULT_PARTITION__"
"""What Hive calls the partition of rows without a day."""


@cache
def schema_of(table: Table) -> Any:
    """Return a table's Arrow schema, which says the version of the tables too."""
    fields = [pa.field(column.name, _type_of(column), bool(column.nullable)) for column in table.columns]
    return pa.schema(fields, {"trex_market": VERSION})


def _type_of(column: Column[Any]) -> Any:
    match column.type:
        case BigInteger():
            return pa.int64()
        case Double():
            return pa.float64()
        case Boolean():
            return pa.bool_()
    return pa.dictionary(pa.int32(), pa.string()) if column.name in NAMES else pa.string()


def day_column(table: str) -> str | None:
    """Return the column whose day a table's rows belong to; None if they belong to none."""
    columns = tables.metadata.tables[table].columns
    return next((name for name in TIMES if name in columns), None)


def growing_column(table: str) -> str:
    """Return a column of a table's key that grows with time, so that most repetitions can be ruled out at a glance."""
    keys, day = key_of(table), day_column(table)
    return day if day in keys else keys[0]


def columns_of(table: Table, rows: Sequence[Row]) -> Any:
    """Make an Arrow table of rows.

    Raises:
        pyarrow.ArrowException: if a value is not of its column's type, or is missing.
    """
    schema = schema_of(table)
    arrays = [
        pa.array(values, field.type) for field, values in zip(schema, zip(*rows, strict=True), strict=True)
    ]
    for field, array in zip(schema, arrays, strict=True):
        if array.null_count and not field.nullable:
            raise pa.ArrowInvalid(f"a row of {table.name} has no {field.name}")
    return pa.Table.from_arrays(arrays, schema=schema)


def rows_of(columns: Any) -> list[Row]:
    """Return the rows of an Arrow table or batch."""
    return list(zip(*map(_values, columns.columns), strict=True))


def _values(column: Any) -> list[Any]:
    """Return a column's values; of names not each anew, which takes PyArrow ten times as long."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not pa.types.is_dictionary(column.type):
        values: list[Any] = column.to_pylist()
        return values
    names = column.dictionary.to_pylist()
    return [None if place is None else names[place] for place in column.indices.to_pylist()]


def parts_by(columns: Any, name: str) -> Iterator[tuple[Any, Any]]:
    """Divide an Arrow table by a column of few values: value and its rows."""
    values = pc.unique(columns[name]).to_pylist()
    for value in values:
        yield value, columns if len(values) == 1 else columns.filter(pc.field(name) == value)


def parts_by_day(table: str, columns: Any) -> Iterator[tuple[str | None, Any]]:
    """Divide an Arrow table by days: name of the day, or None, and its rows in their order."""
    column = day_column(table)
    if column is None:
        yield None, columns
        return
    times = columns[column]
    ends = pc.min_max(times, skip_nulls=False).as_py()
    if ends["min"] is not None and day_of(ends["min"]) == day_of(ends["max"]):
        yield day_of(ends["min"]), columns
        return
    slots = pc.unique(times)
    names = [day_of(slot) for slot in slots.to_pylist()]
    day_of_row = pc.take(pa.array(names, pa.string()), pc.index_in(times, slots))
    for day in dict.fromkeys(names):
        chosen = pc.is_null(day_of_row) if day is None else pc.equal(day_of_row, day)
        yield day, columns.filter(chosen)


def day_of(time: int | None) -> str | None:
    """Return the UTC day of a time in UNIX seconds, as YYYY-MM-DD.

    Times that the calendar does not reach, as in an order for a slot in ten thousand years, belong to its
    last or first day.
    """
    if time is None:
        return None
    day = EPOCH + time // SECONDS_A_DAY
    return date.fromordinal(min(max(day, date.min.toordinal()), date.max.toordinal())).isoformat()


def joined(pieces: Sequence[Any]) -> Any:
    """Join Arrow tables to one in which each column is one array."""
    return pa.concat_tables(pieces, promote_options="default").unify_dictionaries().combine_chunks()


def without_repetitions(table: str, columns: Any, *, replace: bool) -> Any:
    """Return an Arrow table with one row for each key: the last one if `replace`, else the first.

    Args:
        table: its name.
        columns: rows of one run.
    """
    growing = columns[growing_column(table)]
    if len(key_of(table)) == 1 and pc.all(pc.less(growing[:-1], growing[1:])).as_py():
        return columns
    places = list(enumerate(keys_of(table, columns)))
    kept = {key: place for place, key in (places if replace else reversed(places))}
    return columns if len(kept) == len(places) else columns.take(sorted(kept.values()))


def key_of(table: str) -> tuple[str, ...]:
    """Return the names of the columns that tell a run's rows apart."""
    return tuple(
        column.name for column in tables.metadata.tables[table].primary_key if column.name != "run_id"
    )


def keys_of(table: str, columns: Any) -> list[Row]:
    """Return the key of each row."""
    return rows_of(columns.select(key_of(table)))
