"""One run of a sweep, in a process of its own, and what it came to.

    python -m trex_market.sweeping.worker

reads its task from the first line of standard input, as JSON, and writes lines to standard output: how much is done,
0 to 1. When standard input ends, whoever began it is gone, and it ends at once: nobody would want its result, and
somebody else may have begun the run anew. What goes wrong is said on standard error, with the statuses of the command line.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import msgspec

from trex_market import engines
from trex_market.analysis.kpis import measure
from trex_market.analysis.runs import read_run
from trex_market.build import Study
from trex_market.core.errors import InputError, MissingExtraError, TrexError
from trex_market.profiles.shared import sharing
from trex_market.reporting import find_run
from trex_market.run import StudyRun
from trex_market.sweeping.planning import load_swept
from trex_market.sweeping.results import Results, RunResult

RUNS = "runs"
PROFILES = "profiles"

STANDARD_INPUT = 0

ORPHANED = 3
"""Exit status of a worker whose sweep is gone."""


class Task(msgspec.Struct, frozen=True):
    """A run that is to be performed.

    Args:
        run_id: names it, and its folder.
        config: the config's file.
        overrides: dotted key -> what it is in this run.
        config_hash: of the config with these.
        directory: of the sweep.
        engine: which; None for what fits the run.
        attempt: how often it has been begun, this time included.
    """

    run_id: str
    config: str
    overrides: dict[str, Any]
    config_hash: str
    directory: str
    engine: Literal["plain", "vector"] | None = None
    attempt: int = 1


Show = Callable[[float], None]
"""Is told how much of a run is done, 0 to 1."""


class _Progress:
    """Adds up the episodes of a run."""

    def __init__(self, study: Study, show: Show) -> None:
        plans = [plan for simulation in study.simulations for plan in study.episodes(simulation)]
        self._rounds = sum(plan.rounds for plan in plans)
        self._played = 0
        self._told = 0
        self._show = show

    @contextmanager
    def episode(self, _label: str, _rounds: int) -> Iterator[Callable[[int, int | None], None]]:
        yield self._advance

    def _advance(self, rounds: int, _price: int | None) -> None:
        self._played += rounds
        hundredths = 100 * self._played // self._rounds
        if hundredths > self._told:
            self._told = hundredths
            self._show(hundredths / 100)

    def trouble(self, message: str) -> None:
        sys.stderr.write(f"{message}\n")


async def perform(task: Task, show: Show) -> RunResult:
    """Perform a run from its beginning, and keep what it came to.

    Args:
        task: the run.
        show: is told how far it is.

    Raises:
        InputError: if the config is wrong, or has changed since the sweep began.
        StrategyError: if a participant's strategy fails.
        StorageError: if its database cannot be used.
    """
    began = time.perf_counter()
    sweep = Path(task.directory)
    directory = sweep / RUNS / task.run_id
    study = load_swept(Path(task.config), task.overrides, sharing(sweep / PROFILES))
    if study.config.hash != task.config_hash:
        raise InputError(f"{task.config}: has changed since the sweep began; start it again")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    progress = _Progress(study, show)
    reach = engines.in_process(task.engine, lambda _message: None)
    await StudyRun(study, directory, None, progress, reach, report=False).run()
    kpis = await measured(directory)
    seconds = time.perf_counter() - began
    result = RunResult(task.run_id, task.config_hash, "finished", kpis, seconds, attempts=task.attempt)
    Results(sweep).save(result)
    return result


async def measured(directory: Path) -> dict[str, float | None]:
    """Measure the last episode with trade of a recorded run.

    Args:
        directory: of the run.

    Returns:
        name of a KPI -> its value.
    """
    async with AsyncExitStack() as stack:
        found = await find_run(stack, directory)
        bills = None if found.baseline is None else await found.baseline.bills()
        run = await read_run(found.source, bills)
    return {value.kpi.name: value.value for value in measure(run.frames)}


# ---------------------------------------------------------------- the process


def _tell(done: float) -> None:
    sys.stdout.write(f"{done}\n")
    sys.stdout.flush()


def _end_with_the_sweep() -> None:
    """Wait until standard input ends, then end this process, whatever it is doing."""
    # Not through sys.stdin: a thread that waits in there would hold up the end of the process.
    while os.read(STANDARD_INPUT, 4096):
        pass
    os._exit(ORPHANED)


def main() -> None:
    """Perform the run that standard input tells."""
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)
    Thread(target=_end_with_the_sweep, daemon=True).start()
    try:
        asyncio.run(perform(task, _tell))
    except TrexError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2 if isinstance(error, (InputError, MissingExtraError)) else 1) from None


if __name__ == "__main__":
    main()
