"""The aggregator's machine (AGR): prognoses and offers for its members, orders passed on to them.

Each member is a connection with an expectation (what it takes without any
flexibility) and what it could change of it. An order is divided among the
members as its offer was put together of them, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from trex_market.core.errors import InputError, unknown_name
from trex_market.programmes.flexibility.aggregator_checks import AggregatorChecks
from trex_market.programmes.flexibility.forgetting import forget_own
from trex_market.programmes.flexibility.isps import Calendar, powers_by_isp, runs_of
from trex_market.programmes.flexibility.messages import (
    Answer,
    DPrognosis,
    FlexOffer,
    FlexOfferRevocation,
    FlexOrder,
    FlexRequest,
    FlexReservationUpdate,
    FlexSettlement,
    IspPower,
    Metering,
    OfferOption,
    ToAggregator,
)
from trex_market.programmes.flexibility.money import price_of, split
from trex_market.programmes.flexibility.offering import added_up, in_pieces, profiles_of, requested
from trex_market.programmes.flexibility.own_accounts import verdicts
from trex_market.programmes.flexibility.records import (
    AggregatorState,
    AggregatorTerms,
    ByDay,
    OwnOffer,
    OwnOrder,
)
from trex_market.programmes.flexibility.sending import Day, Header, header

_replaced = msgspec.structs.replace
OPTION = "1"
"""The reference of an offer's only option."""


