"""The command line: ``trex-market``, also ``python -m trex_market``.

Exit status: 0 done, 2 bad input (one message on stderr), 1 failure, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
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
database_app = typer.Typer(no_args_is_help=True, help="Look at a database's schema, and upgrade it.")
app.add_typer(database_app, name="database")
profiles_app = typer.Typer(no_args_is_help=True, help="Look at load and generation data, and import them.")
app.add_typer(profiles_app, name="profiles")
uftp_app = typer.Typer(
    no_args_is_help=True,
    help="Trade flexibility over UFTP: DSO, aggregators and CRO of a config as processes of their own.",
)
app.add_typer(uftp_app, name="uftp")

Result = TypeVar("Result")


WIDE = 160
"""Columns of a table that is not shown on a terminal."""


class Mode(StrEnum):
    """What drives the rounds."""

    SIMULATION = "simulation"
    REALTIME = "realtime"


class Transport(StrEnum):
    """How participants are reached."""

    LOCAL = "local"
    SOCKETIO = "socketio"


class Engine(StrEnum):
    """What plays a simulation in this process."""

    PLAIN = "plain"
    VECTOR = "vector"


class Direction(StrEnum):
    """What a search wants of a figure."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


class Filling(StrEnum):
    """What stands in for missing slots."""

    ZERO = "zero"
    PREVIOUS = "previous"
    DAY_BEFORE = "day_before"
    WEEK_BEFORE = "week_before"


class LogLevel(StrEnum):
    """The lowest level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How the log is written."""

    TEXT = "text"
    JSON = "json"


DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="sqlite:///PATH, postgresql://... or parquet:///FOLDER instead of a file.",
    ),
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
WeightsOption = Annotated[
    Path | None,
    typer.Option(
        "--weights", metavar="RUN_DIR", help="What another run has learnt: go on from it, validate it."
    ),
]


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
    engine: Annotated[
        Engine | None,
        typer.Option(
            "--engine", help="plain, or vector: arrays, for large populations; by default what fits the run."
        ),
    ] = None,
    weights: WeightsOption = None,
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
    if engine is Engine.VECTOR and transport is not Transport.LOCAL:
        raise InputError("--engine vector goes with --transport local")
    _run(config, out, database, overrides, "processes" if processes else transport.value, engine, weights)


