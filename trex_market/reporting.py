"""A run directory's figures and page, made anew from its database."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import msgspec

from trex_market.analysis.report import write_report
from trex_market.analysis.summary import Summary, summarise
from trex_market.build import BASELINE
from trex_market.core.errors import InputError
from trex_market.core.messages import Delivered, MeterAccepted
from trex_market.run import DATABASE_FILE, REPORT_FILE, RUN_FILE, RunFile
from trex_market.storage import reader
from trex_market.storage.database import Database
from trex_market.storage.rows import RunRecord
from trex_market.totals import Totals


async def report_directory(directory: Path, database_url: str | None = None) -> tuple[Summary, Path]:
    """Write the page of a run directory anew.

    Args:
        directory: of the run.
        database_url: where the run was recorded, if not in the directory.

    Returns:
        the figures of the last episode, and the page.

    Raises:
        InputError: if it is no run directory, or nothing was recorded to show.
        StorageError: if the database cannot be read.
    """
    run_file = _read_run_file(directory)
    if database_url is None:
        database_file = directory / DATABASE_FILE
        if not database_file.exists():
            raise InputError(f"{directory}: has no {DATABASE_FILE}; name the run's database with --database")
        database_url = f"sqlite+aiosqlite:///{database_file}"
    async with await Database.open(database_url) as database:
        records = {record.id: record for record in await reader.runs(database)}
        runs = [records[run_id] for run_id in run_file.run_ids if run_id in records]
        finished = [record for record in runs if record.status == "finished"]
        if not finished:
            raise InputError(
                f"{directory}: none of its {len(runs)} runs was finished; there is nothing to report"
            )
        last = next((record for record in reversed(finished) if record.simulation != BASELINE), finished[-1])
        totals, start = await _totals(database, last)
        if not totals.transactions:
            raise InputError(f"{directory}: its transactions were not recorded; run it with record: full")
        baseline = await _baseline(database, finished, start) if last.simulation != BASELINE else None
        summary = summarise(totals, baseline)
        page = directory / REPORT_FILE
        await write_report(database, last.id, summary, run_file.timezone, page)
        return summary, page


def _read_run_file(directory: Path) -> RunFile:
    path = directory / RUN_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunFile)
    except OSError as error:
        raise InputError(
            f"{directory}: is not the directory of a run that has ended: no {RUN_FILE}"
        ) from error
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: {error}") from error


async def _baseline(database: Database, runs: list[RunRecord], start: int) -> Totals | None:
    for record in runs:
        if record.simulation == BASELINE:
            totals, baseline_start = await _totals(database, record)
            if baseline_start == start:
                return totals
    return None


async def _totals(database: Database, record: RunRecord) -> tuple[Totals, int]:
    """Return a run's totals and the start of its first slot."""
    totals = Totals()
    for participant_id, meter in await reader.meter_readings(database, record.id):
        totals.hear([MeterAccepted(participant_id, meter)])
    rows = await reader.transactions(database, record.id)
    start = min((row.time_creation for row in rows), default=0)
    for slot_start, group in groupby(rows, key=lambda row: row.time_creation):
        slot = tuple(group)
        estimated = tuple({row.seller_id for row in slot if row.estimated})
        totals.hear([Delivered(slot_start, slot, estimated)])
    return totals, start