class Aggregator:
    """An aggregator.

    Args:
        terms: what it goes by.
        state: all that it knows, to go on from; None to begin.
    """

    def __init__(self, terms: AggregatorTerms, state: AggregatorState | None = None) -> None:
        self.terms = terms
        self.calendar = Calendar(terms.time_zone, terms.isp_duration_s)
        self._state = state or AggregatorState()
        self._checks = AggregatorChecks(terms, self._state, self.calendar)

    def state(self) -> AggregatorState:
        """Return all that it knows, as a record that JSON can hold; it goes on changing."""
        return self._state

    # ------------------------------------------------------------ members

    def expect(self, connection: str, period: str, isp: int, power: int) -> None:
        """Say what a connection is going to take in an ISP without any flexibility, in W."""
        _put(self._state.expected, connection, period, isp, power)

    def can(self, connection: str, period: str, isp: int, power: int) -> None:
        """Say by how much a connection could change what it takes in an ISP, in W."""
        _put(self._state.bearable, connection, period, isp, power)

    def cannot(self) -> None:
        """Forget what the connections could change."""
        self._state.bearable.clear()

    def metered(self, connection: str, period: str, isp: int, power: int) -> None:
        """Say what a connection took in an ISP, in W."""
        _put(self._state.meters, connection, period, isp, power)

    def activation(self, connection: str, period: str, isp: int) -> int:
        """Return by how much a connection shall change what it takes in an ISP, by all accepted orders, in W."""
        return sum(
            own.parts.get(connection, {}).get(isp, 0)
            for own in self._state.orders.values()
            if own.order.period == period
        )

    def powers(self, point: str, period: str) -> list[int]:
        """Return what all connections at a point are going to take in each ISP of a day, in W."""
        connections = self.terms.connections[self._known(point)]
        changes = [own.parts for own in self._state.orders.values() if own.order.period == period]
        powers = [0] * self.calendar.count(period)
        for connection in connections:
            expected = self._state.expected.get(connection, {}).get(period, {})
            for isps in (expected, *(parts.get(connection, {}) for parts in changes)):
                for isp, power in isps.items():
                    powers[isp - 1] += power
        return powers

    # ------------------------------------------------------------ messages out

    def prognosis(self, point: str, period: str, time: int) -> DPrognosis:
        """Say what all connections at a point are going to take on a day, ordered flexibility and all."""
        revisions = self._state.revisions.setdefault(self._known(point), {})
        revisions[period] = revisions.get(period, 0) + 1
        powers = self.powers(point, period)
        message = DPrognosis(
            **self._header(time),
            **self._day(point, period),
            revision=revisions[period],
            isps=runs_of(powers),
        )
        self._state.prognoses[message.message_id] = dict(enumerate(powers, 1))
        self._state.prognosis_days[message.message_id] = period
        self._state.sent[message.message_id] = (point, period)
        return message

    def offers(self, request_id: str, time: int) -> list[FlexOffer]:
        """Offer what the members could change of what was requested, each few ISPs for themselves.

        Args:
            request_id: message id of an accepted request.
            time: UNIX seconds.

        Returns:
            none if they can do nothing that helps.

        Raises:
            InputError: if there is no such request.
        """
        request = self._state.requests.get(request_id)
        if request is None:
            raise InputError(f"there is no request {request_id!r}")
        prognosis_id = self._state.accepted.get(request.congestion_point, {}).get(request.period)
        if prognosis_id is None or time >= request.expires:
            return []
        parts = self._parts(request)
        powers = added_up(parts)
        useful = [isp for isp in requested(request) if powers.get(isp)]
        return [
            self._offer(request, prognosis_id, parts, isps, time)
            for isps in in_pieces(useful, self.terms.isps_per_offer)
        ]

    def _offer(
        self,
        request: FlexRequest,
        prognosis_id: str,
        parts: Mapping[str, Mapping[int, int]],
        isps: Sequence[int],
        time: int,
    ) -> FlexOffer:
        """Offer some ISPs in a row."""
        own = {name: {isp: of[isp] for isp in isps if of.get(isp)} for name, of in parts.items()}
        powers = added_up(own)
        energy = sum(abs(power) for power in powers.values()) * self.terms.isp_duration_s
        option = OfferOption(
            OPTION,
            price_of(energy, self.terms.price),
            tuple(IspPower(isp, powers[isp]) for isp in isps),
            self.terms.min_activation,
        )
        offer = FlexOffer(
            **self._header(time, request.conversation_id),
            **self._day(request.congestion_point, request.period),
            expires=min(request.expires, self.calendar.start_of(request.period, isps[-1] + 1)),
            options=(option,),
            request_id=request.message_id,
            prognosis_id=prognosis_id,
            contract_id=request.contract_id,
            currency=self.terms.currency,
        )
        self._state.offers[offer.message_id] = OwnOffer(offer, own, tuple(isps))
        return offer

    def _parts(self, request: FlexRequest) -> dict[str, dict[int, int]]:
        """Return connection -> ISP -> W that it would change, so that the sums are inside of what was asked for."""
        bounds = {
            isp: (run.min_power, run.max_power)
            for run in request.isps
            for isp in range(run.start, run.start + run.duration)
        }
        connections = self.terms.connections[request.congestion_point]
        parts: dict[str, dict[int, int]] = {connection: {} for connection in connections}
        for isp, (least, most) in bounds.items():
            powers = [
                self._state.bearable.get(connection, {}).get(request.period, {}).get(isp, 0)
                for connection in connections
            ]
            total = max(least, min(most, sum(powers)))
            if total not in (least, most):
                total = self._in_grains(total)
            leading = [abs(power) if power * total > 0 else 0 for power in powers]
            if total:
                for connection, power in zip(connections, split(total, leading), strict=True):
                    parts[connection][isp] = power
        return {connection: isps for connection, isps in parts.items() if isps}

    def _in_grains(self, power: int) -> int:
        """Round towards 0, so that hundredths of an offer are whole W; all that is asked for is offered exactly."""
        grains = abs(power) // self.terms.grain_w * self.terms.grain_w
        return grains if power > 0 else -grains

    def revoke(self, offer_id: str, time: int) -> FlexOfferRevocation:
        """Take an offer back; it is revoked at once, whatever is on its way.

        Raises:
            InputError: if there is no such offer, or it is not open.
        """
        own = self._state.offers.get(offer_id)
        if own is None or own.status != "open":
            raise InputError(f"there is no open offer {offer_id!r}")
        self._state.offers[offer_id] = _replaced(own, status="revoked")
        return FlexOfferRevocation(**self._header(time, own.offer.conversation_id), offer_id=offer_id)

    def meterings(self, period: str, time: int) -> list[Metering]:
        """Say what each connection took on a day."""
        messages = []
        connections = {name for names in self.terms.connections.values() for name in names}
        for connection in sorted(connections):
            powers = self._state.meters.get(connection, {}).get(period)
            if not powers:
                continue
            revisions = self._state.meter_revisions.setdefault(connection, {})
            revisions[period] = revisions.get(period, 0) + 1
            messages.append(
                Metering(
                    **self._header(time),
                    period=period,
                    time_zone=self.terms.time_zone,
                    isp_duration_s=self.terms.isp_duration_s,
                    connection=connection,
                    revision=revisions[period],
                    profiles=profiles_of(powers),
                )
            )
        return messages

    # ------------------------------------------------------------ messages in

    def receive(self, message: ToAggregator, time: int) -> Answer:
        """Take a message that came at a moment, or reject it, which changes nothing.

        Args:
            message: its envelope was checked already.
            time: UNIX seconds.
        """
        rejections = self._checks.rejections(message, time)
        if rejections:
            return Answer(message.message_id, rejections)
        state = self._state
        match message:
            case FlexRequest():
                state.requests[message.message_id] = message
                day = state.request_revisions.setdefault(message.congestion_point, {})
                day[message.period] = message.revision
            case FlexOrder():
                self._take_order(message)
            case FlexReservationUpdate():
                stays = dict(self._checks.reserved(message.contract_id, message.period))
                stays |= powers_by_isp(message.isps)
                state.reserved.setdefault(message.contract_id, {})[message.period] = stays
            case FlexSettlement():
                return Answer(message.message_id, verdicts=verdicts(message, self.terms, state))
        return Answer(message.message_id)

    def _take_order(self, message: FlexOrder) -> None:
        state = self._state
        own = state.offers[message.offer_id or ""]
        ordered = powers_by_isp(message.isps)
        connections = list(own.parts)
        parts: dict[str, dict[int, int]] = {connection: {} for connection in connections}
        for isp, power in ordered.items():
            weights = [abs(own.parts[connection].get(isp, 0)) for connection in connections]
            for connection, share in zip(connections, self._divided(power, weights), strict=True):
                if share:
                    parts[connection][isp] = share
                    self._use_up(connection, message.period, isp, share)
        prognosis = state.prognoses[message.prognosis_id or ""]
        baseline = {isp: prognosis[isp] for isp in ordered}
        expected = {
            connection: {isp: self._expected(connection, message.period, isp) for isp in isps}
            for connection, isps in parts.items()
        }
        state.orders[message.order_reference] = OwnOrder(message, baseline, own.service, parts, expected)
        state.offers[own.offer.message_id] = _replaced(own, status="ordered")

    def _divided(self, power: int, weights: list[int]) -> list[int]:
        """Divide an ordered power in whole units, the last of which may be more than is left."""
        unit = self.terms.unit_w
        units = -(-abs(power) // unit)
        return [unit * share for share in split(units if power > 0 else -units, weights)]

    def _expected(self, connection: str, period: str, isp: int) -> int:
        return self._state.expected.get(connection, {}).get(period, {}).get(isp, 0)

    def _use_up(self, connection: str, period: str, isp: int, power: int) -> None:
        """Offer nothing twice."""
        left = self._state.bearable.get(connection, {}).get(period, {})
        if left.get(isp, 0) * power > 0:
            left[isp] = max(0, left[isp] - power) if power > 0 else min(0, left[isp] - power)

    def answered(self, answer: Answer, time: int) -> None:  # noqa: ARG002 - the time is part of what a machine is told
        """Take the DSO's answer to any message that it was sent.

        Args:
            answer: to a prognosis, an offer, a revocation or meter data.
            time: UNIX seconds.
        """
        state = self._state
        place = state.sent.pop(answer.message_id, None)
        if place is not None and answer.accepted:
            point, period = place
            state.accepted.setdefault(point, {})[period] = answer.message_id
        own = state.offers.get(answer.message_id)
        if own is not None and own.status == "open" and not answer.accepted:
            state.offers[answer.message_id] = _replaced(own, status="void")

    def orders(self) -> Mapping[str, OwnOrder]:
        """Return the orders that were accepted: reference -> order."""
        return self._state.orders

    # ------------------------------------------------------------ small parts

    def forget(self, before: str) -> None:
        """Forget all of the days before a day, which were settled."""
        forget_own(self._state, before)

    def _known(self, point: str) -> str:
        if point not in self.terms.connections:
            raise InputError(unknown_name("congestion point", point, self.terms.connections))
        return point

    def _header(self, time: int, conversation_id: str | None = None) -> Header:
        self._state.numbered += 1
        terms = self.terms
        return header(terms.seed, terms.domain, terms.operator, time, self._state.numbered, conversation_id)

    def _day(self, point: str, period: str) -> Day:
        terms = self.terms
        return Day(
            period=period,
            time_zone=terms.time_zone,
            isp_duration_s=terms.isp_duration_s,
            congestion_point=point,
        )


def _put(days: ByDay, connection: str, period: str, isp: int, power: int) -> None:
    days.setdefault(connection, {}).setdefault(period, {})[isp] = power
