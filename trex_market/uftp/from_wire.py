"""The library's messages as the pure machines know them.

On the wire money is a decimal with 4 places, factors have 2, metered power is in kW; in the machines all are whole
numbers. Ids are lower case in the machines, whatever case they came in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN
from hashlib import sha256
from typing import Any

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.programmes.flexibility import messages as m
from trex_market.programmes.flexibility.money import nano_from_decimal
from trex_market.programmes.flexibility.reasons import Reason, Rejection
from trex_market.uftp.checks import time_of
from trex_market.uftp.library import uftp

NOTHING = "none"
"""Stands for an item where the library's classes demand one and there is none."""

PROFILES: dict[str, Any] = {
    "power": uftp.MeteringProfileEnum.POWER,
    "import_energy": uftp.MeteringProfileEnum.IMPORT_ENERGY,
    "export_energy": uftp.MeteringProfileEnum.EXPORT_ENERGY,
    "import_reading": uftp.MeteringProfileEnum.IMPORT_METER_READING,
    "export_reading": uftp.MeteringProfileEnum.EXPORT_METER_READING,
}


def meter_number(connection: str) -> str:
    """Return the number (EAN) of a connection's meter, made of its entity address: E and 18 digits."""
    number = int.from_bytes(sha256(connection.encode()).digest()[:12]) % 10**18
    return f"E{number:018d}"


def from_wire(message: Any, connections: Mapping[str, str], time_zone: str) -> m.Sent:
    """Return a message as the machines know it.

    Args:
        message: the library's, of a kind that the machines know.
        connections: number of a meter -> entity address of its connection.
        time_zone: the market's, for messages that name none.

    Raises:
        ProtocolError: malformed.
    """
    header = {
        "message_id": message.message_id.lower(),
        "conversation_id": message.conversation_id.lower(),
        "sender": message.sender_domain,
        "recipient": message.recipient_domain,
        "time": int(time_of(message.time_stamp)),
    }
    if isinstance(message, uftp.Metering):
        return _metering(message, header, connections)
    if isinstance(message, uftp.FlexSettlement):
        return _settlement(message, header, time_zone)
    if isinstance(message, uftp.FlexOfferRevocation):
        return m.FlexOfferRevocation(offer_id=message.flex_offer_message_id.lower(), **header)
    return _day_message(message, header | _day(message))


def _day(message: Any) -> dict[str, Any]:
    return {
        "period": str(message.period),
        "time_zone": message.time_zone,
        "isp_duration_s": _seconds(message.isp_duration),
        "congestion_point": message.congestion_point,
    }


def _day_message(message: Any, head: dict[str, Any]) -> m.Sent:
    match message:
        case uftp.DPrognosis():
            return m.DPrognosis(revision=message.revision, isps=_powers(message.isps), **head)
        case uftp.FlexRequest():
            return m.FlexRequest(
                revision=message.revision,
                expires=int(time_of(message.expiration_date_time)),
                isps=tuple(
                    m.RequestIsp(
                        start=isp.start,
                        requested=isp.disposition == uftp.AvailableRequested.REQUESTED,
                        min_power=isp.min_power,
                        max_power=isp.max_power,
                        duration=isp.duration,
                    )
                    for isp in message.isps
                ),
                contract_id=message.contract_id,
                service_type=message.service_type,
                **head,
            )
        case uftp.FlexOffer():
            return m.FlexOffer(
                expires=int(time_of(message.expiration_date_time)),
                options=tuple(_option(option) for option in message.offer_options),
                request_id=_lower(message.flex_request_message_id),
                **_references(message),
                **head,
            )
        case uftp.FlexOrder():
            return m.FlexOrder(
                option_reference=message.option_reference,
                activation=int(message.activation_factor * 100),
                price=nano_from_decimal(message.price),
                order_reference=message.order_reference,
                isps=_powers(message.isps),
                offer_id=_lower(message.flex_offer_message_id),
                **_references(message),
                **head,
            )
        case uftp.FlexReservationUpdate():
            return m.FlexReservationUpdate(
                contract_id=message.contract_id,
                reference=message.reference,
                isps=_powers(message.isps),
                **head,
            )
    raise ProtocolError(RefusalCode.MALFORMED, f"{type(message).__name__} is none of flexibility")


def _references(message: Any) -> dict[str, Any]:
    return {
        "prognosis_id": _lower(message.d_prognosis_message_id),
        "baseline_reference": message.baseline_reference,
        "contract_id": message.contract_id,
        "currency": message.currency,
    }


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _powers(isps: Iterable[Any]) -> tuple[m.IspPower, ...]:
    return tuple(m.IspPower(isp.start, isp.power, isp.duration) for isp in isps)


