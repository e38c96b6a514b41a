"""How long an order waits for its acknowledgement on the wall clock, beside a bare python-socketio echo."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter, time
from typing import Any

import msgspec
import socketio
from aiohttp import web

from trex_market.benchmarks.figures import Figure
from trex_market.benchmarks.population import TERMS
from trex_market.core.messages import Join, OpenMarket
from trex_market.recovery import LiveState
from trex_market.server.app import MarketServer, ServerSettings
from trex_market.server.clock import WallClock
from trex_market.server.desk import Limits
from trex_market.server.pace import WallPace

STEP = 900
SIZES = ((1, 400), (50, 40))
"""Clients at the same time, and orders of each."""

Delays = tuple[float, float, float]
"""Median and 99th percentile in seconds, and requests per second."""


def acknowledgements() -> list[Figure]:
    """Wait for the acknowledgement of orders, which are in the journal before."""
    figures = []
    for count, orders in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            measured = asyncio.run(market_delays(TERMS, Path(folder), count, orders))
            note = f"a bare sync to disk: {1e3 * sync_delay(Path(folder), 100):.2f} ms"
        bare = asyncio.run(bare_delays(count, orders))
        what = "an order on the wall clock, "
        beside = "a bare python-socketio echo"
        for place, name in enumerate(("p50", "p99")):
            delays = 1e3 * measured[place], "ms", 1e3 * bare[place]
            figures.append(Figure("acknowledgements", what + name, count, *delays, beside, note))
        speeds = measured[2], "orders/s", bare[2]
        figures.append(Figure("acknowledgements", what + "one after the other", count, *speeds, beside))
    return figures


async def market_delays(terms: OpenMarket, folder: Path, clients: int, orders: int) -> Delays:
    """Send orders to a live market, each after the acknowledgement of the one before.

    Args:
        terms: the market's.
        folder: for its journal and database.
        clients: how many send at the same time.
        orders: of each.
    """
    live = msgspec.structs.replace(terms, mode="realtime")
    names = [f"home_{number:03d}" for number in range(clients)]
    clock = WallClock()
    state = LiveState(folder, live, 10**9)
    engine = state.engine
    engine.keep_in(state.journal)
    engine.submit(live)
    for name in names:
        engine.submit(Join(name, int(clock.now())))
    limits = Limits(requests_per_round=10**9, open_orders=10**9)
    pace = WallPace(clock, state.journal)
    async with MarketServer(live, names, ServerSettings(limits=limits), pace) as server:
        server.desk.open(engine)
        slot = int(time()) // STEP * STEP + 4 * STEP
        order = {"quantity": 1, "price": 0.1, "source": "solar", "time_delivery": [slot, slot + STEP]}
        delays = await _delays(server.url, names, "ask", order, orders)
    await state.close()
    return delays


async def bare_delays(clients: int, requests: int) -> Delays:
    """Send the same requests to a server that does nothing but answer."""
    names = [str(number) for number in range(clients)]
    async with _echo() as url:
        order = {"quantity": 1, "price": 0.1, "source": "solar", "time_delivery": [0, STEP]}
        return await _delays(url, names, "ask", order, requests)


def sync_delay(folder: Path, lines: int) -> float:
    """Return the median of the seconds that it takes to write one line and to sync it."""
    taken = []
    with (folder / "bare.jsonl").open("ab", buffering=0) as file:
        for _ in range(lines):
            began = perf_counter()
            file.write(b"x" * 200 + b"\n")
            os.fsync(file.fileno())
            taken.append(perf_counter() - began)
    return sorted(taken)[lines // 2]


@asynccontextmanager
async def _echo() -> AsyncIterator[str]:
    server = socketio.AsyncServer(async_mode="aiohttp", namespaces=["/market"], async_handlers=False)
    answer = {"ok": True, "order_id": "clhqwv1lm0000abcd", "time_submission": 1_700_000_000}

    async def connect(_sid: str, _environment: object, _credentials: object = None) -> None:
        """Let everybody in."""

    async def anything(_event: str, _sid: str, _data: Any) -> Any:
        return answer

    server.on("connect", connect, namespace="/market")
    server.on("*", anything, namespace="/market")
    application = web.Application()
    server.attach(application)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _delays(url: str, names: list[str], event: str, data: Any, requests: int) -> Delays:
    clients = [socketio.AsyncClient(reconnection=False) for _ in names]
    ask: list[Callable[[str, Any], Awaitable[Any]]] = []
    for client, name in zip(clients, names, strict=True):
        await client.connect(url, namespaces=["/market"], transports=["websocket"])

        async def asked(event: str, data: Any, client: socketio.AsyncClient = client) -> Any:
            return await client.call(event, data, namespace="/market", timeout=60)

        answer = await asked("join", {"participant_id": name})
        assert answer["ok"], answer
        ask.append(asked)
    delays: list[float] = []

    async def send(asked: Callable[[str, Any], Awaitable[Any]]) -> None:
        for _ in range(requests):
            began = perf_counter()
            answer = await asked(event, data)
            delays.append(perf_counter() - began)
            assert answer["ok"], answer

    began = perf_counter()
    await asyncio.gather(*(send(asked) for asked in ask))
    seconds = perf_counter() - began
    for client in clients:
        await client.disconnect()
    delays.sort()
    return delays[len(delays) // 2], delays[len(delays) * 99 // 100], len(delays) / seconds
