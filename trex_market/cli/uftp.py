"""Commands that trade flexibility over UFTP: `uftp keys`, `dso`, `agr`, `cro`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trex_market.cli.apps import uftp_app
from trex_market.cli.options import (
    DaysOption,
    LogLevel,
    OutOption,
)
from trex_market.cli.running import run_async, stop_with

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
    """Be the DSO of a config: serve the market, lead the time, buy flexibility, settle, and keep the record."""
    from trex_market import logs
    from trex_market.build import load_study
    from trex_market.run import new_directory
    from trex_market.terminal import TerminalDisplay
    from trex_market.trading.operating import OperatorProcess
    from trex_market.trading.parties import Pace

    logs.configure(log_level, "text")
    study = load_study(config, {"study.days": days})

    async def trade() -> None:
        display = TerminalDisplay()
        process = OperatorProcess(study, keys, display, display.say, listen, Pace(start, turn))
        directory = new_directory(f"{study.config.study.name}-uftp", out)
        stop_with(process.stop)
        outcome, played = await process.run(directory)
        for line in outcome.lines():
            display.say(line)
        if played is None:
            display.say(f"directory {directory}")
        else:
            display.outcome(played)

    run_async(trade())


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
        stop_with(process.stop)
        await process.run()

    run_async(trade())


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
        stop_with(process.stop)
        await process.run()

    run_async(serve_register())
