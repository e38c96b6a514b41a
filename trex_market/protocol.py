"""The wire's and the scenario files' JSON, to commands and back.

Whatever a message holds, it becomes a command or raises `ProtocolError` with
the code that its sender is told. Prices are $/kWh outside, micro-dollars per
kWh inside; an interval is ``[start, end]`` outside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.core.messages import (
    CancelOrder,
    Command,
    Contract,
    EndRound,
    Join,
    MeterReading,
    ReplaceOrder,
    ReportMeter,
    Side,
    StartRound,
    SubmitOrder,
    Transaction,
)
from trex_market.core.units import dollars_from_price, price_from_dollars

Record = Mapping[str, Any]


def is_whole(value: object) -> TypeGuard[int]:
    """Tell whether a JSON value is a whole number (5.0 and true are not)."""
    return isinstance(value, int) and not isinstance(value, bool)


def parse_text(record: Record, key: str) -> str:
    """Return a text that is not empty.

    Raises:
        ProtocolError: malformed.
    """
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise ProtocolError(RefusalCode.MALFORMED, f"{key!r} must be a text, found {value!r}")
    return value


def parse_time(record: Record, key: str) -> int:
    """Return a time or duration in whole seconds.

    Raises:
        ProtocolError: malformed.
    """
    value = record.get(key)
    if not is_whole(value):
        raise ProtocolError(RefusalCode.MALFORMED, f"{key!r} must be whole seconds, found {value!r}")
    return value


def parse_quantity(value: object) -> int:
    """Return a quantity in Wh; its range is the market's matter.

    Raises:
        ProtocolError: bad_quantity.
    """
    if not is_whole(value):
        raise ProtocolError(
            RefusalCode.BAD_QUANTITY, f"the quantity must be a whole number of Wh, found {value!r}"
        )
    return value


def parse_price(value: object) -> int:
    """Return a price in micro-dollars per kWh from $/kWh; its range is the market's matter.

    Raises:
        ProtocolError: bad_price.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ProtocolError(
            RefusalCode.BAD_PRICE, f"the price must be a finite number of $/kWh, found {value!r}"
        )
    price = price_from_dollars(value)
    return min(price, -1) if value < 0 else price


def parse_slot(value: object) -> tuple[int, int]:
    """Return a slot's start and end; whether it is one is the market's matter.

    Raises:
        ProtocolError: bad_slot.
    """
    if isinstance(value, list | tuple) and len(value) == 2 and all(is_whole(end) for end in value):
        return value[0], value[1]
    raise ProtocolError(
        RefusalCode.BAD_SLOT, f"a slot is [start, end] in whole UNIX seconds, found {value!r}"
    )


def parse_order(record: Record, side: Side, participant_id: str, order_id: str, time: int) -> SubmitOrder:
    """Make the command for a bid or an ask.

    Args:
        record: `quantity`, `price`, `time_delivery`, and `source`, which a bid may lack.
        side: "bid" or "ask".
        participant_id: whose it is.
        order_id: its id.
        time: when it was submitted.

    Raises:
        ProtocolError: bad_quantity, bad_price, unknown_source, bad_slot.
    """
    quantity = parse_quantity(record.get("quantity"))
    price = parse_price(record.get("price"))
    source = record.get("source")
    if source is not None and not isinstance(source, str):
        raise ProtocolError(RefusalCode.UNKNOWN_SOURCE, f"the source must be a text, found {source!r}")
    slot_start, slot_end = parse_slot(record.get("time_delivery"))
    return SubmitOrder(order_id, participant_id, side, quantity, price, source, slot_start, slot_end, time)


def parse_meter(value: object) -> MeterReading:
    """Make a meter reading from TREX's message.

    Args:
        value: `time_interval`, `generation` (source -> Wh), `consumption` (load -> source -> Wh).

    Raises:
        ProtocolError: malformed, bad_slot, bad_quantity.
    """
    record = _mapping(value, "a meter reading")
    slot_start, slot_end = parse_slot(record.get("time_interval"))
    generation = _energies(record.get("generation"), "generation")
    loads = _mapping(record.get("consumption"), "consumption")
    consumption = {load: _energies(sources, f"consumption of {load}") for load, sources in loads.items()}
    return MeterReading(slot_start, slot_end, generation, consumption)


