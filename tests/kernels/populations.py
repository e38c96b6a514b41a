"""Populations of orders in columns, at random and of the awkward kinds, and what the plain core makes of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tests.helpers import order
from trex_market.core.clearing import RuleOptions, make_rule
from trex_market.core.messages import Order, Side
from trex_market.kernels.columns import Contracts, Orders

Row = tuple[int, int, int, int, int]
"""Participant, pool, price, quantity, rank."""

Ranks = Literal["in order", "dense", "any", "equal"]


def columns(rows: Iterable[Row]) -> Orders:
    """Return orders as columns."""
    table = np.array(list(rows), dtype=np.int64).reshape(-1, 5)
    return Orders(*np.ascontiguousarray(table.T))


def plain_contracts(
    rule: str, bids: Orders, asks: Orders, options: RuleOptions | None = None
) -> list[tuple[int, ...]]:
    """Return what the plain core's rule makes of columns, pool by pool: bid, ask, quantity and both prices."""
    match = make_rule(rule, options).match
    met: list[tuple[int, ...]] = []
    demand, supply = _by_priority("bid", bids), _by_priority("ask", asks)
    for pool in sorted(demand.keys() & supply.keys()):
        met += [
            (int(m.bid.order_id), int(m.ask.order_id), m.quantity, m.price_sell, m.price_buy)
            for m in match(demand[pool], supply[pool])
        ]
    return met


def _by_priority(side: Side, orders: Orders) -> dict[int, list[Order]]:
    """Return the orders of each pool, who comes first in front."""
    sign = -1 if side == "bid" else 1
    lines = zip(*(column.tolist() for column in orders), strict=True)
    pools = defaultdict(list)
    for _, _, place, row in sorted((sign * row[2], row[4], place, row) for place, row in enumerate(lines)):
        who, pool, price, quantity, _ = row
        made = order(side, price, quantity, f"{who:07d}", name=str(place), source=str(pool))
        pools[pool].append(made)
    return pools


def as_tuples(contracts: Contracts) -> list[tuple[int, ...]]:
    """Return contracts as `plain_contracts` does."""
    return list(zip(*(column.tolist() for column in contracts), strict=True))


def population(
    chance: np.random.Generator,
    count: int,
    *,
    participants: int = 400,
    pools: int = 1,
    prices: tuple[int, int] = (50_000, 300_000),
    most: int = 2_000,
    ranks: Ranks = "dense",
) -> Orders:
    """Draw one side of a slot.

    Args:
        chance: where from.
        count: how many orders.
        participants: how many own them.
        pools: how many there are.
        prices: lowest and highest, micro-dollars per kWh.
        most: largest quantity, Wh.
        ranks: of what kind.
    """
    return Orders(
        chance.integers(0, participants, count),
        chance.integers(0, pools, count),
        chance.integers(prices[0], prices[1] + 1, count),
        chance.integers(1, most + 1, count),
        _ranks(chance, count, ranks),
    )


def _ranks(chance: np.random.Generator, count: int, ranks: Ranks) -> NDArray[np.int64]:
    if ranks == "in order":
        return np.arange(count)
    if ranks == "dense":
        return chance.permutation(count)
    if ranks == "equal":
        return np.zeros(count, np.int64)
    return chance.integers(-(2**63), 2**63 - 1, count)
