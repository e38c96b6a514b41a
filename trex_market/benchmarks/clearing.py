"""One slot of order objects through `Market`, beside sorting them; and the delivery of a slot."""

from __future__ import annotations

import random
from time import process_time

from trex_market.benchmarks.figures import Figure
from trex_market.benchmarks.population import START, STEP, TERMS
from trex_market.core.delivery import DeliveryTerms, deliver
from trex_market.core.market import Market
from trex_market.core.messages import Contract, Join, MeterReading, StartRound, SubmitOrder
from trex_market.core.tariff import GridPrices

SIZES = (100, 1_000, 10_000, 100_000)
OWNERS = 400
REPEATS = 5


def clearing() -> list[Figure]:
    """Submit and clear slots of several sizes; one in which a participant owns all the front asks as well."""
    figures = [_cleared(count, "orders of 400 participants", one_owner=False) for count in SIZES]
    return figures + [
        _cleared(count, "one owner of all front asks", one_owner=True) for count in (10_000, 100_000)
    ]


def _cleared(count: int, what: str, *, one_owner: bool) -> Figure:
    orders = _orders(count, one_owner=one_owner)
    seconds = min(_submit_and_clear(orders) for _ in range(REPEATS))
    began = process_time()
    for _ in range(REPEATS):
        sorted(orders, key=lambda order: (order.price, order.order_id))
    bare = (process_time() - began) / REPEATS
    return Figure(
        "clearing",
        what,
        count,
        count / seconds,
        "orders/s",
        count / bare,
        "sorting the same objects",
        seconds=seconds,
    )


def _orders(count: int, *, one_owner: bool) -> list[SubmitOrder]:
    chance = random.Random(count)  # noqa: S311 - no secret
    slot = START + STEP
    orders = []
    for number in range(count):
        side = "bid" if number % 2 else "ask"
        owner = f"p{chance.randrange(OWNERS)}"
        price = chance.randint(50_000, 300_000)
        if one_owner and side == "ask" and number < count * 0.9:
            owner, price = "p0", chance.randint(1, 50_000)
        if one_owner and side == "bid":
            owner = "p0" if number % 4 == 1 else owner
        orders.append(
            SubmitOrder(
                f"o{number}",
                owner,
                "bid" if number % 2 else "ask",
                chance.randint(1, 2_000),
                price,
                "solar",
                slot,
                slot + STEP,
                START,
            )
        )
    return orders


def _submit_and_clear(orders: list[SubmitOrder]) -> float:
    market = Market()
    market.handle(TERMS)
    for number in range(OWNERS):
        market.handle(Join(f"p{number}", START))
    began = process_time()
    for order in orders:
        market.handle(order)
    market.handle(StartRound(START, STEP))
    return process_time() - began


def delivery() -> list[Figure]:
    """Deliver slots of several sizes, two contracts for each participant."""
    return [_delivered(count) for count in (100, 400, 1_600)]


def _delivered(count: int) -> Figure:
    chance = random.Random(count)  # noqa: S311 - no secret
    slot = (START, START + STEP)
    names = [f"p{number}" for number in range(count)]
    contracts = [
        Contract(
            f"c{START}-{number:05d}",
            *slot,
            names[number % count],
            names[(number * 7 + 1) % count],
            "solar",
            chance.randint(1, 500),
            90_000,
            90_000,
            f"b{number}",
            f"a{number}",
            START - STEP,
        )
        for number in range(2 * count)
    ]
    readings = {
        name: MeterReading(
            *slot, {"solar": chance.randint(0, 900)}, {"other": {"external": chance.randint(0, 900)}}
        )
        for name in names
    }
    terms = DeliveryTerms(TERMS.sources)
    seconds = bare = float("inf")
    for _ in range(REPEATS):
        began = process_time()
        rows = deliver(contracts, readings, GridPrices(69_000, 145_000), terms, slot)
        seconds = min(seconds, process_time() - began)
        began = process_time()
        [(row.id, row.quantity * row.settlement_price_buy) for row in rows]
        bare = min(bare, process_time() - began)
    return Figure(
        "delivery",
        "a slot, two contracts each",
        count,
        1e3 * seconds,
        "ms",
        1e3 * bare,
        "going once through the rows that come of it",
        f"{len(rows):,} rows",
        seconds,
    )
