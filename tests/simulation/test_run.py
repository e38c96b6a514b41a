"""An episode: every round is played once, heard by all, recorded, and may be interrupted."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.helpers import slot
from tests.simulation.helpers import Memory, Scripted, driver, plan
from trex_market.core.errors import StrategyError
from trex_market.core.messages import Delivered, MarketOpened, RoundStarted
from trex_market.participant import Announcement, Turn
from trex_market.simulation.run import ROUNDS_PER_BREATH, play_episode
from trex_market.totals import Totals


@pytest.mark.parametrize("rounds", [1, ROUNDS_PER_BREATH, 2 * ROUNDS_PER_BREATH + 3])
async def test_every_round_is_played_once_and_progress_adds_up(rounds: int) -> None:
    home, memory, totals = Scripted("a", need=10), Memory(), Totals()
    progress: list[int] = []
    await play_episode(
        plan(rounds), driver(home), listeners=[totals], recorder=memory, progress=progress.append
    )
    started = [event.time for event in memory.events if isinstance(event, RoundStarted)]
    assert started == [slot(number) for number in range(rounds)]
    assert isinstance(memory.events[0], MarketOpened)
    assert sum(progress) == rounds
    assert max(progress) <= ROUNDS_PER_BREATH
    assert memory.breaths[-1] == len(memory.events)
    assert totals.slots == sum(isinstance(event, Delivered) for event in memory.events) == rounds
    assert totals.party("a").supplied == 10 * rounds
    assert (len(home.episodes), home.ended) == (1, 1)


async def test_the_grids_prices_and_participants_figures_are_kept_for_each_round() -> None:
    memory = Memory()
    await play_episode(plan(2), driver(Scripted("a")), recorder=memory)
    assert memory.metrics == [
        ("grid", slot(0), "sell_price", 0.1),
        ("grid", slot(0), "buy_price", 0.2),
        ("a", slot(0), "rounds", 1),
        ("grid", slot(1), "sell_price", 0.1),
        ("grid", slot(1), "buy_price", 0.2),
        ("a", slot(1), "rounds", 2),
    ]


async def test_a_driver_plays_one_episode_after_the_other() -> None:
    home = Scripted("a", need=10)
    played = driver(home)
    first, second = Totals(), Totals()
    await play_episode(plan(4), played, listeners=[first])
    await play_episode(plan(4, episode=1), played, listeners=[second])
    assert first.party("a").bill == second.party("a").bill
    assert [start.episode for start in home.episodes] == [0, 1]


async def test_a_broken_participant_stops_the_episode_in_its_round() -> None:
    def act(told: Announcement) -> Turn:
        if told.round.time == slot(4):
            raise ValueError("five")
        return Turn()

    home = Scripted("a", act)
    with pytest.raises(StrategyError, match=f"'a' raised ValueError: five .round at {slot(4)}"):
        await play_episode(plan(10), driver(home))
    assert (len(home.told), home.ended) == (5, 0)


@pytest.mark.parametrize("record", [True, False])
async def test_an_episode_can_be_cancelled_even_if_little_is_written(record: bool) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(
        play_episode(plan(2_000), driver(home := Scripted("a")), recorder=Memory() if record else None)
    )
    loop.call_soon(lambda: loop.call_soon(task.cancel))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert home.ended == 0


async def test_a_signal_gets_in_between_rounds() -> None:
    def act(told: Announcement) -> Turn:
        if told.round.time == slot(3):
            os.kill(os.getpid(), signal.SIGUSR1)
        return Turn()

    task = asyncio.create_task(play_episode(plan(2_000), driver(Scripted("a", act)), recorder=Memory()))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, task.cancel)
    try:
        with pytest.raises(asyncio.CancelledError):
            await task
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
