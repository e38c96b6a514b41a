"""The report as one HTML page that needs no network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from importlib.resources import files
from itertools import groupby
from typing import Any

import msgspec
from plotly.offline import get_plotlyjs

from trex_market.analysis import plots
from trex_market.analysis.congestion import (
    PAYMENT_HEADER,
    POINT_HEADER,
    html_table,
    payment_rows,
    point_figure,
    point_rows,
)
from trex_market.analysis.depth import SlotBook, Staircase
from trex_market.analysis.kpis import KpiValue
from trex_market.analysis.people import participant_columns
from trex_market.analysis.plots import Figure
from trex_market.analysis.report import BASELINE_LABEL, RunReport
from trex_market.analysis.responses import (
    EVENT_HEADER,
    RESPONDENT_HEADER,
    event_rows,
    respondent_rows,
    response_figure,
)
from trex_market.analysis.twins import GROUP_TITLES, Case, KpiRow, cases, kpi_rows, missing_reasons, written

PEOPLE_SHOWN = 500
"""More participants than this are left to the JSON twin."""

CARDS = ("traded", "self_sufficiency", "saving", "price_paid", "allocative_efficiency", "peak_import")
"""KPIs that stand at the top, of a run alone."""


class _Section(msgspec.Struct):
    title: str
    anchor: str
    body: str


class Page:
    """Puts sections together, and gathers what the script draws.

    Args:
        title: of the page.
        lead: a line below it.
    """

    def __init__(self, title: str, lead: str) -> None:
        self._title = title
        self._lead = lead
        self._head: list[str] = []
        self._sections: list[_Section] = []
        self._figures: list[dict[str, Any]] = []
        self._books: list[dict[str, Any]] = []

    def put_first(self, body: str) -> None:
        """Add something above all sections."""
        self._head.append(body)

    def add(self, title: str, body: str) -> None:
        """Add a section; one without a body is left out."""
        if body:
            anchor = "".join(letter if letter.isalnum() else "-" for letter in title.lower())
            self._sections.append(_Section(title, anchor, body))

    def figure(self, figure: Figure, caption: str = "", *, tall: bool = False) -> str:
        """Return the place of a figure, which the script draws there."""
        number = len(self._figures)
        self._figures.append({"data": figure.data, "layout": figure.layout, "shared": figure.shared})
        kind = "plot tall" if tall else "plot"
        return (
            f"<figure>{_heading(figure.title, caption)}"
            f'<div class="{kind}" id="plot-{number}"></div>{_caption(figure.note)}</figure>'
        )

    def chooser(self, report: RunReport, caption: str = "") -> str:
        """Return the place of the supply and demand of a slot that is chosen there."""
        number = len(self._books)
        books = report.books
        times = plots.local_times([book.start for book in books], report.timezone)
        busiest = next((place for place, book in enumerate(books) if book.start == report.busiest), 0)
        slots = [_book(book, time) for book, time in zip(books, times, strict=True)]
        self._books.append({"slots": slots, "shown": busiest})
        return (
            f"<figure>{_heading('', caption)}"
            f'<div class="chooser" id="chooser-{number}"><button type="button" aria-label="slot before">&lsaquo;'
            '</button><input type="range" min="0" value="0" aria-label="slot"><button type="button" '
            'aria-label="slot after">&rsaquo;</button><output></output> <small></small>'
            '<button type="button">busiest</button></div>'
            f'<div class="plot" id="depth-{number}"></div></figure>'
        )

    def html(self) -> str:
        """Return the page."""
        assets = files("trex_market.analysis") / "assets"
        style = (assets / "page.css").read_text(encoding="utf-8")
        script = (assets / "page.js").read_text(encoding="utf-8")
        data = msgspec.json.encode({"figures": self._figures, "books": self._books}).decode()
        links = "".join(f'<a href="#{one.anchor}">{escape(one.title)}</a>' for one in self._sections)
        sections = "\n".join(
            f'<section id="{one.anchor}"><h2>{escape(one.title)}</h2>\n{one.body}</section>'
            for one in self._sections
        )
        head = "\n".join(self._head)
        return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(self._title)}</title>
<style>{style}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
<h1>{escape(self._title)}</h1>
<p class="lead">{escape(self._lead)}</p>
<nav>{links}</nav>
<noscript><p>The plots need JavaScript; the tables do not.</p></noscript>
{head}
{sections}
<script type="application/json" id="data">{_in_script(data)}</script>
<script>{script}</script>
</body>
</html>
"""


def _in_script(data: str) -> str:
    """Write JSON so that nothing in it can end its script element."""
    return data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _heading(title: str, caption: str) -> str:
    text = ": ".join(part for part in (title, caption) if part)
    return f"<h3>{escape(text)}</h3>" if text else ""


