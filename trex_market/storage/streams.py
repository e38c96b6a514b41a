"""A run's rows slot by slot, for runs that are longer than the memory.

All yield ``(slot_start, records)`` in order of slots, with what `reader` would
return for the slot, and raise `StorageError` if the database cannot be read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from sqlalchemy import Select, Table, func, select

from trex_market.core.messages import Contract, MeterReading, Order, Transaction
from trex_market.storage import rows, tables
from trex_market.storage.database import Database

Record = TypeVar("Record")

Groups = AsyncGenerator[tuple[int, list[Record]], None]

STANDING = ("accepted", "replaced")
"""Statuses of orders that stood when their gate closed."""


def transactions(database: Database, run_id: str) -> Groups[Transaction]:
    """Yield a run's transactions, in order of their ids within a slot."""
    table = tables.transactions
    found = database.stream(_of_run(table, run_id), table.c.time_creation, table.c.id)
    return _grouped(found, lambda row: row.time_creation, rows.transaction)


def contracts(database: Database, run_id: str) -> Groups[Contract]:
    """Yield a run's contracts, in order of their ids within a slot."""
    table = tables.contracts
    found = database.stream(_of_run(table, run_id), table.c.slot_start, table.c.id)
    return _grouped(found, lambda row: row.slot_start, rows.contract)


def standing_orders(database: Database, run_id: str) -> Groups[Order]:
    """Yield a run's orders that stood when their gate closed, as they were submitted within a slot."""
    table = tables.orders
    standing = _of_run(table, run_id).where(table.c.status.in_(STANDING))
    found = database.stream(standing, table.c.slot_start, table.c.sequence)
    return _grouped(found, lambda row: row.slot_start, rows.order)


def readings(database: Database, run_id: str) -> Groups[tuple[str, MeterReading]]:
    """Yield a run's readings and whose they are, in order of participants within a slot."""
    table = tables.meter_readings
    found = database.stream(_of_run(table, run_id), table.c.slot_start, table.c.participant_id)
    return _grouped(found, lambda row: row.slot_start, lambda row: (row.participant_id, rows.reading(row)))


def _of_run(table: Table, run_id: str) -> Select[Any]:
    return select(table).where(table.c.run_id == run_id)


async def _grouped(
    found: AsyncGenerator[Sequence[Any], None],
    slot_of: Callable[[Any], int],
    record_of: Callable[[Any], Record],
) -> Groups[Record]:
    slot_start: int | None = None
    group: list[Record] = []
    async with aclosing(found):  # or whoever stops early would leave a connection behind
        async for part in found:
            for row in part:
                start = slot_of(row)
                if start != slot_start:
                    if slot_start is not None:
                        yield slot_start, group
                    slot_start, group = start, []
                group.append(record_of(row))
    if slot_start is not None:
        yield slot_start, group


async def delivered(database: Database, run_id: str) -> tuple[int, int] | None:
    """Return the first and the last slot of a run that was delivered or metered; None if there is none."""
    ends: list[int] = []
    for slot, run in (
        (tables.transactions.c.time_creation, tables.transactions.c.run_id),
        (tables.meter_readings.c.slot_start, tables.meter_readings.c.run_id),
    ):
        found = (await database.fetch(select(func.min(slot), func.max(slot)).where(run == run_id)))[0]
        ends += [end for end in list(found) if end is not None]
    return (min(ends), max(ends)) if ends else None


async def count_orders(database: Database, run_id: str) -> int:
    """Return how many orders of a run stood when their gate closed."""
    table = tables.orders
    query = select(func.count()).where(table.c.run_id == run_id, table.c.status.in_(STANDING))
    return int((await database.fetch(query))[0][0])


async def metric_names(database: Database, run_id: str) -> list[tuple[str, str]]:
    """Return which participant of a run reported which metrics, in order of both."""
    table = tables.metrics
    query = (
        select(table.c.participant_id, table.c.name)
        .where(table.c.run_id == run_id)
        .distinct()
        .order_by(table.c.participant_id, table.c.name)
    )
    return [(row.participant_id, row.name) for row in await database.fetch(query)]
