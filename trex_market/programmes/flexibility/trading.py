"""One table for a DSO and its aggregators: each message is handed over at once, and answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from trex_market.core.messages import Event
from trex_market.programmes.flexibility.aggregator import Aggregator
from trex_market.programmes.flexibility.commands import (
    FlexibilityActivated,
    FlexibilityAsked,
    FlexibilityOrdered,
)
from trex_market.programmes.flexibility.dividing import divided, wanted_of
from trex_market.programmes.flexibility.grid_operator import GridOperator
from trex_market.programmes.flexibility.isps import Calendar, powers_by_isp
from trex_market.programmes.flexibility.messages import FlexOrder, FlexRequest

Wanted = dict[str, dict[int, int]]
"""Aggregator -> slot -> W that it is asked to change."""


class Table:
    """Carries messages between a DSO and its aggregators.

    Args:
        operator: the DSO.
        aggregators: domain -> aggregator.
        calendar: of the ISPs.
    """

    def __init__(
        self, operator: GridOperator, aggregators: Mapping[str, Aggregator], calendar: Calendar
    ) -> None:
        self._operator = operator
        self._aggregators = aggregators
        self._calendar = calendar

    # ------------------------------------------------------------ prognoses and requests

    def prognose(self, period: str, time: int) -> None:
        """Have each aggregator send its prognosis of a day for each point, where it has changed."""
        for domain, aggregator in self._aggregators.items():
            for address in aggregator.terms.connections:
                held = self._operator.book.prognoses(address, period).get(domain)
                if held is None or aggregator.powers(address, period) != held.powers:
                    message = aggregator.prognosis(address, period, time)
                    aggregator.answered(self._operator.receive(message, time), time)

    def ask(self, periods: Sequence[str], time: int) -> tuple[list[str], Wanted]:
        """Have the DSO ask at the lowest congested points.

        Returns:
            message ids of the requests that were accepted, and what they ask for.
        """
        asked: list[str] = []
        wanted: Wanted = {}
        for period in periods:
            for request in self._requests(period, time):
                answer = self._aggregators[request.recipient].receive(request, time)
                self._operator.answered(answer, time)
                if answer.accepted:
                    asked.append(request.message_id)
                    self._add(wanted.setdefault(request.recipient, {}), request)
        return asked, wanted

    def _requests(self, period: str, time: int) -> Iterator[FlexRequest]:
        """Yield requests of a day; points above one that is congested wait for it."""
        waiting: set[str] = set()
        for point in self._operator.book.points:
            requests = (
                [] if point.address in waiting else self._operator.requests(point.address, period, time)
            )
            yield from requests
            if requests or point.address in waiting:
                waiting |= {point.parent} if point.parent else set()

    def _add(self, wanted: dict[int, int], request: FlexRequest) -> None:
        for isp, power in wanted_of(request).items():
            wanted[self._calendar.start_of(request.period, isp)] = power

    def asked_members(
        self, wanted: Wanted, time: int, powers: Mapping[str, int], participants: Mapping[str, str]
    ) -> list[Event]:
        """Divide what an aggregator is asked for among its members that can change anything, by their power.

        Args:
            wanted: what the aggregators are asked for.
            time: when.
            powers: connection -> most by which it could change what it takes, in W.
            participants: connection -> participant id.
        """
        events: list[Event] = []
        for domain, slots in wanted.items():
            terms = self._aggregators[domain].terms
            names = {name for names in terms.connections.values() for name in names}
            able = {name: powers.get(name, 0) for name in names}
            parts = divided(slots, able, self._calendar.duration)
            events += [FlexibilityAsked(participants[name], time, part) for name, part in parts.items()]
        return events

    # ------------------------------------------------------------ offers and orders

    def trade(self, asked: Sequence[str], time: int, participants: Mapping[str, str]) -> list[Event]:
        """Have the aggregators offer and the DSO order.

        Args:
            asked: message ids of the requests that are to be answered.
            time: when.
            participants: connection -> participant id.
        """
        places: dict[tuple[str, str], None] = {}
        for request_id in asked:
            request = self._operator.request(request_id)
            aggregator = self._aggregators[request.recipient]
            for offer in aggregator.offers(request_id, time):
                aggregator.answered(self._operator.receive(offer, time), time)
                places[request.congestion_point, request.period] = None
        events: list[Event] = []
        for address, period in places:
            for order in self._operator.orders(address, period, time):
                answer = self._aggregators[order.recipient].receive(order, time)
                self._operator.answered(answer, time)
                if answer.accepted:
                    events.append(self._ordered(order))
                    events += self._activated(order, participants)
        for _, period in places:
            self.prognose(period, time)
        for aggregator in self._aggregators.values():
            aggregator.cannot()
        return events

    def _ordered(self, order: FlexOrder) -> FlexibilityOrdered:
        return FlexibilityOrdered(
            order.order_reference,
            order.recipient,
            order.congestion_point,
            order.time,
            order.activation,
            order.price,
            {
                self._calendar.start_of(order.period, isp): power
                for isp, power in powers_by_isp(order.isps).items()
            },
        )

    def _activated(self, order: FlexOrder, participants: Mapping[str, str]) -> Iterator[FlexibilityActivated]:
        """Yield what each member shall do now, in all."""
        aggregator = self._aggregators[order.recipient]
        parts = aggregator.orders()[order.order_reference].parts
        for connection, isps in parts.items():
            changes = {
                self._calendar.start_of(order.period, isp): aggregator.activation(
                    connection, order.period, isp
                )
                * self._calendar.duration
                // 3600
                for isp in isps
            }
            if changes:
                yield FlexibilityActivated(participants[connection], order.time, changes)
