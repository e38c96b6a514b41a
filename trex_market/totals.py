"""Totals of a run, added up from its transactions as they come. Exact: Wh and nano-dollars."""

from __future__ import annotations

from collections.abc import Iterable

from trex_market.core.messages import (
    BATTERY,
    GRID,
    OTHER,
    Corrected,
    Delivered,
    Event,
    MeterAccepted,
    MeterReading,
    Transaction,
)


class PartyTotals:
    """What one participant traded, used and paid. Energy in Wh, money in nano-dollars."""

    __slots__ = (
        "bill",
        "bought",
        "bought_cost",
        "compensated",
        "fed_in",
        "generated",
        "load",
        "self_consumed",
        "sold",
        "sold_income",
        "spilled",
        "supplied",
        "unused",
    )

    def __init__(self) -> None:
        self.load = 0
        """What its loads took, its battery apart; from the meter."""
        self.generated = 0
        """What it made, its battery apart; from the meter."""
        self.bought = 0
        self.bought_cost = 0
        self.sold = 0
        self.sold_income = 0
        self.supplied = 0
        self.fed_in = 0
        self.spilled = 0
        self.self_consumed = 0
        self.unused = 0
        self.compensated = 0
        self.bill = 0
        """What it paid, less what it got."""


class Totals:
    """Adds up the transactions of a run: one of the market's listeners."""

    def __init__(self) -> None:
        self.parties: dict[str, PartyTotals] = {}
        self.grid_income = 0
        """What the grid got, less what it paid, in nano-dollars."""
        self.operator_income = 0
        """What buyers paid and sellers did not get, in nano-dollars."""
        self.transactions = 0
        self.slots = 0
        self.estimated = 0
        self.last_price: int | None = None
        """Of the last energy traded between participants, micro-dollars per kWh."""

    def hear(self, events: Iterable[Event]) -> None:
        """Add what was metered and what was delivered."""
        for event in events:
            if type(event) is MeterAccepted:
                self._meter(self.party(event.participant_id), event.meter)
            elif type(event) is Delivered or type(event) is Corrected:
                if type(event) is Delivered:
                    self.slots += 1
                    self.estimated += len(event.estimated)
                self.transactions += len(event.transactions)
                for transaction in event.transactions:
                    self._add(transaction)

    def party(self, participant_id: str) -> PartyTotals:
        """Return a participant's totals, 0 at first."""
        totals = self.parties.get(participant_id)
        if totals is None:
            totals = self.parties[participant_id] = PartyTotals()
        return totals

    @property
    def balance(self) -> int:
        """Sum of the money of all parties, in nano-dollars; 0, always."""
        return self.grid_income + self.operator_income - sum(party.bill for party in self.parties.values())

    @staticmethod
    def _meter(party: PartyTotals, meter: MeterReading) -> None:
        for load, sources in meter.consumption.items():
            if load == OTHER:
                party.load += sum(sources.values())
            for source, quantity in sources.items():
                if quantity and source in meter.generation and source != BATTERY:
                    party.generated += quantity
        for source, quantity in meter.generation.items():
            if source != BATTERY:
                party.generated += quantity

    def _add(self, row: Transaction) -> None:
        kind, quantity = row.kind, row.quantity
        if kind == "self_consumption":
            self.party(row.seller_id).self_consumed += quantity
            return
        if row.amount is None:
            paid = quantity * (row.settlement_price_buy + row.fee_bid)
            received = quantity * (row.settlement_price_sell - row.fee_ask)
        else:
            paid = received = row.amount
        self.operator_income += paid - received
        self._move_money(row, paid, received)
        if kind == "delivery":
            buyer, seller = self.party(row.buyer_id), self.party(row.seller_id)
            buyer.bought += quantity
            buyer.bought_cost += paid
            seller.sold += quantity
            seller.sold_income += received
            self.last_price = row.settlement_price_buy
        elif kind == "supply":
            self.party(row.buyer_id).supplied += quantity
        elif kind == "feed_in":
            self.party(row.seller_id).fed_in += quantity
        elif kind == "spill":
            self.party(row.seller_id).spilled += quantity
        elif kind == "take_or_pay":
            self.party(row.buyer_id).unused += quantity
        elif kind == "shortfall":
            self.party(row.seller_id).compensated += quantity

    def _move_money(self, row: Transaction, paid: int, received: int) -> None:
        if row.buyer_id == GRID:
            self.grid_income -= paid
        else:
            self.party(row.buyer_id).bill += paid
        if row.seller_id == GRID:
            self.grid_income += received
        else:
            self.party(row.seller_id).bill -= received
