"""A server that closes answers what it has taken, and takes nothing more."""

from __future__ import annotations

import asyncio

import pytest

from tests.helpers import START, terms
from tests.server.helpers import Agent, bid, soon
from trex_market.core.errors import ProtocolError
from trex_market.core.messages import Join
from trex_market.engine import Engine
from trex_market.server.app import MarketServer, ServerSettings
from trex_market.server.closing import Underway
from trex_market.server.pace import SimulatedPace


class SlowDisk(SimulatedPace):
    """Nothing is safe until somebody says so."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def safe(self) -> None:
        self.waiting.set()
        await self.goes_on.wait()


def market(pace: SlowDisk) -> MarketServer:
    """Return a server with a market in it that takes orders."""
    server = MarketServer(terms(), ["ann", "bob"], ServerSettings(), pace)
    engine = Engine()
    engine.submit(terms())
    for name in ("ann", "bob"):
        engine.submit(Join(name, START))
    server.desk.open(engine)
    return server


async def test_what_was_taken_is_answered_however_long_it_takes() -> None:
    disk = SlowDisk()
    server = market(disk)
    await server.__aenter__()
    async with Agent(server.url, "ann") as ann, Agent(server.url, "bob") as bob:
        asked = asyncio.create_task(ann.says("bid", bid()))
        await soon(disk.waiting.wait())
        closing = asyncio.create_task(server.__aexit__(None, None, None))
        late = await soon(_refused(bob))
        assert late == "the market is stopping"
        assert not closing.done()
        assert not ann.gone.is_set()
        disk.goes_on.set()
        answer = await soon(asked)
        assert (answer["ok"], answer["order_id"]) == (True, "ann-1")
        await soon(closing)
        await soon(ann.gone.wait())


async def _refused(agent: Agent) -> str:
    """Ask until it is refused, and return why."""
    while True:
        answer = await agent.says("cancel", {"order_id": "none"})
        if answer["code"] == "wrong_phase":
            return str(answer["detail"])


async def test_all_that_was_said_arrives_before_the_end() -> None:
    disk = SlowDisk()
    disk.goes_on.set()
    server = market(disk)
    async with server:
        agents = [Agent(server.url, name) for name in ("ann", "bob")]
        for agent in agents:
            await agent.__aenter__()
        await server.tell_stopping("for a test")
    for agent in agents:
        assert await agent.hears("notice") == {"code": "stopping", "detail": "for a test"}
        await soon(agent.gone.wait())
        await agent.__aexit__(None, None, None)


async def test_nothing_is_waited_for_where_nothing_is_going_on() -> None:
    underway = Underway()
    with underway.one():
        pass
    await soon(underway.close())
    with pytest.raises(ProtocolError, match="the market is stopping"), underway.one():
        pass


async def test_all_that_is_going_on_is_waited_for() -> None:
    underway = Underway()
    with underway.one():
        with underway.one():
            closing = asyncio.create_task(underway.close())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not closing.done()
    await soon(closing)
