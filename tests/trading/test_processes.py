"""DSO, aggregators and CRO of `configs/flexibility.yaml` as processes of their own."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import Counter
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.uftp.helpers import free_port

CONFIG = Path(__file__).parents[2] / "configs" / "flexibility.yaml"
SUN, MOON = "sun.demo", "moon.demo"
LONG = 120


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the config, at ports that are free."""
    text = re.sub(r"127\.0\.0\.1:\d+", lambda _: f"127.0.0.1:{free_port()}", CONFIG.read_text())
    text = text.replace("port: 3200", f"port: {free_port()}")
    path = tmp_path / "flexibility.yaml"
    path.write_text(text)
    return path


async def command(*words: object) -> Process:
    """Start a command of ours."""
    arguments = [str(word) for word in words]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trex_market", *arguments, stdout=PIPE, stderr=STDOUT
    )


async def told(process: Process) -> str:
    """Return all that a process says until it ends, which must be well."""
    output, _ = await asyncio.wait_for(process.communicate(), LONG)
    assert process.returncode == 0, output.decode()
    return output.decode()


async def says(process: Process, words: str) -> None:
    """Wait until a process says something."""
    assert process.stdout is not None
    async with asyncio.timeout(LONG):
        while line := (await process.stdout.readline()).decode():
            if words in line:
                return
    raise AssertionError(f"it ended without {words!r}")


@asynccontextmanager
async def party(*words: object) -> Any:
    """Be one of the parties, which is killed at the end if it is still there."""
    process = await command("uftp", *words)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.mark.slow
async def test_a_day_of_four_processes(config: Path, tmp_path: Path) -> None:
    keys, out = tmp_path / "keys", tmp_path / "out"
    made = await told(await command("uftp", "keys", config, "--keys", keys))
    assert made.count("keep it") == 4
    again = await told(await command("uftp", "keys", config, "--keys", keys))
    assert again.count("has a key") == 4
    common = (config, "--keys", keys, "--start", 90, "--turn", 30)  # on a busy machine, too
    async with (
        party("cro", config, "--keys", keys) as cro,
        party("agr", *common, "--domain", SUN) as sun,
        party("agr", *common, "--domain", MOON) as moon,
        party("dso", *common, "--out", out) as dso,
    ):
        said, *_ = await asyncio.gather(told(dso), told(sun), told(moon))
        cro.send_signal(signal.SIGTERM)
        await told(cro)
    outcome = json.loads((out / "outcome.json").read_text())
    (point,) = outcome["points"]
    assert point["slots"] == 96
    assert point["over_without"] > 10
    # What is over a limit all the same was ordered, and not delivered: one home's battery fails now and then.
    with (out / "loads.csv").open(newline="") as file:
        slots = list(csv.DictReader(file))
    over = [row for row in slots if beyond(row, "load") > 0]
    assert len(over) == point["over"] < point["over_without"] / 3
    for row in over:
        missed = int(row["ordered"]) - int(row["delivered"])
        assert 0 < beyond(row, "load") <= missed
    assert point["missed_wh"] == pytest.approx(point["ordered_wh"] - point["delivered_wh"])
    assert {order["aggregator"] for order in outcome["orders"]} == {SUN, MOON}
    assert {order["verdict"] for order in outcome["orders"]} == {"accepted"}
    assert outcome["cost"] == str(sum_of(outcome["orders"]))
    assert outcome["silent"] == []
    assert f"cost {outcome['cost']} USD" in said

    # It is one market, and what comes of it is what comes of it in one process.
    inside = tmp_path / "inside"
    await told(await command("run", config, "--out", inside))
    for name, columns in LEDGER.items():
        ours, theirs = Counter(rows(out, name, columns)), Counter(rows(inside, name, columns))
        assert ours, name
        # Few of them, or to show how they differ takes minutes.
        assert [*(ours - theirs), *(theirs - ours)][:3] == [], name
    paid = [row[0] for row in rows(out, "transactions", "kind")]
    assert paid.count("flexibility") > 100
    assert json.loads((out / "summary.json").read_text())["balance_nano_dollars"] == 0
    assert sum_of(outcome["orders"]) == sum(amount for (amount,) in paid_by_the_dso(out)) / Decimal(10**9)
    (out / "report.json").unlink()
    await told(await command("report", out))
    reported = [
        json.loads((directory / "report.json").read_text())["runs"][0]["flexibility"]
        for directory in (out, inside)
    ]
    assert reported[0] == reported[1]
    assert len(reported[0]["payments"]) == 10
    (feeder,) = reported[0]["points"]
    assert feeder["beyond"] < feeder["beyond_without"] / 10


LEDGER = {
    # All but the names of orders and rows: names of orders are new with each start over UFTP.
    "transactions": "kind, quantity, seller_id, buyer_id, energy_source, settlement_price_sell, settlement_price_buy, "
    "amount, estimated, time_creation, time_purchase, time_consumption",
    "contracts": "*",
    "orders": "id, participant_id, side, quantity, price, energy_source, slot_start, time_submission, status, code",
    "meter_readings": "*",
    "metrics": "*",
}


