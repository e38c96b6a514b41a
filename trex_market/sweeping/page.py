"""The report of a sweep: each KPI against each key, as one page that needs no network; and its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import msgspec

from trex_market.analysis.kpis import Kpi, chosen
from trex_market.analysis.page import CARDS, Page
from trex_market.analysis.plots import CORAL, TEAL, Figure, Trace
from trex_market.analysis.twins import GROUP_TITLES, NOTHING, written
from trex_market.sweeping.planning import HYPERPARAMETERS, SEED
from trex_market.sweeping.results import RunResult, Table

PAGE = "sweep.html"

TERMINAL = CARDS[:4]
"""KPIs that fit into a terminal."""

POINTS_SHOWN = 2_000
"""Of more runs than this the means alone are drawn."""

ROWS_SHOWN = 500
"""Settings in the page's table; the others are in the file."""


class Setting(msgspec.Struct, frozen=True):
    """The runs with the same values, whatever their seeds.

    Args:
        values: key of an axis -> its value.
        results: of the runs.
    """

    values: dict[str, Any]
    results: list[RunResult]

    def figures(self, name: str) -> list[float]:
        """Return a KPI of the runs that have it."""
        values = [result.kpis.get(name) for result in self.results]
        return [value for value in values if value is not None]

    def written(self, kpi: Kpi) -> str:
        """Write a KPI: its mean, and between seeds its standard deviation."""
        figures = self.figures(kpi.name)
        if not figures:
            return NOTHING
        mean = written(fmean(figures), kpi.decimals)
        return f"{mean} ± {written(stdev(figures), kpi.decimals)}" if len(set(figures)) > 1 else mean


def settings(table: Table) -> list[Setting]:
    """Return the settings of a table, in order."""
    found: dict[bytes, Setting] = {}
    for run, result in zip(table.runs, table.results, strict=True):
        values = {key: run.values[key] for key in table.keys if key != SEED}
        setting = found.setdefault(msgspec.json.encode(values), Setting(values, []))
        setting.results.append(result)
    return list(found.values())


def varied(table: Table) -> list[str]:
    """Return the keys that have more than one value, but for the seed."""
    return [
        key
        for key in table.keys
        if key != SEED and len({msgspec.json.encode(run.values[key]) for run in table.runs}) > 1
    ]


def labels(keys: Sequence[str]) -> dict[str, str]:
    """Name keys in as few of their last parts as tell them apart."""
    found = {}
    for key in keys:
        parts = key.split(".")
        ends = (".".join(parts[-length:]) for length in range(1, len(parts) + 1))
        found[key] = next(
            end for end in ends if sum(f".{other}".endswith(f".{end}") for other in keys) == 1 or end == key
        )
    return found


def shown(value: object) -> str:
    """Write a value for a table."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def rows(table: Table, kpis: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of the table of settings.

    Args:
        table: all runs.
        kpis: names.
    """
    keys, figures = varied(table), chosen(kpis)
    head = [*labels(keys).values(), "runs", *(f"{kpi.title}, {kpi.unit}" for kpi in figures)]
    lines = []
    for setting in settings(table):
        finished = sum(result.status == "finished" for result in setting.results)
        runs = f"{finished}" if finished == len(setting.results) else f"{finished} of {len(setting.results)}"
        cells = [shown(setting.values[key]) for key in keys]
        lines.append([*cells, runs, *(setting.written(kpi) for kpi in figures)])
    return head, lines


# ---------------------------------------------------------------- the page


def write_page(table: Table, directory: Path, study: str, kpis: Sequence[str] | None = None) -> Path:
    """Write the report of a sweep.

    Args:
        table: all runs.
        directory: where.
        study: its name.
        kpis: names of those that are shown; None for all that vary.
    """
    path = directory / PAGE
    path.write_text(sweep_page(table, study, kpis), encoding="utf-8")
    return path


