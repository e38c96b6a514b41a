"""What agents observe, do and are rewarded for, as tables of Markdown for the documents."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence

from trex_market.learning.actions import LEVERS
from trex_market.learning.features import features
from trex_market.learning.rewards import bill, net_profit, saving

REWARDS = (net_profit, saving, bill)
"""Those that there are by name."""


def observation_table(close_steps: int) -> str:
    """Return what an observation holds, by default, in a market of so many steps to the gate."""
    rows = [
        (str(place), f"`{row.name}`", row.unit, f"{row.low:,.0f} to {row.high:,.0f}", row.meaning)
        for place, row in enumerate(features(close_steps, close_steps + 1))
    ]
    return _table(("", "name", "unit", "range", "what"), rows)


def action_table() -> str:
    """Return what an action holds."""
    rows = [
        (str(place), f"`{lever.name}`", lever.low, lever.high, lever.meaning)
        for place, lever in enumerate(LEVERS)
    ]
    return _table(("", "name", "-1 is", "1 is", "what"), rows)


def reward_table() -> str:
    """Return the rewards that there are by name."""
    rows = [
        (f"`{reward.__name__}`", (inspect.getdoc(reward) or "").removeprefix("Return ").rstrip("."))
        for reward in REWARDS
    ]
    return _table(("name", "what"), rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
