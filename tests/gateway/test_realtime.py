"""The wall clock: orders are in the journal before they are answered, and agents outlive a market that is killed."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.agent import Aggregator, Device, Session, until
from tests.gateway.scripts import plus
from tests.gateway.serving import SIMULATION, free_port, served

pytestmark = pytest.mark.slow

LIVE: dict[str, Any] = {
    "study__time_step_size": 60,
    "study__profiles_db_location": None,
    "study__days": 1,
    "market__meter_grace_s": 1,
}
"""Slots of a minute, the shortest that have names of their own; what homes need and have is what agents say."""


def test_agents_outlive_a_market_that_is_killed(tmp_path: Path) -> None:
    port = free_port()
    out = tmp_path / "live"
    with served(tmp_path, "realtime", out=out, port=port, **LIVE) as market:
        session = Session(market.url, SIMULATION)
        trader = Aggregator(session)
        for name in ("Load 1", "PV 2"):
            Device(session, name).select_aggregator(trader.uuid)
        until(lambda: len(trader.devices) == 2)
        until(lambda: trader.has("Load 1") and trader.has("PV 2"), 90)
        load, pv = trader.uuid_of("Load 1"), trader.uuid_of("PV 2")
        slot = [one["market_slot"] for one in trader.heard if one.get("event") == "market"][-1]
        answer = trader.send(
            {
                load: [
                    {"type": "set_energy_forecast", "energy_forecast": {slot: 0.5}},
                    {"type": "bid", "energy": 0.2, "price": 4, "time_slot": slot},
                ],
                pv: [
                    {"type": "set_energy_forecast", "energy_forecast": {slot: 0.5}},
                    {"type": "offer", "energy": 0.2, "price": 30, "time_slot": slot},
                ],
            }
        )
        answers = [one for responses in answer["responses"].values() for one in responses]
        assert [one["status"] for one in answers] == ["ready"] * 4, answers
        order = json.loads(answer["responses"][load][1]["bid"])["id"]
        assert order in (out / "journal.jsonl").read_text(), "it is durable before it is answered"
        market.kill()
    assert not trader.faults
    connections = trader.socket.connections
    with served(tmp_path, "realtime", out=out, port=port, **LIVE) as market:
        until(lambda: trader.socket.connections > connections)
        assert session.aggregator("GET", "list-aggregators"), "tokens are good for longer than a process"
        assert session.status == 200
        listed = trader.send(
            {load: [{"type": "list_bids", "time_slot": slot}], pv: [{"type": "device_info"}]}
        )
        [bids] = listed["responses"][load]
        # It stands in the book, if its gate has not closed in the meantime.
        assert [one["id"] for one in bids["bid_list"]] in ([order], [])
        assert listed["responses"][pv][0]["status"] == "ready"
        trader.close()


def test_measurements_feed_the_delivery(tmp_path: Path) -> None:
    out = tmp_path / "live"
    changes = {**LIVE, "market__meter_grace_s": 50}
    with served(tmp_path, "realtime", out=out, **changes) as market:
        session = Session(market.url, SIMULATION)
        trader = Aggregator(session)
        load, pv = Device(session, "Load 2", listens=True), Device(session, "PV 2", listens=True)
        load.select_aggregator(trader.uuid)
        until(lambda: any(one.get("event") == "market" for one in trader.heard), 90)
        first = next(one["market_slot"] for one in trader.heard if one.get("event") == "market")
        now = plus(first, -2)

        def measured() -> bool:
            return all(
                device.measure({now: energy})["status"] == "ready"
                for device, energy in ((load, 0.7), (pv, 0.2))
            )

        assert measured()

        def delivered() -> bool:
            with sqlite3.connect(market.database) as database:
                rows = database.execute(
                    "SELECT kind, quantity FROM transactions WHERE 'home_25' IN (seller_id, buyer_id)"
                ).fetchall()
            return {("supply", 500), ("self_consumption", 200)} <= set(rows)

        until((out / "market.db").exists)
        until(delivered, 150)
        again = load.measure({now: 0.9})
        assert (again["status"], again["code"]) == ("error", "bad_slot"), "it was delivered with a reading"
        trader.close()
        load.close()
        pv.close()
