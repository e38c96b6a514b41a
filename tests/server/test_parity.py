"""A simulation over sockets leaves the same ledger as one in this process, byte for byte."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

import pytest

from participants.client import Client
from tests.shell_helpers import Shell, query
from trex_market.build import Study
from trex_market.transport import _over_sockets

TABLES = ("contracts", "transactions", "orders", "meter_readings", "metrics")

MIXED = """\
study:
  start_datetime: "2016-07-18 11:00:00"
  timezone: Europe/Berlin
  time_step_size: 900
  days: 0.25
  seed: 7
  profiles_db_location: packaged:semiurban
market:
  type: MicroTE
  pools: single
  grid: {price: 0.08, fee_ratio: 2.75}
participants:
  home_01: {trader: {type: basic, bid_price: 0.27, ask_price: 0.13}}
  home_03: {trader: {type: zero_intelligence}}
  home_05: {trader: {type: linear_ramp, ramp_steps: 3}}
  home_11: {trader: {type: linear_ramp, ramp_steps: 2}}
  home_13:
    trader: {type: battery_arbitrage}
    storage: {capacity: 10000, power: 5000, efficiency: 0.95, monthly_sdr: 0.02}
  home_14:
    trader: {type: basic, bid_price: 0.10, ask_price: 0.24}
    storage: {capacity: 12000, power: 6000, efficiency: 0.95, monthly_sdr: 0.02}
"""
"""Six hours of homes with all strategies, two of them with batteries."""

CONFIGS = {
    "mixed": MIXED,
    "bids without a source": MIXED.replace("MicroTE\n  pools: single", "MicroTE3B"),
    "far gates, several episodes": (
        MIXED.replace("MicroTE\n  pools: single", "MicroTE\n  close_steps: 4")
        .replace("days: 0.25", "days: 0.125\n  generations: 3")
        .replace('"2016-07-18 11:00:00"', '["2016-07-18 11:00:00", "2016-07-21 11:00:00"]')
        .replace("ramp_steps: 3}", "ramp_steps: 3, learning: true}")
    ),
    "areas, requirements of nobody, cleared before the gate": MIXED.replace(
        "pools: single", "pools: single\n  clearing: tick"
    )
    .replace(
        "participants:",
        "areas: {grid: {fee: 0.01, fee_percent: 5}, street: {parent: grid, fee: 0.004}}\nparticipants:",
    )
    .replace("home_01: {", "home_01: {area: street, ")
    .replace("home_11: {", "home_11: {area: street, "),
    "uniform price": MIXED.replace("MicroTE\n  pools: single", "uniform\n  k: 0.3"),
}


def ledger(shell: Shell, config: Path, name: str, *options: str) -> dict[str, list[tuple[Any, ...]]]:
    """Run a config and return what it recorded, in order; orders of a round come in any order."""
    directory = config.parent / name
    assert shell("run", config, "--out", directory, *options).status == 0
    return recorded(directory / "market.db")


def recorded(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of a database, without the time at which they were written."""
    tables = {}
    for table in TABLES:
        columns = [row[1] for row in query(database, f"PRAGMA table_info({table})") if row[1] != "sequence"]
        tables[table] = sorted(query(database, f"SELECT {', '.join(columns)} FROM {table}"), key=repr)
    assert tables["contracts"]
    return tables


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config in a folder of its own."""
    path = tmp_path / "study.yaml"
    path.write_text(MIXED, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", CONFIGS)
def test_sockets_leave_the_same_ledger(shell: Shell, config: Path, name: str) -> None:
    config.write_text(CONFIGS[name], encoding="utf-8")

    local = ledger(shell, config, "local")
    far = ledger(shell, config, "far", "--transport", "socketio")

    assert far == local
    if "episodes" in name:
        assert len(query(config.parent / "far" / "market.db", "SELECT * FROM runs")) == 3 + 3 + 3


def test_message_pack_leaves_the_same_ledger(
    shell: Shell, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def packed(study: Study, simulation: str, url: str) -> Iterable[Coroutine[Any, Any, None]]:
        everyone = study.participants(simulation).values()
        return [Client(one, url, packed=position % 2 == 0).run() for position, one in enumerate(everyone)]

    local = ledger(shell, config, "local")
    monkeypatch.setitem(
        __import__("trex_market.transport").transport.REACH,
        "socketio",
        lambda study, simulation: _over_sockets(study, simulation, packed),
    )

    assert ledger(shell, config, "far", "--transport", "socketio") == local


@pytest.mark.slow
def test_processes_leave_the_same_ledger(shell: Shell, config: Path) -> None:
    local = ledger(shell, config, "local", "--simulation", "training")
    far = ledger(shell, config, "far", "--simulation", "training", "--transport", "socketio", "--processes")

    assert far == local


THINKER = """\
import time

from trex_market.participant import Decision, bid


class Thinker:
    def decide(self, view):
        time.sleep(0.1)
        return Decision([bid(100, 240_000, view.round.next_settle)])
"""
"""Thinks longer than a round waits for those who are far away."""


def test_the_own_participants_of_a_study_may_think_as_long_as_in_process(shell: Shell, config: Path) -> None:
    (config.parent / "thinker.py").write_text(THINKER, encoding="utf-8")
    last = "{type: basic, bid_price: 0.10, ask_price: 0.24}"
    text = MIXED.replace(last, '{type: "thinker:Thinker"}').replace("days: 0.25", "days: 0.125")
    config.write_text(
        text.replace("\nmarket:", "\nserver: {turn_timeout_s: 0.02, silence: stop}\nmarket:"),
        encoding="utf-8",
    )

    local = ledger(shell, config, "local", "--simulation", "training")

    assert ledger(shell, config, "far", "--simulation", "training", "--transport", "socketio") == local


CROWD = """\
from trex_market.participant import Decision, ask, bid


class Crowd:
    def __init__(self, side):
        self.make = {"ask": ask, "bid": bid}[side]

    def decide(self, view):
        slot = view.round.next_settle
        return Decision([self.make(1, 240_000 - n, slot) for n in range(1_100)])
"""
"""More orders in a round than a stranger may send."""


def test_the_own_participants_of_a_study_may_order_as_much_as_in_process(shell: Shell, config: Path) -> None:
    (config.parent / "crowd.py").write_text(CROWD, encoding="utf-8")
    text = MIXED.replace("days: 0.25", "days: 0.03125")
    for old, side in (("{type: zero_intelligence}", "bid"), ("{type: linear_ramp, ramp_steps: 3}", "ask")):
        text = text.replace(old, f'{{type: "crowd:Crowd", side: {side}}}')
    config.write_text(text, encoding="utf-8")

    local = ledger(shell, config, "local", "--simulation", "training")

    assert ledger(shell, config, "far", "--simulation", "training", "--transport", "socketio") == local
