"""A comparison as tables, JSON, Markdown, CSV and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import msgspec

from trex_market.analysis import plots
from trex_market.analysis.comparison.comparison import METRICS, Comparison, Measured, Metric, RuleSeries
from trex_market.analysis.page import Page
from trex_market.analysis.plots import RUN_COLOURS, Figure, Trace
from trex_market.analysis.sampling import bins
from trex_market.analysis.twins import signed, table, written
from trex_market.core.units import NANO

FORMAT = 1
"""Of the JSON; raised whenever a script that reads it would have to change."""

FAIRNESS = (
    ("losers", "Losers", "%", 1),
    ("gini", "Gini of savings", "1", 3),
    ("jain", "Jain's index", "1", 3),
)
"""Attributes of a rule's result that have no interval."""

NOT_REPLAYED = (
    "Orders and readings are the recorded ones under every rule; what people would have done with other "
    "contracts is not played again. Savings are against net billing of the same readings."
)


def value_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return a header and a row for each metric, with a column for each rule."""
    header = ["", *(rule.name for rule in comparison.rules), "unit"]
    rows = [
        [
            metric.title,
            *(written(rule.measured[place].value, metric.decimals) for rule in comparison.rules),
            metric.unit,
        ]
        for place, metric in enumerate(METRICS)
    ]
    for name, title, unit, decimals in FAIRNESS:
        rows.append([title, *(written(getattr(rule, name), decimals) for rule in comparison.rules), unit])
    return header, rows


def difference_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return a header and a row for each metric: differences to the reference, and their intervals."""
    others = comparison.rules[1:]
    header = ["", *(rule.name for rule in others), "unit"]
    rows = [
        [metric.title, *(_difference(rule.measured[place], metric) for rule in others), metric.unit]
        for place, metric in enumerate(METRICS)
    ]
    return header, rows


def _difference(measured: Measured, metric: Metric) -> str:
    if measured.difference is None:
        return written(None, 0)
    between = _interval(measured, metric)
    return f"{signed(measured.difference, metric.decimals)} {between}".rstrip()


def _interval(measured: Measured, metric: Metric) -> str:
    if measured.low is None or measured.high is None:
        return ""
    return f"[{signed(measured.low, metric.decimals)}, {signed(measured.high, metric.decimals)}]"


def long_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return a header and a row for each metric and rule: narrow enough for a terminal."""
    rows = []
    for place, metric in enumerate(METRICS):
        title = f"{metric.title}, {metric.unit}"
        for rule in comparison.rules:
            one = rule.measured[place]
            difference = (
                written(None, 0) if one.difference is None else signed(one.difference, metric.decimals)
            )
            value = written(one.value, metric.decimals)
            rows.append([title, rule.name, value, difference, _interval(one, metric)])
            title = ""
    for name, text, unit, decimals in FAIRNESS:
        title = f"{text}, {unit}" if unit != "1" else text
        for rule in comparison.rules:
            rows.append([title, rule.name, written(getattr(rule, name), decimals), "", ""])
            title = ""
    return ["", "rule", "value", "difference", "interval"], rows


def how(comparison: Comparison) -> str:
    """Say how intervals and efficiency came about."""
    pools = "a single pool" if comparison.benchmark == "single" else "pools by source"
    return (
        f"Differences are to {comparison.rules[0].name}, paired over {len(comparison.starts):,} slots; in brackets "
        f"{100 * comparison.confidence:g} % intervals (circular block bootstrap, blocks of {comparison.block} slots, "
        f"{comparison.resamples:,} resamples, seed {comparison.seed}). Efficiency is measured against {pools}."
    )


# ---------------------------------------------------------------- twins


def as_json(about: Mapping[str, str], comparison: Comparison) -> bytes:
    """Return a comparison as JSON."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "about": about,
        "slots": len(comparison.starts),
        "reference": comparison.rules[0].name,
        "bootstrap": {
            "block": comparison.block,
            "resamples": comparison.resamples,
            "confidence": comparison.confidence,
            "seed": comparison.seed,
        },
        "efficiency_against": comparison.benchmark,
        "metrics": {metric.name: {"title": metric.title, "unit": metric.unit} for metric in METRICS},
        "rules": {
            rule.name: {
                "kind": rule.kind,
                "pools": rule.pools,
                "metrics": {one.metric: _measured(one) for one in rule.measured},
                "losers_percent": rule.losers,
                "gini_of_savings": rule.gini,
                "jain_of_savings": rule.jain,
                "savings": rule.savings,
            }
            for rule in comparison.rules
        },
    }
    return msgspec.json.format(msgspec.json.encode(document))


def _measured(one: Measured) -> dict[str, Any]:
    found: dict[str, Any] = {"value": one.value}
    if one.difference is not None:
        found |= {"difference": one.difference, "low": one.low, "high": one.high}
    return found


def as_csv(comparison: Comparison) -> str:
    """Return what each slot came to under each rule: whole Wh and nano-dollars."""
    names = RuleSeries.__struct_fields__
    lines = [",".join(("slot_start", "rule", *names))]
    for rule in comparison.rules:
        columns = [getattr(rule.series, name) for name in names]
        lines += [
            ",".join(map(str, (start, rule.name, *values)))
            for start, *values in zip(comparison.starts, *columns, strict=True)
        ]
    return "\n".join(lines) + "\n"


