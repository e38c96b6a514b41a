"""An event across `kill -9`: it starts at its time, happens once, and is paid once."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from tests.server.helpers import Agent
from tests.server.test_realtime import started
from trex_market.core.messages import AdvanceClock
from trex_market.journal import read_commands
from trex_market.programmes.demand_response.messages import AnswerDr, InviteDr

CONFIG = """
study: {{name: live, start_datetime: "2016-01-18", time_step_size: 2, days: 1}}
server: {{port: {port}, snapshot_lines: 100}}
market:
  id: live
  type: MicroTE3B
  mode: realtime
  meter_grace_s: 1
  reconciliation_window_s: 5
  grid: {{price: 0.08, fee_ratio: 2.75}}
participants:
  ann: {{trader: {{type: basic}}}}
  bob: {{trader: {{type: basic}}}}
demand_response:
  price: 1
  interval_s: 2
  sample_s: 1
  silence_s: 4
  rebound_s: 2
  answer_lead_s: 2
  baseline: {{adjustment: none}}
  devices:
    heater: {{participant: ann}}
    pump: {{participant: bob}}
"""


async def report(agent: Agent, device_id: str, power_w: int, until: float) -> None:
    """Report a power every third of a second; a second that was reported already is refused."""
    while time.time() < until:
        answer = await agent.says("device_power", {"device_id": device_id, "power_w": power_w})
        assert answer["ok"] or answer["code"] == "bad_time", answer
        await asyncio.sleep(0.34)


@pytest.mark.slow
async def test_an_event_survives_a_kill_before_its_start_and_in_its_middle(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    config, out = tmp_path / "live.yaml", tmp_path / "run"
    config.write_text(CONFIG.format(port=unused_tcp_port))
    url = f"http://127.0.0.1:{unused_tcp_port}"
    process = await started(config, out)
    async with aiohttp.ClientSession() as web, Agent(url, "ann") as ann:
        start = int(time.time()) + 8
        # So much was taken before that there is a baseline to go by.
        await report(ann, "heater", 3600, time.time() + 3)
        event = {"event_id": "e", "start": start, "duration_s": 12, "load_kwh": 0.005}
        async with web.post(f"{url}/dr/events", json=event) as response:
            assert response.status == 200, await response.text()
        answer = {"event_id": "e", "device_id": "heater", "accept": True, "reduction_kw": 1.0}
        assert (await ann.says("dr_answer", answer))["ok"]
        process.kill()
        await process.wait()

    process = await started(config, out)
    async with Agent(url, "ann") as ann:
        await report(ann, "heater", 3600, start - 0.5)
        await ann.hears("dr_event_started")
        await report(ann, "heater", 1800, start + 4)
        process.kill()
        await process.wait()

    process = await started(config, out)
    async with aiohttp.ClientSession() as web, Agent(url, "ann") as ann:
        async with web.get(f"{url}/dr/events/e") as response:
            found = await response.json()
        assert found["found"]["status"] == "active"
        async with Agent(url, "bob", last_event=0) as bob:
            told = [event for _, event, _ in bob.joined["missed"]]
            assert told.count("dr_event_started") == 1, "who knows nothing is told how things stand"
        await report(ann, "heater", 1800, start + 14)
        result = (await ann.hears("dr_result"))["devices"][0]
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(20):
        await process.communicate()

    assert result["baseline_quality"] == "prognosis"
    assert 4 <= result["measured_s"] <= 12
    assert result["reduction_kwh"] > 0
    commands = [command for _, command in read_commands(out / "journal.jsonl")]
    assert sum(isinstance(command, InviteDr) for command in commands) == 1
    assert sum(isinstance(command, AnswerDr) for command in commands) == 1
    assert any(isinstance(command, AdvanceClock) for command in commands)
    with closing(sqlite3.connect(out / "market.db")) as database:
        events = database.execute("select id, status from demand_response_events").fetchall()
        paid = database.execute(
            "select seller_id, quantity, amount from transactions where kind = 'demand_response'"
        ).fetchall()
        parts = database.execute(
            "select device_id, accepts, measured_s, amount from demand_response_invitations order by 1"
        ).fetchall()
    assert events == [("e", "completed")]
    assert [(device, accepts) for device, accepts, *_ in parts] == [("heater", 1), ("pump", None)]
    assert parts[0][2] == result["measured_s"]
    assert [(seller, amount) for seller, _, amount in paid] == [("ann", parts[0][3])]
    assert paid[0][2] == paid[0][1] * 1_000_000
