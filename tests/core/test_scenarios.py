"""Shared scenarios end exactly as their independent reference says."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from trex_market.core.errors import ProtocolError
from trex_market.core.market import Market
from trex_market.core.messages import (
    Command,
    Contracted,
    Delivered,
    Event,
    GridTerms,
    MeterRejected,
    OpenMarket,
    OrderRejected,
)
from trex_market.protocol import contract_record, parse_command, transaction_record

FOLDER = Path(__file__).parents[3] / "shared" / "scenarios"
SCENARIOS = sorted(FOLDER.glob("*.jsonl"))

pytestmark = pytest.mark.skipif(not SCENARIOS, reason="there are no shared scenarios beside the repository")


def command(record: dict[str, Any]) -> Command:
    if record["command"] != "open_market":
        return parse_command(record)
    market = record["market"]
    return OpenMarket(
        market["id"],
        market["type"],
        market["close_steps"],
        market["time_step_size"],
        market["timezone"],
        GridTerms(**market["grid"]),
    )


def multiset(records: list[dict[str, Any]], like: list[dict[str, Any]]) -> Counter[str]:
    """Records as a multiset, with the keys that the expected ones have."""
    keys = sorted({key for record in like for key in record})
    return Counter(json.dumps([record[key] for key in keys]) for record in records)


def played(path: Path) -> tuple[list[Event], set[str]]:
    """Play a scenario; return the events, and the orders that could not even be read."""
    market = Market()
    events: list[Event] = []
    unreadable: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        try:
            events += market.handle(command(record))
        except ProtocolError:
            assert record["command"] in {"submit_bid", "submit_ask"}
            unreadable.add(record["uuid"])
    return events, unreadable


def test_all_presets_are_there() -> None:
    assert {path.stem.rpartition("_")[0] for path in SCENARIOS} >= {
        "microte",
        "microte2",
        "microte3",
        "microte3b",
    }


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_ends_as_expected(path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    events, unreadable = played(path)
    rejected = unreadable | {event.order_id for event in events if isinstance(event, OrderRejected)}
    contracts = [
        contract_record(contract)
        for event in events
        if isinstance(event, Contracted)
        for contract in event.contracts
    ]
    delivered = [event for event in events if isinstance(event, Delivered)]
    transactions = [transaction_record(row) for event in delivered for row in event.transactions]
    assert rejected == set(expected["rejected"])
    assert not [event for event in events if isinstance(event, MeterRejected)]
    assert multiset(contracts, expected["contracts"]) == multiset(
        expected["contracts"], expected["contracts"]
    )
    assert multiset(transactions, expected["transactions"]) == multiset(
        expected["transactions"], expected["transactions"]
    )
