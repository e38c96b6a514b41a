"""A run's figures as rows of text, for the terminal and for pages."""

from __future__ import annotations

from trex_market.analysis.summary import Summary

NOTHING = "-"


def figure_rows(summary: Summary) -> list[tuple[str, str, str]]:
    """Return the run's figures as rows: name, value, unit."""
    return [
        ("Energy traded locally", f"{summary.traded:,.1f}", "kWh"),
        ("Load", f"{summary.load:,.1f}", "kWh"),
        ("Generation", f"{summary.generated:,.1f}", "kWh"),
        ("Self-sufficiency", _percent(summary.self_sufficiency), "%"),
        ("Self-consumption", _percent(summary.self_consumption), "%"),
        ("Average price paid locally", _price(summary.average_price), "$/kWh"),
        ("Average price got locally", _price(summary.average_income), "$/kWh"),
        ("Total bill", _money(summary.bill), "$"),
        ("Total bill under net billing", _money(summary.baseline_bill), "$"),
        ("Total saving", _money(summary.saving), "$"),
        ("Operator's income", _money(summary.operator_income), "$"),
        ("Slots delivered", f"{summary.slots:,}", ""),
        ("Transactions", f"{summary.transactions:,}", ""),
        ("Readings deemed", f"{summary.estimated_readings:,}", ""),
        ("Balance of all money", f"{summary.balance_nano_dollars}", "nano-$"),
    ]


def participant_rows(summary: Summary) -> tuple[list[str], list[list[str]]]:
    """Return a header and a row for each participant; energy in kWh, money in $."""
    header = ["participant", "load", "made", "bought", "sold", "bill", "net billing", "saving"]
    rows = [
        [
            figures.participant_id,
            f"{figures.load:,.1f}",
            f"{figures.generated:,.1f}",
            f"{figures.bought:,.1f}",
            f"{figures.sold:,.1f}",
            _money(figures.bill),
            _money(figures.baseline_bill),
            _money(figures.saving),
        ]
        for figures in summary.participants
    ]
    return header, rows


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.1f}"


def _price(price: float | None) -> str:
    return NOTHING if price is None else f"{price:.4f}"


def _money(money: float | None) -> str:
    return NOTHING if money is None else f"{money:,.2f}"