def _run(
    config: Path,
    out: Path | None,
    database: str | None,
    overrides: dict[str, Any],
    transport: str = "local",
    engine: Engine | None = None,
    learnt: Path | None = None,
) -> None:
    from trex_market import engines
    from trex_market.build import load_study
    from trex_market.run import StudyRun, new_directory
    from trex_market.storage.address import parse_address
    from trex_market.terminal import TerminalDisplay
    from trex_market.transport import REACH

    study = load_study(config, overrides)
    if study.config.market.mode == "realtime":
        # What the config is for; but nobody waits for the wall clock here.
        study = load_study(config, overrides | {"market.mode": Mode.SIMULATION.value})
    loaded = study.config
    display = TerminalDisplay()
    if database is not None:
        parse_address(database)  # before anything is made
    url = loaded.study.output_db_location if database is None else database
    if engine is Engine.VECTOR:
        engines.check_vector(study)  # likewise
    reach = (
        engines.in_process(None if engine is None else engine.value, display.say)
        if transport == "local"
        else REACH[transport]
    )
    directory = new_directory(loaded.study.name, out)
    outcome = _await(StudyRun(study, directory, url, display, reach, learnt=learnt).run())
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
    announce: Annotated[
        bool | None,
        typer.Option(
            "--announce/--no-announce",
            help="By mDNS on the local network; by default if others can reach it.",
        ),
    ] = None,
    log_level: Annotated[
        LogLevel | None, typer.Option("--log-level", help="By default info in real time, else warning.")
    ] = None,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="Of the log on standard error.")
    ] = LogFormat.TEXT,
) -> None:
    """Open the market for participants elsewhere: a simulation with them, or the wall clock."""
    from trex_market import logs
    from trex_market.build import load_study
    from trex_market.run import StudyRun, new_directory
    from trex_market.serving import Serving, check_played, server_settings
    from trex_market.terminal import TerminalDisplay

    if tls_key is not None and tls_cert is None:
        raise InputError("--tls-key goes with --tls-cert; `trex-market certificate` makes both")
    overrides = {
        "study.generations": episodes,
        "study.days": days,
        "study.seed": seed,
        "study.simulations": simulation or None,
        "server.host": host,
        "server.port": port,
        "server.open": open_to_all or None,
        "server.announce": announce,
        "market.mode": None if mode is None else mode.value,
    }
    study = load_study(config, overrides, remote=True)
    loaded = study.config
    usual_level = LogLevel.INFO if loaded.market.mode == "realtime" else LogLevel.WARNING
    logs.configure(log_level or usual_level, log_format)
    display = TerminalDisplay()
    certificate = (str(tls_cert), str(tls_key) if tls_key else None) if tls_cert else None
    settings = server_settings(loaded, certificate)
    check_played(loaded, play or [])
    if loaded.market.mode == "realtime":
        from trex_market.live import LiveMarket

        directory = out or Path("runs") / f"{loaded.study.name}-realtime"
        url = database or loaded.study.output_db_location
        live = LiveMarket(study, settings, directory, url, display.say, played=play or [])
        _stoppable(live.run(), live.stop)
        return
    directory = new_directory(loaded.study.name, out)
    serving = Serving(settings, directory, display.say, play or [])
    url = database or loaded.study.output_db_location
    outcome = _stoppable(StudyRun(study, directory, url, display, serving.reach).run())
    display.outcome(outcome)


@app.command()
def join(
    participant: Annotated[str, typer.Option("--participant", metavar="ID", help="As whom.")],
    url: Annotated[str | None, typer.Argument(help="The server's, e.g. http://127.0.0.1:3100.")] = None,
    discover: Annotated[
        bool, typer.Option("--discover", help="Look for the server on the local network instead.")
    ] = False,
    market: Annotated[
        str | None, typer.Option("--market", metavar="ID", help="With --discover: which one.")
    ] = None,
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
    ca_cert: Annotated[
        Path | None,
        typer.Option(
            "--ca-cert",
            metavar="FILE",
            envvar="TREX_MARKET_CA",
            help="Trust this authority alone; `trex-market certificate` makes one.",
        ),
    ] = None,
    seed: SeedOption = None,
    keep_weights: Annotated[
        Path | None,
        typer.Option("--keep-weights", metavar="DIR", help="With --config: where what it learns is kept."),
    ] = None,
    weights: WeightsOption = None,
) -> None:
    """Take part in a market as one participant, until it ends; load and generation come from the server."""
    from trex_market.joining import discovered, joined_participant

    if discover == (url is not None):
        raise InputError("say where the market is: its URL, or --discover")
    if market is not None and not discover:
        raise InputError("--market goes with --discover")
    if keep_weights is not None and config is None:
        raise InputError("--keep-weights goes with --config")
    if weights is not None and keep_weights is None:
        raise InputError("--weights goes with --keep-weights")

    async def take_part() -> None:
        # Whoever trusts one authority alone gives its token to nobody else.
        place = url or await discovered(market, tls_only=ca_cert is not None)
        client = joined_participant(
            place,
            participant,
            strategy,
            config,
            simulation,
            token,
            seed,
            ca_cert,
            keep_weights=keep_weights,
            learnt=weights,
        )
        await client.run()

    _await(take_part())


