"""A live market under load for a long time: killed again and again, or watched while it runs.

    scripts/endurance crash                   200 times kill -9 under 50 clients, rounds of 5 s (about half an hour)
    scripts/endurance soak                    20 minutes with 200 clients, rounds of 5 s: memory, delays
    scripts/endurance crash --kills 5 --clients 8 --step 1

`crash` compares what the clients were acknowledged with journal and database, and the database with a replay of the
whole journal: nothing lost, nothing twice, no row that differs. The exit status is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from statistics import median
from typing import Any

import socketio

from trex_market.core.messages import (
    CancelOrder,
    Contracted,
    Corrected,
    Delivered,
    ReportMeter,
    SubmitOrder,
)
from trex_market.core.units import dollars_from_price
from trex_market.engine import Engine, replay
from trex_market.journal import read_commands

CONFIG = """
study: {{name: endurance, start_datetime: "2016-01-18", time_step_size: {step}, days: 1}}
server: {{port: {port}, snapshot_lines: {snapshot_lines}}}
market:
  id: endurance
  type: MicroTE3B
  mode: realtime
  meter_grace_s: {grace}
  reconciliation_window_s: {window}
  grid: {{price: 0.08, fee_ratio: 2.75}}
participants:
{participants}
"""

ANSWER_S = 10.0
"""A request without an answer for so long is lost."""


class Server:
    """The market as a process, in a directory of its own.

    Args:
        directory: for config, journal and database.
        names: of the participants.
        arguments: of the command line.
    """

    def __init__(self, directory: Path, names: Sequence[str], arguments: argparse.Namespace) -> None:
        self.out = directory / "run"
        self.url = f"http://127.0.0.1:{arguments.port}"
        self._config = directory / "endurance.yaml"
        step = arguments.step
        self._config.write_text(
            CONFIG.format(
                step=step,
                port=arguments.port,
                grace=max(1, step // 2),
                window=10 * step,
                snapshot_lines=arguments.snapshot_lines,
                participants="\n".join(f"  {name}: {{trader: {{type: basic}}}}" for name in names),
            )
        )
        self.starts: list[float] = []
        """Seconds from each start until it listened."""

    async def start(self, *, wait: bool = True) -> None:
        """Start it; wait until it listens, unless it shall be killed before."""
        began = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "trex_market",
            "serve",
            str(self._config),
            "--out",
            str(self.out),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        if wait:
            assert self._process.stdout is not None
            while b"market endurance at" not in (line := await self._process.stdout.readline()):
                if not line:
                    raise SystemExit(f"the server does not start: exit status {await self._process.wait()}")
            self.starts.append(time.monotonic() - began)

    async def end(self, how: signal.Signals) -> None:
        """End it, and wait until it is gone."""
        with suppress(ProcessLookupError):
            self._process.send_signal(how)
        await self._process.communicate()

    @property
    def memory(self) -> float:
        """Resident memory, MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = [one for one in status.splitlines() if one.startswith("VmRSS")]
        return int(line.split()[1]) / 1024


