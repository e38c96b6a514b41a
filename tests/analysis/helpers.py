"""A small ledger whose sums were worked out by hand."""

from __future__ import annotations

from typing import Any

from tests.helpers import START, STEP
from trex_market.core.messages import Delivered, Event, MeterAccepted, MeterReading, Transaction
from trex_market.totals import Totals

MILLION = 1_000_000


def row(kind: Any, quantity: int, seller: str, buyer: str, sell: int, buy: int, **others: Any) -> Transaction:
    """Return a transaction of slot `START`; prices in micro-dollars per kWh."""
    values: dict[str, Any] = {"contract_id": None, "energy_source": "solar", **others}
    return Transaction(
        id=f"{kind}-{quantity}",
        kind=kind,
        quantity=quantity,
        seller_id=seller,
        buyer_id=buyer,
        settlement_price_sell=sell,
        settlement_price_buy=buy,
        time_creation=START,
        time_purchase=START + STEP,
        time_consumption=START + STEP,
        **values,
    )


LEDGER = (
    row(
        "delivery", 1000, "s", "b", 100_000, 120_000
    ),  # b pays 120, s gets 100, the operator keeps 20 million
    row("delivery", 100, "s", "b", 100_000, 100_000, fee_ask=1_000, fee_bid=2_000),  # 10.2, 9.9, 0.3
    row("take_or_pay", 50, "s", "b", 100_000, 120_000),  # 6, 5, 1
    row("spill", 50, "s", "grid", 0, 0),
    row("shortfall", 10, "s", "b", -200_000, -200_000),  # s pays b 2
    row("self_consumption", 70, "s", "s", 0, 0),
    row("feed_in", 300, "s", "grid", 80_000, 80_000),  # s gets 24
    row("supply", 500, "grid", "b", 200_000, 200_000),  # b pays 100
)

METERS = {
    "s": MeterReading(
        START,
        START + STEP,
        {"solar": 1450, "bess": 9},
        {"other": {"solar": 70}, "bess": {"solar": 30, "external": 5}},
    ),
    "b": MeterReading(START, START + STEP, {}, {"other": {"external": 1600}}),
}


def events(rows: tuple[Transaction, ...] = LEDGER) -> list[Event]:
    """Return what a market says of a slot with these transactions."""
    readings = [MeterAccepted(name, meter) for name, meter in METERS.items()]
    return [*readings, Delivered(START, rows, ())]


def totals(rows: tuple[Transaction, ...] = LEDGER) -> Totals:
    """Return the totals of a slot with these transactions."""
    added = Totals()
    added.hear(events(rows))
    return added


NET_BILLING = (
    row("feed_in", 1450, "s", "grid", 80_000, 80_000),  # s gets 116 million
    row("supply", 1600, "grid", "b", 200_000, 200_000),  # b pays 320
)
"""What the same slot costs without a market."""
