"""A market on the wall clock whose database is stopped, crashes, hangs or is locked, while homes trade over sockets.

Rounds go on, and in the end the database holds what a replay of the journal makes: nothing lost, nothing twice.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio
import socketio
from sqlalchemy import select

from tests.storage.postgres import PostgresServer, crash, execute, frozen, quick_server, start_again
from trex_market.core.messages import SubmitOrder
from trex_market.engine import Engine, replay
from trex_market.journal import read_commands
from trex_market.run import RunFile
from trex_market.storage import tables
from trex_market.storage.database import Database
from trex_market.storage.reader import runs
from trex_market.storage.writer import Writer

STEP = 2
CONFIG = """
study: {{name: live, start_datetime: "2016-01-18", time_step_size: {step}, days: 1}}
server: {{port: {port}, snapshot_lines: 500}}
market:
  id: live
  type: MicroTE3B
  mode: realtime
  meter_grace_s: 1
  reconciliation_window_s: 4
  grid: {{price: 0.08, fee_ratio: 2.75}}
participants:
  ann: {{trader: {{type: basic}}}}
  bob: {{trader: {{type: basic}}}}
"""
RECORDED = (tables.orders, tables.contracts, tables.meter_readings, tables.transactions)
_numbers = count(1)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of its own, for it is treated badly."""
    with quick_server() as server:
        yield server


@pytest_asyncio.fixture
async def postgres(server: PostgresServer) -> str:
    """The address of an empty database."""
    name = f"market_{next(_numbers)}"
    await execute(server, f"CREATE DATABASE {name}")
    return server.get_uri(database=name)


class Home:
    """Trades and reports as fast as it is answered, and remembers what was acknowledged and which rounds it heard of."""

    def __init__(self, name: str, side: str, port: int) -> None:
        self.name, self.side = name, side
        self.url = f"http://127.0.0.1:{port}"
        self.acknowledged: list[str] = []
        self.rounds: list[int] = []
        self._round = asyncio.Event()

    async def trade(self) -> None:
        """Trade until the server is gone."""
        client = socketio.AsyncClient(reconnection=False)
        client.on("start_round", self._hear_round, namespace="/market")
        await client.connect(self.url, namespaces=["/market"], transports=["websocket"])
        try:
            joined = await client.call("join", {"participant_id": self.name}, namespace="/market", timeout=5)
            assert joined["ok"], joined
            while client.connected:
                await self._order(client)
        except (socketio.exceptions.SocketIOError, TimeoutError):
            return
        finally:
            await client.disconnect()

    async def hears_rounds(self, number: int) -> None:
        """Wait until so many more rounds have begun."""
        goal = len(self.rounds) + number
        async with asyncio.timeout((number + 3) * STEP + 20):
            while len(self.rounds) < goal:
                self._round.clear()
                await self._round.wait()

    def _hear_round(self, message: dict[str, Any]) -> None:
        self.rounds.append(message["current_round"][0])
        self._round.set()

    async def _order(self, client: socketio.AsyncClient) -> None:
        slot = (int(time.time()) // STEP + 4) * STEP
        data = {"quantity": 10, "price": 0.2, "time_delivery": [slot, slot + STEP], "source": "solar"}
        answer = await client.call(self.side, data, namespace="/market", timeout=10)
        if answer["ok"]:
            self.acknowledged.append(answer["order_id"])


class LiveStreet:
    """A market's process, and the homes that trade in it."""

    def __init__(self, folder: Path, port: int, url: str | None) -> None:
        self.out = folder / "run"
        self.url = url or f"sqlite:///{self.out / 'market.db'}"
        self._command = ["serve", str(folder / "live.yaml"), "--out", str(self.out)]
        if url is not None:
            self._command += ["--database", url]
        (folder / "live.yaml").write_text(CONFIG.format(step=STEP, port=port), encoding="utf-8")
        self.ann, self.bob = Home("ann", "ask", port), Home("bob", "bid", port)
        self.said = ""
        self._news = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the market and let the homes trade."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "trex_market",
            *self._command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": "", "COLUMNS": "500"},
        )
        assert self._process.stdout is not None
        listening = asyncio.Event()
        self._tasks = [asyncio.create_task(self._listen(self._process.stdout, listening))]
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                await listening.wait()
        assert "market live at" in self.said, self.said
        self._tasks += [asyncio.create_task(home.trade()) for home in (self.ann, self.bob)]

    async def _listen(self, stream: asyncio.StreamReader, listening: asyncio.Event) -> None:
        while line := await stream.readline():
            self.said += line.decode()
            if b"market live at" in line:
                listening.set()
            self._news.set()
        listening.set()

    async def end(self, how: signal.Signals) -> None:
        """End the market."""
        assert self._process is not None
        self._process.send_signal(how)
        async with asyncio.timeout(30):
            await self._process.wait()
            await asyncio.gather(*self._tasks)
        self._process = None

    async def hears(self, part: str) -> None:
        """Wait until the market says something."""
        async with asyncio.timeout(60):
            while part not in self.said:
                self._news.clear()
                await self._news.wait()

    def check_rounds(self) -> None:
        """Check that no round was missed by the homes."""
        for home in (self.ann, self.bob):
            assert home.rounds == list(range(home.rounds[0], home.rounds[-1] + 1, STEP))

    async def check_rows(self) -> None:
        """Check that the database holds what a replay of the journal makes, and all that was acknowledged."""
        journal = self.out / "journal.jsonl"
        (run_id,) = msgspec.json.decode((self.out / "run.json").read_bytes(), type=RunFile).run_ids
        engine = Engine()
        outbox = engine.listen()
        for _ in replay(journal, engine):
            pass
        async with await Database.open(f"sqlite:///{self.out / 'expected.db'}") as database:
            writer = Writer(database, run_id, "live")
            writer.hear(outbox.take())
            await writer.close()
            expected = await _rows(database, run_id)
        async with await Database.open(self.url) as database:
            assert await _rows(database, run_id) == expected
            assert [run.id for run in await runs(database)].count(run_id) == 1
        assert all(expected[table.name] for table in RECORDED if table is not tables.meter_readings)
        kept = Counter(
            command.order_id for _, command in read_commands(journal) if isinstance(command, SubmitOrder)
        )
        acknowledged = [*self.ann.acknowledged, *self.bob.acknowledged]
        assert len(acknowledged) > 100
        assert [order_id for order_id in acknowledged if kept[order_id] != 1] == []


