"""``scripts/validation [NAME ...] [--seed N] [--draws N]``: measure the numbers of the literature again.

Exit status 1 if one of them is further off than it may be, 2 if there is no such theory.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from trex_market.analysis.theory import DRAWS, SEED, THEORIES, Theory, measure
from trex_market.analysis.theory.tables import heading, result_table
from trex_market.core.errors import unknown_name


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is named, all if nothing is, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/validation", description="Numbers of the literature, measured again."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(THEORIES)}")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--draws", type=int, default=DRAWS, help="for the smallest market, at least 100")
    given = parser.parse_args(arguments)
    for name in given.names:
        if name not in THEORIES:
            parser.error(unknown_name("theory", name, THEORIES))
    if given.draws < 100:
        parser.error(f"--draws must be at least 100, found {given.draws}")
    chosen = [THEORIES[name] for name in given.names] or list(THEORIES.values())
    held = [_shown(theory, given.seed, given.draws) for theory in chosen]
    return int(not all(held))


def _shown(theory: Theory, seed: int, draws: int) -> bool:
    """Write a theory's table, and return whether all of it holds."""
    results = measure(theory, seed, draws)
    sys.stdout.write(f"{heading(theory)}\n\n{result_table(theory, results)}\n\n")
    off = [result.what for result in results if not result.holds]
    if off:
        sys.stdout.write(f"OFF: {'; '.join(off)}\n\n")
    return not off


if __name__ == "__main__":
    sys.exit(main())
