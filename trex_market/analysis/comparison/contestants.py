"""Rules that can be compared: a recorded slot to what everybody would have paid under them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from trex_market.analysis.sharing import SHARING, Sharing
from trex_market.analysis.slots import SlotRecords, metered_exchange, net_bill, paid_and_received
from trex_market.analysis.terms import pools_of
from trex_market.core.clearing import RULES, Rule, RuleOptions, make_rule
from trex_market.core.clearing.registry import Pools
from trex_market.core.clearing.slot import clear_slot
from trex_market.core.clearing.slot import pools_of as pool_names
from trex_market.core.delivery import DeliveryTerms, deemed_reading, deliver
from trex_market.core.errors import InputError, unknown_name
from trex_market.core.messages import GRID, Contract, MeterReading, OpenMarket, Transaction
from trex_market.core.tariff import GridPrices

Kind = Literal["auction", "sharing"]


class Outcome(msgspec.Struct, frozen=True):
    """What a slot would have come to. Energy in Wh, money in nano-dollars.

    Args:
        local: what went from one participant to another.
        gains: value less cost of what was contracted, orders' prices taken for them; 0 without orders.
        taken: what participants took, from wherever.
        paid: for that and for contracts that were not kept.
        given: what participants gave, to whomever.
        received: for that.
        operator: what was paid and not received.
        bills: participant id -> what it paid, less what it got.
    """

    local: int
    gains: int
    taken: int
    paid: int
    given: int
    received: int
    operator: int
    bills: Mapping[str, int]


class Contestant(Protocol):
    """A rule that can be compared."""

    name: str
    kind: Kind
    pools: Pools | None

    def settle(self, slot: SlotRecords, prices: GridPrices) -> Outcome:
        """Return what a slot would have come to.

        Args:
            slot: as it was recorded.
            prices: the grid's.
        """


def make_contestants(names: Iterable[str], opened: OpenMarket) -> list[Contestant]:
    """Find rules by name, each once.

    Args:
        names: of clearing rules and sharing rules.
        opened: the command that opened the recorded market, for all else that rules depend on.

    Raises:
        InputError: if there is no such rule, or fewer than two are named.
    """
    check_names(names := list(dict.fromkeys(names)))
    check_market(opened)
    return [
        SharingContestant(name, SHARING[name]) if name in SHARING else AuctionContestant(name, opened)
        for name in names
    ]


def check_market(opened: OpenMarket) -> None:
    """Check that a market's orders can be cleared again.

    Raises:
        InputError: if they cannot.
    """
    if opened.areas:
        raise InputError("a market with areas cannot be compared: recorded orders do not say who was where")


def check_names(names: Sequence[str]) -> None:
    """Check that rules can be compared.

    Raises:
        InputError: if there is no such rule, or fewer than two are named.
    """
    known = [*RULES, *SHARING]
    for name in names:
        if name not in known:
            raise InputError(unknown_name("rule", name, known))
    if len(set(names)) < 2:
        raise InputError(
            f"a comparison needs two rules at least, found {len(set(names))}; there are: {', '.join(known)}"
        )


class AuctionContestant:
    """A clearing rule, with delivery against the recorded readings.

    Args:
        name: of the rule.
        opened: the command that opened the recorded market. If that had a single pool, in which bids need
            not name a source, so has every rule; else each rule has its own pools.
    """

    kind: Kind = "auction"

    def __init__(self, name: str, opened: OpenMarket) -> None:
        self.name = name
        usual = RuleOptions()
        options = RuleOptions(usual.k if opened.k is None else opened.k, opened.price_floor, opened.price_cap)
        recorded = pools_of(opened)
        self._rule: Rule = make_rule(
            name, options, opened.pools or ("single" if recorded == "single" else None)
        )
        self.pools: Pools | None = self._rule.pools
        self._pool_names = pool_names(self._rule, opened.sources)
        self._step = opened.step
        self._terms = DeliveryTerms(opened.sources, opened.shortfall)

    def settle(self, slot: SlotRecords, prices: GridPrices) -> Outcome:
        """Clear the slot's orders and deliver the contracts."""
        times = (slot.start, slot.start + self._step)
        contracts = clear_slot(self._rule, self._pool_names, list(slot.orders), times, slot.start)
        readings = _with_deemed(slot.readings, contracts, times)
        transactions = deliver(contracts, readings, prices, self._terms, times)
        limits = {order.order_id: order.price for order in slot.orders}
        gains = sum(one.quantity * (limits[one.bid_id] - limits[one.ask_id]) for one in contracts)
        return _outcome(gains, transactions)


def _with_deemed(
    readings: Mapping[str, MeterReading], contracts: Sequence[Contract], times: tuple[int, int]
) -> dict[str, MeterReading]:
    parties = {one.seller_id for one in contracts} | {one.buyer_id for one in contracts}
    silent = sorted(parties - readings.keys())
    return {**readings, **{name: deemed_reading(name, contracts, *times) for name in silent}}


def _outcome(gains: int, transactions: Iterable[Transaction]) -> Outcome:
    sums: Counter[str] = Counter()
    bills: Counter[str] = Counter()
    for row in transactions:
        row_paid, row_received = paid_and_received(row)
        sums["operator"] += row_paid - row_received
        if row.kind == "delivery":
            sums["local"] += row.quantity
        if row.buyer_id != GRID:
            bills[row.buyer_id] += row_paid
            sums["paid"] += row_paid
            sums["taken"] += row.quantity if row.kind in ("delivery", "supply") else 0
        if row.seller_id != GRID:
            bills[row.seller_id] -= row_received
            sums["received"] += row_received
            sums["given"] += row.quantity if row.kind in ("delivery", "feed_in", "spill") else 0
    return Outcome(
        sums["local"],
        gains,
        sums["taken"],
        sums["paid"],
        sums["given"],
        sums["received"],
        sums["operator"],
        bills,
    )


class SharingContestant:
    """A sharing rule, over what each participant took and gave in the slot.

    Args:
        name: of the rule.
        share: the rule.
    """

    kind: Kind = "sharing"
    pools: Pools | None = None

    def __init__(self, name: str, share: Sharing) -> None:
        self.name = name
        self._share = share

    def settle(self, slot: SlotRecords, prices: GridPrices) -> Outcome:
        """Let everybody pay and get the rule's prices; the community settles with the grid as one."""
        exchange = metered_exchange(slot.transactions)
        del exchange[GRID]
        demand = sum(net for net in exchange.values() if net > 0)
        supply = -sum(net for net in exchange.values() if net < 0)
        shared = self._share(demand, supply, prices)
        bills = {name: net_bill(net, shared) for name, net in exchange.items()}
        local = 0 if self.name == "net_billing" else min(demand, supply)
        with_grid = net_bill(demand - local, prices) + net_bill(local - supply, prices)
        return Outcome(
            local,
            0,
            demand,
            demand * shared.buy_price,
            supply,
            supply * shared.sell_price,
            sum(bills.values()) - with_grid,
            bills,
        )
