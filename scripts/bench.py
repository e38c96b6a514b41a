"""Speed of the market in one process, each figure beside a bare limit measured in the same run.

clearing    one slot of order objects through `Market`, beside sorting the same prices
rounds      20 homes with the `basic` strategy, nothing recorded, beside the same calls of empty functions
acknowledgements  of orders on the wall clock, beside a bare python-socketio echo
sockets     10 to 200 homes over Socket.IO, beside a bare python-socketio loop of the same messages
recording   the same, all recorded to SQLite, beside a bare `executemany` of the same rows
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from bench_acknowledgements import bare_delays, market_delays, sync_delay
from bench_sockets import Tap, bare_rounds, market_rounds
from rich.console import Console
from rich.table import Table

from participants.home import Home
from participants.strategies.basic import Basic
from trex_market.core.market import Market
from trex_market.core.messages import (
    Delivered,
    GridTerms,
    Join,
    OpenMarket,
    StartRound,
    SubmitOrder,
)
from trex_market.engine import Engine
from trex_market.participant import EpisodeStart, MarketInfo
from trex_market.profiles import Profile
from trex_market.recording import Recording
from trex_market.rounds import EpisodePlan
from trex_market.simulation.local import LocalDriver, LocalRounds
from trex_market.simulation.run import play_episode
from trex_market.storage.database import Database
from trex_market.storage.rows import RunRecord, transaction_rows

STEP = 900
START = 1_468_792_800
HOMES = 20
ROUNDS = 3_000
TERMS = OpenMarket("bench", "MicroTE", 2, STEP, "Europe/Berlin", GridTerms(0.069, 1.1))
Row = tuple[str, str, str, str]


def homes(count: int = HOMES) -> dict[str, Home]:
    """Make homes with loads at random, every third with photovoltaics by day."""
    chance = random.Random(1)  # noqa: S311 - no secret
    made = {}
    for number in range(count):
        name = f"home_{number:03d}"
        load = [chance.randint(50, 800) for _ in range(ROUNDS)]
        sun = [max(0, 900 - 4 * (slot % 96 - 48) ** 2) for slot in range(ROUNDS)]
        home = Home(name, Basic(bid_price=0.14, ask_price=0.07))
        home.use(Profile(name, START, STEP, load, {} if number % 3 else {"solar": sun}))
        made[name] = home
    return made


def clearing() -> list[Row]:
    """Clear one slot of 10^4 and 10^5 orders."""
    rows = []
    for count in (10_000, 100_000):
        chance = random.Random(count)  # noqa: S311 - no secret
        market = Market()
        market.handle(TERMS)
        names = [f"p{number}" for number in range(400)]
        for name in names:
            market.handle(Join(name, START))
        slot = START + STEP
        orders = [
            SubmitOrder(
                f"o{number}",
                chance.choice(names),
                "bid" if number % 2 else "ask",
                chance.randint(1, 2_000),
                chance.randint(50_000, 300_000),
                "solar",
                slot,
                slot + STEP,
                START,
            )
            for number in range(count)
        ]
        began = perf_counter()
        for order in orders:
            market.handle(order)
        market.handle(StartRound(START, STEP))
        seconds = perf_counter() - began
        began = perf_counter()
        sorted(order.price for order in orders)
        bare = perf_counter() - began
        rows.append(
            (
                f"clearing {count:,} orders",
                f"{count / seconds:,.0f} orders/s",
                f"{count / bare:,.0f} sorted/s",
                "",
            )
        )
    return rows


def rounds() -> list[Row]:
    """Play rounds in-process, and as many empty calls as there are commands."""
    market = MarketInfo("bench", STEP, 2, "Europe/Berlin")
    made = homes()
    for home in made.values():
        home.start_episode(EpisodeStart(0, "training", market))
    driver = LocalRounds(Engine(), TERMS, made.values(), START, "solar")
    began = perf_counter()
    for number in range(ROUNDS):
        driver.play(START + number * STEP)
    seconds = perf_counter() - began

    def nothing(_command: object) -> list[object]:
        return []

    began = perf_counter()
    for _ in range(ROUNDS * (3 * HOMES + 2)):
        nothing(None)
    bare = perf_counter() - began
    return [
        (
            f"in-process, {HOMES} homes, record: none",
            f"{ROUNDS / seconds:,.0f} rounds/s",
            f"{ROUNDS / bare:,.0f}",
            "",
        )
    ]


def recording() -> list[Row]:
    """Play rounds recording all to SQLite, and insert the same transactions with a bare driver."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, transactions = asyncio.run(_recorded(Path(folder)))
        rows = transaction_rows("bench", transactions)
        connection = sqlite3.connect(Path(folder) / "bare.db")
        columns = ", ".join(f"c{place}" for place in range(len(rows[0])))
        connection.execute(f"create table t ({columns}, primary key (c0, c1)) without rowid")
        marks = ", ".join("?" * len(rows[0]))
        began = perf_counter()
        connection.executemany(f"insert into t values ({marks})", rows)  # noqa: S608 - our own text
        connection.commit()
        bare = perf_counter() - began
        connection.close()
    return [
        (
            f"in-process, {HOMES} homes, record: full",
            f"{ROUNDS / seconds:,.0f} rounds/s",
            f"{ROUNDS / bare:,.0f} rounds/s",
            f"{len(rows) / ROUNDS:.0f} transactions a round; bare: executemany of these alone",
        )
    ]


