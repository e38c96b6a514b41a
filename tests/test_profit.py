"""What the market gained a participant: by hand, and against its meter readings."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.helpers import START, lively_commands
from trex_market.core.market import Market
from trex_market.core.messages import Delivered, MeterReading, ReportMeter, Transaction
from trex_market.profit import money, net_profit

PAYS, CHARGES = 100_000, 200_000
"""Of the grid, micro-dollars per kWh."""


def row(kind: str, seller: str, buyer: str, quantity: int, price: int, **others: int) -> Transaction:
    """Return a row of the ledger."""
    times = (START, START, START)
    return Transaction("t", kind, None, quantity, seller, buyer, "solar", price, price, *times, **others)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("transaction", "of_seller", "of_buyer"),
    [
        (row("delivery", "s", "b", 10, 150_000), 10 * 50_000, 10 * 50_000),
        (row("delivery", "s", "b", 10, 150_000, fee_ask=20_000, fee_bid=30_000), 10 * 30_000, 10 * 20_000),
        (row("take_or_pay", "s", "b", 10, 150_000), 10 * 150_000, -10 * 150_000),
        (row("shortfall", "s", "b", 10, -200_000), -10 * 200_000, 10 * 200_000),
        (row("spill", "s", "grid", 10, 0), -10 * 100_000, 0),
        (row("feed_in", "s", "grid", 10, 100_000), 0, 0),
        (row("supply", "grid", "b", 10, 200_000), 0, 0),
        (row("self_consumption", "s", "s", 10, 0), 0, 0),
        (row("flexibility", "s", "b", 10, 0, amount=77), 77, -77),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_what_a_row_gains(transaction: Transaction, of_seller: int, of_buyer: int) -> None:
    assert net_profit([transaction], "s", PAYS, CHARGES) == of_seller
    assert net_profit([transaction], "b", PAYS, CHARGES) == of_buyer
    assert net_profit([transaction], "another", PAYS, CHARGES) == 0


def alone(meter: MeterReading) -> int:
    """Return what the grid alone would have charged for a reading, less what it would have paid."""
    need = sum(sources.get("external", 0) for sources in meter.consumption.values())
    return need * CHARGES - sum(meter.generation.values()) * PAYS


@pytest.mark.parametrize("rule", ["MicroTE", "MicroTE3", "uniform"])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_was_paid_against_what_the_grid_alone_would_have_charged(seed: int, rule: str) -> None:
    market = Market()
    readings: dict[tuple[int, str], MeterReading] = {}
    gained: dict[str, int] = defaultdict(int)
    traded = 0
    for command in lively_commands(seed, rule):
        if isinstance(command, ReportMeter):
            readings[command.meter.slot_start, command.participant_id] = command.meter
        for event in market.handle(command):
            if not isinstance(event, Delivered):
                continue
            traded += sum(one.kind == "delivery" for one in event.transactions)
            for (slot_start, name), meter in readings.items():
                if slot_start == event.slot_start and name not in event.estimated:
                    income = sum(money(one, name) for one in event.transactions)
                    gain = net_profit(event.transactions, name, PAYS, CHARGES)
                    assert gain == income + alone(meter)
                    gained[name] += gain
    assert traded
    assert any(gained.values())