def _caption(text: str) -> str:
    return f"<figcaption>{escape(text)}</figcaption>" if text else ""


def _book(book: SlotBook, time: str) -> dict[str, Any]:
    return {
        "time": time,
        "demand": _flat(book.demand),
        "supply": _flat(book.supply),
        "traded": _flat(book.traded),
    }


def _flat(steps: Staircase) -> list[int]:
    return [number for step in steps for number in step]


# ---------------------------------------------------------------- the report


def report_page(title: str, reports: Sequence[RunReport]) -> str:
    """Return the page of a run, or of several side by side.

    Args:
        title: of the page.
        reports: of the runs, in the order in which they are shown.
    """
    alone = len(reports) == 1
    lead = "A run of trex_market." if alone else f"{len(reports)} runs of trex_market, side by side."
    page = Page(title, lead)
    shown = cases(reports)
    if alone:
        page.put_first(_cards(reports[0].kpis))
    page.add("What was run", _side_by_side([_about(report, alone=alone) for report in reports]))
    page.add("Figures", kpi_table(shown))
    _add_plots(page, reports)
    page.add("Participants", "".join(_people(report, alone=alone) for report in reports))
    return page.html()


def _add_plots(page: Page, reports: Sequence[RunReport]) -> None:
    alone = len(reports) == 1

    def each(make: Callable[[RunReport], Figure | None], *, tall: bool = False) -> str:
        places = []
        for report in reports:
            figure = make(report)
            if figure is not None:
                places.append(page.figure(figure, "" if alone else report.label, tall=tall))
        return _side_by_side(places)

    page.add("Prices and volume", each(_prices, tall=True))
    books = [page.chooser(report, "" if alone else report.label) for report in reports if report.books]
    page.add("Supply and demand", _side_by_side(books))
    page.add("Energy", each(_flows) + each(_sankey) + _durations(page, reports))
    page.add("Bills", page.figure(plots.bills_figure(_bills(reports)), tall=True))
    page.add("Batteries", each(_batteries))
    page.add("Flexibility", "".join(_flexibility(page, report, alone=alone) for report in reports))
    page.add("Demand response", "".join(_responses(page, report, alone=alone) for report in reports))


def _prices(report: RunReport) -> Figure | None:
    trade = report.frames.trade
    return None if trade is None else plots.prices_figure(trade, report.period, report.timezone)


def _flows(report: RunReport) -> Figure | None:
    energy = report.frames.energy or report.frames.days
    return None if energy is None else plots.flows_figure(energy, report.timezone)


def _sankey(report: RunReport) -> Figure | None:
    return None if report.frames.flows is None else plots.sankey_figure(report.frames.flows)


def _batteries(report: RunReport) -> Figure | None:
    if not report.charges:
        return None
    return plots.batteries_figure(report.charges, report.batteries, report.timezone, report.period)


def _responses(page: Page, report: RunReport, *, alone: bool) -> str:
    """Return events, and what participants did in them."""
    found = report.responses
    if found is None:
        return ""
    title = "" if alone else f"<h3>{escape(report.label)}</h3>"
    tables = html_table(EVENT_HEADER, event_rows(found, report.timezone))
    tables += html_table(RESPONDENT_HEADER, respondent_rows(found))
    return title + page.figure(response_figure(found)) + tables


def _flexibility(page: Page, report: RunReport, *, alone: bool) -> str:
    """Return congestion points with and without flexibility, and who paid whom."""
    frames = report.flexibility
    if frames is None:
        return ""
    title = "" if alone else f"<h3>{escape(report.label)}</h3>"
    figures = [
        page.figure(point_figure(point, frames.period, report.timezone), tall=True) for point in frames.points
    ]
    tables = html_table(POINT_HEADER, point_rows(frames)) + html_table(PAYMENT_HEADER, payment_rows(frames))
    return title + "".join(figures) + tables


def _durations(page: Page, reports: Sequence[RunReport]) -> str:
    energies = [(report.label, report.frames.energy) for report in reports if report.frames.energy]
    if len(reports) == 1 and energies:
        energies = [("market", energies[0][1])]
    baseline = reports[0].baseline_energy
    if energies and baseline is not None:
        energies.append((BASELINE_LABEL, baseline))
    return page.figure(plots.duration_figure(energies)) if energies else ""


