"""A slot's orders and contracts to what the auction made of them: a row of `frames.AuctionFrame`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from trex_market.analysis.equilibrium import Equilibrium, equilibrium
from trex_market.core.book import by_priority
from trex_market.core.clearing.registry import Pools
from trex_market.core.messages import Contract, Order


class Auction(msgspec.Struct, frozen=True):
    """What came of a slot's orders; see `frames.AuctionFrame`, whose columns are these fields."""

    bid: int
    ask: int
    contracted: int
    competitive: int
    gains: int
    most_gains: int
    buyer_surplus: int
    seller_surplus: int
    priced: int
    deviation: float
    traders: int
    profit_gaps: int


def auction(
    orders: Sequence[Order], contracts: Sequence[Contract], slot_start: int, pools: Pools
) -> Auction | None:
    """Measure what a slot's auction made of its orders.

    Args:
        orders: that stood when the gate closed.
        contracts: that were made of them.
        slot_start: the slot's start.
        pools: whether orders meet by source or all together.

    Returns:
        None if an order of a contract is not among the orders: they were not all recorded.
    """
    by_id = {order.order_id: order for order in orders}
    if any(one.bid_id not in by_id or one.ask_id not in by_id for one in contracts):
        return None
    found = _by_pool(orders, slot_start, pools)
    gains, buyers, sellers, profits = _surplus(contracts, by_id)
    priced, deviation = _deviation(contracts, by_id, found, pools)
    possible = _profits_at_equilibrium(found.values(), by_id)
    traders = {order.participant_id for order in orders}
    return Auction(
        bid=sum([order.quantity for order in orders if order.side == "bid"]),
        ask=sum([order.quantity for order in orders if order.side == "ask"]),
        contracted=sum([contract.quantity for contract in contracts]),
        competitive=sum([pool.volume for pool in found.values()]),
        gains=gains,
        most_gains=sum([pool.gains for pool in found.values()]),
        buyer_surplus=buyers,
        seller_surplus=sellers,
        priced=priced,
        deviation=deviation,
        traders=len(traders),
        profit_gaps=sum([(profits.get(name, 0) - possible.get(name, 0)) ** 2 for name in traders]),
    )


def _by_pool(orders: Sequence[Order], slot_start: int, pools: Pools) -> dict[str | None, Equilibrium]:
    sides: dict[str | None, tuple[list[Order], list[Order]]] = defaultdict(lambda: ([], []))
    for place, side in enumerate(by_priority(list(orders), slot_start)):
        for order in side:
            sides[order.source if pools == "by_source" else None][place].append(order)
    return {pool: equilibrium(bids, asks) for pool, (bids, asks) in sides.items()}


def _surplus(
    contracts: Sequence[Contract], orders: Mapping[str, Order]
) -> tuple[int, int, int, dict[str, int]]:
    """Return gains, buyers' and sellers' surplus, and twice what each participant gained."""
    gains = buyers = sellers = 0
    profits: dict[str, int] = defaultdict(int)
    for contract in contracts:
        bid, ask, quantity = orders[contract.bid_id], orders[contract.ask_id], contract.quantity
        buyer_gain = quantity * (bid.price - contract.settlement_price_buy)
        seller_gain = quantity * (contract.settlement_price_sell - ask.price)
        gains += quantity * (bid.price - ask.price)
        buyers += buyer_gain
        sellers += seller_gain
        profits[bid.participant_id] += 2 * buyer_gain
        profits[ask.participant_id] += 2 * seller_gain
    return gains, buyers, sellers, profits


def _deviation(
    contracts: Sequence[Contract],
    orders: Mapping[str, Order],
    found: Mapping[str | None, Equilibrium],
    pools: Pools,
) -> tuple[int, float]:
    """Return the Wh in pools with a P0 above 0, and the sum over them of ((price - P0) / P0)^2."""
    priced, deviation = 0, 0.0
    for contract in contracts:
        pool = found[orders[contract.ask_id].source if pools == "by_source" else None]
        twice = pool.low + pool.high
        if twice > 0:
            off = contract.settlement_price_sell + contract.settlement_price_buy - twice
            priced += contract.quantity
            deviation += contract.quantity * (off / twice) ** 2
    return priced, deviation


def _profits_at_equilibrium(pools: Iterable[Equilibrium], orders: Mapping[str, Order]) -> dict[str, int]:
    """Return twice what each participant would gain at P0."""
    profits: dict[str, int] = defaultdict(int)
    for pool in pools:
        twice = pool.low + pool.high
        for order_id, quantity in pool.fills.items():
            order = orders[order_id]
            gain = 2 * order.price - twice if order.side == "bid" else twice - 2 * order.price
            profits[order.participant_id] += quantity * gain
    return profits