async def _rows(database: Database, run_id: str) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table.name: [
            tuple(row)
            for row in await database.fetch(
                select(table).where(table.c.run_id == run_id).order_by(*table.primary_key)
            )
        ]
        for table in RECORDED
    }


@asynccontextmanager
async def stopped(server: PostgresServer) -> AsyncIterator[None]:
    await asyncio.to_thread(server.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(start_again, server)


@asynccontextmanager
async def crashed(server: PostgresServer) -> AsyncIterator[None]:
    await asyncio.to_thread(crash, server)
    try:
        yield
    finally:
        await asyncio.to_thread(start_again, server)


@asynccontextmanager
async def hanging(server: PostgresServer) -> AsyncIterator[None]:
    with frozen(server):
        yield


@asynccontextmanager
async def tables_locked(url: str) -> AsyncIterator[None]:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE orders, transactions IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def file_locked(file: Path) -> AsyncIterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.fixture(params=["stopped", "crashed", "hanging", "tables locked", "file locked"])
def outage(
    request: pytest.FixtureRequest, tmp_path: Path, unused_tcp_port: int
) -> tuple[LiveStreet, Callable[[], AbstractAsyncContextManager[None]]]:
    """A market, and what befalls its database."""
    if request.param == "file locked":
        return LiveStreet(tmp_path, unused_tcp_port, None), lambda: file_locked(
            tmp_path / "run" / "market.db"
        )
    server, url = request.getfixturevalue("server"), request.getfixturevalue("postgres")
    befalls = {
        "stopped": lambda: stopped(server),
        "crashed": lambda: crashed(server),
        "hanging": lambda: hanging(server),
        "tables locked": lambda: tables_locked(url),
    }
    return LiveStreet(tmp_path, unused_tcp_port, url), befalls[request.param]


async def test_the_market_goes_on_and_nothing_is_lost(
    outage: tuple[LiveStreet, Callable[[], AbstractAsyncContextManager[None]]],
) -> None:
    street, befalls = outage
    await street.start()
    await street.ann.hears_rounds(2)
    async with befalls():
        await street.ann.hears_rounds(4)
    await street.ann.hears_rounds(4)
    await street.end(signal.SIGINT)
    street.check_rounds()
    if "rows wait in" in street.said:  # the database came back too late for this end
        await street.start()
        await street.end(signal.SIGINT)
    await street.check_rows()


async def test_a_market_that_is_killed_while_its_database_is_away_loses_nothing(
    server: PostgresServer, postgres: str, tmp_path: Path, unused_tcp_port: int
) -> None:
    street = LiveStreet(tmp_path, unused_tcp_port, postgres)
    await street.start()
    await street.ann.hears_rounds(3)
    async with stopped(server):
        await street.hears("rows wait, and it is tried again")
        await street.ann.hears_rounds(3)
        while not (street.out / "unwritten.rows").stat().st_size:
            await street.ann.hears_rounds(1)
        await street.end(signal.SIGKILL)
        await street.start()  # still away
        await street.ann.hears_rounds(3)
        await street.end(signal.SIGINT)
        assert re.search(r"\d+ rows wait in .*unwritten\.rows for the next start", street.said)
        await street.start()
        await street.ann.hears_rounds(2)
    await street.hears("the database takes rows again")
    await street.ann.hears_rounds(2)
    await street.end(signal.SIGINT)
    assert not (street.out / "unwritten.rows").exists()
    await street.check_rows()


async def test_a_market_starts_without_its_database(
    server: PostgresServer, postgres: str, tmp_path: Path, unused_tcp_port: int
) -> None:
    street = LiveStreet(tmp_path, unused_tcp_port, postgres)
    async with stopped(server):
        await street.start()
        await street.ann.hears_rounds(3)
        assert "cannot be used at the moment" in street.said
    await street.hears("the database takes rows again")
    await street.ann.hears_rounds(5)
    await street.end(signal.SIGINT)
    street.check_rounds()
    await street.check_rows()


async def test_two_markets_of_one_name_share_a_database(
    postgres: str, tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    streets = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        streets.append(LiveStreet(tmp_path / name, unused_tcp_port_factory(), postgres))
    for street in streets:
        await street.start()
    for street in streets:
        await street.ann.hears_rounds(8)
        await street.end(signal.SIGINT)
    async with await Database.open(postgres) as database:
        assert len(await runs(database)) == 2
    for street in streets:
        await street.check_rows()
