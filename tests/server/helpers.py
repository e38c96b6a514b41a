"""A real server on a free port, and participants made of nothing but a Socket.IO client."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
import socketio

from participants.client import Client
from participants.home import Home
from participants.strategies.basic import Basic
from tests.helpers import START, STEP, Series, terms
from trex_market.core.messages import Contract, Contracted, Delivered, Event, OrderAccepted, Transaction
from trex_market.rounds import EpisodePlan
from trex_market.server.app import ServerSettings, SimulationServer
from trex_market.server.conductor import Conductor, Patience
from trex_market.simulation.run import play_episode

PATIENCE_S = 20.0
"""Nothing that a test waits for takes so long, unless it never comes."""

PATIENT = Patience(turn_timeout_s=PATIENCE_S, join_timeout_s=PATIENCE_S, silence="stop")
"""A market in which nobody may be silent."""

LOADS = {"ann": (100, 300, 200), "bob": (500, 450, 700), "cat": (250, 0, 350)}
SOLAR = {"ann": (700, 900, 400), "bob": (0, 0, 0), "cat": (300, 100, 800)}
"""Wh in each slot, over and over."""


async def soon(work: Coroutine[Any, Any, Any] | asyncio.Future[Any]) -> Any:
    """Wait for something that is to come, but not for ever."""
    return await asyncio.wait_for(work, PATIENCE_S)


def home(name: str, slots: int = 40) -> Home:
    """Return a home that trades at fixed prices of its own."""
    number = sorted(LOADS).index(name)
    made = Home(name, Basic(bid_price=0.16 + number / 100, ask_price=0.12 + number / 100))
    load = [LOADS[name][slot % 3] + slot for slot in range(slots)]
    solar = [SOLAR[name][slot % 3] and SOLAR[name][slot % 3] + 7 * slot for slot in range(slots)]
    made.use(Series(load, {"solar": solar}))
    return made


class Ledger:
    """Keeps what came of an episode."""

    def __init__(self) -> None:
        self.contracts: list[Contract] = []
        self.transactions: list[Transaction] = []
        self.orders: list[tuple[Any, ...]] = []
        self.estimated: list[tuple[int, str]] = []

    def hear(self, events: Sequence[Event]) -> None:
        """Keep contracts, transactions and accepted orders; the latter as they can be compared."""
        for event in events:
            if isinstance(event, Contracted):
                self.contracts += event.contracts
            elif isinstance(event, Delivered):
                self.transactions += event.transactions
                self.estimated += [(event.slot_start, name) for name in event.estimated]
            elif isinstance(event, OrderAccepted):
                order = event.order
                self.orders.append((order.time, order.order_id, order.side, order.quantity, order.price))

    def same(self, *, numbers: bool = True) -> tuple[Any, ...]:
        """Return what must be the same in two runs; orders of a round come in any order.

        Args:
            numbers: whether orders have the same ids, too; an order that is refused uses up a number.
        """
        contracts, orders = self.contracts, self.orders
        if not numbers:
            contracts = [msgspec.structs.replace(one, bid_id="", ask_id="") for one in contracts]
            orders = [(time, *rest) for time, _, *rest in orders]
        return contracts, self.transactions, sorted(orders), self.estimated


class Hall:
    """A market that is open for participants.

    Args:
        server: the server.
        rounds: of an episode.
    """

    def __init__(self, server: SimulationServer, rounds: int) -> None:
        self.server = server
        self.rounds = rounds
        self.ledgers: list[Ledger] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return self.server.url

    @property
    def conductor(self) -> Conductor:
        """Who plays its rounds."""
        return self.server.conductor

    @property
    def ledger(self) -> Ledger:
        """Of the last episode."""
        return self.ledgers[-1]

    def start(self, episodes: int = 1, simulation: str = "training", **others: Any) -> asyncio.Task[None]:
        """Begin to play episodes, as soon as all are there."""
        return self._task(self._play(episodes, simulation, others))

    def joins(self, client: Client) -> asyncio.Task[None]:
        """Let a client of ours take part."""
        return self._task(client.run())

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.append(task)
        return task

    async def _play(self, episodes: int, simulation: str, others: Mapping[str, Any]) -> None:
        for episode in range(episodes):
            plan = EpisodePlan(simulation, episode, START, self.rounds, STEP, **others)
            self.ledgers.append(Ledger())
            await play_episode(plan, self.conductor, listeners=[self.ledger])
        await self.conductor.finish()

    async def close(self) -> None:
        """End what is still going on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def hall(
    names: Iterable[str] = ("ann", "bob", "cat"),
    *,
    rounds: int = 6,
    patience: Patience = PATIENT,
    rule: str = "MicroTE3B",
    market: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Hall]:
    """Open a market on a free port.

    Args:
        names: of its participants.
        rounds: of an episode.
        patience: with those who are silent.
        rule: the clearing rule.
        market: further terms.
        settings: further ones of the server.
    """
    opened = terms(rule, **(market or {}))
    async with SimulationServer(opened, names, ServerSettings(patience=patience, **settings)) as server:
        place = Hall(server, rounds)
        try:
            yield place
        finally:
            await place.close()


