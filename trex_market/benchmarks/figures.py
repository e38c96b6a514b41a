"""A figure of a benchmark, the bare limit of the same run beside it, and how they grow."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Sequence
from itertools import pairwise

import msgspec
from rich.table import Table

from trex_market import __version__


class Figure(msgspec.Struct, frozen=True):
    """One figure.

    Args:
        benchmark: name of the benchmark.
        what: what was done.
        size: how large it was: orders, homes, participants.
        value: what was measured.
        unit: of the value, such as "rounds/s" or "ms".
        bare: the same of the bare limit, measured in the same run.
        beside: what the bare limit does.
        note: anything else.
        seconds: taken by the whole; larger sizes of the same benchmark and words are compared by it.
    """

    benchmark: str
    what: str
    size: int
    value: float
    unit: str
    bare: float
    beside: str
    note: str = ""
    seconds: float = 0.0

    @property
    def share(self) -> float:
        """How much of the bare limit's speed was reached."""
        if not self.value or not self.bare:
            return math.nan
        return self.bare / self.value if self.unit == "ms" else self.value / self.bare


class Growth(msgspec.Struct, frozen=True):
    """How the time of a benchmark grows with its size: as size ** exponent, between two sizes."""

    benchmark: str
    what: str
    small: int
    large: int
    exponent: float


class Machine(msgspec.Struct, frozen=True):
    """Where figures come from."""

    cores: int
    processor: str
    system: str
    python: str
    version: str


Benchmark = Callable[[], list[Figure]]


def machine() -> Machine:
    """Return what machine this is."""
    processor = platform.processor() or platform.machine()
    system = f"{platform.system()} {platform.release()}"
    return Machine(os.cpu_count() or 0, processor, system, platform.python_version(), __version__)


def growths(figures: Sequence[Figure]) -> list[Growth]:
    """Return how each series of figures grows, from each size to the next."""
    found = []
    series: dict[tuple[str, str], list[Figure]] = {}
    for figure in figures:
        if figure.seconds > 0:
            series.setdefault((figure.benchmark, figure.what), []).append(figure)
    for (benchmark, what), members in series.items():
        members.sort(key=lambda figure: figure.size)
        for small, large in pairwise(members):
            exponent = math.log(large.seconds / small.seconds) / math.log(large.size / small.size)
            found.append(Growth(benchmark, what, small.size, large.size, round(exponent, 2)))
    return found


def as_json(figures: Sequence[Figure]) -> str:
    """Return figures, growths and the machine as JSON."""
    record = {
        "machine": machine(),
        "figures": [
            {**msgspec.structs.asdict(figure), "share_of_bare": round(figure.share, 4)} for figure in figures
        ],
        "growth": growths(figures),
    }
    return msgspec.json.format(msgspec.json.encode(record), indent=2).decode()


def as_tables(figures: Sequence[Figure]) -> list[Table]:
    """Return figures and growths as tables for a terminal."""
    table = Table("benchmark", "what", "size", "measured", "bare limit", "share", "beside, and notes")
    for figure in figures:
        table.add_row(
            figure.benchmark,
            figure.what,
            f"{figure.size:,}",
            f"{_amount(figure.value)} {figure.unit}",
            f"{_amount(figure.bare)} {figure.unit}",
            f"{figure.share:.0%}",
            "; ".join(filter(None, (figure.beside, figure.note))),
        )
    growth = Table("benchmark", "what", "from", "to", "time grows as size to the power of")
    for one in growths(figures):
        growth.add_row(one.benchmark, one.what, f"{one.small:,}", f"{one.large:,}", f"{one.exponent:.2f}")
    return [table, growth] if growth.row_count else [table]


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"
