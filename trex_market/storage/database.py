"""The database: opened and checked, runs started and finished, rows inserted.

All that goes wrong is a `StorageError` of one sentence, without passwords.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from sqlalchemy import URL, Connection, Executable, Row, event, insert, inspect, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.schema import CreateTable

from trex_market.core.errors import StorageError
from trex_market.storage.address import is_sqlite, parse_address, shown
from trex_market.storage.bulk import Batch, insert_postgresql, insert_sqlite
from trex_market.storage.outages import storage_errors
from trex_market.storage.rows import RunRecord, RunStatus
from trex_market.storage.tables import metadata, runs

LOCK_TIMEOUT = 2.0
"""How long SQLite waits for another process's lock, in seconds, before it is an outage."""

CONNECT_TIMEOUT = 10.0
"""How long PostgreSQL has to answer, in seconds."""

COMMAND_TIMEOUT = 60.0
"""How long PostgreSQL has for a command, in seconds, before it counts as away."""

CACHE_KIB = 65_536
"""SQLite's page cache."""

SCHEMA_LOCK = 0x7472_6578
"""PostgreSQL's advisory lock that lets one process at a time create the tables."""


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
    async def open(cls, address: str) -> Self:
        """Open a database; create its folder and tables where they are missing.

        Args:
            address: ``sqlite:///path``, ``postgresql://user:password@host/database``, or the bare path of a
                file that ends in .db, .sqlite or .sqlite3.

        Raises:
            InputError: if the address is none of these.
            StorageError: if it cannot be opened, or its tables have other columns.
        """
        url = parse_address(address)
        database = cls(_engine(url), shown(url))
        try:
            with storage_errors(database.name):
                await database._prepare(url)
        except BaseException:
            await database.close()
            raise
        return database

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

    async def _prepare(self, url: URL) -> None:
        if self._on_sqlite:
            await asyncio.to_thread(_make_file, Path(str(url.database)))
            async with self._engine.connect() as connection:
                # Kept in the file. It cannot be set within a transaction.
                await connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        async with self._engine.begin() as connection:
            if self._on_sqlite:
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})"))
            await self._create_or_check(connection)

    async def _create_or_check(self, connection: AsyncConnection) -> None:
        there = await connection.run_sync(_columns)
        for table in metadata.sorted_tables:
            if table.name not in there:
                await connection.execute(CreateTable(table))
                continue
            expected = set(table.columns.keys())
            missing, unknown = expected - there[table.name], there[table.name] - expected
            if missing or unknown:
                found = [f"no column {name!r}" for name in sorted(missing)]
                found += [f"an unknown column {name!r}" for name in sorted(unknown)]
                raise StorageError(
                    f"the database {self.name} was made by another program or version: its table "
                    f"{table.name!r} has {', '.join(found)}; name another database"
                )

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
            row = msgspec.structs.asdict(msgspec.structs.replace(record, id=run_id))
            # Another process may take the id in between.
            with storage_errors(self.name), suppress(IntegrityError):
                async with self._engine.begin() as connection:
                    await connection.execute(insert(runs), row)
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
                    await insert_postgresql(connection, batches)

    async def fetch(self, query: Executable) -> Sequence[Row[Any]]:
        """Return all rows of a query.

        Raises:
            StorageError: if the database cannot be read.
        """
        with storage_errors(self.name):
            async with self._engine.connect() as connection:
                return (await connection.execute(query)).all()


def _engine(url: URL) -> AsyncEngine:
    if not is_sqlite(url):
        # Tested before each use: after a restart of the server every pooled connection is dead.
        options = {"timeout": CONNECT_TIMEOUT, "command_timeout": COMMAND_TIMEOUT}
        return create_async_engine(url, pool_pre_ping=True, pool_use_lifo=True, connect_args=options)
    engine = create_async_engine(url, pool_use_lifo=True, connect_args={"timeout": LOCK_TIMEOUT})
    event.listen(engine.sync_engine, "connect", _tune_sqlite)
    return engine


def _make_file(path: Path) -> None:
    """Make a database's folder and file; one that cannot be made leaves no worker of the driver behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sqlite3.connect(path).close()


def _tune_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # With a write-ahead log, NORMAL keeps the database whole through a loss of power.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    cursor.close()


def _columns(connection: Connection) -> dict[str, set[str]]:
    """Return the names of the columns of each of our tables that is there."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names()) & metadata.tables.keys()
    return {name: {column["name"] for column in inspector.get_columns(name)} for name in there}