def _option(option: Any) -> m.OfferOption:
    return m.OfferOption(
        reference=option.option_reference,
        price=nano_from_decimal(option.price),
        isps=_powers(option.isps),
        min_activation=int(option.min_activation_factor * 100),
    )


def _metering(message: Any, header: dict[str, Any], connections: Mapping[str, str]) -> m.Metering:
    return m.Metering(
        period=str(message.period),
        time_zone=message.time_zone,
        isp_duration_s=_seconds(message.isp_duration),
        # A number that is not known is none of the connections of anybody.
        connection=connections.get(message.ean.upper(), message.ean),
        revision=message.revision,
        profiles=tuple(run for profile in message.profiles for run in _runs(profile)),
        **header,
    )


def _runs(profile: Any) -> list[m.MeterProfile]:
    """Return a profile as runs of ISPs that follow each other."""
    kind: Any = next(name for name, found in PROFILES.items() if found is profile.profile_type)
    runs: list[tuple[int, list[int]]] = []
    for isp in profile.isps:
        value = int((isp.value * 1000).to_integral_value(ROUND_HALF_EVEN))
        if runs and isp.start == runs[-1][0] + len(runs[-1][1]):
            runs[-1][1].append(value)
        else:
            runs.append((isp.start, [value]))
    return [m.MeterProfile(kind, tuple(values), start) for start, values in runs]


def metering_rejections(message: Any) -> tuple[Rejection, ...]:
    """Return what is wrong with the profiles of metered values, as long as they are apart."""
    found = []
    for profile in message.profiles:
        starts = [isp.start for isp in profile.isps]
        if len(set(starts)) < len(starts):
            found.append(Rejection(Reason.ISP_CONFLICT, f"{profile.profile_type.value} has an ISP twice"))
        is_power = profile.profile_type is uftp.MeteringProfileEnum.POWER
        if is_power != (profile.unit is uftp.MeteringUnit.K_W):
            detail = f"{profile.profile_type.value} is not in {profile.unit.value}"
            found.append(Rejection(Reason.INVALID_MESSAGE, detail))
    return tuple(found)


def _settlement(message: Any, header: dict[str, Any], time_zone: str) -> m.FlexSettlement:
    return m.FlexSettlement(
        period_start=str(message.period_start),
        period_end=str(message.period_end),
        time_zone=time_zone,
        orders=tuple(
            _order_settlement(order)
            for order in message.flex_order_settlements
            if order.order_reference != NOTHING
        ),
        contracts=tuple(
            m.ContractSettlement(contract.contract_id or "", str(period.period), _contract_isps(period))
            for contract in message.contract_settlements
            for period in contract.periods
            if contract.contract_id != NOTHING
        ),
        currency=message.currency,
        **header,
    )


def _order_settlement(order: Any) -> m.OrderSettlement:
    return m.OrderSettlement(
        order_reference=order.order_reference or "",
        period=str(order.period),
        congestion_point=order.congestion_point,
        price=nano_from_decimal(order.price),
        penalty=nano_from_decimal(order.penalty),
        net=nano_from_decimal(order.net_settlement),
        isps=tuple(
            m.SettlementIsp(
                start=start,
                baseline=isp.baseline_power,
                ordered=isp.ordered_flex_power,
                actual=isp.actual_power,
                delivered=isp.delivered_flex_power,
                deficiency=isp.power_deficiency,
            )
            for isp in order.isps
            for start in range(isp.start, isp.start + _bounded(isp.duration))
        ),
        contract_id=order.contract_id,
        prognosis_id=_lower(order.d_prognosis_message_id),
        baseline_reference=order.baseline_reference,
    )


def _contract_isps(period: Any) -> tuple[m.ContractIsp, ...]:
    return tuple(
        m.ContractIsp(
            start=start,
            reserved=isp.reserved_power,
            requested=isp.requested_power or 0,
            offered=isp.offered_power or 0,
            ordered=isp.ordered_power or 0,
        )
        for isp in period.isps
        for start in range(isp.start, isp.start + _bounded(isp.duration))
    )


def _bounded(duration: int) -> int:
    if not 1 <= duration <= 1_500:
        raise ProtocolError(RefusalCode.MALFORMED, f"no day has {duration} ISPs")
    return duration


def _seconds(duration: Any) -> int:
    return int(duration.minutes or 0) * 60
