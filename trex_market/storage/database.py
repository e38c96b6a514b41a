"""The database: opened and checked, runs started and finished, rows inserted.

On SQLite and PostgreSQL here; a folder of Parquet files is a database, too: see `parquet`.

All that goes wrong is a `StorageError` of one sentence, without passwords.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import asyncpg
import msgspec
from sqlalchemy import Column, Executable, Row, Select, event, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from trex_market.core.errors import InputError, StorageError
from trex_market.storage import schema
from trex_market.storage.address import Address, parse_address
from trex_market.storage.bulk import Batch, insert_postgresql, insert_sqlite
from trex_market.storage.outages import storage_errors
from trex_market.storage.rows import RunRecord, RunStatus
from trex_market.storage.schema import Schema
from trex_market.storage.tables import runs

if TYPE_CHECKING:
    from trex_market.storage.parquet import ParquetDatabase

STREAM_ROWS = 2_000
"""So many rows a stream reads at once."""

LOCK_TIMEOUT = 2.0
"""How long SQLite waits for another process's lock, in seconds, before it is an outage."""

COMMAND_TIMEOUT = 60.0
"""How long PostgreSQL has for a command, in seconds, before it counts as away."""

CACHE_KIB = 8_192
"""SQLite's page cache."""

SCHEMA_LOCK = 0x7472_6578
"""PostgreSQL's advisory lock that lets one process at a time create or change the tables."""


