"""Rounds on a clock that the test sets: no drift, jumps and sleep noticed, every missed round accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import terms
from tests.server.helpers import Agent, soon
from trex_market.core.errors import SimulationStoppedError
from trex_market.core.messages import (
    Area,
    ClearOpenSlots,
    Contracted,
    Delivered,
    Event,
    RoundStarted,
    SubmitOrder,
)
from trex_market.journal import read_commands
from trex_market.protocol import wire
from trex_market.recovery import LiveState
from trex_market.server.app import MarketServer, ServerSettings
from trex_market.server.pace import WallPace
from trex_market.server.realtime import RealtimeConductor
from trex_market.storage.database import Database
from trex_market.storage.rows import RunRecord
from trex_market.storage.writer import Writer

STEP = 5
START = 1_767_222_000
DAY = 86_400


class HandClock:
    """A clock that goes where the test lets it go.

    Args:
        now: UNIX seconds.
        end: it stands still from there on.
        late: how much later than asked a sleeper wakes up, in turn, in seconds.
    """

    def __init__(self, now: float, end: float, late: tuple[float, ...] = (0.0,)) -> None:
        self.time = now
        self.end = end
        self.jumped = 0.0
        self.stands = asyncio.Event()
        self._moved = asyncio.Event()
        self._late = late
        self._woken = 0

    def now(self) -> float:
        return self.time

    async def sleep_until(self, moment: float) -> None:
        while moment >= self.end:
            self.stands.set()
            await self._moved.wait()
        if moment > self.time:
            self._woken += 1
            self.time = moment + self._late[self._woken % len(self._late)]
        await asyncio.sleep(0)

    def let_go(self, end: float) -> None:
        """Let it go on until a moment."""
        self.end = end
        self.stands.clear()
        self._moved.set()
        self._moved = asyncio.Event()

    def jump(self) -> float:
        jumped, self.jumped = self.jumped, 0.0
        return jumped


class Live:
    """A live market on a hand clock, its events and what it told its operators."""

    def __init__(self, state: LiveState, server: MarketServer, conductor: RealtimeConductor) -> None:
        self.state, self.server, self.conductor = state, server, conductor
        self.outbox = state.engine.listen()
        self.told: list[wire.Status] = []

    async def until_it_stands(self, clock: HandClock) -> list[Event]:
        """Let rounds be played until the clock stands still; return what happened."""
        running = asyncio.create_task(self.conductor.run())
        standing = asyncio.create_task(clock.stands.wait())
        async with asyncio.timeout(60):
            await asyncio.wait({running, standing}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        self.conductor.stop()
        with pytest.raises(SimulationStoppedError):
            await soon(running)
        return self.outbox.take()


@asynccontextmanager
async def live(
    directory: Path, clock: HandClock, step: int = STEP, port: int = 0, **others: Any
) -> AsyncIterator[Live]:
    """Open the live market of a directory, or go on with it."""
    market = terms("MicroTE3B", step=step, mode="realtime", meter_grace_s=step, **others)
    state = LiveState(directory, market, 10**6)
    async with await Database.open(f"sqlite:///{directory / 'market.db'}") as database:
        if not await database.resume_run("run"):
            await database.start_run(RunRecord("run", "study", "realtime", "m", 0, 1, "{}", "h", "1", 0))
        writer = Writer(database, "run", "m")
        await state.recover(writer, ["ann", "bob"], int(clock.now()))
        server = MarketServer(
            market, ["ann", "bob"], ServerSettings(port=port), WallPace(clock, state.journal)
        )
        server.desk.engine = state.engine
        told: list[wire.Status] = []

        async def on_status(status: wire.Status) -> None:
            told.append(status)

        async def on_events() -> None:
            """Nothing is recorded here."""

        conductor = RealtimeConductor(server.desk, state.journal, clock, on_status, on_events)
        place = Live(state, server, conductor)
        place.told = told
        async with server:
            yield place
        await writer.close()
    await state.close()


def starts(events: list[Event]) -> list[int]:
    return [event.time for event in events if isinstance(event, RoundStarted)]


@pytest.mark.slow
async def test_rounds_do_not_drift_over_a_day(tmp_path: Path) -> None:
    step = 60
    clock = HandClock(START + 1.5, START + DAY, late=(0.001, 0.4, 0.03, 1.9))
    async with live(tmp_path, clock, step) as market:
        events = await market.until_it_stands(clock)
    assert starts(events) == list(range(START, START + DAY, step))
    delivered = [event.slot_start for event in events if isinstance(event, Delivered)]
    assert delivered == sorted(set(delivered))
    assert market.told[-1].alarms == ["offline: ann, bob"]
    assert market.told[-1].silent == 0


async def test_rounds_that_were_slept_through_are_accounted_for_one_by_one(tmp_path: Path) -> None:
    clock = HandClock(START, START + 40 * STEP, late=(0, 0, 0, 17 * STEP + 2.0, *([0] * 50)))
    async with live(tmp_path, clock) as market:
        events = await market.until_it_stands(clock)
    assert starts(events) == list(range(START, START + 40 * STEP, STEP))
    last = market.told[-1]
    missed = [alarm for alarm in last.alarms if "were missed" in alarm]
    assert len(missed) == 1
    assert last.silent == int(missed[0].split()[0]) > 10


@pytest.mark.parametrize("jumped", [3_600.0, -3_600.0])
async def test_a_clock_that_jumps_is_noticed(tmp_path: Path, jumped: float) -> None:
    clock = HandClock(START + 1_000 * STEP, START + 1_002 * STEP)
    async with live(tmp_path, clock) as market:
        before = starts(await market.until_it_stands(clock))
    clock = HandClock(clock.time + jumped, clock.time + jumped + 3 * STEP)
    clock.jumped = jumped
    async with live(tmp_path, clock) as market:
        events = await market.until_it_stands(clock)
    alarms = market.conductor.status.alarms
    assert f"the clock jumped by {jumped:+.1f} s" in alarms
    began = starts(events)
    if jumped > 0:
        assert (before + began) == list(range(before[0], began[-1] + STEP, STEP))
    else:
        assert began == [], "time that was is not played again"


async def test_who_comes_after_a_restart_gets_the_round_that_is_running(tmp_path: Path) -> None:
    clock = HandClock(START, START + STEP)
    async with live(tmp_path, clock) as market:
        async with Agent(market.server.url, "ann") as ann, Agent(market.server.url, "bob") as bob:
            running = asyncio.create_task(market.conductor.run())
            first = await ann.hears("start_round")
            slot = first["next_settle"]
            order = {"quantity": 500, "price": 0.2, "time_delivery": slot, "source": "solar"}
            assert (await ann.says("ask", order))["ok"]
            assert (await bob.says("bid", order))["ok"]
            later = {**order, "time_delivery": [slot[0] + STEP, slot[1] + STEP]}
            waiting = await ann.says("ask", later)
            clock.let_go(START + 2 * STEP)
            last = await ann.hears("start_round")
            market.conductor.stop()
            with pytest.raises(SimulationStoppedError):
                await soon(running)
        known = [one["id"] for one in last["contracts"]]
    clock = HandClock(clock.time + 1, clock.time + 2)
    async with live(tmp_path, clock) as market:
        running = asyncio.create_task(market.conductor.run())
        await soon(clock.stands.wait())
        async with Agent(market.server.url, "ann", last_event=last["event"]) as ann:
            joined = ann.joined
        market.conductor.stop()
        with pytest.raises(SimulationStoppedError):
            await soon(running)
    assert joined["round"]["current_round"] == last["current_round"]
    assert joined["round"]["event"] > last["event"]
    assert joined["round"]["server_time"] == clock.time
    assert [one["id"] for one in joined["round"]["contracts"]] == known
    assert {one["id"] for one in joined["contracts"]} >= set(known)
    assert [one["order_id"] for one in joined["open_orders"]] == [waiting["order_id"]]


async def test_a_late_reading_corrects_what_its_participants_are_told(tmp_path: Path) -> None:
    clock = HandClock(START, START + STEP)
    async with live(tmp_path, clock, reconciliation_window_s=DAY) as market:
        async with Agent(market.server.url, "ann") as ann:
            running = asyncio.create_task(market.conductor.run())
            heard = [await ann.hears("start_round")]
            for number in range(2, 5):
                clock.let_go(START + number * STEP)
                heard.append(await ann.hears("start_round"))
            deemed = [row for one in heard for row in one["transactions"]]
            slot = [START + STEP, START + 2 * STEP]
            late = {"time_interval": slot, "generation": {"solar": 700}, "consumption": {}}
            assert (await ann.says("meter_data", late)) == {"ok": True}
            clock.let_go(START + 5 * STEP)
            told = (await ann.hears("start_round"))["transactions"]
            market.conductor.stop()
            with pytest.raises(SimulationStoppedError):
                await soon(running)
    assert [row["kind"] for row in deemed] == [], "who neither trades nor meters has nothing to settle"
    assert [(row["kind"], row["quantity"], row["time_creation"]) for row in told] == [
        ("feed_in", 700, slot[0])
    ]


async def test_slots_are_cleared_ten_times_before_their_gate_if_the_market_says_so(tmp_path: Path) -> None:
    clock = HandClock(START, START + 2 * STEP)
    async with live(tmp_path, clock, clearing="tick") as place:
        engine = place.state.engine
        for side, name in (("bid", "ann"), ("ask", "bob")):
            start = START + 4 * STEP
            engine.submit(
                SubmitOrder(f"{side}-1", name, side, 10, 100_000, "solar", start, start + STEP, START)
            )
        events = await place.until_it_stands(clock)
    cleared = [event for event in events if isinstance(event, Contracted) and event.contracts]
    (early,) = cleared
    assert early.slot_start == START + 4 * STEP
    lines = [command for _, command in read_commands(tmp_path / "journal.jsonl")]
    ticks = [command.time for command in lines if isinstance(command, ClearOpenSlots)]
    assert ticks[:9] == [START + STEP * tick // 10 for tick in range(1, 10)]


async def test_who_moves_to_another_area_takes_part_from_there(tmp_path: Path) -> None:
    areas = (Area("grid", fee=5), Area("street", "grid"))
    for places in ({}, {"ann": "street"}, {}, {"ann": "grid"}):
        clock = HandClock(START, START + STEP)
        async with live(tmp_path, clock, areas=areas, places=places) as place:
            market = place.state.engine.market
            assert {name: market.area_of(name) for name in ("ann", "bob")} == {
                "ann": places.get("ann", "grid"),
                "bob": "grid",
            }
