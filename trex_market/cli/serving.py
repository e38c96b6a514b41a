"""Commands for a market with participants elsewhere: `serve`, `join`, `token`, `certificate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trex_market.cli.apps import app
from trex_market.cli.options import (
    DatabaseOption,
    DaysOption,
    LogFormat,
    LogLevel,
    Mode,
    OutOption,
    SeedOption,
    SimulationOption,
    WeightsOption,
)
from trex_market.cli.running import complete, stoppable
from trex_market.core.errors import InputError


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
        stoppable(live.run(), live.stop)
        return
    directory = new_directory(loaded.study.name, out)
    serving = Serving(settings, directory, display.say, play or [])
    url = database or loaded.study.output_db_location
    outcome = stoppable(StudyRun(study, directory, url, display, serving.reach).run())
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

    complete(take_part())


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
