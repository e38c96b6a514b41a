"""Market data for those who subscribe: trades and depth, without names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from trex_market.core.messages import Contract, Order, RoundStarted
from trex_market.core.units import dollars_from_price
from trex_market.engine import Engine
from trex_market.protocol import wire


def market_data(
    engine: Engine,
    round: RoundStarted,
    contracts: Mapping[str, Sequence[Contract]],
    *,
    trades: bool,
    depth: bool,
) -> wire.MarketData:
    """Make a round's market data.

    Args:
        engine: whose book is shown.
        round: the round that was started.
        contracts: of the slot that was just cleared, by party.
        trades: whether they are wanted.
        depth: whether it is wanted.
    """
    step = round.step
    slot = (round.last_settle, round.last_settle + step)
    return wire.MarketData(
        time_delivery=slot,
        trades=_trades(contracts) if trades else None,
        depth=_depth(engine, step) if depth else None,
    )


def _trades(contracts: Mapping[str, Sequence[Contract]]) -> list[wire.Trade]:
    each = {contract.id: contract for own in contracts.values() for contract in own}
    return [
        wire.Trade(
            quantity=contract.quantity,
            price=dollars_from_price(contract.settlement_price_buy),
            energy_source=contract.energy_source,
        )
        for _, contract in sorted(each.items())
    ]


def _depth(engine: Engine, step: int) -> list[wire.Depth]:
    return [
        wire.Depth(
            time_delivery=(start, start + step),
            bids=ladder((order for order in orders if order.side == "bid"), descending=True),
            asks=ladder((order for order in orders if order.side == "ask"), descending=False),
        )
        for start, orders in engine.market.open_slots().items()
    ]


def ladder(orders: Iterable[Order], *, descending: bool) -> list[tuple[float, int]]:
    """Add up the quantities at each price."""
    quantities: Counter[int] = Counter()
    for order in orders:
        quantities[order.price] += order.quantity
    return [
        (dollars_from_price(price), quantities[price]) for price in sorted(quantities, reverse=descending)
    ]