@app.command()
def token(
    participant: Annotated[str, typer.Argument(help="Whose, or `operator`, or `observer`.")] = "operator",
    meter: Annotated[
        bool, typer.Option("--meter", help="For its meter, which may report readings and nothing else.")
    ] = False,
    gateway: Annotated[
        bool, typer.Option("--gateway", help="Rather the password of a user of the gateway for gsy-e-sdk.")
    ] = False,
) -> None:
    """Make a token: what its owner keeps, and the hash for the config."""
    from trex_market.serving import new_token

    made = new_token(participant, meter=meter, gateway=gateway)
    typer.echo(f"token (for {made.owner}; it is shown only now): {made.token}")
    typer.echo(f"{made.key}: {made.hash}")
    typer.echo(f"(or the token itself in the server's environment, in {made.variable})")


@app.command()
def certificate(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")],
    host: Annotated[
        list[str] | None,
        typer.Option(
            "--host", metavar="NAME", help="A further name or address of this machine; may be repeated."
        ),
    ] = None,
) -> None:
    """Make a TLS certificate for this machine, and a local authority that signs it."""
    from trex_market.server.certificates import make_certificates

    made = make_certificates(out, host or [])
    typer.echo(f"made for {', '.join(made.hosts)}; good until {made.until:%Y-%m-%d}")
    typer.echo(f"serve with      --tls-cert {made.certificate} --tls-key {made.key}")
    typer.echo(f"the others need {made.authority}, and join with --ca-cert FILE or TREX_MARKET_CA=FILE")
    typer.echo("a browser needs it among its authorities; keys stay on this machine")


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
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Benchmarks; all by default.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print figures, growth and the machine as JSON.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the same as Markdown.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Say which there are.")] = False,
) -> None:
    """Measure speed, each figure beside a bare limit of the same run."""
    from rich.console import Console

    from trex_market.benchmarks import BENCHMARKS, chosen_benchmarks
    from trex_market.benchmarks.figures import as_json, as_markdown, as_tables

    chosen = chosen_benchmarks(names or [])
    if listed:
        for name in chosen:
            typer.echo(f"{name:18}{BENCHMARKS[name].purpose}")
        return
    figures = []
    for name in chosen:
        typer.echo(f"{name} ...", err=True)
        figures += BENCHMARKS[name].run()
    if json:
        sys.stdout.write(as_json(figures) + "\n")
        return
    if markdown:
        sys.stdout.write(as_markdown(figures))
        return
    # A file or pipe has no width, and nobody likes tables in columns of a word.
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    for table in as_tables(figures):
        console.print(table)


ProfilesArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A file, a database, packaged:NAME, simbench:CODE or citylearn:FOLDER; see docs/profiles.md.",
    ),
]


@profiles_app.command("show")
def profiles_show(
    source: ProfilesArgument,
    participant: Annotated[
        str | None, typer.Option("--participant", metavar="ID", help="This one alone, month by month.")
    ] = None,
) -> None:
    """Show what is in there: participants, sources, range, step, sums and gaps."""
    from trex_market.profiling import participant_tables, source_tables
    from trex_market.terminal import TerminalDisplay

    shown = source_tables(source) if participant is None else participant_tables(source, participant)
    TerminalDisplay().tables(shown)


@profiles_app.command("import")
def profiles_import(
    source: ProfilesArgument,
    out: Annotated[
        Path, typer.Option("--out", metavar="PLACE", help="A folder, or a file: .csv, .csv.gz or .parquet.")
    ],
    participant: Annotated[
        list[str] | None, typer.Option("--participant", metavar="ID", help="Not all; may be repeated.")
    ] = None,
    step: Annotated[
        int | None, typer.Option("--step", metavar="SECONDS", help="Length of a slot, instead of the data's.")
    ] = None,
    fill: Annotated[
        Filling | None,
        typer.Option("--fill", help="What stands in for missing slots; without it they are an error."),
    ] = None,
) -> None:
    """Write data as files of this project: whole Wh, what is charged, and a config's participants with batteries."""
    from trex_market.profiling import import_from

    for line in import_from(source, out, participant or [], step, None if fill is None else fill.value):
        typer.echo(line)


