"""Slots to frames, one slot at a time: a run may be longer than the memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from trex_market.analysis.auctions import auction
from trex_market.analysis.frames import (
    AuctionFrame,
    BalanceFrame,
    BillFrame,
    ContractFrame,
    EnergyFrame,
    FlowFrame,
    PartyFrame,
    PriceFrame,
    RunFrames,
    TradeFrame,
)
from trex_market.analysis.slots import (
    SlotRecords,
    contracted_exchange,
    metered_exchange,
    net_bill,
    paid_and_received,
)
from trex_market.core.clearing.registry import Pools
from trex_market.core.delivery import external_need
from trex_market.core.messages import (
    BATTERY,
    EXTERNAL,
    GRID,
    Contract,
    Delivered,
    MeterAccepted,
    MeterReading,
    Transaction,
)
from trex_market.core.tariff import Tariff
from trex_market.totals import Totals

FLOW_TARGETS = {"delivery": "neighbours", "supply": "homes", "feed_in": "grid", "spill": "grid"}
"""Kind of transaction -> where its energy went."""


class Terms(msgspec.Struct, frozen=True):
    """What frames depend on besides the records.

    Args:
        step: length of a slot, in seconds.
        pools: whether orders meet by source or all together.
        flat: the tariff's base price; None if it has none.
        time_of_use: the tariff with its time of use; None if it has none.
    """

    step: int
    pools: Pools = "by_source"
    flat: Tariff | None = None
    time_of_use: Tariff | None = None


class FrameBuilder:
    """Adds slots to frames.

    Args:
        terms: see `Terms`.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.totals = Totals()
        """Of all slots so far."""
        self.energy = EnergyFrame(terms.step, *_empty(EnergyFrame))
        self.trade = TradeFrame(*_empty(TradeFrame))
        self._auction = AuctionFrame(*_empty(AuctionFrame))
        self._contracts = ContractFrame(*_empty(ContractFrame))
        self._balance = BalanceFrame(*_empty(BalanceFrame))
        self._prices: Counter[int] = Counter()
        self._flows: Counter[tuple[str, str]] = Counter()
        self._participants: set[str] = set()
        self._bills: dict[str, Counter[str] | None] = {
            "net_billing": Counter(),
            "flat": Counter() if terms.flat else None,
            "time_of_use": Counter() if terms.time_of_use else None,
        }
        self._has_orders = self._has_contracts = False
        self._orders_fit = True

    def hear(self, slot: SlotRecords) -> None:
        """Add a slot; slots come in order."""
        metered = metered_exchange(slot.transactions)
        self._participants |= slot.readings.keys() | {name for name in metered if name != GRID}
        self._add_totals(slot)
        self._add_energy(slot)
        self._add_flows(slot)
        self._add_trade(slot)
        self._add_auction(slot)
        self._add_contracts(slot, metered)
        self._add_balance(slot)
        self._add_bills(slot, metered)

    def frames(self, baseline: Mapping[str, int] | None = None) -> RunFrames:
        """Return the frames of all slots so far.

        Args:
            baseline: participant id -> bill in the baseline simulation, nano-dollars; None if there was none.
        """
        parties = party_frame(self.totals, self._participants)
        net_billing = self._bill_frame(parties, "net_billing")
        if baseline is not None:
            names = parties.participant_id
            net_billing = BillFrame(names, parties.bill, [baseline.get(name, 0) for name in names])
        prices = sorted(self._prices)
        ways = sorted(self._flows)
        return RunFrames(
            parties=parties,
            energy=self.energy,
            trade=self.trade,
            prices=PriceFrame(prices, [self._prices[price] for price in prices]),
            flows=FlowFrame(
                [origin for origin, _ in ways],
                [target for _, target in ways],
                [self._flows[way] for way in ways],
            ),
            auction=self._auction if self._has_orders and self._orders_fit else None,
            contracts=self._contracts if self._has_contracts or self._has_orders else None,
            balance=self._balance,
            net_billing=net_billing,
            flat=self._bill_frame(parties, "flat"),
            time_of_use=self._bill_frame(parties, "time_of_use"),
        )

    def _bill_frame(self, parties: PartyFrame, tariff: str) -> BillFrame | None:
        bills = self._bills[tariff]
        names = parties.participant_id
        return None if bills is None else BillFrame(names, parties.bill, [bills[name] for name in names])

    # ------------------------------------------------------------ slots

    def _add_totals(self, slot: SlotRecords) -> None:
        self.totals.hear([MeterAccepted(name, meter) for name, meter in slot.readings.items()])
        parties = {
            name for row in slot.transactions if row.estimated for name in (row.seller_id, row.buyer_id)
        }
        deemed = tuple(sorted(parties - slot.readings.keys() - {GRID}))
        self.totals.hear([Delivered(slot.start, slot.transactions, deemed)])

    def _add_energy(self, slot: SlotRecords) -> None:
        flows: Counter[str] = Counter()
        for row in slot.transactions:
            flows[row.kind] += row.quantity
        loads, made = _load_and_generation(slot.readings)
        _append(
            self.energy,
            start=slot.start,
            load=loads,
            generated=made,
            own_use=flows["self_consumption"],
            delivered=flows["delivery"],
            supplied=flows["supply"],
            fed_in=flows["feed_in"],
            spilled=flows["spill"],
        )

    def _add_flows(self, slot: SlotRecords) -> None:
        for meter in slot.readings.values():
            for consumer, sources in meter.consumption.items():
                target = "own battery" if consumer == BATTERY else "own use"
                for source, quantity in sources.items():
                    if source != EXTERNAL and source in meter.generation:
                        self._flows[source, target] += quantity
        for row in slot.transactions:
            target = FLOW_TARGETS.get(row.kind, "")
            if target:
                self._flows[row.energy_source, target] += row.quantity

    def _add_trade(self, slot: SlotRecords) -> None:
        quantity = paid = received = operator = 0
        for row in slot.transactions:
            row_paid, row_received = paid_and_received(row)
            operator += row_paid - row_received
            if row.kind == "delivery":
                quantity += row.quantity
                paid += row_paid
                received += row_received
                self._prices[row.settlement_price_buy] += row.quantity
        _append(
            self.trade,
            start=slot.start,
            quantity=quantity,
            paid=paid,
            received=received,
            operator=operator,
            sell_price=slot.prices and slot.prices.sell_price,
            buy_price=slot.prices and slot.prices.buy_price,
        )

    def _add_auction(self, slot: SlotRecords) -> None:
        if not slot.orders and not slot.contracts:
            return
        self._has_orders |= bool(slot.orders)
        found = auction(slot.orders, slot.contracts, slot.start, self._terms.pools)
        if found is None:
            self._orders_fit = False
        else:
            _append(self._auction, start=slot.start, **msgspec.structs.asdict(found))

    def _add_contracts(self, slot: SlotRecords, metered: Counter[str]) -> None:
        self._has_contracts |= bool(slot.contracts)
        contracted = contracted_exchange(slot.contracts)
        delivered = penalties = turnover = 0
        for row in slot.transactions:
            paid, _ = paid_and_received(row)
            if row.kind == "delivery":
                delivered += row.quantity
                turnover += paid
            elif row.kind == "take_or_pay":
                penalties += paid
                turnover += paid
            elif row.kind == "shortfall":
                penalties -= paid
        names = (metered.keys() | contracted.keys()) - {GRID}
        _append(
            self._contracts,
            start=slot.start,
            contracted=sum(contract.quantity for contract in slot.contracts),
            delivered=delivered,
            imbalance=sum(abs(metered[name] - contracted[name]) for name in names),
            penalties=penalties,
            turnover=turnover,
        )

    def _add_balance(self, slot: SlotRecords) -> None:
        _append(
            self._balance,
            start=slot.start,
            money=_money_left_over(slot.transactions, slot.contracts),
            energy=_energy_left_over(slot.readings, slot.transactions),
            overfilled=_overfilled(slot),
        )

    def _add_bills(self, slot: SlotRecords, metered: Counter[str]) -> None:
        flat, time_of_use = self._terms.flat, self._terms.time_of_use
        tariffs = {
            "net_billing": slot.prices,
            "flat": None if flat is None else flat.at(slot.start),
            "time_of_use": None if time_of_use is None else time_of_use.at(slot.start),
        }
        for name, prices in tariffs.items():
            bills = self._bills[name]
            if bills is None:
                continue
            if prices is None:
                if any(metered.values()):
                    self._bills[name] = None  # a slot whose prices are not known
                continue
            for participant_id, net in metered.items():
                bills[participant_id] += net_bill(net, prices)


