"""Slots from the clearing of their contracts until nothing about them can change any more.

In a simulation a slot is delivered when its round ends. On the wall clock it is
delivered `meter_grace_s` after its end; a reading that is missing then is deemed
equal to the participant's contracts and its rows are marked `estimated`. A true
reading that comes within `reconciliation_window_s` makes reversing rows and
corrected ones: history is never rewritten. Where none comes, the slot is corrected
once more with no generation, and as need the larger of what was bought and the
participant's highest need in that hour of the day over 28 days: silence never pays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from trex_market.core.admission import Refusal
from trex_market.core.delivery import DeliveryTerms, deemed_reading, deliver, external_need
from trex_market.core.errors import RefusalCode
from trex_market.core.messages import (
    EXTERNAL,
    OTHER,
    Contract,
    Corrected,
    Delivered,
    Event,
    MeterAccepted,
    MeterReading,
    OpenMarket,
    Transaction,
)
from trex_market.core.state import Needs, SettlementState, SlotState
from trex_market.core.tariff import Tariff
from trex_market.core.units import MAX_QUANTITY

DAY = 86_400
MEMORY_DAYS = 28
"""How long needs are remembered for those whose meters stay silent."""


class Settlement:
    """Delivers slots, and corrects them.

    Args:
        terms: the market's.
        tariff: the grid's prices.
    """

    def __init__(self, terms: OpenMarket, tariff: Tariff) -> None:
        self._terms = terms
        self._tariff = tariff
        self._delivery_terms = DeliveryTerms(terms.sources, terms.shortfall)
        self._realtime = terms.mode == "realtime"
        self._due: dict[int, _Slot] = {}
        self._delivered: dict[int, _Slot] = {}
        self._delivered_until: int | None = None
        self._needs = _Needs(terms.timezone)

    def add_contracts(self, slot_start: int, contracts: tuple[Contract, ...]) -> None:
        """Keep what a slot's clearing made, besides what was made before."""
        self._slot(slot_start).contracts += contracts

    def contracts_for(self, slot_start: int) -> tuple[Contract, ...]:
        """Return the contracts for a slot, as long as it is not delivered."""
        slot = self._due.get(slot_start)
        return () if slot is None else slot.contracts

    def contracts_of(self, participant_id: str) -> list[Contract]:
        """Return a participant's contracts for slots that are not delivered yet, in order of slots."""
        return [
            contract
            for start in sorted(self._due)
            for contract in self._due[start].contracts
            if participant_id in (contract.seller_id, contract.buyer_id)
        ]

    def state(self) -> SettlementState:
        """Return all that is known."""
        return SettlementState(
            due=[slot.state() for slot in self._due.values()],
            delivered=[slot.state() for slot in self._delivered.values()],
            delivered_until=self._delivered_until,
            needs=self._needs.state(),
        )

    def restore(self, state: SettlementState) -> None:
        """Go on from a state."""
        self._due = {one.start: _Slot.restored(one) for one in state.due}
        self._delivered = {one.start: _Slot.restored(one) for one in state.delivered}
        self._delivered_until = state.delivered_until
        self._needs.restore(state.needs)

    def _slot(self, slot_start: int) -> _Slot:
        slot = self._due.get(slot_start)
        if slot is None:
            slot = self._due[slot_start] = _Slot(slot_start, slot_start + self._terms.step)
        return slot

    # ------------------------------------------------------------ readings

    def refusal(
        self, participant_id: str, meter: MeterReading, current: int | None, time: int
    ) -> Refusal | None:
        """Say why a reading is refused, or None if it is not.

        Args:
            participant_id: whose it is.
            meter: the reading.
            current: start of the running slot; None between rounds.
            time: now.
        """
        found = f"({meter.slot_start}, {meter.slot_end})"
        step = self._terms.step
        if meter.slot_end - meter.slot_start != step or meter.slot_start % step:
            return RefusalCode.BAD_SLOT, f"{found} is not a slot of {step} s that starts at a multiple of it"
        if self._realtime:
            refusal = self._timing_refusal(participant_id, meter, time)
        elif meter.slot_start != current:
            refusal = RefusalCode.BAD_SLOT, f"a reading is due for the running slot, {current}; found {found}"
        else:
            refusal = None
        return refusal or _amount_refusal(meter)

    def _timing_refusal(self, participant_id: str, meter: MeterReading, time: int) -> Refusal | None:
        start, end = meter.slot_start, meter.slot_end
        if end > time:
            return RefusalCode.BAD_SLOT, f"slot {start} is not over yet"
        delivered = self._delivered.get(start)
        if delivered is not None:
            if participant_id in delivered.deemed:
                return None
            return RefusalCode.BAD_SLOT, f"slot {start} was delivered with a reading of {participant_id!r}"
        if self._delivered_until is not None and start <= self._delivered_until:
            return RefusalCode.BAD_SLOT, f"slot {start} was delivered, and cannot be corrected any more"
        return None

    def report(self, participant_id: str, meter: MeterReading) -> list[Event]:
        """Take a reading that is not refused; a late one corrects its slot."""
        start = meter.slot_start
        accepted: Event = MeterAccepted(participant_id, meter)
        if self._realtime:
            self._needs.note(participant_id, start, external_need(meter))
        slot = self._delivered.get(start)
        if slot is None:
            self._slot(start).readings[participant_id] = meter
            return [accepted]
        del slot.deemed[participant_id]
        slot.readings[participant_id] = meter
        if not slot.deemed:
            del self._delivered[start]
        return [accepted, *self._correct(slot)]

    # ------------------------------------------------------------ delivery

    def deliver_before(self, time: int, members: Collection[str]) -> list[Event]:
        """Deliver, in order, each slot that starts before a moment and has contracts or readings."""
        return [self._deliver(start, members) for start in sorted(self._due) if start < time]

    def advance(self, time: int, members: Collection[str]) -> list[Event]:
        """Do what is due on the wall clock at a moment: deliver slots, and close windows."""
        step, terms = self._terms.step, self._terms
        events = self.deliver_before(time - step - terms.meter_grace_s + 1, members)
        for start in sorted(self._delivered):
            if start + step + terms.reconciliation_window_s <= time:
                events += self._close(self._delivered.pop(start))
        return events

    def _deliver(self, slot_start: int, members: Collection[str]) -> Delivered:
        slot = self._due.pop(slot_start)
        silent = slot.parties() - slot.readings.keys()
        if self._realtime:
            silent |= set(members) - slot.readings.keys()
            self._delivered_until = max(slot_start, self._delivered_until or slot_start)
        for participant_id in silent:
            slot.deemed[participant_id] = deemed_reading(participant_id, slot.contracts, slot.start, slot.end)
        rows = self._rows(slot)
        if self._realtime and slot.deemed:
            slot.rows = list(rows)
            slot.numbered = len(rows)
            self._delivered[slot_start] = slot
        return Delivered(slot_start, rows, tuple(sorted(slot.deemed)))

    def _rows(self, slot: _Slot) -> tuple[Transaction, ...]:
        readings = {**slot.readings, **slot.deemed} if slot.deemed else slot.readings
        prices = self._tariff.at(slot.start)
        interval = (slot.start, slot.end)
        return deliver(slot.contracts, readings, prices, self._delivery_terms, interval, slot.deemed.keys())

    # ------------------------------------------------------------ correction

    def _close(self, slot: _Slot) -> Iterator[Event]:
        """Correct a slot for those who stayed silent to the end of the window."""
        for participant_id, deemed in slot.deemed.items():
            need = max(external_need(deemed), self._needs.highest(participant_id, slot.start))
            slot.deemed[participant_id] = MeterReading(slot.start, slot.end, {}, {OTHER: {EXTERNAL: need}})
        return self._correct(slot)

    def _correct(self, slot: _Slot) -> Iterator[Event]:
        """Reverse the rows that no longer hold, and write those that hold now."""
        now = self._rows(slot)
        wanted = Counter(map(_content, now))
        kept: list[Transaction] = []
        written: list[Transaction] = []
        for row in slot.rows:
            if wanted[_content(row)]:
                wanted[_content(row)] -= 1
                kept.append(row)
            else:
                reversed_row = msgspec.structs.replace(row, quantity=-row.quantity, reverses=row.id)
                written.append(slot.number(reversed_row))
        for row in now:
            if wanted[_content(row)]:
                wanted[_content(row)] -= 1
                numbered = slot.number(row)
                written.append(numbered)
                kept.append(numbered)
        slot.rows = kept
        if written:
            yield Corrected(slot.start, tuple(written))


