"""Commands that play a config's simulations: `demo`, `run`, `sweep`, `validate`."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

import typer

from trex_market.cli.apps import app
from trex_market.cli.options import (
    DatabaseOption,
    DaysOption,
    Direction,
    Engine,
    Mode,
    OutOption,
    SeedOption,
    SimulationOption,
    Transport,
    WeightsOption,
)
from trex_market.cli.running import complete
from trex_market.core.errors import InputError, TrexError


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
    from trex_market.transport import REACH, check_sockets

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
    if transport != "local":
        check_sockets(study)
    reach = (
        engines.in_process(None if engine is None else engine.value, display.say)
        if transport == "local"
        else REACH[transport]
    )
    directory = new_directory(loaded.study.name, out)
    outcome = complete(StudyRun(study, directory, url, display, reach, learnt=learnt).run())
    display.outcome(outcome)


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
    swept = complete(sweep_config(config, request, display))
    display.swept(swept, request.kpis)
    failed = sum(result.status == "failed" for result in swept.table.results)
    if failed:
        raise TrexError(f"{failed:,} of {len(swept.table.runs):,} runs failed; start it again to repeat them")


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
