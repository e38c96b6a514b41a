"""Counts what happens in a market, for as long as its server lives; episodes do not begin them anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from trex_market.core.messages import (
    ChangeRejected,
    Contracted,
    Corrected,
    Delivered,
    Event,
    MeterAccepted,
    MeterRejected,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OrderReplaced,
    Paid,
    RoundStarted,
)
from trex_market.core.units import dollars_from_price


class Tally:
    """Counts; energy in Wh."""

    def __init__(self) -> None:
        self.events: Counter[type] = Counter()
        """Kind of event -> how often it came."""
        self.refused_orders: Counter[str] = Counter()
        """Code -> how many orders, cancellations and replacements."""
        self.refused_readings: Counter[str] = Counter()
        self.contracts = 0
        self.contracted = 0
        self.transactions = 0
        self.estimated = 0
        self.last_price: float | None = None
        """Of the contract made last, $/kWh."""

    def hear(self, events: Sequence[Event]) -> None:
        """Count events."""
        self.events.update([type(event) for event in events])
        for event in events:
            if type(event) is Contracted:
                self._contracted(event)
            elif type(event) is Delivered:
                self.transactions += len(event.transactions)
                self.estimated += len(event.estimated)
            elif type(event) is Corrected or type(event) is Paid:
                self.transactions += len(event.transactions)
            elif type(event) is OrderRejected or type(event) is ChangeRejected:
                self.refused_orders[event.code] += 1
            elif type(event) is MeterRejected:
                self.refused_readings[event.code] += 1

    def _contracted(self, event: Contracted) -> None:
        self.contracts += len(event.contracts)
        self.contracted += sum([contract.quantity for contract in event.contracts])
        if event.contracts:
            self.last_price = dollars_from_price(event.contracts[-1].settlement_price_buy)

    @property
    def rounds(self) -> int:
        """Rounds that were started."""
        return self.events[RoundStarted]

    @property
    def accepted_orders(self) -> int:
        """Orders that were accepted, replaced ones counted once."""
        return self.events[OrderAccepted]

    @property
    def replaced_orders(self) -> int:
        """Changes of open orders."""
        return self.events[OrderReplaced]

    @property
    def cancelled_orders(self) -> int:
        """Orders that were taken back."""
        return self.events[OrderCancelled]

    @property
    def readings(self) -> int:
        """Readings that were taken."""
        return self.events[MeterAccepted]

    @property
    def corrections(self) -> int:
        """Corrections of slots that had been delivered."""
        return self.events[Corrected]
