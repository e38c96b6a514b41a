"""Watching and controlling a simulation on /simulation."""

from __future__ import annotations

import asyncio

import pytest

from participants.client import Client
from tests.helpers import START, STEP
from tests.server.helpers import Agent, Hall, hall, home, soon
from trex_market.core.errors import SimulationStoppedError
from trex_market.server.doorkeeper import OPERATOR, token_hash

CONTROLS = ("status", "pause", "resume", "step", "stop")

NAMES = ("ann", "bob", "cat")


def everyone_joins(place: Hall) -> list[asyncio.Task[None]]:
    """Let all homes take part."""
    return [place.joins(Client(home(name), place.url)) for name in NAMES]


def operator(place: Hall) -> Agent:
    """Return somebody who connects to /simulation."""
    return Agent(place.url, namespace="/simulation")


async def test_nobody_controls_before_registering() -> None:
    async with hall() as place, operator(place) as stranger:
        for request in CONTROLS:
            assert await stranger.is_refused(request) == "unauthorised"
        assert await stranger.is_refused("bid", {}) == "malformed"
        assert await stranger.is_refused("register", {"token": 5}) == "malformed"
        assert await stranger.is_refused("register", 1, 2) == "malformed"
        assert place.conductor.status.state == "waiting"


async def test_the_operators_token_is_checked() -> None:
    hashes = {OPERATOR: token_hash("secret")}
    async with hall(token_hashes=hashes) as place, operator(place) as boss:
        assert await boss.is_refused("register") == "unauthorised"
        assert await boss.is_refused("register", {"token": "wrong"}) == "unauthorised"
        assert await boss.is_refused("register", {"token": "\udcff"}) == "malformed"
        assert await boss.is_refused("status") == "unauthorised"
        assert (await boss.says("register", {"token": "secret"}))["ok"]
        assert (await boss.says("status"))["ok"]


async def test_without_a_token_there_is_no_operator_in_a_closed_market() -> None:
    async with hall(token_hashes={"ann": token_hash("a")}, is_open=False) as place:
        async with operator(place) as stranger:
            assert await stranger.is_refused("register", {"token": ""}) == "unauthorised"


async def test_status_says_how_it_stands() -> None:
    async with hall(rounds=2) as place, operator(place) as boss:
        registered = await boss.says("register")
        assert registered == {
            "ok": True,
            "state": "waiting",
            "simulation": "",
            "episode": 0,
            "time": None,
            "round": 0,
            "rounds": 0,
            "rounds_per_second": 0.0,
            "participants": 3,
            "connected": 0,
            "silent": 0,
            "alarms": ["waiting for: ann, bob, cat"],
        }
        playing = place.start(simulation="validation")
        everyone_joins(place)
        await soon(playing)

        told = await boss.hears("status")
        while told["state"] != "ended":
            told = await boss.hears("status")
        assert (told["simulation"], told["round"], told["rounds"]) == ("validation", 2, 2)
        assert told["time"] == START + STEP


async def test_pause_step_and_resume() -> None:
    async with hall(rounds=8) as place, operator(place) as boss:
        await boss.says("register")
        assert (await boss.says("pause"))["state"] == "paused"
        playing = place.start()
        everyone_joins(place)
        for number in range(1, 4):
            await boss.says("step")
            status = await boss.hears("status")
            while status["state"] != "paused" or status["round"] != number:
                status = await boss.hears("status")
            assert status["time"] == START + (number - 1) * STEP
        assert not playing.done()

        await boss.says("step")
        await boss.says("step")
        assert (await boss.says("resume"))["state"] == "running"
        await soon(playing)
        assert len(place.ledger.contracts) > 0
        assert place.conductor.status.round == 8


async def test_who_resumes_goes_on_whatever_steps_were_left() -> None:
    async with hall(rounds=6) as place, operator(place) as boss:
        await boss.says("register")
        await boss.says("pause")
        for _ in range(3):
            await boss.says("step")
        await boss.says("resume")
        playing = place.start()
        everyone_joins(place)
        await soon(playing)


async def test_the_server_closes_though_somebody_stays() -> None:
    async def opens_and_closes() -> None:
        async with hall() as place:
            await stays.put(Agent(place.url, "ann"))
            await may_close.wait()

    stays: asyncio.Queue[Agent] = asyncio.Queue()
    may_close = asyncio.Event()
    opened = asyncio.create_task(opens_and_closes())
    async with await soon(stays.get()) as ann:
        may_close.set()
        await soon(opened)
        await soon(ann.gone.wait())


async def test_paused_or_not_the_ledger_is_the_same() -> None:
    ledgers = []
    for pauses in (False, True):
        async with hall(rounds=5) as place, operator(place) as boss:
            await boss.says("register")
            playing = place.start()
            if pauses:
                await boss.says("pause")
            everyone_joins(place)
            for _ in range(5 if pauses else 0):
                await boss.says("step")
            await soon(playing)
        ledgers.append(place.ledger.same())
    assert ledgers[0] == ledgers[1]


@pytest.mark.parametrize("when", ["waiting", "paused", "running"])
async def test_stop_ends_it_at_any_time(when: str) -> None:
    async with hall(rounds=10_000) as place, operator(place) as boss:
        await boss.says("register")
        if when == "paused":
            await boss.says("pause")
        playing = place.start()
        if when != "waiting":
            everyone_joins(place)
            status = await boss.hears("status")
            while status["connected"] < 3 or (when == "running" and status["state"] != "running"):
                status = await boss.hears("status")

        assert (await boss.says("stop"))["ok"]

        with pytest.raises(SimulationStoppedError, match="stopped by the operator"):
            await soon(playing)
