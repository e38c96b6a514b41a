"""What the SDK's example scripts do, against a served market, until it is over."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.gateway.agent import Aggregator, Device, Session, names_by_type, until
from tests.gateway.scripts import Basic, Fees, Live, Posting, all_assets, end, run
from tests.gateway.serving import SIMULATION, Served, served

pytestmark = pytest.mark.slow

QUICK = {"gateway__gsy__tick_s": 0.06, "study__days": 0.0625}
"""Six slots of 0.6 s each."""


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as database:
        return database.execute(query).fetchall()


def check_ledger(market: Served) -> list[tuple[object, ...]]:
    """Check that energy and money are balanced, and return the contracts."""
    market.wait()
    path = market.database
    assert rows(path, "SELECT status FROM runs") == [("finished",)]
    contracts = rows(path, "SELECT id, quantity, seller_id, buyer_id, bid_id, ask_id FROM contracts")
    assert contracts
    # Contracted energy is delivered, paid for or compensated, never more of it than there is.
    for contract, traded, flowed in rows(
        path,
        "SELECT contracts.id, contracts.quantity, COALESCE(SUM(transactions.quantity), 0) FROM contracts "
        "LEFT JOIN transactions ON transactions.contract_id = contracts.id AND transactions.kind "
        "IN ('delivery', 'take_or_pay', 'shortfall') WHERE contracts.slot_start < "
        "(SELECT MAX(time_creation) FROM transactions) GROUP BY contracts.id",
    ):
        assert 0 < flowed <= traded, contract
    return contracts


def test_basic_strategies(tmp_path: Path) -> None:
    with served(tmp_path, **QUICK) as market:
        session = Session(market.url, SIMULATION)
        script = Basic(session)
        names = all_assets(session)
        assert set(names) == {"Load 1", "Load 2", "Load 3", "PV 1", "PV 2", "Storage 1"}
        run(script, names)
        contracts = check_ledger(market)
    answers = [answer for batch in script.responses for one in batch["responses"].values() for answer in one]
    assert {answer["status"] for answer in answers} <= {"ready", "error"}
    assert sum(answer["status"] == "ready" for answer in answers) > 20
    assert script.trades
    told = {(trade["trade_id"]) for trade in script.trades}
    assert told <= {contract[0] for contract in contracts}
    assert len(told) == len(contracts)


def test_posting_bids_and_offers(tmp_path: Path) -> None:
    with served(tmp_path, **QUICK) as market:
        session = Session(market.url, SIMULATION)
        script = Posting(session)
        run(script, all_assets(session))
        check_ledger(market)
    answers = [answer for batch in script.responses for one in batch["responses"].values() for answer in one]
    assert all(answer["status"] == "ready" for answer in answers), answers
    assert len(script.trades) >= 2


def test_grid_fees(tmp_path: Path) -> None:
    with served(tmp_path, **QUICK) as market:
        session = Session(market.url, SIMULATION)
        script = Fees(session)
        areas = names_by_type(session.registry())["Area"]
        assert set(areas) == {"Grid", "Community", "House 1", "House 2", "House 3"}
        run(script, areas)
        market.wait()
    answers = [answer for batch in script.responses for one in batch["responses"].values() for answer in one]
    assert all(answer["status"] == "ready" for answer in answers), answers
    fees = [
        one["grid_tree"][script.uuid_of("Grid")]["current_market_fee"]
        for one in script.heard
        if one.get("event") == "market"
    ]
    assert fees[0] == 1.0
    assert fees[-1] >= 1.2
    assert fees == sorted(fees)
    last = next(one for one in answers if one["command"] == "dso_market_stats")
    assert last["name"] in areas
    assert {"import", "export"} <= set(last["market_stats"]["area_throughput"])


def test_live_data(tmp_path: Path) -> None:
    with served(tmp_path, **{**QUICK, "gateway__gsy__tick_s": 0.1}) as market:
        session = Session(market.url, SIMULATION)
        script = Live(session)
        script.clients = {
            name: Device(session, name, listens=True) for name in ("Load 1", "Load 2", "PV 1", "PV 2")
        }
        for client in script.clients.values():
            client.select_aggregator(script.uuid)
        end(script)
        for client in script.clients.values():
            client.close()
        check_ledger(market)
    assert script.trades
    answers = [answer for batch in script.responses for one in batch["responses"].values() for answer in one]
    assert all(answer["status"] == "ready" for answer in answers), answers


def test_an_aggregator_that_comes_back_goes_on(tmp_path: Path) -> None:
    with served(tmp_path, **{**QUICK, "study__days": 0.25}) as market:
        session = Session(market.url, SIMULATION)
        first = Basic(session)
        for name in all_assets(session):
            Device(session, name).select_aggregator(first.uuid)
        until(lambda: first.trades)
        first.close()
        second = Aggregator(Session(market.url, SIMULATION))
        assert second.uuid == first.uuid
        until(lambda: len(second.devices) == 6)
        until(lambda: any(one.get("event") == "market" for one in second.heard))
        second.close()
