"""Flexibility in a report: hand-computed sums, and a page, a table and JSON that say the same."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from tests.helpers import STEP, slot
from tests.shell_helpers import REPOSITORY, Shell, query
from trex_market.analysis.congestion import (
    FlexibilityPayments,
    payment_rows,
    point_figure,
    point_rows,
)
from trex_market.analysis.slots import SlotRecords
from trex_market.core.messages import Transaction
from trex_market.core.tariff import GridPrices
from trex_market.programmes.flexibility.commands import FEEDER_METRICS

HOUR = 3600


def figures(load: int, without: int, ordered: int = 0, delivered: int = 0) -> dict[str, float]:
    return dict(
        zip(FEEDER_METRICS, map(float, (load, without, 10_000, 8_000, ordered, delivered)), strict=True)
    )


FEEDERS = {
    "feeder": {
        slot(1): figures(-8_500, -9_500, 1_500, 1_000),
        slot(0): figures(10_000, 12_000, 2_000, 2_000),
        slot(2): figures(3_000, 3_000),
    }
}


def payment(number: int, seller: str, buyer: str, quantity: int, amount: int) -> Transaction:
    start, end = slot(0), slot(1)
    return Transaction(
        f"f{number}",
        "flexibility",
        None,
        quantity,
        seller,
        buyer,
        "flexibility",
        0,
        0,
        start,
        end,
        end,
        amount=amount,
    )


def paid() -> FlexibilityPayments:
    rows = (
        payment(1, "agr", "dso", 500, 2_000_000),
        payment(2, "agr", "dso", 250, -500_000),
        payment(3, "home", "agr", 500, 1_000_000),
    )
    energy = msgspec.structs.replace(rows[0], kind="delivery", amount=None)
    payments = FlexibilityPayments()
    payments.hear(SlotRecords(slot(0), (), (), {}, (*rows, energy), GridPrices(0, 0)))
    return payments


def test_sums_by_hand() -> None:
    frames = paid().frames(FEEDERS, STEP)
    assert frames is not None
    (point,) = frames.sums()
    hours = STEP / HOUR
    assert (point.peak, point.peak_without) == (10_000, 12_000)
    assert point.beyond == pytest.approx(500 * hours)
    assert point.beyond_without == pytest.approx(3_500 * hours)
    assert (point.ordered, point.delivered, point.missed) == pytest.approx(
        (3_500 * hours, 3_000 * hours, 500 * hours)
    )
    assert frames.points[0].start == [slot(0), slot(1), slot(2)]
    found = [(one.buyer_id, one.seller_id, one.quantity, one.amount) for one in frames.payments]
    assert found == [("agr", "home", 500, 1_000_000), ("dso", "agr", 750, 1_500_000)]


def test_without_flexibility_nothing_is_told() -> None:
    assert paid().frames({}, STEP) is None


def test_what_is_shown() -> None:
    frames = paid().frames(FEEDERS, HOUR)
    assert frames is not None
    assert point_rows(frames) == [("feeder", "10.000", "12.000", "0.500", "3.500", "3.500", "3.000", "0.500")]
    assert payment_rows(frames)[1] == ("dso", "agr", "0.750", "0.0015")
    figure = point_figure(frames.points[0], HOUR, "UTC")
    lines = {trace["name"]: trace["y"] for trace in figure.data}
    assert lines["load"] == [10.0, -8.5, 3.0]
    assert lines["without flexibility"] == [12.0, -9.5, 3.0]
    assert lines["limit towards the grid"] == [-8.0] * 3


@pytest.mark.slow
def test_a_days_report_tells_of_it(shell: Shell, tmp_path: Path) -> None:
    answer = shell("run", REPOSITORY / "configs" / "flexibility.yaml", "--out", tmp_path / "out")
    assert answer.status == 0, answer.err
    (run,) = json.loads((tmp_path / "out" / "report.json").read_bytes())["runs"]
    (point,) = run["flexibility"]["points"]
    assert point["beyond_without"] > 10 * point["beyond"] > 0
    assert point["missed"] > 0
    assert point["missed"] == pytest.approx(point["ordered"] - point["delivered"])
    assert run["kpis"]["money_imbalance"]["value"] == 0
    assert run["kpis"]["energy_imbalance"]["value"] == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<h2>Flexibility</h2>" in page
    assert "## Flexibility" in (tmp_path / "out" / "report.md").read_text()
    rows = query(
        tmp_path / "out" / "market.db",
        "SELECT buyer_id, seller_id, sum(amount) FROM transactions WHERE kind = 'flexibility' GROUP BY 1, 2 ORDER BY 1, 2",
    )
    assert [tuple(row) for row in rows] == [
        (one["buyer_id"], one["seller_id"], one["amount"]) for one in run["flexibility"]["payments"]
    ]
