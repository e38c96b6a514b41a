"""A slot's gate closes: its orders become contracts, pool by pool."""

from __future__ import annotations

from collections.abc import Sequence

from trex_market.core.book import by_priority
from trex_market.core.clearing.registry import Rule
from trex_market.core.messages import Contract, Order


def pools_of(rule: Rule, sources: dict[str, bool]) -> list[str | None]:
    """Return a market's pools, in the order of clearing: dispatch sources first, then by name.

    Args:
        rule: the market's.
        sources: source -> whether it can be dispatched.

    Returns:
        their sources; a single pool has none of its own.
    """
    if rule.pools == "single":
        return [None]
    return [*sorted(sources, key=lambda source: (not sources[source], source))]


def clear_slot(
    rule: Rule, pools: Sequence[str | None], orders: list[Order], slot: tuple[int, int], time_purchase: int
) -> tuple[Contract, ...]:
    """Clear a slot.

    Args:
        rule: the market's.
        pools: as `pools_of` returns them.
        orders: all of the slot.
        slot: its start and end.
        time_purchase: end of the round in which it is cleared.

    Returns:
        the contracts, numbered in this order.
    """
    contracts: list[Contract] = []
    start, end = slot
    bids, asks = by_priority(orders, start)
    for pool in pools:
        pool_bids, pool_asks = _in_pool(pool, bids, asks)
        if not pool_bids or not pool_asks:
            continue
        for match in rule.match(pool_bids, pool_asks):
            bid, ask = match.bid, match.ask
            contracts.append(
                Contract(
                    f"c{start}-{len(contracts):05d}",
                    start,
                    end,
                    ask.participant_id,
                    bid.participant_id,
                    ask.source or "",
                    match.quantity,
                    match.price_sell,
                    match.price_buy,
                    bid.order_id,
                    ask.order_id,
                    time_purchase,
                )
            )
    return tuple(contracts)


def _in_pool(pool: str | None, bids: list[Order], asks: list[Order]) -> tuple[list[Order], list[Order]]:
    if pool is None:
        return bids, asks
    return [bid for bid in bids if bid.source == pool], [ask for ask in asks if ask.source == pool]
