"""Numbers of the literature, measured again with this market's rules.

Each `Theory` has results: what was published or follows from a closed form,
beside ours. Where chance plays a part, ours have standard errors, and may be off
by four of them.
"""

from random import Random

from trex_market.analysis.theory import auctions, worked, zero_intelligence
from trex_market.analysis.theory.checks import Result, Theory

THEORIES: dict[str, Theory] = {
    theory.name: theory for theory in (*worked.THEORIES, *auctions.THEORIES, *zero_intelligence.THEORIES)
}
"""Name -> theory, in the order of pages."""

DRAWS = 8_000
"""So many draws of the smallest market make the page; larger ones are drawn less often."""

SEED = 1


def measure(theory: Theory, seed: int = SEED, draws: int = DRAWS) -> list[Result]:
    """Measure a theory's numbers; the same seed gives the same numbers.

    Args:
        theory: which.
        seed: of all that is drawn.
        draws: how many, for the smallest market.
    """
    return theory.run(Random(seed), draws)  # noqa: S311 - a simulation


__all__ = ["DRAWS", "SEED", "THEORIES", "Result", "Theory", "measure"]
