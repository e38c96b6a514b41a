"""Congestion points above each other: the load of what is below counts above, and the lowest is asked first."""

from __future__ import annotations

import msgspec

from tests.programmes.flexibility.helpers import (
    AGR1,
    BEFORE,
    DAY,
    FEEDER,
    Header,
    accepted,
    day_of,
    feeder,
    grid_operator,
    offer,
    prognosis,
    take_orders,
)
from trex_market.programmes.flexibility.grid_operator import GridOperator
from trex_market.programmes.flexibility.messages import CongestionPoint

ABOVE = "ea1.2026-01.demo.dso:transformer"
TRANSFORMER = CongestionPoint(ABOVE, 150_000, 150_000, {"c0": AGR1, "c1": AGR1, "far": None})
LOADS = {FEEDER: {70: 120_000, 71: 90_000}, ABOVE: {70: 160_000, 71: 149_000}}


def tree() -> tuple[GridOperator, Header]:
    """Return a DSO of a feeder below a transformer, and prognoses of an aggregator for both."""
    operator = grid_operator(TRANSFORMER, feeder(parent=ABOVE))
    head = Header(AGR1)
    for address, powers in LOADS.items():
        accepted(operator.receive(prognosis(head, powers, congestion_point=address), BEFORE))
        operator.forecast_others(address, DAY, day_of({}))
    return operator, head


def test_the_lowest_point_comes_first() -> None:
    operator, _ = tree()
    assert [point.address for point in operator.book.points] == [FEEDER, ABOVE]
    assert operator.book.below(ABOVE) == [FEEDER]


def test_an_order_below_relieves_the_point_above_at_once() -> None:
    operator, head = tree()
    made = offer(head, {70: -20_000}, prognosis_id=f"{AGR1}-1", min_activation=1)
    accepted(operator.receive(made, BEFORE))
    orders = operator.orders(FEEDER, DAY, BEFORE)
    assert [order.isps[0].power for order in orders] == [-20_000]
    assert operator.book.load(ABOVE, DAY)[69] == 140_000
    assert operator.requests(ABOVE, DAY, BEFORE) == []
    take_orders(operator, orders)
    assert operator.book.load(ABOVE, DAY)[69] == 140_000
    # A later prognosis for the point above contains it.
    later = prognosis(head, {70: 141_000}, congestion_point=ABOVE, revision=2)
    accepted(operator.receive(later, BEFORE))
    assert operator.book.load(ABOVE, DAY)[69] == 141_000
    operator.metered("c0", DAY, 70, 105_000)
    operator.metered("c1", DAY, 70, 0)
    from trex_market.programmes.flexibility.accounts import change_in

    assert change_in(operator.book, AGR1, FEEDER, DAY, 70) == -15_000
    assert change_in(operator.book, AGR1, ABOVE, DAY, 70) == -15_000
    assert change_in(operator.book, AGR1, ABOVE, DAY, 71) == 0


def test_a_rebound_that_the_point_above_cannot_bear_is_not_ordered() -> None:
    for rebound, ordered in ((1_000, 100), (2_000, 50), (3_000, None)):
        operator, head = tree()
        made = offer(head, {70: -20_000, 71: rebound}, prognosis_id=f"{AGR1}-1", min_activation=50)
        accepted(operator.receive(made, BEFORE))
        orders = operator.orders(FEEDER, DAY, BEFORE)
        assert [order.activation for order in orders] == ([] if ordered is None else [ordered])


def test_a_state_is_json() -> None:
    operator, _ = tree()
    state = msgspec.json.decode(msgspec.json.encode(operator.state()), type=type(operator.state()))
    again = GridOperator(operator.terms, state)
    assert again.book.load(ABOVE, DAY) == operator.book.load(ABOVE, DAY)