class _AnyJson:
    """JSON as JavaScript and plain Python write it; lets out what is none, such as NaN and half characters."""

    @staticmethod
    def dumps(value: object, **_options: object) -> str:
        return json.dumps(value)

    loads = staticmethod(json.loads)


class _Packet(socketio.packet.Packet):
    json = _AnyJson


class Agent:
    """Somebody with a Socket.IO client; says what it is told to, and keeps what it hears.

    Args:
        url: of the server.
        name: as whom it joins; None to join as nobody.
        namespace: where it connects.
        join: further fields of its `join`.
    """

    def __init__(self, url: str, name: str | None = None, namespace: str = "/market", **join: Any) -> None:
        self.url = url
        self.name = name
        self.namespace = namespace
        self.joined: dict[str, Any] = {}
        self.gone = asyncio.Event()
        self._join = join
        self._heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.socket = socketio.AsyncClient(reconnection=False, serializer=_Packet)
        self.socket.on("*", self._hear, namespace=namespace)
        self.socket.on("disconnect", self._lose, namespace=namespace)

    async def __aenter__(self) -> Self:
        await self.socket.connect(self.url, namespaces=[self.namespace], transports=["websocket"])
        if self.name is not None:
            self.joined = await self.says("join", {"participant_id": self.name, **self._join})
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.socket.disconnect()

    async def _hear(self, event: str, *data: Any) -> None:
        self._heard.put_nowait((event, data[0] if data else None))

    async def _lose(self, *_reason: Any) -> None:
        self.gone.set()

    async def says(self, event: str, *arguments: Any) -> Any:
        """Send a request and return the answer."""
        data = arguments[0] if len(arguments) == 1 else (arguments or None)
        return await self.socket.call(event, data, namespace=self.namespace, timeout=PATIENCE_S)

    async def sends(self, event: str, *arguments: Any) -> None:
        """Send a request and do not wait for the answer."""
        data = arguments[0] if len(arguments) == 1 else (arguments or None)
        await self.socket.emit(event, data, namespace=self.namespace)

    async def is_refused(self, event: str, *arguments: Any) -> str:
        """Send a request that is refused, and return the code."""
        answer = await self.says(event, *arguments)
        assert answer["ok"] is False, answer
        assert answer["detail"], answer
        return str(answer["code"])

    async def hears(self, event: str) -> Any:
        """Wait for an event, and return its data; others are passed over."""
        while True:
            heard, data = await soon(self._heard.get())
            if heard == event:
                return data

    def has_heard(self) -> list[str]:
        """Return the names of the events that came in the meantime."""
        return [self._heard.get_nowait()[0] for _ in range(self._heard.qsize())]


class Wire:
    """What lies between a server and its clients, and can be cut.

    Args:
        url: of the server.
    """

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.cuts = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """End all connections at once; new ones can be made."""
        self.cuts += 1
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._writers |= {writer, far_writer}
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pass_on(source, sink))
            self._tasks.add(task)

    @staticmethod
    async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await source.read(65_536):
                sink.write(piece)
                await sink.drain()
        sink.close()


def bid(quantity: int = 200, price: float = 0.18, slot_start: int = START + 2 * STEP, **others: Any) -> Any:
    """Return a bid as it is sent; `others` overrides."""
    return {
        "quantity": quantity,
        "price": price,
        "time_delivery": [slot_start, slot_start + STEP],
        "source": "solar",
    } | others


def meter(slot_start: int = START, solar: int = 0, need: int = 0, **others: Any) -> Any:
    """Return a meter reading as it is sent; `others` overrides."""
    return {
        "time_interval": [slot_start, slot_start + STEP],
        "generation": {"solar": solar},
        "consumption": {"other": {"external": need}},
    } | others


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def start_process(*arguments: str | Path, cwd: Path) -> subprocess.Popen[str]:
    """Start `trex-market` as a process, in a group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "trex_market", *map(str, arguments)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def told_through(fifo: Path) -> str:
    """Wait until somebody says something through a named pipe, and return it."""
    pipe = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        ready, _, _ = select.select([pipe], [], [], 2 * PATIENCE_S)
        assert ready, "nobody says anything"
        return os.read(pipe, 100).decode()
    finally:
        os.close(pipe)
