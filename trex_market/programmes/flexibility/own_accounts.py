"""What an aggregator says of a settlement, having worked it out of its own meter data."""

from __future__ import annotations

from trex_market.programmes.flexibility.isps import powers_by_isp
from trex_market.programmes.flexibility.messages import FlexSettlement, OrderSettlement, OrderVerdict
from trex_market.programmes.flexibility.money import QUANTUM, decimal_from_nano
from trex_market.programmes.flexibility.records import AggregatorState, AggregatorTerms, OwnOrder
from trex_market.programmes.flexibility.settlement import IspOutcome, Ordered, isp_outcomes, net_of


def verdicts(
    settlement: FlexSettlement, terms: AggregatorTerms, state: AggregatorState
) -> tuple[OrderVerdict, ...]:
    """Return which orders are settled as they should be, and what is wrong with the others."""
    return tuple(_verdict(item, terms, state) for item in settlement.orders)


def _verdict(item: OrderSettlement, terms: AggregatorTerms, state: AggregatorState) -> OrderVerdict:
    own = state.orders[item.order_reference]
    if item.price != own.order.price or item.net != item.price - item.penalty:
        reason = f"the order's price is {decimal_from_nano(own.order.price)}, and the net amount is price - penalty"
        return OrderVerdict(item.order_reference, accepted=False, reason=reason)
    overloaded = {isp.start for isp in item.isps if isp.start not in own.service and isp.deficiency}
    expected = _net(own, terms, state, overloaded)
    if abs(expected - item.net) > QUANTUM:
        reason = f"by our meters the net amount is {decimal_from_nano(expected)}"
        return OrderVerdict(item.order_reference, accepted=False, reason=reason)
    return OrderVerdict(item.order_reference, accepted=True)


def _net(own: OwnOrder, terms: AggregatorTerms, state: AggregatorState, overloaded: set[int]) -> int:
    """Return what an order comes to by one's own meter data.

    Whether the point was beyond its limit in a rebound is the DSO's to know.
    """
    order = own.order
    beside = [
        other
        for other in state.orders.values()
        if (other.order.period, other.order.congestion_point) == (order.period, order.congestion_point)
    ]
    ordered = [_ordered(other) for other in beside]
    place = beside.index(own)
    outcomes: dict[int, IspOutcome] = {}
    for isp in ordered[place].powers:
        baseline = next(other.baseline[isp] for other in beside if isp in other.baseline)
        actual = _metered(order.congestion_point, order.period, isp, terms, state)
        settled = isp_outcomes(ordered, isp, baseline, actual, overloaded=isp in overloaded)
        outcomes[isp] = settled[place]
    return net_of(ordered[place], outcomes, terms.penalty, terms.isp_duration_s).net


def _ordered(own: OwnOrder) -> Ordered:
    powers = powers_by_isp(own.order.isps)
    return Ordered(own.order.price, powers, frozenset(own.service))


def _metered(point: str, period: str, isp: int, terms: AggregatorTerms, state: AggregatorState) -> int | None:
    powers = [
        state.meters.get(connection, {}).get(period, {}).get(isp) for connection in terms.connections[point]
    ]
    known = [power for power in powers if power is not None]
    return sum(known) if len(known) == len(powers) else None
