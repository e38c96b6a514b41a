"""The command line: ``trex-market``, also ``python -m trex_market``.

Exit status: 0 done, 2 bad input (one message on stderr), 1 failure, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from enum import StrEnum
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from trex_market import __version__
from trex_market.core.errors import ConfigError, InputError, MissingExtraError, TrexError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A futures market for a neighbourhood's electricity.",
)

journal_app = typer.Typer(no_args_is_help=True, help="Check and share a live market's journal.")
app.add_typer(journal_app, name="journal")

Result = TypeVar("Result")


class Mode(StrEnum):
    """What drives the rounds."""

    SIMULATION = "simulation"
    REALTIME = "realtime"


class Transport(StrEnum):
    """How participants are reached."""

    LOCAL = "local"
    SOCKETIO = "socketio"


DatabaseOption = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="sqlite:///PATH or postgresql://... instead of a file."),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where the run goes; runs/NAME-TIME by default.")
]
SimulationOption = Annotated[
    list[str] | None,
    typer.Option("--simulation", help="baseline, training, validation; may be repeated."),
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
    simulation: SimulationOption = None,
    database: DatabaseOption = None,
    out: OutOption = None,
    episodes: Annotated[int | None, typer.Option("--episodes", help="Instead of the config's.")] = None,
    days: DaysOption = None,
    seed: SeedOption = None,
    record: Annotated[str | None, typer.Option("--record", help="full, participant or none.")] = None,
    transport: Annotated[
        Transport, typer.Option("--transport", help="local, or socketio: a client each over real sockets.")
    ] = Transport.LOCAL,
    processes: Annotated[bool, typer.Option("--processes", help="With socketio: a process each.")] = False,
) -> None:
    """Run a config's simulations, and show and record what comes of them."""
    if processes and transport is Transport.LOCAL:
        raise InputError("--processes goes with --transport socketio")
    overrides = {
        "study.simulations": simulation or None,
        "study.generations": episodes,
        "study.days": days,
        "study.seed": seed,
        "study.record": record,
    }
    _run(config, out, database, overrides, "processes" if processes else transport.value)


def _run(
    config: Path, out: Path | None, database: str | None, overrides: dict[str, Any], transport: str = "local"
) -> None:
    from trex_market.build import load_study
    from trex_market.run import StudyRun, new_directory
    from trex_market.storage.address import parse_address
    from trex_market.terminal import TerminalDisplay
    from trex_market.transport import REACH

    study = load_study(config, overrides)
    loaded = study.config
    display = TerminalDisplay()
    if database is not None:
        parse_address(database)  # before anything is made
    url = loaded.study.output_db_location if database is None else database
    directory = new_directory(loaded.study.name, out)
    outcome = _await(StudyRun(study, directory, url, display, REACH[transport]).run())
    display.outcome(outcome)


