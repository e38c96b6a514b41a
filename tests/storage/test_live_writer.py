"""A market on the wall clock is recorded once and in order, whatever the database does, and never waits for it."""

from __future__ import annotations

import asyncio
import gc
import resource
import sqlite3
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from trex_market.core.errors import InputError, StorageError
from trex_market.core.messages import (
    Delivered,
    Event,
    MeterAccepted,
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
)
from trex_market.storage import database as database_module
from trex_market.storage import live_writer as module
from trex_market.storage import reader
from trex_market.storage.database import Database
from trex_market.storage.live_writer import LiveWriter
from trex_market.storage.writer import Writer

from .helpers import RUN, T0, a_reading, a_transaction, an_order, everything, market_events
from .postgres import PostgresServer, crash, frozen, start_again


class Operator:
    """Hears what is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, sentence: str) -> None:
        self.told.append(sentence)
        self._news.set()

    async def hears(self, part: str) -> None:
        """Wait until something is told."""
        async with asyncio.timeout(60):
            while not any(part in sentence for sentence in self.told):
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def live(address: str, tmp_path: Path, operator: Operator) -> AsyncIterator[LiveWriter]:
    """A writer, open, with a file for rows that wait."""
    writer = LiveWriter(address, RUN, tmp_path / "unwritten.rows", operator)
    await writer.open()
    try:
        yield writer
    finally:
        await writer.close()


async def written(writer: LiveWriter) -> None:
    """Wait until all that was heard is in the database."""
    async with asyncio.timeout(60):
        await writer._idle.wait()
    assert writer.pending == 0


async def crashed(writer: LiveWriter) -> None:
    """Forget all that is in memory, as after kill -9."""
    assert writer._task is not None
    writer._task.cancel()
    await asyncio.gather(writer._task, return_exceptions=True)
    assert writer._backlog._file is not None
    writer._backlog._file.close()
    if writer._database is not None:
        await writer._database.close()


def deliveries(first: int, last: int) -> list[Event]:
    return [Delivered(T0, tuple(a_transaction(number) for number in range(first, last)), ())]


async def recorded(address: str) -> list[str]:
    """The ids of the transactions in the database."""
    async with await Database.open(address) as database:
        return [row.id for row in await reader.transactions(database, RUN.id)]


def ids(count: int) -> list[str]:
    return [a_transaction(number).id for number in range(count)]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small frames, and no long waiting for locks."""
    monkeypatch.setattr(module, "FRAME_ROWS", 100)
    monkeypatch.setattr(module, "RETRY_LAST", 0.1)
    monkeypatch.setattr(database_module, "LOCK_TIMEOUT", 0.01)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Let another program write to an SQLite file, and not end."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def locked_if_free(file: Path) -> Iterator[None]:
    """Likewise, unless the file is being written."""
    with closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as other:
        with suppress(sqlite3.OperationalError):
            other.execute("BEGIN IMMEDIATE")
        yield


async def test_it_writes_what_the_other_writer_writes(address: str, tmp_path: Path) -> None:
    events = market_events()
    async with live(address, tmp_path, Operator()) as writer:
        for event in events:
            writer.hear([event])
            await writer.keep_up()
        await written(writer)
        assert writer.trouble is None
    async with await Database.open(address) as database:
        rows = await everything(database)
        (run,) = await reader.runs(database)
    assert run.status == "interrupted"
    async with await Database.open(str(tmp_path / "other.db")) as database:
        other = Writer(database, RUN.id, RUN.market_id)
        other.hear(events)
        await other.close()
        expected = await everything(database)
    assert {**rows, "runs": []} == expected
    assert not (tmp_path / "unwritten.rows").exists()


async def test_rows_are_there_at_once_and_not_when_there_are_many(address: str, tmp_path: Path) -> None:
    async with live(address, tmp_path, Operator()) as writer:
        for number in range(3):
            writer.hear(deliveries(number, number + 1))
            await written(writer)
            assert await recorded(address) == ids(number + 1)


