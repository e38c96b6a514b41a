"""What a DSO checks of the messages that it is sent, beyond the envelope; each check says all that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trex_market.programmes.flexibility.checks import (
    day_rejections,
    expiry_rejections,
    isp_rejections,
    past_rejections,
    revision_rejections,
    unknown,
)
from trex_market.programmes.flexibility.isps import Calendar, covered, powers_by_isp
from trex_market.programmes.flexibility.messages import (
    CongestionPoint,
    DPrognosis,
    FlexOffer,
    FlexOfferRevocation,
    FlexRequest,
    Metering,
    OfferOption,
)
from trex_market.programmes.flexibility.reasons import Reason, Rejection
from trex_market.programmes.flexibility.records import HeldPrognosis, OperatorState, OperatorTerms


class OperatorChecks:
    """The checks of a DSO.

    Args:
        terms: what it goes by.
        state: all that it knows.
        calendar: of its ISPs.
    """

    def __init__(self, terms: OperatorTerms, state: OperatorState, calendar: Calendar) -> None:
        self._terms = terms
        self._state = state
        self._calendar = calendar
        self._points = {point.address: point for point in terms.points}
        self._checks: Mapping[type, Callable[[Any, int], Iterator[Rejection]]] = {
            DPrognosis: self._prognosis,
            FlexOffer: self._offer,
            FlexOfferRevocation: self._revocation,
            Metering: self._metering,
        }

    def rejections(
        self, message: DPrognosis | FlexOffer | FlexOfferRevocation | Metering, time: int
    ) -> tuple[Rejection, ...]:
        """Return what is wrong with a message that came at a moment; nothing if it can be accepted."""
        state = self._state
        if message.message_id in state.offers or message.message_id in state.prognosis_days:
            detail = f"the message id {message.message_id!r} was used before"
            return (Rejection(Reason.DUPLICATE_IDENTIFIER, detail),)
        return tuple(self._checks[type(message)](message, time))

    def _day(self, message: DPrognosis | FlexOffer, time: int) -> Iterator[Rejection]:
        """Check what prognoses and offers have in common; nothing else can be judged if something is wrong."""
        yield from self._active(message.congestion_point, message.sender)
        wrong = list(day_rejections(message, self._calendar))
        yield from wrong or past_rejections(message.period, self._calendar, time)

    def _active(self, address: str, domain: str) -> Iterator[Rejection]:
        point = self._points.get(address)
        if point is None:
            yield Rejection(Reason.INVALID_POINT, f"there is no congestion point {address!r}")
        elif domain not in point.aggregators():
            yield Rejection(Reason.INVALID_POINT, f"{domain} has no connection at {address}")

    # ------------------------------------------------------------ prognoses

    def _prognosis(self, message: DPrognosis, time: int) -> Iterator[Rejection]:
        wrong = list(self._day(message, time))
        if wrong:
            yield from wrong
            return
        count = self._calendar.count(message.period)
        wrong = list(isp_rejections(message.isps, count))
        if wrong:
            yield from wrong
            return
        listed = len(covered(message.isps))
        if listed < count:
            yield Rejection(Reason.LACKING_ISPS, f"{message.period} has {count} ISPs, found {listed}")
        yield from self._plausible(message.congestion_point, message.sender, powers_by_isp(message.isps))
        held = self._held(message.congestion_point, message.period, message.sender)
        yield from revision_rejections(message.revision, held.revision if held else None)

    def _held(self, address: str, period: str, domain: str) -> HeldPrognosis | None:
        return self._state.prognoses.get(address, {}).get(period, {}).get(domain)

    def _plausible(self, address: str, domain: str, powers: Mapping[int, int]) -> Iterator[Rejection]:
        """Check that an aggregator's connections could take or give so much."""
        own = [name for name, owner in self._points[address].connections.items() if owner == domain]
        most = len(own) * self._terms.max_connection_w
        for isp, power in powers.items():
            if abs(power) > most:
                detail = f"{len(own)} connections cannot take or give {power} W (ISP {isp}); {most} W may be"
                yield Rejection(Reason.POWER_VALUE, detail)
                return

    # ------------------------------------------------------------ offers

    def _offer(self, message: FlexOffer, time: int) -> Iterator[Rejection]:
        wrong = list(self._day(message, time))
        wrong += self._option_list(message, self._points.get(message.congestion_point))
        if wrong:
            yield from wrong
            return
        count = self._calendar.count(message.period)
        wrong = [found for option in message.options for found in isp_rejections(option.isps, count)]
        if wrong:
            yield from dict.fromkeys(wrong)
            return
        runs = [run for option in message.options for run in option.isps]
        yield from expiry_rejections(message.expires, runs, message.period, self._calendar, time)
        baseline, wrong = self._baseline(message)
        yield from wrong
        yield from self._contract(message)
        if baseline is not None:
            for option in message.options:
                powers = powers_by_isp(option.isps)
                after = {isp: baseline.powers[isp - 1] + power for isp, power in powers.items()}
                yield from self._plausible(message.congestion_point, message.sender, after)
        if message.request_id is not None:
            yield from self._against_request(message, time)

    def _option_list(self, message: FlexOffer, point: CongestionPoint | None) -> Iterator[Rejection]:
        options = message.options
        if not options:
            yield Rejection(Reason.INVALID_MESSAGE, "there is no option")
        if point is not None and len(options) > 1 and not point.mutex_offers:
            detail = f"offers have one option at {point.address}, found {len(options)}"
            yield Rejection(Reason.NO_MUTEX, detail)
        if len({option.reference for option in options}) < len(options):
            yield Rejection(Reason.INVALID_MESSAGE, "two options have the same OptionReference")
        if message.currency != self._terms.currency:
            detail = f"the currency is {self._terms.currency}, found {message.currency}"
            yield Rejection(Reason.INVALID_MESSAGE, detail)
        for option in options:
            if option.price < 0 or not 1 <= option.min_activation <= 100:
                detail = "a price is at least 0, and MinActivationFactor 0.01 to 1.00"
                yield Rejection(Reason.INVALID_MESSAGE, detail)
                return

    def _baseline(self, message: FlexOffer) -> tuple[HeldPrognosis | None, list[Rejection]]:
        """Return the prognosis that an offer deviates from, or what is wrong with its reference."""
        state = self._state
        if message.prognosis_id is None:
            if message.baseline_reference is None:
                return None, [Rejection(Reason.NO_BASELINE, "it names no baseline")]
            return None, [unknown("BaselineReference", message.baseline_reference)]
        period = state.prognosis_days.get(message.prognosis_id)
        if period is None:
            return None, [unknown("D-PrognosisMessageID", message.prognosis_id)]
        if period != message.period:
            detail = f"the prognosis is of {period}, the offer of {message.period}"
            return None, [Rejection(Reason.PERIOD_MISMATCH, detail)]
        held = self._held(message.congestion_point, message.period, message.sender)
        if held is None or held.message_id != message.prognosis_id:
            return None, [Rejection(Reason.BASELINE_MISMATCH, "there is a later prognosis")]
        return held, []

    def _contract(self, message: FlexOffer) -> Iterator[Rejection]:
        known = {reservation.contract_id for reservation in self._terms.reservations}
        if message.contract_id is not None and message.contract_id not in known:
            yield unknown("ContractID", message.contract_id)

    def _against_request(self, message: FlexOffer, time: int) -> Iterator[Rejection]:
        request = self._state.requests.get(message.request_id or "")
        if (
            request is None
            or request.recipient != message.sender
            or request.congestion_point != message.congestion_point
        ):
            yield unknown("FlexRequestMessageID", message.request_id)
            return
        if request.period != message.period:
            detail = f"the request is of {request.period}, the offer of {message.period}"
            yield Rejection(Reason.PERIOD_MISMATCH, detail)
            return
        if request.expires <= time:
            yield Rejection(Reason.REFERENCE_EXPIRED, f"the request expired at {request.expires}")
        for option in message.options:
            yield from self._option_against_request(option, request)

    @staticmethod
    def _option_against_request(option: OfferOption, request: FlexRequest) -> Iterator[Rejection]:
        asked = {isp: run for run in request.isps for isp in range(run.start, run.start + run.duration)}
        powers = powers_by_isp(option.isps)
        if not any(power and isp in asked and asked[isp].requested for isp, power in powers.items()):
            yield Rejection(
                Reason.REQUEST_MISMATCH, f"option {option.reference!r} has no ISP that was requested"
            )
        for isp, power in powers.items():
            least, most = (asked[isp].min_power, asked[isp].max_power) if isp in asked else (0, 0)
            if not least <= power <= most:
                detail = f"option {option.reference!r} has {power} W in ISP {isp}; {least} to {most} W may be"
                yield Rejection(Reason.POWER_VALUE, detail)
                return

    def _revocation(self, message: FlexOfferRevocation, _: int) -> Iterator[Rejection]:
        held = self._state.offers.get(message.offer_id)
        if held is None or held.offer.sender != message.sender:
            yield unknown("FlexOfferMessageID", message.offer_id)
        elif held.status == "revoked":
            yield Rejection(Reason.REFERENCE_REVOKED, "the offer was revoked already")
        elif any(
            order.order.offer_id == message.offer_id and order.status == "accepted"
            for order in self._state.orders.values()
        ):
            yield Rejection(Reason.FLEXIBILITY_PROCURED, "the offer was ordered, and the order accepted")

    # ------------------------------------------------------------ meter data

    def _metering(self, message: Metering, _: int) -> Iterator[Rejection]:
        owners = {
            point.connections[message.connection]
            for point in self._terms.points
            if message.connection in point.connections
        }
        if message.sender not in owners:
            detail = f"{message.sender} does not speak for {message.connection!r}"
            yield Rejection(Reason.INVALID_MESSAGE, detail)
            return
        wrong = list(day_rejections(message, self._calendar))
        if wrong:
            yield from wrong
            return
        count = self._calendar.count(message.period)
        for profile in message.profiles:
            if profile.start < 1 or not profile.values or profile.start + len(profile.values) - 1 > count:
                detail = f"the day has ISPs 1 to {count}, found {len(profile.values)} from {profile.start} on"
                yield Rejection(Reason.ISPS_OUT_OF_BOUNDS, detail)
                return
        last = self._state.meter_revisions.get(message.connection, {}).get(message.period)
        yield from revision_rejections(message.revision, last)
