"""Sums of what `record: participant` keeps: figures by participant and day, as metrics.

All functions raise `StorageError` if the database cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, func, select

from trex_market.core.units import NANO
from trex_market.storage.database import Database
from trex_market.storage.tables import metrics

BILL = "bill"
"""In $; all others are in Wh, or $ too if they end in `_cost` or `_income`."""


async def has_days(database: Database, run_id: str) -> bool:
    """Tell whether a run was recorded by participant and day."""
    query = select(metrics.c.name).where(metrics.c.run_id == run_id, metrics.c.name == BILL).limit(1)
    return bool(await database.fetch(query))


async def first_day(database: Database, run_id: str) -> int | None:
    """Return the start of a run's first day; None if it has none."""
    query = select(func.min(metrics.c.time)).where(metrics.c.run_id == run_id, metrics.c.name == BILL)
    first: int | None = (await database.fetch(query))[0][0]
    return first


async def by_participant(database: Database, run_id: str) -> dict[str, dict[str, float]]:
    """Sum a run's figures over its days: participant id -> name -> value."""
    return {str(key): sums for key, sums in (await _sums(database, run_id, metrics.c.participant_id)).items()}


async def by_day(database: Database, run_id: str) -> dict[int, dict[str, float]]:
    """Sum a run's figures over its participants: start of the day -> name -> value."""
    return {int(key): sums for key, sums in (await _sums(database, run_id, metrics.c.time)).items()}


async def _sums(
    database: Database, run_id: str, key: ColumnElement[str] | ColumnElement[int]
) -> dict[str | int, dict[str, float]]:
    names = (key, metrics.c.name)
    query = (
        select(*names, func.sum(metrics.c.value))
        .where(metrics.c.run_id == run_id)
        .group_by(*names)
        .order_by(*names)
    )
    sums: dict[str | int, dict[str, float]] = {}
    for row in await database.fetch(query):
        group, name, value = list(row)
        sums.setdefault(group, {})[name] = value or 0.0
    return sums


def bills(parties: Mapping[str, Mapping[str, float]]) -> dict[str, int]:
    """Return participant id -> bill, in nano-dollars, of sums by participant."""
    return {name: round(sums[BILL] * NANO) for name, sums in parties.items() if BILL in sums}
