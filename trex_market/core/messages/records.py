"""The records that commands and events speak of: orders, contracts, meter readings, transactions."""

from __future__ import annotations

from typing import Literal

import msgspec

Side = Literal["bid", "ask"]

TransactionKind = Literal[
    "delivery",
    "take_or_pay",
    "spill",
    "shortfall",
    "self_consumption",
    "feed_in",
    "supply",
    "flexibility",
    "demand_response",
]

GRID = "grid"
"""The grid's id among sellers and buyers, and its name as a source."""

BATTERY = "bess"
"""The battery's name as a source."""

EXTERNAL = "external"
"""Consumption that came from outside of the home."""

OTHER = "other"
"""The load that is not a battery."""

CONSUMPTION = "consumption"
"""What a register measures that is not a source: energy that came from outside of the home."""


class Attributes(msgspec.Struct, frozen=True, gc=False):
    """What an order says of itself, for the requirements of others.

    Args:
        energy_type: a name for its energy besides its source, in lower case.
    """

    energy_type: str | None = None


class Requirement(msgspec.Struct, frozen=True, gc=False):
    """Terms under which an order may meet another; all that it names must hold.

    Args:
        trading_partners: ids of participants, one of whom the other must be; none for anybody.
        energy_type: sources and energy types in lower case, one of which the other order must have; none for any.
        energy: so many Wh may be traded under it; None for no such bound.
        price: the order's limit for pairs that meet under it, micro-dollars per kWh; None for its own price.
    """

    trading_partners: tuple[str, ...] = ()
    energy_type: tuple[str, ...] = ()
    energy: int | None = None
    price: int | None = None


class Order(msgspec.Struct, frozen=True, gc=False):
    """An accepted bid or ask.

    Args:
        order_id: unique in the market.
        participant_id: who offers.
        side: "bid" or "ask".
        quantity: Wh.
        price: micro-dollars per kWh.
        source: where the energy comes from; None for a bid in a single pool.
        slot_start: the slot's start.
        time: when it was submitted; in a simulation the start of the round.
        sequence: running number of submission, for the participant's own order.
        attributes: what it says of itself; None for nothing.
        requirements: it meets others only under one of these; none for any terms.
    """

    order_id: str
    participant_id: str
    side: Side
    quantity: int
    price: int
    source: str | None
    slot_start: int
    time: int
    sequence: int
    attributes: Attributes | None = None
    requirements: tuple[Requirement, ...] = ()


class Contract(msgspec.Struct, frozen=True, gc=False):
    """A bid and an ask that met, for one slot. Prices and fees in micro-dollars per kWh, quantity in Wh.

    The buyer pays ``settlement_price_buy + fee_bid``, the seller gets ``settlement_price_sell - fee_ask``.
    """

    id: str
    slot_start: int
    slot_end: int
    seller_id: str
    buyer_id: str
    energy_source: str
    quantity: int
    settlement_price_sell: int
    settlement_price_buy: int
    bid_id: str
    ask_id: str
    time_purchase: int
    fee_ask: int = 0
    fee_bid: int = 0


class MeterReading(msgspec.Struct, frozen=True):
    """What a participant generated (net of own use) and consumed in a slot.

    Args:
        slot_start: the slot's start.
        slot_end: the slot's end.
        generation: source -> Wh that left the home.
        consumption: load -> source -> Wh; the source `external` is energy from outside.
    """

    slot_start: int
    slot_end: int
    generation: dict[str, int]
    consumption: dict[str, dict[str, int]]


class RegisterReading(msgspec.Struct, frozen=True):
    """What a meter's counter shows.

    Args:
        name: tells it from the participant's other registers.
        value: Wh since it was at 0; it only goes up, until it rolls over.
        measures: `CONSUMPTION`, or the source of which it measures what left the home.
        max_power_w: most that can flow through it; what would be more is not believed.
        modulus_wh: after so many Wh it is at 0 again; None if it never is.
    """

    name: str
    value: int
    measures: str
    max_power_w: int
    modulus_wh: int | None = None


class Transaction(msgspec.Struct, frozen=True, gc=False):
    """One line of the ledger.

    The buyer pays ``quantity * (settlement_price_buy + fee_bid)``, the seller gets
    ``quantity * (settlement_price_sell - fee_ask)``, the operator keeps the difference.
    Kinds of programmes carry `amount` (nano-dollars, from the seller's view) instead.

    Args:
        estimated: a party's reading was deemed, not measured.
        reverses: id of the row that this one takes back.
    """

    id: str
    kind: TransactionKind
    contract_id: str | None
    quantity: int
    seller_id: str
    buyer_id: str
    energy_source: str
    settlement_price_sell: int
    settlement_price_buy: int
    time_creation: int
    time_purchase: int
    time_consumption: int
    fee_ask: int = 0
    fee_bid: int = 0
    amount: int | None = None
    estimated: bool = False
    reverses: str | None = None
