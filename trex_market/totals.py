"""Totals of a run or of its days, added up from transactions as they come. Exact: Wh and nano-dollars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from trex_market.core.messages import (
    BATTERY,
    GRID,
    OTHER,
    Delivered,
    Event,
    MeterAccepted,
    MeterReading,
    Transaction,
    Written,
)

DAILY_ENERGY = ("load", "generated", "bought", "sold", "supplied", "fed_in", "spilled", "self_consumed")
DAILY_MONEY = ("bought_cost", "sold_income", "bill")
"""What is kept of a participant's day at the level `participant`: figures in Wh, and figures in $."""


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
            elif isinstance(event, Written):
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

    def state(self) -> dict[str, dict[str, int]]:
        """Return the parties and their figures, to go on from later."""
        return {
            name: {figure: getattr(party, figure) for figure in PartyTotals.__slots__}
            for name, party in self.parties.items()
        }

    def resume(self, state: Mapping[str, Mapping[str, int]]) -> None:
        """Go on from parties and figures that `state` returned."""
        for name, figures in state.items():
            party = self.party(name)
            for figure in PartyTotals.__slots__:
                setattr(party, figure, figures.get(figure, 0))

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


class DailyTotals:
    """Adds up the last local days, each for itself: one of the market's listeners.

    Args:
        timezone: whose days count, an IANA name.
        days: so many are kept.
    """

    def __init__(self, timezone: str, days: int) -> None:
        self._zone = ZoneInfo(timezone)
        self._kept = days
        self._days: dict[int, Totals] = {}
        self._last = (0, 0)

    def hear(self, events: Iterable[Event]) -> None:
        """Add what was metered and delivered to the days that it belongs to; days long gone are passed over."""
        for event in events:
            if type(event) is MeterAccepted:
                totals = self._day_of(event.meter.slot_start)
            elif isinstance(event, Written):
                totals = self._day_of(event.slot_start)
            else:
                continue
            if totals is not None:
                totals.hear((event,))

    def last_days(self, time: int) -> list[tuple[int, Totals | None]]:
        """Return the day of a moment and those before, newest first: each day's start, and what it came to.

        Args:
            time: UNIX seconds.
        """
        days = []
        for _ in range(self._kept):
            start, _ = local_day(time, self._zone)
            days.append((start, self._days.get(start)))
            time = start - 1
        return days

    def _day_of(self, time: int) -> Totals | None:
        if not self._last[0] <= time < self._last[1]:
            self._last = local_day(time, self._zone)
        start = self._last[0]
        if start not in self._days:
            if len(self._days) >= self._kept:
                oldest = min(self._days)
                if start < oldest:
                    return None
                del self._days[oldest]
            self._days[start] = Totals()
        return self._days[start]

    def state(self) -> dict[int, dict[str, dict[str, int]]]:
        """Return the days, each with its parties and their figures, to go on from later."""
        return {start: totals.state() for start, totals in self._days.items()}

    def resume(self, state: Mapping[int, Mapping[str, Mapping[str, int]]]) -> None:
        """Go on from the days that `state` returned."""
        for start, parties in state.items():
            self._days[start] = Totals()
            self._days[start].resume(parties)


def local_day(time: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return the start of the local day of a moment, and its end; days of 23 and 25 hours included.

    Args:
        time: UNIX seconds.
        zone: whose days count.
    """
    midnight = datetime.fromtimestamp(time, zone).replace(hour=0, minute=0, second=0, fold=0)
    return int(midnight.timestamp()), int((midnight + timedelta(days=1)).timestamp())
