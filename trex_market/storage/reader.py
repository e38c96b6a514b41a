"""Rows -> the core's structs: what a run decided and delivered, exactly as it went in.

All functions raise `StorageError` if the database cannot be read. Of a run that there is not, they return
nothing.
"""

from __future__ import annotations

from sqlalchemy import Select, Table, select

from trex_market.core.messages import Contract, MeterReading, Transaction
from trex_market.storage import rows, tables
from trex_market.storage.database import Database
from trex_market.storage.rows import MetricRecord, OrderRecord, RunRecord


def _of_run(table: Table, run_id: str) -> Select[tuple[object, ...]]:
    """Select a run's rows, in order of the primary key."""
    return select(table).where(table.c.run_id == run_id).order_by(*table.primary_key)


async def runs(database: Database) -> list[RunRecord]:
    """Return all runs, in order of their start."""
    query = select(tables.runs).order_by(tables.runs.c.started_at, tables.runs.c.id)
    return [rows.run_record(row) for row in await database.fetch(query)]


async def transactions(database: Database, run_id: str, slot_start: int | None = None) -> list[Transaction]:
    """Return a run's transactions, in order of their ids.

    Args:
        slot_start: of this slot only.
    """
    query = _of_run(tables.transactions, run_id)
    if slot_start is not None:
        query = query.where(tables.transactions.c.time_creation == slot_start)
    return [rows.transaction(row) for row in await database.fetch(query)]


async def contracts(database: Database, run_id: str, slot_start: int | None = None) -> list[Contract]:
    """Return a run's contracts, in order of their ids.

    Args:
        slot_start: for this slot only.
    """
    query = _of_run(tables.contracts, run_id)
    if slot_start is not None:
        query = query.where(tables.contracts.c.slot_start == slot_start)
    return [rows.contract(row) for row in await database.fetch(query)]


async def orders(database: Database, run_id: str, slot_start: int | None = None) -> list[OrderRecord]:
    """Return a run's orders, as they were submitted.

    Args:
        slot_start: for this slot only; the slot of a rejected order is not known.
    """
    query = _of_run(tables.orders, run_id)
    if slot_start is not None:
        query = query.where(tables.orders.c.slot_start == slot_start)
    return [rows.order_record(row) for row in await database.fetch(query)]


async def meter_readings(
    database: Database, run_id: str, participant_id: str | None = None
) -> list[tuple[str, MeterReading]]:
    """Return a run's readings and whose they are, in order of participant and slot.

    Args:
        participant_id: this participant's only.
    """
    query = _of_run(tables.meter_readings, run_id)
    if participant_id is not None:
        query = query.where(tables.meter_readings.c.participant_id == participant_id)
    return [(row.participant_id, rows.reading(row)) for row in await database.fetch(query)]


async def metrics(database: Database, run_id: str, participant_id: str | None = None) -> list[MetricRecord]:
    """Return what a run's participants reported, in order of participant, time and name.

    Args:
        participant_id: this participant's only.
    """
    query = _of_run(tables.metrics, run_id)
    if participant_id is not None:
        query = query.where(tables.metrics.c.participant_id == participant_id)
    return [rows.metric_record(row) for row in await database.fetch(query)]
