"""The command line: ``trex-market``, also ``python -m trex_market``.

Exit status: 0 done, 2 bad input (one message on stderr), 1 failure, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from trex_market import __version__
from trex_market.core.errors import ConfigError, InputError, MissingExtraError, TrexError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A futures market for a neighbourhood's electricity.",
)

Result = TypeVar("Result")

DatabaseOption = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="sqlite:///PATH or postgresql://... instead of a file."),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where the run goes; runs/NAME-TIME by default.")
]
DaysOption = Annotated[float | None, typer.Option("--days", help="Instead of the config's.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Instead of the config's.")]


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback
    if wanted:
        typer.echo(f"trex-market {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A futures market for a neighbourhood's electricity."""


@app.command()
def demo(out: OutOption = None, days: DaysOption = None, seed: SeedOption = None) -> None:
    """Simulate a week of a real neighbourhood; needs nothing but this command."""
    with as_file(files("trex_market") / "data" / "demo.yaml") as config:
        _run(config, out, None, {"study.days": days, "study.seed": seed})


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="YAML, or JSON with comments.")],
    simulation: Annotated[
        list[str] | None,
        typer.Option("--simulation", help="baseline, training, validation; may be repeated."),
    ] = None,
    database: DatabaseOption = None,
    out: OutOption = None,
    episodes: Annotated[int | None, typer.Option("--episodes", help="Instead of the config's.")] = None,
    days: DaysOption = None,
    seed: SeedOption = None,
    record: Annotated[str | None, typer.Option("--record", help="full, participant or none.")] = None,
) -> None:
    """Run a config's simulations, and show and record what comes of them."""
    overrides = {
        "study.simulations": simulation or None,
        "study.generations": episodes,
        "study.days": days,
        "study.seed": seed,
        "study.record": record,
    }
    _run(config, out, database, overrides)


def _run(config: Path, out: Path | None, database: str | None, overrides: dict[str, Any]) -> None:
    from trex_market.build import Study
    from trex_market.config import load_config
    from trex_market.run import StudyRun, new_directory
    from trex_market.terminal import TerminalDisplay

    given = {key: value for key, value in overrides.items() if value is not None}
    loaded = load_config(config, overrides=given)
    study = Study(loaded)
    display = TerminalDisplay()
    url = database or loaded.study.output_db_location
    directory = new_directory(loaded.study.name, out)
    outcome = _await(StudyRun(study, directory, url, display).run())
    display.outcome(outcome)


@app.command()
def replay(
    scenario: Annotated[Path, typer.Argument(help="A scenario or journal: one JSON object a line.")],
    database: DatabaseOption = None,
    out: OutOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print rejected orders, contracts and transactions as JSON.")
    ] = False,
) -> None:
    """Replay a scenario or journal, and record its contracts and transactions."""
    from trex_market.replay import replay_file
    from trex_market.terminal import TerminalDisplay

    replayed = _await(replay_file(scenario, database, out))
    if json:
        sys.stdout.write(replayed.as_json() + "\n")
        return
    display = TerminalDisplay()
    display.summary(replayed.summary)
    typer.echo(
        f"{replayed.lines:,} lines, {len(replayed.rejected):,} orders rejected, "
        f"{len(replayed.contracts):,} contracts, {len(replayed.transactions):,} transactions"
    )
    typer.echo(f"database  {replayed.database} (run {replayed.run_id})")


@app.command()
def validate(
    config: Annotated[Path, typer.Argument(help="YAML, or JSON with comments.")],
    show: Annotated[bool, typer.Option("--show", help="Print the resolved config.")] = False,
) -> None:
    """Check a config and all that it names."""
    from trex_market.build import Study
    from trex_market.config import dump_yaml, load_config

    loaded = load_config(config)
    study = Study(loaded)
    if show:
        typer.echo(dump_yaml(loaded), nl=False)
        return
    episodes = sum(len(study.episodes(simulation)) for simulation in study.simulations)
    typer.echo(
        f"{config}: fine: {len(loaded.participants)} participants, {', '.join(study.simulations)}, "
        f"{episodes} episodes of {loaded.study.rounds:,} rounds"
    )


@app.command()
def report(
    directory: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="As `run` printed it.")],
    database: DatabaseOption = None,
) -> None:
    """Show a run's figures again and write its page anew."""
    from trex_market.reporting import report_directory
    from trex_market.terminal import TerminalDisplay

    summary, page = _await(report_directory(directory, database))
    TerminalDisplay().summary(summary)
    typer.echo(f"report    {page}")


def _await(work: Coroutine[Any, Any, Result]) -> Result:
    """Run asynchronous work; SIGTERM ends it as cleanly as Ctrl-C."""

    async def terminable() -> Result:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    return asyncio.run(terminable())


def main() -> None:
    """Run the command line."""
    try:
        app()
    except ConfigError as error:
        _stop(f"{error}", 2)
    except (InputError, MissingExtraError) as error:
        _stop(f"error: {error}", 2)
    except TrexError as error:
        _stop(f"failed: {error}", 1)
    except (KeyboardInterrupt, asyncio.CancelledError):
        _stop("interrupted; what was recorded until now is kept", 130)


def _stop(message: str, status: int) -> None:
    sys.stderr.write(message + "\n")
    raise SystemExit(status)
