"""What a person sees in the terminal: progress, tables, paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

from trex_market.analysis.summary import Summary
from trex_market.analysis.table import figure_rows, participant_rows
from trex_market.core.units import dollars_from_price
from trex_market.run import Outcome

ROWS_SHOWN = 40
"""More participants than this are left to the report."""


class _Speed(ProgressColumn):
    """Rounds per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("- rounds/s" if speed is None else f"{speed:,.0f} rounds/s", style="progress.data.speed")


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

    def trouble(self, message: str) -> None:
        """Say that something is wrong outside of the market, and that it goes on."""
        self._console.print(f"[yellow]{message}[/yellow]", highlight=False)

    def say(self, message: str) -> None:
        """Say something."""
        self._console.print(message, soft_wrap=True, highlight=False)

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


def _table(title: str, header: list[str], rows: list[list[str]] | list[tuple[str, str, str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for place, name in enumerate(header):
        table.add_column(name, justify="left" if place == 0 or name == "unit" else "right")
    for row in rows:
        table.add_row(*row)
    return table