def _bills(reports: Sequence[RunReport]) -> list[tuple[str, dict[str, int]]]:
    bills = [
        (
            "market" if len(reports) == 1 else report.label,
            dict(zip(report.frames.parties.participant_id, report.frames.parties.bill, strict=True)),
        )
        for report in reports
    ]
    first = reports[0].frames
    if first.net_billing is not None:
        bills.append(plots.case_bills(BASELINE_LABEL, first.net_billing))
    if first.time_of_use is not None:
        bills.append(plots.case_bills("time of use", first.time_of_use))
    return bills


# ---------------------------------------------------------------- tables


def _side_by_side(places: Sequence[str]) -> str:
    return f'<div class="pair">{"".join(places)}</div>' if len(places) > 1 else "".join(places)


def _cards(values: Sequence[KpiValue]) -> str:
    known = {value.kpi.name: value for value in values if value.value is not None}
    cards = "".join(
        f'<div class="card"><b>{written(known[name].value, known[name].kpi.decimals)} '
        f"<small>{escape(known[name].kpi.unit)}</small></b><span>{escape(known[name].kpi.title)}</span></div>"
        for name in CARDS
        if name in known
    )
    return f'<div class="cards">{cards}</div>' if cards else ""


def _about(report: RunReport, *, alone: bool) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in report.about.items())
    title = "" if alone else f"<h3>{escape(report.label)}</h3>"
    config = f"<details><summary>Config</summary><pre>{escape(report.config)}</pre></details>"
    return f'<div><div class="about">{title}<dl>{rows}</dl>{_notes(report.notes)}</div>{config}</div>'


def _notes(notes: Sequence[str]) -> str:
    lines = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<ul class="notes">{lines}</ul>' if lines else ""


def kpi_table(shown: Sequence[Case]) -> str:
    """Return the table of KPIs, and how each is worked out."""
    rows = kpi_rows(shown)
    header = "".join(f"<th>{escape(case.label)}</th>" for case in shown)
    lines = []
    for group, members in groupby(rows, key=lambda row: row.kpi.group):
        lines.append(f'<tr class="group"><th colspan="{len(shown) + 2}">{GROUP_TITLES[group]}</th></tr>')
        lines += [_kpi_line(row) for row in members]
    definitions = "".join(
        f'<tr><td>{escape(row.kpi.title)}</td><td class="unit">{escape(row.kpi.unit)}</td>'
        f'<td class="text">{escape(row.kpi.meaning)}</td><td class="text">{escape(row.kpi.formula)}</td>'
        f'<td class="text">{escape(row.kpi.source)}</td><td>{row.kpi.version}</td></tr>'
        for row in rows
    )
    texts = "".join(f'<th class="text">{name}</th>' for name in ("what", "formula", "source"))
    return (
        f'<div class="wide"><table><thead><tr><th></th>{header}<th class="unit">unit</th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>{_notes(missing_reasons(shown, rows))}"
        "<details><summary>How each figure is worked out, and where it comes from</summary>"
        f'<div class="wide"><table><thead><tr><th></th><th class="unit">unit</th>{texts}<th>version</th></tr>'
        f"</thead><tbody>{definitions}</tbody></table></div></details>"
    )


def _kpi_line(row: KpiRow) -> str:
    cells = []
    for value, missing in zip(row.values, row.missing, strict=True):
        kind = ""
        if missing:
            kind = f' class="none" title="{escape(missing)}"'
        elif row.kpi.better == "zero":
            kind = ' class="zero"' if value == "0" else ' class="wrong"'
        cells.append(f"<td{kind}>{escape(value)}</td>")
    title = escape(f"{row.kpi.meaning} {row.kpi.formula}")
    return (
        f'<tr><td title="{title}">{escape(row.kpi.title)}</td>{"".join(cells)}'
        f'<td class="unit">{escape(row.kpi.unit)}</td></tr>'
    )


def _people(report: RunReport, *, alone: bool) -> str:
    columns = participant_columns(report.frames)
    names = report.frames.parties.participant_id
    header = "".join(f"<th>{escape(column.title)}<br>{escape(column.unit)}</th>" for column in columns)
    rows = (
        (name, *(written(column.values[place], column.decimals) for column in columns))
        for place, name in enumerate(names[:PEOPLE_SHOWN])
    )
    note = ""
    if len(names) > PEOPLE_SHOWN:
        note = f"<p>{PEOPLE_SHOWN} participants are shown; all {len(names):,} are in report.json.</p>"
    title = "" if alone else f"<h3>{escape(report.label)}</h3>"
    return (
        f'{title}<div class="wide people"><table><thead><tr><th></th>{header}</tr></thead>'
        f"<tbody>{_lines(rows)}</tbody></table></div>{note}"
    )


def _lines(rows: Iterable[Sequence[str]]) -> str:
    return "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
