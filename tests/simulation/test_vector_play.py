"""Episodes in chunks: progress adds up, days stay whole, and a chunk can be the last."""

from __future__ import annotations

import asyncio

import pytest

from participants.strategies.basic import Basic
from tests.simulation.vector_helpers import START, Case, Person, Wild, totals_of, vector_totals
from trex_market.simulation import vector_play
from trex_market.simulation.vector_chunks import Chunk
from trex_market.simulation.vector_play import ChunkDriver
from trex_market.totals import Totals

pytestmark = pytest.mark.timeout(900)  # compiling for the first time takes its while

ROUNDS = 300
CASE = Case(
    (
        Person("a", lambda: Basic(0.2, 0.1), None, [5] * ROUNDS, {"solar": [400] * ROUNDS}),
        Person("b", lambda: Basic(0.2, 0.1), None, [300] * ROUNDS),
    ),
    ROUNDS,
    start=START - 7 * 900,
)


class Chunks:
    """Keeps all chunks, and tells how often it could write."""

    def __init__(self, *, ledger: bool) -> None:
        self.ledger = ledger
        self.chunks: list[Chunk] = []
        self.breaths = 0

    def take(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)

    async def keep_up(self) -> None:
        self.breaths += 1

    def finish(self) -> None:
        raise AssertionError("whoever made it finishes it")


async def test_chunks_are_of_one_local_day_and_progress_adds_up() -> None:
    recorder, totals, progress = Chunks(ledger=False), Totals(), list[int]()
    await ChunkDriver(CASE.driver()).play_episode(CASE.plan(), totals, recorder, progress.append)
    starts = [(chunk.start, chunk.rounds, len(chunk.columns)) for chunk in recorder.chunks]
    midnights = [START, START + 86_400, START + 2 * 86_400, START + 3 * 86_400]
    assert starts == [
        (START - 7 * 900, 7, 0),
        *((midnight, 96, 0) for midnight in midnights[:3]),
        (midnights[3], ROUNDS - 7 - 3 * 96, 0),
    ]
    assert progress == [rounds for _, rounds, _ in starts]
    assert recorder.breaths == len(starts)
    assert totals_of(totals) == vector_totals(CASE)


async def test_chunks_of_a_ledger_hold_all_rounds_and_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_play, "LEDGER_CHUNK", 22)
    recorder = Chunks(ledger=True)
    await ChunkDriver(CASE.driver()).play_episode(CASE.plan(), Totals(), recorder)
    times = [columns.moment.time for chunk in recorder.chunks for columns in chunk.columns]
    assert times == [CASE.start + number * 900 for number in range(ROUNDS)]
    assert max(chunk.rounds for chunk in recorder.chunks) == 11


async def test_the_last_local_price_is_known_while_it_plays() -> None:
    totals, prices = Totals(), list[int | None]()
    await ChunkDriver(CASE.driver()).play_episode(
        CASE.plan(), totals, progress=lambda _: prices.append(totals.last_price)
    )
    assert prices[0] == prices[-1] == totals.last_price == 150_000


async def test_a_driver_plays_one_episode_after_the_other() -> None:
    driver = ChunkDriver(CASE.driver())
    first, second = Totals(), Totals()
    await driver.play_episode(CASE.plan(), first)
    await driver.play_episode(CASE.plan(), second)
    assert totals_of(first) == totals_of(second)


@pytest.mark.parametrize("own", [True, False])
async def test_an_episode_can_be_cancelled_between_chunks(own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_play, "CHUNK", 2)
    homes = [Wild()] if own else []
    people = tuple(
        Person(f"w{n}", lambda home=home: home, None, [1] * ROUNDS) for n, home in enumerate(homes)
    )
    case = Case((*CASE.people, *people), ROUNDS, start=CASE.start)
    played: list[int] = []
    task = asyncio.create_task(
        ChunkDriver(case.driver()).play_episode(case.plan(), Totals(), progress=played.append)
    )
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: loop.call_soon(task.cancel))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sum(played) < ROUNDS
    assert not any(home.ended for home in homes)
