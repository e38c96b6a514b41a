"""A small neighbourhood's market, and what a database holds."""

from __future__ import annotations

from random import Random
from typing import Any

from sqlalchemy import select

from trex_market.core.market import Market
from trex_market.core.messages import (
    EndRound,
    Event,
    GridTerms,
    Join,
    MeterReading,
    OpenMarket,
    Order,
    ReportMeter,
    StartRound,
    SubmitOrder,
    Transaction,
)
from trex_market.storage.database import Database
from trex_market.storage.rows import RunRecord
from trex_market.storage.tables import metadata

STEP = 900
T0 = 1_700_000_100 // STEP * STEP
SOURCES = ("bess", "solar", "wind")

RUN = RunRecord(
    id="street.training.0",
    study="street",
    simulation="training",
    market_id="street-market",
    episode=0,
    seed=7,
    config='{"study": {"name": "street"}}',
    config_hash="c0ffee",
    version="0.1.0",
    started_at=T0,
)


def an_order(number: int, quantity: int = 500, price: int = 123_400, slot_start: int = T0) -> Order:
    """An accepted bid of house-1."""
    return Order(f"house-1-{number}", "house-1", "bid", quantity, price, "solar", slot_start, T0 - 9, number)


def a_transaction(number: int, quantity: int = 500, price: int = 123_400) -> Transaction:
    """A delivery from house-1 to house-2; ids are in order of their numbers."""
    start = T0 + number // 60 * STEP
    times = (start, start + STEP, start + STEP)
    name = f"t{start}-{number % 60:05d}"
    return Transaction(name, "delivery", None, quantity, "house-1", "house-2", "solar", price, price, *times)


def a_reading(generation: int, slot_start: int = T0) -> MeterReading:
    """A reading with that much from the sun, and some need."""
    consumption = {"other": {"external": 12, "solar": 3}, "bess": {"solar": 7}}
    return MeterReading(slot_start, slot_start + STEP, {"solar": generation}, consumption)


def market_events(rule: str = "MicroTE3", houses: int = 5, rounds: int = 16) -> list[Event]:
    """What a market says in which houses offer, generate and consume by the dice."""
    dice = Random(42)
    market = Market()
    grid = GridTerms(price=0.07, fee_ratio=0.5)
    events = market.handle(OpenMarket("street-market", rule, 2, STEP, "UTC", grid))
    names = [f"house-{number}" for number in range(houses)]
    for name in names:
        events += market.handle(Join(name, T0))
    for number in range(rounds):
        time = T0 + STEP * number
        events += market.handle(StartRound(time, STEP))
        for name in names:
            for side in ("bid", "ask"):
                # Some orders are refused: of nothing, or with an id that was used before.
                order_id = f"{name}-{side}-{number - (dice.random() < 0.1)}"
                offer = (dice.randrange(0, 900), dice.randrange(50_000, 150_000), dice.choice(SOURCES))
                slot = (time + 2 * STEP, time + 3 * STEP)
                events += market.handle(SubmitOrder(order_id, name, side, *offer, *slot, time))
            generation = {source: dice.randrange(0, 900) for source in SOURCES}
            consumption = {"other": {"external": dice.randrange(0, 900), "solar": dice.randrange(0, 50)}}
            if dice.random() < 0.9:
                meter = MeterReading(time, time + STEP, generation, consumption)
                events += market.handle(ReportMeter(name, meter, time))
        events += market.handle(EndRound(time))
    return events


async def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all tables, in order of their keys."""
    return {
        table.name: [tuple(row) for row in await database.fetch(select(table).order_by(*table.primary_key))]
        for table in metadata.sorted_tables
    }