def _mapping(value: object, what: str) -> Record:
    if not isinstance(value, Mapping):
        raise ProtocolError(RefusalCode.MALFORMED, f"{what} must be an object, found {value!r}")
    return value


def _energies(value: object, what: str) -> dict[str, int]:
    energies: dict[str, int] = {}
    for source, quantity in _mapping(value, what).items():
        name = str(source).lower()
        energies[name] = energies.get(name, 0) + parse_quantity(quantity)
    return energies


# ---------------------------------------------------------------- commands as scenario lines


def parse_command(record: Record) -> Command:
    """Make the command of a scenario line; `open_market` is the config's matter.

    Raises:
        ProtocolError: with the code of what is wrong.
    """
    name = parse_text(record, "command")
    if name in ("start_round", "end_round"):
        time = parse_time(record, "time")
        return StartRound(time, parse_time(record, "duration")) if name == "start_round" else EndRound(time)
    if name not in _OF_PARTICIPANT:
        known = ", ".join(["open_market", "start_round", "end_round", *_OF_PARTICIPANT])
        raise ProtocolError(RefusalCode.MALFORMED, f"unknown command {name!r}; there are: {known}")
    participant_id = parse_text(record, "participant_id")
    time = parse_time(record, "time")
    match name:
        case "join":
            return Join(participant_id, time)
        case "submit_bid":
            return parse_order(record, "bid", participant_id, parse_text(record, "uuid"), time)
        case "submit_ask":
            return parse_order(record, "ask", participant_id, parse_text(record, "uuid"), time)
        case "cancel_order":
            return CancelOrder(parse_text(record, "uuid"), participant_id, time)
        case "replace_order":
            quantity, price = parse_quantity(record.get("quantity")), parse_price(record.get("price"))
            return ReplaceOrder(parse_text(record, "uuid"), participant_id, quantity, price, time)
        case _:
            return ReportMeter(participant_id, parse_meter(record.get("meter")), time)


_OF_PARTICIPANT = ("join", "submit_bid", "submit_ask", "cancel_order", "replace_order", "report_meter")


# ---------------------------------------------------------------- records for the outside


def contract_record(contract: Contract) -> dict[str, Any]:
    """Return a contract as JSON-able record; prices in $/kWh."""
    return {
        "id": contract.id,
        "time_delivery": [contract.slot_start, contract.slot_end],
        "seller_id": contract.seller_id,
        "buyer_id": contract.buyer_id,
        "energy_source": contract.energy_source,
        "quantity": contract.quantity,
        "settlement_price_sell": dollars_from_price(contract.settlement_price_sell),
        "settlement_price_buy": dollars_from_price(contract.settlement_price_buy),
        "bid_id": contract.bid_id,
        "ask_id": contract.ask_id,
        "time_purchase": contract.time_purchase,
    }


def transaction_record(transaction: Transaction) -> dict[str, Any]:
    """Return a transaction as JSON-able record; prices in $/kWh, amount in nano-dollars."""
    return {
        "id": transaction.id,
        "kind": transaction.kind,
        "contract_id": transaction.contract_id,
        "quantity": transaction.quantity,
        "seller_id": transaction.seller_id,
        "buyer_id": transaction.buyer_id,
        "energy_source": transaction.energy_source,
        "settlement_price_sell": dollars_from_price(transaction.settlement_price_sell),
        "settlement_price_buy": dollars_from_price(transaction.settlement_price_buy),
        "fee_ask": dollars_from_price(transaction.fee_ask),
        "fee_bid": dollars_from_price(transaction.fee_bid),
        "amount": transaction.amount,
        "estimated": transaction.estimated,
        "reverses": transaction.reverses,
        "time_creation": transaction.time_creation,
        "time_purchase": transaction.time_purchase,
        "time_consumption": transaction.time_consumption,
    }
