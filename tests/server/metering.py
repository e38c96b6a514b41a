"""A real market on a clock that tests set, which takes reports of meters; its journal is a real file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import aiohttp

from tests.helpers import START, STEP, terms
from trex_market.core.messages import AdvanceClock, EndRound, Event, Join, StartRound
from trex_market.engine import Engine
from trex_market.journal import Journal
from trex_market.server.app import MarketServer, ServerSettings
from trex_market.server.meters import MeterRegister, Meters, serve_meters
from trex_market.server.pace import WallPace

GRACE = 60


class HandClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = float(START)

    def now(self) -> float:
        """Return the time."""
        return self.time

    async def sleep_until(self, moment: float) -> None:
        """Be told to wait, and set oneself."""
        self.time = max(self.time, moment)

    def jump(self) -> float:
        """Return 0: this clock never jumps by itself."""
        return 0.0


class Gateway:
    """A market that takes reports.

    Args:
        server: it listens.
        engine: its market.
        journal: of the engine.
        clock: of both.
        meters: handles reports.
        web: a client.
    """

    def __init__(
        self,
        server: MarketServer,
        engine: Engine,
        journal: Journal,
        clock: HandClock,
        meters: Meters,
        web: aiohttp.ClientSession,
    ) -> None:
        self.server = server
        self.engine = engine
        self.journal = journal
        self.clock = clock
        self.meters = meters
        self.web = web
        self.outbox = engine.listen()
        self.faults: list[BaseException] = []
        server.desk.faulty = self.faults.append

    def at(self, after: float) -> None:
        """Let it be so many seconds after `START`; rounds start and slots are delivered as they are due."""
        self.clock.time = START + after
        market, now = self.engine.market, int(self.clock.time)
        while market.current is None or market.current + STEP <= now:
            start = START - STEP if market.current is None else market.current + STEP
            if market.current is not None:
                self.engine.submit(EndRound(start))
            self.engine.submit(StartRound(start, STEP))
        self.engine.submit(AdvanceClock(now))

    def heard(self, *kinds: type[Event]) -> list[Any]:
        """Return what happened since the last time, of some kinds."""
        return [event for event in self.outbox.take() if isinstance(event, kinds)]

    async def posts(self, report: object, token: str | None = None, **headers: str) -> tuple[int, Any]:
        """Post a report, as bytes or as what becomes JSON, and return status and answer."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        content = {"data": report} if isinstance(report, bytes) else {"json": report}
        async with self.web.post(f"{self.server.url}/meter", headers=headers, **content) as response:
            assert response.content_type == "application/json", await response.text()
            return response.status, await response.json()


@asynccontextmanager
async def gateway(
    folder: Path,
    registers: Mapping[str, Mapping[str, MeterRegister]] | None = None,
    *,
    names: tuple[str, ...] = ("ann", "bob"),
    routes: bool = True,
    **settings: Any,
) -> AsyncIterator[Gateway]:
    """Open a market on a free port.

    Args:
        folder: where its journal is.
        registers: of participants that have others than the usual ones.
        names: of its participants.
        routes: whether the server takes reports from the first; else it does not listen.
        settings: of the server.
    """
    clock = HandClock()
    journal = Journal.open(folder / "journal.jsonl")
    engine = Engine(journal=journal)
    opened = terms(mode="realtime", meter_grace_s=GRACE, reconciliation_window_s=7_200)
    engine.submit(opened)
    for name in names:
        engine.submit(Join(name, START))
    server = MarketServer(opened, names, ServerSettings(**settings), WallPace(clock, journal))
    server.desk.open(engine)
    meters = Meters(server.desk, registers or {})
    if routes:
        serve_meters(server, meters)
    try:
        async with server if routes else nullcontext(), aiohttp.ClientSession() as web:
            made = Gateway(server, engine, journal, clock, meters, web)
            made.at(0)
            yield made
    finally:
        await journal.close()
