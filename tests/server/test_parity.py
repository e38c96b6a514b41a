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


RESPONDING = """\
study: {start_datetime: "2016-01-18 12:00:00", timezone: Europe/Berlin, time_step_size: 900, days: 0.5, seed: 7,
        profiles_db_location: "packaged:semiurban"}
market: {type: MicroTE, pools: single, close_steps: 3, grid: {price: 0.08, fee_ratio: 2.75}}
demand_response:
  answer_lead_s: 3000
  interval_s: 900
  price: 0.5
  penalty: 0.1
  auto_response: {enabled: true, max_reduction: 0.5}
  participants: {home_02: {enabled: false}}
  baseline: {adjustment: none}
  events:
    afternoon: {start: "2016-01-18 15:05", duration_s: 3000, load_percent: 30, invite_s: 7200}
    evening: {start: "2016-01-18 18:00", duration_s: 3600, load_percent: 50, devices: [home_01, home_02, home_03]}
    lonely: {start: "2016-01-18 20:00", load_percent: 50, devices: [home_02]}
participants:
  home_01: {trader: {type: basic, bid_price: 0.27, ask_price: 0.13}, load: {shiftable: 0.5, shift_s: 7200}}
  home_02: {trader: {type: basic}, load: {shiftable: 0.5}}
  home_03:
    trader: {type: responsive, charge_hours: [12, 13], bid_price: 0.28, ask_price: 0.13}
    storage: {capacity: 8000, power: 4000, efficiency: 0.95}
"""
"""Half a day with three events: one cuts through slots, one is of some, and to one nobody comes."""

DR_TABLES = ("demand_response_events", "demand_response_invitations", "demand_response_flexibility")


def responded(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that became of the events of a run."""
    return {table: sorted(query(database, f"SELECT * FROM {table}"), key=repr) for table in DR_TABLES}


def test_demand_response_over_sockets_leaves_the_same_ledger(shell: Shell, config: Path) -> None:
    config.write_text(RESPONDING, encoding="utf-8")

    local = ledger(shell, config, "local", "--simulation", "training")
    far = ledger(shell, config, "far", "--simulation", "training", "--transport", "socketio")

    assert far == local
    assert responded(config.parent / "far" / "market.db") == responded(config.parent / "local" / "market.db")
    events = dict(query(config.parent / "far" / "market.db", "SELECT id, status FROM demand_response_events"))
    assert events == {"afternoon": "completed", "evening": "completed", "lonely": "expired"}
    config.write_text(RESPONDING.replace("enabled: true", "enabled: false"), encoding="utf-8")
    nobody = ledger(shell, config, "nobody", "--simulation", "training", "--transport", "socketio")
    assert nobody["meter_readings"] != far["meter_readings"], "homes act on what they are told"


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
