"""The market on the wall clock, killed and started again: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import socketio

from trex_market.core.messages import Delivered, SubmitOrder
from trex_market.engine import Engine, replay
from trex_market.journal import read_commands

STEP = 2
CONFIG = """
study: {{name: live, start_datetime: "2016-01-18", time_step_size: {step}, days: 1}}
server: {{port: {port}}}
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
"""


async def started(config: Path, out: Path) -> asyncio.subprocess.Process:
    """Start the market, and wait until it says that it listens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "trex_market",
        "serve",
        str(config),
        "--out",
        str(out),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": "", "COLUMNS": "200"},
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        line = await process.stdout.readline()
    assert b"market live at" in line, line
    return process


class Trader:
    """Bids or asks without a pause, and remembers what was acknowledged."""

    def __init__(self, name: str, side: str, port: int) -> None:
        self.name, self.side = name, side
        self.url = f"http://127.0.0.1:{port}"
        self.acknowledged: list[str] = []

    async def trade(self) -> None:
        """Trade until the server is gone."""
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(self.url, namespaces=["/market"], transports=["websocket"])
        try:
            joined = await client.call("join", {"participant_id": self.name}, namespace="/market", timeout=5)
            assert joined["ok"], joined
            while client.connected:
                await self.order(client)
        except (socketio.exceptions.SocketIOError, TimeoutError):
            return
        finally:
            await client.disconnect()

    async def order(self, client: socketio.AsyncClient) -> None:
        slot = (int(time.time()) // STEP + 4) * STEP
        data: dict[str, Any] = {
            "quantity": 10,
            "price": 0.2,
            "time_delivery": [slot, slot + STEP],
            "source": "solar",
        }
        answer = await client.call(self.side, data, namespace="/market", timeout=2)
        if answer["ok"]:
            self.acknowledged.append(answer["order_id"])


@pytest.mark.slow
async def test_a_market_that_is_killed_has_all_that_it_acknowledged_once(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    config, out = tmp_path / "live.yaml", tmp_path / "run"
    config.write_text(CONFIG.format(step=STEP, port=unused_tcp_port))
    traders = [Trader("ann", "ask", unused_tcp_port), Trader("bob", "bid", unused_tcp_port)]
    for lifetime in (1.3, 2.9, 4.1):
        process = await started(config, out)
        trading = [asyncio.create_task(trader.trade()) for trader in traders]
        await asyncio.wait(trading, timeout=lifetime)
        process.kill()
        await process.wait()
        await asyncio.gather(*trading)
    process = await started(config, out)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(20):
        await process.communicate()

    journal = out / "journal.jsonl"
    kept = Counter(
        command.order_id for _, command in read_commands(journal) if isinstance(command, SubmitOrder)
    )
    acknowledged = [order_id for trader in traders for order_id in trader.acknowledged]
    assert len(acknowledged) > 50
    assert [order_id for order_id in acknowledged if kept[order_id] != 1] == []

    engine = Engine()
    outbox = engine.listen()
    for _ in replay(journal, engine):
        pass
    rows = [row for event in outbox.take() if isinstance(event, Delivered) for row in event.transactions]
    with closing(sqlite3.connect(out / "market.db")) as database:
        orders = Counter(order_id for (order_id,) in database.execute("select id from orders"))
        recorded = database.execute(
            "select id, kind, quantity from transactions where reverses is null"
        ).fetchall()
        estimated = database.execute("select count(*) from transactions where estimated").fetchone()[0]
        (status,) = database.execute("select status from runs").fetchone()
    assert orders == kept
    assert {(row.id, row.kind, row.quantity) for row in rows} <= set(recorded)
    assert rows
    assert estimated, "no meter has spoken: all is deemed"
    assert status == "interrupted"
