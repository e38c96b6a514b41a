"""What the market's meters say: the load of each point as a slot is delivered, and the settlement of a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trex_market.core.messages import Paid
from trex_market.programmes.flexibility.accounts import change_in, outcomes_in
from trex_market.programmes.flexibility.aggregator import Aggregator
from trex_market.programmes.flexibility.commands import FeederMetered, FlexibilitySettled, ProgrammeTerms
from trex_market.programmes.flexibility.grid_operator import GridOperator
from trex_market.programmes.flexibility.isps import powers_by_isp
from trex_market.programmes.flexibility.messages import FlexSettlement
from trex_market.programmes.flexibility.payments import (
    Parties,
    Payment,
    member_payments,
    operator_payments,
    transactions,
)


def feeder_metered(operator: GridOperator, period: str, isp: int, slot_start: int) -> Iterator[FeederMetered]:
    """Yield the load of each point in an ISP, and what was ordered and delivered at it."""
    for point in operator.terms.points:
        load = operator.book.metered_load(point.address, period, isp) or 0
        limits = operator.book.bounds(point.address, period, isp)
        change = ordered = delivered = 0
        for domain in point.aggregators():
            book, address = operator.book, point.address
            change += change_in(book, domain, address, period, isp)
            outcomes = outcomes_in(book, domain, address, period, isp)
            for held, outcome in zip(book.held_orders(domain, address, period), outcomes, strict=True):
                if isp in held.service:
                    ordered += abs(powers_by_isp(held.order.isps)[isp])
                    delivered += outcome.delivered
        yield FeederMetered(
            point.address,
            slot_start,
            load,
            load - change,
            limits.import_w,
            limits.export_w,
            ordered,
            delivered,
        )


def settle_day(
    operator: GridOperator,
    aggregators: Mapping[str, Aggregator],
    terms: ProgrammeTerms,
    participants: Mapping[str, str],
    period: str,
    time: int,
) -> tuple[list[FlexibilitySettled], list[Paid]]:
    """Settle a day with all aggregators.

    Args:
        operator: the DSO.
        aggregators: domain -> aggregator.
        terms: what the members get.
        participants: connection -> participant id.
        period: the day.
        time: when.

    Returns:
        what each order came to, and what is paid for each slot.
    """
    events: list[FlexibilitySettled] = []
    by_slot: dict[int, list[Payment]] = {}
    for domain, aggregator in aggregators.items():
        settlement = operator.settle(domain, period, period, time)
        if settlement is None:
            continue
        answer = aggregator.receive(settlement, time)
        operator.answered(answer, time)
        accepted = {verdict.order_reference for verdict in answer.verdicts if verdict.accepted}
        events += [
            FlexibilitySettled(
                item.order_reference,
                domain,
                item.price,
                item.penalty,
                item.net,
                "accepted" if item.order_reference in accepted else "disputed",
            )
            for item in settlement.orders
        ]
        for payment in _payments(operator, aggregator, terms, participants, settlement):
            by_slot.setdefault(payment.slot_start, []).append(payment)
    step = operator.terms.isp_duration_s
    paid = [Paid(slot, transactions(slot, step, by_slot[slot])) for slot in sorted(by_slot)]
    return events, paid


def _payments(
    operator: GridOperator,
    aggregator: Aggregator,
    terms: ProgrammeTerms,
    participants: Mapping[str, str],
    settlement: FlexSettlement,
) -> Iterator[Payment]:
    domain = aggregator.terms.domain
    for item in settlement.orders:
        connections = aggregator.terms.connections[item.congestion_point]
        parties = Parties(
            operator.terms.domain,
            domain,
            {connection: participants[connection] for connection in connections},
            terms.shares[domain],
        )
        own, penalty, calendar = (
            aggregator.orders()[item.order_reference],
            operator.terms.penalty,
            operator.calendar,
        )
        yield from operator_payments(item, own, parties, penalty, calendar)
        yield from member_payments(item, own, parties, operator.state().meters, penalty, calendar)