class Trader:
    """Orders, cancels and reports without end, joins again whenever it can, and remembers all acknowledgements.

    Args:
        name: as whom.
        url: of the server.
        arguments: of the command line.
    """

    def __init__(self, name: str, url: str, arguments: argparse.Namespace) -> None:
        self.name = name
        self.orders: dict[str, tuple[Any, ...]] = {}
        self.cancelled: set[str] = set()
        self.readings: dict[int, int] = {}
        self.delays: list[float] = []
        self.stopped = False
        """Whether it has traded enough. Cancelled in the middle of a request, a client would leave its connection open."""
        self._url = url
        self._step = arguments.step
        self._pause = arguments.pause
        self._chance = random.Random(f"{arguments.seed} {name}")  # noqa: S311 - no secret

    async def trade(self) -> None:
        """Trade until stopped."""
        while not self.stopped:
            client = socketio.AsyncClient(reconnection=False)
            with suppress(socketio.exceptions.SocketIOError, TimeoutError):
                await self._session(client)
            await client.shutdown()
            await client.eio.disconnect()  # what a failed attempt to connect left open
            await asyncio.sleep(0.2 + 0.2 * self._chance.random())

    async def _session(self, client: socketio.AsyncClient) -> None:
        await client.connect(self._url, namespaces=["/market"], transports=["websocket"])
        joined = await self._ask(client, "join", {"participant_id": self.name})
        while joined["ok"] and client.connected and not self.stopped:
            await self._act(client)
            await asyncio.sleep(self._pause * 2 * self._chance.random())

    async def _ask(self, client: socketio.AsyncClient, event: str, data: Any) -> Any:
        began = time.perf_counter()
        answer = await client.call(event, data, namespace="/market", timeout=ANSWER_S)
        self.delays.append(time.perf_counter() - began)
        return answer

    async def _act(self, client: socketio.AsyncClient) -> None:
        chance, step = self._chance, self._step
        over = int(time.time()) // step * step - step
        if over not in self.readings and chance.random() < 0.8:
            await self._report(client, over)
        elif self.orders and chance.random() < 0.15:
            order_id = next(reversed(self.orders))
            if (await self._ask(client, "cancel", {"order_id": order_id}))["ok"]:
                self.cancelled.add(order_id)
        else:
            await self._order(client, over + step * chance.randint(3, 5))

    async def _report(self, client: socketio.AsyncClient, start: int) -> None:
        solar = self._chance.randrange(100)
        data = {
            "time_interval": [start, start + self._step],
            "generation": {"solar": solar},
            "consumption": {"other": {"external": self._chance.randrange(100)}},
        }
        if (await self._ask(client, "meter_data", data))["ok"]:
            self.readings[start] = solar

    async def _order(self, client: socketio.AsyncClient, slot: int) -> None:
        side = self._chance.choice(("bid", "ask"))
        quantity = self._chance.randint(1, 200)
        price = self._chance.randint(10, 30) / 100
        data = {
            "quantity": quantity,
            "price": price,
            "time_delivery": [slot, slot + self._step],
            "source": "solar",
        }
        answer = await self._ask(client, side, data)
        if answer["ok"]:
            self.orders[answer["order_id"]] = (self.name, side, quantity, price, slot)


def differences(out: Path, traders: Sequence[Trader]) -> list[str]:
    """Compare acknowledgements, journal and database; return what is wrong."""
    journal = out / "journal.jsonl"
    orders: Counter[str] = Counter()
    said: dict[str, tuple[Any, ...]] = {}
    cancels: set[str] = set()
    readings: Counter[tuple[str, int]] = Counter()
    for _, command in read_commands(journal):
        if isinstance(command, SubmitOrder):
            orders[command.order_id] += 1
            price = dollars_from_price(command.price)
            what = (command.participant_id, command.side, command.quantity, price, command.slot_start)
            said[command.order_id] = what
        elif isinstance(command, CancelOrder):
            cancels.add(command.order_id)
        elif isinstance(command, ReportMeter):
            readings[command.participant_id, command.meter.slot_start] += 1
    wrong = []
    for trader in traders:
        wrong += [
            f"order {one} is {orders[one]} times in the journal" for one in trader.orders if orders[one] != 1
        ]
        wrong += [f"order {one} differs" for one, what in trader.orders.items() if said.get(one) != what]
        wrong += [f"cancellation of {one} is lost" for one in trader.cancelled - cancels]
        wrong += [
            f"reading of {trader.name} for {start} is lost"
            for start in trader.readings
            if not readings[trader.name, start]
        ]
    return wrong + _ledger_differences(out, orders)


def _ledger_differences(out: Path, orders: Counter[str]) -> list[str]:
    """Compare the database with a replay of the whole journal."""
    engine = Engine()
    outbox = engine.listen()
    contracts: Counter[tuple[Any, ...]] = Counter()
    rows: Counter[tuple[Any, ...]] = Counter()
    for _ in replay(out / "journal.jsonl", engine):
        for event in outbox.take():
            if isinstance(event, Contracted):
                contracts.update((one.id, one.quantity, one.bid_id, one.ask_id) for one in event.contracts)
            elif isinstance(event, Delivered | Corrected):
                rows.update((row.id, row.kind, row.quantity, row.reverses) for row in event.transactions)
    with closing(sqlite3.connect(out / "market.db")) as database:
        recorded = Counter(database.execute("select id, quantity, bid_id, ask_id from contracts").fetchall())
        written = Counter(
            database.execute("select id, kind, quantity, reverses from transactions").fetchall()
        )
        there = Counter(one for (one,) in database.execute("select id from orders"))
        money = database.execute(
            "select count(*), count(distinct run_id), max(fee_bid), max(fee_ask) from transactions"
        ).fetchone()
    wrong = [
        f"contract {one}: {recorded[one]} instead of {contracts[one]}" for one in _uneven(contracts, recorded)
    ]
    wrong += [f"transaction {one}: {written[one]} instead of {rows[one]}" for one in _uneven(rows, written)]
    wrong += [
        f"order {one}: {there[one]} instead of {orders[one]} in the database"
        for one in _uneven(orders, there)
    ]
    print(
        f"compared: {orders.total():,} orders, {contracts.total():,} contracts, {rows.total():,} transactions"
        f" of {money[1]} run"
    )
    return wrong