@database_app.command("info")
def database_info(
    url: Annotated[str, typer.Argument(help="sqlite:///PATH, postgresql://... or parquet:///FOLDER")],
) -> None:
    """Tell a database's schema version; nothing is changed."""
    from trex_market.storage.address import parse_address
    from trex_market.storage.database import Database

    schema = _await(Database.examine(url))
    typer.echo(f"{parse_address(url).name} {schema}")


@database_app.command("upgrade")
def database_upgrade(
    url: Annotated[str, typer.Argument(help="sqlite:///PATH, postgresql://... or parquet:///FOLDER")],
) -> None:
    """Bring a database to the newest schema version; older releases cannot use it any more then."""
    from trex_market.storage.database import Database

    async def upgrade() -> str:
        async with await Database.open(url, upgrade=True) as database:
            return database.name

    name = _await(upgrade())
    typer.echo(f"{name} {_await(Database.examine(url))}")


ConfigArgument = Annotated[Path, typer.Argument(help="YAML, or JSON with comments; with `flexibility`.")]
KeysOption = Annotated[
    Path,
    typer.Option("--keys", metavar="DIR", help="Folder of keys, as `trex-market uftp keys` makes it."),
]
ListenOption = Annotated[
    str | None,
    typer.Option("--listen", metavar="HOST:PORT", help="Instead of the URL's, behind a proxy."),
]
StartOption = Annotated[
    float, typer.Option("--start", metavar="SECONDS", help="How long others are waited for at first.")
]
TurnOption = Annotated[
    float, typer.Option("--turn", metavar="SECONDS", help="How long others are waited for in each slot.")
]


@uftp_app.command("keys")
def uftp_keys(
    config: ConfigArgument,
    keys: KeysOption = Path("keys"),
    domain: Annotated[
        list[str] | None,
        typer.Option("--domain", metavar="NAME", help="Of this party alone; may be repeated."),
    ] = None,
) -> None:
    """Make pairs of keys for the parties of a config that have none; private ones stay where they are."""
    from trex_market.config import load_config
    from trex_market.trading.parties import make_keys

    for line in make_keys(load_config(config), keys, domain or []):
        typer.echo(line)


@uftp_app.command("dso")
def uftp_dso(
    config: ConfigArgument,
    keys: KeysOption = Path("keys"),
    listen: ListenOption = None,
    out: OutOption = None,
    days: DaysOption = None,
    start: StartOption = 60.0,
    turn: TurnOption = 10.0,
    log_level: Annotated[LogLevel, typer.Option("--log-level")] = LogLevel.WARNING,
) -> None:
    """Be the DSO of a config: lead the time, buy flexibility, settle, and tell what came of it."""
    from trex_market import logs
    from trex_market.build import load_study
    from trex_market.run import new_directory
    from trex_market.trading.operating import OperatorProcess
    from trex_market.trading.outcome import write_outcome
    from trex_market.trading.parties import Pace

    logs.configure(log_level, "text")
    study = load_study(config, {"study.days": days})

    async def trade() -> None:
        process = OperatorProcess(study, keys, typer.echo, listen, Pace(start, turn))
        _stop_with(process.stop)
        outcome = await process.run()
        directory = new_directory(f"{study.config.study.name}-uftp", out)
        write_outcome(outcome, process.metered, directory)
        for line in outcome.lines():
            typer.echo(line)
        typer.echo(f"results   {directory}")

    _run_async(trade())


@uftp_app.command("agr")
def uftp_agr(
    config: ConfigArgument,
    domain: Annotated[str, typer.Option("--domain", metavar="NAME", help="Which aggregator.")],
    keys: KeysOption = Path("keys"),
    listen: ListenOption = None,
    days: DaysOption = None,
    start: StartOption = 60.0,
    turn: TurnOption = 10.0,
    log_level: Annotated[LogLevel, typer.Option("--log-level")] = LogLevel.WARNING,
) -> None:
    """Be an aggregator of a config: play its homes, and sell what their batteries can do."""
    from trex_market import logs
    from trex_market.build import load_study
    from trex_market.trading.aggregating import AggregatorProcess
    from trex_market.trading.parties import Pace

    logs.configure(log_level, "text")
    study = load_study(config, {"study.days": days})

    async def trade() -> None:
        process = AggregatorProcess(study, domain, keys, typer.echo, listen, Pace(start, turn))
        _stop_with(process.stop)
        await process.run()

    _run_async(trade())


