"""Scenario lines to commands, and what a replay answers with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.core.messages import (
    AdvanceClock,
    CancelOrder,
    ClearOpenSlots,
    Command,
    Contract,
    EndRound,
    Join,
    MeterReading,
    ProgrammeCommand,
    ReadRegisters,
    RegisterReading,
    ReplaceOrder,
    ReportMeter,
    SetGridFee,
    Side,
    StartRound,
    SubmitOrder,
    Transaction,
)
from trex_market.core.units import dollars_from_price, percent_from_share, share_from_percent
from trex_market.programmes.registry import commands_by_name, programme_command, programme_record
from trex_market.protocol.answers import (
    contract_message,
    meter_message,
    requirement_message,
    transaction_message,
)
from trex_market.protocol.requests import (
    EARLIEST,
    LATEST,
    decoded,
    dollars,
    meter_reading,
    submit_order,
)
from trex_market.protocol.wire import Meter, OrderRequest

Record = Mapping[str, Any]
Moment = Annotated[int, msgspec.Meta(ge=EARLIEST, le=LATEST)]

MAX_REGISTERS = 64
"""Of a participant."""

RegisterName = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class _Line(msgspec.Struct, frozen=True):
    """What every line has."""

    command: str


class _Moment(msgspec.Struct, frozen=True):
    """What the lines of the round's clock have."""

    time: Moment
    duration: int = 0


class _Clearing(msgspec.Struct, frozen=True):
    """What a clearing before the gate has."""

    slot_start: Moment | None = None


class _GridFee(msgspec.Struct, frozen=True):
    """What a change of a fee has."""

    area: str
    fee: float = 0.0
    fee_percent: float = 0.0


class _Joined(msgspec.Struct, frozen=True):
    """What the line of a new participant has."""

    area: str | None = None


class _Sender(msgspec.Struct, frozen=True):
    """What the lines of a participant have."""

    participant_id: str
    time: Moment


class _OrderId(msgspec.Struct, frozen=True):
    """What the lines of an order have."""

    uuid: str


class _Change(msgspec.Struct, frozen=True):
    """What a replacement has."""

    quantity: int
    price: float


class _Reading(msgspec.Struct, frozen=True):
    """What a meter's line has."""

    meter: Any


class _Register(msgspec.Struct, frozen=True):
    """What a register shows."""

    name: RegisterName
    value: int
    measures: str
    max_power_w: int
    modulus_wh: int | None = None


class _Registers(msgspec.Struct, frozen=True):
    """What a line of registers has."""

    registers: Annotated[tuple[_Register, ...], msgspec.Meta(max_length=MAX_REGISTERS)]
    read_at: Moment
    expected: Annotated[tuple[RegisterName, ...], msgspec.Meta(max_length=MAX_REGISTERS)] = ()