def party_frame(totals: Totals, participants: set[str]) -> PartyFrame:
    """Return the totals of participants as a frame, in order of their ids.

    Args:
        totals: of a run.
        participants: ids of those who are to be in it; the others are parties such as a programme's.
    """
    names = sorted(participants)
    parties = [totals.party(name) for name in names]
    return PartyFrame(
        names,
        [party.load for party in parties],
        [party.generated for party in parties],
        [party.bought for party in parties],
        [party.bought_cost for party in parties],
        [party.sold for party in parties],
        [party.sold_income for party in parties],
        [party.supplied for party in parties],
        [party.fed_in for party in parties],
        [party.spilled for party in parties],
        [party.bill for party in parties],
    )


def _empty(frame: type[msgspec.Struct]) -> list[Any]:
    """Return an empty column for each of a frame's."""
    return [[] for name in frame.__struct_fields__ if name != "period"]


def _append(frame: msgspec.Struct, **row: Any) -> None:
    for name, value in row.items():
        getattr(frame, name).append(value)


def _load_and_generation(readings: Mapping[str, MeterReading]) -> tuple[int, int]:
    """Return what loads took and what was made, batteries apart, in Wh; as `Totals` counts it."""
    totals = Totals()
    totals.hear([MeterAccepted(name, meter) for name, meter in readings.items()])
    parties = totals.parties.values()
    return sum(party.load for party in parties), sum(party.generated for party in parties)