def sweep_page(table: Table, study: str, kpis: Sequence[str] | None = None) -> str:
    """Return the report of a sweep; the arguments are those of `write_page`."""
    finished = sum(result.status == "finished" for result in table.results)
    page = Page(f"{study}: a sweep", f"{finished:,} of {len(table.runs):,} runs of trex_market finished.")
    page.add("What was swept", _axes(table))
    page.add("Settings", _settings(table, kpis))
    keys = varied(table)
    still: list[str] = []
    groups: dict[str, list[str]] = {}
    for kpi in chosen(kpis):
        if kpis is None and not _varies(table, kpi):
            still.append(kpi.title)
            continue
        places = [page.figure(figure(table, kpi, key)) for key in keys]
        groups.setdefault(GROUP_TITLES[kpi.group], []).append(f'<div class="pair">{"".join(places)}</div>')
    for title, figures in groups.items():
        page.add(title, "".join(figures))
    if still and keys:
        page.add("The same in all runs", f"<p>{escape(', '.join(still))}.</p>")
    page.add("Failed", _failures(table))
    return page.html()


def _varies(table: Table, kpi: Kpi) -> bool:
    return len({result.kpis.get(kpi.name) for result in table.results} - {None}) > 1


def figure(table: Table, kpi: Kpi, key: str) -> Figure:
    """Plot a KPI against a key: each run, and the mean of all with the same value.

    Args:
        table: all runs.
        kpi: which.
        key: of an axis.
    """
    points = [
        (run.values[key], result.kpis[kpi.name])
        for run, result in zip(table.runs, table.results, strict=True)
        if result.kpis.get(kpi.name) is not None
    ]
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value, _ in points)
    by_value: dict[Any, list[float]] = {}
    for value, y in points:
        by_value.setdefault(value if numbers else shown(value), []).append(float(y or 0))
    values = sorted(by_value) if numbers else list(by_value)
    data: list[Trace] = []
    if len(points) <= POINTS_SHOWN:
        data.append(
            _dots("runs", [v for v in values for _ in by_value[v]], [y for v in values for y in by_value[v]])
        )
    data.append(_line("mean", values, [fmean(by_value[value]) for value in values]))
    layout = {
        "xaxis": {
            "title": {"text": key.removeprefix(f"{HYPERPARAMETERS}.")},
            "type": "linear" if numbers else "category",
        },
        "yaxis": {"title": {"text": kpi.unit}},
        "hovermode": "closest",
    }
    return Figure(kpi.title, data, layout)


def _dots(name: str, x: list[Any], y: list[float]) -> Trace:
    marker = {"color": TEAL, "size": 6, "opacity": 0.6}
    return {"type": "scatter", "name": name, "x": x, "y": y, "mode": "markers", "marker": marker}


def _line(name: str, x: list[Any], y: list[float]) -> Trace:
    line = {"color": CORAL, "width": 2}
    return {"type": "scatter", "name": name, "x": x, "y": y, "mode": "lines+markers", "line": line}


def _axes(table: Table) -> str:
    pairs: dict[str, str] = {}
    for key in table.keys:
        values = {msgspec.json.encode(run.values[key]): shown(run.values[key]) for run in table.runs}
        told = list(values.values())
        pairs[key] = ", ".join(told) if len(told) <= 12 else f"{told[0]} to {told[-1]}, {len(told)} values"
    seeds = list(dict.fromkeys(run.seed for run in table.runs))
    pairs["seeds"] = ", ".join(map(str, seeds)) if len(seeds) <= 12 else f"{len(seeds)}"
    cells = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in pairs.items())
    return f'<div class="about"><dl>{cells}</dl></div>'


def _settings(table: Table, kpis: Sequence[str] | None) -> str:
    head, lines = rows(table, kpis or CARDS)
    note = ""
    if len(lines) > ROWS_SHOWN:
        note = f"<p>{ROWS_SHOWN} settings are shown; all {len(lines):,} are in the table's file.</p>"
    header = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines[:ROWS_SHOWN]
    )
    return (
        f'<div class="wide"><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>{note}'
    )


def _failures(table: Table) -> str:
    messages: Mapping[str, str] = {one.run_id: one.message for one in table.results if one.status == "failed"}
    lines = "".join(f"<li>{escape(name)}: {escape(message)}</li>" for name, message in messages.items())
    return f'<ul class="notes">{lines}</ul>' if lines else ""
