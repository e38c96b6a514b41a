"""Rounds in one process: nothing recorded, and all recorded to SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time

from trex_market.benchmarks.figures import Figure
from trex_market.benchmarks.population import START, STEP, TERMS, homes
from trex_market.core.messages import Delivered, Event, Transaction
from trex_market.engine import Engine
from trex_market.participant import EpisodeStart, MarketInfo
from trex_market.recording import Recording
from trex_market.rounds import EpisodePlan
from trex_market.simulation.local import LocalDriver, LocalRounds
from trex_market.simulation.run import play_episode
from trex_market.storage.database import Database
from trex_market.storage.rows import RunRecord, transaction_rows

SIZES = ((20, 3_000), (200, 300), (2_000, 30))
"""Homes, and rounds."""


def rounds() -> list[Figure]:
    """Play rounds in one process, and make as many empty calls as there are commands."""
    return [_played(count, played) for count, played in SIZES]


def _played(count: int, played: int) -> Figure:
    made = homes(count, played + 4)
    for home in made.values():
        home.start_episode(EpisodeStart(0, "training", MarketInfo.of(TERMS)))
    driver = LocalRounds(Engine(), TERMS, made.values(), START, "solar")
    began = process_time()
    for number in range(played):
        driver.play(START + number * STEP)
    seconds = process_time() - began

    def nothing(_command: object) -> list[object]:
        return []

    began = process_time()
    for _ in range(played * (3 * count + 2)):
        nothing(None)
    bare = process_time() - began
    return Figure(
        "rounds",
        "in one process, strategy basic",
        count,
        played / seconds,
        "rounds/s",
        played / bare,
        "as many calls of an empty function",
        f"{1e6 * seconds / played / count:.1f} us a turn",
        seconds / played,
    )


class _Keeper:
    """Keeps transactions, to be inserted again with the bare driver."""

    def __init__(self) -> None:
        self.transactions: list[Transaction] = []

    def hear(self, events: Sequence[Event]) -> None:
        """Keep what was delivered."""
        for event in events:
            if isinstance(event, Delivered):
                self.transactions += event.transactions


def recording() -> list[Figure]:
    """Record all to SQLite, and insert the same transactions with the bare driver."""
    count, played = SIZES[0]
    with tempfile.TemporaryDirectory() as folder:
        quiet, _ = asyncio.run(_recorded(Path(folder) / "none.db", "none", played))
        seconds, transactions = asyncio.run(_recorded(Path(folder) / "full.db", "full", played))
        bare = _bare(Path(folder) / "bare.db", transactions)
    rows = len(transactions)
    return [
        Figure(
            "recording",
            "rounds, all recorded to SQLite",
            count,
            played / seconds,
            "rounds/s",
            played / quiet,
            "the same with nothing recorded",
        ),
        Figure(
            "recording",
            "rows of transactions",
            count,
            rows / (seconds - quiet),
            "rows/s",
            rows / bare,
            "executemany of these rows alone",
            "orders, contracts, readings and metrics are recorded in the same time",
        ),
    ]


async def _recorded(path: Path, level: str, played: int) -> tuple[float, list[Transaction]]:
    keeper = _Keeper()
    async with await Database.open(f"sqlite:///{path}") as database:
        record = RunRecord("bench", "bench", "training", "bench", 0, 1, "{}", "", "", 0)
        run_id = await database.start_run(record)
        plan = EpisodePlan("training", 0, START, played, STEP)
        driver = LocalDriver(TERMS, homes(SIZES[0][0], played + 4).values(), "solar")
        began = perf_counter()
        async with Recording(level, database, run_id, "bench", "UTC", _unheard) as recorder:  # type: ignore[arg-type]
            await play_episode(plan, driver, listeners=[keeper], recorder=recorder)
        return perf_counter() - began, keeper.transactions


def _unheard(_trouble: str) -> None:
    """A file of one's own is never away."""


def _bare(path: Path, transactions: list[Transaction]) -> float:
    rows = transaction_rows("bench", transactions)
    connection = sqlite3.connect(path)
    columns = ", ".join(f"c{place}" for place in range(len(rows[0])))
    connection.execute(f"create table t ({columns}, primary key (c0, c1)) without rowid")
    marks = ", ".join("?" * len(rows[0]))
    began = perf_counter()
    connection.executemany(f"insert into t values ({marks})", rows)  # noqa: S608 - our own text
    connection.commit()
    seconds = perf_counter() - began
    connection.close()
    return seconds
