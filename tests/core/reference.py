"""The rules of the market once more: slow, written from their description alone.

Energy moves Wh by Wh, so that no clever step can hide a fault.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any
from zlib import crc32

from trex_market.core.messages import Contract, MeterReading, Order, Requirement

Ledger = Counter[tuple[Any, ...]]


# ---------------------------------------------------------------- who comes first


def scrambled(value: int) -> int:
    """Two xor-shift-multiply rounds and a final shift, on 64 bits, without an increment."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = (value ^ value >> shift) * factor % 2**64
    return value ^ value >> 31


def drawn_lot(slot_start: int, participant_id: str) -> int:
    """A participant's lot for a slot."""
    return scrambled((slot_start + crc32(participant_id.encode()) * 0x9E3779B97F4A7C15) % 2**64)


def queue(orders: Iterable[Order], slot_start: int) -> tuple[list[Order], list[Order]]:
    """Bids from the highest price, asks from the lowest; among equals time, lot, id, own order."""

    def key(order: Order) -> tuple[int, int, int, str, int]:
        price = -order.price if order.side == "bid" else order.price
        lot = drawn_lot(slot_start, order.participant_id)
        return price, order.time, lot, order.participant_id, order.sequence

    ordered = sorted(orders, key=key)
    return [o for o in ordered if o.side == "bid"], [o for o in ordered if o.side == "ask"]


# ---------------------------------------------------------------- pairs


def pairs(
    bids: Sequence[Order], asks: Sequence[Order], fits: Callable[[Order, Order], bool]
) -> list[tuple[str, str]]:
    """Each bid goes through the asks in order and takes what it can: (bid id, ask id) for each Wh."""
    left = {ask.order_id: ask.quantity for ask in asks}
    met = []
    for bid in bids:
        for _ in range(bid.quantity):
            for ask in asks:
                stranger = ask.participant_id != bid.participant_id
                if left[ask.order_id] and stranger and fits(bid, ask):
                    left[ask.order_id] -= 1
                    met.append((bid.order_id, ask.order_id))
                    break
    return met


# ---------------------------------------------------------------- pairs on terms of their own


def meetings(
    bids: Sequence[Order],
    asks: Sequence[Order],
    fee: Callable[[Order, Order], tuple[int, int]],
    k: Fraction | None,
    *,
    equal: bool,
) -> list[tuple[str, str, int, int, int]]:
    """Go through all ways in which two orders could meet, for each Wh anew.

    Args:
        bids: by priority.
        asks: by priority.
        fee: of a pair: micro-dollars per kWh, millionths of what the seller gets.
        k: where the price lies; None if each has its own.
        equal: whether only equal prices meet.

    Returns:
        bid id, ask id, what the seller gets, what the buyer pays, the fee in that; for each Wh.
    """
    anything = Requirement()
    left = {one.order_id: one.quantity for one in (*bids, *asks)}
    allowed = {
        (one.order_id, number): left[one.order_id] if each.energy is None else each.energy
        for one in (*bids, *asks)
        for number, each in enumerate(one.requirements or (anything,))
    }
    made = []

    def limits(one: Order) -> list[int]:
        return [one.price if each.price is None else each.price for each in one.requirements or (anything,)]

    def charged(pair: tuple[Order, Order], gets: int) -> int:
        amount, share = fee(*pair)
        return amount + round(Fraction(share * gets, 10**6))

    def suits(each: Requirement, other: Order) -> bool:
        named = {other.source} | ({other.attributes.energy_type} if other.attributes else set())
        return (not each.trading_partners or other.participant_id in each.trading_partners) and (
            not each.energy_type or bool(named & set(each.energy_type))
        )

    def price(pair: tuple[Order, Order], most: int, least: int) -> tuple[int, int, int] | None:
        cost = least + charged(pair, least)
        if cost > most or (equal and cost < most):
            return None
        if k is None:
            return least, most, cost - least
        highest = max(gets for gets in range(least, most + 1) if gets + charged(pair, gets) <= most)
        gets = round(least * (1 - k) + highest * k)
        return gets, gets + charged(pair, gets), charged(pair, gets)

    def first_way(bid: Order) -> tuple[Any, ...] | None:
        ways = [
            (min(limits(ask)) + charged((bid, ask), min(limits(ask))), place, ours, theirs)
            for place, ask in enumerate(asks)
            for ours, mine in enumerate(bid.requirements or (anything,))
            for theirs, other in enumerate(ask.requirements or (anything,))
            if ask.participant_id != bid.participant_id and suits(mine, ask) and suits(other, bid)
        ]
        for _, place, ours, theirs in sorted(ways):
            ask = asks[place]
            paid = price((bid, ask), limits(bid)[ours], limits(ask)[theirs])
            free = left[ask.order_id] and allowed[bid.order_id, ours] and allowed[ask.order_id, theirs]
            if paid is not None and free:
                return ask.order_id, ours, theirs, paid
        return None

    for bid in sorted(bids, key=lambda one: -max(limits(one))):
        while left[bid.order_id] and (way := first_way(bid)):
            ask_id, ours, theirs, paid = way
            for order_id, number in ((bid.order_id, ours), (ask_id, theirs)):
                left[order_id] -= 1
                allowed[order_id, number] -= 1
            made.append((bid.order_id, ask_id, *paid))
    return made


