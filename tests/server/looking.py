"""A market on a clock that the test sets, its server, and somebody who looks at it over HTTP."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from tests.helpers import START, STEP, reading, slot, terms
from trex_market.core.errors import StorageError
from trex_market.core.messages import (
    AdvanceClock,
    EndRound,
    Event,
    Join,
    ReportMeter,
    StartRound,
    SubmitOrder,
)
from trex_market.engine import Engine
from trex_market.journal import Journal
from trex_market.protocol import view, wire
from trex_market.server.app import MarketServer, ServerSettings
from trex_market.server.doorkeeper import token_hash
from trex_market.server.pace import WallPace

GRACE = 60
"""Readings of a slot may come so many seconds late."""

HASHES = {"operator": token_hash("op"), "observer": token_hash("ob"), "ann": token_hash("a")}
CLOSED: dict[str, Any] = {"token_hashes": HASHES, "is_open": False}
"""Settings of a market in which everybody has a token: op, ob and a."""


class SetClock:
    """A clock that shows what the test sets."""

    def __init__(self, now: float) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    async def sleep_until(self, moment: float) -> None:
        raise AssertionError(f"nothing sleeps here until {moment}")

    def jump(self) -> float:
        return 0.0


class Place:
    """A market that the test drives.

    Args:
        server: its server.
        clock: its clock.
        journal: it is not written by the market, but can be looked after.
        names: who takes part.
    """

    def __init__(self, server: MarketServer, clock: SetClock, journal: Journal, names: list[str]) -> None:
        self.server, self.clock, self.journal = server, clock, journal
        self.watch = server.watch
        self.stopped = asyncio.Event()
        self.state: Any = "running"
        self._orders = 0
        self._session: aiohttp.ClientSession | None = None
        self.engine = Engine()
        self.engine.submit(server.desk.terms)
        for name in names:
            self.engine.submit(Join(name, START))
        server.desk.open(self.engine)
        server.let_control({"stop": self.stopped.set}, self.status)

    def status(self) -> wire.Status:
        """How it stands."""
        return wire.Status(
            state=self.state,
            simulation="realtime",
            episode=0,
            time=self.engine.market.current,
            round=0,
            rounds=0,
            rounds_per_second=0.0,
            participants=len(self.server.desk.seats),
            connected=0,
            silent=0,
            alarms=[],
        )

    # ------------------------------------------------------------ the market

    def starts_round(self, number: int) -> list[Event]:
        """Start the round of slot `number`; the one before ends."""
        start = slot(number)
        self.clock.time = start
        events = [] if self.engine.market.current is None else self.engine.submit(EndRound(start))
        return [
            *events,
            *self.engine.submit(AdvanceClock(start)),
            *self.engine.submit(StartRound(start, STEP)),
        ]

    def passes(self, seconds: int) -> list[Event]:
        """Let time go by, and do what is due then."""
        self.clock.time += seconds
        return self.engine.submit(AdvanceClock(int(self.clock.time)))

    def offers(self, who: str, side: Any, quantity: int, price: int, number: int) -> Event:
        """Submit an order for slot `number`; price in micro-dollars per kWh."""
        self._orders += 1
        start = slot(number)
        order = SubmitOrder(
            f"o{self._orders}", who, side, quantity, price, "solar", start, start + STEP, int(self.clock.time)
        )
        return self.engine.submit(order)[0]

    def reads(
        self, who: str, number: int, generation: Mapping[str, int] | None = None, need: int = 0, **others: Any
    ) -> list[Event]:
        """Report a reading of slot `number`."""
        meter = reading(slot(number), generation, need, **others)
        return self.engine.submit(ReportMeter(who, meter, int(self.clock.time)))

    def trades(self, first: int, last: int, quantity: int = 200) -> None:
        """Play rounds in which ann sells to bob for slots two ahead, and both report."""
        for number in range(first, last):
            self.starts_round(number)
            self.offers("ann", "ask", quantity, 120_000, number + 2)
            self.offers("bob", "bid", quantity, 160_000, number + 2)
            self.passes(1)
            self.reads("ann", number - 1, {"solar": quantity}, own={"solar": 50})
            self.reads("bob", number - 1, need=quantity + 30)
            self.passes(GRACE)

    # ------------------------------------------------------------ looking

    async def asks(
        self, path: str, token: str | None = None, method: str = "GET", **headers: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request; return status, headers and body."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self._session.request(method, self.server.url + path, headers=headers) as response:
            return response.status, response.headers, await response.read()

    async def state_now(self, token: str | None = None) -> view.State:
        """Return the state, checked against its description."""
        self.server.dashboard._published = -math.inf  # it is made anew once a second otherwise
        status, _, body = await self.asks("/state", token)
        assert status == 200, body
        assert set(json.loads(body)) == set(view.State.__struct_fields__)
        return msgspec.json.decode(body, type=view.State)

    async def close(self) -> None:
        """End what looks."""
        if self._session is not None:
            await self._session.close()


@asynccontextmanager
async def place(
    directory: Path,
    names: list[str] | None = None,
    *,
    market: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Place]:
    """Open a market on the wall clock that the test drives, behind a real port."""
    names = ["ann", "bob"] if names is None else names
    clock = SetClock(START)
    opened = terms("MicroTE3B", mode="realtime", meter_grace_s=GRACE, **(market or {}))
    journal = Journal.open(directory / "journal.jsonl")
    server = MarketServer(opened, names, ServerSettings(**settings), WallPace(clock, journal))
    found = Place(server, clock, journal, names)
    try:
        async with server:
            yield found
    finally:
        await found.close()
        with suppress(StorageError):  # where the test has broken it
            await journal.close()


class Sat:
    """A way to reach a participant who does not listen."""

    def __init__(self, sid: str) -> None:
        self.sid = sid

    async def send(self, event: str, message: wire.Message) -> None:
        """Nothing is heard."""

    async def close(self) -> None:
        """Nothing is to be closed."""