def as_markdown(title: str, about: Mapping[str, str], comparison: Comparison) -> str:
    """Return a comparison as Markdown."""
    people = [rule.savings for rule in comparison.rules]
    saved = [
        [name, *(written(each.get(name), 2) for each in people)] for name in sorted(set().union(*people))
    ]
    parts = [
        f"# {title}",
        table(("", ""), list(about.items())),
        "## Rules",
        table(*value_rows(comparison)),
        "## Differences",
        how(comparison),
        table(*difference_rows(comparison)),
        "## Savings, $",
        NOT_REPLAYED,
        table(["", *(rule.name for rule in comparison.rules)], saved),
    ]
    return "\n\n".join(parts) + "\n"


# ---------------------------------------------------------------- page


def comparison_page(title: str, about: Mapping[str, str], comparison: Comparison, timezone: str) -> str:
    """Return a comparison as one HTML page that needs no network.

    Args:
        title: of the page.
        about: what was compared: name -> value.
        comparison: the comparison.
        timezone: of the times shown.
    """
    names = ", ".join(rule.name for rule in comparison.rules)
    page = Page(title, f"The same orders and readings under {names}.")
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in about.items())
    page.add("What was compared", f'<div class="about"><dl>{rows}</dl></div><p>{escape(NOT_REPLAYED)}</p>')
    page.add("Rules", _html_table(*value_rows(comparison)))
    differences = "".join(page.figure(figure) for figure in difference_figures(comparison))
    page.add(
        "Differences",
        f"<p>{escape(how(comparison))}</p>{_html_table(*difference_rows(comparison))}"
        f'<div class="pair">{differences}</div>',
    )
    page.add("Over time", page.figure(over_time_figure(comparison, timezone)))
    page.add("Savings of participants", page.figure(savings_figure(comparison), tall=True))
    return page.html()


def _html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header[:-1])
    body = "".join(
        "<tr>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[:-1])
        + f'<td class="unit">{escape(row[-1])}</td></tr>'
        for row in rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{head}<th class="unit">{escape(header[-1])}</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def difference_figures(comparison: Comparison) -> list[Figure]:
    """Plot each metric's differences to the reference with their intervals."""
    figures = []
    for place, metric in enumerate(METRICS):
        shown = [
            (number, rule.name, rule.measured[place])
            for number, rule in enumerate(comparison.rules)
            if rule.measured[place].low is not None and rule.measured[place].high is not None
        ]
        if shown:
            data = [_bar(number, name, one) for number, name, one in shown]
            layout = {
                "xaxis": {
                    "title": {"text": f"{metric.unit}, against {comparison.rules[0].name}"},
                    "zeroline": True,
                },
                "yaxis": {"type": "category", "autorange": "reversed"},
                "showlegend": False,
                "hovermode": "closest",
            }
            figures.append(Figure(metric.title, data, layout))
    return figures


def _bar(number: int, name: str, one: Measured) -> Trace:
    difference, low, high = one.difference or 0.0, one.low or 0.0, one.high or 0.0
    return {
        "type": "scatter",
        "name": name,
        "x": [difference],
        "y": [name],
        "mode": "markers",
        "marker": {"size": 11, "color": RUN_COLOURS[number % len(RUN_COLOURS)]},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, high - difference)],
            "arrayminus": [max(0.0, difference - low)],
            "thickness": 2,
            "color": RUN_COLOURS[number % len(RUN_COLOURS)],
        },
    }


def over_time_figure(comparison: Comparison, timezone: str) -> Figure:
    """Plot how the total bill moves away from the reference's."""
    shown = bins(comparison.starts, comparison.step)
    data: list[Trace] = []
    reference = shown.sums(comparison.rules[0].series.bill)
    for number, rule in enumerate(comparison.rules):
        reached, values = 0, []
        for ours, theirs in zip(shown.sums(rule.series.bill), reference, strict=True):
            reached += ours - theirs
            values.append(round(reached / NANO, 4))
        line = {"color": RUN_COLOURS[number % len(RUN_COLOURS)], "width": 2}
        trace = {
            "type": "scatter",
            "name": rule.name,
            "x": "time",
            "y": values,
            "mode": "lines",
            "line": line,
        }
        data.append(trace)
    layout = {
        "yaxis": {"title": {"text": f"total bill so far, $ against {comparison.rules[0].name}"}},
        "xaxis": {"type": "date"},
    }
    return Figure("", data, layout, {"time": plots.local_times(shown.starts, timezone)})


def savings_figure(comparison: Comparison) -> Figure:
    """Plot what each participant saves under each rule, those who save most with the reference first."""
    first = comparison.rules[0].savings
    names = sorted(
        set().union(*(rule.savings for rule in comparison.rules)),
        key=lambda name: (-first.get(name, 0.0), name),
    )
    data: list[Trace] = [
        {
            "type": "bar",
            "name": rule.name,
            "x": "participant",
            "y": [round(rule.savings.get(name, 0.0), 4) for name in names],
            "marker": {"color": RUN_COLOURS[number % len(RUN_COLOURS)], "line": {"width": 0}},
        }
        for number, rule in enumerate(comparison.rules)
    ]
    layout = {
        "yaxis": {"title": {"text": "$ saved against net billing"}},
        "xaxis": {"type": "category", "showticklabels": len(names) <= plots.NAMES_SHOWN, "tickangle": -60},
        "barmode": "group",
    }
    return Figure("", data, layout, {"participant": names})
