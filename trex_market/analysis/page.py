"""The report as one HTML page that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from plotly.offline import get_plotlyjs

from trex_market.analysis.summary import Summary
from trex_market.analysis.table import figure_rows, participant_rows

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #22313a; max-width: 1080px; margin: 0 auto; padding: 1.5rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; }
.about { color: #5c6b73; margin-top: .2rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #dfe7e5; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.wide { overflow-x: auto; } figure { margin: 1.5rem 0; }
"""


def html_page(title: str, about: Mapping[str, str], summary: Summary, figures: Sequence[Any]) -> str:
    """Put a run's figures and plots on a page.

    Args:
        title: of the page.
        about: what was run: name -> value.
        summary: the run's figures.
        figures: Plotly figures, in the order in which they are shown.
    """
    described = " · ".join(f"{escape(name)} {escape(value)}" for name, value in about.items())
    plots = "\n".join(
        f"<figure>{figure.to_html(full_html=False, include_plotlyjs=False, div_id=f'plot-{number}')}</figure>"
        for number, figure in enumerate(figures, start=1)
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
<h1>{escape(title)}</h1>
<p class="about">{described}</p>
<h2>Results</h2>
{_table(("", "market", "unit"), figure_rows(summary))}
<h2>Participants</h2>
<p>Energy in kWh, money in $.</p>
<div class="wide">{_table(*participant_rows(summary))}</div>
<h2>Plots</h2>
{plots}
</body>
</html>
"""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
