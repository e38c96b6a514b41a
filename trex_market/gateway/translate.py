"""The SDK's words and units, and the market's.

There: kWh, cents for a whole order, cents per kWh, "2026-11-21T12:15" in UTC. Here:
Wh, micro-dollars per kWh, UNIX seconds. All that is wrong raises `ProtocolError`
with a code and a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, NoReturn

import msgspec

from trex_market.core.errors import ProtocolError, RefusalCode, unknown_name
from trex_market.core.messages import Attributes, Requirement, Side
from trex_market.core.units import MAX_PRICE, MAX_QUANTITY, rounded

AssetKind = Literal["Load", "PV", "Storage"]

MICRO_PER_CENT = 10_000
"""Micro-dollars per kWh in one cent per kWh; likewise millionths in one percent."""

NANO_PER_CENT = 10_000_000

SLOT_FORMAT = "%Y-%m-%dT%H:%M"

ENERGY_TYPES = {"pv": "solar", "storage": "bess"}
"""What the SDK's agents call sources, in lower case -> what they are called here."""


class OrderCommand(msgspec.Struct, frozen=True):
    """`bid` or `offer`.

    Args:
        side: bid or ask.
        quantity: Wh.
        price: micro-dollars per kWh.
        slot_start: None for the slot that is open.
        replaces: whether the asset's other orders of this side and slot are taken back.
        attributes: see `core.messages.Order`.
        requirements: likewise, but trading partners are named by UUID or name.
    """

    side: Side
    quantity: int
    price: int
    slot_start: int | None
    replaces: bool
    attributes: Attributes | None = None
    requirements: tuple[Requirement, ...] = ()


class DeleteCommand(msgspec.Struct, frozen=True):
    """`delete_bid` or `delete_offer`; no id means all of that side and slot."""

    side: Side
    order_id: str | None
    slot_start: int | None


class ListCommand(msgspec.Struct, frozen=True):
    """`list_bids` or `list_offers`."""

    side: Side
    slot_start: int | None


class InfoCommand(msgspec.Struct, frozen=True):
    """`device_info`."""


class StatisticsCommand(msgspec.Struct, frozen=True):
    """`dso_market_stats`."""


class FeeCommand(msgspec.Struct, frozen=True):
    """`grid_fees`: a constant in micro-dollars per kWh, or a share in millionths."""

    constant: int | None
    share: int | None


class EnergyCommand(msgspec.Struct, frozen=True):
    """`set_energy_forecast` or `set_energy_measurement`.

    Args:
        measured: which of the two.
        energy: start of slot -> Wh.
        as_given: what was sent, for the answer.
    """

    measured: bool
    energy: dict[int, int]
    as_given: Mapping[str, Any]


AssetCommand = (
    OrderCommand | DeleteCommand | ListCommand | InfoCommand | StatisticsCommand | FeeCommand | EnergyCommand
)

ANSWERS = {
    "bid": "bid",
    "offer": "offer",
    "delete_bid": "bid_delete",
    "delete_offer": "offer_delete",
    "list_bids": "list_bids",
    "list_offers": "list_offers",
    "device_info": "device_info",
    "dso_market_stats": "dso_market_stats",
    "grid_fees": "grid_fees",
    "set_energy_forecast": "set_energy_forecast",
    "set_energy_measurement": "set_energy_measurement",
}
"""Type of a command -> name of its answer."""


def malformed(detail: str) -> NoReturn:
    """Refuse what cannot be understood.

    Raises:
        ProtocolError: malformed.
    """
    raise ProtocolError(RefusalCode.MALFORMED, detail)


# ---------------------------------------------------------------- amounts


