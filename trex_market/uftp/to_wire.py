"""The pure machines' messages as the library knows them; `from_wire` is the way back."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import singledispatch
from typing import Any

from xsdata.models.datatype import XmlDate, XmlDuration

from trex_market.core.errors import unknown_name
from trex_market.programmes.flexibility import messages as m
from trex_market.programmes.flexibility.money import decimal_from_nano
from trex_market.uftp.checks import stamp
from trex_market.uftp.from_wire import NOTHING, PROFILES, meter_number
from trex_market.uftp.library import uftp


@singledispatch
def to_wire(message: Any) -> Any:
    """Return a machine's message as the library knows it.

    Raises:
        TypeError: if it is none.
    """
    raise TypeError(unknown_name("message", type(message).__name__, ["FlexOffer", "FlexOrder", "..."]))


def _header_to_wire(message: m.Message) -> dict[str, Any]:
    return {
        "sender_domain": message.sender,
        "recipient_domain": message.recipient,
        "time_stamp": stamp(message.time),
        "message_id": message.message_id,
        "conversation_id": message.conversation_id,
    }


def _day_to_wire(message: m.DayMessage) -> dict[str, Any]:
    return _header_to_wire(message) | {
        "isp_duration": _duration(message.isp_duration_s),
        "time_zone": message.time_zone,
        "period": XmlDate.from_string(message.period),
        "congestion_point": message.congestion_point,
    }


def _duration(seconds: int) -> XmlDuration:
    return XmlDuration(f"PT{seconds // 60}M")


@to_wire.register
def _(message: m.DPrognosis) -> Any:
    isps = [
        uftp.DPrognosisISP(power=isp.power, start=isp.start, duration=isp.duration) for isp in message.isps
    ]
    return uftp.DPrognosis(revision=message.revision, isps=isps, **_day_to_wire(message))


@to_wire.register
def _(message: m.FlexRequest) -> Any:
    disposition = uftp.AvailableRequested
    isps = [
        uftp.FlexRequestISP(
            disposition=disposition.REQUESTED if isp.requested else disposition.AVAILABLE,
            min_power=isp.min_power,
            max_power=isp.max_power,
            start=isp.start,
            duration=isp.duration,
        )
        for isp in message.isps
    ]
    return uftp.FlexRequest(
        revision=message.revision,
        expiration_date_time=stamp(message.expires),
        contract_id=message.contract_id,
        service_type=message.service_type,
        isps=isps,
        **_day_to_wire(message),
    )


@to_wire.register
def _(message: m.FlexOffer) -> Any:
    options = [
        uftp.FlexOfferOption(
            option_reference=option.reference,
            price=decimal_from_nano(option.price),
            min_activation_factor=_factor(option.min_activation),
            isps=[
                uftp.FlexOfferOptionISP(power=isp.power, start=isp.start, duration=isp.duration)
                for isp in option.isps
            ],
        )
        for option in message.options
    ]
    return uftp.FlexOffer(
        expiration_date_time=stamp(message.expires),
        offer_options=options,
        unsolicited=True if message.request_id is None else None,
        flex_request_message_id=message.request_id,
        d_prognosis_message_id=message.prognosis_id,
        baseline_reference=message.baseline_reference,
        contract_id=message.contract_id,
        currency=message.currency,
        **_day_to_wire(message),
    )


@to_wire.register
def _(message: m.FlexOfferRevocation) -> Any:
    return uftp.FlexOfferRevocation(flex_offer_message_id=message.offer_id, **_header_to_wire(message))


@to_wire.register
def _(message: m.FlexOrder) -> Any:
    isps = [
        uftp.FlexOrderISP(power=isp.power, start=isp.start, duration=isp.duration) for isp in message.isps
    ]
    return uftp.FlexOrder(
        isps=isps,
        option_reference=message.option_reference,
        activation_factor=_factor(message.activation),
        price=decimal_from_nano(message.price),
        order_reference=message.order_reference,
        unsolicited=True if message.offer_id is None else None,
        flex_offer_message_id=message.offer_id,
        d_prognosis_message_id=message.prognosis_id,
        baseline_reference=message.baseline_reference,
        contract_id=message.contract_id,
        currency=message.currency,
        **_day_to_wire(message),
    )


@to_wire.register
def _(message: m.FlexReservationUpdate) -> Any:
    return uftp.FlexReservationUpdate(
        contract_id=message.contract_id,
        reference=message.reference,
        isps=[
            uftp.FlexReservationUpdateISP(power=isp.power, start=isp.start, duration=isp.duration)
            for isp in message.isps
        ],
        **_day_to_wire(message),
    )


@to_wire.register
def _(message: m.Metering) -> Any:
    profiles = [
        uftp.MeteringProfile(
            profile_type=PROFILES[profile.kind],
            unit=uftp.MeteringUnit.K_W if profile.kind == "power" else uftp.MeteringUnit.K_WH,
            isps=[
                uftp.MeteringISP(start=start, value=Decimal(value) / 1000)
                for start, value in enumerate(profile.values, profile.start)
            ],
        )
        for profile in message.profiles
    ]
    return uftp.Metering(
        profiles=profiles,
        revision=message.revision,
        isp_duration=_duration(message.isp_duration_s),
        time_zone=message.time_zone,
        period=XmlDate.from_string(message.period),
        ean=meter_number(message.connection),
        **_header_to_wire(message),
    )


@to_wire.register
def _(message: m.FlexSettlement) -> Any:
    orders = [_order_to_wire(order) for order in message.orders]
    contracts = [
        _contract_to_wire(contract.contract_id, contract.period, contract.isps)
        for contract in message.contracts
    ]
    nothing = m.OrderSettlement(
        order_reference=NOTHING,
        period=message.period_start,
        congestion_point="ea1.2000-01.invalid:none",
        price=0,
        penalty=0,
        net=0,
        isps=(m.SettlementIsp(1, 0, 0, 0, 0, 0),),
    )
    no_contract = _contract_to_wire(NOTHING, message.period_start, (m.ContractIsp(1, 0, 0, 0, 0),))
    return uftp.FlexSettlement(
        flex_order_settlements=orders or [_order_to_wire(nothing)],
        contract_settlements=contracts or [no_contract],
        period_start=XmlDate.from_string(message.period_start),
        period_end=XmlDate.from_string(message.period_end),
        currency=message.currency,
        **_header_to_wire(message),
    )


def _factor(hundredths: int) -> Decimal:
    return Decimal(hundredths) / 100


def _order_to_wire(order: m.OrderSettlement) -> Any:
    return uftp.FlexOrderSettlement(
        order_reference=order.order_reference,
        period=XmlDate.from_string(order.period),
        congestion_point=order.congestion_point,
        price=decimal_from_nano(order.price),
        penalty=decimal_from_nano(order.penalty),
        net_settlement=decimal_from_nano(order.net),
        contract_id=order.contract_id,
        d_prognosis_message_id=order.prognosis_id,
        baseline_reference=order.baseline_reference,
        isps=[
            uftp.FlexOrderSettlementISP(
                start=isp.start,
                baseline_power=isp.baseline,
                ordered_flex_power=isp.ordered,
                actual_power=isp.actual,
                delivered_flex_power=isp.delivered,
                power_deficiency=isp.deficiency,
            )
            for isp in order.isps
        ],
    )


def _contract_to_wire(contract_id: str, period: str, isps: Iterable[m.ContractIsp]) -> Any:
    entries = [
        uftp.ContractSettlementISP(
            start=isp.start,
            reserved_power=isp.reserved,
            requested_power=isp.requested,
            offered_power=isp.offered,
            ordered_power=isp.ordered,
        )
        for isp in isps
    ]
    days = [uftp.ContractSettlementPeriod(isps=entries, period=XmlDate.from_string(period))]
    return uftp.ContractSettlement(contract_id=contract_id, periods=days)
