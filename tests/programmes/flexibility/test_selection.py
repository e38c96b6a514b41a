"""Which offers are ordered: properties over random points and offers, and all choices of small cases beside it."""

from __future__ import annotations

from itertools import product

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.programmes.flexibility.helpers import AGR1, DOLLAR, Header, offer
from trex_market.programmes.flexibility.congestion import Limits, congestion
from trex_market.programmes.flexibility.messages import FlexOffer
from trex_market.programmes.flexibility.money import part_of, part_of_power
from trex_market.programmes.flexibility.selection import Held, Room, Selected, select

LIMITS = Limits(10_000, 8_000)
HOUR = 3600

loads = st.dictionaries(st.integers(1, 6), st.integers(-16_000, 20_000), min_size=1)
powers = st.dictionaries(
    st.integers(1, 6), st.integers(-80, 80).map(lambda hundreds: hundreds * 100), min_size=1, max_size=4
)
offers = st.tuples(powers, st.integers(0, 30).map(lambda dimes: dimes * DOLLAR // 10), st.integers(1, 100))


def held(made: list[tuple[dict[int, int], int, int]]) -> list[Held]:
    head = Header(AGR1)
    return [
        Held(offer(head, powers, price, min_activation=least), number)
        for number, (powers, price, least) in enumerate(made)
    ]


def chosen(loads: dict[int, int], offered: list[Held], **more: object) -> list[Selected]:
    return select(loads, dict.fromkeys(loads, LIMITS), offered, isp_duration_s=HOUR, **more)  # type: ignore[arg-type]


def after(loads: dict[int, int], orders: list[Selected]) -> dict[int, int]:
    return {isp: load + sum(order.powers.get(isp, 0) for order in orders) for isp, load in loads.items()}


@settings(max_examples=300)
@given(loads, st.lists(offers, max_size=6))
def test_orders_help_and_do_no_harm(
    loads: dict[int, int], made: list[tuple[dict[int, int], int, int]]
) -> None:
    offered = held(made)
    orders = chosen(loads, offered)
    ids = [order.offer.message_id for order in orders]
    assert len(set(ids)) == len(ids)  # an offer once
    for order in orders:
        option = order.option
        assert option.min_activation <= order.activation <= 100
        assert order.price == part_of(option.price, order.activation)
        assert order.service
        assert order.powers == {run.start: part_of_power(run.power, order.activation) for run in option.isps}
    for isp, load in after(loads, orders).items():
        before = congestion(loads[isp], LIMITS).need
        need = congestion(load, LIMITS).need
        assert need * before >= 0  # nothing is overdone to the other side
        assert abs(need) <= abs(before)  # and nothing made worse
    # Nothing is left that would help.
    left = [one for one in offered if one.offer.message_id not in ids]
    assert chosen(after(loads, orders), left) == []


@given(st.integers(1, 9_999), st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_the_limit_is_kept_where_offers_suffice(need: int, sizes: list[int]) -> None:
    offered = held([({1: -100 * size}, size * DOLLAR, 1) for size in sizes])
    orders = chosen({1: 10_000 + need}, offered)
    left = max(0, after({1: 10_000 + need}, orders)[1] - 10_000)
    assert left == max(0, need - 100 * sum(sizes))


@given(st.integers(1, 500), st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_equal_offers_in_one_isp_are_taken_from_the_cheapest(hundreds: int, prices: list[int]) -> None:
    offered = held([({1: -10_000}, price * DOLLAR, 1) for price in prices])
    orders = chosen({1: 10_000 + 100 * hundreds}, offered)
    left = hundreds
    expected = []
    for price in sorted(prices):
        if left > 0:
            expected.append(price * DOLLAR * min(left, 100) // 100)
            left -= 100
    assert [order.price for order in orders] == expected


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.integers(1, 2), st.integers(10_001, 16_000), min_size=1),
    st.lists(
        st.tuples(
            st.dictionaries(st.integers(1, 2), st.integers(-60, -1).map(lambda tens: tens * 100), min_size=1),
            st.integers(1, 20).map(lambda dimes: dimes * DOLLAR // 10),
            st.just(25),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_no_choice_beats_it_by_much_and_none_serves_more(
    loads: dict[int, int], made: list[tuple[dict[int, int], int, int]]
) -> None:
    offered = held(made)
    assume(all(isp in loads for powers, _, _ in made for isp in powers))
    orders = chosen(loads, offered)
    cost, unserved = _bill(loads, orders)
    best = min(
        _worth(loads, [one.offer for one in offered], parts)
        for parts in product((0, 25, 50, 75, 100), repeat=len(offered))
    )
    assert unserved <= best[0]  # nothing that helps is left
    if unserved == best[0]:
        # The rule is greedy: what it pays more than the best of all choices is bounded by the dearest offer.
        assert cost <= best[1] + max(price for _, price, _ in made)


def _bill(loads: dict[int, int], orders: list[Selected]) -> tuple[int, int]:
    left = sum(max(0, load - LIMITS.import_w) for load in after(loads, orders).values())
    return sum(order.price for order in orders), left


def _worth(loads: dict[int, int], offered: list[FlexOffer], parts: tuple[int, ...]) -> tuple[int, int]:
    """Return what is not served, and the cost, if so much (hundredths) of each offer is ordered."""
    result = dict(loads)
    cost = 0
    for one, part in zip(offered, parts, strict=True):
        cost += part_of(one.options[0].price, part)
        for run in one.options[0].isps:
            result[run.start] += part_of_power(run.power, part)
    return sum(max(0, load - LIMITS.import_w) for load in result.values()), cost


def test_of_equal_offers_the_first_is_ordered() -> None:
    same = ({1: -1_000}, DOLLAR, 1)
    orders = chosen({1: 10_500}, held([same, same]))
    assert [(order.offer.message_id, order.activation) for order in orders] == [("agr1.demo-1", 50)]


def test_just_enough_is_ordered_and_at_least_the_minimum() -> None:
    (order,) = chosen({1: 10_501}, held([({1: -1_000}, DOLLAR, 1)]))
    assert order.activation == 51
    (order,) = chosen({1: 10_501}, held([({1: -1_000}, DOLLAR, 80)]))
    assert order.activation == 80


def test_too_dear_is_not_ordered() -> None:
    offered = held([({1: -1_000}, DOLLAR, 1)])
    assert chosen({1: 11_000}, offered, max_price=DOLLAR)
    assert not chosen({1: 11_000}, offered, max_price=DOLLAR - 1)


def test_a_rebound_needs_room_here_and_above() -> None:
    rebound = held([({1: -1_000, 2: 1_000}, DOLLAR, 50)])
    assert [one.activation for one in chosen({1: 11_000, 2: 9_000}, rebound)] == [100]
    assert [one.activation for one in chosen({1: 11_000, 2: 9_500}, rebound)] == [50]
    assert not chosen({1: 11_000, 2: 9_501}, rebound)
    assert not chosen({1: 11_000, 2: 0}, rebound, above={2: Room(499, 0)})
    assert chosen({1: 11_000, 2: 0}, rebound, above={2: Room(500, 0)})


def test_what_has_begun_already_cannot_be_ordered() -> None:
    assert not chosen({2: 11_000}, held([({1: -1_000, 2: -1_000}, DOLLAR, 1)]))
    assert chosen({2: 11_000}, held([({1: 0, 2: -1_000}, DOLLAR, 1)]))