@uftp_app.command("cro")
def uftp_cro(
    config: ConfigArgument,
    keys: KeysOption = Path("keys"),
    listen: ListenOption = None,
    log_level: Annotated[LogLevel, typer.Option("--log-level")] = LogLevel.WARNING,
) -> None:
    """Be the CRO of a config: keep the register of congestion points and connections, until stopped."""
    from trex_market import logs
    from trex_market.build import load_study
    from trex_market.trading.registering import RegisterProcess

    logs.configure(log_level, "text")
    study = load_study(config)

    async def serve_register() -> None:
        process = RegisterProcess(study, keys, typer.echo, listen)
        _stop_with(process.stop)
        await process.run()

    _run_async(serve_register())


def _stop_with(stop: Callable[[], object]) -> None:
    """Let a first SIGTERM or Ctrl-C ask for the end, and a second one bring it at once."""
    from trex_market.stopping import StopSignals

    StopSignals(stop).__enter__()


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
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Directory, as `run` printed it, or a database.")
    ],
    database: DatabaseOption = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where the report goes.")] = None,
    simulation: Annotated[str | None, typer.Option("--simulation", help="Instead of the last one.")] = None,
    episode: Annotated[int | None, typer.Option("--episode", help="Instead of the last one.")] = None,
    kpi: Annotated[
        list[str] | None, typer.Option("--kpi", metavar="NAME", help="This figure; may be repeated.")
    ] = None,
    slot: Annotated[
        list[str] | None,
        typer.Option("--slot", metavar="TIME", help="Put this slot's orders into a long run's page, too."),
    ] = None,
) -> None:
    """Show a run's figures again and write its report anew; of several runs, side by side."""
    from trex_market.reporting import Chosen, report_runs
    from trex_market.terminal import TerminalDisplay

    kpis = None if kpi is None else tuple(kpi)
    chosen = Chosen(simulation, episode, kpis, tuple(slot or ()))
    reports, page = _await(report_runs(runs, database, out, chosen))
    TerminalDisplay().reports(reports)
    typer.echo(f"report    {page}")


@app.command()
def compare(
    config: Annotated[
        Path, typer.Argument(help="YAML, or JSON with comments, which is run once; or a run of it.")
    ],
    rules: Annotated[
        list[str],
        typer.Option(
            "--rules", metavar="A,B,...", help="Clearing or sharing rules; the first is the reference."
        ),
    ],
    simulation: Annotated[str | None, typer.Option("--simulation", help="Whose orders.")] = None,
    database: DatabaseOption = None,
    out: OutOption = None,
    days: DaysOption = None,
    seed: SeedOption = None,
    resamples: Annotated[int, typer.Option("--resamples", help="Of the bootstrap.")] = 2_000,
    confidence: Annotated[float, typer.Option("--confidence", help="Of the intervals.")] = 0.95,
) -> None:
    """Clear the same recorded orders under different rules, and say how sure the differences are."""
    from trex_market.comparing import Request, split_names
    from trex_market.comparing import compare as compare_rules
    from trex_market.terminal import TerminalDisplay

    display = TerminalDisplay()
    overrides = {"study.days": days, "study.seed": seed}
    chosen = split_names(rules)
    usual = {} if seed is None else {"seed": seed}
    request = Request(
        chosen, overrides, database, out, simulation, resamples=resamples, confidence=confidence, **usual
    )
    compared = _await(compare_rules(config, request, display))
    display.comparison(compared.comparison)
    typer.echo(f"comparison {compared.page}")


