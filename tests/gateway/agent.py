"""An agent as strict as those that the gateway is for, written from what is known of their wire.

It blocks, has a thread for each client object, opens a new connection for each call, ends a
socket on a text frame, and looks every 10 ms whether its answer has come.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Event, Thread
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import aiohttp

POLL_S = 0.01
ANSWER_S = 60.0
"""The real ones wait for 120 s."""

LARGEST = 1 << 20
TRIES = 20
LOWEST_TICK = 10
"""Ticks below so many percent are dropped."""


class Session:
    """Calls over HTTP as one user.

    Args:
        url: of the server.
        simulation: its id.
        user: who.
        password: its password.
    """

    def __init__(self, url: str, simulation: str, user: str = "alice", password: str = "secret") -> None:
        self.url = url
        self.simulation = simulation
        self.user = user
        self.password = password
        self.token = ""
        self.status = 0
        """Of the last call."""

    def call(self, method: str, path: str, body: object, headers: Mapping[str, str] | None = None) -> Any:
        """Return an answer in JSON; None if the status is none of 2xx."""
        own = {"Content-Type": "application/json", "Accept": "*/*", "Connection": "close"}
        if self.token:
            own["Authorization"] = f"JWT {self.token}"
        request = urllib.request.Request(
            self.url + path,
            data=body if isinstance(body, bytes) else json.dumps(body).encode(),
            headers={**own, **(headers or {})},
            method=method,
        )
        try:
            with urllib.request.urlopen(request) as answer:
                self.status = answer.status
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                self.status = error.code
                self.refusal = error.read()
            return None

    def log_in(self) -> None:
        """Get a token."""
        self.token = ""
        body = {"username": self.user, "password": self.password}
        answer = self.call("POST", "/api-token-auth/", body)
        assert self.status == 200, self.status
        assert answer["token"] == answer["access"]
        self.token = answer["access"]

    def aggregator(self, method: str, what: str, **body: object) -> Any:
        """Call what is about aggregators."""
        path = f"/external-connection/aggregator-api/{quote(self.simulation)}/{what}/"
        return self.call(method, path, {"transaction_id": str(uuid4()), **body})

    def registry(self) -> dict[str, Any]:
        """Return the tree of assets."""
        path = f"/external-connection/configurations/{quote(self.simulation)}/registry"
        registry = self.call("GET", path, {"transaction_id": str(uuid4())})
        assert registry, self.status
        return dict(registry)

    def graphql(self, query: str) -> Any:
        """Ask with a new token, as the helpers do."""
        self.log_in()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        body = {"query": query, "variables": None, "operationName": None}
        return self.call("POST", "/graphql/", body, headers)

    def uuid_of(self, name: str) -> str:
        """Return the UUID of an area or asset: the first of that name, depth first."""
        query = f'query {{ readConfiguration(uuid: "{self.simulation}") {{ scenarioData {{ latest {{ serialized }} }} }} }}'
        answer = self.graphql(query)["data"]
        tree = json.loads(answer["readConfiguration"]["scenarioData"]["latest"]["serialized"])
        for node in nodes_of([tree]):
            if node["name"] == name:
                return str(node["uuid"])
        raise KeyError(name)


def nodes_of(nodes: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Yield nodes and all below them."""
    for node in nodes:
        yield node
        yield from nodes_of(node.get("children") or [])


def names_by_type(registry: dict[str, Any]) -> dict[str, list[str]]:
    """Return the names of what is registered; there are four types, and no other."""
    names: dict[str, list[str]] = {"Area": [], "Load": [], "PV": [], "Storage": []}
    for node in nodes_of([registry]):
        if node["registered"] is True:
            names[node["type"]].append(node["name"])
    return names