class _Slot:
    """What is known of a slot.

    `readings` are true ones, `deemed` stand in for those that are missing, `rows` are those in force.
    """

    __slots__ = ("contracts", "deemed", "end", "numbered", "readings", "rows", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.contracts: tuple[Contract, ...] = ()
        self.readings: dict[str, MeterReading] = {}
        self.deemed: dict[str, MeterReading] = {}
        self.rows: list[Transaction] = []
        self.numbered = 0

    @classmethod
    def restored(cls, state: SlotState) -> _Slot:
        """Return the slot that a state was taken of."""
        slot = cls(state.start, state.end)
        slot.contracts = state.contracts
        slot.readings = dict(state.readings)
        slot.deemed = dict(state.deemed)
        slot.rows = list(state.rows)
        slot.numbered = state.numbered
        return slot

    def state(self) -> SlotState:
        """Return all that is known of it."""
        return SlotState(
            self.start,
            self.end,
            self.contracts,
            dict(self.readings),
            dict(self.deemed),
            list(self.rows),
            self.numbered,
        )

    def parties(self) -> set[str]:
        """Return who has a contract."""
        sellers = {contract.seller_id for contract in self.contracts}
        return sellers | {contract.buyer_id for contract in self.contracts}

    def number(self, row: Transaction) -> Transaction:
        """Return a row with the slot's next id."""
        row_id = f"t{self.start}-{self.numbered:05d}"
        self.numbered += 1
        return msgspec.structs.replace(row, id=row_id)


class _Needs:
    """Each participant's highest need by hour of the day, over the last 28 days."""

    def __init__(self, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)
        self._highest: Needs = {}

    def note(self, participant_id: str, slot_start: int, need: int) -> None:
        """Remember a need (Wh) that was metered."""
        hour, day = self._hour(slot_start), slot_start // DAY
        days = self._highest.setdefault(participant_id, {}).setdefault(hour, {})
        days[day] = max(need, days.get(day, 0))
        for old in [one for one in days if one < day - MEMORY_DAYS]:
            del days[old]

    def highest(self, participant_id: str, slot_start: int) -> int:
        """Return the highest need (Wh) in the hour of a slot, over the 28 days before it."""
        day = slot_start // DAY
        days = self._highest.get(participant_id, {}).get(self._hour(slot_start), {})
        return max((need for one, need in days.items() if day - MEMORY_DAYS <= one <= day), default=0)

    def state(self) -> Needs:
        """Return all needs."""
        return {
            name: {hour: dict(days) for hour, days in hours.items()} for name, hours in self._highest.items()
        }

    def restore(self, needs: Needs) -> None:
        """Go on from these needs."""
        self._highest = {
            name: {hour: dict(days) for hour, days in hours.items()} for name, hours in needs.items()
        }

    def _hour(self, time: int) -> int:
        return datetime.fromtimestamp(time, self._zone).hour


def _content(row: Transaction) -> tuple[object, ...]:
    """Return what a row says, apart from its id and from how sure it is."""
    return (
        row.kind,
        row.contract_id,
        row.quantity,
        row.seller_id,
        row.buyer_id,
        row.energy_source,
        row.settlement_price_sell,
        row.settlement_price_buy,
        row.fee_ask,
        row.fee_bid,
    )


def _amount_refusal(meter: MeterReading) -> Refusal | None:
    groups: Iterable[Mapping[str, int]] = (meter.generation, *meter.consumption.values())
    for sources in groups:
        for quantity in sources.values():
            if type(quantity) is not int or not 0 <= quantity <= MAX_QUANTITY:
                found = f"a reading must be a whole number from 0 to {MAX_QUANTITY} Wh, found {quantity}"
                return RefusalCode.BAD_QUANTITY, found
    return None
