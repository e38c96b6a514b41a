"""Rows slot by slot are the rows that the reader returns, on every database."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from tests.storage.helpers import RUN, T0, an_order, market_events
from trex_market.analysis.building import FrameBuilder
from trex_market.analysis.runs import DatabaseRun, read_run
from trex_market.analysis.terms import frame_terms
from trex_market.core.messages import Delivered, MeterAccepted, OrderAccepted, OrderCancelled, OrderReplaced
from trex_market.storage import daily, reader, streams
from trex_market.storage.database import Database
from trex_market.storage.writer import Writer
from trex_market.totals import Totals


async def recorded(database: Database) -> str:
    """Record a market, and return its run's id."""
    run_id = await database.start_run(RUN)
    writer = Writer(database, run_id, "street-market")
    writer.hear(market_events())
    await writer.close()
    return run_id


async def everything(groups: streams.Groups[Any]) -> dict[int, list[Any]]:
    return {start: records async for start, records in groups}


async def test_each_slot_has_its_rows(database: Database) -> None:
    run_id = await recorded(database)
    other = await recorded(database)
    assert other != run_id
    for stream, rows, slot_of in (
        (streams.transactions, await reader.transactions(database, run_id), "time_creation"),
        (streams.contracts, await reader.contracts(database, run_id), "slot_start"),
    ):
        expected: defaultdict[int, list[Any]] = defaultdict(list)
        for row in rows:
            expected[getattr(row, slot_of)].append(row)
        found = await everything(stream(database, run_id))
        assert found == expected
        assert list(found) == sorted(found)
    readings = await everything(streams.readings(database, run_id))
    assert sorted(
        (name, reading.slot_start) for records in readings.values() for name, reading in records
    ) == sorted((name, reading.slot_start) for name, reading in await reader.meter_readings(database, run_id))


async def test_orders_that_were_rejected_do_not_stand(database: Database) -> None:
    run_id = await recorded(database)
    records = await reader.orders(database, run_id)
    found = await everything(streams.standing_orders(database, run_id))
    standing = [record for record in records if record.status in ("accepted", "replaced")]
    assert 0 < len(standing) < len(records)
    orders = [order for start in found for order in found[start]]
    assert sorted(order.order_id for order in orders) == sorted(record.id for record in standing)
    assert await streams.count_orders(database, run_id) == len(standing)
    by_id = {record.id: record for record in standing}
    for order in orders:
        record = by_id[order.order_id]
        assert (order.price, order.quantity, order.side) == (record.price, record.quantity, record.side)
        assert (order.source, order.slot_start, order.time) == (record.source, record.slot_start, record.time)


async def test_a_replaced_order_stands_as_it_became_and_a_cancelled_one_does_not(database: Database) -> None:
    run_id = await database.start_run(RUN)
    writer = Writer(database, run_id, "street-market")
    writer.hear([OrderAccepted(an_order(1)), OrderAccepted(an_order(2))])
    writer.hear([OrderReplaced(an_order(1, quantity=7, price=99_000)), OrderCancelled(an_order(2))])
    await writer.close()
    found = await everything(streams.standing_orders(database, run_id))
    ((slot_start, (order,)),) = found.items()
    assert (slot_start, order.order_id, order.quantity, order.price) == (T0, "house-1-1", 7, 99_000)


