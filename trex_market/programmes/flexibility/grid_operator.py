"""The grid operator's machine (DSO): takes prognoses and offers, asks where a limit is exceeded, orders, settles.

The phases of a day: *plan* (reservations are released), *validate* (prognoses,
requests, offers, orders), *operate* (later prognoses, and orders that follow of
them), *settle* (meter data, what each order came to). It has no clock: whoever
drives it says when it is, and carries its messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from trex_market.core.errors import InputError, unknown_name
from trex_market.programmes.flexibility.accounts import first_baselines, settled
from trex_market.programmes.flexibility.congestion import Limits, request_isps
from trex_market.programmes.flexibility.forgetting import forget
from trex_market.programmes.flexibility.isps import Calendar, covered, powers_by_isp
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
    OrderStatus,
    ToOperator,
)
from trex_market.programmes.flexibility.metering import power_by_isp
from trex_market.programmes.flexibility.operator_book import OperatorBook
from trex_market.programmes.flexibility.operator_checks import OperatorChecks
from trex_market.programmes.flexibility.records import (
    HeldOffer,
    HeldOrder,
    HeldPrognosis,
    OperatorState,
    OperatorTerms,
)
from trex_market.programmes.flexibility.selection import Held, Selected, select
from trex_market.programmes.flexibility.sending import Day, Header, header

_replaced = msgspec.structs.replace


class GridOperator:
    """A DSO.

    Args:
        terms: what it goes by.
        state: all that it knows, to go on from; None to begin.
    """

    def __init__(self, terms: OperatorTerms, state: OperatorState | None = None) -> None:
        self.terms = terms
        self.calendar = Calendar(terms.time_zone, terms.isp_duration_s)
        self._state = state or OperatorState()
        self.book = OperatorBook(terms, self._state, self.calendar)
        self._checks = OperatorChecks(terms, self._state, self.calendar)

    def state(self) -> OperatorState:
        """Return all that it knows, as a record that JSON can hold; it goes on changing."""
        return self._state

    # ------------------------------------------------------------ messages in

    def receive(self, message: ToOperator, time: int) -> Answer:
        """Take a message that came at a moment, or reject it, which changes nothing.

        Args:
            message: its envelope was checked already.
            time: UNIX seconds.
        """
        rejections = self._checks.rejections(message, time)
        if rejections:
            return Answer(message.message_id, rejections)
        self._state.received += 1
        match message:
            case DPrognosis():
                return Answer(message.message_id, order_statuses=self._take_prognosis(message))
            case FlexOffer():
                self._state.offers[message.message_id] = HeldOffer(message, self._state.received)
            case FlexOfferRevocation():
                self._revoke(message)
            case Metering():
                self._take_metering(message)
        return Answer(message.message_id)

    def _take_prognosis(self, message: DPrognosis) -> tuple[OrderStatus, ...]:
        powers = powers_by_isp(message.isps)
        days = self._state.prognoses.setdefault(message.congestion_point, {})
        day = days.setdefault(message.period, {})
        in_day = [powers[isp] for isp in range(1, len(powers) + 1)]
        day[message.sender] = HeldPrognosis(
            message.message_id, message.revision, in_day, self._state.received
        )
        self._state.prognosis_days[message.message_id] = message.period
        orders = self.book.orders_of(message.sender, message.congestion_point, message.period)
        return tuple(
            OrderStatus(held.order.message_id, is_validated=_reflects(powers, held, orders))
            for held in orders
        )

    def _revoke(self, message: FlexOfferRevocation) -> None:
        """Take an offer back; an order for it that was not answered yet is void."""
        held = self._state.offers[message.offer_id]
        self._state.offers[message.offer_id] = _replaced(held, status="revoked")
        for name, order in self._state.orders.items():
            if order.order.offer_id == message.offer_id:
                self._state.orders[name] = _replaced(order, status="void")

    def _take_metering(self, message: Metering) -> None:
        revisions = self._state.meter_revisions.setdefault(message.connection, {})
        revisions[message.period] = message.revision
        metered = self._state.meters.setdefault(message.connection, {}).setdefault(message.period, {})
        metered |= power_by_isp(message.profiles, message.isp_duration_s)

    def answered(self, answer: Answer, time: int) -> None:  # noqa: ARG002 - the time is part of what a machine is told
        """Take an aggregator's answer to any message that it was sent.

        Args:
            answer: to a request, an order, a reservation update or a settlement.
            time: UNIX seconds.
        """
        state = self._state
        held = state.orders.get(answer.message_id)
        if held is not None and held.status == "sent":
            state.received += 1
            if answer.accepted:
                state.orders[answer.message_id] = _replaced(held, status="accepted", known=state.received)
            else:
                state.orders[answer.message_id] = _replaced(held, status="void")
        elif answer.message_id in state.settlements:
            state.verdicts[answer.message_id] = list(answer.verdicts)

    def forecast_others(self, address: str, period: str, powers: Sequence[int]) -> None:
        """Say what the connections without aggregator are expected to take: W for each ISP of a day."""
        self.book.point(address)
        day = self._state.others.setdefault(address, {})
        day[period] = dict(enumerate(powers, 1))

    def limit(self, address: str, period: str, isp: int, limits: Limits) -> None:
        """Say what the grid behind a point bears in an ISP; it holds where it is narrower than the point's own."""
        self.book.point(address)
        self._state.limits.setdefault(address, {}).setdefault(period, {})[isp] = limits

    def metered(self, connection: str, period: str, isp: int, power: int) -> None:
        """Say what a connection took in an ISP, in W, as metered by others than its aggregator."""
        self._state.meters.setdefault(connection, {}).setdefault(period, {})[isp] = power

    # ------------------------------------------------------------ messages out

    def requests(self, address: str, period: str, time: int) -> list[FlexRequest]:
        """Ask all aggregators at a point, each the same, for what it lacks in the rest of a day.

        Returns:
            none if no limit is exceeded.
        """
        point = self.book.point(address)
        isps = request_isps(self.book.congestion(address, period), self.book.first_isp(period, time))
        if not isps:
            return []
        revisions = self._state.revisions.setdefault(address, {})
        revisions[period] = revisions.get(period, 0) + 1
        end = self.calendar.start_of(period, max(covered(isps)) + 1)
        requests = []
        for domain in point.aggregators():
            request = FlexRequest(
                **self._header(domain, time),
                **self._day(address, period),
                revision=revisions[period],
                expires=min(time + self.terms.request_life_s, end),
                isps=isps,
                contract_id=self._contract_of(domain, address),
            )
            self._state.requests[request.message_id] = request
            requests.append(request)
        return requests

    def _contract_of(self, domain: str, address: str) -> str | None:
        for reservation in self.terms.reservations:
            if reservation.aggregator == domain and reservation.congestion_point == address:
                return reservation.contract_id
        return None

    def orders(self, address: str, period: str, time: int) -> list[FlexOrder]:
        """Choose among the offers for the rest of a day at a point, and order them."""
        point = self.book.point(address)
        first = self.book.first_isp(period, time)
        loads = {isp: load for isp, load in enumerate(self.book.load(address, period), 1) if isp >= first}
        chosen = select(
            loads,
            {isp: self.book.limits(address, period, isp) for isp in loads},
            list(self._open_offers(address, period, time)),
            isp_duration_s=self.terms.isp_duration_s,
            max_price=self.terms.max_price,
            above=self.book.rooms_above(point, period),
        )
        return [self._order(choice, time) for choice in chosen]

    def _open_offers(self, address: str, period: str, time: int) -> Iterator[Held]:
        prognoses = self.book.prognoses(address, period)
        for held in self._state.offers.values():
            offer = held.offer
            in_force = prognoses.get(offer.sender)
            if (
                held.status == "open"
                and (offer.congestion_point, offer.period) == (address, period)
                and offer.expires > time
                # What deviates from a prognosis of before may add up to anything.
                and in_force is not None
                and in_force.message_id == offer.prognosis_id
            ):
                yield Held(offer, held.received)

    def _order(self, choice: Selected, time: int) -> FlexOrder:
        offer, state = choice.offer, self._state
        number = 1 + sum(held.order.period == offer.period for held in state.orders.values())
        order = FlexOrder(
            **self._header(offer.sender, time, offer.conversation_id),
            **self._day(offer.congestion_point, offer.period),
            offer_id=offer.message_id,
            option_reference=choice.option.reference,
            activation=choice.activation,
            price=choice.price,
            order_reference=f"{offer.period}-{number}",
            isps=tuple(_replaced(run, power=choice.powers[run.start]) for run in choice.option.isps),
            prognosis_id=offer.prognosis_id,
            contract_id=offer.contract_id,
            currency=offer.currency,
        )
        powers = self.book.prognoses(offer.congestion_point, offer.period)[offer.sender].powers
        baseline = {isp: powers[isp - 1] for isp in choice.powers}
        state.orders[order.message_id] = HeldOrder(order, number, baseline, self._service(choice))
        state.offers[offer.message_id] = _replaced(state.offers[offer.message_id], status="ordered")
        return order

    def _service(self, choice: Selected) -> tuple[int, ...]:
        """Return the ISPs of an order that are paid for: those that were requested, else those that are needed."""
        request = self._state.requests.get(choice.offer.request_id or "")
        if request is None:
            return choice.service
        requested = covered([run for run in request.isps if run.requested])
        return tuple(isp for isp in requested if choice.powers.get(isp))

    def release(
        self, contract_id: str, period: str, isps: tuple[IspPower, ...], time: int
    ) -> FlexReservationUpdate:
        """Say what of a reservation stays reserved on a day.

        Args:
            contract_id: which.
            period: the day.
            isps: W that stay; 0 is released.
            time: UNIX seconds.

        Raises:
            InputError: if there is no such contract.
        """
        contracts = {reservation.contract_id: reservation for reservation in self.terms.reservations}
        if contract_id not in contracts:
            raise InputError(unknown_name("contract", contract_id, contracts))
        reservation = contracts[contract_id]
        stays = self.book.reserved(reservation, period) | powers_by_isp(isps)
        self._state.released.setdefault(contract_id, {})[period] = stays
        header = self._header(reservation.aggregator, time)
        return FlexReservationUpdate(
            **header,
            **self._day(reservation.congestion_point, period),
            contract_id=contract_id,
            reference=header["message_id"],
            isps=isps,
        )

    def request(self, request_id: str) -> FlexRequest:
        """Return a request of the DSO's by its message id."""
        return self._state.requests[request_id]

    # ------------------------------------------------------------ settlement

    def settle(self, domain: str, period_start: str, period_end: str, time: int) -> FlexSettlement | None:
        """Settle an aggregator's orders of some days, from what was metered.

        Returns:
            None if there is nothing to settle.
        """
        orders, contracts = settled(self.book, domain, period_start, period_end)
        if not orders and not contracts:
            return None
        settlement = FlexSettlement(
            **self._header(domain, time),
            period_start=period_start,
            period_end=period_end,
            time_zone=self.terms.time_zone,
            orders=orders,
            contracts=contracts,
            currency=self.terms.currency,
        )
        self._state.settlements[settlement.message_id] = settlement
        return settlement

    def forget(self, before: str) -> None:
        """Forget all of the days before a day, which were settled."""
        forget(self._state, before)

    # ------------------------------------------------------------ small parts

    def _header(self, recipient: str, time: int, conversation_id: str | None = None) -> Header:
        self._state.numbered += 1
        terms = self.terms
        return header(terms.seed, terms.domain, recipient, time, self._state.numbered, conversation_id)

    def _day(self, address: str, period: str) -> Day:
        terms = self.terms
        return Day(
            period=period,
            time_zone=terms.time_zone,
            isp_duration_s=terms.isp_duration_s,
            congestion_point=address,
        )


def _reflects(powers: Mapping[int, int], held: HeldOrder, orders: Sequence[HeldOrder]) -> bool:
    """Tell whether a prognosis (ISP -> W) goes as far as all orders ask, in the ISPs of one of them."""
    baselines = first_baselines(list(orders))
    total: dict[int, int] = {}
    for other in orders:
        for isp, power in powers_by_isp(other.order.isps).items():
            total[isp] = total.get(isp, 0) + power
    return all(
        (powers[isp] - baselines[isp]) * total[isp] >= total[isp] ** 2
        for isp in powers_by_isp(held.order.isps)
    )