def _uneven(one: Counter[Any], other: Counter[Any]) -> list[Any]:
    return [key for key in one.keys() | other.keys() if one[key] != other[key]]


async def crash(arguments: argparse.Namespace, directory: Path) -> int:
    """Kill the market again and again; return the exit status."""
    names = [f"home_{number:03d}" for number in range(arguments.clients)]
    server = Server(directory, names, arguments)
    traders = [Trader(name, server.url, arguments) for name in names]
    trading = [asyncio.create_task(trader.trade()) for trader in traders]
    chance = random.Random(arguments.seed)  # noqa: S311 - no secret
    for kill in range(arguments.kills):
        early = chance.random() < 0.1
        await server.start(wait=not early)
        await asyncio.sleep(chance.uniform(0, 1 if early else 2.5 * arguments.step))
        await server.end(signal.SIGKILL)
        done = sum(len(trader.orders) + len(trader.readings) for trader in traders)
        print(f"kill {kill + 1} of {arguments.kills}: {done:,} acknowledged", flush=True)
    await server.start()
    for trader in traders:
        trader.stopped = True
    await asyncio.gather(*trading)
    await server.end(signal.SIGTERM)
    wrong = differences(server.out, traders)
    print("\n".join(wrong[:20]))
    acknowledged = sum(len(one.orders) + len(one.cancelled) + len(one.readings) for one in traders)
    print(
        f"{arguments.kills} kills, {acknowledged:,} acknowledged, {len(wrong)} wrong; "
        f"start-up median {median(server.starts):.2f} s, longest {max(server.starts):.2f} s"
    )
    return 1 if wrong or not acknowledged else 0


async def soak(arguments: argparse.Namespace, directory: Path) -> int:
    """Watch the market under load; return the exit status."""
    names = [f"home_{number:03d}" for number in range(arguments.clients)]
    server = Server(directory, names, arguments)
    traders = [Trader(name, server.url, arguments) for name in names]
    await server.start()
    trading = [asyncio.create_task(trader.trade()) for trader in traders]
    memory = []
    began = time.monotonic()
    while time.monotonic() < began + 60 * arguments.minutes:
        await asyncio.sleep(min(10, 3 * arguments.minutes))
        memory.append(server.memory)
        delays = sorted(delay for trader in traders for delay in trader.delays[-50:])
        print(
            f"{(time.monotonic() - began) / 60:6.1f} min  {memory[-1]:7.1f} MB  "
            f"answers p50 {1e3 * delays[len(delays) // 2]:.1f} ms, p99 {1e3 * delays[len(delays) * 99 // 100]:.1f} ms",
            flush=True,
        )
    for trader in traders:
        trader.stopped = True
    await asyncio.gather(*trading)
    await server.end(signal.SIGTERM)
    wrong = differences(server.out, traders)
    print("\n".join(wrong[:20]))
    quarter = len(memory) // 4
    first, last = max(memory[quarter : 2 * quarter]), max(memory[-quarter:])
    requests = sum(len(trader.delays) for trader in traders)
    print(
        f"{requests:,} requests, {len(wrong)} wrong; memory {first:.1f} MB in the second quarter, {last:.1f} MB in the last"
    )
    return 1 if wrong or last > 1.1 * first else 0


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("crash", "soak"))
    parser.add_argument("--clients", type=int, help="50 to be killed under, 200 to be watched with")
    parser.add_argument("--step", type=int, default=5, help="length of a round, s")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--pause", type=float, help="between two requests of a client, s, in the mean")
    parser.add_argument("--port", type=int, default=3177)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--snapshot-lines", type=int, default=10_000)
    parser.add_argument("--directory", type=Path, help="to keep what is written")
    arguments = parser.parse_args()
    crashing = arguments.what == "crash"
    arguments.clients = arguments.clients or (50 if crashing else 200)
    arguments.pause = arguments.pause or (0.3 if crashing else 1.5)
    work = crash if crashing else soak
    if arguments.directory is not None:
        arguments.directory.mkdir(parents=True)
        raise SystemExit(asyncio.run(work(arguments, arguments.directory)))
    with tempfile.TemporaryDirectory() as directory:
        raise SystemExit(asyncio.run(work(arguments, Path(directory))))


if __name__ == "__main__":
    main()