def _number(value: object, what: str, code: RefusalCode) -> Fraction:
    """Read a JSON number as the decimal that was written."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ProtocolError(code, f"{what} must be a finite number, found {value!r:.60}")
    return Fraction(Decimal(str(value)))


def wh_from_kwh(value: object, what: str = "energy") -> int:
    """Return a number of kWh in Wh, rounded half to even.

    Raises:
        ProtocolError: bad_quantity, if it is no number, negative, or far too large.
    """
    energy = _number(value, what, RefusalCode.BAD_QUANTITY) * 1000
    if not 0 <= energy <= MAX_QUANTITY:
        raise ProtocolError(
            RefusalCode.BAD_QUANTITY, f"{what} must be 0 to {MAX_QUANTITY // 1000} kWh, found {value!r:.60}"
        )
    return rounded(energy.numerator, energy.denominator)


def kwh_from_wh(energy: int) -> float:
    """Return Wh in kWh."""
    return energy / 1000


def price_from_cents(price: object, energy: object) -> int:
    """Return what a kWh costs, in micro-dollars, rounded half to even.

    Args:
        price: cents for the whole order.
        energy: kWh of the whole order.

    Raises:
        ProtocolError: bad_price or bad_quantity.
    """
    cents = _number(price, "price", RefusalCode.BAD_PRICE)
    kwh = _number(energy, "energy", RefusalCode.BAD_QUANTITY)
    if kwh <= 0:
        raise ProtocolError(RefusalCode.BAD_QUANTITY, f"energy must be above 0 kWh, found {energy!r:.60}")
    return _checked_price(cents / kwh, f"price must be at least 0 cents, found {price!r:.60}")


def _checked_price(cents_per_kwh: Fraction, wrong: str) -> int:
    if cents_per_kwh < 0:
        raise ProtocolError(RefusalCode.BAD_PRICE, wrong)
    micro = cents_per_kwh * MICRO_PER_CENT
    if micro > MAX_PRICE:
        most = MAX_PRICE // MICRO_PER_CENT
        raise ProtocolError(RefusalCode.BAD_PRICE, f"more than {most} cents per kWh is too much")
    return rounded(micro.numerator, micro.denominator)


def rate_from_cents(value: object, what: str) -> int:
    """Return cents per kWh in micro-dollars per kWh, or percents in millionths.

    Raises:
        ProtocolError: bad_price.
    """
    number = _number(value, what, RefusalCode.BAD_PRICE)
    return _checked_price(number, f"{what} must be at least 0, found {value!r:.60}")


def cents_from_price(price: int) -> float:
    """Return micro-dollars per kWh in cents per kWh."""
    return price / MICRO_PER_CENT


def cents_from_money(money: int) -> float:
    """Return nano-dollars in cents."""
    return money / NANO_PER_CENT


# ---------------------------------------------------------------- times


def slot_text(slot_start: int) -> str:
    """Return a slot's start as the SDK writes it."""
    return datetime.fromtimestamp(slot_start, UTC).strftime(SLOT_FORMAT)