_CLOCK = ("start_round", "end_round", "advance_clock", "clear_open_slots", "set_grid_fee")
_OF_PARTICIPANT = (
    "join",
    "submit_bid",
    "submit_ask",
    "cancel_order",
    "replace_order",
    "report_meter",
    "read_registers",
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
    return submit_order(decoded(OrderRequest, record), side, participant_id, order_id, time, None)


def parse_meter(value: object) -> MeterReading:
    """Make a meter reading from TREX's message.

    Args:
        value: `time_interval`, `generation` (source -> Wh), `consumption` (load -> source -> Wh).

    Raises:
        ProtocolError: malformed, bad_slot, bad_quantity.
    """
    return meter_reading(decoded(Meter, value))


def parse_command(record: Record) -> Command:
    """Make the command of a scenario line; `open_market` is the config's matter.

    Raises:
        ProtocolError: with the code of what is wrong.
    """
    name = decoded(_Line, record).command
    if name in _CLOCK:
        return _of_market(name, record, decoded(_Moment, record))
    if name in _OF_PARTICIPANT:
        sender = decoded(_Sender, record)
        if not sender.participant_id:
            raise ProtocolError(RefusalCode.MALFORMED, "participant_id must not be empty")
        return _of_participant(name, record, sender.participant_id, sender.time)
    if name in commands_by_name():
        try:
            return programme_command(record)
        except msgspec.ValidationError as error:
            raise ProtocolError(RefusalCode.MALFORMED, f"{name}: {error}") from error
    known = ", ".join(["open_market", *_CLOCK, *_OF_PARTICIPANT, *commands_by_name()])
    raise ProtocolError(RefusalCode.MALFORMED, f"unknown command {name!r}; there are: {known}")


def _of_market(name: str, record: Record, moment: _Moment) -> Command:
    match name:
        case "start_round":
            return StartRound(moment.time, moment.duration)
        case "end_round":
            return EndRound(moment.time)
        case "advance_clock":
            return AdvanceClock(moment.time)
        case "clear_open_slots":
            return ClearOpenSlots(moment.time, decoded(_Clearing, record).slot_start)
        case _:
            line = decoded(_GridFee, record)
            return SetGridFee(line.area, moment.time, dollars(line.fee), _share(line.fee_percent))


def _share(percent: float) -> int:
    try:
        return share_from_percent(percent)
    except ValueError as error:
        raise ProtocolError(RefusalCode.BAD_PRICE, str(error)) from error


def _of_participant(name: str, record: Record, participant_id: str, time: int) -> Command:
    if name == "join":
        return Join(participant_id, time, decoded(_Joined, record).area)
    if name == "report_meter":
        return ReportMeter(participant_id, parse_meter(decoded(_Reading, record).meter), time)
    if name == "read_registers":
        return _read_registers(decoded(_Registers, record), participant_id, time)
    order_id = decoded(_OrderId, record).uuid
    if not order_id:
        raise ProtocolError(RefusalCode.MALFORMED, "uuid must not be empty")
    match name:
        case "submit_bid":
            return parse_order(record, "bid", participant_id, order_id, time)
        case "submit_ask":
            return parse_order(record, "ask", participant_id, order_id, time)
        case "cancel_order":
            return CancelOrder(order_id, participant_id, time)
        case _:
            change = decoded(_Change, record)
            return ReplaceOrder(order_id, participant_id, change.quantity, dollars(change.price), time)


def _read_registers(line: _Registers, participant_id: str, time: int) -> ReadRegisters:
    registers = tuple(
        RegisterReading(one.name, one.value, one.measures.lower(), one.max_power_w, one.modulus_wh)
        for one in line.registers
    )
    return ReadRegisters(participant_id, registers, line.read_at, time, line.expected)


def command_record(command: Command) -> dict[str, Any]:
    """Return a command as a scenario line has it; `parse_command` reads it back. `open_market` is the config's matter.

    Raises:
        ValueError: for a command that no line stands for.
    """
    if isinstance(command, ProgrammeCommand):
        return programme_record(command)
    match command:
        case SubmitOrder():
            return _of_order_submitted(command)
        case CancelOrder():
            return _of_order("cancel_order", command)
        case ReplaceOrder():
            change = {"quantity": command.quantity, "price": dollars_from_price(command.price)}
            return _of_order("replace_order", command) | change
        case ReportMeter() | ReadRegisters():
            return _of_meter(command)
        case Join():
            area = {} if command.area is None else {"area": command.area}
            return {"command": "join", "participant_id": command.participant_id, "time": command.time} | area
        case StartRound() | EndRound() | AdvanceClock() | ClearOpenSlots() | SetGridFee():
            return _of_clock(command)
    raise ValueError(f"no line stands for {type(command).__name__}")


def _of_order_submitted(command: SubmitOrder) -> dict[str, Any]:
    record: dict[str, Any] = {
        "command": f"submit_{command.side}",
        "uuid": command.order_id,
        "participant_id": command.participant_id,
        "quantity": command.quantity,
        "price": dollars_from_price(command.price),
        "time": command.time,
        "time_delivery": [command.slot_start, command.slot_end],
        "source": command.source,
    }
    if command.attributes is not None and command.attributes.energy_type is not None:
        record["attributes"] = {"energy_type": command.attributes.energy_type}
    if command.requirements:
        record["requirements"] = [_plain(requirement_message(one)) for one in command.requirements]
    return record


def _of_clock(command: StartRound | EndRound | AdvanceClock | ClearOpenSlots | SetGridFee) -> dict[str, Any]:
    match command:
        case ClearOpenSlots():
            slot = {} if command.slot_start is None else {"slot_start": command.slot_start}
            return {"command": "clear_open_slots", "time": command.time} | slot
        case SetGridFee():
            return {
                "command": "set_grid_fee",
                "area": command.area,
                "fee": dollars_from_price(command.fee),
                "fee_percent": percent_from_share(command.fee_share),
                "time": command.time,
            }
        case StartRound():
            return {"command": "start_round", "time": command.time, "duration": command.duration}
        case EndRound():
            return {"command": "end_round", "time": command.time}
        case AdvanceClock():
            return {"command": "advance_clock", "time": command.time}


def _of_order(name: str, command: CancelOrder | ReplaceOrder) -> dict[str, Any]:
    who = {"uuid": command.order_id, "participant_id": command.participant_id}
    return {"command": name, **who, "time": command.time}


def _of_meter(command: ReportMeter | ReadRegisters) -> dict[str, Any]:
    who = {"participant_id": command.participant_id, "time": command.time}
    if isinstance(command, ReportMeter):
        return {"command": "report_meter", **who, "meter": _plain(meter_message(command.meter))}
    return {
        "command": "read_registers",
        **who,
        "read_at": command.read_at,
        "registers": [_plain(reading) for reading in command.registers],
        "expected": list(command.expected),
    }


def contract_record(contract: Contract) -> dict[str, Any]:
    """Return a contract as a JSON-able record, as it is sent to its parties."""
    return _plain(contract_message(contract))


def transaction_record(transaction: Transaction) -> dict[str, Any]:
    """Return a transaction as a JSON-able record, as it is sent to its parties."""
    return _plain(transaction_message(transaction))


def _plain(message: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(message))
    return plain
