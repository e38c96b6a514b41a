"""A report without its page: JSON for scripts, Markdown for papers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec

from trex_market.analysis.congestion import (
    PAYMENT_HEADER,
    POINT_HEADER,
    as_plain,
    payment_rows,
    point_rows,
)
from trex_market.analysis.kpis import Kpi, KpiValue
from trex_market.analysis.kpis.registry import NOTHING_TO_TELL
from trex_market.analysis.people import participant_columns
from trex_market.analysis.report import BASELINE_LABEL, RunReport
from trex_market.analysis.responses import (
    EVENT_HEADER,
    RESPONDENT_HEADER,
    as_plain_responses,
    event_rows,
    respondent_rows,
)

FORMAT = 1
"""Of the JSON; raised whenever a script that reads it would have to change."""

GROUP_TITLES = {
    "welfare": "Welfare",
    "energy": "Energy",
    "bills": "Bills",
    "fairness": "Fairness",
    "grid": "Grid",
    "contracts": "Contracts and meters",
    "prices": "Prices",
    "balance": "Balance",
}

NOTHING = "-"


def written(value: float | None, decimals: int) -> str:
    """Write a figure for people."""
    return NOTHING if value is None else f"{_no_minus_zero(value, decimals):,.{decimals}f}"


def signed(value: float, decimals: int) -> str:
    """Write a difference for people."""
    return f"{_no_minus_zero(value, decimals):+,.{decimals}f}"


def _no_minus_zero(value: float, decimals: int) -> float:
    return round(value, decimals) or 0.0


class Case(msgspec.Struct, frozen=True):
    """A column of the table of KPIs."""

    label: str
    kpis: list[KpiValue]


def cases(reports: Sequence[RunReport]) -> list[Case]:
    """Return the columns of the table of KPIs: each run, and for a run alone its baseline."""
    found = [Case(report.label, report.kpis) for report in reports]
    if len(reports) == 1 and reports[0].baseline_kpis is not None:
        found = [Case("market", reports[0].kpis), Case(BASELINE_LABEL, reports[0].baseline_kpis)]
    return found


class KpiRow(msgspec.Struct, frozen=True):
    """A row of the table of KPIs.

    Args:
        kpi: which.
        values: as they are shown, one a case.
        missing: why there is none; empty if there is one.
    """

    kpi: Kpi
    values: list[str]
    missing: list[str]


def kpi_rows(shown: Sequence[Case]) -> list[KpiRow]:
    """Return the rows of the table of KPIs."""
    return [
        KpiRow(
            values[0].kpi,
            [written(value.value, value.kpi.decimals) for value in values],
            [value.missing for value in values],
        )
        for values in zip(*(case.kpis for case in shown), strict=True)
    ]


# ---------------------------------------------------------------- JSON


def as_json(reports: Sequence[RunReport]) -> bytes:
    """Return reports as JSON: definitions of the KPIs, then run by run values and participants."""
    definitions = {
        value.kpi.name: {
            name: getattr(value.kpi, name)
            for name in ("title", "group", "unit", "formula", "source", "meaning", "version", "better")
        }
        for value in reports[0].kpis
    }
    document = {"format": FORMAT, "kpis": definitions, "runs": [_run(report) for report in reports]}
    return msgspec.json.format(msgspec.json.encode(document))


def _run(report: RunReport) -> dict[str, Any]:
    run: dict[str, Any] = {
        "label": report.label,
        "about": report.about,
        "notes": report.notes,
        "kpis": _values(report.kpis),
    }
    if report.baseline_kpis is not None:
        run["net_billing"] = {"kpis": _values(report.baseline_kpis)}
    if report.flexibility is not None:
        run["flexibility"] = as_plain(report.flexibility)
    if report.responses is not None:
        run["demand_response"] = as_plain_responses(report.responses)
    columns = participant_columns(report.frames)
    run["participants"] = [
        {"participant_id": name, **{column.name: column.values[place] for column in columns}}
        for place, name in enumerate(report.frames.parties.participant_id)
    ]
    run["units"] = {column.name: column.unit for column in columns}
    return run


def _values(values: Sequence[KpiValue]) -> dict[str, Any]:
    return {
        value.kpi.name: {"value": value.value} | ({"missing": value.missing} if value.missing else {})
        for value in values
    }


# ---------------------------------------------------------------- Markdown


def as_markdown(title: str, reports: Sequence[RunReport]) -> str:
    """Return reports as Markdown: what was run, the KPIs with their definitions, the participants."""
    parts = [f"# {title}"]
    for report in reports:
        if len(reports) > 1:
            parts.append(f"## {report.label}")
        parts.append(table(("", ""), [(name, value) for name, value in report.about.items()]))
        parts += [f"> {note}" for note in report.notes]
    shown = cases(reports)
    parts.append("## Figures")
    rows = kpi_rows(shown)
    for group, members in groupby(rows, key=lambda row: row.kpi.group):
        header = (GROUP_TITLES[group], *(case.label for case in shown), "unit")
        parts.append(table(header, [(row.kpi.title, *row.values, row.kpi.unit) for row in members]))
    parts += missing_reasons(shown, rows)
    for report in reports:
        if report.flexibility is not None:
            parts.append("## Flexibility" if len(reports) == 1 else f"## Flexibility of {report.label}")
            parts.append(table(POINT_HEADER, point_rows(report.flexibility)))
            parts.append(table(PAYMENT_HEADER, payment_rows(report.flexibility)))
        if report.responses is not None:
            parts.append(
                "## Demand response" if len(reports) == 1 else f"## Demand response of {report.label}"
            )
            parts.append(table(EVENT_HEADER, event_rows(report.responses, report.timezone)))
            parts.append(table(RESPONDENT_HEADER, respondent_rows(report.responses)))
        heading = "## Participants" if len(reports) == 1 else f"## Participants of {report.label}"
        columns = participant_columns(report.frames)
        header = ("", *(f"{column.title}, {column.unit}" for column in columns))
        people = [
            (name, *(written(column.values[place], column.decimals) for column in columns))
            for place, name in enumerate(report.frames.parties.participant_id)
        ]
        parts += [heading, table(header, people)]
    parts.append("## How each figure is worked out")
    parts.append(definitions([row.kpi for row in rows]))
    return "\n\n".join(parts) + "\n"


def definitions(kpis: Sequence[Kpi]) -> str:
    """Return a Markdown table of what KPIs are."""
    rows = [
        (f"{kpi.title} (`{kpi.name}`, version {kpi.version})", kpi.unit, kpi.meaning, kpi.formula, kpi.source)
        for kpi in kpis
    ]
    return table(("figure", "unit", "what", "formula", "source"), rows)


def missing_reasons(shown: Sequence[Case], rows: Sequence[KpiRow]) -> list[str]:
    """Return a sentence for each reason why KPIs have no value; what has nothing to measure is left out."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        for case, reason in zip(shown, row.missing, strict=True):
            if reason and reason != NOTHING_TO_TELL and case.label != BASELINE_LABEL:
                reasons.setdefault(f"{case.label} ({reason})", []).append(row.kpi.title)
    return [f"Not shown of {reason}: {', '.join(titles)}." for reason, titles in reasons.items()]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [_row(header), f"|{'---|' * len(header)}", *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
