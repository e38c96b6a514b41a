"""Speed of the vector engine: populations of homes with batteries, and a year of them at one minute.

The bare limit beside each figure is what NumPy needs to read the same profiles and to sort as many keys as
there are orders.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import numpy as np
from numpy.typing import NDArray

from trex_market.benchmarks.figures import Figure
from trex_market.build import make_strategy
from trex_market.core.messages import GridTerms, OpenMarket
from trex_market.participant import Participant
from trex_market.plugins import PARTICIPANTS, STORAGES, find
from trex_market.recording import Recording
from trex_market.rounds import EpisodePlan
from trex_market.simulation.vector import VectorDriver
from trex_market.simulation.vector_play import ChunkDriver
from trex_market.storage.database import Database
from trex_market.storage.rows import RunRecord
from trex_market.totals import Totals

logger = logging.getLogger(__name__)

START = 1_451_602_800
"""2016-01-01 0:00 in Berlin."""

STEP = 60
DAY = 1_440
YEAR = 525_600
WEEK = 7 * DAY
TOU = {"1,2,3,4,5,6,7,8,9,10,11,12": {"7,8,9,17,18,19,20": 0.12, "0,1,2,3,4,5,23": 0.05}}
TERMS = OpenMarket("bench", "MicroTE", 2, STEP, "Europe/Berlin", GridTerms(0.069, 1.1, TOU))
SIZES = ((20, 20_000), (200, 10_000), (1_000, 5_000), (2_000, 3_000))
"""Homes, and rounds."""

BESIDE = "NumPy reading the same profiles and sorting as many keys as there are orders"


class Repeated:
    """A week's amounts, again and again: a series without the memory of one."""

    def __init__(self, week: NDArray[np.int32], slots: int) -> None:
        self._weeks = np.concatenate([week, week])
        self._slots = slots

    def __len__(self) -> int:
        return self._slots

    def __getitem__(self, part: slice) -> NDArray[np.int32]:
        first = part.start % WEEK
        return self._weeks[first : first + part.stop - part.start]


class Profile:
    """Load and generation of a home."""

    start, step = START, STEP

    def __init__(self, load: Repeated, generation: dict[str, Repeated]) -> None:
        self.load: Sequence[int] = load  # type: ignore[assignment]
        self.generation: dict[str, Sequence[int]] = generation  # type: ignore[assignment]


def population(homes: int, slots: int) -> tuple[list[Participant], dict[str, Profile]]:
    """Make homes with batteries and prices of their own, every second one with photovoltaics."""
    chance = np.random.default_rng(1)
    hour = np.arange(WEEK) % DAY / 60
    sun = np.clip(1 - ((hour - 13) / 6) ** 2, 0, None)
    daily = 4 + 4 * np.exp(-(((hour - 19) / 3) ** 2)) + 2 * np.exp(-(((hour - 7) / 2) ** 2))
    here = Path.cwd()
    residential, storage = find(PARTICIPANTS, "Residential", here), find(STORAGES, "Bess", here)
    made, profiles = [], {}
    for number in range(homes):
        name = f"home_{number:05d}"
        load = (daily * chance.gamma(2, 0.5, WEEK) * chance.uniform(0.5, 2)).astype(np.int32)
        clouds = np.repeat(chance.uniform(0.2, 1, WEEK // 60), 60)
        generation = (sun * clouds * chance.uniform(30, 120)).astype(np.int32)
        sources = {} if number % 2 else {"solar": Repeated(generation, slots)}
        profiles[name] = Profile(Repeated(load, slots), sources)
        low, high = sorted(chance.uniform(0.06, 0.15, 2).round(3).tolist())
        battery = storage(10_000, 5_000, efficiency=0.95, monthly_sdr=0.05)
        strategy = make_strategy("basic", {"bid_price": high, "ask_price": low}, here)
        made.append(residential(name, strategy, battery=battery))
    return made, profiles


def plan(rounds: int, profiles: dict[str, Profile]) -> EpisodePlan:
    """Return the plan of so many rounds."""
    return EpisodePlan("training", 0, START, rounds, STEP, profiles=profiles)


def bare(rounds: int, profiles: dict[str, Profile], orders: int) -> float:
    """Return the seconds that NumPy takes to read the profiles and sort a round's orders, without a market."""
    keys = np.random.default_rng(1).integers(0, 1 << 62, orders)
    began = process_time()
    for first in range(0, rounds, DAY):
        last = min(first + DAY, rounds)
        block = np.array([profile.load[first:last] for profile in profiles.values()]).T.copy()
        made = [series[first:last] for profile in profiles.values() for series in profile.generation.values()]
        both = np.array(made).T.copy()
        for row in range(last - first):
            block[row].sum(), both[row].sum()
            np.sort(keys)
    return process_time() - began


def vector() -> list[Figure]:
    """Play populations of several sizes, nothing recorded."""
    return [_played(homes, rounds) for homes, rounds in SIZES]


def _played(homes: int, rounds: int) -> Figure:
    made, profiles = population(homes, rounds + 2)
    driver = VectorDriver(TERMS, made, "solar")
    driver.begin(plan(rounds, profiles), ledger=False).play(1)  # compiles, or loads what is compiled
    totals = Totals()
    began = process_time()
    asyncio.run(ChunkDriver(driver).play_episode(plan(rounds, profiles), totals))
    seconds = process_time() - began
    limit = bare(rounds, profiles, homes)
    return Figure(
        "vector",
        "homes with batteries in arrays, nothing recorded",
        homes,
        rounds / seconds,
        "rounds/s",
        rounds / limit,
        BESIDE,
        f"{1e9 * seconds / rounds / homes:,.0f} ns a home; {totals.transactions / rounds:,.0f} transactions a round",
        seconds / rounds,
    )


def year(rounds: int = YEAR) -> list[Figure]:
    """Play a year of 1,000 homes at one minute, recording each participant's days."""
    homes = 1_000
    made, profiles = population(homes, rounds + 2)
    driver = VectorDriver(TERMS, made, "solar")
    driver.begin(plan(rounds, profiles), ledger=False).play(1)
    totals = Totals()
    with tempfile.TemporaryDirectory() as folder:
        began = process_time()
        asyncio.run(_recorded(driver, plan(rounds, profiles), totals, Path(folder)))
        seconds = process_time() - began
    limit = bare(rounds, profiles, homes)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        Figure(
            "year",
            f"{rounds:,} rounds, record: participant",
            homes,
            rounds / seconds,
            "rounds/s",
            rounds / limit,
            BESIDE,
            f"{seconds:,.0f} s of CPU, {memory:,.0f} MB at most; out of balance: {totals.balance}",
        )
    ]


async def _recorded(driver: VectorDriver, episode: EpisodePlan, totals: Totals, folder: Path) -> None:
    async with await Database.open(f"sqlite:///{folder / 'bench.db'}") as database:
        run_id = await database.start_run(
            RunRecord("bench", "bench", "training", "bench", 0, 1, "{}", "", "", 0)
        )
        recording = Recording("participant", database, run_id, "bench", TERMS.timezone, logger.warning)
        async with recording:
            await ChunkDriver(driver).play_episode(episode, totals, recording.in_chunks())
