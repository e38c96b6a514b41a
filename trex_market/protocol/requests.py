"""What a participant asks for: data as it came -> commands, or a refusal with its code."""

from __future__ import annotations

import math
import re
from typing import TypeVar

import msgspec

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.core.messages import Attributes, MeterReading, Requirement, Side, SubmitOrder
from trex_market.core.units import MAX_QUANTITY, price_from_dollars
from trex_market.protocol.wire import Meter, OrderRequest, RequirementMessage

MessageT = TypeVar("MessageT")

EARLIEST, LATEST = -(2**35), 2**37
"""UNIX seconds, the years 881 and 6325; beyond them neither calendars nor databases follow."""

_FIELD = re.compile(r"\$\.(\w+)|field `(\w+)`")

_CODES = {
    "quantity": RefusalCode.BAD_QUANTITY,
    "generation": RefusalCode.BAD_QUANTITY,
    "consumption": RefusalCode.BAD_QUANTITY,
    "registers": RefusalCode.BAD_QUANTITY,
    "price": RefusalCode.BAD_PRICE,
    "source": RefusalCode.UNKNOWN_SOURCE,
    "time_delivery": RefusalCode.BAD_SLOT,
    "time_interval": RefusalCode.BAD_SLOT,
    "attributes": RefusalCode.BAD_REQUIREMENT,
    "requirements": RefusalCode.BAD_REQUIREMENT,
}
"""Field -> the code of a value that it cannot have; all others are malformed."""


def decoded(kind: type[MessageT], data: object) -> MessageT:
    """Read a message.

    Args:
        kind: what it should be, see `protocol.wire`.
        data: plain data, as it came.

    Raises:
        ProtocolError: with the code that fits the field that is wrong.
    """
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _refused(error) from error


def decoded_json(kind: type[MessageT], body: bytes) -> MessageT:
    """Read a message of bytes; numbers keep all their decimals.

    Raises:
        ProtocolError: as `decoded`; malformed, if it is no JSON.
    """
    if b"\\u0000" in body:
        raise ProtocolError(RefusalCode.MALFORMED, "text must not hold the character 0")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _refused(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(RefusalCode.MALFORMED, f"this is not JSON: {error}") from error


def _refused(error: Exception) -> ProtocolError:
    match = _FIELD.search(str(error))
    field = (match.group(1) or match.group(2)) if match else ""
    return ProtocolError(_CODES.get(field, RefusalCode.MALFORMED), str(error))


def dollars(price: float) -> int:
    """Return a price in micro-dollars per kWh; what is below 0 stays below 0.

    Raises:
        ProtocolError: bad_price, if it is not finite.
    """
    if not math.isfinite(price):
        raise ProtocolError(
            RefusalCode.BAD_PRICE, f"the price must be a finite number of $/kWh, found {price}"
        )
    micro = price_from_dollars(price)
    return min(micro, -1) if price < 0 else micro


def submit_order(
    request: OrderRequest,
    side: Side,
    participant_id: str,
    order_id: str,
    time: int,
    default_source: str | None,
) -> SubmitOrder:
    """Make the command for a bid or an ask.

    Args:
        request: the order.
        side: "bid" or "ask".
        participant_id: the connection's own.
        order_id: its id.
        time: when it was submitted.
        default_source: the pool of a bid that names no source.

    Raises:
        ProtocolError: bad_price; bad_requirement, if that has such a price; bad_slot, if it is beyond all calendars;
            unauthorised, if it is in another's name.
    """
    check_sender(request.participant_id, participant_id)
    start, end = request.time_delivery
    if not EARLIEST <= start <= LATEST:
        raise ProtocolError(RefusalCode.BAD_SLOT, f"a slot from {start} on is in no calendar")
    source = default_source if request.source is None and side == "bid" else request.source
    price = dollars(request.price)
    attributes = None
    if request.attributes is not None and request.attributes.energy_type is not None:
        attributes = Attributes(request.attributes.energy_type)
    requirements = tuple(map(_requirement, request.requirements)) if request.requirements else ()
    return SubmitOrder(
        order_id,
        participant_id,
        side,
        request.quantity,
        price,
        source,
        start,
        end,
        time,
        attributes,
        requirements,
    )


def _requirement(message: RequirementMessage) -> Requirement:
    try:
        price = None if message.price is None else dollars(message.price)
    except ProtocolError as error:
        raise ProtocolError(RefusalCode.BAD_REQUIREMENT, f"in a requirement {error.detail}") from error
    partners, types = tuple(message.trading_partners), tuple(message.energy_type)
    return Requirement(partners, types, message.energy, price)


def check_sender(named: str | None, participant_id: str) -> None:
    """Check that a participant speaks for itself.

    Raises:
        ProtocolError: unauthorised.
    """
    if named is not None and named != participant_id:
        detail = f"this connection is {participant_id!r} and cannot act as {named!r}"
        raise ProtocolError(RefusalCode.UNAUTHORISED, detail)


def meter_reading(message: Meter) -> MeterReading:
    """Make a meter reading; sources are case-insensitive.

    Raises:
        ProtocolError: bad_quantity, where two spellings of a source cannot be added up.
    """
    start, end = message.time_interval
    consumption = {load: _lower(sources) for load, sources in message.consumption.items()}
    return MeterReading(start, end, _lower(message.generation), consumption)


def _lower(energies: dict[str, int]) -> dict[str, int]:
    if all(map(str.islower, energies)):
        return energies
    merged: dict[str, int] = {}
    for source, energy in energies.items():
        if not 0 <= energy <= MAX_QUANTITY:
            found = f"a reading must be a whole number from 0 to {MAX_QUANTITY} Wh, found {energy}"
            raise ProtocolError(RefusalCode.BAD_QUANTITY, found)
        merged[source.lower()] = merged.get(source.lower(), 0) + energy
    return merged
