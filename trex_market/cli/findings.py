"""Commands that say what came of runs, and how fast: `report`, `compare`, `replay`, `bench`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from trex_market.cli.apps import app
from trex_market.cli.options import (
    DatabaseOption,
    DaysOption,
    OutOption,
    SeedOption,
)
from trex_market.cli.running import complete

WIDE = 160
"""Columns of a table that is not shown on a terminal."""


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
    reports, page = complete(report_runs(runs, database, out, chosen))
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
    compared = complete(compare_rules(config, request, display))
    display.comparison(compared.comparison)
    typer.echo(f"comparison {compared.page}")


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

    replayed = complete(replay_file(scenario, database, out))
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
