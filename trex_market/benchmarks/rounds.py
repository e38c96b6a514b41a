"""Rounds in one process, nothing recorded."""

from __future__ import annotations

from time import process_time

from trex_market.benchmarks.figures import Figure
from trex_market.benchmarks.population import START, STEP, TERMS, homes
from trex_market.engine import Engine
from trex_market.participant import EpisodeStart, MarketInfo
from trex_market.simulation.local import LocalRounds

SIZES = ((20, 3_000), (200, 300), (2_000, 30))
"""Homes, and rounds."""


def rounds() -> list[Figure]:
    """Play rounds in one process, and make as many empty calls as there are commands."""
    return [_played(count, played) for count, played in SIZES]


def _played(count: int, played: int) -> Figure:
    made = homes(count, played + 4)
    for home in made.values():
        home.start_episode(EpisodeStart(0, "training", MarketInfo.of(TERMS)))
    driver = LocalRounds(Engine(), TERMS, made.values(), START, "solar")
    began = process_time()
    for number in range(played):
        driver.play(START + number * STEP)
    seconds = process_time() - began

    def nothing(_command: object) -> list[object]:
        return []

    began = process_time()
    for _ in range(played * (3 * count + 2)):
        nothing(None)
    bare = process_time() - began
    return Figure(
        "rounds",
        "in one process, strategy basic",
        count,
        played / seconds,
        "rounds/s",
        played / bare,
        "as many calls of an empty function",
        f"{1e6 * seconds / played / count:.1f} us a turn",
        seconds / played,
    )
