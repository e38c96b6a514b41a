"""Pairing where not everybody may meet everybody on the same terms: fees between areas, and requirements.

An order's *best limit* is its price; if it has requirements, the best price among them (the highest of a
bid, the lowest of an ask; one without a price stands for the order's own). Bids come from the highest best
limit, among equals by priority. Each goes through the asks of others in order of what they cost where it is
(their best limit with the fee from there), the cheapest first, among equals by priority. With each ask it
goes through its own requirements in order, and for each through the ask's: under the first two that hold
and whose limits leave room for the fee it takes what it can, then under the next.

Without requirements and fees these are the pairs of `clearing.pairwise`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

import msgspec

from trex_market.core.areas import NO_FEE, Areas, Fee, Fees, parts
from trex_market.core.clearing.types import Match, PairMatch, PairPricing, between
from trex_market.core.messages import FeePayer, Order, Requirement
from trex_market.core.requirements import holds, limit

UNCONDITIONAL = (Requirement(),)
"""What stands for the requirements of an order that has none."""


class PairTerms(msgspec.Struct, frozen=True, gc=False):
    """The terms on which a bid and an ask may meet.

    Args:
        bid_limit: most that the buyer pays, fee included, micro-dollars per kWh.
        ask_limit: least that the seller gets, micro-dollars per kWh.
        fee: between the two.
        bid_set: place of the requirement under which the bid meets the ask.
        ask_set: likewise of the ask.
    """

    bid_limit: int
    ask_limit: int
    fee: Fee
    bid_set: int
    ask_set: int


def terms_of(bid: Order, ask: Order, fee: Fee) -> Iterator[PairTerms]:
    """Go through all terms on which a bid may meet an ask, whatever their limits; none if it may not."""
    if bid.participant_id == ask.participant_id:
        return
    for bid_set, wanted in enumerate(bid.requirements or UNCONDITIONAL):
        if not holds(wanted, ask):
            continue
        for ask_set, asked in enumerate(ask.requirements or UNCONDITIONAL):
            if holds(asked, bid):
                yield PairTerms(limit(wanted, bid), limit(asked, ask), fee, bid_set, ask_set)


def best_limit(order: Order) -> int:
    """Return the best price that an order has for anybody, micro-dollars per kWh."""
    if not order.requirements:
        return order.price
    limits = [limit(one, order) for one in order.requirements]
    return max(limits) if order.side == "bid" else min(limits)


def meet(
    bids: Sequence[Order],
    asks: Sequence[Order],
    pricing: PairPricing,
    areas: Areas | None,
    fees: Fees | None,
    payer: FeePayer,
) -> list[PairMatch]:
    """Pair and price a pool.

    Args:
        bids: by priority.
        asks: by priority.
        pricing: of each pair.
        areas: who is where; None where there are none.
        fees: in force, if there are areas.
        payer: on whose side fees stand.
    """
    return _Meeting(asks, pricing, areas, fees, payer).matches(bids)


class _Queue:
    """The asks of one area, the one with the lowest best limit in front: (best limit, place among all asks).

    What they cost elsewhere is more, but in the same order.
    """

    def __init__(self) -> None:
        self.entries: list[tuple[int, int]] = []
        self.front = 0

    def advance(self, left: list[int]) -> bool:
        """Pass over those in front that have nothing left; tell whether any are left at all."""
        entries = self.entries
        while self.front < len(entries) and not left[entries[self.front][1]]:
            self.front += 1
        return self.front < len(entries)


class _Meeting:
    """A pool's asks, and what is left of them."""

    def __init__(
        self,
        asks: Sequence[Order],
        pricing: PairPricing,
        areas: Areas | None,
        fees: Fees | None,
        payer: FeePayer,
    ) -> None:
        self._asks = asks
        self._pricing = pricing
        self._areas = areas
        self._fees = fees
        self._payer = payer
        self._left = [ask.quantity for ask in asks]
        self._queues = self._queued()
        self._allowance: dict[tuple[str, int], int] = {}
        """Order id, place of a requirement with an energy -> what may still be traded under it."""

    def matches(self, bids: Sequence[Order]) -> list[PairMatch]:
        """Let all bids meet the asks."""
        found: list[PairMatch] = []
        for bid in sorted(bids, key=best_limit, reverse=True):
            wanted = bid.quantity
            for place, fee in self._offers(bid):
                for match in self._trades(bid, place, wanted, fee):
                    wanted -= match.quantity
                    found.append(match)
                if not wanted:
                    break
        return found

    def _area(self, order: Order) -> str:
        return "" if self._areas is None else self._areas.of(order.participant_id)

    def _queued(self) -> dict[str, _Queue]:
        """Return the asks of each area."""
        queues: dict[str, _Queue] = {}
        for place, ask in enumerate(self._asks):
            queues.setdefault(self._area(ask), _Queue()).entries.append((best_limit(ask), place))
        for queue in queues.values():
            queue.entries.sort()
        return queues

    def _offers(self, bid: Order) -> Iterator[tuple[int, Fee]]:
        """Go through the asks that have something left, the cheapest where the bid is first, as far as it pays that.

        Yields:
            place among the asks, and the fee between the two.
        """
        limit, home = best_limit(bid), self._area(bid)
        heads: list[tuple[int, int, int, int]] = []
        rows: list[tuple[list[tuple[int, int]], Fee]] = []
        for area, queue in self._queues.items():
            if queue.advance(self._left):
                fee = NO_FEE if self._fees is None else self._fees.between(home, area)
                _push(heads, queue.entries, queue.front, fee, limit, len(rows))
                rows.append((queue.entries, fee))
        while heads:
            _, place, index, row = heappop(heads)
            entries, fee = rows[row]
            if self._left[place]:
                yield place, fee
            _push(heads, entries, index + 1, fee, limit, row)

    def _trades(self, bid: Order, place: int, wanted: int, fee: Fee) -> Iterator[PairMatch]:
        """Let a bid take what it can of one ask, under one pair of requirements after the other."""
        ask = self._asks[place]
        for terms in terms_of(bid, ask, fee):
            prices = prices_of(terms, self._pricing)
            if prices is None:
                continue
            quantity = min(
                wanted,
                self._left[place],
                self._allowed(bid, terms.bid_set),
                self._allowed(ask, terms.ask_set),
            )
            if not quantity:
                continue
            wanted -= quantity
            self._left[place] -= quantity
            self._use(bid, terms.bid_set, quantity)
            self._use(ask, terms.ask_set, quantity)
            gets, pays, charged = prices
            fee_ask, fee_bid = parts(charged, self._payer)
            yield PairMatch(
                bid,
                ask,
                quantity,
                gets + fee_ask,
                pays - fee_bid,
                fee_ask,
                fee_bid,
                terms.bid_set,
                terms.ask_set,
            )

    def _allowed(self, order: Order, number: int) -> int:
        energy = order.requirements[number].energy if order.requirements else None
        if energy is None:
            return order.quantity
        return self._allowance.get((order.order_id, number), energy)

    def _use(self, order: Order, number: int, quantity: int) -> None:
        if order.requirements and order.requirements[number].energy is not None:
            self._allowance[order.order_id, number] = self._allowed(order, number) - quantity


