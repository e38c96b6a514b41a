"""Rounds over Socket.IO, beside a bare python-socketio loop of the same messages in the same run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
import socketio
from aiohttp import web

from trex_market.benchmarks.figures import Figure
from trex_market.benchmarks.population import START, TERMS, homes
from trex_market.core.messages import OpenMarket
from trex_market.engine import Engine
from trex_market.participant import Participant
from trex_market.plugins import CLIENTS, find
from trex_market.rounds import EpisodePlan
from trex_market.server.app import ServerSettings, SimulationServer

SIZES = ((10, 400), (20, 400), (50, 120), (200, 30))
"""Participants, and rounds."""


def sockets() -> list[Figure]:
    """Play rounds with a client each; server and clients share one process, so one core."""
    return [_compared(count, played) for count, played in SIZES]


def _compared(count: int, played: int) -> Figure:
    tap = Tap()
    speed, joined = asyncio.run(market_rounds(TERMS, homes(count, played + 4), START, played, tap))
    bare = asyncio.run(bare_rounds(count, played, tap))
    return Figure(
        "sockets",
        "rounds over Socket.IO",
        count,
        speed,
        "rounds/s",
        bare,
        "a bare python-socketio loop of the same messages",
        f"{1e6 / speed / count:,.0f} us a turn; all joined in {joined:.1f} s",
        1 / speed,
    )


class Tap:
    """Keeps one message of each kind, to be sent in the bare loop."""

    def __init__(self) -> None:
        self.round: Any = None
        self.turn: Any = None


async def market_rounds(
    terms: OpenMarket, homes: dict[str, Participant], start: int, rounds: int, tap: Tap
) -> tuple[float, float]:
    """Play rounds with a client each.

    Returns:
        rounds per second, and seconds until all had joined.
    """
    async with SimulationServer(terms, homes, ServerSettings()) as market:
        began = perf_counter()
        client = find(CLIENTS, "socketio", Path.cwd())
        clients = [tapped(client, tap)(home, market.url, profile=False) for home in homes.values()]
        tasks = [asyncio.create_task(client.run()) for client in clients]
        plan = EpisodePlan("training", 0, start, rounds, terms.step)
        await market.conductor.begin(plan, Engine())
        joined = perf_counter() - began
        began = perf_counter()
        for number in range(rounds):
            await market.conductor.play(start + number * terms.step)
        seconds = perf_counter() - began
        await market.conductor.end(plan)
        await market.conductor.finish()
        await asyncio.wait(tasks, timeout=10)
        return rounds / seconds, joined


def tapped(client: Any, tap: Tap) -> Any:
    """Return a client's class that keeps what it hears and says."""

    class Tapped(client):  # type: ignore[misc]  # found by name
        async def _handle(self, event: str, data: Any) -> None:
            if event == "start_round":
                tap.round = data
            await super()._handle(event, data)

        def _message(self, turn: Any) -> Any:
            message = super()._message(turn)
            tap.turn = msgspec.to_builtins(message)
            return message

    return Tapped


async def bare_rounds(count: int, rounds: int, tap: Tap) -> float:
    """Send each client a round, wait for its turn, acknowledge it; nothing else. Rounds per second."""
    server = socketio.AsyncServer(async_mode="aiohttp", namespaces=["/market"], async_handlers=False)
    application = web.Application()
    server.attach(application)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    sids: list[str] = []
    all_there, all_done = asyncio.Event(), asyncio.Event()
    turns = 0
    answer = {"ok": True, "cancelled": [], "orders": [{"ok": True, "order_id": "x-1", "time_submission": 1}]}

    async def connect(sid: str, _environment: object, _credentials: object = None) -> None:
        sids.append(sid)
        if len(sids) == count:
            all_there.set()

    async def turn(_sid: str, _data: Any) -> Any:
        nonlocal turns
        turns += 1
        if turns == count:
            all_done.set()
        return answer

    server.on("connect", connect, namespace="/market")
    server.on("turn", turn, namespace="/market")
    clients = [_bare_client(tap) for _ in range(count)]
    for client in clients:
        await client.connect(f"http://127.0.0.1:{port}", namespaces=["/market"], transports=["websocket"])
    await all_there.wait()
    began = perf_counter()
    for _ in range(rounds):
        turns = 0
        all_done.clear()
        for sid in sids:
            await server.emit("start_round", tap.round, to=sid, namespace="/market")
        await all_done.wait()
    seconds = perf_counter() - began
    for client in clients:
        await client.disconnect()
    await runner.cleanup()
    return rounds / seconds


def _bare_client(tap: Tap) -> socketio.AsyncClient:
    client = socketio.AsyncClient()

    async def start_round(_data: Any) -> None:
        await client.emit("turn", tap.turn, namespace="/market", callback=lambda _answer: None)

    client.on("start_round", start_round, namespace="/market")
    return client
