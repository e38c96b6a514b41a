"""The reference study: the same homes under net billing, two kinds of agents and two rules, side by side.

    scripts/citylearn FOLDER [--days N] [--out DIR]

FOLDER holds profiles.parquet and grid_price.parquet, see docs/profiles.md. Prints the table of that page.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from trex_market import engines
from trex_market.analysis.kpis import KpiValue, measure
from trex_market.analysis.runs import read_run
from trex_market.analysis.twins import written
from trex_market.build import BASELINE, TRAINING, load_study
from trex_market.core.errors import TrexError
from trex_market.reporting import find_run
from trex_market.run import StudyRun
from trex_market.terminal import TerminalDisplay

CONFIG = Path(__file__).parents[1] / "configs" / "citylearn_2022.yaml"
HOMES = 17


BATTERY = {"capacity": 6400, "power": 5000, "efficiency": 0.9}


class Case(NamedTuple):
    """A column of the table; with no rule it is net billing, against which the cases after it save."""

    label: str
    rule: str
    strategy: str
    batteries: bool


CASES = (
    Case("net billing, no batteries", "", "basic", batteries=False),
    Case("MicroTE, basic, no batteries", "MicroTE", "basic", batteries=False),
    Case("net billing", "", "basic", batteries=True),
    Case("MicroTE, basic", "MicroTE", "basic", batteries=True),
    Case("MicroTE, battery arbitrage", "MicroTE", "battery_arbitrage", batteries=True),
    Case("uniform, battery arbitrage", "uniform", "battery_arbitrage", batteries=True),
)

KPIS = (
    "bill",
    "saving",
    "saving_share",
    "losers",
    "gini_of_savings",
    "traded",
    "price_paid",
    "price_deviation",
    "self_sufficiency",
    "self_consumption",
    "local_share_of_demand",
    "allocative_efficiency",
    "contracts_kept",
    "imbalance_cost",
    "peak_import",
    "peak_export",
    "load_factor",
    "ramping",
    "money_imbalance",
    "energy_imbalance",
)


class Column(NamedTuple):
    """What came of a case."""

    label: str
    kpis: list[KpiValue]
    rounds: int
    seconds: float


async def play(case: Case, directory: Path, days: float | None) -> tuple[int, float]:
    """Run a case; return how many rounds were played, and how long they took in seconds."""
    home: dict[str, object] = {"trader": {"type": case.strategy}}
    if case.batteries:
        home["storage"] = BATTERY
    overrides: dict[str, object] = {
        "study.days": days,
        "study.simulations": [TRAINING if case.rule else BASELINE],
        "market.type": case.rule or None,
        "participants": {f"Building_{number}": home for number in range(1, HOMES + 1)},
    }
    display = TerminalDisplay()
    study = load_study(CONFIG, overrides)
    outcome = await StudyRun(study, directory, None, display, engines.in_process("plain", display.say)).run()
    return outcome.rounds, outcome.seconds


async def columns(out: Path, days: float | None) -> list[Column]:
    """Run all cases, one after the other."""
    made = []
    bills: dict[str, int] = {}
    for case in CASES:
        directory = out / case.label.replace(", ", "-").replace(" ", "_")
        directory.mkdir(parents=True)
        rounds, seconds = await play(case, directory, days)
        async with AsyncExitStack() as stack:
            found = await find_run(stack, directory)
            if not case.rule:
                bills = await found.source.bills()
            run = await read_run(found.source, bills)
        made.append(Column(case.label, measure(run.frames, KPIS), rounds, seconds))
    return made


def table(made: list[Column]) -> str:
    """Write the table in Markdown."""
    lines = [
        "| figure | unit | " + " | ".join(column.label for column in made) + " |",
        "|---|---|" + "---:|" * len(made),
    ]
    for row in zip(*(column.kpis for column in made), strict=True):
        kpi = row[0].kpi
        cells = " | ".join(written(value.value, kpi.decimals) for value in row)
        lines.append(f"| {kpi.title} | {kpi.unit} | {cells} |")
    lines.append("| Time | s | " + " | ".join(f"{column.seconds:,.0f}" for column in made) + " |")
    return "\n".join(lines)


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description="Runs the reference study and prints its table.")
    parser.add_argument("folder", type=Path, help="with profiles.parquet and grid_price.parquet")
    parser.add_argument("--days", type=float, default=None, help="instead of the whole year")
    parser.add_argument(
        "--out", type=Path, default=None, help="where the runs are kept; by default they are not"
    )
    given = parser.parse_args()
    os.environ["CITYLEARN_2022"] = str(given.folder.resolve())
    with tempfile.TemporaryDirectory() as scratch:
        try:
            made = asyncio.run(columns(given.out or Path(scratch), given.days))
        except TrexError as error:
            sys.exit(f"error: {error}")
    print(table(made))
    print(f"\n{made[0].rounds:,} rounds each, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
