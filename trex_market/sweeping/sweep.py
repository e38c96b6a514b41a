"""A sweep from its request to its table and report."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from trex_market.analysis.kpis import chosen
from trex_market.core.errors import InputError
from trex_market.profiles.shared import sharing
from trex_market.sweeping.page import write_page
from trex_market.sweeping.planning import Plan, Run
from trex_market.sweeping.pools import ATTEMPTS, LocalPool, Pool, perform_surely, ray_pool
from trex_market.sweeping.results import Results, RunResult, Table, check_keys, write_table
from trex_market.sweeping.searching import Search, Searched, Searching, check_search
from trex_market.sweeping.worker import PROFILES, Task

LOCK = "sweep.lock"


class Request(msgspec.Struct, frozen=True):
    """What is to be swept, and how.

    Args:
        overrides: dotted key -> value that holds in all runs; None for no override.
        assignments: "KEY=VALUES" each.
        seeds: how many, or which; None for the config's.
        out: the sweep's directory; None for `runs/NAME-sweep`.
        workers: how many runs at a time; None for as many as there are cores.
        ray: address of a Ray cluster; None for processes here.
        engine: which; None for what fits each run.
        attempts: how often a run is begun whose process is killed.
        kpis: names of those in the terminal and in the report; None for what usually matters.
        search: which settings are tried; None for all.
    """

    overrides: Mapping[str, object] = msgspec.field(default_factory=dict)
    assignments: tuple[str, ...] = ()
    seeds: str | None = None
    out: Path | None = None
    workers: int | None = None
    ray: str | None = None
    engine: Literal["plain", "vector"] | None = None
    attempts: int = ATTEMPTS
    kpis: tuple[str, ...] | None = None
    search: Search | None = None


class Swept(msgspec.Struct, frozen=True):
    """What a sweep left behind.

    Args:
        directory: of the sweep.
        table: all runs.
        file: the table, as Parquet or CSV.
        page: the report.
        skipped: how many runs had finished before.
        best: what was found, if it was searched for.
    """

    directory: Path
    table: Table
    file: Path
    page: Path
    skipped: int
    best: Searched | None


class SweepDisplay(Protocol):
    """Shows how far a sweep is."""

    def sweep(self, runs: int, done: int) -> AbstractContextManager[Callable[[float], None]]:
        """Show a sweep; what it yields is told of runs done more, or a part of one."""

    def trouble(self, message: str) -> None:
        """Say that something is wrong, and that it goes on."""


async def sweep(
    config: Path, request: Request, display: SweepDisplay, started: Callable[[int, str], None] | None = None
) -> Swept:
    """Run a config with other values of some keys, and put together what comes of it.

    Args:
        config: YAML, or JSON with comments.
        request: what is to be swept.
        display: shows how far it is.
        started: is told of the id of each process on this machine, and of its run's.

    Raises:
        InputError: if config or request are wrong.
        MissingExtraError: if a part is needed that is not installed.
    """
    _check(request)
    plan = Plan(config, request.overrides, request.assignments, request.seeds)
    check_keys([one.key for one in plan.axes])
    if request.search is not None:
        check_search(request.search, plan.axes)
    directory = request.out or Path("runs") / f"{plan.config.study.name}-sweep"
    with _locked(directory):
        results = Results(directory)
        async with _pool(request, results, started) as pool:
            sweeping = _Sweeping(plan, directory.resolve(), results, request, pool, display)
            best = await sweeping.perform()
        table = sweeping.table()
        file = write_table(table, directory)
        page = write_page(table, directory, plan.config.study.name, request.kpis)
    return Swept(directory, table, file, page, sweeping.skipped, best)


def _check(request: Request) -> None:
    for name, number in (("--workers", request.workers), ("--attempts", request.attempts)):
        if number is not None and number < 1:
            raise InputError(f"{name} must be at least 1, found {number}")
    chosen(request.kpis)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Make a sweep's directory, and keep other sweeps out of it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(f"{directory}: another sweep is at work there") from None
            yield
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise InputError(f"{directory}: cannot be a sweep's directory: {error.strerror}") from error


@asynccontextmanager
async def _pool(
    request: Request, results: Results, started: Callable[[int, str], None] | None
) -> AsyncIterator[Pool]:
    if request.ray is None:
        yield LocalPool(request.workers or len(os.sched_getaffinity(0)), results, started)
        return
    async with ray_pool(request.ray, request.workers) as pool:
        yield pool


class _Sweeping:
    """Performs the runs of a plan that have not finished yet."""

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        results: Results,
        request: Request,
        pool: Pool,
        display: SweepDisplay,
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._results = results
        self._request = request
        self._pool = pool
        self._display = display
        self._runs: dict[str, Run] = {}
        self._done: dict[str, RunResult] = {}
        self._open_profiles = sharing(directory / PROFILES)
        self.skipped = 0

    async def perform(self) -> Searched | None:
        """Perform all combinations, or those that a search asks for; return what it found."""
        search = self._request.search
        if search is not None:
            return await self._search(search)
        runs = [run for values in self._plan.settings() for run in self._plan.runs(values)]
        await asyncio.to_thread(self._plan.check, runs, self._open_profiles)
        found = {run.id: self._results.find(run) for run in runs}
        with self._display.sweep(len(runs), sum(result is not None for result in found.values())) as show:
            await self._perform(runs, show)
        return None

    async def _search(self, search: Search) -> Searched | None:
        searching = Searching(search, self._plan.axes, self._plan.seeds[0])
        with self._display.sweep(search.trials * len(self._plan.seeds), 0) as show:
            while batch := searching.ask():
                settings = [self._plan.runs(values) for values in batch]
                runs = [run for setting in settings for run in setting]
                await asyncio.to_thread(self._plan.check, runs, self._open_profiles)
                await self._perform(runs, show, counted=True)
                searching.tell([[self._done[run.id] for run in setting] for setting in settings])
        return searching.best()

    async def _perform(
        self, runs: Sequence[Run], show: Callable[[float], None], *, counted: bool = False
    ) -> None:
        """Perform runs, but for those that have finished before; where they were not counted as done, they are now."""
        async with asyncio.TaskGroup() as group:
            for run in runs:
                found = self._done.get(run.id) or self._results.find(run)
                self.skipped += found is not None and run.id not in self._runs
                self._runs[run.id] = run
                if found is None:
                    group.create_task(self._one(run, show))
                    continue
                self._done[run.id] = found
                if counted:
                    show(1.0)

    async def _one(self, run: Run, show: Callable[[float], None]) -> None:
        told = 0.0

        def tell(done: float) -> None:
            nonlocal told
            show(done - told)
            told = done

        result = await perform_surely(self._pool, self._task(run), self._request.attempts, tell)
        tell(1.0)
        if result.status == "failed":
            self._display.trouble(f"run {run.id} failed: {result.message}")
        self._done[run.id] = result

    def _task(self, run: Run) -> Task:
        path, directory = str(self._plan.path), str(self._directory)
        return Task(run.id, path, run.overrides, run.config_hash, directory, self._request.engine)

    def table(self) -> Table:
        """Return all runs that were performed or found, in the plan's order or the search's."""
        keys = tuple(one.key for one in self._plan.axes)
        runs = tuple(self._runs.values())
        return Table(keys, runs, tuple(self._done[run.id] for run in runs))
