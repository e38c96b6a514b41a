"""A folder of Parquet files: the ledger of the other databases, by days, whole, and for any reader."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Table

from tests.shell_helpers import Shell, study
from trex_market.core.errors import InputError, MissingExtraError, RefusalCode, StorageError
from trex_market.core.messages import (
    Delivered,
    Event,
    MeterAccepted,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
)
from trex_market.storage import parquet_buffers, parquet_parts, reader, streams, tables
from trex_market.storage.address import MARK_FILE, parse_address
from trex_market.storage.bulk import Batch
from trex_market.storage.database import Database
from trex_market.storage.parquet_columns import day_column, day_of, growing_column
from trex_market.storage.parquet_parts import UNFINISHED, days_of, file_name
from trex_market.storage.schema import VERSION
from trex_market.storage.writer import Writer

from .helpers import RUN, STEP, T0, a_reading, a_transaction, an_order, everything, market_events

DAY = 86_400
MIDNIGHT = 1_700_006_400
"""2023-11-15 0:00 UTC."""

RECORD = """
import asyncio, sys
from tests.storage.helpers import RUN, market_events
from trex_market.storage.database import Database
from trex_market.storage.schema import VERSION
from trex_market.storage.writer import Writer

async def main():
    async with await Database.open(sys.argv[1]) as database:
        for _ in range(int(sys.argv[2])):
            run_id = await database.start_run(RUN)
            writer = Writer(database, run_id, "street-market")
            writer.hear(market_events())
            await writer.close()
            await database.finish_run(run_id, "finished", 0)

asyncio.run(main())
"""

GO_ON = """
import asyncio, sys
from tests.storage.helpers import RUN
from tests.storage.test_parquet import MIDNIGHT, DAY, delivered_at
from trex_market.storage.database import Database
from trex_market.storage.schema import VERSION
from trex_market.storage.writer import Writer

