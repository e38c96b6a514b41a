"""Sweeps of the small study, for tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from trex_market.sweeping.results import RunResult
from trex_market.sweeping.sweep import Request, Swept, sweep

TIMES = {"seconds", "attempts"}
"""Columns that differ from sweep to sweep."""


class Quiet:
    """A display that remembers."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.done = 0.0
        self.runs = (0, 0)

    @contextmanager
    def sweep(self, runs: int, done: int) -> Iterator[Callable[[float], None]]:
        """Remember what there is to do."""
        self.runs = runs, done

        def show(more: float) -> None:
            self.done += more

        yield show

    def trouble(self, message: str) -> None:
        """Remember a message."""
        self.told.append(message)


async def swept(
    config: Path,
    out: Path,
    *assignments: str,
    display: Quiet | None = None,
    started: Callable[[int, str], None] | None = None,
    **wishes: Any,
) -> Swept:
    """Sweep a config."""
    request = Request(assignments=assignments, out=out, **{"workers": 2, **wishes})
    return await sweep(config, request, display or Quiet(), started)


def rows(out: Path) -> list[dict[str, Any]]:
    """Return the table of a sweep, a row a run."""
    table: list[dict[str, Any]] = pq.read_table(out / "results.parquet").to_pylist()
    return table


def lasting(out: Path) -> list[dict[str, Any]]:
    """Return the table without what differs from sweep to sweep."""
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows(out)]


def result(out: Path, run_id: str) -> dict[str, Any]:
    """Return what a sweep keeps of a run."""
    found: dict[str, Any] = json.loads((out / "results" / f"{run_id}.json").read_text())
    return found


__all__ = ["Quiet", "RunResult", "lasting", "result", "rows", "swept"]
