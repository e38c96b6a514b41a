"""Homes for benchmarks: load at random, every third with photovoltaics by day."""

from __future__ import annotations

import random
from pathlib import Path

from trex_market.build import make_strategy
from trex_market.core.messages import GridTerms, OpenMarket
from trex_market.participant import Participant
from trex_market.plugins import PARTICIPANTS, find
from trex_market.profiles import Profile

STEP = 900
START = 1_468_792_800
"""2016-07-18 0:00 in Berlin."""

TERMS = OpenMarket("bench", "MicroTE", 2, STEP, "Europe/Berlin", GridTerms(0.069, 1.1))


def homes(count: int, rounds: int) -> dict[str, Participant]:
    """Make homes with the strategy `basic`.

    Args:
        count: how many.
        rounds: length of their profiles.

    Returns:
        id -> home.
    """
    chance = random.Random(1)  # noqa: S311 - no secret
    here = Path.cwd()
    residential = find(PARTICIPANTS, "Residential", here)
    made: dict[str, Participant] = {}
    for number in range(count):
        name = f"home_{number:04d}"
        load = [chance.randint(50, 800) for _ in range(rounds)]
        sun = [max(0, 900 - 4 * (slot % 96 - 48) ** 2) for slot in range(rounds)]
        prices = {"bid_price": 0.14, "ask_price": 0.07}
        home = residential(name, make_strategy("basic", prices, here))
        home.use(Profile(name, START, STEP, load, {} if number % 3 else {"solar": sun}))
        made[name] = home
    return made