@pytest.mark.usefixtures("quick")
async def test_the_market_goes_on_while_the_file_is_locked(tmp_path: Path) -> None:
    file, operator = tmp_path / "market.db", Operator()
    async with live(str(file), tmp_path, operator) as writer:
        with locked(file):
            for number in range(0, 5000, 50):
                writer.hear(deliveries(number, number + 50))
                await writer.keep_up()
            await operator.hears("rows wait, and it is tried again")
            assert writer.trouble is not None
            assert "locked" in writer.trouble
            assert writer.pending == 5000
            assert writer._waiting <= 100
            assert writer.on_disk >= 4900
        await written(writer)
        assert writer.trouble is None
        assert (tmp_path / "unwritten.rows").stat().st_size == 0
        assert await recorded(str(file)) == ids(5000)
    began, ended = operator.told
    assert "market.db cannot be used at the moment: database is locked; rows wait" in began
    assert "the database takes rows again" in ended


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("seed", range(4))
async def test_rows_come_once_and_in_order_through_many_short_outages(tmp_path: Path, seed: int) -> None:
    dice, file, operator = Random(seed), tmp_path / "market.db", Operator()
    expected: dict[str, tuple[str, int]] = {}
    number = 0
    async with live(str(file), tmp_path, operator) as writer:
        for _ in range(60):
            with locked_if_free(file) if dice.random() < 0.6 else nullcontext():
                for _ in range(dice.randrange(1, 6)):
                    events: list[Event] = []
                    for _ in range(dice.randrange(1, 120)):
                        number += 1
                        events.append(OrderAccepted(an_order(number)))
                        old = dice.randrange(max(1, number - 150), number + 1)
                        replaced = an_order(old, quantity=number)
                        events.append(OrderReplaced(replaced))
                        expected[f"house-1-{number}"] = ("accepted", 500)
                        expected[replaced.order_id] = ("replaced", number)
                    writer.hear(events)
                    await writer.keep_up()
                    if dice.random() < 0.1:
                        await writer.flush()
                    if dice.random() < 0.5:
                        await asyncio.sleep(dice.random() / 50)
        await written(writer)
    begins, ends = operator.told[0::2], operator.told[1::2]
    assert begins
    assert all("rows wait, and it is tried again" in sentence for sentence in begins)
    assert all("the database takes rows again" in sentence for sentence in ends)
    async with await Database.open(str(file)) as database:
        rows = await reader.orders(database, RUN.id)
    assert {row.id: (row.status, row.quantity) for row in rows} == expected
    assert len(rows) == number


@pytest.mark.usefixtures("quick")
async def test_of_rows_with_one_key_the_last_counts_wherever_they_waited(tmp_path: Path) -> None:
    file, operator = tmp_path / "market.db", Operator()
    async with live(str(file), tmp_path, operator) as writer:
        with locked(file):
            writer.hear([OrderAccepted(an_order(1)), MeterAccepted("house", a_reading(1))])
            await operator.hears("rows wait")  # these are on their way
            writer.hear(
                [OrderAccepted(an_order(2)), MeterAccepted("house", a_reading(2)), *deliveries(0, 200)]
            )
            await writer.keep_up()  # these on disk
            assert writer.on_disk == 204
            writer.hear([OrderCancelled(an_order(1)), MeterAccepted("house", a_reading(3))])
            await writer.flush()
            assert writer.on_disk == 206
            writer.hear(
                [OrderCancelled(an_order(2)), MeterAccepted("house", a_reading(4))]
            )  # and these in memory
        await written(writer)
    async with await Database.open(str(file)) as database:
        assert [row.status for row in await reader.orders(database, RUN.id)] == ["cancelled", "cancelled"]
        assert await reader.meter_readings(database, RUN.id) == [("house", a_reading(4))]