def _money_left_over(transactions: tuple[Transaction, ...], contracts: tuple[Contract, ...]) -> int:
    """Return the sum of all parties' money, in nano-dollars.

    What the operator keeps is taken from contracts and fees, not from what is missing.
    """
    margins = {
        contract.id: contract.settlement_price_buy - contract.settlement_price_sell for contract in contracts
    }
    left = 0
    for row in transactions:
        paid, received = paid_and_received(row)
        kept = 0 if row.amount is not None else row.quantity * (row.fee_bid + row.fee_ask)
        if row.kind in ("delivery", "take_or_pay"):
            own = row.settlement_price_buy - row.settlement_price_sell
            kept += row.quantity * margins.get(row.contract_id or "", own)
        left += received - paid + kept
    return left


def _energy_left_over(readings: Mapping[str, MeterReading], transactions: tuple[Transaction, ...]) -> int:
    """Return how far the ledger is from the meters, in Wh; participants with a reading count."""
    given: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for row in transactions:
        if row.kind in ("delivery", "spill", "feed_in"):
            given[row.seller_id] += row.quantity
        if row.kind in ("delivery", "supply"):
            taken[row.buyer_id] += row.quantity
    return sum(
        abs(sum(meter.generation.values()) - given[name]) + abs(external_need(meter) - taken[name])
        for name, meter in readings.items()
    )


def _overfilled(slot: SlotRecords) -> int:
    filled: Counter[str] = Counter()
    for contract in slot.contracts:
        filled[contract.bid_id] += contract.quantity
        filled[contract.ask_id] += contract.quantity
    return sum(max(0, filled[order.order_id] - order.quantity) for order in slot.orders)
