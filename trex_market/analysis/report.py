"""A recorded run to a page with its figures and plots."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from trex_market.analysis import plots
from trex_market.analysis.page import html_page
from trex_market.analysis.plots import SlotFigures
from trex_market.analysis.summary import Summary
from trex_market.core.errors import InputError
from trex_market.core.messages import GRID
from trex_market.core.units import MICRO
from trex_market.storage import reader
from trex_market.storage.database import Database
from trex_market.storage.ledger import totals_by_slot
from trex_market.storage.rows import MetricRecord, OrderRecord, RunRecord

CHARGE = "state_of_charge"


async def write_report(database: Database, run_id: str, summary: Summary, timezone: str, path: Path) -> None:
    """Write a run's page.

    Args:
        database: where the run was recorded.
        run_id: of the run.
        summary: its figures.
        timezone: of the times shown.
        path: of the page.

    Raises:
        InputError: if the database has no such run.
        StorageError: if it cannot be read.
    """
    run = await _find_run(database, run_id)
    metrics = await reader.metrics(database, run_id)
    slots = await _slot_figures(database, run_id, metrics)
    figures = [
        plots.prices_figure(slots, timezone),
        plots.flows_figure(slots, timezone),
        plots.sankey_figure(slots),
        plots.bills_figure(summary),
    ]
    charges = _charges(metrics)
    if charges:
        figures.insert(3, plots.batteries_figure(charges, timezone))
    depth = await _orders_of_busiest_day(database, run_id, slots, timezone)
    if depth:
        shown = max(depth, key=lambda slot_start: _traded(slots, slot_start))
        figures.insert(1, plots.depth_figure(depth, timezone, shown))
    about = {
        "run": run.id,
        "simulation": run.simulation,
        "seed": str(run.seed),
        "config": run.config_hash[:12],
        "trex_market": run.version,
    }
    page = await asyncio.to_thread(html_page, run.study, about, summary, figures)
    await asyncio.to_thread(path.write_text, page, encoding="utf-8")


async def _find_run(database: Database, run_id: str) -> RunRecord:
    for run in await reader.runs(database):
        if run.id == run_id:
            return run
    raise InputError(f"the database {database.name} has no run {run_id!r}")


async def _slot_figures(database: Database, run_id: str, metrics: list[MetricRecord]) -> list[SlotFigures]:
    energy: defaultdict[int, dict[str, int]] = defaultdict(dict)
    paid: dict[int, int] = {}
    for total in await totals_by_slot(database, run_id):
        energy[total.slot_start][total.kind] = total.quantity
        if total.kind == "delivery":
            paid[total.slot_start] = total.paid
    grid: defaultdict[int, dict[str, float | None]] = defaultdict(dict)
    for metric in metrics:
        if metric.participant_id == GRID:
            grid[metric.time][metric.name] = metric.value
    return [
        SlotFigures(
            slot_start,
            energy[slot_start],
            paid[slot_start] / energy[slot_start]["delivery"] / MICRO if slot_start in paid else None,
            grid[slot_start].get("sell_price"),
            grid[slot_start].get("buy_price"),
        )
        for slot_start in sorted(energy.keys() | grid.keys())
    ]


def _charges(metrics: list[MetricRecord]) -> dict[str, list[tuple[int, float]]]:
    charges: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    for metric in metrics:
        if metric.name == CHARGE and metric.value is not None:
            charges[metric.participant_id].append((metric.time, metric.value))
    return dict(charges)


def _traded(slots: list[SlotFigures], slot_start: int) -> int:
    return next((slot.energy.get("delivery", 0) for slot in slots if slot.slot_start == slot_start), 0)


async def _orders_of_busiest_day(
    database: Database, run_id: str, slots: list[SlotFigures], timezone: str
) -> dict[int, list[OrderRecord]]:
    """Return the standing orders of each slot of the local day on which most was traded."""
    if not slots:
        return {}
    zone = ZoneInfo(timezone)
    traded: defaultdict[str, int] = defaultdict(int)
    days = {slot.slot_start: f"{datetime.fromtimestamp(slot.slot_start, zone):%Y%m%d}" for slot in slots}
    for slot in slots:
        traded[days[slot.slot_start]] += slot.energy.get("delivery", 0)
    busiest = max(traded, key=lambda day: traded[day])
    depth: dict[int, list[OrderRecord]] = {}
    for slot_start, day in days.items():
        if day == busiest:
            orders = await reader.orders(database, run_id, slot_start)
            standing = [order for order in orders if order.status in ("accepted", "replaced")]
            if standing:
                depth[slot_start] = standing
    return depth