class Socket:
    """A socket in a thread of its own.

    Args:
        session: whose token it shows, a new one each time.
        path: behind the simulation's id.
        hear: takes each message.
        pause_s: before it connects again, in seconds.
    """

    def __init__(
        self, session: Session, path: str, hear: Callable[[dict[str, Any]], None], pause_s: float = 0.2
    ) -> None:
        self._session = Session(session.url, session.simulation, session.user, session.password)
        self._path = path
        self._hear = hear
        self._pause = pause_s
        self.faults: list[BaseException] = []
        self.opened = Event()
        self.connections = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._connect())
        finally:
            self._loop.close()

    async def _connect(self) -> None:
        for _ in range(TRIES):
            try:
                await self._once()
            except (aiohttp.ClientError, OSError, AssertionError, TypeError) as error:
                self.faults.append(error)
            if self._stop.is_set():
                return
            await asyncio.sleep(self._pause)

    async def _once(self) -> None:
        self._session.log_in()
        base = self._session.url.replace("http", "ws", 1) + f"/external-ws/{quote(self._session.simulation)}"
        headers = {"Authorization": f"JWT {self._session.token}"}
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(
                f"{base}/{self._path}/", headers=headers, max_msg_size=LARGEST, compress=15
            ) as socket,
        ):
            self.connections += 1
            self.opened.set()
            stopping = asyncio.ensure_future(self._stop.wait())
            try:
                while True:
                    heard = asyncio.ensure_future(socket.receive())
                    await asyncio.wait({heard, stopping}, return_when=asyncio.FIRST_COMPLETED)
                    if self._stop.is_set():
                        heard.cancel()
                        return
                    message = heard.result()
                    if message.type in (
                        aiohttp.WSMsgType.CLOSE,
                        aiohttp.WSMsgType.CLOSED,
                        aiohttp.WSMsgType.CLOSING,
                    ):
                        return
                    if message.type is not aiohttp.WSMsgType.BINARY:
                        raise TypeError(f"a {message.type.name} frame has no .decode()")
                    self._hear(json.loads(message.data.decode()))
            finally:
                stopping.cancel()

    def close(self) -> None:
        """Hang up."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()


class Answers:
    """Answers that came, until somebody takes them."""

    def __init__(self) -> None:
        self._kept: list[dict[str, Any]] = []

    def keep(self, message: dict[str, Any]) -> None:
        """Keep an answer."""
        self._kept.append(message)

    def wait(self, command: str, transaction_id: str, within_s: float = ANSWER_S) -> dict[str, Any]:
        """Wait for the answer to a request."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            for message in self._kept:
                if message["command"] == command and message.get("transaction_id") == transaction_id:
                    self._kept.remove(message)
                    return message
            time.sleep(POLL_S)
        raise AssertionError(f"no answer to {command} {transaction_id}")


class Device:
    """A client of one asset or area.

    Args:
        session: whose.
        name: of the asset or area.
        listens: whether it has a socket.
    """

    def __init__(self, session: Session, name: str, *, listens: bool = False) -> None:
        self.session = Session(session.url, session.simulation, session.user, session.password)
        self.session.log_in()
        self.uuid = self.session.uuid_of(name)
        self.session.log_in()
        self.answers = Answers()
        self.socket = Socket(session, self.uuid, self.answers.keep) if listens else None

    def select_aggregator(self, uuid: str) -> None:
        """Let an aggregator trade for it."""
        body = {"aggregator_uuid": uuid, "device_uuid": self.uuid}
        answer = self.session.aggregator("POST", "select-aggregator", **body)
        if answer is not None:
            assert answer["aggregator_uuid"] == uuid

    def ask(self, what: str, command: str, method: str = "POST", **body: object) -> dict[str, Any]:
        """Ask for something, and wait for the answer on the socket."""
        transaction_id = str(uuid4())
        path = f"/external-connection/api/{quote(self.session.simulation)}/{self.uuid}/{what}"
        posted = self.session.call(method, path, {"transaction_id": transaction_id, **body})
        assert posted, (self.session.status, getattr(self.session, "refusal", None))
        return self.answers.wait(command, transaction_id)

    def forecast(self, energy: Mapping[str, float]) -> dict[str, Any]:
        """Set forecasts: time slot -> kWh."""
        return self.ask("set-energy-forecast/", "set_energy_forecast", energy_forecast=energy)

    def measure(self, energy: Mapping[str, float]) -> dict[str, Any]:
        """Set measurements: time slot -> kWh."""
        return self.ask("set-energy-measurement/", "set_energy_measurement", energy_measurement=energy)

    def close(self) -> None:
        """Hang up."""
        if self.socket is not None:
            self.socket.close()


