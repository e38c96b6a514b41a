"""The figures of a run, and how they are written."""

from __future__ import annotations

import pytest

from tests.analysis.helpers import NET_BILLING, totals
from trex_market.analysis.summary import summarise
from trex_market.analysis.table import figure_rows, participant_rows
from trex_market.totals import Totals


def test_figures_worked_out_by_hand() -> None:
    summary = summarise(totals(), totals(NET_BILLING))
    assert (summary.traded, summary.load, summary.generated) == (1.1, 1.67, 1.55)
    assert summary.self_sufficiency == pytest.approx(1 - 500 / 1670)
    assert summary.self_consumption == pytest.approx(1 - 350 / 1550)
    assert summary.average_price == pytest.approx(0.1302 / 1.1)
    assert summary.average_income == pytest.approx(0.1099 / 1.1)
    assert summary.bill == pytest.approx(0.2342 - 0.1369)
    assert summary.baseline_bill == pytest.approx(0.320 - 0.116)
    assert summary.saving == pytest.approx(0.204 - 0.0973)
    assert summary.operator_income == pytest.approx(0.0213)
    assert summary.balance_nano_dollars == 0
    buyer, seller = summary.participants
    assert (buyer.participant_id, seller.participant_id) == ("b", "s")
    assert [buyer.bill, buyer.baseline_bill] == pytest.approx([0.2342, 0.32])
    assert buyer.saving == pytest.approx(0.32 - 0.2342)
    assert seller.saving == pytest.approx(-0.116 + 0.1369)


def test_savings_of_all_add_up_to_the_whole() -> None:
    summary = summarise(totals(), totals(NET_BILLING))
    savings = [figures.saving for figures in summary.participants]
    assert summary.saving == pytest.approx(sum(saving for saving in savings if saving is not None))


def test_without_a_baseline_there_is_no_saving() -> None:
    summary = summarise(totals())
    assert (summary.baseline_bill, summary.saving) == (None, None)
    assert all(figures.saving is None for figures in summary.participants)
    assert ("Total saving", "-", "$") in figure_rows(summary)


def test_nothing_at_all_has_figures_too() -> None:
    summary = summarise(Totals(), Totals())
    assert (summary.self_sufficiency, summary.self_consumption, summary.average_price) == (None, None, None)
    rows = {name: value for name, value, _ in figure_rows(summary)}
    assert rows["Self-sufficiency"] == rows["Average price paid locally"] == "-"
    assert rows["Balance of all money"] == "0"


def test_shares_are_never_below_0() -> None:
    added = totals()
    added.parties["b"].supplied = 10**6
    added.parties["s"].fed_in = 10**6
    summary = summarise(added)
    assert (summary.self_sufficiency, summary.self_consumption) == (0.0, 0.0)


def test_tables_have_a_row_for_each_participant_and_figure() -> None:
    summary = summarise(totals(), totals(NET_BILLING))
    header, rows = participant_rows(summary)
    assert rows[0] == ["b", "1.6", "0.0", "1.1", "0.0", "0.23", "0.32", "0.09"]
    assert all(len(row) == len(header) for row in rows)
    assert [name for name, _, _ in figure_rows(summary)][:3] == [
        "Energy traded locally",
        "Load",
        "Generation",
    ]