def rows(directory: Path, table: str, columns: str) -> list[tuple[Any, ...]]:
    """Return what a run recorded."""
    with closing(sqlite3.connect(directory / "market.db")) as database:
        found = database.execute(f"SELECT {columns} FROM {table} WHERE run_id LIKE '%training%'")
        return found.fetchall()


def paid_by_the_dso(directory: Path) -> list[tuple[int]]:
    """Return what the DSO paid to aggregators, in nano-dollars."""
    found = rows(directory, "transactions", "buyer_id, amount")
    return [(amount,) for buyer, amount in found if buyer == "dso.demo"]


def beyond(row: dict[str, str], name: str) -> int:
    """Return by how much a load is beyond its limits."""
    load = int(row[name])
    return max(load - int(row["import_limit"]), -load - int(row["export_limit"]))


def sum_of(orders: list[dict[str, str]]) -> Any:
    """Return what orders cost."""
    return sum((Decimal(order["net"]) for order in orders), Decimal(0))


@pytest.mark.slow
async def test_an_aggregator_that_is_away_and_no_cro(config: Path, tmp_path: Path) -> None:
    keys, out = tmp_path / "keys", tmp_path / "out"
    await told(await command("uftp", "keys", config, "--keys", keys))
    common = (config, "--keys", keys, "--start", 15, "--turn", 5)
    async with (
        party("agr", *common, "--domain", SUN) as sun,
        party("dso", *common, "--out", out) as dso,
    ):
        said, _ = await asyncio.gather(told(dso), told(sun))
    assert f"{MOON} is silent" in said
    outcome = json.loads((out / "outcome.json").read_text())
    assert outcome["silent"] == [MOON]
    assert {order["aggregator"] for order in outcome["orders"]} == {SUN}


@pytest.mark.slow
async def test_an_aggregator_that_waits_for_its_dso_stops_when_it_is_asked_to(
    config: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    await told(await command("uftp", "keys", config, "--keys", keys))
    async with party("agr", config, "--keys", keys, "--domain", SUN) as sun:
        await says(sun, "cannot be reached")
        sun.send_signal(signal.SIGTERM)
        await told(sun)


@pytest.mark.slow
async def test_what_is_wrong_is_told_in_a_sentence(config: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"

    async def refused(*words: object) -> str:
        process = await command("uftp", *words)
        output, _ = await asyncio.wait_for(process.communicate(), LONG)
        assert process.returncode == 2, output.decode()
        assert "Traceback" not in output.decode()
        return output.decode()

    assert "no public key can be read" in await refused("dso", config, "--keys", keys)
    assert "unknown party 'nobody.demo'" in await refused(
        "keys", config, "--keys", keys, "--domain", "nobody.demo"
    )
    await told(await command("uftp", "keys", config, "--keys", keys))
    assert "there is no aggregator 'nobody.demo'" in await refused(
        "agr", config, "--keys", keys, "--domain", "nobody.demo"
    )
    private = keys / "dso.demo.dso.key"
    private.chmod(0o644)
    assert "others may read this private key" in await refused("dso", config, "--keys", keys)
    private.unlink()
    assert "no private key can be read" in await refused("dso", config, "--keys", keys)
    assert "has no section 'flexibility'" in await refused(
        "dso", CONFIG.parent / "minimal.yaml", "--keys", keys
    )


@pytest.mark.slow
async def test_a_dso_that_waits_for_its_aggregators_stops_when_it_is_asked_to(
    config: Path, tmp_path: Path
) -> None:
    keys, out = tmp_path / "keys", tmp_path / "out"
    await told(await command("uftp", "keys", config, "--keys", keys))
    async with party("dso", config, "--keys", keys, "--out", out, "--turn", 1) as dso:
        await says(dso, "listens at")
        dso.send_signal(signal.SIGTERM)
        said = await told(dso)
    assert "cost 0 USD" in said
    assert json.loads((out / "outcome.json").read_text())["points"] == []


@pytest.mark.slow
async def test_a_dso_that_is_stopped_in_the_middle_of_the_day_ends_it_for_all(
    config: Path, tmp_path: Path
) -> None:
    keys, out = tmp_path / "keys", tmp_path / "out"
    await told(await command("uftp", "keys", config, "--keys", keys))
    common = (config, "--keys", keys, "--start", 10)
    async with (
        party("agr", *common, "--domain", SUN) as sun,
        party("agr", *common, "--domain", MOON) as moon,
        party("dso", *common, "--out", out) as dso,
    ):
        await says(dso, "training: 96 rounds")
        await recorded(out / "market.db")
        dso.send_signal(signal.SIGTERM)
        said, *_ = await asyncio.gather(told(dso), told(sun), told(moon))
    assert "cost 0 USD" in said  # the day was not settled
    assert status(out / "market.db") == "interrupted"
    (point,) = json.loads((out / "outcome.json").read_text())["points"]
    assert 0 < point["slots"] < 96


async def recorded(database: Path) -> None:
    """Wait until there are transactions in a run's database."""
    async with asyncio.timeout(LONG):
        # Another process writes it, so it is a state, which is looked at.
        while not rows(database.parent, "transactions", "count(*)")[0][0]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def status(database: Path) -> str:
    """Return what became of the run."""
    with closing(sqlite3.connect(database)) as opened:
        found: str = opened.execute("SELECT status FROM runs WHERE simulation = 'training'").fetchone()[0]
        return found
