"""A slot is cleared: its orders become contracts, pool by pool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from trex_market.core.areas import Areas
from trex_market.core.book import by_priority
from trex_market.core.clearing.meeting import meet, residuals
from trex_market.core.clearing.registry import Rule, make_rule
from trex_market.core.clearing.types import Match, PairMatch, RuleOptions
from trex_market.core.errors import InputError
from trex_market.core.messages import Contract, OpenMarket, Order
from trex_market.core.units import MICRO

Cleared = tuple[tuple[Contract, ...], dict[str, Order | None]]
"""Contracts, and what is left of each order that they came from; see `residuals`."""


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


def no_pairs(rule: Rule) -> str | None:
    """Say why pairs cannot meet on terms of their own (fees, requirements) under a rule; None if they can."""
    if rule.pricing is not None:
        return None
    return f"under the rule {rule.name!r} prices are the same for all that trade, whoever meets whom"


def clear_slot(
    rule: Rule, pools: Sequence[str | None], orders: list[Order], slot: tuple[int, int], time_purchase: int
) -> tuple[Contract, ...]:
    """Clear a slot whose orders have no requirements, in a market without areas.

    Args:
        rule: the market's.
        pools: as `pools_of` returns them.
        orders: all of the slot.
        slot: its start and end.
        time_purchase: end of the round in which it is cleared.

    Returns:
        the contracts, numbered in this order.
    """
    matches: list[Match] = []
    for bids, asks in _pools(pools, orders, slot[0]):
        matches += rule.match(bids, asks)
    return _contracts(matches, slot, time_purchase)


class SlotClearing:
    """Clears slots by a market's terms.

    Args:
        terms: the market's.
        areas: its areas; None if it has none.

    Raises:
        InputError: if there is no such rule, or it cannot have fees and there are some.
    """

    def __init__(self, terms: OpenMarket, areas: Areas | None) -> None:
        k = MICRO // 2 if terms.k is None else terms.k
        self.rule = make_rule(terms.rule, RuleOptions(k, terms.price_floor, terms.price_cap), terms.pools)
        self._pools = pools_of(self.rule, terms.sources)
        self._step = terms.step
        self._payer = terms.fee_payer
        self._areas = areas if self.rule.pricing is not None else None
        self.no_pairs = no_pairs(self.rule)
        """Why there can be no fees and requirements; None if there can."""
        if self.no_pairs and any(area.fee or area.fee_share for area in terms.areas):
            raise InputError(f"areas cannot have fees: {self.no_pairs}")

    def clear(
        self, orders: list[Order], slot_start: int, time_purchase: int, first: int, *, demanding: bool
    ) -> tuple[Contract, ...]:
        """Clear a slot.

        Args:
            orders: all of the slot.
            slot_start: its start.
            time_purchase: end of the round in which it is cleared.
            first: number of the first contract.
            demanding: whether an order may have requirements.

        Returns:
            the contracts, numbered in this order.
        """
        matches = self._matches(orders, slot_start, demanding=demanding)
        return self._made(matches, slot_start, time_purchase, first)

    def clear_early(
        self, orders: list[Order], slot_start: int, time_purchase: int, first: int, *, demanding: bool
    ) -> Cleared:
        """Clear a slot before its gate closes; see `clear`."""
        matches = self._matches(orders, slot_start, demanding=demanding)
        return self._made(matches, slot_start, time_purchase, first), residuals(matches)

    def _made(
        self, matches: list[Match], slot_start: int, time_purchase: int, first: int
    ) -> tuple[Contract, ...]:
        contracts = _contracts(matches, (slot_start, slot_start + self._step), time_purchase, first)
        return contracts if self._areas is None else _with_fees(contracts, matches)

    def _matches(self, orders: list[Order], slot_start: int, *, demanding: bool) -> list[Match]:
        rule, areas = self.rule, self._areas
        matches: list[Match] = []
        for bids, asks in _pools(self._pools, orders, slot_start):
            if rule.pricing is not None and (demanding or areas is not None):
                fees = None if areas is None else areas.fees(slot_start)
                matches += meet(bids, asks, rule.pricing, areas, fees, self._payer)
            else:
                matches += rule.match(bids, asks)
        return matches


def _contracts(
    matches: Sequence[Match], slot: tuple[int, int], time_purchase: int, first: int = 0
) -> tuple[Contract, ...]:
    start, end = slot
    contracts: list[Contract] = []
    for number, match in enumerate(matches, start=first):
        bid, ask = match.bid, match.ask
        contracts.append(
            Contract(
                f"c{start}-{number:05d}",
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


def _with_fees(contracts: tuple[Contract, ...], matches: Sequence[Match]) -> tuple[Contract, ...]:
    """Write fees into contracts; most markets have none, and shall not wait for it."""
    return tuple(
        msgspec.structs.replace(contract, fee_ask=match.fee_ask, fee_bid=match.fee_bid)
        if isinstance(match, PairMatch)
        else contract
        for contract, match in zip(contracts, matches, strict=True)
    )


def _pools(
    pools: Sequence[str | None], orders: list[Order], slot_start: int
) -> Iterable[tuple[list[Order], list[Order]]]:
    """Go through the pools in which there are bids and asks, both by priority."""
    bids, asks = by_priority(orders, slot_start)
    for pool in pools:
        pool_bids, pool_asks = _in_pool(pool, bids, asks)
        if pool_bids and pool_asks:
            yield pool_bids, pool_asks


def _in_pool(pool: str | None, bids: list[Order], asks: list[Order]) -> tuple[list[Order], list[Order]]:
    if pool is None:
        return bids, asks
    return [bid for bid in bids if bid.source == pool], [ask for ask in asks if ask.source == pool]
