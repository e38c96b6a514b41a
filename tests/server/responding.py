"""A real market on a clock that tests set, with demand response beside it; its journal is a real file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.helpers import terms as market_terms
from tests.programmes.demand_response.helpers import MONDAY, PLAIN
from trex_market.core.messages import Join, OpenMarket
from trex_market.engine import Engine
from trex_market.journal import Journal
from trex_market.programmes.demand_response import DemandResponse, Terms
from trex_market.programmes.demand_response.records import AutoResponse, Device
from trex_market.server.app import MarketServer, ServerSettings
from trex_market.server.demand_response import Responding
from trex_market.server.dr_rest import serve_demand_response
from trex_market.server.pace import WallPace

TEN = MONDAY + 10 * 3600
NOON = TEN + 7200

DEVICES = (
    Device("heater", "ann"),
    Device("car", "ann"),
    Device("pump", "bob"),
    Device("house", "cat", "meter"),
)


class SetClock:
    """A clock that goes on when it is told to."""

    def __init__(self, time: float) -> None:
        self._time = time
        self._changed = asyncio.Condition()

    def now(self) -> float:
        """Return the time."""
        return self._time

    async def sleep_until(self, moment: float) -> None:
        """Wait until the clock is set to a moment, or later."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._time >= moment)

    async def set(self, time: float) -> None:
        """Let it be another time."""
        async with self._changed:
            self._time = time
            self._changed.notify_all()

    def jump(self) -> float:
        """Return 0: this clock never jumps by itself."""
        return 0.0


class Place:
    """A market with demand response.

    Args:
        server: it listens.
        programme: beside its market.
        responding: does demand response.
        clock: of all.
        web: a client.
    """

    def __init__(
        self,
        server: MarketServer,
        programme: DemandResponse,
        responding: Responding,
        clock: SetClock,
        web: aiohttp.ClientSession,
    ) -> None:
        self.server = server
        self.programme = programme
        self.responding = responding
        self.clock = clock
        self.web = web
        self.faults: list[BaseException] = []
        server.desk.faulty = self.faults.append

    async def asks(
        self, method: str, path: str, body: object = None, token: str | None = None
    ) -> tuple[int, Any]:
        """Send an HTTP request, and return status and answer."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        content = {} if body is None else {"data": body} if isinstance(body, bytes) else {"json": body}
        url = self.server.own_url + path
        async with self.web.request(method, url, headers=headers, **content) as response:
            return response.status, await response.json()

    async def gets(self, path: str) -> Any:
        """Return the answer to a request that is taken."""
        status, answer = await self.asks("GET", path)
        assert status == 200, answer
        return answer

    async def invites(self, **fields: Any) -> Any:
        """Invite devices to an hour from noon on, and return the event."""
        wanted = {"event_id": "noon", "start": NOON, "duration_s": 3600, "load_percent": 20} | fields
        status, answer = await self.asks("POST", "/dr/events", wanted)
        assert status == 200, answer
        return answer["made"]


@asynccontextmanager
async def place(
    folder: Path, *, rule: AutoResponse | None = None, now: int = TEN, **settings: Any
) -> AsyncIterator[Place]:
    """Open a market on a free port, at ten on a Monday.

    Args:
        folder: where its journal is.
        rule: everybody's standing rule.
        now: the time.
        settings: of the server.
    """
    clock = SetClock(now)
    journal = Journal.open(folder / "journal.jsonl")
    opened: OpenMarket = market_terms(mode="realtime", meter_grace_s=60, reconciliation_window_s=7_200)
    programme = DemandResponse(
        Terms(
            "UTC",
            opened.step,
            interval_s=900,
            price=200_000,
            baseline=PLAIN,
            devices=DEVICES,
            auto_response=rule or AutoResponse(),
        )
    )
    engine = Engine(journal=journal, programmes=(programme,))
    engine.submit(opened)
    for name in ("ann", "bob", "cat"):
        engine.submit(Join(name, now))
    engine.open_programmes()
    server = MarketServer(opened, ("ann", "bob", "cat"), ServerSettings(**settings), WallPace(clock, journal))
    server.desk.open(engine)
    responding = serve_demand_response(server, clock)
    assert responding is not None
    try:
        async with server, aiohttp.ClientSession() as web, responding.attended():
            made = Place(server, programme, responding, clock, web)
            yield made
            assert made.faults == []
    finally:
        await journal.close()