async def test_rows_come_in_parts_without_a_gap(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = await recorded(database)
    whole = await everything(streams.transactions(database, run_id))
    monkeypatch.setattr("trex_market.storage.database.STREAM_ROWS", 3)
    assert await everything(streams.transactions(database, run_id)) == whole


async def test_a_run_is_read_as_it_was_played(database: Database) -> None:
    run_id = await recorded(database)
    events = market_events()
    totals = Totals()
    totals.hear(events)
    record = next(one for one in await reader.runs(database) if one.id == run_id)
    source = await DatabaseRun.open(database, record, "Europe/Berlin")
    delivered = [event.slot_start for event in events if isinstance(event, Delivered)]
    assert (source.level, source.first, source.timezone) == ("full", delivered[0], "Europe/Berlin")
    run = await read_run(source)
    assert run.totals is not None
    assert run.totals.state() == totals.state()
    assert run.totals.balance == 0
    assert run.frames.balance is not None
    assert set(run.frames.balance.money) == {0}
    assert set(run.frames.balance.overfilled) == {0}
    # What was contracted for slots after the last one is left out.
    assert run.frames.contracts is not None
    assert run.frames.contracts.start[-1] == delivered[-1]
    assert await source.bills() == {name: party.bill for name, party in totals.parties.items()}


async def test_readings_alone_make_slots_too(database: Database) -> None:
    run_id = await database.start_run(RUN)
    writer = Writer(database, run_id, "street-market", ("meter_readings",))
    writer.hear(market_events())
    await writer.close()
    record = (await reader.runs(database))[0]
    source = await DatabaseRun.open(database, record)
    readings = {event.meter.slot_start for event in market_events() if isinstance(event, MeterAccepted)}
    slots = [slot.start async for slot in source.slots()]
    assert slots == sorted(readings)


async def test_of_a_run_that_left_nothing_there_is_nothing(database: Database) -> None:
    run_id = await database.start_run(RUN)
    record = (await reader.runs(database))[0]
    source = await DatabaseRun.open(database, record)
    assert (source.level, source.first, await source.orders()) == ("none", None, 0)
    assert [slot async for slot in source.slots()] == []
    assert await streams.delivered(database, run_id) is None
    assert await streams.metric_names(database, run_id) == []


async def test_the_grids_prices_are_those_recorded_or_those_of_the_ledger(database: Database) -> None:
    run_id = await recorded(database)
    writer = Writer(database, run_id, "street-market")
    writer.metric("grid", T0, "sell_price", 0.05)
    writer.metric("grid", T0, "buy_price", 0.25)
    writer.metric("grid", T0 + 900, "sell_price", 0.05)
    await writer.close()
    record = (await reader.runs(database))[0]
    prices = [slot.prices async for slot in (await DatabaseRun.open(database, record)).slots()]
    assert prices[0] == (50_000, 250_000)
    assert prices[1] == (70_000, 105_000)  # feed_in and supply say it


# ---------------------------------------------------------------- days

DAY = 86_400


async def days(database: Database) -> DatabaseRun:
    """Record two days of two participants."""
    run_id = await database.start_run(RUN)
    writer = Writer(database, run_id, "street-market", ("metrics",))
    for day in (T0, T0 + DAY):
        for name, load, bill in (("a", 1000, 0.3), ("b", 500, -0.123456789)):
            writer.metric(name, day, "load", load)
            writer.metric(name, day, "supplied", load / 2)
            writer.metric(name, day, "bill", bill)
        writer.metric("a", day, "state_of_charge", 77.0)
    await writer.close()
    return await DatabaseRun.open(database, (await reader.runs(database))[0])


async def test_days_are_summed_by_participant_and_by_day(database: Database) -> None:
    source = await days(database)
    assert (source.level, source.first) == ("participant", T0)
    assert await source.bills() == {"a": 600_000_000, "b": -246_913_578}
    run = await read_run(source, {"a": 700_000_000})
    assert run.totals is None
    assert run.frames.parties.load == [2000, 1000]
    assert run.frames.parties.bill == [600_000_000, -246_913_578]
    assert run.frames.days is not None
    assert (run.frames.days.period, run.frames.days.supplied) == (DAY, [750, 750])
    assert run.frames.net_billing is not None
    assert run.frames.net_billing.other == [700_000_000, 0]
    assert run.frames.energy is None
    assert await daily.first_day(database, source.record.id) == T0


async def test_batteries_are_counted_though_few_are_read(database: Database) -> None:
    source = await days(database)
    assert await source.charges(5) == ({"a": [(T0, 77.0), (T0 + DAY, 77.0)]}, 1)
    assert await source.charges(0) == ({}, 1)


async def test_a_record_that_is_no_config_has_no_terms(database: Database) -> None:
    source = await days(database)
    assert source.opened is None
    assert frame_terms(source.opened).pools == "by_source"
    assert FrameBuilder(frame_terms(None)).frames().flat is None