@app.command()
def sweep(
    config: Annotated[Path, typer.Argument(help="YAML, or JSON with comments.")],
    assign: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=A,B,...",
            help="Values of a key, or {start: A, stop: B, num: N}; * is every participant; may be repeated.",
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option("--seeds", metavar="N|A,B,...", help="How many, from the config's on; or which."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where it goes; runs/NAME-sweep by default.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Runs at a time; by default as many as there are cores.")
    ] = None,
    ray: Annotated[
        str | None, typer.Option("--ray", metavar="ADDRESS", help="Run on a Ray cluster: HOST:PORT, or auto.")
    ] = None,
    simulation: SimulationOption = None,
    episodes: Annotated[int | None, typer.Option("--episodes", help="Instead of the config's.")] = None,
    days: DaysOption = None,
    record: Annotated[str | None, typer.Option("--record", help="full or participant.")] = None,
    engine: Annotated[Engine | None, typer.Option("--engine", help="As for run.")] = None,
    kpi: Annotated[
        list[str] | None, typer.Option("--kpi", metavar="NAME", help="Show this figure; may be repeated.")
    ] = None,
    attempts: Annotated[
        int, typer.Option("--attempts", help="How often a run is begun whose process is killed.")
    ] = 3,
    optuna: Annotated[
        int | None, typer.Option("--optuna", metavar="N", help="Let Optuna choose N settings instead of all.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", metavar="NAME", help="With --optuna: the figure that counts.")
    ] = None,
    direction: Annotated[
        Direction, typer.Option("--direction", help="With --optuna: whether it should be small or large.")
    ] = Direction.MINIMIZE,
) -> None:
    """Run a config with other values of some keys, times seeds; what has finished is not run again."""
    from trex_market.sweeping.searching import Search
    from trex_market.sweeping.sweep import Request
    from trex_market.sweeping.sweep import sweep as sweep_config
    from trex_market.terminal import TerminalDisplay

    if (optuna is None) != (metric is None):
        raise InputError("--optuna and --metric go together")
    overrides = {
        "study.simulations": simulation or None,
        "study.generations": episodes,
        "study.days": days,
        "study.record": record,
    }
    request = Request(
        overrides,
        tuple(assign or ()),
        seeds,
        out,
        workers,
        ray,
        None if engine is None else engine.value,
        attempts,
        tuple(kpi) if kpi else None,
        Search(optuna, metric, direction.value) if optuna is not None and metric is not None else None,
    )
    display = TerminalDisplay()
    swept = _await(sweep_config(config, request, display))
    display.swept(swept, request.kpis)
    failed = sum(result.status == "failed" for result in swept.table.results)
    if failed:
        raise TrexError(f"{failed:,} of {len(swept.table.runs):,} runs failed; start it again to repeat them")


def _await(work: Coroutine[Any, Any, Result]) -> Result:
    """Run asynchronous work; SIGTERM ends it as cleanly as Ctrl-C."""

    async def terminable() -> Result:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    return _run_async(terminable())


def _run_async(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(work)
    except (KeyboardInterrupt, asyncio.CancelledError):
        _stop("interrupted; what was recorded until now is kept", 130)


def _stoppable(work: Coroutine[Any, Any, Result], stop: Callable[[], object] | None = None) -> Result:
    """Run a server: a first SIGTERM or Ctrl-C lets it come to its end, a second one ends it at once.

    Args:
        work: the server at work.
        stop: asks it to end; then SIGTERM is the usual way, with status 0. None to cancel it.
    """
    from trex_market.stopping import StopSignals

    async def stopping() -> Result:
        task = asyncio.current_task()
        assert task is not None
        with StopSignals(stop or task.cancel) as signals:
            result = await work
        if signals.received is signal.SIGINT:
            raise asyncio.CancelledError
        return result

    return _run_async(stopping())


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
