"""The protocol facts' worked example: a feeder of 100 kW, two aggregators, ISPs 69 to 72; to the cent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.programmes.flexibility.helpers import (
    AGR1,
    AGR2,
    BEFORE,
    DAY,
    DOLLAR,
    FEEDER,
    MIDNIGHT,
    Header,
    accepted,
    feeder,
    grid_operator,
    offer,
    prognosis,
    take_orders,
)
from trex_market.programmes.flexibility.grid_operator import GridOperator
from trex_market.programmes.flexibility.messages import FlexOrder, FlexRequest, RequestIsp
from trex_market.programmes.flexibility.money import decimal_from_nano
from trex_market.programmes.flexibility.settlement import (
    Ordered,
    PenaltyTerms,
    isp_outcomes,
    net_of,
)

PROGNOSES = {
    AGR1: {69: 30_000, 70: 45_000, 71: 50_000, 72: 30_000},
    AGR2: {69: 20_000, 70: 35_000, 71: 40_000, 72: 20_000},
}
OFFERS = {
    AGR1: ({70: -10_000, 71: -20_000, 72: 8_000}, 3 * DOLLAR // 2),
    AGR2: ({70: -20_000, 71: -20_000}, 5 * DOLLAR // 2),
}
METERED = {
    AGR1: {69: 30_000, 70: 37_000, 71: 30_000, 72: 39_000},
    AGR2: {69: 20_000, 70: 23_000, 71: 34_000, 72: 20_000},
}


@pytest.fixture
def heads() -> dict[str, Header]:
    return {domain: Header(domain) for domain in (AGR1, AGR2)}


def _validated(heads: dict[str, Header]) -> tuple[GridOperator, list[FlexRequest], list[FlexOrder]]:
    operator = grid_operator()
    operator.forecast_others(FEEDER, DAY, [40_000 if 69 <= isp <= 72 else 0 for isp in range(1, 97)])
    for domain, powers in PROGNOSES.items():
        accepted(operator.receive(prognosis(heads[domain], powers), BEFORE))
    requests = operator.requests(FEEDER, DAY, BEFORE)
    for request in requests:
        powers, price = OFFERS[request.recipient]
        own = operator.book.prognoses(FEEDER, DAY)[request.recipient].message_id
        made = offer(
            heads[request.recipient],
            powers,
            price,
            request_id=request.message_id,
            prognosis_id=own,
            expires=request.expires,
        )
        accepted(operator.receive(made, BEFORE))
    return operator, requests, operator.orders(FEEDER, DAY, BEFORE)


def test_the_same_is_asked_of_both(heads: dict[str, Header]) -> None:
    _, requests, _ = _validated(heads)
    assert [request.recipient for request in requests] == [AGR1, AGR2]
    for request in requests:
        asked = {run.start: run for run in request.isps}
        assert asked[69] == RequestIsp(69, False, -190_000, 10_000)
        assert asked[70] == RequestIsp(70, True, -20_000, 0)
        assert asked[71] == RequestIsp(71, True, -30_000, 0)
        assert asked[72] == RequestIsp(72, False, -190_000, 10_000)
        assert request.revision == 1


def test_the_cheaper_offer_is_ordered_in_full_and_half_of_the_other(heads: dict[str, Header]) -> None:
    operator, _, orders = _validated(heads)
    first, second = orders
    assert (first.recipient, first.activation, first.price) == (AGR1, 100, 3 * DOLLAR // 2)
    assert (second.recipient, second.activation, second.price) == (AGR2, 50, 5 * DOLLAR // 4)
    assert [(run.start, run.power) for run in second.isps] == [(70, -10_000), (71, -10_000)]
    load = operator.book.load(FEEDER, DAY)
    assert load[68:72] == [90_000, 100_000, 100_000, 98_000]
    assert not operator.requests(FEEDER, DAY, BEFORE)


def test_settlement_to_the_cent(heads: dict[str, Header]) -> None:
    operator, _, orders = _validated(heads)
    take_orders(operator, orders)
    for domain, connections in ((AGR1, ("c0", "c1")), (AGR2, ("c2", "c3"))):
        for isp, power in METERED[domain].items():
            operator.metered(connections[0], DAY, isp, power - 7_001)
            operator.metered(connections[1], DAY, isp, 7_001)
    after = MIDNIGHT + 86_400
    found = {}
    for domain in (AGR1, AGR2):
        settlement = operator.settle(domain, DAY, DAY, after)
        assert settlement is not None
        (found[domain],) = settlement.orders
    amounts = {
        domain: tuple(decimal_from_nano(money) for money in (item.price, item.penalty, item.net))
        for domain, item in found.items()
    }
    assert amounts == {
        AGR1: (Decimal("1.5000"), Decimal("0.2500"), Decimal("1.2500")),
        AGR2: (Decimal("1.2500"), Decimal("0.6250"), Decimal("0.6250")),
    }
    one = {isp.start: (isp.delivered, isp.deficiency) for isp in found[AGR1].isps}
    two = {isp.start: (isp.delivered, isp.deficiency) for isp in found[AGR2].isps}
    assert one == {70: (-8_000, 2_000), 71: (-20_000, 0), 72: (0, 0)}
    assert two == {70: (-10_000, 0), 71: (-6_000, 4_000)}
    loads = [operator.book.metered_load(FEEDER, DAY, isp) for isp in range(69, 73)]
    assert loads == [90_000, 100_000, 104_000, 99_000]


@pytest.mark.parametrize(("actual", "net"), [(8, 14), (7, 14), (9, -4), (10, -22), (11, -33)])
def test_the_specifications_settlement_rows(actual: int, net: int) -> None:
    # 2 MW less than 10 MW were ordered at 7 per MW, and a deficiency costs 11 per MW: per ISP, so 28 and 44 per MWh.
    megawatt = 1_000_000
    order = Ordered(14 * DOLLAR, {1: -2 * megawatt}, frozenset({1}))
    terms = PenaltyTerms(price=44 * DOLLAR // 1000)
    outcomes = isp_outcomes([order], 1, 10 * megawatt, actual * megawatt, overloaded=False)
    assert net_of(order, {1: outcomes[0]}, terms, 900).net == net * DOLLAR


def test_a_rebound_beyond_what_was_agreed_on_is_fined_where_the_point_was_overloaded(
    heads: dict[str, Header],
) -> None:
    operator, _, orders = _validated(heads)
    take_orders(operator, orders)
    for isp, power in METERED[AGR1].items():
        operator.metered("c0", DAY, isp, power + (4_000 if isp == 72 else 0))
        operator.metered("c1", DAY, isp, 0)
    for isp in METERED[AGR2]:
        for connection, power in (("c2", METERED[AGR2][isp]), ("c3", 0)):
            operator.metered(connection, DAY, isp, power)
    settlement = operator.settle(AGR1, DAY, DAY, MIDNIGHT + 86_400)
    assert settlement is not None
    isps = {isp.start: isp for isp in settlement.orders[0].isps}
    assert operator.book.metered_load(FEEDER, DAY, 72) == 103_000
    assert isps[72].deficiency == 5_000
    # 0.05 $ per kW and ISP, one and a half times of it.
    assert settlement.orders[0].net == 1_250_000_000 - 5 * 75_000_000


def test_margin_and_limits() -> None:
    operator = grid_operator(feeder(50_000, 30_000, margin_w=5_000))
    operator.forecast_others(FEEDER, DAY, [46_000, -26_000, 45_000, -25_000, *[0] * 92])
    at = operator.book.congestion(FEEDER, DAY)
    assert [one.need for one in at[:5]] == [-1_000, 1_000, 0, 0, 0]
    assert (at[4].up, at[4].down) == (45_000, 25_000)
