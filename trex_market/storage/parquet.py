"""A folder of Parquet files as a database.

    DIR/<table>/day=YYYY-MM-DD/part-<run>-0000.parquet    rows; `day` is a Hive partition, in UTC
    DIR/runs/run-<run>.parquet                            what is known of a run
    DIR/trex_market.json                                  the version of the tables

Polars, DuckDB, pandas and Spark read ``DIR/<table>`` in a line. Runs, and processes, share a folder without
meeting: each run has files of its own. Rows wait in memory until their day is over; what a process that is
killed leaves are whole days, and whole parts of the last ones.

Queries are the same as on the other databases. SQLite answers them, from a scratch file that is filled with
the columns and the run that a query asks for; a stream fills it day by day.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from itertools import chain, count
from pathlib import Path
from typing import Any, NamedTuple

import aiosqlite
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    Column,
    Executable,
    NullPool,
    Select,
    Table,
    event,
)
from sqlalchemy import Row as Found
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.sql import visitors

from trex_market.core.errors import InputError, StorageError
from trex_market.storage import database, tables
from trex_market.storage.address import MARK_FILE
from trex_market.storage.bulk import Batch
from trex_market.storage.database import Database
from trex_market.storage.outages import storage_errors
from trex_market.storage.parquet_buffers import ParquetBuffers
from trex_market.storage.parquet_columns import columns_of, day_column, day_of, rows_of
from trex_market.storage.parquet_parts import (
    UNFINISHED,
    days_of,
    file_name,
    opened,
    parts_of,
    placed,
    read_whole,
    remove_left_behind,
    write_whole,
)
from trex_market.storage.rows import Row, RunRecord, RunStatus, run_record
from trex_market.storage.schema import VERSION, Schema

SCRATCH_ROWS = 20_000
"""So many rows go from a file to the scratch file at once, and a stream takes together if days have fewer."""


class Mark(msgspec.Struct, frozen=True):
    """What a folder says of itself.

    Args:
        schema_version: of the tables in it.
    """

    schema_version: str


class _Wanted(NamedTuple):
    """What a query asks for: table -> names of columns; runs, none if it names none; a table's column's value."""

    columns: dict[Table, list[str]]
    runs: tuple[str, ...]
    fixed: Mapping[str, Any]


class ParquetDatabase(Database):
    """A folder with the market's tables as Parquet files; `Database.open` makes one.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        engine = create_async_engine("sqlite+aiosqlite://", async_creator=_scratch, poolclass=NullPool)
        event.listen(engine.sync_engine, "connect", _tune_scratch)
        super().__init__(engine, str(folder))
        self._folder = folder
        self._buffers = ParquetBuffers(folder)

    @classmethod
    async def open_folder(cls, folder: Path) -> ParquetDatabase:
        """Open a folder; make it if it is missing.

        One of an older version is marked as of today's; columns that its files lack have no values.

        Raises:
            StorageError: if it cannot be made or written, or is not of this version.
        """
        schema = cls.examine_folder(folder, may_be_missing=True)
        if schema.age not in {"empty", "present", "older"}:
            raise StorageError(f"the folder {folder} {schema}; name another folder")

        def prepare() -> None:
            (folder / UNFINISHED).mkdir(parents=True, exist_ok=True)
            if schema.age != "present":
                with placed(folder, folder / MARK_FILE) as unfinished:
                    unfinished.write_bytes(msgspec.json.encode(Mark(VERSION)))
            (folder / tables.runs.name).mkdir(exist_ok=True)
            remove_left_behind(folder)

        try:
            await asyncio.to_thread(prepare)
        except OSError as error:
            raise StorageError(f"the folder {folder} cannot be made or written: {error.strerror}") from error
        return cls(folder)

    @classmethod
    def examine_folder(cls, folder: Path, *, may_be_missing: bool = False) -> Schema:
        """Find out what a folder holds, and change nothing.

        Raises:
            InputError: if there is no such folder, and it may not be missing.
            StorageError: if it cannot be read.
        """
        if not may_be_missing and not folder.is_dir():
            raise InputError(f"there is no folder {folder}")
        # Before the mark is looked for: another process may be making the folder, the mark first.
        there = [name for name in tables.metadata.tables if (folder / name).exists()]
        try:
            version = msgspec.json.decode((folder / MARK_FILE).read_bytes(), type=Mark).schema_version
        except FileNotFoundError:
            return Schema("foreign", difference=f"{there[0]!r} has no mark") if there else Schema("empty")
        except (OSError, msgspec.DecodeError) as error:
            raise StorageError(f"{folder / MARK_FILE}: {error}") from error
        if version == VERSION:
            return Schema("present", version)
        return Schema("older" if version < VERSION else "newer", version)

    async def close(self) -> None:
        """Write what waits; a `Writer` must have been closed before."""
        try:
            await self._write()
        finally:
            await super().close()

    # ------------------------------------------------------------ runs

    def _run_file(self, run_id: str) -> Path:
        return self._folder / tables.runs.name / f"run-{file_name(run_id)}.parquet"

    async def _free_run_id(self, wanted: str) -> str:
        ids = chain([wanted], (f"{wanted}-{number}" for number in count(2)))
        return next(run_id for run_id in ids if not self._run_file(run_id).exists())

    async def _insert_run(self, record: RunRecord) -> bool:
        try:
            with self._errors():
                self._write_run(record, new=True)
        except StorageError as error:
            if isinstance(error.__cause__, FileExistsError):
                return False
            raise
        return True

    async def _set_status(self, run_id: str, status: RunStatus, finished_at: int | None) -> bool:
        file = self._run_file(run_id)
        with self._errors():
            await self._write(run_id)
            if not file.exists():
                return False
            record = run_record(*rows_of(read_whole(file)))
            self._write_run(msgspec.structs.replace(record, status=status, finished_at=finished_at))
        return True

    def _write_run(self, record: RunRecord, *, new: bool = False) -> None:
        row = columns_of(tables.runs, [msgspec.structs.astuple(record)])
        write_whole(self._folder, row, self._run_file(record.id), new=new)

    # ------------------------------------------------------------ rows

    async def insert(self, batches: Sequence[Batch]) -> None:
        """Take all rows or none; inserting the same rows again changes nothing.

        Rows are in files when their day is over or their run is, and when they are read.

        Raises:
            OutageError: if it may be done later; nothing was changed.
            StorageError: if the rows do not fit their tables.
        """
        with self._errors():
            await asyncio.to_thread(self._buffers.insert, batches)

    async def _write(self, run_id: str | None = None) -> None:
        with self._errors():
            await asyncio.to_thread(self._buffers.write, run_id)

    async def fetch(self, query: Executable) -> Sequence[Found[Any]]:
        """Return all rows of a query.

        Raises:
            StorageError: if the files cannot be read.
        """
        assert isinstance(query, Select)
        await self._write()
        wanted = _wanted(query)
        with self._errors():
            async with self._engine.connect() as connection:
                for table, columns in wanted.columns.items():
                    await _make(connection, table, columns)
                    for file in self._files(table, wanted):
                        await _fill(connection, table, file, wanted)
                return (await connection.execute(query)).all()

    async def stream(
        self, query: Select[Any], first: Column[int], *others: Column[Any]
    ) -> AsyncGenerator[Sequence[Found[Any]], None]:
        """Yield the rows of a query in parts, for queries whose rows would fill the memory.

        Args:
            query: of one table.
            first: the column that the rows are ordered by.
            others: what comes next in their order.

        Raises:
            StorageError: if the files cannot be read.
        """
        await self._write()
        wanted = _wanted(query)
        ((table, columns),) = wanted.columns.items()
        assert first.name == day_column(table.name), "rows are read in order of days"
        with self._errors():
            async with self._engine.connect() as connection:
                await _make(connection, table, columns)
                async with aclosing(self._filled_by_days(connection, table, wanted)) as fillings:
                    async for _ in fillings:
                        result = await connection.stream(query.order_by(first, *others))
                        async for part in result.partitions(database.STREAM_ROWS):
                            yield part

    async def _filled_by_days(
        self, connection: AsyncConnection, table: Table, wanted: _Wanted
    ) -> AsyncGenerator[int, None]:
        """Fill a scratch table with the rows of a few days, again and again; yield how many they are."""
        filled = 0
        for day in days_of(self._folder, table.name):
            for file in self._files(table, wanted, day):
                filled += await _fill(connection, table, file, wanted)
            if filled >= SCRATCH_ROWS:
                yield filled
                await connection.exec_driver_sql(f"DELETE FROM {table.name}")  # noqa: S608 - a name of ours
                filled = 0
        if filled:
            yield filled

    def _files(self, table: Table, wanted: _Wanted, *days: str | None) -> Iterator[Path]:
        """Yield the files that have what is wanted of a table, in order of days."""
        if table is tables.runs:
            yield from sorted((self._folder / table.name).glob("run-*.parquet"))
            return
        time = wanted.fixed.get(day_column(table.name) or "")
        chosen = days or (days_of(self._folder, table.name) if time is None else [day_of(time)])
        for day in chosen:
            for run_id in wanted.runs or (None,):
                yield from parts_of(self._folder, table.name, day, run_id)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise `StorageError` or `OutageError` for whatever PyArrow, files and SQLite raise in the block."""
        with storage_errors(self.name):
            try:
                yield
            except pa.ArrowException as error:
                raise StorageError(f"the database {self.name} refused: {error}") from error


def _scratch() -> aiosqlite.Connection:
    """Make a database of its own in a temporary file, which goes with the connection."""
    return aiosqlite.connect("")


def _tune_scratch(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = OFF")
    cursor.execute("PRAGMA synchronous = OFF")
    cursor.execute(f"PRAGMA cache_size = -{database.CACHE_KIB}")
    cursor.close()


def _wanted(query: Select[Any]) -> _Wanted:
    """Find out what must be read to answer a query."""
    elements = list(visitors.iterate(query))
    columns: dict[Table, list[str]] = {element: [] for element in elements if isinstance(element, Table)}
    for column in [*elements, *query.selected_columns]:
        if isinstance(column, Column) and column.table in columns:
            names = columns[column.table]
            if column.name not in names:
                names.append(column.name)
    for table, names in columns.items():
        names.extend([] if names else table.columns.keys()[:1])  # SQL has no tables without columns
    compared = query.compile().params
    runs = {value for name, value in compared.items() if name.startswith("run_id_")}
    return _Wanted(columns, tuple(sorted(runs)), _fixed(query) if len(columns) == 1 else {})


def _fixed(query: Select[Any]) -> dict[str, Any]:
    """Return the columns that all rows of a query of one table have one value of; its run is not among them."""
    where = query.whereclause
    is_list = isinstance(where, BooleanClauseList) and where.operator is operator.and_
    clauses: Any = where.clauses if is_list and where is not None else [where]
    return {
        clause.left.name: clause.right.value
        for clause in clauses
        if isinstance(clause, BinaryExpression)
        and clause.operator is operator.eq
        and isinstance(clause.left, Column)
        and isinstance(clause.right, BindParameter)
        and clause.left.name != "run_id"
    }


def _matching(batch: Any, fixed: Mapping[str, Any]) -> list[Row]:
    """Return the rows of a batch that have these values."""
    for name, value in fixed.items():
        batch = batch.filter(pc.equal(batch[name], value))
    return rows_of(batch)


async def _make(connection: AsyncConnection, table: Table, columns: Sequence[str]) -> None:
    """Make a table in the scratch database."""
    await connection.exec_driver_sql(f"CREATE TABLE {table.name} ({', '.join(columns)})")


async def _fill(connection: AsyncConnection, table: Table, file: Path, wanted: _Wanted) -> int:
    """Fill a scratch table with what is wanted of a file; return how many rows that is."""
    filled = 0
    with opened(file) as source:
        names = [name for name in wanted.columns[table] if name in source.schema_arrow.names]
        places = f"{table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        for batch in source.iter_batches(SCRATCH_ROWS, columns=names, use_threads=False):
            rows = await asyncio.to_thread(_matching, batch, wanted.fixed)
            if rows:
                await connection.exec_driver_sql(f"INSERT INTO {places}", rows)
                filled += len(rows)
    return filled
