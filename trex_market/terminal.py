"""What a person sees in the terminal: progress, tables, paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from trex_market.analysis.comparison.comparison import Comparison
from trex_market.analysis.comparison.output import how, long_rows
from trex_market.analysis.report import RunReport
from trex_market.analysis.summary import Summary, summarise
from trex_market.analysis.table import figure_rows, participant_rows
from trex_market.analysis.twins import cases, kpi_rows
from trex_market.core.units import dollars_from_price
from trex_market.profiling import TextTable
from trex_market.run import Outcome
from trex_market.sweeping import page as sweep_page
from trex_market.sweeping.sweep import Swept

ROWS_SHOWN = 40
"""More participants than this are left to the report."""


class _Speed(ProgressColumn):
    """Rounds per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("- rounds/s" if speed is None else f"{speed:,.0f} rounds/s", style="progress.data.speed")


class _RunsDone(ProgressColumn):
    """Runs done, the parts of those under way included, of those to do."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:,.1f}/{task.total or 0:,.0f}", style="progress.download")


class TerminalDisplay:
    """Shows progress as a bar where there is a terminal, and as a line per episode where there is none."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()

    @contextmanager
    def episode(self, label: str, rounds: int) -> Iterator[Callable[[int, int | None], None]]:
        """Show an episode; what it yields is told of rounds played and of the last local price."""
        if not self._console.is_terminal:
            self._console.print(f"{label}: {rounds:,} rounds")
            yield lambda _rounds, _price: None
            return
        columns = (
            TextColumn("{task.description:<14}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Speed(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[price]}"),
        )
        with Progress(*columns, console=self._console) as bar:
            task = bar.add_task(label, total=rounds, price="")

            def show(played: int, price: int | None) -> None:
                text = "" if price is None else f"last price {dollars_from_price(price):.4f} $/kWh"
                bar.update(task, advance=played, price=text)

            yield show

    @contextmanager
    def sweep(self, runs: int, done: int) -> Iterator[Callable[[float], None]]:
        """Show a sweep; what it yields is told of runs done more, or a part of one."""
        self._console.print(f"{runs:,} runs, {done:,} of them finished before", highlight=False)
        if not self._console.is_terminal:
            yield lambda _more: None
            return
        columns = (TextColumn("{task.description:<14}"), BarColumn(), _RunsDone(), TimeRemainingColumn())
        with Progress(*columns, console=self._console) as bar:
            # What was done before says nothing of how long the rest will take.
            task = bar.add_task("runs", total=runs - done)
            yield lambda more: bar.update(task, advance=more)

    def trouble(self, message: str) -> None:
        """Say that something is wrong outside of the market, and that it goes on."""
        self._console.print(f"[yellow]{message}[/yellow]", highlight=False)

    def say(self, message: str) -> None:
        """Say something."""
        self._console.print(message, soft_wrap=True, highlight=False, markup=False)

    def outcome(self, outcome: Outcome) -> None:
        """Show a run's figures, its speed and where everything is."""
        self.summary(outcome.summary)
        console = self._console
        speed = outcome.rounds / outcome.seconds if outcome.seconds else 0
        console.print(
            f"{outcome.rounds:,} rounds in {outcome.seconds:.1f} s ({speed:,.0f} rounds/s)", highlight=False
        )
        console.print(f"database  {outcome.database}", soft_wrap=True, highlight=False)
        if outcome.report is not None:
            console.print(f"report    {outcome.report}", soft_wrap=True, highlight=False)
        console.print(f"directory {outcome.directory}", soft_wrap=True, highlight=False)

    def summary(self, summary: Summary) -> None:
        """Show a run's figures."""
        header, rows = participant_rows(summary)
        if len(rows) <= ROWS_SHOWN:
            self._console.print(_table("Participants (kWh, $)", header, rows))
        self._console.print(_table("Results", ["", "market", "unit"], figure_rows(summary)))

    def reports(self, reports: Sequence[RunReport]) -> None:
        """Show the figures of a run, or those of several runs side by side."""
        first = reports[0]
        if len(reports) == 1 and first.totals is not None:
            self.summary(summarise(first.totals, first.baseline_totals))
            return
        shown = cases(reports)
        rows = [[row.kpi.title, *row.values, row.kpi.unit] for row in kpi_rows(shown)]
        self._console.print(_table("Results", ["", *(case.label for case in shown), "unit"], rows))

    def tables(self, shown: Iterable[TextTable]) -> None:
        """Show tables of text, each with what is said under it."""
        for one in shown:
            self._console.print(_table(one.title, one.header, one.rows))
            for line in one.notes:
                self.say(line)

    def comparison(self, comparison: Comparison) -> None:
        """Show rules compared."""
        self._console.print(_table("Rules", *long_rows(comparison)))
        self._console.print(how(comparison), highlight=False)

    def swept(self, swept: Swept, kpis: Sequence[str] | None) -> None:
        """Show what a sweep came to, and where everything is."""
        head, rows = sweep_page.rows(swept.table, kpis or sweep_page.TERMINAL)
        if len(rows) <= ROWS_SHOWN:
            self._console.print(_table("Settings", head, rows))
        if swept.best is not None:
            told = ", ".join(f"{key} = {sweep_page.shown(value)}" for key, value in swept.best.values.items())
            self.say(f"best      {swept.best.metric} = {swept.best.value:g} with {told}")
        if swept.file.suffix == ".csv":
            self.say("the table is CSV; for Parquet: pip install 'trex-market[parquet]'")
        self.say(f"table     {swept.file}")
        self.say(f"report    {swept.page}")


def _table(title: str, header: list[str], rows: list[list[str]] | list[tuple[str, str, str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for place, name in enumerate(header):
        table.add_column(name, justify="left" if place == 0 or name == "unit" else "right")
    for row in rows:
        table.add_row(*row)
    return table
