"""Theories' results as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from trex_market.analysis.theory.checks import Result, Theory
from trex_market.analysis.twins import table


def heading(theory: Theory) -> str:
    """Return the line above a theory's table."""
    return f"**{theory.title}** (`{theory.name}`; {theory.source})"


def result_table(theory: Theory, results: Sequence[Result]) -> str:
    """Return what was published beside ours, and how far apart they may be."""
    if not theory.drawn:
        return table(
            ("", "theory", "ours"), [(one.what, _number(one.theory), _number(one.ours)) for one in results]
        )
    rows = [
        (
            one.what,
            _number(one.theory),
            _number(one.ours),
            _number(one.tolerance) if one.tolerance else "exact",
        )
        for one in results
    ]
    return table(("", "theory", "ours", "may be off by"), rows)


def _number(value: float) -> str:
    """Write a number with at most five digits, as many as it needs."""
    if value and abs(value) < 0.001:
        return f"{value:.1e}"
    return f"{round(value, 4) or 0.0:g}" if abs(value) < 1000 else f"{value:,.0f}"