@pytest.mark.usefixtures("quick")
async def test_what_was_flushed_survives_a_crash(tmp_path: Path) -> None:
    file = tmp_path / "market.db"
    first = LiveWriter(str(file), RUN, tmp_path / "unwritten.rows", Operator())
    await first.open()
    with locked(file):
        first.hear([OrderAccepted(an_order(1)), *deliveries(0, 7)])
        await asyncio.sleep(0)
        first.hear([OrderAccepted(an_order(2)), *deliveries(7, 12)])
        state = first.state()
        await first.flush()
        first.hear(
            [OrderCancelled(an_order(1)), *deliveries(12, 20)]
        )  # after the snapshot: the journal has it
        await crashed(first)
    operator = Operator()
    second = LiveWriter(str(file), RUN, tmp_path / "unwritten.rows", operator)
    await second.open()
    second.resume(state)
    second.hear([OrderCancelled(an_order(1)), *deliveries(12, 20)])
    await second.close()
    assert operator.told == [f"14 rows of before wait in {tmp_path / 'unwritten.rows'}; they come first"]
    assert await recorded(str(file)) == ids(20)
    async with await Database.open(str(file)) as database:
        assert [row.status for row in await reader.orders(database, RUN.id)] == ["cancelled", "accepted"]


@pytest.mark.usefixtures("quick")
async def test_a_market_that_ends_while_the_database_is_away_loses_nothing(tmp_path: Path) -> None:
    file, operator = tmp_path / "market.db", Operator()
    with closing(sqlite3.connect(":memory:")):
        async with live(str(file), tmp_path, operator) as writer:
            lock = locked(file)
            lock.__enter__()
            writer.hear(deliveries(0, 30))
            await operator.hears("rows wait")
            writer.hear(deliveries(30, 40))
        assert (
            operator.told[-1]
            == f"40 rows wait in {tmp_path / 'unwritten.rows'} for the next start of this market"
        )
        lock.__exit__(None, None, None)
    assert await recorded(str(file)) == []
    async with live(str(file), tmp_path, Operator()) as writer:
        pass
    assert await recorded(str(file)) == ids(40)
    assert not (tmp_path / "unwritten.rows").exists()


@pytest.mark.usefixtures("quick")
async def test_a_database_may_be_away_as_the_market_starts(tmp_path: Path) -> None:
    file, operator = tmp_path / "market.db", Operator()
    await (await Database.open(str(file))).close()
    with locked(file):
        writer = LiveWriter(str(file), RUN, tmp_path / "unwritten.rows", operator)
        await writer.open()
        assert writer.trouble is not None
        writer.hear(deliveries(0, 300))
        await writer.keep_up()
        assert writer.on_disk == 300
    await written(writer)
    await writer.close()
    assert await recorded(str(file)) == ids(300)
    assert "rows wait" in operator.told[0]
    assert "takes rows again" in operator.told[1]


async def test_a_mistake_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("Not a database at all. " * 100, encoding="utf-8")
    for address, kind in (("market", InputError), (str(tmp_path / "notes.db"), StorageError)):
        writer = LiveWriter(address, RUN, tmp_path / "unwritten.rows", Operator())
        with pytest.raises(kind):
            await writer.open()
        await writer.close()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="folder cannot be used"):
        LiveWriter("market.db", RUN, tmp_path / "folder", Operator())


@pytest.mark.usefixtures("quick")
async def test_what_is_refused_can_be_mended_while_the_market_runs(address: str, tmp_path: Path) -> None:
    operator = Operator()
    async with live(address, tmp_path, operator) as writer, await Database.open(address) as other:

        async def rename(before: str, after: str) -> None:
            async with other._engine.begin() as connection:
                await connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))

        await rename("transactions", "hidden")
        writer.hear(deliveries(0, 20))
        await operator.hears("refused")
        writer.hear(deliveries(20, 30))
        await writer.keep_up()
        await rename("hidden", "transactions")
        await written(writer)
    assert await recorded(address) == ids(30)