@app.command()
def serve(
    config: Annotated[Path, typer.Argument(help="YAML, or JSON with comments.")],
    host: Annotated[str | None, typer.Option("--host", help="Instead of the config's.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Instead of the config's.")] = None,
    mode: Annotated[
        Mode | None,
        typer.Option("--mode", help="simulation, or realtime: the wall clock; instead of the config's."),
    ] = None,
    simulation: SimulationOption = None,
    database: DatabaseOption = None,
    out: OutOption = None,
    episodes: Annotated[int | None, typer.Option("--episodes", help="Instead of the config's.")] = None,
    days: DaysOption = None,
    seed: SeedOption = None,
    open_to_all: Annotated[
        bool, typer.Option("--open", help="Let participants without a token in, from other machines too.")
    ] = False,
    play: Annotated[
        list[str] | None,
        typer.Option(
            "--play", metavar="ID", help="Let the config's strategy play a participant; may be repeated."
        ),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Certificate; then HTTPS.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key.")] = None,
) -> None:
    """Open the market for participants elsewhere: a simulation with them, or the wall clock."""
    from trex_market.build import load_study
    from trex_market.run import StudyRun, new_directory
    from trex_market.serving import Serving, check_played, server_settings
    from trex_market.terminal import TerminalDisplay

    overrides = {
        "study.generations": episodes,
        "study.days": days,
        "study.seed": seed,
        "study.simulations": simulation or None,
        "server.host": host,
        "server.port": port,
        "server.open": open_to_all or None,
        "market.mode": None if mode is None else mode.value,
    }
    study = load_study(config, overrides, remote=True)
    loaded = study.config
    display = TerminalDisplay()
    certificate = (str(tls_cert), str(tls_key) if tls_key else None) if tls_cert else None
    settings = server_settings(loaded, certificate)
    if loaded.market.mode == "realtime":
        from trex_market.live import LiveMarket

        directory = out or Path("runs") / f"{loaded.study.name}-realtime"
        url = database or loaded.study.output_db_location
        _await(LiveMarket(study, settings, directory, url, display.say).run())
        return
    check_played(loaded, play or [])
    directory = new_directory(loaded.study.name, out)
    serving = Serving(settings, directory, display.say, play or [])
    outcome = _await(
        StudyRun(study, directory, database or loaded.study.output_db_location, display, serving.reach).run()
    )
    display.outcome(outcome)


@app.command()
def join(
    url: Annotated[str, typer.Argument(help="The server's, e.g. http://127.0.0.1:3100.")],
    participant: Annotated[str, typer.Option("--participant", metavar="ID", help="As whom.")],
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="NAME", help='Short name, or "module:Class".')
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Take strategy, options and battery from a config.")
    ] = None,
    simulation: Annotated[str, typer.Option("--simulation", help="With --config.")] = "training",
    token: Annotated[
        str | None, typer.Option("--token", envvar="TREX_MARKET_TOKEN", help="Proves who it is.")
    ] = None,
    seed: SeedOption = None,
) -> None:
    """Take part in a market as one participant, until it ends; load and generation come from the server."""
    from trex_market.joining import joined_participant

    client = joined_participant(url, participant, strategy, config, simulation, token, seed)
    _await(client.run())


@app.command()
def token(
    participant: Annotated[str, typer.Argument(help="Whose, or `operator`.")] = "operator",
) -> None:
    """Make a token: what its owner keeps, and the hash for the config."""
    from secrets import token_urlsafe

    from trex_market.server.doorkeeper import token_hash

    secret = token_urlsafe(24)
    typer.echo(f"token (for {participant}; it is shown only now): {secret}")
    key = (
        "server.operator_token_sha256"
        if participant == "operator"
        else f"participants.{participant}.token_sha256"
    )
    typer.echo(f"{key}: {token_hash(secret)}")


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


@journal_app.command("verify")
def journal_verify(
    journal: Annotated[Path, typer.Argument(help="A journal or scenario.")],
) -> None:
    """Check that every line is a command, and that none is missing or changed."""
    from trex_market.journal import verify

    typer.echo(f"{journal}: fine: {verify(journal):,} lines")


@journal_app.command("export")
def journal_export(
    journal: Annotated[Path, typer.Argument(help="A journal.")],
    scenario: Annotated[Path, typer.Argument(help="The scenario file to write.")],
) -> None:
    """Write a journal as a plain scenario, to be replayed and shared."""
    from trex_market.journal import export

    typer.echo(f"{scenario}: {export(journal, scenario):,} lines")


@app.command()
def validate(
    config: Annotated[Path, typer.Argument(help="YAML, or JSON with comments.")],
    show: Annotated[bool, typer.Option("--show", help="Print the resolved config.")] = False,
) -> None:
    """Check a config and all that it names."""
    from trex_market.build import load_study
    from trex_market.config import dump_yaml

    study = load_study(config)
    loaded = study.config
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

    try:
        return asyncio.run(terminable())
    except (KeyboardInterrupt, asyncio.CancelledError):
        _stop("interrupted; what was recorded until now is kept", 130)


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


def _stop(message: str, status: int) -> NoReturn:
    sys.stderr.write(message + "\n")
    raise SystemExit(status)
