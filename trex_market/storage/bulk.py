"""Many rows in one transaction, such that repeating them changes nothing.

SQLite is given statements of up to a thousand rows each and not a row each: Python's sqlite3 lets go of the
interpreter for each statement, and beside a busy thread gets it back only every 5 ms.

PostgreSQL is given a plain COPY. Only when rows turn out to be there already are they copied to a table of
their own and merged from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain

import asyncpg
import msgspec
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from trex_market.storage.rows import Row

STATEMENT_ROWS = (1000, 100, 10, 1)
"""How many rows an SQLite statement has; few sizes, for each stays compiled. 18 columns x 1000 < 32766."""


class Batch(msgspec.Struct, frozen=True):
    """Rows for one table.

    Args:
        table: where to.
        rows: a value for each of the table's columns, in order; no two rows with one key if `replace`.
        replace: whether a row replaces one with its key; if not, the row that is there stays.
    """

    table: Table
    rows: Sequence[Row]
    replace: bool = False


async def insert_sqlite(connection: AsyncConnection, batches: Sequence[Batch]) -> None:
    """Insert batches within the connection's transaction."""
    for batch in batches:
        done = 0
        for size in STATEMENT_ROWS:
            end = done + (len(batch.rows) - done) // size * size
            if end > done:
                parameters = [
                    tuple(chain.from_iterable(batch.rows[start : start + size]))
                    for start in range(done, end, size)
                ]
                statement = _sqlite_insert(batch.table, size, replace=batch.replace)
                await connection.exec_driver_sql(statement, parameters)
            done = end


@cache
def _sqlite_insert(table: Table, rows: int, *, replace: bool) -> str:
    one_row = f"({', '.join('?' * len(table.columns))})"
    return (
        f"{_insert_into(table)} VALUES {', '.join([one_row] * rows)} {_on_conflict(table, replace=replace)}"
    )


def _insert_into(table: Table) -> str:
    return f"INSERT INTO {table.name} ({', '.join(table.columns.keys())})"


def _on_conflict(table: Table, *, replace: bool) -> str:
    keys = ", ".join(table.primary_key.columns.keys())
    others = [column.name for column in table.columns if not column.primary_key]
    if not replace:
        return f"ON CONFLICT ({keys}) DO NOTHING"
    return f"ON CONFLICT ({keys}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in others)}"


async def insert_postgresql(connection: AsyncConnection, batches: Sequence[Batch]) -> None:
    """Insert batches in a transaction of their own."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    try:
        await _copy(driver, batches)
    except asyncpg.UniqueViolationError:
        await _merge(driver, batches)


async def _copy(driver: asyncpg.Connection, batches: Sequence[Batch]) -> None:
    async with driver.transaction():
        for batch in batches:
            names = batch.table.columns.keys()
            await driver.copy_records_to_table(batch.table.name, records=batch.rows, columns=names)


async def _merge(driver: asyncpg.Connection, batches: Sequence[Batch]) -> None:
    async with driver.transaction():
        for batch in batches:
            table, staged = batch.table, f"staged_{batch.table.name}"
            await driver.execute(f"CREATE TEMPORARY TABLE {staged} (LIKE {table.name}) ON COMMIT DROP")
            await driver.copy_records_to_table(staged, records=batch.rows, columns=table.columns.keys())
            on_conflict = _on_conflict(table, replace=batch.replace)
            await driver.execute(f"{_insert_into(table)} TABLE {staged} {on_conflict}")