async def test_a_fault_of_a_listener_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "LOCK_TIMEOUT", 0.01)
    file = tmp_path / "market.db"
    told: list[str] = []

    def faulty(sentence: str) -> None:
        told.append(sentence)
        if len(told) == 1:
            raise ZeroDivisionError

    writer = LiveWriter(str(file), RUN, tmp_path / "unwritten.rows", faulty)
    await writer.open()
    assert writer._task is not None
    with locked(file):
        writer.hear(deliveries(0, 5))
        await asyncio.wait([writer._task], timeout=30)
        with pytest.raises(ZeroDivisionError):
            await writer.keep_up()
    with pytest.raises(ZeroDivisionError):
        await writer.close()
    assert "5 rows wait in" in told[1]


async def test_a_run_that_the_database_does_not_know_is_told(tmp_path: Path) -> None:
    operator = Operator()
    async with live(str(tmp_path / "first.db"), tmp_path, operator) as writer:
        state = writer.state()
        assert operator.told == []
    async with live(str(tmp_path / "first.db"), tmp_path, operator) as writer:
        writer.resume(state)
        assert operator.told == []
    async with live(str(tmp_path / "second.db"), tmp_path, operator) as writer:
        writer.resume(state)
    assert [f"had nothing of run {RUN.id}" in sentence for sentence in operator.told] == [True]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("left_behind", [False, True])
async def test_likewise_if_the_database_was_away_at_the_start(tmp_path: Path, left_behind: bool) -> None:
    file, operator = tmp_path / "market.db", Operator()
    await (await Database.open(str(file))).close()
    state = LiveWriter("market.db", RUN, tmp_path / "other.rows", operator).state()
    with locked(file):
        async with live(str(file), tmp_path, Operator()) as writer:
            writer.hear(deliveries(0, 5 * left_behind))
        writer = LiveWriter(str(file), RUN, tmp_path / "unwritten.rows", operator)
        await writer.open()
        writer.resume(state)
    await operator.hears("takes rows again")
    await writer.close()
    missing = [sentence for sentence in operator.told if "had nothing of run" in sentence]
    assert len(missing) == (not left_behind)  # what was left behind is the past


@pytest.mark.usefixtures("quick")
async def test_much_that_is_heard_at_once_is_inserted_in_parts(tmp_path: Path) -> None:
    file, operator = tmp_path / "market.db", Operator()
    async with live(str(file), tmp_path, operator) as writer:
        with locked(file):
            writer.hear([*deliveries(0, 1050), *(OrderAccepted(an_order(number)) for number in range(70))])
            await operator.hears("rows wait")
            assert writer.on_disk == writer.pending == 1120
            assert sum(len(batch.rows) for batch in writer._head) <= 100
        await written(writer)
    assert await recorded(str(file)) == ids(1050)


