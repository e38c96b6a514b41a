"""Runs that were recorded to a report: one, or several side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from trex_market.analysis.report import RunReport, Wishes, make_report
from trex_market.analysis.runs import DatabaseRun
from trex_market.analysis.writing import write_reports
from trex_market.build import BASELINE
from trex_market.core.errors import InputError
from trex_market.run import DATABASE_FILE, RUN_FILE, RunFile
from trex_market.server.realtime import REALTIME
from trex_market.storage import reader
from trex_market.storage.address import FILE_ENDINGS, MARK_FILE, parse_address
from trex_market.storage.database import Database
from trex_market.storage.rows import RunRecord


class Chosen(msgspec.Struct, frozen=True):
    """Which episode of a run's is reported, and what of it.

    Args:
        simulation: its name; None for the last one with trade.
        episode: its number; None for the last one.
        kpis: names of KPIs; None for all.
        slots: times of slots whose orders are to be shown, too: UNIX seconds, or local dates and times.
    """

    simulation: str | None = None
    episode: int | None = None
    kpis: tuple[str, ...] | None = None
    slots: tuple[str, ...] = ()


class FoundRun(msgspec.Struct, frozen=True):
    """A run that was found, and its yardstick.

    Args:
        source: reads the run.
        baseline: reads the baseline simulation over the same time; None if there is none.
    """

    source: DatabaseRun
    baseline: DatabaseRun | None


async def report_runs(
    runs: Sequence[Path],
    database_url: str | None = None,
    out: Path | None = None,
    chosen: Chosen | None = None,
) -> tuple[list[RunReport], Path]:
    """Write the report of runs, side by side if there are several.

    Args:
        runs: their directories, or databases' files or folders of Parquet files.
        database_url: where they were recorded, if not in their directories.
        out: where the report goes; the directory of the run, of several `reports/` beside the first.
        chosen: which episode, and what of it.

    Returns:
        the reports, and the page.

    Raises:
        InputError: if one is no run, was not finished, recorded nothing to show, or is of another length.
        StorageError: if a database cannot be read.
    """
    chosen = chosen or Chosen()
    reports = []
    labels = _labels(runs)
    async with AsyncExitStack() as stack:
        for run, label in zip(runs, labels, strict=True):
            found = await find_run(stack, run, database_url, chosen)
            slots = tuple(_slot_time(text, found.source) for text in chosen.slots)
            if found.source.level == "none":
                raise InputError(f"{run}: its transactions were not recorded; run it with record: full")
            alone = found.source.record.study if len(runs) == 1 else label
            wishes = Wishes(chosen.kpis, slots)
            reports.append(await make_report(found.source, found.baseline, alone, wishes))
    title = reports[0].label if len(reports) == 1 else " / ".join(labels)
    return reports, await write_reports(reports, out or _usual_directory(runs), title)


def _labels(runs: Sequence[Path]) -> list[str]:
    """Name runs by their directories, with a number where two have one name."""
    names = [run.resolve().name for run in runs]
    seen: Counter[str] = Counter()
    labels = []
    for name in names:
        seen[name] += 1
        labels.append(name if names.count(name) == 1 else f"{name} ({seen[name]})")
    return labels


def _usual_directory(runs: Sequence[Path]) -> Path:
    first = runs[0] if runs[0].is_dir() else runs[0].parent
    return first if len(runs) == 1 else first / "side-by-side"


def _slot_time(text: str, source: DatabaseRun) -> int:
    if text.isdecimal():
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"--slot takes UNIX seconds or a date and time, such as 2016-07-18T12:00, found {text!r}"
        ) from None
    return int((time if time.tzinfo else time.replace(tzinfo=ZoneInfo(source.timezone))).timestamp())


# ---------------------------------------------------------------- finding


async def find_run(
    stack: AsyncExitStack, path: Path, database_url: str | None = None, chosen: Chosen | None = None
) -> FoundRun:
    """Find a recorded run.

    Args:
        stack: keeps its database open.
        path: its directory, or a database's file or folder of Parquet files.
        database_url: where it was recorded, if not there.
        chosen: which episode.

    Raises:
        InputError: if there is none, or it was not finished.
        StorageError: if the database cannot be read.
    """
    chosen = chosen or Chosen()
    run_file, url = _look_at(path, database_url)
    database = await stack.enter_async_context(await Database.open(url))
    records = await reader.runs(database)
    if run_file is not None:
        by_id = {record.id: record for record in records}
        records = [by_id[run_id] for run_id in run_file.run_ids if run_id in by_id]
    timezone = "UTC" if run_file is None else run_file.timezone
    source = await DatabaseRun.open(database, _choose(path, records, chosen), timezone)
    baseline = None
    if source.record.simulation != BASELINE:
        baseline = await _baseline(database, records, source, timezone)
    return FoundRun(source, baseline)


def _look_at(path: Path, database_url: str | None) -> tuple[RunFile | None, str]:
    """Return what a path says of its runs, and the URL of their database."""
    if path.suffix in FILE_ENDINGS and path.is_file():
        return None, f"sqlite:///{path}"
    if (path / MARK_FILE).is_file() and not (path / RUN_FILE).exists():
        return None, f"parquet:///{path}"
    file, database = path / RUN_FILE, path / DATABASE_FILE
    run_file = None
    try:
        run_file = msgspec.json.decode(file.read_bytes(), type=RunFile)
    except OSError as error:
        if not database.is_file():
            raise InputError(
                f"{path}: is not the directory of a run that has ended: no {RUN_FILE}, nor a {DATABASE_FILE}"
            ) from error
    except msgspec.DecodeError as error:
        raise InputError(f"{file}: {error}") from error
    if database_url is None and not database.is_file():
        database_url = None if run_file is None else run_file.database
        if database_url is None:
            raise InputError(f"{path}: has no {DATABASE_FILE}; name the run's database with --database")
        place = parse_address(database_url)
        if not Path(place.name).exists():
            raise InputError(
                f"{path}: was recorded to {place.name}, which is not there; name it with --database"
            )
    return run_file, database_url or f"sqlite:///{database}"


def _choose(path: Path, records: Sequence[RunRecord], chosen: Chosen) -> RunRecord:
    """Return the run that is meant; it must have been finished, unless it is on the wall clock."""
    fitting = [
        record
        for record in records
        if chosen.simulation in (None, record.simulation) and chosen.episode in (None, record.episode)
    ]
    if not fitting:
        there = ", ".join(f"{record.simulation} {record.episode}" for record in records) or "none"
        raise InputError(
            f"{path}: none of its {len(records)} runs was finished and is what is asked for; there are: {there}"
        )
    traded = [record for record in fitting if record.simulation != BASELINE]
    record = (traded or fitting)[-1]
    if record.status != "finished" and record.simulation != REALTIME:
        done = [f"{one.simulation} {one.episode}" for one in records if one.status == "finished"]
        hint = f"; finished are: {', '.join(done)} (--simulation, --episode)" if done else ""
        raise InputError(f"{path}: its run {record.id} was not finished: it is marked {record.status}{hint}")
    return record


async def _baseline(
    database: Database, records: Sequence[RunRecord], source: DatabaseRun, timezone: str
) -> DatabaseRun | None:
    """Return the finished baseline that begins when a run does."""
    for record in records:
        if record.simulation == BASELINE and record.status == "finished":
            baseline = await DatabaseRun.open(database, record, timezone)
            if baseline.first == source.first and baseline.level == source.level:
                return baseline
    return None