def sockets() -> list[Row]:
    """Play rounds over Socket.IO, server and clients in one process."""
    rows = []
    for count, played in ((10, 400), (20, 400), (50, 120), (200, 30)):
        tap = Tap()
        speed, joined = asyncio.run(market_rounds(TERMS, homes(count), START, played, tap))
        bare = asyncio.run(bare_rounds(count, played, tap))
        share = (
            f"{100 * speed / bare:.0f} %; {1e6 / speed / count:,.0f} us a turn; all joined in {joined:.1f} s"
        )
        rows.append((f"Socket.IO, {count} homes", f"{speed:,.0f} rounds/s", f"{bare:,.0f} rounds/s", share))
    return rows


def acknowledgements() -> list[Row]:
    """Wait for the acknowledgement of orders on the wall clock, which are in the journal before."""
    rows = []
    for count, orders in ((1, 400), (50, 40)):
        with tempfile.TemporaryDirectory() as folder:
            median, slow, speed = asyncio.run(market_delays(TERMS, Path(folder), count, orders))
            sync = sync_delay(Path(folder), 100)
        bare_median, bare_slow, bare_speed = asyncio.run(bare_delays(count, orders))
        rows.append(
            (
                f"acknowledgement, {count} at once",
                f"p50 {1e3 * median:.2f} ms, p99 {1e3 * slow:.2f} ms",
                f"p50 {1e3 * bare_median:.2f} ms, p99 {1e3 * bare_slow:.2f} ms",
                f"{speed:,.0f}/s, bare {bare_speed:,.0f}/s; a bare sync: {1e3 * sync:.2f} ms",
            )
        )
    return rows


class _Keeper:
    def __init__(self) -> None:
        self.transactions: list[object] = []

    def hear(self, events: list[object]) -> None:
        for event in events:
            if isinstance(event, Delivered):
                self.transactions += event.transactions


async def _recorded(folder: Path) -> tuple[float, list[object]]:
    keeper = _Keeper()
    async with await Database.open(f"sqlite:///{folder / 'bench.db'}") as database:
        record = RunRecord("bench", "bench", "training", "bench", 0, 1, "{}", "", "", 0)
        run_id = await database.start_run(record)
        began = perf_counter()
        async with Recording("full", database, run_id, "bench", "UTC", sys.stderr.write) as recorder:
            plan = EpisodePlan("training", 0, START, ROUNDS, STEP)
            driver = LocalDriver(TERMS, homes().values(), "solar")
            await play_episode(plan, driver, listeners=[keeper], recorder=recorder)
        return perf_counter() - began, keeper.transactions


BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "clearing": clearing,
    "rounds": rounds,
    "recording": recording,
    "sockets": sockets,
    "acknowledgements": acknowledgements,
}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    chosen = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        sys.stderr.write(f"no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}\n")
        raise SystemExit(2)
    table = Table("benchmark", "measured", "bare limit", "")
    for name in chosen:
        for row in BENCHMARKS[name]():
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