def _push(
    heads: list[tuple[int, int, int, int]],
    entries: list[tuple[int, int]],
    index: int,
    fee: Fee,
    limit: int,
    row: int,
) -> None:
    """Put the entry of an index among the heads, if there is one that costs no more than the limit."""
    if index < len(entries):
        best, place = entries[index]
        cost = best + fee.at(best)
        if cost <= limit:
            heappush(heads, (cost, place, index, row))


def prices_of(terms: PairTerms, pricing: PairPricing) -> tuple[int, int, int] | None:
    """Return what the seller gets, what the buyer pays in all, and the fee in it, in micro-dollars per kWh.

    With k pricing the seller gets `k` of the way from its limit to the most that the buyer's limit leaves
    it; with own prices each has its own limit, and the operator keeps what is between.

    Returns:
        None if the limits leave no room.
    """
    ask_limit, bid_limit, fee = terms.ask_limit, terms.bid_limit, terms.fee
    cost = ask_limit + fee.at(ask_limit)
    if cost > bid_limit or (pricing.equal and cost != bid_limit):
        return None
    if pricing.k is None:
        return ask_limit, bid_limit, fee.at(ask_limit)
    gets = between(ask_limit, fee.most(bid_limit), pricing.k)
    charged = fee.at(gets)
    return gets, gets + charged, charged


def residuals(matches: Sequence[Match]) -> dict[str, Order | None]:
    """Return what is left of each order that met: order id -> the order with that quantity, None if nothing.

    What may be traded under a requirement becomes less as well; one with nothing left stays, and cannot be met.
    """
    orders: dict[str, Order] = {}
    traded: dict[str, int] = {}
    used: dict[tuple[str, int], int] = {}
    for match in matches:
        sets = (match.bid_set, match.ask_set) if isinstance(match, PairMatch) else (0, 0)
        for order, number in zip((match.bid, match.ask), sets, strict=True):
            order_id = order.order_id
            orders[order_id] = order
            traded[order_id] = traded.get(order_id, 0) + match.quantity
            used[order_id, number] = used.get((order_id, number), 0) + match.quantity
    return {
        order_id: _residual(order, order.quantity - traded[order_id], used)
        for order_id, order in orders.items()
    }


def _residual(order: Order, quantity: int, used: dict[tuple[str, int], int]) -> Order | None:
    if not quantity:
        return None
    if not order.requirements:
        return msgspec.structs.replace(order, quantity=quantity)
    requirements = tuple(
        one
        if one.energy is None
        else msgspec.structs.replace(one, energy=one.energy - used.get((order.order_id, number), 0))
        for number, one in enumerate(order.requirements)
    )
    return msgspec.structs.replace(order, quantity=quantity, requirements=requirements)
