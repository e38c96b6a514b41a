"""What an aggregator checks of the messages that it is sent, beyond the envelope; each check says all that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trex_market.programmes.flexibility.checks import (
    day_rejections,
    expiry_rejections,
    isp_rejections,
    past_rejections,
    revision_rejections,
    settlement_period_rejections,
    unknown,
)
from trex_market.programmes.flexibility.isps import Calendar, powers_by_isp
from trex_market.programmes.flexibility.messages import (
    DayMessage,
    FlexOrder,
    FlexRequest,
    FlexReservationUpdate,
    FlexSettlement,
    OfferOption,
    ToAggregator,
)
from trex_market.programmes.flexibility.money import part_of, part_of_power
from trex_market.programmes.flexibility.reasons import Reason, Rejection
from trex_market.programmes.flexibility.records import AggregatorState, AggregatorTerms, OwnOffer


class AggregatorChecks:
    """The checks of an aggregator.

    Args:
        terms: what it goes by.
        state: all that it knows.
        calendar: of its ISPs.
    """

    def __init__(self, terms: AggregatorTerms, state: AggregatorState, calendar: Calendar) -> None:
        self._terms = terms
        self._state = state
        self._calendar = calendar
        self._checks: Mapping[type, Callable[[Any, int], Iterator[Rejection]]] = {
            FlexRequest: self._request,
            FlexOrder: self._order,
            FlexReservationUpdate: self._reservation,
            FlexSettlement: self._settlement,
        }

    def rejections(self, message: ToAggregator, time: int) -> tuple[Rejection, ...]:
        """Return what is wrong with a message that came at a moment; nothing if it can be accepted."""
        used = {own.order.message_id for own in self._state.orders.values()}
        if message.message_id in self._state.requests or message.message_id in used:
            detail = f"the message id {message.message_id!r} was used before"
            return (Rejection(Reason.DUPLICATE_IDENTIFIER, detail),)
        return tuple(self._checks[type(message)](message, time))

    def _day(self, message: DayMessage, time: int) -> Iterator[Rejection]:
        if message.congestion_point not in self._terms.connections:
            detail = f"no connection of ours is at {message.congestion_point!r}"
            yield Rejection(Reason.INVALID_POINT, detail)
        wrong = list(day_rejections(message, self._calendar))
        yield from wrong or past_rejections(message.period, self._calendar, time)

    def _contract(self, contract_id: str | None) -> Iterator[Rejection]:
        known = {reservation.contract_id for reservation in self._terms.reservations}
        if contract_id is not None and contract_id not in known:
            yield unknown("ContractID", contract_id)

    # ------------------------------------------------------------ requests

    def _request(self, message: FlexRequest, time: int) -> Iterator[Rejection]:
        wrong = list(self._day(message, time))
        if not wrong:
            wrong = list(isp_rejections(message.isps, self._calendar.count(message.period)))
        if wrong:
            yield from wrong
            return
        yield from expiry_rejections(message.expires, message.isps, message.period, self._calendar, time)
        yield from self._contract(message.contract_id)
        last = self._state.request_revisions.get(message.congestion_point, {}).get(message.period)
        yield from revision_rejections(message.revision, last)
        if not any(run.requested for run in message.isps):
            yield Rejection(Reason.LACKING_REQUESTED, "nothing is requested in any ISP")
        for run in message.isps:
            if run.min_power > run.max_power:
                detail = f"{run.min_power} to {run.max_power} W from ISP {run.start} on"
                yield Rejection(Reason.POWER_DISCREPANCY, detail)
            elif run.requested and run.min_power < 0 < run.max_power:
                detail = f"both directions are requested from ISP {run.start} on"
                yield Rejection(Reason.REQUESTED_POWER_DISCREPANCY, detail)

    # ------------------------------------------------------------ orders

    def _order(self, message: FlexOrder, time: int) -> Iterator[Rejection]:
        wrong = list(self._day(message, time))
        if not wrong:
            wrong = list(isp_rejections(message.isps, self._calendar.count(message.period)))
        own = self._state.offers.get(message.offer_id or "")
        if own is None:
            wrong.append(unknown("FlexOfferMessageID", message.offer_id))
        if wrong or own is None:
            yield from wrong
            return
        offer = own.offer
        if offer.congestion_point != message.congestion_point:
            yield Rejection(Reason.INVALID_POINT, f"the offer is for {offer.congestion_point}")
        if offer.period != message.period:
            detail = f"the offer is of {offer.period}, the order of {message.period}"
            yield Rejection(Reason.PERIOD_MISMATCH, detail)
        yield from self._offer_status(own, time)
        if message.prognosis_id != offer.prognosis_id:
            yield Rejection(Reason.BASELINE_MISMATCH, "the offer deviates from another prognosis")
        options = {option.reference: option for option in offer.options}
        option = options.get(message.option_reference or "")
        if option is None:
            yield unknown("OptionReference", message.option_reference)
        else:
            yield from _against_option(message, option, offer.currency)

    @staticmethod
    def _offer_status(own: OwnOffer, time: int) -> Iterator[Rejection]:
        if own.status in ("revoked", "void"):
            yield Rejection(Reason.REFERENCE_REVOKED, "the offer does not hold any more")
        elif own.status == "ordered":
            yield Rejection(Reason.INVALID_MESSAGE, "the offer was ordered already")
        elif own.offer.expires <= time:
            yield Rejection(Reason.REFERENCE_EXPIRED, f"the offer expired at {own.offer.expires}")

    # ------------------------------------------------------------ reservations, settlement

    def _reservation(self, message: FlexReservationUpdate, time: int) -> Iterator[Rejection]:
        wrong = list(self._day(message, time)) + list(self._contract(message.contract_id))
        if not wrong:
            wrong = list(isp_rejections(message.isps, self._calendar.count(message.period)))
        if wrong:
            yield from wrong
            return
        first = min(run.start for run in message.isps)
        if self._calendar.start_of(message.period, first) <= time:
            yield Rejection(Reason.DEADLINE_EXPIRED, f"ISP {first} has begun")
        reserved = self.reserved(message.contract_id, message.period)
        for isp, power in powers_by_isp(message.isps).items():
            before = reserved.get(isp, 0)
            if not min(before, 0) <= power <= max(before, 0):
                detail = f"{before} W are reserved in ISP {isp}, which cannot become {power} W"
                yield Rejection(Reason.POWER_VALUE, detail)
                return

    def reserved(self, contract_id: str, period: str) -> dict[int, int]:
        """Return what is reserved by a contract on a day: ISP -> W."""
        told = self._state.reserved.get(contract_id, {}).get(period)
        if told is not None:
            return told
        for reservation in self._terms.reservations:
            if reservation.contract_id == contract_id:
                return dict(reservation.powers)
        return {}

    def _settlement(self, message: FlexSettlement, time: int) -> Iterator[Rejection]:
        wrong = list(settlement_period_rejections(message, self._calendar, time))
        if wrong:
            yield from wrong
            return
        if message.time_zone != self._terms.time_zone and not self._calendar.same_offset(
            message.time_zone, message.period_start
        ):
            yield Rejection(Reason.TIME_ZONE, f"the time zone is {self._terms.time_zone}")
        for item in message.contracts:
            yield from self._contract(item.contract_id)
        listed = {item.order_reference for item in message.orders}
        for reference in listed - self._state.orders.keys():
            yield unknown("OrderReference", reference)
        missing = [
            reference
            for reference, own in self._state.orders.items()
            if message.period_start <= own.order.period <= message.period_end and reference not in listed
        ]
        if missing:
            yield Rejection(
                Reason.MISSING_SETTLEMENT_ITEMS, f"{missing[0]} and {len(missing) - 1} others lack"
            )


def _against_option(message: FlexOrder, option: OfferOption, currency: str) -> Iterator[Rejection]:
    """Compare an order with the option that it orders."""
    if [(run.start, run.duration) for run in message.isps] != [
        (run.start, run.duration) for run in option.isps
    ]:
        yield Rejection(Reason.ISP_MISMATCH, "the order has other ISPs than the option")
        return
    if not option.min_activation <= message.activation <= 100:
        detail = f"{option.min_activation} to 100 hundredths can be ordered, found {message.activation}"
        yield Rejection(Reason.POWER_MISMATCH, detail)
        return
    for ordered, offered in zip(message.isps, option.isps, strict=True):
        if ordered.power != part_of_power(offered.power, message.activation):
            detail = (
                f"{ordered.power} W in ISP {ordered.start} is not {message.activation} % of {offered.power} W"
            )
            yield Rejection(Reason.POWER_MISMATCH, detail)
            break
    if message.price != part_of(option.price, message.activation) or message.currency != currency:
        detail = (
            f"{message.price} n{message.currency} is not the price of {message.activation} % of the option"
        )
        yield Rejection(Reason.PRICE_MISMATCH, detail)
