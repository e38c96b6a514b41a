"""Zero-intelligence traders in the reference double auction of `continuous`."""

from __future__ import annotations

from math import fsum, sqrt
from random import Random

from trex_market.analysis.theory.checks import Result, Theory, mean
from trex_market.analysis.theory.continuous import session

VALUES = tuple(range(150, 49, -10))
COSTS = tuple(range(50, 151, 10))
MOST_GAINS = 300
EQUILIBRIUM = 100


def zero_intelligence(chance: Random, draws: int) -> list[Result]:
    """Run sessions with and without the budget constraint, for four sets of traders."""
    count = max(20, draws // 8)
    efficiencies, alphas = [], []
    for _ in range(count):
        found = session(VALUES, COSTS, chance)
        efficiencies.append(found.gains / MOST_GAINS)
        off = fsum((price - EQUILIBRIUM) ** 2 for price in found.prices)
        alphas.append(100 / EQUILIBRIUM * sqrt(off / len(found.prices)))
    free = [session(VALUES, COSTS, chance, constrained=False).gains for _ in range(20)]
    equal_costs = [session(VALUES, [EQUILIBRIUM] * len(VALUES), chance).gains for _ in range(20)]
    alike = [
        session([150] * 6, [50] * 6, chance, constrained=constrained).gains
        for constrained in (True, False)
        for _ in range(20)
    ]
    return [
        Result("constrained, 11 values from 150 to 50: efficiency", 0.968, *mean(efficiencies), 0.0015),
        Result("constrained, the same: Smith's alpha", 16.3, *mean(alphas), 0.3),
        Result("unconstrained, the same, all trade: gains, furthest from 0", 0.0, max(map(abs, free))),
        Result("constrained, all costs 100: least efficiency", 1.0, min(equal_costs) / 150),
        Result("six of 150, six of 50, either way: least efficiency", 1.0, min(alike) / 600),
    ]


THEORIES = (
    Theory(
        "zero_intelligence",
        "Zero-intelligence traders, in a reference continuous double auction",
        "D. K. Gode and S. Sunder, JPE 101(1), 1993; numbers simulated elsewhere with 2,000 seeds",
        zero_intelligence,
    ),
)