# ---------------------------------------------------------------- one price


def largest_flow(supply: Mapping[str, int], demand: Mapping[str, int]) -> int:
    """Return how much can flow from sellers to buyers of another name (augmenting paths, Wh by Wh)."""
    sent: Counter[tuple[str, str]] = Counter()
    left_supply, left_demand = dict(supply), dict(demand)
    total = 0
    while True:
        path = _path(left_supply, left_demand, sent)
        if path is None:
            return total
        left_supply[path[0]] -= 1
        left_demand[path[-1]] -= 1
        for place in range(0, len(path) - 1, 2):
            sent[path[place], path[place + 1]] += 1
        for place in range(1, len(path) - 1, 2):
            sent[path[place + 1], path[place]] -= 1
        total += 1


def _path(
    supply: Mapping[str, int], demand: Mapping[str, int], sent: Mapping[tuple[str, str], int]
) -> list[str] | None:
    """Find seller, buyer, seller, ..., buyer along which one more Wh can flow."""
    waiting = deque([name] for name in sorted(supply) if supply[name])
    seen_sellers, seen_buyers = {path[0] for path in waiting}, set[str]()
    while waiting:
        path = waiting.popleft()
        for buyer in sorted(demand):
            if buyer == path[-1] or buyer in seen_buyers:
                continue
            seen_buyers.add(buyer)
            if demand[buyer]:
                return [*path, buyer]
            for seller in sorted(supply):
                if seller not in seen_sellers and sent.get((seller, buyer), 0):
                    seen_sellers.add(seller)
                    waiting.append([*path, buyer, seller])
    return None


def volume_at(bids: Iterable[Order], asks: Iterable[Order], price: int) -> int:
    """Return how much can trade at one price without self-trade."""
    demand: Counter[str] = Counter()
    supply: Counter[str] = Counter()
    for bid in bids:
        demand[bid.participant_id] += bid.quantity * (bid.price >= price)
    for ask in asks:
        supply[ask.participant_id] += ask.quantity * (ask.price <= price)
    return largest_flow(supply, demand)


def competitive_interval(bids: Iterable[Order], asks: Iterable[Order]) -> tuple[int, int, int]:
    """Return [max(s_k, b_k+1), min(b_k, s_k+1)] and k, unit by unit; k is 0 if nothing can trade."""
    values = sorted((bid.price for bid in bids for _ in range(bid.quantity)), reverse=True)
    costs = sorted(ask.price for ask in asks for _ in range(ask.quantity))
    k = sum(value >= cost for value, cost in zip(values, costs, strict=False))
    if not k:
        return 0, 0, 0
    low = max([costs[k - 1], *values[k : k + 1]])
    high = min([values[k - 1], *costs[k : k + 1]])
    return low, high, k


# ---------------------------------------------------------------- delivery


