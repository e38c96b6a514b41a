"""A study to a run directory: config, database, summary, report.

config.yaml    the config, resolved
market.db      the database (unless another one is named)
run.json       the ids of its runs in the database
summary.json   the figures of the table
weights        what its strategies have learnt, see `trex_market.weights`
report.html    the report; report.md and report.json are the same for papers and scripts
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from trex_market import __version__
from trex_market.analysis.summary import Summary, summarise
from trex_market.analysis.writing import write_run_report
from trex_market.build import BASELINE, Study
from trex_market.config import dump_yaml
from trex_market.core.errors import InputError, SimulationStoppedError
from trex_market.programmes import Programme
from trex_market.recording import Recording
from trex_market.rounds import EpisodePlan
from trex_market.simulation.run import Driver, EpisodeDriver, Recorder, play_episode
from trex_market.storage.address import parse_address
from trex_market.storage.database import Database
from trex_market.storage.rows import RunRecord, RunStatus
from trex_market.totals import Totals
from trex_market.weights import WeightsFolder

CONFIG_FILE = "config.yaml"
DATABASE_FILE = "market.db"
RUN_FILE = "run.json"
SUMMARY_FILE = "summary.json"

NAME_LENGTH = 50
"""So many characters of a study's name go into that of a directory; file systems take 255 bytes."""


Reach = Callable[[Study, str], AbstractAsyncContextManager[Driver | EpisodeDriver]]
"""Returns the driver of a study's simulation, for as long as the context lasts."""


class Display(Protocol):
    """Shows how far a run is."""

    def episode(self, label: str, rounds: int) -> AbstractContextManager[Callable[[int, int | None], None]]:
        """Show an episode; what it yields is told of rounds played and of the last local price."""

    def trouble(self, message: str) -> None:
        """Say that something is wrong outside of the market, and that it goes on."""


class RunFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run directory says of itself.

    Args:
        run_ids: in the database, in order.
        timezone: of the study.
        database: URL of its database, if that is in files elsewhere.
    """

    run_ids: tuple[str, ...]
    timezone: str
    database: str | None = None


class _Played(NamedTuple):
    """An episode that was played to its end."""

    run_id: str
    simulation: str
    start: int
    totals: Totals


class Outcome(msgspec.Struct, frozen=True):
    """What a run left behind.

    Args:
        directory: the run directory.
        database: URL of the database, without a password.
        run_ids: of the episodes, in order.
        summary: of the last episode with trade, against the baseline of the same time range.
        report: the page with plots; None if nothing was recorded to plot.
        rounds: played in all.
        seconds: how long they took.
    """

    directory: Path
    database: str
    run_ids: tuple[str, ...]
    summary: Summary
    report: Path | None
    rounds: int
    seconds: float


def new_directory(study_name: str, chosen: Path | None) -> Path:
    """Make the directory of a run.

    Args:
        study_name: names it, with the time, if none is chosen.
        chosen: the directory; it must not hold a run already.

    Raises:
        InputError: if it holds a run, or cannot be made.
    """
    directory = chosen or Path("runs") / _directory_name(study_name)
    try:
        if chosen is None:
            return _make_new(directory)
        directory.mkdir(parents=True, exist_ok=True)
        if (directory / CONFIG_FILE).exists():
            raise InputError(
                f"{directory}: holds a run already; name another directory with --out, or remove it"
            )
    except OSError as error:
        raise InputError(f"{directory}: cannot be made: {error.strerror}") from error
    return directory


def _directory_name(study_name: str) -> str:
    stem = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in study_name)
    return f"{stem[:NAME_LENGTH]}-{time.strftime('%Y%m%d-%H%M%S')}"


def _make_new(directory: Path) -> Path:
    """Make a directory, with a number after its name if there is one already."""
    numbered, number = directory, 1
    while True:
        try:
            numbered.mkdir(parents=True)
        except FileExistsError:
            number += 1
            numbered = directory.with_name(f"{directory.name}.{number}")
        else:
            return numbered


class StudyRun:
    """Runs a study's simulations and records them.

    Args:
        study: what to run.
        directory: where; see `new_directory`.
        database_url: instead of a file in the directory.
        display: shows how far it is.
        reach: finds the participants of a simulation, see `trex_market.transport`.
        learnt: directory of another run, whose weights its strategies go on from; None for none.
        report: whether the report is written.
        programmes: makes the programmes beside the market of an episode; None for the study's.

    Raises:
        InputError: if the other run has no weights.
    """

    def __init__(
        self,
        study: Study,
        directory: Path,
        database_url: str | None,
        display: Display,
        reach: Reach,
        *,
        learnt: Path | None = None,
        report: bool = True,
        programmes: Callable[[EpisodePlan], list[Programme]] | None = None,
    ) -> None:
        self._reach = reach
        self._programmes = programmes or study.programmes
        self._reported = report
        self._study = study.keeping(
            WeightsFolder(directory, learnt, study.config.training.validation_weights)
        )
        self._directory = directory
        if database_url is None:
            database_url = f"sqlite+aiosqlite:///{directory / DATABASE_FILE}"
        self._url = database_url
        self._display = display
        self._run_ids: list[str] = []
        self._played: list[_Played] = []
        self._rounds = 0

    async def run(self) -> Outcome:
        """Run all simulations, then write summary and report.

        Raises:
            StrategyError: if a participant's strategy fails.
            StorageError: if the database cannot be used.
        """
        began = time.perf_counter()
        async with await Database.open(self._url) as database:
            # Not before: without a database there is no run that a second attempt could be in the way of.
            (self._directory / CONFIG_FILE).write_text(
                dump_yaml(self._study.config, secrets=False), encoding="utf-8"
            )
            for simulation in self._study.simulations:
                async with self._reach(self._study, simulation) as driver:
                    for plan in self._study.episodes(simulation):
                        await self._episode(database, plan, driver)
            seconds = time.perf_counter() - began
            shown, baseline = self._shown()
            summary = summarise(shown.totals, baseline and baseline.totals)
            self._write_run_file()
            (self._directory / SUMMARY_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(summary)))
            report = await self._report(database, shown.run_id, baseline and baseline.run_id)
            return Outcome(
                self._directory,
                database.name,
                tuple(self._run_ids),
                summary,
                report,
                self._rounds,
                seconds,
            )

    def _write_run_file(self) -> None:
        address = parse_address(self._url)
        elsewhere = None if address.file == self._directory / DATABASE_FILE else address.here
        run_file = RunFile(tuple(self._run_ids), self._study.config.study.timezone, elsewhere)
        (self._directory / RUN_FILE).write_bytes(msgspec.json.encode(run_file))

    def _shown(self) -> tuple[_Played, _Played | None]:
        """Return the last episode with trade, if there was one, and the baseline of its time range."""
        baselines = {played.start: played for played in self._played if played.simulation == BASELINE}
        traded = [played for played in self._played if played.simulation != BASELINE]
        return (traded[-1], baselines.get(traded[-1].start)) if traded else (self._played[-1], None)

    async def _report(self, database: Database, run_id: str, baseline_id: str | None) -> Path | None:
        study = self._study.config.study
        if study.record != "full" or not self._reported:
            return None
        return await write_run_report(database, run_id, baseline_id, self._directory, study.timezone)

    async def _episode(self, database: Database, plan: EpisodePlan, driver: Driver | EpisodeDriver) -> None:
        """Play and record an episode; its run is marked for what became of it."""
        run_id = await database.start_run(self._run_record(plan))
        self._run_ids.append(run_id)
        totals = Totals()
        status: RunStatus = "failed"
        try:
            recording = self._recording(database, run_id)
            async with recording as recorder:
                await self._play(plan, driver, totals, recorder, recording)
            status = "finished"
        except (asyncio.CancelledError, KeyboardInterrupt, SimulationStoppedError):
            status = "interrupted"
            raise
        finally:
            await database.finish_run(run_id, status, int(time.time()))
        self._played.append(_Played(run_id, plan.simulation, plan.start, totals))

    async def _play(
        self,
        plan: EpisodePlan,
        driver: Driver | EpisodeDriver,
        totals: Totals,
        recorder: Recorder | None,
        recording: Recording,
    ) -> None:
        label = f"{plan.simulation} {plan.episode}" if plan.episode else plan.simulation
        with self._display.episode(label, plan.rounds) as show:

            def progress(rounds: int) -> None:
                self._rounds += rounds
                show(rounds, totals.last_price)

            if isinstance(driver, EpisodeDriver):
                await driver.play_episode(plan, totals, recording.in_chunks(), progress)
            else:
                await play_episode(
                    plan,
                    driver,
                    listeners=[totals],
                    recorder=recorder,
                    progress=progress,
                    programmes=self._programmes(plan),
                )

    def _recording(self, database: Database, run_id: str) -> Recording:
        config = self._study.config
        level, trouble = config.study.record, self._display.trouble
        return Recording(level, database, run_id, config.market.id, config.study.timezone, trouble)

    def _run_record(self, plan: EpisodePlan) -> RunRecord:
        config = self._study.config
        return RunRecord(
            id=f"{config.hash[:12]}-{plan.simulation}-{plan.episode}",
            study=config.study.name,
            simulation=plan.simulation,
            market_id=config.market.id,
            episode=plan.episode,
            seed=config.study.seed,
            config=msgspec.json.encode(config.recorded()).decode(),
            config_hash=config.hash,
            version=__version__,
            started_at=int(time.time()),
        )