async def main():
    async with await Database.open(sys.argv[1]) as database:
        writer = Writer(database, await database.start_run(RUN), "street-market")
        for time in range(MIDNIGHT, MIDNIGHT + 100_000 * DAY, DAY // 24):
            writer.hear([delivered_at(time, 100)])
            await writer.flush()

asyncio.run(main())
"""


def delivered_at(time: int, count: int = 1) -> Event:
    """A slot with so many transactions."""
    rows = tuple(
        msgspec.structs.replace(
            a_transaction(0), id=f"t{time}-{number:05d}", time_creation=time, time_consumption=time + STEP
        )
        for number in range(count)
    )
    return Delivered(time, rows, ())


def url(folder: Path) -> str:
    return f"parquet:///{folder}"


def parts(folder: Path, table: str) -> dict[str, int]:
    """Day -> how many rows its files have, as any reader of Parquet finds them."""
    return {
        day.name.removeprefix("day="): sum(pq.ParquetFile(part).metadata.num_rows for part in day.iterdir())
        for day in sorted((folder / table).iterdir())
    }


async def recorded(folder: Path, *portions: Sequence[Event], record: Any = None) -> str:
    """Record events, with an insert after each portion."""
    async with await Database.open(url(folder)) as database:
        run_id = await database.start_run(RUN)
        writer = Writer(database, run_id, "street-market", *([record] if record else []))
        for events in portions:
            writer.hear(events)
            await writer.flush()
        await database.finish_run(run_id, "finished", 0)
    return run_id


# ------------------------------------------------------------ the same ledger


async def test_all_tables_are_those_of_sqlite(tmp_path: Path) -> None:
    found = []
    for address in (f"sqlite:///{tmp_path}/market.db", url(tmp_path / "rows")):
        async with await Database.open(address) as database:
            for rule in ("MicroTE", "MicroTE3"):
                run_id = await database.start_run(RUN)
                writer = Writer(database, run_id, "street-market")
                for event in market_events(rule):
                    writer.hear([event])
                    await writer.flush()
                writer.metric("house-1", T0, "reward", float("nan"))
                await writer.close()
                await database.finish_run(run_id, "finished", T0 + 1)
        async with await Database.open(address) as database:
            found.append(await everything(database))
    assert found[0] == found[1]
    assert all(
        found[1][name]
        for name in ("runs", "orders", "contracts", "transactions", "meter_readings", "metrics")
    )


def test_a_run_and_its_report_are_those_of_sqlite(shell: Shell, tmp_path: Path) -> None:
    rows, config = tmp_path / "rows", study(tmp_path)
    assert shell("run", config, "--out", tmp_path / "a").status == 0
    assert shell("run", config, "--out", tmp_path / "b", "--database", url(rows)).status == 0
    report = (tmp_path / "a" / "report.json").read_bytes()
    assert (tmp_path / "b" / "report.json").read_bytes() == report
    for name, arguments in (("run", []), ("named", ["--database", url(rows)])):
        again = shell("report", tmp_path / "b", *arguments, "--out", tmp_path / name)
        assert again.status == 0, again.err
        assert (tmp_path / name / "report.json").read_bytes() == report
    assert shell("report", rows, "--out", tmp_path / "folder").status == 0
    assert (tmp_path / "folder" / "report.json").read_bytes() == report


# ------------------------------------------------------------ days


async def test_rows_go_to_the_utc_day_of_their_slot(tmp_path: Path) -> None:
    times = [MIDNIGHT - STEP, MIDNIGHT, MIDNIGHT + DAY - STEP, MIDNIGHT + DAY]
    await recorded(tmp_path, [delivered_at(time, 3) for time in times])
    assert parts(tmp_path, "transactions") == {"2023-11-14": 3, "2023-11-15": 6, "2023-11-16": 3}


async def test_a_day_is_written_once_when_a_later_one_has_come(tmp_path: Path) -> None:
    async with await Database.open(url(tmp_path)) as database:
        writer = Writer(database, await database.start_run(RUN), "street-market")
        for number in range(6):
            writer.hear([delivered_at(MIDNIGHT + number * DAY // 2)])
            await writer.flush()
        assert parts(tmp_path, "transactions") == {"2023-11-15": 2, "2023-11-16": 2}
        assert len(list((tmp_path / "transactions").rglob("*.parquet"))) == 2


async def test_a_run_that_is_over_is_written_and_one_that_is_not_can_be_read(tmp_path: Path) -> None:
    async with await Database.open(url(tmp_path)) as database:
        for number in (1, 2):
            run_id = await database.start_run(RUN)
            writer = Writer(database, run_id, "street-market")
            writer.hear([delivered_at(MIDNIGHT)])
            await writer.close()
            if number == 1:
                assert not (tmp_path / "transactions").exists()
                await database.finish_run(run_id, "finished", 0)
            assert parts(tmp_path, "transactions") == {"2023-11-15": 1}
        found = [len(rows) async for _, rows in streams.transactions(database, run_id)]
        assert found == [1]
        assert parts(tmp_path, "transactions") == {"2023-11-15": 2}


async def test_what_has_no_slot_has_no_day(tmp_path: Path) -> None:
    refusal = OrderRejected("house-1-1", "house-9", RefusalCode.MALFORMED, "no order")
    await recorded(tmp_path, [refusal, OrderAccepted(an_order(1, slot_start=MIDNIGHT))])
    assert parts(tmp_path, "orders") == {"2023-11-15": 1, "__HIVE_DEFAULT_PARTITION__": 1}
    assert days_of(tmp_path, "orders") == [None, "2023-11-15"]


@given(st.integers(-(2**62), 2**62))
def test_every_time_has_a_day_in_order(time: int) -> None:
    day, later = day_of(time), day_of(time + DAY)
    assert day is not None is not later
    date.fromisoformat(day)
    assert day <= later


def test_a_day_worked_by_hand() -> None:
    assert [day_of(time) for time in (-1, 0, DAY - 1, DAY, None)] == [
        *("1969-12-31", "1970-01-01", "1970-01-01", "1970-01-02"),
        None,
    ]


def test_each_tables_day_and_what_grows_in_its_key() -> None:
    assert {name: (day_column(name), growing_column(name)) for name in streams_and_metrics()} == {
        "contracts": ("slot_start", "id"),
        "meter_readings": ("slot_start", "slot_start"),
        "metrics": ("time", "time"),
        "orders": ("slot_start", "sequence"),
        "transactions": ("time_creation", "id"),
    }


def streams_and_metrics() -> list[str]:
    return ["contracts", "meter_readings", "metrics", "orders", "transactions"]


async def test_slots_come_in_order_however_few_are_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [MIDNIGHT + number * DAY // 4 for number in range(24)]
    # A slot of the first day comes late, and a run beside must not be seen.
    run_id = await recorded(tmp_path, *[[delivered_at(time, 2)] for time in [*times[1:], times[0]]])
    await recorded(tmp_path, [delivered_at(times[3], 50)])
    for at_once in (1, 5, 20_000):
        monkeypatch.setattr("trex_market.storage.parquet.SCRATCH_ROWS", at_once)
        async with await Database.open(url(tmp_path)) as database:
            found = [(start, len(rows)) async for start, rows in streams.transactions(database, run_id)]
            one = await reader.transactions(database, run_id, times[7])
        assert found == [(time, 2) for time in times]
        assert [row.time_creation for row in one] == [times[7]] * 2


# ------------------------------------------------------------ other readers


async def test_other_readers_find_exact_types_names_and_days(tmp_path: Path) -> None:
    await recorded(tmp_path, market_events())
    for table in (tables.transactions, tables.orders, tables.meter_readings):
        found = pads.dataset(tmp_path / table.name, partitioning="hive").to_table()
        assert found.column_names == [*table.columns.keys(), "day"]
    schema = pads.dataset(tmp_path / "transactions").schema
    assert schema.field("quantity").type == pa.int64()
    assert schema.field("fee_ask").type == pa.float64()
    assert schema.field("estimated").type == pa.bool_()
    assert schema.field("id").type == pa.string()
    assert schema.field("seller_id").type == pa.dictionary(pa.int32(), pa.string())
    assert [field.name for field in schema if field.nullable] == ["contract_id", "amount", "reverses"]


# ------------------------------------------------------------ again


@pytest.mark.parametrize("part_rows", [1, 40, 200_000])
async def test_rows_that_come_again_are_there_once_for_any_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part_rows: int
) -> None:
    monkeypatch.setattr(parquet_buffers, "PART_ROWS", part_rows)
    for _ in range(2):
        async with await Database.open(url(tmp_path)) as database:
            writer = Writer(database, "run", "street-market")
            for event in market_events(rounds=6):
                writer.hear([event])
                await writer.flush()
            await writer.close()
            first = await everything(database)
            assert await everything(database) == first
        for table in ("transactions", "contracts", "orders", "meter_readings"):
            assert sum(parts(tmp_path, table).values()) == len(first[table]) > 0


async def test_a_later_row_takes_the_place_of_the_earlier_in_its_file(tmp_path: Path) -> None:
    async with await Database.open(url(tmp_path)) as database:
        writer = Writer(database, "run", "market")
        writer.hear([OrderAccepted(an_order(number)) for number in (1, 2, 3)])
        writer.hear([MeterAccepted("house", a_reading(1)), MeterAccepted("other", a_reading(7))])
        await writer.flush()
        assert len(await reader.orders(database, "run")) == 3  # which are in a file now
        writer.hear([OrderCancelled(an_order(2)), MeterAccepted("house", a_reading(2))])
        await writer.close()
        assert [row.status for row in await reader.orders(database, "run")] == [
            *("accepted", "cancelled", "accepted")
        ]
        assert await reader.meter_readings(database, "run") == [
            ("house", a_reading(2)),
            ("other", a_reading(7)),
        ]
    assert len(list((tmp_path / "orders").rglob("*.parquet"))) == 1
    assert sum(parts(tmp_path, "orders").values()) == 3


async def test_a_row_that_is_there_stays_if_it_is_not_to_be_replaced(tmp_path: Path) -> None:
    def batch(value: float) -> Batch:
        rows = [("run", "house", T0, "reward", value), ("run", "house", T0, f"figure {value}", value)]
        return Batch(tables.metrics, rows)

    async with await Database.open(url(tmp_path)) as database:
        await database.insert([batch(1.0), batch(2.0)])
        assert [row.value for row in await reader.metrics(database, "run")] == [1.0, 2.0, 1.0]
        await database.insert([batch(3.0)])
        assert [row.value for row in await reader.metrics(database, "run")] == [1.0, 2.0, 3.0, 1.0]


async def test_a_batch_may_be_of_several_runs(tmp_path: Path) -> None:
    rows = [(run, "house", T0, "reward", 1.0) for run in ("a", "b", "a-0", "a/b")]
    async with await Database.open(url(tmp_path)) as database:
        await database.insert([Batch(tables.metrics, rows)])
        for run in ("a", "b", "a-0", "a/b"):
            assert len(await reader.metrics(database, run)) == 1


# ------------------------------------------------------------ whole or not at all


async def test_rows_are_taken_once_though_the_disk_was_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_buffers, "PART_ROWS", 10)
    told: list[str] = []
    async with await Database.open(url(tmp_path)) as database:
        run_id = await database.start_run(RUN)
        writer = Writer(database, run_id, "street-market", on_trouble=told.append)
        writer.hear([delivered_at(MIDNIGHT, 8)])
        await writer.flush()
        (tmp_path / "transactions").write_text("in the way")
        writer.hear([delivered_at(MIDNIGHT + STEP, 8)])
        flushing = asyncio.create_task(writer.flush())
        while not told:
            await asyncio.wait([flushing], timeout=0.01)
            assert not flushing.done()
        (tmp_path / "transactions").unlink()
        await flushing
        await writer.close()
        assert len(await reader.transactions(database, run_id)) == 16
    assert "cannot be used at the moment" in told[0]
    assert list((tmp_path / UNFINISHED).iterdir()) == []


@pytest.mark.slow
async def test_a_process_that_is_killed_leaves_readable_files_alone(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", GO_ON, url(tmp_path))
    try:
        async with asyncio.timeout(60):
            while len(list((tmp_path / "transactions").glob("day=*/*.parquet"))) < 20:
                assert process.returncode is None
                await asyncio.sleep(0.01)
    finally:
        process.kill()
        await process.wait()
    days = parts(tmp_path, "transactions")
    assert set(days.values()) == {2_400}
    assert list(days) == [day_of(MIDNIGHT + number * DAY) for number in range(len(days))]
    async with await Database.open(url(tmp_path)) as database:
        (run,) = await reader.runs(database)
        assert run.status == "running"
        found = [len(rows) async for _, rows in streams.transactions(database, run.id)]
        assert found == [100] * 24 * len(days)


async def test_what_killed_processes_left_is_removed_after_a_while(tmp_path: Path) -> None:
    folder = tmp_path / UNFINISHED
    folder.mkdir()
    for name, age in (("old", parquet_parts.LEFT_BEHIND + 60), ("new", 0)):
        (folder / name).write_bytes(b"PAR1")
        written = (folder / name).stat().st_mtime - age
        os.utime(folder / name, (written, written))
    async with await Database.open(url(tmp_path)):
        assert [path.name for path in folder.iterdir()] == ["new"]


async def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    run_id = await recorded(tmp_path, [delivered_at(MIDNIGHT, 8)])
    (part,) = (tmp_path / "transactions").rglob("*.parquet")
    part.write_bytes(part.read_bytes()[:100])
    async with await Database.open(url(tmp_path)) as database:
        with pytest.raises(StorageError, match=part.name):
            await reader.transactions(database, run_id)


@pytest.mark.slow
async def test_processes_write_to_one_folder_without_meeting(tmp_path: Path) -> None:
    command = (sys.executable, "-c", RECORD, url(tmp_path), "4")
    processes = [await asyncio.create_subprocess_exec(*command) for _ in range(2)]
    assert [await process.wait() for process in processes] == [0, 0]
    async with await Database.open(url(tmp_path)) as database:
        runs = await reader.runs(database)
        assert sorted(run.id for run in runs) == sorted(
            [RUN.id, *(f"{RUN.id}-{number}" for number in range(2, 9))]
        )
        assert {run.status for run in runs} == {"finished"}
        ledgers = [await reader.transactions(database, run.id) for run in runs]
    assert ledgers[0]
    assert all(ledger == ledgers[0] for ledger in ledgers)


async def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_buffers, "BUFFERED_ROWS", 100)
    buffers = parquet_buffers.ParquetBuffers(tmp_path)
    (tmp_path / UNFINISHED).mkdir()
    # Orders for slots far ahead: no day is over.
    for number in range(300):
        row = ("run", f"house-{number}", MIDNIGHT + number % 7 * DAY, "reward", 1.0)
        start = ("run", f"house-{number}", MIDNIGHT, "start", 1.0)
        buffers.insert([Batch(tables.metrics, [row, start])])
        assert buffers._waiting <= 100
    buffers.write("run")
    assert (buffers._waiting, buffers._parts) == (0, {})
    assert sum(parts(tmp_path, "metrics").values()) == 600


# ------------------------------------------------------------ addresses and versions


@pytest.mark.parametrize("form", ["parquet:///{}", "Parquet:///{}/", "{}.parquet", "{}.parquet/"])
def test_a_folder_is_named_as_it_is(form: str, tmp_path: Path) -> None:
    address = parse_address(form.format(f"{tmp_path}/rows"))
    assert address.folder is not None
    assert address.folder.name in {"rows", "rows.parquet"}
    assert (address.file, address.dsn, address.name) == (None, "", str(address.folder))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("parquet://", "names no folder alone"),
        ("parquet:///", "names no folder alone"),
        ("parquet://host/rows", "names no folder alone"),
        ("parquet:///rows?version=2", "names no folder alone"),
        ("parqet:///rows", "Did you mean 'parquet'"),
    ],
)
async def test_a_wrong_address_is_named(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        await Database.open(text)


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file is a file; rows go to Parquet files in a folder"):
        await Database.open(url(tmp_path / "file"))
    with pytest.raises(StorageError, match=r"file/rows"):
        await Database.open(url(tmp_path / "file" / "rows"))


async def test_folders_of_others_and_of_later_are_left_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        await Database.examine(url(tmp_path / "nowhere"))
    (tmp_path / "orders").mkdir()
    assert (await Database.examine(url(tmp_path))).age == "foreign"
    with pytest.raises(StorageError, match="was made by another program: its table 'orders' has no mark"):
        await Database.open(url(tmp_path))
    (tmp_path / MARK_FILE).write_text('{"schema_version": "9999"}')
    with pytest.raises(StorageError, match="was made by a newer trex_market"):
        await Database.open(url(tmp_path))
    (tmp_path / MARK_FILE).write_text("{}")
    with pytest.raises(StorageError, match=MARK_FILE):
        await Database.open(url(tmp_path))


async def test_a_folder_of_before_is_read_and_lacks_what_its_files_lack(tmp_path: Path) -> None:
    run_id = await recorded(tmp_path, [delivered_at(MIDNIGHT, 2)])
    (tmp_path / MARK_FILE).write_text('{"schema_version": "0000"}')
    (part,) = (tmp_path / "transactions").rglob("*.parquet")
    pq.write_table(pq.ParquetFile(part).read().drop_columns(["amount"]), part)
    assert (await Database.examine(url(tmp_path))).age == "older"
    async with await Database.open(url(tmp_path)) as database:
        assert [row.amount for row in await reader.transactions(database, run_id)] == [None, None]
    assert (await Database.examine(url(tmp_path))).age == "present"


def test_what_the_command_line_says(shell: Shell, tmp_path: Path) -> None:
    assert "holds nothing of a market yet" in shell("database", "info", url(tmp_path)).out
    assert "there is no folder" in shell.refuses("database", "info", url(tmp_path / "nowhere"))
    assert f"has schema version {VERSION}" in shell("database", "upgrade", url(tmp_path / "new")).out
    told = shell.refuses(
        *("serve", study(tmp_path), "--mode", "realtime"),
        *("--out", tmp_path / "live", "--database", url(tmp_path / "rows")),
    )
    assert "a market on the wall clock needs a database that takes rows as they come" in told
    assert not (tmp_path / "rows").exists()
    assert not (tmp_path / "live").exists()


def test_names_of_files_are_those_of_runs_alone() -> None:
    assert file_name("a.training-0") == "a.training-0"
    assert "/" not in file_name("a/../b")
    long = ["x" * 300, "x" * 299 + "y"]
    assert len({file_name(name) for name in long}) == 2
    assert max(len(file_name(name)) for name in long) < 130


def test_without_pyarrow_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"trex-market\[parquet\]"):
        parse_address("parquet:///rows")


def a_row(table: Table, number: int, value: int) -> tuple[Any, ...]:
    """A row with a key that is made of a number, and a value in all other columns; optional ones are empty."""
    kinds: dict[type, Any] = {str: "{}", int: MIDNIGHT, float: 0.5, bool: True}

    def cell(column: Column[Any]) -> Any:
        kind = column.type.python_type
        if column.name == "run_id":
            return "run"
        if column.primary_key:
            return kind(number) if kind is str else MIDNIGHT + number * DAY
        return None if column.nullable else kinds[kind] if kind is not float else value / 4

    return tuple(map(cell, table.columns))


@pytest.mark.parametrize("name", sorted(set(tables.metadata.tables) - {"runs"}))
async def test_rows_of_every_table_come_back_and_are_replaced(tmp_path: Path, name: str) -> None:
    table = tables.metadata.tables[name]
    async with await Database.open(url(tmp_path)) as database:
        for value in (1, 2):
            rows = [a_row(table, number, value) for number in (1, 2, 3)]
            await database.insert([Batch(table, rows, replace=True)])
            found = (await everything(database))[name]
            assert found == rows
    assert sum(parts(tmp_path, name).values()) == 3