class Aggregator:
    """An aggregator; what it does in slots and at ticks is for those who inherit it.

    Args:
        session: whose.
        name: its name.
    """

    def __init__(self, session: Session, name: str = "aggregator") -> None:
        self.session = session
        session.log_in()
        session.log_in()
        known = session.aggregator("GET", "list-aggregators") or []
        found = [one["uuid"] for one in known if one["name"] == name]
        self.uuid = found[0] if found else session.aggregator("POST", "create-aggregator", name=name)["uuid"]
        self.devices: list[str] = []
        self.tree: dict[str, Any] = {}
        self.flat: dict[str, dict[str, Any]] = {}
        self.parents: dict[str, str | None] = {}
        self.heard: list[dict[str, Any]] = []
        self.trades: list[dict[str, Any]] = []
        self.responses: list[dict[str, Any]] = []
        self.is_finished = False
        self.faults: list[BaseException] = []
        self._buffer: dict[str, list[dict[str, Any]]] = {}
        self._answers = Answers()
        self._pool = ThreadPoolExecutor(5)
        self._closing = False
        self.socket = Socket(session, f"aggregator/{self.uuid}", self._hear)

    # ------------------------------------------------------------ hearing

    def _hear(self, message: dict[str, Any]) -> None:
        self.heard.append(message)
        if "event" not in message:
            self._answers.keep(message)
            return
        match message["event"]:
            case "selected_by_device":
                self.devices.append(message["device_uuid"])
            case "unselected_by_device":
                self.devices.remove(message["device_uuid"])
            case "market":
                self._see(message["grid_tree"])
                self._later(self.on_market_slot, message)
            case "tick":
                self._see(message["grid_tree"])
                if int(message["slot_completion"].rstrip("%")) >= LOWEST_TICK:
                    self._later(self.on_tick, message)
            case "trade":
                self._see(message["grid_tree"])
                for trade in message["trade_list"]:
                    assert trade["trade_price"] / trade["traded_energy"] >= 0
                self.trades += message["trade_list"]
                self._later(self.on_trade, message)
            case "finish":
                self.is_finished = True
                self._later(self.on_finish, message)
            case other:
                self.faults.append(AssertionError(f"unknown event {other}"))

    def _later(self, work: Callable[[dict[str, Any]], None], message: dict[str, Any]) -> None:
        def ended(future: Future[None]) -> None:
            error = future.exception()
            if error is not None:
                self.faults.append(error)

        if not self._closing:
            self._pool.submit(work, message).add_done_callback(ended)

    def _see(self, tree: dict[str, Any]) -> None:
        flat: dict[str, dict[str, Any]] = {}
        parents: dict[str, str | None] = {}

        def walk(nodes: dict[str, Any], parent: str | None) -> None:
            for uuid, node in nodes.items():
                assert node["area_name"]
                flat[uuid], parents[uuid] = node, parent
                walk(node.get("children") or {}, uuid)

        walk(tree, None)
        self.tree, self.flat, self.parents = tree, flat, parents

    def on_market_slot(self, message: dict[str, Any]) -> None:
        """Hear that a slot is open."""

    def on_tick(self, message: dict[str, Any]) -> None:
        """Hear that a tenth of a slot is over."""

    def on_trade(self, message: dict[str, Any]) -> None:
        """Hear of trades."""

    def on_finish(self, message: dict[str, Any]) -> None:
        """Hear that it is over."""

    # ------------------------------------------------------------ commands

    def order(self, kind: str, uuid: str, energy: float, price: float, **others: Any) -> None:
        """Put a bid or an offer into the next batch: kWh, and cents for all of it."""
        self.add(
            uuid,
            {
                "type": kind,
                "energy": energy,
                "price": price,
                "replace_existing": True,
                "time_slot": None,
                **others,
            },
        )

    def add(self, uuid: str, command: Any) -> None:
        """Put a command into the next batch."""
        self._buffer.setdefault(uuid, []).append(command)

    def execute(self) -> dict[str, Any] | None:
        """Send the batch, and wait for the answer; None for an empty one."""
        if not self._buffer:
            return None
        strangers = set(self._buffer) - set(self.devices)
        assert not strangers, f"not selected: {strangers}"
        return self.send(self._buffer)

    def send(self, commands: object) -> dict[str, Any]:
        """Send any batch at all."""
        transaction_id = str(uuid4())
        posted = self.session.aggregator(
            "POST",
            "batch-commands",
            transaction_id=transaction_id,
            aggregator_uuid=self.uuid,
            batch_commands=commands,
        )
        assert posted, self.session.status
        self._buffer = {}
        answer = self._answers.wait("batch_commands", transaction_id)
        self.responses.append(answer)
        return answer

    def fee_between(self, start: str, target: str, which: str = "current_market_fee") -> float:
        """Add up the fees of all areas on the way between two, through the lowest that holds both."""
        first, second = self._way_up(start), self._way_up(target)
        meeting = next(uuid for uuid in first if uuid in second)
        way = [*first[: first.index(meeting) + 1], *second[: second.index(meeting)]]
        return sum(self.flat[uuid].get(which) or 0 for uuid in way)

    def _way_up(self, uuid: str) -> list[str]:
        way = [uuid]
        while (parent := self.parents[way[-1]]) is not None:
            way.append(parent)
        return way

    def uuid_of(self, name: str) -> str:
        """Return the UUID of what has a name in the last grid tree."""
        return next(uuid for uuid, node in self.flat.items() if node["area_name"] == name)

    def has(self, name: str) -> bool:
        """Say whether an asset is in its hands, and the grid tree tells of it."""
        return any(node["area_name"] == name and "asset_info" in node for node in self.flat.values())

    def close(self) -> None:
        """Hang up."""
        self._closing = True
        # What is being done still waits for its answers.
        self._pool.shutdown(cancel_futures=True)
        self.socket.close()


def until(condition: Callable[[], object], within_s: float = ANSWER_S) -> None:
    """Wait for something that other threads bring about."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(POLL_S)
