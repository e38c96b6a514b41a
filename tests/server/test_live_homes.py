"""Homes on the wall clock: each slot is metered when it is over, and a server that starts again is gone on with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from participants.client import Client
from participants.home import Home
from participants.strategies.basic import Basic
from tests.server.helpers import soon
from tests.server.test_wall_clock import START, STEP, HandClock, Live, live
from trex_market.core.errors import SimulationStoppedError
from trex_market.core.messages import Contracted, Delivered, Event, MeterAccepted, MeterRejected
from trex_market.profiles.profile import Profile

LOADS = {"ann": [100, 200, 300, 400], "bob": [1000, 2000, 1500, 1200]}
SUN = {"ann": [900, 1900, 1300, 1100], "bob": [0, 0, 0, 0]}


def profile_of(name: str, start: int) -> Profile:
    """Return loads that follow from the slot alone."""
    first = start // STEP % 4
    slots = [(first + number) % 4 for number in range(40)]
    sun = {"solar": [SUN[name][slot] for slot in slots]}
    return Profile(name, start, STEP, [LOADS[name][slot] for slot in slots], sun)


def homes(url: str) -> list[Client]:
    prices = {"ann": Basic(bid_price=0.2, ask_price=0.1), "bob": Basic(bid_price=0.2, ask_price=0.1)}
    return [Client(Home(name, strategy), url) for name, strategy in prices.items()]


@asynccontextmanager
async def at_work(url: str) -> AsyncIterator[list[Client]]:
    """Let homes take part, whoever serves at an URL."""
    clients = homes(url)
    playing = [asyncio.create_task(client.run()) for client in clients]
    try:
        yield clients
    finally:
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)


async def played(market: Live, clock: HandClock, rounds: int) -> list[Event]:
    """Let the homes of a market play some rounds, then stop it."""
    market.conductor.profile_of = profile_of
    turns_ended = asyncio.Event()
    market.server.desk.turns_ended = turns_ended.set
    await soon(market.server.desk.seats.all_taken())
    running = asyncio.create_task(market.conductor.run())
    try:
        for _ in range(rounds):
            await soon(turns_ended.wait())
            turns_ended.clear()
            clock.let_go(clock.end + STEP)
        await soon(turns_ended.wait())
    finally:
        market.conductor.stop()
        with suppress(SimulationStoppedError):
            await soon(running)
    return market.outbox.take()


async def test_each_slot_is_metered_by_its_home_and_nothing_is_deemed(tmp_path: Path) -> None:
    clock = HandClock(START, START + STEP)
    async with live(tmp_path, clock) as market, at_work(market.server.url):
        events = await played(market, clock, 7)
    assert [event for event in events if isinstance(event, MeterRejected)] == []
    metered = [
        (event.participant_id, event.meter.slot_start) for event in events if isinstance(event, MeterAccepted)
    ]
    assert sorted(metered) == sorted((name, START + n * STEP) for name in ("ann", "bob") for n in range(7))
    delivered = [event for event in events if isinstance(event, Delivered)]
    assert [event.slot_start for event in delivered] == [START + n * STEP for n in range(6)]
    assert all(not event.estimated for event in delivered)
    sold = [row for event in delivered for row in event.transactions if row.kind == "delivery"]
    assert sold
    assert {row.seller_id for row in sold} == {"ann"}


async def test_a_home_that_is_new_begins_with_the_round_that_is_running(tmp_path: Path) -> None:
    clock = HandClock(START, START + STEP)
    async with live(tmp_path, clock) as market, at_work(market.server.url):
        first = await played(market, clock, 4)
    again = HandClock(clock.time + 2 * STEP + 1, clock.time + 3 * STEP)
    async with live(tmp_path, again) as market, at_work(market.server.url):
        second = await played(market, again, 4)
    cleared = [event.slot_start for event in [*first, *second] if isinstance(event, Contracted)]
    assert cleared == list(range(cleared[0], cleared[-1] + STEP, STEP)), "each gate closes once"
    late = [event for event in second if isinstance(event, Delivered)]
    assert [bool(event.estimated) for event in late][-1] is False


async def test_a_home_goes_on_when_the_server_was_started_again(tmp_path: Path, unused_tcp_port: int) -> None:
    clock = HandClock(START, START + STEP)
    async with at_work(f"http://127.0.0.1:{unused_tcp_port}") as clients:
        async with live(tmp_path, clock, port=unused_tcp_port) as market:
            first = await played(market, clock, 3)
        again = HandClock(clock.time + 1, clock.time + STEP)
        async with live(tmp_path, again, port=unused_tcp_port) as market:
            second = await played(market, again, 5)
        offsets = [client.clock_offset.seconds for client in clients]
    events = [*first, *second]
    delivered = [event for event in events if isinstance(event, Delivered)]
    starts = [event.slot_start for event in delivered]
    assert starts == list(range(START, starts[-1] + STEP, STEP))
    assert len(starts) > 5
    assert all(not event.estimated for event in delivered), "also the slot in which the server was away"
    for event in delivered:
        bought = sum(row.quantity for row in event.transactions if row.contract_id and row.buyer_id == "bob")
        assert bought <= LOADS["bob"][event.slot_start // STEP % 4], "nothing is bought twice"
    contracts = [
        contract.id for event in events if isinstance(event, Contracted) for contract in event.contracts
    ]
    assert len(contracts) == len(set(contracts)) > 0
    now = time.time()
    assert all(offset is not None and abs(offset - (again.time - now)) < 60 for offset in offsets)
