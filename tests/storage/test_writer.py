"""Events become rows, once each, whatever the database does."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from trex_market.core.errors import InputError, RefusalCode, StorageError
from trex_market.core.messages import (
    Contracted,
    Delivered,
    Event,
    MarketOpened,
    MeterAccepted,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OrderReplaced,
    RoundStarted,
)
from trex_market.storage import database as database_module
from trex_market.storage import reader, tables
from trex_market.storage import writer as writer_module
from trex_market.storage.bulk import Batch
from trex_market.storage.database import Database
from trex_market.storage.rows import transaction_rows
from trex_market.storage.writer import Writer

from .helpers import STEP, T0, a_reading, a_transaction, an_order, everything, market_events
from .postgres import PostgresServer, start_again


def deliveries(first: int, last: int) -> list[Event]:
    """Deliveries with the transactions of these numbers."""
    return [Delivered(T0, tuple(a_transaction(number) for number in range(first, last)), ())]


async def written(database: Database) -> list[str]:
    """The ids of the transactions in the database."""
    return [row.id for row in await reader.transactions(database, "run")]


def ids(count: int) -> list[str]:
    """The ids of the first transactions."""
    return [a_transaction(number).id for number in range(count)]


async def test_what_a_market_said_comes_back_exactly(database: Database) -> None:
    events = market_events()
    writer = Writer(database, "run", "street-market")
    for event in events:
        writer.hear([event])
    await writer.close()
    assert writer.pending == 0
    contracts = [c for event in events if isinstance(event, Contracted) for c in event.contracts]
    transactions = [t for event in events if isinstance(event, Delivered) for t in event.transactions]
    assert len(contracts) > 20
    assert {row.estimated for row in transactions} == {False, True}
    assert await reader.contracts(database, "run") == contracts
    assert await reader.transactions(database, "run") == transactions
    readings = {
        (event.participant_id, event.meter.slot_start): event.meter
        for event in events
        if isinstance(event, MeterAccepted)
    }
    expected = [(name, meter) for (name, _), meter in sorted(readings.items())]
    assert await reader.meter_readings(database, "run") == expected


async def test_every_submitted_order_has_a_row(database: Database) -> None:
    events = market_events()
    writer = Writer(database, "run", "street-market")
    writer.hear(events)
    await writer.close()
    submitted = [event for event in events if isinstance(event, OrderAccepted | OrderRejected)]
    rows = await reader.orders(database, "run")
    assert [row.sequence for row in rows] == list(range(1, len(submitted) + 1))
    assert {row.status for row in rows} == {"accepted", "rejected"}
    for row, event in zip(rows, submitted, strict=True):
        if isinstance(event, OrderRejected):
            assert (row.id, row.participant_id, row.code) == (
                event.order_id,
                event.participant_id,
                event.code,
            )
        else:
            order = event.order
            assert (row.id, row.quantity, row.price) == (order.order_id, order.quantity, order.price)
            assert (row.slot_start, row.slot_end) == (order.slot_start, order.slot_start + STEP)
    slot = T0 + 4 * STEP
    of_slot = await reader.orders(database, "run", slot)
    assert of_slot == [row for row in rows if row.slot_start == slot]


async def test_a_row_of_every_column_comes_back(database: Database) -> None:
    row = msgspec.structs.replace(
        a_transaction(1),
        kind="flexibility",
        contract_id="c1",
        fee_ask=1,
        fee_bid=-2,
        amount=-(2**60),
        estimated=True,
        reverses="t0",
        energy_source="grün ☀ 'quoted' \\ \t",
    )
    writer = Writer(database, "run", "market")
    writer.hear([Delivered(T0, (row,), ())])
    await writer.close()
    assert await reader.transactions(database, "run") == [row]


async def test_the_same_events_again_change_nothing(database: Database) -> None:
    events = market_events()
    for _ in range(2):
        writer = Writer(database, "run", "street-market")
        writer.hear(events)
        writer.metric("house-1", T0, "reward", 1.5)
        await writer.close()
        first = await everything(database)
        assert all(first[name] for name in ("orders", "contracts", "transactions", "meter_readings"))
    assert await everything(database) == first
    assert len(first["metrics"]) == 1


async def test_a_batch_inserted_twice_is_there_once(database: Database) -> None:
    rows = [("run", f"house-{number}", T0, "reward", float(number)) for number in range(1234)]
    for _ in range(2):
        await database.insert([Batch(tables.metrics, rows, replace=True)])
    assert len(await reader.metrics(database, "run")) == 1234


async def test_of_a_batch_that_fails_nothing_is_kept(database: Database) -> None:
    good = Batch(tables.metrics, [("run", "house", T0, "reward", 1.0)])
    bad = Batch(tables.meter_readings, [("run", "house", T0, None, "{}", "{}")])
    with pytest.raises(StorageError, match="refused"):
        await database.insert([good, bad])
    assert await reader.metrics(database, "run") == []


@pytest.mark.parametrize("flushed", [False, True])
async def test_a_later_reading_replaces_the_earlier(database: Database, flushed: bool) -> None:
    writer = Writer(database, "run", "market")
    writer.hear([MeterAccepted("house", a_reading(1)), MeterAccepted("house", a_reading(5, T0 + STEP))])
    if flushed:
        await writer.flush()
    writer.hear([MeterAccepted("house", a_reading(2))])
    await writer.close()
    expected = [("house", a_reading(2)), ("house", a_reading(5, T0 + STEP))]
    assert await reader.meter_readings(database, "run") == expected


@pytest.mark.parametrize("flushed", [False, True])
async def test_an_order_has_its_last_status(database: Database, flushed: bool) -> None:
    writer = Writer(database, "run", "market")
    refusal = OrderRejected("house-1-1", "house-9", RefusalCode.MALFORMED, "the order id was used before")
    writer.hear([OrderAccepted(an_order(number)) for number in (1, 2, 3, 4)])
    if flushed:
        await writer.flush()
    writer.hear(
        [
            refusal,
            OrderReplaced(an_order(2, quantity=7, price=8)),
            OrderReplaced(an_order(3, quantity=9, price=10)),
            OrderCancelled(an_order(3, quantity=9, price=10)),
            OrderCancelled(an_order(4)),
            # After its cancellation an id may be used again, if the market allows it.
            OrderAccepted(an_order(4, quantity=11)),
        ]
    )
    await writer.close()
    rows = await reader.orders(database, "run")
    assert [(row.sequence, row.id, row.status, row.quantity, row.price) for row in rows] == [
        (1, "house-1-1", "accepted", 500, 123_400),
        (2, "house-1-2", "replaced", 7, 8),
        (3, "house-1-3", "cancelled", 9, 10),
        (4, "house-1-4", "cancelled", 500, 123_400),
        (5, "house-1-1", "rejected", None, None),
        (6, "house-1-4", "accepted", 11, 123_400),
    ]
    assert rows[4].code == "malformed"
    assert rows[4].participant_id == "house-9"


async def test_orders_whose_gate_is_closed_are_forgotten(database: Database) -> None:
    writer = Writer(database, "run", "market")
    writer.hear([OrderAccepted(an_order(number, slot_start=T0 + number * STEP)) for number in range(6)])
    writer.hear([RoundStarted(T0, STEP, T0 + 3 * STEP, T0 + 4 * STEP, 1, 1, 1, 1)])
    assert sorted(writer._open) == [T0 + 4 * STEP, T0 + 5 * STEP]
    await writer.close()


async def test_only_what_is_asked_for_is_recorded(database: Database) -> None:
    writer = Writer(database, "run", "market", record=("transactions",))
    writer.hear(market_events())
    writer.metric("house-1", T0, "reward", 1.0)
    await writer.close()
    filled = {name for name, rows in (await everything(database)).items() if rows}
    assert filled == {"transactions"}
    with pytest.raises(InputError, match="Did you mean 'orders'"):
        Writer(database, "run", "market", record=("order",))  # type: ignore[arg-type]


async def test_metrics_are_kept_and_what_is_no_number_is_none(database: Database) -> None:
    writer = Writer(database, "run", "market")
    writer.metric("house", T0, "reward", 1.0)
    writer.metric("house", T0, "reward", 2.0)
    writer.metric("house", T0, "price", math.nan)
    await writer.close()
    rows = await reader.metrics(database, "run")
    assert [(row.name, row.value) for row in rows] == [("price", None), ("reward", 2.0)]


async def test_rows_that_are_made_already_go_with_the_others(database: Database) -> None:
    writer = Writer(database, "run", "market", record=("transactions", "metrics"))
    writer.hear(deliveries(0, 2))
    for number in (2, 3):
        writer.keep("transactions", transaction_rows("run", [a_transaction(number)]))
    writer.keep("orders", [("run", 1)])  # which are not recorded
    assert writer.pending == 4
    await writer.close()
    assert await written(database) == ids(4)


@pytest.mark.parametrize("count", [1, 99, 1000, 2345])
async def test_any_number_of_rows_is_written(database: Database, count: int) -> None:
    writer = Writer(database, "run", "market")
    writer.hear(deliveries(0, count))
    assert writer.pending == count
    await writer.flush()
    assert await written(database) == ids(count)


async def test_the_database_is_kept_up_with_in_the_background(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "FLUSH_ROWS", 100)
    monkeypatch.setattr(writer_module, "BUSY_ROWS", 300)
    writer = Writer(database, "run", "market")
    writer.hear(deliveries(0, 99))
    await writer.keep_up()
    assert writer.pending == 99
    highest = 0
    for number in range(99, 2000, 40):
        writer.hear(deliveries(number, min(number + 40, 2000)))
        await writer.keep_up()
        highest = max(highest, writer.pending)
    assert highest <= 300
    await writer.drain(200)
    assert writer.pending <= 200
    await writer.close()
    assert await written(database) == ids(2000)


async def test_what_is_heard_while_it_flushes_is_not_lost(database: Database) -> None:
    writer = Writer(database, "run", "market")
    writer.hear(deliveries(0, 500))
    flushing = asyncio.create_task(writer.flush())
    await asyncio.sleep(0)
    writer.hear(deliveries(500, 600))
    await asyncio.gather(flushing, writer.flush())
    assert writer.pending == 0
    assert await written(database) == ids(600)


async def test_rows_wait_while_the_file_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "LOCK_TIMEOUT", 0.01)
    monkeypatch.setattr(writer_module, "FLUSH_ROWS", 100)
    monkeypatch.setattr(writer_module, "BUSY_ROWS", 200)
    told: list[str] = []
    file = tmp_path / "market.db"
    async with await Database.open(str(file)) as database:
        writer = Writer(database, "run", "market", on_trouble=told.append)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for number in range(0, 1000, 100):  # goes on far above BUSY_ROWS
                writer.hear(deliveries(number, number + 100))
                await writer.keep_up()
            assert writer.pending == 1000
            monkeypatch.setattr(writer_module, "HIGH_WATER", 900)
            waiting = asyncio.create_task(writer.keep_up())
            await asyncio.wait([waiting], timeout=0.5)
            assert not waiting.done()
            other.execute("ROLLBACK")
        await waiting
        await writer.close()
        assert await written(database) == ids(1000)
    (sentence,) = told
    assert "market.db cannot be used at the moment: database is locked" in sentence
    assert "rows wait, and it is tried again" in sentence


async def test_closing_says_what_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "LOCK_TIMEOUT", 0.01)
    file = tmp_path / "market.db"
    async with await Database.open(str(file)) as database:
        writer = Writer(database, "run", "market", on_trouble=lambda _sentence: None)
        writer.hear(deliveries(0, 7))
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageError, match=r"locked \(7 rows of run run are lost\)"):
                await writer.close(patience=0.2)
        await writer.close()  # until then they are still there
        assert await written(database) == ids(7)


async def test_a_mistake_is_not_tried_again(database: Database) -> None:
    told: list[str] = []
    writer = Writer(database, "run", "market", on_trouble=told.append)
    writer.hear([Delivered(T0, (msgspec.structs.replace(a_transaction(1), seller_id=None),), ())])
    with pytest.raises(StorageError, match="refused"):
        await writer.flush()
    assert told == []


@pytest.mark.slow
async def test_a_server_that_stops_and_starts_loses_nothing(
    server: PostgresServer, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "FLUSH_ROWS", 100)
    monkeypatch.setattr(writer_module, "BUSY_ROWS", 1000)
    told: list[str] = []
    in_trouble = asyncio.Event()

    def on_trouble(sentence: str) -> None:
        told.append(sentence)
        in_trouble.set()

    async with await Database.open(postgres) as database:
        writer = Writer(database, "run", "market", on_trouble=on_trouble)
        writer.hear([MarketOpened(market_events(rounds=0)[0].terms), OrderAccepted(an_order(1))])
        writer.hear(deliveries(0, 5000))
        await writer.flush()
        writer.hear(deliveries(5000, 60_000))
        flushing = asyncio.create_task(writer.flush())
        for _ in range(8):  # the COPY is under way
            await asyncio.sleep(0)
        server.stop()  # and this holds it up, so that it cannot end before
        await asyncio.wait_for(in_trouble.wait(), 30)
        writer.hear([OrderCancelled(an_order(1)), *deliveries(60_000, 62_000)])
        await writer.keep_up()
        assert writer.pending == 57_001
        await asyncio.to_thread(start_again, server)
        await flushing
        await writer.close()
        assert await written(database) == ids(62_000)
        assert [row.status for row in await reader.orders(database, "run")] == ["cancelled"]
    (sentence,) = told
    assert "cannot be used at the moment" in sentence