def moment_text(time: int) -> str:
    """Return a moment with its seconds, as orders have it."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def zoned_text(time: int) -> str:
    """Return a moment with its zone, as trades have it."""
    return datetime.fromtimestamp(time, UTC).isoformat()


def slot_from_text(text: object, step: int) -> int:
    """Return the start of the slot that is named.

    Raises:
        ProtocolError: bad_slot.
    """
    if not isinstance(text, str):
        raise ProtocolError(RefusalCode.BAD_SLOT, f"a time slot is a text, found {text!r:.60}")
    try:
        moment = datetime.fromisoformat(text)
        seconds = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        detail = f"a time slot is written 2026-11-21T12:15, found {text!r:.60}"
        raise ProtocolError(RefusalCode.BAD_SLOT, detail) from None
    if seconds < 0 or seconds % step:
        raise ProtocolError(RefusalCode.BAD_SLOT, f"no slot of {step} s begins at {text}")
    return int(seconds)


# ---------------------------------------------------------------- commands


def command_of(data: object, step: int) -> AssetCommand:
    """Read one command of a batch.

    Args:
        data: as it came.
        step: length of a slot, in seconds.

    Raises:
        ProtocolError: if it is none, or one of its values is no good.
    """
    if not isinstance(data, dict):
        malformed(f"a command is an object, found {data!r:.60}")
    match data.get("type"):
        case "bid" | "offer" as kind:
            return _order(data, "bid" if kind == "bid" else "ask", step)
        case "delete_bid" | "list_bids" | "delete_offer" | "list_offers" as kind:
            return _about_orders(data, kind, step)
        case "device_info":
            return InfoCommand()
        case "dso_market_stats":
            return StatisticsCommand()
        case "grid_fees":
            return _fee(data)
        case "set_energy_forecast" | "set_energy_measurement" as kind:
            return energy_command(kind, data.get(kind.removeprefix("set_")), step)
        case kind:
            malformed(unknown_name("command", str(kind)[:60], ANSWERS))


def _order(data: Mapping[str, Any], side: Side, step: int) -> OrderCommand:
    energy, price = data.get("energy"), data.get("price")
    quantity = wh_from_kwh(energy)
    if not quantity:
        raise ProtocolError(RefusalCode.BAD_QUANTITY, f"energy must be at least 0.001 kWh, found {energy!r}")
    replaces = data.get("replace_existing", True)
    if replaces is not None and not isinstance(replaces, bool):
        malformed(f"replace_existing is true or false, found {replaces!r:.60}")
    return OrderCommand(
        side,
        quantity,
        price_from_cents(price, energy),
        _slot(data, step),
        replaces is not False,
        _attributes(data.get("attributes")),
        _requirements(data.get("requirements")),
    )


def _slot(data: Mapping[str, Any], step: int) -> int | None:
    text = data.get("time_slot")
    return None if text is None else slot_from_text(text, step)


def _attributes(data: object) -> Attributes | None:
    if not data:
        return None
    if not isinstance(data, dict) or set(data) - {"energy_type"}:
        malformed(f"attributes hold energy_type and nothing else, found {data!r:.60}")
    named = data.get("energy_type")
    if named is not None and not isinstance(named, str):
        malformed(f"energy_type is a text, found {named!r:.60}")
    return Attributes(None if named is None else source_of(named))


def source_of(energy_type: str) -> str:
    """Return what is called so here: "PV" is solar."""
    return ENERGY_TYPES.get(energy_type.lower(), energy_type.lower())


def _requirements(data: object) -> tuple[Requirement, ...]:
    if not data:
        return ()
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        malformed(f"requirements are a list of objects, found {data!r:.60}")
    return tuple(_requirement(one) for one in data)


def _requirement(data: Mapping[str, Any]) -> Requirement:
    unknown = set(data) - {"trading_partners", "energy_type", "energy", "price"}
    if unknown:
        malformed(
            f"a requirement has trading_partners, energy_type, energy and price, found {min(unknown)!r:.60}"
        )
    energy, price = data.get("energy"), data.get("price")
    return Requirement(
        _names(data, "trading_partners"),
        tuple(source_of(name) for name in _names(data, "energy_type")),
        None if energy is None else wh_from_kwh(energy),
        None if price is None else rate_from_cents(price, "price"),
    )


def _names(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = data.get(key) or []
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        malformed(f"{key} is a list of texts, found {names!r:.60}")
    return tuple(names)


def _about_orders(data: Mapping[str, Any], kind: str, step: int) -> DeleteCommand | ListCommand:
    side: Side = "bid" if "bid" in kind else "ask"
    if kind.startswith("list"):
        return ListCommand(side, _slot(data, step))
    named = "bid" if side == "bid" else "offer"
    order_id = data.get(f"{named}_id", data.get(named))
    if order_id is not None and not isinstance(order_id, str):
        malformed(f"{named}_id is a text, found {order_id!r:.60}")
    return DeleteCommand(side, order_id, _slot(data, step))


def _fee(data: Mapping[str, Any]) -> FeeCommand:
    terms = data.get("data")
    return fee_command(terms if isinstance(terms, dict) else {})


def fee_command(terms: Mapping[str, Any]) -> FeeCommand:
    """Read a new fee: `fee_const` in cents per kWh, or `fee_percent`.

    Raises:
        ProtocolError: malformed or bad_price.
    """
    constant, percent = terms.get("fee_const"), terms.get("fee_percent")
    if (constant is None) == (percent is None):
        malformed("a fee is either fee_const or fee_percent")
    if constant is not None:
        return FeeCommand(rate_from_cents(constant, "fee_const"), None)
    return FeeCommand(None, rate_from_cents(percent, "fee_percent"))


def energy_command(kind: str, data: object, step: int) -> EnergyCommand:
    """Read forecasts or measurements: time slot -> kWh.

    Args:
        kind: "set_energy_forecast" or "set_energy_measurement".
        data: as it came.
        step: length of a slot, in seconds.

    Raises:
        ProtocolError: malformed, bad_slot, bad_quantity.
    """
    if not isinstance(data, dict) or not data:
        malformed(f"{kind} needs time slots and kWh, found {data!r:.60}")
    energy = {slot_from_text(slot, step): wh_from_kwh(value) for slot, value in data.items()}
    return EnergyCommand(kind == "set_energy_measurement", energy, data)