class Delivery:
    """One slot's delivery, step by step as described, one Wh at a time."""

    def __init__(
        self,
        contracts: Sequence[Contract],
        readings: Mapping[str, MeterReading],
        slot: tuple[int, int],
        sell_price: int,
        buy_price: int,
        dispatch: frozenset[str],
        shortfall: str,
    ) -> None:
        self.contracts = [c for c in contracts if c.energy_source in dispatch]
        self.contracts += [c for c in contracts if c.energy_source not in dispatch]
        self.readings = readings
        self.slot = slot
        self.sell_price, self.buy_price = sell_price, buy_price
        self.dispatch = dispatch
        self.shortfall = shortfall
        self.generation = {(p, s): wh for p, r in readings.items() for s, wh in r.generation.items()}
        self.need: Counter[str] = Counter()
        for name, meter in readings.items():
            for sources in meter.consumption.values():
                self.need[name] += sources.get("external", 0)
        self.flows: Counter[tuple[Any, ...]] = Counter()

    def ledger(self) -> Ledger:
        """Return Wh by all else that a row says, but for its id."""
        left = {contract.id: contract.quantity for contract in self.contracts}
        for contract in self.contracts:
            for source in self._sources(contract):
                while left[contract.id] and self._has(contract, source) and self.need[contract.buyer_id]:
                    left[contract.id] -= 1
                    self.generation[contract.seller_id, source] -= 1
                    self.need[contract.buyer_id] -= 1
                    self._contract_row("delivery", contract, source)
        compensated: Counter[str] = Counter()
        for contract in self.contracts:
            for _ in range(left[contract.id]):
                self._settle(contract, compensated)
        self._with_grid()
        return self.flows

    def _sources(self, contract: Contract) -> list[str]:
        own = contract.energy_source
        return [own] if own in self.dispatch else [own, "bess"]

    def _has(self, contract: Contract, source: str) -> bool:
        return self.generation.get((contract.seller_id, source), 0) > 0

    def _settle(self, contract: Contract, compensated: Counter[str]) -> None:
        buyer = contract.buyer_id
        source = next((source for source in self._sources(contract) if self._has(contract, source)), None)
        if source is not None and self.need[buyer] == 0:
            self.generation[contract.seller_id, source] -= 1
            self._contract_row("take_or_pay", contract, source)
            price = min(0, self.sell_price)
            self._row("spill", contract.seller_id, "grid", source, price, price, contract_id=contract.id)
        elif source is None and self.need[buyer] > compensated[buyer]:
            compensated[buyer] += 1
            price = self.buy_price
            if self.shortfall == "replacement":
                price -= contract.settlement_price_buy
            price = -max(0, price)
            self._row("shortfall", contract.seller_id, buyer, "grid", price, price, contract_id=contract.id)

    def _with_grid(self) -> None:
        for name, meter in self.readings.items():
            for sources in meter.consumption.values():
                for source, wh in sources.items():
                    if source != "external" and source in meter.generation:
                        self._row("self_consumption", name, name, source, 0, 0, wh=wh)
            for source in meter.generation:
                wh = self.generation[name, source]
                self._row("feed_in", name, "grid", source, self.sell_price, self.sell_price, wh=wh)
            self._row("supply", "grid", name, "grid", self.buy_price, self.buy_price, wh=self.need[name])

    def _contract_row(self, kind: str, contract: Contract, source: str) -> None:
        self._row(
            kind,
            contract.seller_id,
            contract.buyer_id,
            source,
            contract.settlement_price_sell,
            contract.settlement_price_buy,
            contract_id=contract.id,
            purchase=contract.time_purchase,
        )

    def _row(
        self,
        kind: str,
        seller: str,
        buyer: str,
        source: str,
        price_sell: int,
        price_buy: int,
        *,
        wh: int = 1,
        contract_id: str | None = None,
        purchase: int | None = None,
    ) -> None:
        start, end = self.slot
        times = (start, end if purchase is None else purchase, end)
        if wh:
            self.flows[kind, contract_id, seller, buyer, source, price_sell, price_buy, *times] += wh
