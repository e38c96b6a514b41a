"""Reports to files: the page, and its twins in Markdown and JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from trex_market.analysis.page import report_page
from trex_market.analysis.report import RunReport, Wishes, check_comparable, make_report
from trex_market.analysis.runs import DatabaseRun
from trex_market.analysis.twins import as_json, as_markdown
from trex_market.core.errors import InputError
from trex_market.storage import reader
from trex_market.storage.database import Database
from trex_market.storage.rows import RunRecord

REPORT_STEM = "report"


async def write_run_report(
    database: Database, run_id: str, baseline_id: str | None, directory: Path, timezone: str
) -> Path:
    """Write the report of a run into its directory.

    Args:
        database: where the run was recorded.
        run_id: of the run.
        baseline_id: of the baseline simulation over the same time, if there was one.
        directory: where the files go.
        timezone: of the study.

    Returns:
        the page.

    Raises:
        InputError: if the database has no such run, or nothing of it was recorded.
        StorageError: if it cannot be read.
    """
    records = {record.id: record for record in await reader.runs(database)}
    source = await DatabaseRun.open(database, _known(records, run_id, database), timezone)
    baseline = None
    if baseline_id is not None:
        baseline = await DatabaseRun.open(database, _known(records, baseline_id, database), timezone)
    report = await make_report(source, baseline, source.record.study, Wishes())
    return await write_reports([report], directory, report.label)


def _known(records: dict[str, RunRecord], run_id: str, database: Database) -> RunRecord:
    if run_id not in records:
        raise InputError(f"the database {database.name} has no run {run_id!r}")
    return records[run_id]


async def write_reports(reports: Sequence[RunReport], directory: Path, title: str) -> Path:
    """Write reports side by side as `report.html`, `report.md` and `report.json`.

    Args:
        reports: of the runs.
        directory: where the files go; made if it is not there.
        title: of the page.

    Returns:
        the page.

    Raises:
        InputError: if the runs are of different lengths, or the directory cannot be made.
    """
    check_comparable(reports)

    def write() -> Path:
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{directory}: cannot be made: {error.strerror}") from error
        page = directory / f"{REPORT_STEM}.html"
        page.write_text(report_page(title, reports), encoding="utf-8")
        page.with_suffix(".md").write_text(as_markdown(title, reports), encoding="utf-8")
        page.with_suffix(".json").write_bytes(as_json(reports))
        return page

    return await asyncio.to_thread(write)
