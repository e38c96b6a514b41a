"""The settlement of some days: what all orders of an aggregator came to, and its reservations."""

from __future__ import annotations

from collections.abc import Iterator

from trex_market.programmes.flexibility.congestion import congestion
from trex_market.programmes.flexibility.isps import powers_by_isp
from trex_market.programmes.flexibility.messages import (
    ContractIsp,
    ContractSettlement,
    OrderSettlement,
)
from trex_market.programmes.flexibility.operator_book import OperatorBook
from trex_market.programmes.flexibility.records import HeldOrder, Reservation
from trex_market.programmes.flexibility.settlement import (
    IspOutcome,
    Ordered,
    isp_outcomes,
    net_of,
    settlement_isp,
)


def settled(
    book: OperatorBook, domain: str, period_start: str, period_end: str
) -> tuple[tuple[OrderSettlement, ...], tuple[ContractSettlement, ...]]:
    """Return what an aggregator's orders and reservations of some days came to."""
    orders: list[OrderSettlement] = []
    contracts: list[ContractSettlement] = []
    period = period_start
    while period <= period_end:
        for point in book.terms.points:
            orders += settled_orders(book, domain, point.address, period)
        contracts += [
            _contract(book, reservation, period)
            for reservation in book.terms.reservations
            if reservation.aggregator == domain
        ]
        period = book.calendar.day_after(period)
    return tuple(orders), tuple(contracts)


def settled_orders(book: OperatorBook, domain: str, address: str, period: str) -> Iterator[OrderSettlement]:
    """Yield what each order of an aggregator for a day at a point came to."""
    held = book.held_orders(domain, address, period)
    baselines = first_baselines(held)
    days: list[dict[int, IspOutcome]] = [{} for _ in held]
    for isp in baselines:
        for day, outcome in zip(days, outcomes_in(book, domain, address, period, isp), strict=True):
            day[isp] = outcome
    for one, all_isps in zip(held, days, strict=True):
        order = ordered_of(one)
        outcomes = {isp: all_isps[isp] for isp in order.powers}
        net = net_of(order, outcomes, book.terms.penalty, book.terms.isp_duration_s)
        actual = {isp: book.metered_load(address, period, isp, domain) for isp in outcomes}
        yield OrderSettlement(
            one.order.order_reference,
            period,
            address,
            net.price,
            net.penalty,
            net.net,
            tuple(
                settlement_isp(isp, order, outcome, baselines[isp], actual[isp])
                for isp, outcome in outcomes.items()
            ),
            one.order.contract_id,
            one.order.prognosis_id,
            one.order.baseline_reference,
        )


def outcomes_in(book: OperatorBook, domain: str, address: str, period: str, isp: int) -> list[IspOutcome]:
    """Return what an ISP came to, for each order of an aggregator for a day at a point."""
    held = book.held_orders(domain, address, period)
    baseline = first_baselines(held).get(isp)
    if baseline is None:
        return [IspOutcome(0, 0) for _ in held]
    actual = book.metered_load(address, period, isp, domain)
    overloaded = _overloaded(book, address, period, isp)
    return isp_outcomes([ordered_of(one) for one in held], isp, baseline, actual, overloaded=overloaded)


def change_in(book: OperatorBook, domain: str, address: str, period: str, isp: int) -> int:
    """Return by how much an aggregator has changed the load of a point in an ISP, in W, in which it had orders.

    Its orders at the points below count where it has none at the point itself.
    """
    baseline = first_baselines(book.held_orders(domain, address, period)).get(isp)
    if baseline is not None:
        actual = book.metered_load(address, period, isp, domain)
        return 0 if actual is None else actual - baseline
    return sum(change_in(book, domain, below, period, isp) for below in book.below(address))


def ordered_of(held: HeldOrder) -> Ordered:
    """Return an order as it is settled."""
    return Ordered(held.order.price, powers_by_isp(held.order.isps), frozenset(held.service))


def first_baselines(orders: list[HeldOrder]) -> dict[int, int]:
    """Return ISP -> baseline in W, that of the first order in it: it is frozen, later ones deviate from its profile."""
    baselines: dict[int, int] = {}
    for held in orders:
        for isp, power in held.baseline.items():
            baselines.setdefault(isp, power)
    return dict(sorted(baselines.items()))


def _overloaded(book: OperatorBook, address: str, period: str, isp: int) -> bool:
    load = book.metered_load(address, period, isp)
    return load is not None and congestion(load, book.limits(address, period, isp)).need != 0


def _contract(book: OperatorBook, reservation: Reservation, period: str) -> ContractSettlement:
    """Return what was reserved, asked for, offered and ordered in each ISP of a reservation."""
    domain, address = reservation.aggregator, reservation.congestion_point
    requested: dict[int, int] = {}
    for request in book.requests_of(domain, address, period):
        for run in request.isps:
            if run.requested:
                for isp in range(run.start, run.start + run.duration):
                    requested[isp] = run.min_power or run.max_power
    offered: dict[int, int] = {}
    for offer in book.offers_of(domain, address, period):
        for option in offer.options:
            for isp, power in powers_by_isp(option.isps).items():
                offered[isp] = max(offered.get(isp, 0), power, key=abs)
    ordered: dict[int, int] = {}
    for held in book.held_orders(domain, address, period):
        for isp, power in powers_by_isp(held.order.isps).items():
            ordered[isp] = ordered.get(isp, 0) + power
    reserved = book.reserved(reservation, period)
    return ContractSettlement(
        reservation.contract_id,
        period,
        tuple(
            ContractIsp(isp, power, requested.get(isp, 0), offered.get(isp, 0), ordered.get(isp, 0))
            for isp, power in sorted(reserved.items())
        ),
    )
