"""Delivery: the contracts of a slot meet its meter readings, and transactions come of it.

1. `delivery`: what the seller generated and the buyer needed, at the contract's prices and fees; from the
   contract's own source, then (non-dispatch contracts) from the seller's battery.
2. Of what is left of each contract:
   `take_or_pay` where the seller has the energy and the buyer has no use for it: the buyer pays (fees
   as well), and the energy goes to the grid as `spill`;
   `shortfall` where the buyer needs it and the seller has none: the seller compensates the buyer, once
   per Wh of need. What neither had nor needed is void.
3. `self_consumption`, then `feed_in` of all generation left and `supply` of all need left.

Exact for each slot: each participant's generation = its delivery + spill + feed_in as seller; its
external consumption = its delivery + supply as buyer; the money of all parties sums to 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from trex_market.core.messages import (
    BATTERY,
    EXTERNAL,
    GRID,
    OTHER,
    Contract,
    MeterReading,
    Transaction,
    TransactionKind,
)
from trex_market.core.tariff import GridPrices

Shortfall = Literal["penalty", "replacement"]


class DeliveryTerms(msgspec.Struct, frozen=True):
    """What delivery depends on besides contracts and readings.

    Args:
        sources: source -> whether it can be dispatched.
        shortfall: "penalty" (the seller owes the grid's whole price) or "replacement" (what the energy
            costs above the contract's price).
    """

    sources: Mapping[str, bool]
    shortfall: Shortfall = "penalty"


def deemed_reading(
    participant_id: str, contracts: Iterable[Contract], slot_start: int, slot_end: int
) -> MeterReading:
    """Make the reading of a participant whose meter is silent: exactly what its contracts say."""
    generation: dict[str, int] = {}
    need = 0
    for contract in contracts:
        if contract.seller_id == participant_id:
            source = contract.energy_source
            generation[source] = generation.get(source, 0) + contract.quantity
        if contract.buyer_id == participant_id:
            need += contract.quantity
    return MeterReading(slot_start, slot_end, generation, {OTHER: {EXTERNAL: need}})


def external_need(reading: MeterReading) -> int:
    """Return what a participant took from outside, in Wh."""
    return sum([sources.get(EXTERNAL, 0) for sources in reading.consumption.values()])


def deliver(
    contracts: Sequence[Contract],
    readings: Mapping[str, MeterReading],
    prices: GridPrices,
    terms: DeliveryTerms,
    slot: tuple[int, int],
    estimated: Collection[str] = (),
) -> tuple[Transaction, ...]:
    """Deliver a slot.

    Args:
        contracts: of the slot, as numbered.
        readings: participant id -> reading; of every party to a contract at least.
        prices: the grid's, in the slot.
        terms: the market's.
        slot: start and end.
        estimated: ids of participants whose readings were deemed.
    """
    ledger = _Ledger(readings, slot, estimated)
    ordered = sorted(contracts, key=lambda contract: not terms.sources[contract.energy_source])
    unsettled = _deliver_contracts(ledger, ordered, terms)
    _settle_rest(ledger, unsettled, prices, terms)
    _settle_with_grid(ledger, readings, prices)
    return tuple(ledger.rows)


class _Ledger:
    """The energy of a slot that is not accounted for yet, and the rows that account for the rest."""

    def __init__(
        self, readings: Mapping[str, MeterReading], slot: tuple[int, int], estimated: Collection[str]
    ) -> None:
        self.generation = {name: dict(reading.generation) for name, reading in readings.items()}
        self.need = {name: external_need(reading) for name, reading in readings.items()}
        self.rows: list[Transaction] = []
        self._start, self._end = slot
        self._estimated = estimated

    def write(
        self,
        kind: TransactionKind,
        quantity: int,
        seller_id: str,
        buyer_id: str,
        source: str,
        price_sell: int,
        price_buy: int,
        contract: Contract | None = None,
        time_purchase: int | None = None,
        fee_ask: int = 0,
        fee_bid: int = 0,
    ) -> None:
        """Add a row; rows of 0 Wh are not written."""
        if not quantity:
            return
        rows = self.rows
        estimated = self._estimated
        rows.append(
            Transaction(
                f"t{self._start}-{len(rows):05d}",
                kind,
                None if contract is None else contract.id,
                quantity,
                seller_id,
                buyer_id,
                source,
                price_sell,
                price_buy,
                self._start,
                self._end if time_purchase is None else time_purchase,
                self._end,
                fee_ask,
                fee_bid,
                None,
                bool(estimated) and (seller_id in estimated or buyer_id in estimated),
            )
        )


def _usable_sources(contract: Contract, terms: DeliveryTerms) -> tuple[str, ...]:
    """Return where a contract's energy may come from, in order."""
    source = contract.energy_source
    return (source,) if terms.sources[source] else (source, BATTERY)


def _deliver_contracts(
    ledger: _Ledger, contracts: Iterable[Contract], terms: DeliveryTerms
) -> list[tuple[Contract, int]]:
    """Do step 1 and return the contracts with something left, and how much in Wh."""
    unsettled = []
    need = ledger.need
    for contract in contracts:
        rest = contract.quantity
        generation = ledger.generation[contract.seller_id]
        buyer_id = contract.buyer_id
        for source in _usable_sources(contract, terms):
            quantity = min(rest, generation.get(source, 0), need[buyer_id])
            if quantity:
                generation[source] -= quantity
                need[buyer_id] -= quantity
                rest -= quantity
                _write_contract_row(ledger, "delivery", contract, quantity, source)
        if rest:
            unsettled.append((contract, rest))
    return unsettled


def _write_contract_row(
    ledger: _Ledger, kind: TransactionKind, contract: Contract, quantity: int, source: str
) -> None:
    ledger.write(
        kind,
        quantity,
        contract.seller_id,
        contract.buyer_id,
        source,
        contract.settlement_price_sell,
        contract.settlement_price_buy,
        contract,
        contract.time_purchase,
        contract.fee_ask,
        contract.fee_bid,
    )


def _settle_rest(
    ledger: _Ledger, unsettled: Iterable[tuple[Contract, int]], prices: GridPrices, terms: DeliveryTerms
) -> None:
    """Do step 2. The need itself stays: the energy of a shortfall comes from the grid."""
    uncompensated = dict(ledger.need)
    spill_price = min(0, prices.sell_price)
    for contract, quantity_left in unsettled:
        rest = quantity_left
        seller_id, buyer_id = contract.seller_id, contract.buyer_id
        generation = ledger.generation[seller_id]
        if not ledger.need[buyer_id]:
            for source in _usable_sources(contract, terms):
                quantity = min(rest, generation.get(source, 0))
                if quantity:
                    generation[source] -= quantity
                    rest -= quantity
                    _write_contract_row(ledger, "take_or_pay", contract, quantity, source)
                    ledger.write(
                        "spill", quantity, seller_id, GRID, source, spill_price, spill_price, contract
                    )
            continue
        quantity = min(rest, uncompensated[buyer_id])
        uncompensated[buyer_id] -= quantity
        price = -_shortfall_price(contract, prices, terms)
        ledger.write("shortfall", quantity, seller_id, buyer_id, GRID, price, price, contract)


def _shortfall_price(contract: Contract, prices: GridPrices, terms: DeliveryTerms) -> int:
    if terms.shortfall == "replacement":
        return max(0, prices.buy_price - contract.settlement_price_buy - contract.fee_bid)
    return max(0, prices.buy_price)


def _settle_with_grid(ledger: _Ledger, readings: Mapping[str, MeterReading], prices: GridPrices) -> None:
    """Do step 3, participants in order of their ids."""
    write = ledger.write
    sell_price, buy_price = prices
    for participant_id in sorted(readings):
        reading = readings[participant_id]
        for sources in reading.consumption.values():
            for source, quantity in sources.items():
                if quantity and source != EXTERNAL and source in reading.generation:
                    write("self_consumption", quantity, participant_id, participant_id, source, 0, 0)
        for source, quantity in ledger.generation[participant_id].items():
            write("feed_in", quantity, participant_id, GRID, source, sell_price, sell_price)
        write("supply", ledger.need[participant_id], GRID, participant_id, GRID, buy_price, buy_price)
