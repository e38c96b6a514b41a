"""A figure of a benchmark, the bare limit of the same run beside it, and how they grow."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

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
    processor = _processor() or platform.processor() or platform.machine()
    system = f"{platform.system()} {platform.release()}"
    return Machine(os.cpu_count() or 0, processor, system, platform.python_version(), __version__)


def _processor() -> str:
    """Return the processor's name as Linux knows it; empty elsewhere."""
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return ""
    models = [line for line in information.read_text().splitlines() if line.startswith("model name")]
    return models[0].partition(":")[2].strip() if models else ""


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


Rows = list[tuple[str, ...]]


def _columns(figures: Sequence[Figure]) -> Rows:
    """Return figures as rows of text, the header first."""
    return [
        ("benchmark", "what", "size", "measured", "bare limit", "share", "beside, and notes"),
        *(
            (
                figure.benchmark,
                figure.what,
                f"{figure.size:,}",
                f"{_amount(figure.value)} {figure.unit}",
                f"{_amount(figure.bare)} {figure.unit}",
                f"{figure.share:.0%}",
                "; ".join(filter(None, (figure.beside, figure.note))),
            )
            for figure in figures
        ),
    ]


def _growth_columns(figures: Sequence[Figure]) -> Rows:
    """Return growths as rows of text, the header first."""
    return [
        ("benchmark", "what", "from", "to", "time grows as size to the power of"),
        *(
            (one.benchmark, one.what, f"{one.small:,}", f"{one.large:,}", f"{one.exponent:.2f}")
            for one in growths(figures)
        ),
    ]


def as_tables(figures: Sequence[Figure]) -> list[Table]:
    """Return figures and growths as tables for a terminal."""
    tables = []
    for header, *rows in (_columns(figures), _growth_columns(figures)):
        table = Table(*header)
        for row in rows:
            table.add_row(*row)
        tables.append(table)
    return [table for table in tables if table.row_count]


def as_markdown(figures: Sequence[Figure]) -> str:
    """Return the machine, figures and growths as a page holds them."""
    on = machine()
    parts = [f"{on.cores} cores of {on.processor}, {on.system}, Python {on.python}, trex_market {on.version}"]
    for header, *rows in (_columns(figures), _growth_columns(figures)):
        lines = [header, ("---",) * len(header), *rows] if rows else []
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(filter(None, parts)) + "\n"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"