class Database:
    """A database with the market's tables; `open` makes one.

    Args:
        engine: to connect with.
        name: as people know it, without password.
    """

    def __init__(self, engine: AsyncEngine, name: str) -> None:
        self.name = name
        self._engine = engine
        self._on_sqlite = engine.dialect.name == "sqlite"

    @classmethod
    async def open(cls, text: str, *, upgrade: bool = False) -> Database:
        """Open a database; create its folder and tables where they are missing.

        An SQLite file of an older schema version is upgraded: it belongs to whoever opens it. A PostgreSQL
        database may have other users, with programs of that version, and is upgraded only when told to.

        Args:
            text: ``sqlite:///path``, ``postgresql://user:password@host/database``, ``parquet:///folder``, or
                the bare path of a file that ends in .db, .sqlite or .sqlite3, or of a folder in .parquet.
            upgrade: whether to upgrade PostgreSQL too; that takes as long as it takes.

        Raises:
            InputError: if the address is none of these.
            MissingExtraError: if it is Parquet, and PyArrow is not installed.
            OutageError: if it cannot be opened at the moment.
            StorageError: if it cannot be opened, or its tables are not those of this version.
        """
        address = parse_address(text)
        if address.folder is not None:
            return await _parquet().open_folder(address.folder)
        database = cls(_engine(address, None if upgrade else COMMAND_TIMEOUT), address.name)
        try:
            with storage_errors(database.name):
                await database._prepare(address.file, may_upgrade=upgrade or address.file is not None)
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    async def examine(cls, text: str) -> Schema:
        """Find out what a database holds, and change nothing.

        Args:
            text: as `open`.

        Raises:
            InputError: if the address is none, or there is no such file.
            StorageError: if it cannot be read.
        """
        address = parse_address(text)
        if address.folder is not None:
            return _parquet().examine_folder(address.folder)
        if address.file is not None and not address.file.is_file():
            raise InputError(f"there is no file {address.name}")
        async with cls(_engine(address, COMMAND_TIMEOUT), address.name) as database:
            with storage_errors(database.name):
                async with database._engine.connect() as connection:
                    return await connection.run_sync(schema.examine)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; a `Writer` must have been closed before."""
        await self._engine.dispose()

    # ------------------------------------------------------------ opening

    async def _prepare(self, file: Path | None, *, may_upgrade: bool) -> None:
        if file is not None:
            await asyncio.to_thread(_make_file, file)
        async with self._engine.connect() as connection:
            if await connection.run_sync(schema.recorded_version) == schema.VERSION:
                return
        async with self._engine.begin() as connection:
            if self._on_sqlite:
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})"))
            await connection.run_sync(schema.bring_up_to_date, self.name, may_upgrade=may_upgrade)

    # ------------------------------------------------------------ runs

    async def start_run(self, record: RunRecord) -> str:
        """Write down that a run starts.

        Returns:
            the run's id: the record's, or if that is taken, with the first free of -2, -3, ... added.

        Raises:
            StorageError: if the database cannot be written.
        """
        while True:
            run_id = await self._free_run_id(record.id)
            # Another process may take the id in between.
            if await self._insert_run(msgspec.structs.replace(record, id=run_id)):
                return run_id

    async def _free_run_id(self, wanted: str) -> str:
        alike = select(runs.c.id).where(runs.c.id.startswith(wanted, autoescape=True))
        taken = {row.id for row in await self.fetch(alike)}
        number, run_id = 1, wanted
        while run_id in taken:
            number += 1
            run_id = f"{wanted}-{number}"
        return run_id

    async def resume_run(self, run_id: str) -> bool:
        """Mark a run as running again, for a market that goes on from its journal.

        Returns:
            whether there is such a run.

        Raises:
            StorageError: if the database cannot be written.
        """
        return await self._set_status(run_id, "running", None)

    async def begin_run(self, record: RunRecord) -> bool:
        """Write down that a run starts, or if it is there already, that it goes on.

        Returns:
            whether it is new.

        Raises:
            StorageError: if the database cannot be written.
        """
        while not await self.resume_run(record.id):
            # Another process may take the id in between.
            if await self._insert_run(record):
                return True
        return False

    async def _insert_run(self, record: RunRecord) -> bool:
        """Write down a run; return whether its id was free."""
        with storage_errors(self.name):
            try:
                async with self._engine.begin() as connection:
                    await connection.execute(insert(runs), msgspec.structs.asdict(record))
            except IntegrityError:
                return False
        return True

    async def finish_run(self, run_id: str, status: RunStatus, finished_at: int) -> None:
        """Write down how a run ended.

        Args:
            status: "finished", "interrupted" or "failed".
            finished_at: UNIX seconds, on the wall clock.

        Raises:
            StorageError: if there is no such run, or the database cannot be written.
        """
        if not await self._set_status(run_id, status, finished_at):
            raise StorageError(f"the database {self.name} has no run {run_id!r}")

    async def _set_status(self, run_id: str, status: RunStatus, finished_at: int | None) -> bool:
        change = update(runs).where(runs.c.id == run_id).values(status=status, finished_at=finished_at)
        with storage_errors(self.name):
            async with self._engine.begin() as connection:
                result = await connection.execute(change)
        return bool(result.rowcount)

    # ------------------------------------------------------------ rows

    async def insert(self, batches: Sequence[Batch]) -> None:
        """Insert all rows or none; inserting the same rows again changes nothing.

        Raises:
            OutageError: if it may be done later; nothing was changed, or all of it was.
            StorageError: if the rows cannot be inserted at all.
        """
        with storage_errors(self.name):
            if self._on_sqlite:
                async with self._engine.begin() as connection:
                    await insert_sqlite(connection, batches)
            else:
                async with self._engine.connect() as connection:
                    try:
                        await insert_postgresql(connection, batches)
                    except asyncpg.InternalClientError:
                        await connection.invalidate()  # nobody can use it any more
                        raise

    async def fetch(self, query: Executable) -> Sequence[Row[Any]]:
        """Return all rows of a query.

        Raises:
            StorageError: if the database cannot be read.
        """
        with storage_errors(self.name):
            async with self._engine.connect() as connection:
                return (await connection.execute(query)).all()

    async def stream(
        self, query: Select[Any], first: Column[int], *others: Column[Any]
    ) -> AsyncGenerator[Sequence[Row[Any]], None]:
        """Yield the rows of a query in parts, for queries whose rows would fill the memory.

        Args:
            query: of one table.
            first: the column that the rows are ordered by.
            others: what comes next in their order.

        Raises:
            StorageError: if the database cannot be read.
        """
        with storage_errors(self.name):
            async with self._engine.connect() as connection:
                result = await connection.stream(query.order_by(first, *others))
                async for part in result.partitions(STREAM_ROWS):
                    yield part


def _parquet() -> type[ParquetDatabase]:
    from trex_market.storage.parquet import ParquetDatabase  # noqa: PLC0415 - needs an extra

    return ParquetDatabase


def _engine(address: Address, command_timeout: float | None) -> AsyncEngine:
    if address.file is not None:
        engine = create_async_engine(address.url, pool_use_lifo=True, connect_args={"timeout": LOCK_TIMEOUT})
        event.listen(engine.sync_engine, "connect", _tune_sqlite)
        return engine

    def connect() -> Awaitable[asyncpg.Connection]:
        waiting: Awaitable[asyncpg.Connection] = asyncpg.connect(
            address.dsn, timeout=address.connect_timeout, command_timeout=command_timeout
        )
        return waiting

    # Tested before each use: after a restart of the server every pooled connection is dead.
    return create_async_engine(address.url, async_creator=connect, pool_pre_ping=True, pool_use_lifo=True)


def _make_file(path: Path) -> None:
    """Make a database's folder and file, with a write-ahead log, which the file remembers.

    Here, not by the driver, for a file that cannot be made would leave a worker of it behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of several that change it at once all but one are refused, without the wait for a lock.
    changing = Retrying(
        retry=retry_if_exception_type(sqlite3.OperationalError),
        stop=stop_after_delay(LOCK_TIMEOUT),
        wait=wait_random(0.005, 0.05),
        reraise=True,
    )
    with closing(sqlite3.connect(path)) as connection:
        changing(connection.execute, "PRAGMA journal_mode = WAL")


def _tune_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # With a write-ahead log, NORMAL keeps the database whole through a loss of power.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    cursor.close()