@contextmanager
def files_of(size: int) -> Iterator[None]:
    """Let no file be longer, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("quick")
async def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, operator = tmp_path / "market.db", Operator()
    async with live(str(file), tmp_path, operator) as writer:
        with files_of(300_000):
            for number in range(0, 5000, 200):
                writer.hear(deliveries(number, number + 200))
                await writer.keep_up()
            await operator.hears("rows wait")
            assert writer._waiting > 100, "they do not fit on the disk either"
            monkeypatch.setattr(module, "LAST_RESORT_ROWS", 100)
            with pytest.raises(StorageError, match=r"neither the database nor .*unwritten\.rows takes rows"):
                await writer.keep_up()
            with pytest.raises(StorageError, match="cannot be written"):
                await writer.flush()
        await written(writer)
    assert await recorded(str(file)) == ids(5000)


@pytest.mark.slow
async def test_memory_stays_flat_however_long_the_database_is_away(tmp_path: Path) -> None:
    file, operator = tmp_path / "market.db", Operator()
    total, part = 1_000_000, 2_000
    async with live(str(file), tmp_path, operator) as writer:
        with locked(file):
            tracemalloc.start()
            highest = []
            for number in range(0, total, part):
                writer.hear(deliveries(number, number + part))
                await writer.keep_up()
                if (number + part) % 100_000 == 0:
                    gc.collect()
                    highest.append(tracemalloc.get_traced_memory()[1])
                    tracemalloc.reset_peak()
            tracemalloc.stop()
            assert writer.pending == total
        assert max(highest[1:]) < highest[0] * 1.2
        assert max(highest) < 40_000_000
        async with asyncio.timeout(120):
            await writer._idle.wait()
    async with await Database.open(str(file)) as database:
        (row,) = await database.fetch(
            text("SELECT count(*), count(DISTINCT id), sum(quantity) FROM transactions")
        )
    assert tuple(row) == (total, total, total * 500)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["stopped", "crashed", "frozen"])
async def test_a_server_that_goes_and_comes_back_loses_nothing(
    server: PostgresServer, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(module, "FRAME_ROWS", 1000)
    monkeypatch.setattr(module, "RETRY_LAST", 0.5)
    monkeypatch.setattr(database_module, "COMMAND_TIMEOUT", 2.0)
    operator = Operator()
    async with live(postgres, tmp_path, operator) as writer:
        writer.hear([OrderAccepted(an_order(1)), *deliveries(0, 5000)])
        await writer.keep_up()
        if ending == "frozen":
            with frozen(server):
                await on_and_on(writer, operator)
        else:
            await asyncio.to_thread(crash if ending == "crashed" else PostgresServer.stop, server)
            try:
                await on_and_on(writer, operator)
            finally:
                await asyncio.to_thread(start_again, server)
        await written(writer)
        assert writer.trouble is None
    monkeypatch.undo()  # all rows at once take a busy machine longer than an insert may
    async with await Database.open(postgres) as database:
        assert [row.id for row in await reader.transactions(database, RUN.id)] == ids(60_000)
        assert [row.status for row in await reader.orders(database, RUN.id)] == ["cancelled"]


async def on_and_on(writer: LiveWriter, operator: Operator) -> None:
    """Go on until the trouble was noticed, and a good while longer."""
    for number in range(5000, 30_000, 500):
        writer.hear(deliveries(number, number + 500))
        await writer.keep_up()
    await operator.hears("rows wait")
    writer.hear([OrderCancelled(an_order(1))])
    for number in range(30_000, 60_000, 500):
        writer.hear(deliveries(number, number + 500))
        await writer.keep_up()
    assert writer.on_disk > 50_000


@pytest.mark.slow
async def test_a_market_can_start_and_end_without_its_server(
    server: PostgresServer, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(server.stop)
    async with live(postgres, tmp_path, Operator()) as writer:
        assert writer.trouble is not None
        writer.hear(deliveries(0, 10))
    monkeypatch.setattr(module, "RETRY_LAST", 0.5)
    operator = Operator()
    async with live(postgres, tmp_path, operator) as writer:
        writer.hear(deliveries(10, 20))
        await asyncio.to_thread(start_again, server)
        await operator.hears("takes rows again")
        await written(writer)
    assert await recorded(postgres) == ids(20)


@pytest.mark.slow
async def test_a_frozen_server_does_not_hold_up_the_end(
    server: PostgresServer, postgres: str, tmp_path: Path
) -> None:
    operator = Operator()
    writer = LiveWriter(postgres, RUN, tmp_path / "unwritten.rows", operator)
    await writer.open()
    with frozen(server):
        writer.hear(deliveries(0, 10))
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await writer.close(patience=0.1)
    assert "10 rows wait in" in operator.told[-1]
    async with live(postgres, tmp_path, Operator()) as writer:
        await written(writer)
    assert await recorded(postgres) == ids(10)
