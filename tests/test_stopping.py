"""Servers that are told to stop: by SIGTERM, by Ctrl-C, once and twice; real processes all."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import socketio

from participants.client import Client
from participants.home import Home
from participants.strategies.baseline import Baseline
from tests.server.helpers import Agent, free_port, soon, start_process
from tests.shell_helpers import query, study
from trex_market.core.messages import SubmitOrder
from trex_market.journal import read_commands
from trex_market.participant import Announcement, Turn
from trex_market.stopping import SIGNALS, StopSignals

STEP = 2
CONFIG = """
study: {{name: live, start_datetime: "2016-01-18", time_step_size: 2, days: 1}}
server:
  port: {port}
  max_requests_per_second: 100000
  max_requests_per_round: 1000000
  max_open_orders: 1000000
market: {{id: live, type: MicroTE3B, mode: realtime, meter_grace_s: 1, grid: {{price: 0.08, fee_ratio: 2.75}}}}
participants:
  ann: {{trader: {{type: basic}}}}
  bob: {{trader: {{type: basic}}}}
"""

WAITS = 60.0
"""Nothing takes so long, unless it never comes."""


class Server:
    """A market on the wall clock, in a process of its own.

    Args:
        folder: of its config and its run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.config = folder / "live.yaml"
        self.config.write_text(CONFIG.format(port=port))

    def start(self) -> subprocess.Popen[str]:
        """Start it, and wait until it listens."""
        options = ["--out", self.folder / "run", "--log-format", "json"]
        process = start_process("serve", self.config, *options, cwd=self.folder)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "market live at" in line, line + process.stderr.read()  # type: ignore[union-attr]
        return process

    async def ends(self, process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
        """Send a signal, and return the status with which it ends, and its log."""
        process.send_signal(number)
        said, complaints = await asyncio.to_thread(process.communicate, None, WAITS)
        assert "stopped" in said
        return process.returncode, complaints


class Counting(Home):
    """A home that says when it plays a round."""

    def __init__(self, name: str) -> None:
        super().__init__(name, Baseline())
        self.rounds: asyncio.Queue[int] = asyncio.Queue()
        self.begun = 0

    def start_episode(self, start: Any) -> None:
        self.begun += 1
        super().start_episode(start)

    def turn(self, announcement: Announcement) -> Turn:
        self.rounds.put_nowait(announcement.round.time)
        return Turn()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_a_market_on_the_wall_clock_stops_and_its_clients_stay(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    server = Server(tmp_path)
    process = server.start()
    ann = Counting("ann")
    playing = asyncio.create_task(Client(ann, server.url).run())
    try:
        async with Agent(server.url, "bob") as bob, Agent(server.url, namespace="/simulation") as watcher:
            await watcher.says("register")
            await bob.hears("start_round")
            before = await asyncio.wait_for(ann.rounds.get(), WAITS)
            code, log = await server.ends(process, number)
            notice = await bob.hears("notice")
            assert notice["code"] == "stopping"
            await soon(bob.gone.wait())
            assert "end_simulation" not in bob.has_heard()
        assert code == status, log
        assert "Traceback" not in log
        assert all(
            json.loads(line)["level"] in ("info", "warning") for line in log.splitlines() if line[0] == "{"
        )
        assert query(tmp_path / "run" / "market.db", "SELECT status FROM runs") == [("interrupted",)]

        process = server.start()
        while not ann.rounds.empty():
            ann.rounds.get_nowait()
        after = await asyncio.wait_for(ann.rounds.get(), WAITS)
        assert after > before
        assert ann.begun == 1, "the market goes on; nothing begins anew"
        assert not playing.done()
        code, log = await server.ends(process, signal.SIGTERM)
        assert code == 0, log
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        process.kill()
        process.communicate()


class Trader:
    """Offers without a pause, many times at once, and remembers what was acknowledged."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.acknowledged: list[str] = []
        self.refused: set[str] = set()
        self.enough = asyncio.Event()

    async def trade(self) -> None:
        """Trade until the server is gone."""
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        gone = asyncio.Event()

        async def lose(*_reason: object) -> None:
            gone.set()

        client.on("disconnect", lose, namespace="/market")
        await client.connect(self._url, namespaces=["/market"], transports=["websocket"])
        await client.call("join", {"participant_id": "ann"}, namespace="/market", timeout=WAITS)
        try:
            while not gone.is_set():
                slot = (int(time.time()) // STEP + 5) * STEP
                order = {
                    "quantity": 10,
                    "price": 0.2,
                    "time_delivery": [slot, slot + STEP],
                    "source": "solar",
                }
                await client.emit("ask", order, namespace="/market", callback=self._take)
                await asyncio.sleep(0.001)
        except socketio.exceptions.SocketIOError:
            pass
        finally:
            await client.disconnect()

    def _take(self, answer: dict[str, Any]) -> None:
        if answer["ok"]:
            self.acknowledged.append(answer["order_id"])
        else:
            self.refused.add(answer["code"])
        if len(self.acknowledged) > 100:
            self.enough.set()


@pytest.mark.slow
async def test_what_was_taken_is_acknowledged_before_it_stops(tmp_path: Path) -> None:
    server = Server(tmp_path)
    process = server.start()
    trader = Trader(server.url)
    trading = asyncio.create_task(trader.trade())
    try:
        await asyncio.wait_for(trader.enough.wait(), WAITS)
        code, log = await server.ends(process, signal.SIGTERM)
        await asyncio.wait_for(trading, WAITS)
    finally:
        process.kill()
        process.communicate()
    assert code == 0, log
    journal = tmp_path / "run" / "journal.jsonl"
    kept = [command.order_id for _, command in read_commands(journal) if isinstance(command, SubmitOrder)]
    assert sorted(kept) == sorted(trader.acknowledged)
    assert trader.refused <= {"wrong_phase"}
    rows = query(tmp_path / "run" / "market.db", "SELECT id FROM orders")
    assert sorted(order_id for (order_id,) in rows) == sorted(kept)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_simulation_that_is_stopped_tells_its_clients(tmp_path: Path, number: signal.Signals) -> None:
    config = study(tmp_path, ("study:", "study:\n  simulations: [training]"))
    options = [
        "--port",
        str(port := free_port()),
        "--out",
        tmp_path / "run",
        "--play",
        "taker",
        "--play",
        "mixed",
    ]
    process = start_process("serve", config, *options, cwd=tmp_path)
    try:
        assert process.stdout is not None
        assert "waiting for: maker" in process.stdout.readline()
        async with Agent(f"http://127.0.0.1:{port}", "maker") as maker:
            await maker.hears("start_round")
            process.send_signal(number)
            assert (await maker.hears("notice"))["code"] == "stopping"
            await maker.hears("end_simulation")
            said, complaints = await asyncio.to_thread(process.communicate, None, WAITS)
        assert process.returncode == 130, said + complaints
        assert complaints == "interrupted; what was recorded until now is kept\n"
        assert query(tmp_path / "run" / "market.db", "SELECT status FROM runs") == [("interrupted",)]
    finally:
        process.kill()
        process.communicate()


STUBBORN = """
import asyncio
from trex_market.stopping import StopSignals

async def main():
    with StopSignals(lambda: print("stopping", flush=True)):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_whatever_it_waits_for(first: signal.Signals, second: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(first)
        assert process.stdout.readline() == "stopping\n"
        assert process.poll() is None
        process.send_signal(second)
        assert process.wait(WAITS) == -second


async def test_afterwards_signals_do_what_they_did_before() -> None:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    asked = asyncio.Event()
    with StopSignals(asked.set) as signals:
        assert signals.received is None
        signal.raise_signal(signal.SIGTERM)
        await soon(asked.wait())
    assert signals.received is signal.SIGTERM
    assert {number: signal.getsignal(number) for number in SIGNALS} == before
