"""Pairs on terms of their own, against the description played Wh by Wh."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.reference import meetings
from tests.core.steps import counted_steps
from tests.helpers import START
from trex_market.core.areas import Areas, parts
from trex_market.core.book import by_priority
from trex_market.core.clearing import RuleOptions, make_rule
from trex_market.core.clearing.meeting import meet, residuals
from trex_market.core.clearing.types import PairMatch
from trex_market.core.messages import Area, Attributes, FeePayer, Order, Requirement, Side
from trex_market.core.units import MICRO

RULES = ["MicroTE", "MicroTE2", "MicroTE3", "MicroTE3B", "k_pricing"]
NAMES = "abcd"

prices = st.integers(0, 12)
requirement = st.builds(
    Requirement,
    st.sets(st.sampled_from(NAMES), max_size=3).map(lambda names: tuple(sorted(names))),
    st.sets(st.sampled_from(["solar", "wind", "green"]), max_size=2).map(lambda names: tuple(sorted(names))),
    st.none() | st.integers(0, 4),
    st.none() | prices,
)
requirements = st.lists(requirement, max_size=3).map(tuple)


@st.composite
def books(draw: st.DrawFn, *, demanding: bool = True) -> tuple[list[Order], list[Order]]:
    orders = []
    for number in range(draw(st.integers(0, 10))):
        side: Side = draw(st.sampled_from(("bid", "ask")))
        orders.append(
            Order(
                f"o{number}",
                draw(st.sampled_from(NAMES)),
                side,
                draw(st.integers(1, 6)),
                draw(prices),
                draw(st.sampled_from(("solar", "wind"))) if side == "ask" else None,
                START,
                START,
                number,
                draw(st.sampled_from((None, Attributes(), Attributes("green")))),
                draw(requirements) if demanding else (),
            )
        )
    return by_priority(orders, START)


shares = st.sampled_from((0, 0, 100_000, 333_333, 2_000_000))


@st.composite
def towns(draw: st.DrawFn) -> Areas:
    tree = (
        Area("grid", None, draw(st.integers(0, 2)), draw(shares)),
        Area("north", "grid", draw(st.integers(0, 2)), draw(shares)),
        Area("south", "grid", draw(st.integers(0, 2)), draw(shares)),
    )
    return Areas(tree, draw(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(("north", "south")))))


options = st.sampled_from((0, 1, 333_333, MICRO // 2, MICRO))


def met(
    rule: str, book: tuple[list[Order], list[Order]], areas: Areas | None, k: int, payer: FeePayer = "buyer"
) -> list[PairMatch]:
    pricing = make_rule(rule, RuleOptions(k)).pricing
    assert pricing is not None
    return meet(*book, pricing, areas, None if areas is None else areas.fees(), payer)


@pytest.mark.parametrize("rule", RULES)
@given(book=books(), areas=st.none() | towns(), k=options)
@settings(max_examples=150)
def test_pairs_and_prices_are_those_of_the_description(
    rule: str, book: tuple[list[Order], list[Order]], areas: Areas | None, k: int
) -> None:
    def fee(bid: Order, ask: Order) -> tuple[int, int]:
        if areas is None:
            return 0, 0
        amounts = areas.fees().amounts
        path = areas.path(areas.of(bid.participant_id), areas.of(ask.participant_id))
        return sum(amounts[name][0] for name in path), sum(amounts[name][1] for name in path)

    own = rule.startswith("MicroTE3")
    expected = meetings(*book, fee, None if own else Fraction(k, MICRO), equal=rule == "MicroTE2")
    said = [
        (m.bid.order_id, m.ask.order_id, m.price_sell, m.price_buy + m.fee_bid, m.fee_bid)
        for m in met(rule, book, areas, k)
        for _ in range(m.quantity)
    ]
    assert said == expected


@pytest.mark.parametrize("rule", RULES)
@given(book=books(demanding=False), k=options)
def test_without_requirements_and_fees_the_pairs_are_the_rules_own(
    rule: str, book: tuple[list[Order], list[Order]], k: int
) -> None:
    free = Areas((Area("grid"), Area("street", "grid")), {"a": "street"})
    expected = [msgspec.structs.astuple(one) for one in make_rule(rule, RuleOptions(k)).match(*book)]
    for areas in (None, free):
        made = [msgspec.structs.astuple(one) for one in met(rule, book, areas, k)]
        assert made == [(*one, 0, 0, 0, 0) for one in expected]


@given(books(), towns(), options, st.sampled_from(RULES))
@settings(max_examples=200)
def test_who_bears_the_fee_changes_nothing_but_where_it_stands(
    book: tuple[list[Order], list[Order]], areas: Areas, k: int, rule: str
) -> None:
    def nets(payer: FeePayer) -> list[tuple[str, str, int, int, int]]:
        matches = met(rule, book, areas, k, payer)
        for one in matches:
            assert parts(one.fee_ask + one.fee_bid, payer) == (one.fee_ask, one.fee_bid)
            assert one.price_sell <= one.price_buy
            if not rule.startswith("MicroTE3"):
                assert one.price_sell == one.price_buy
        return [
            (
                one.bid.order_id,
                one.ask.order_id,
                one.quantity,
                one.price_sell - one.fee_ask,
                one.price_buy + one.fee_bid,
            )
            for one in matches
        ]

    assert nets("buyer") == nets("seller") == nets("both")


@given(books(), st.none() | towns(), options, st.sampled_from(RULES))
@settings(max_examples=200)
def test_limits_requirements_and_quantities_are_kept(
    book: tuple[list[Order], list[Order]], areas: Areas | None, k: int, rule: str
) -> None:
    traded: Counter[str] = Counter()
    used: Counter[tuple[str, int]] = Counter()
    for one in met(rule, book, areas, k, "both"):
        assert one.bid.participant_id != one.ask.participant_id
        for order, other, number in (
            (one.bid, one.ask, one.bid_set),
            (one.ask, one.bid, one.ask_set),
        ):
            traded[order.order_id] += one.quantity
            limit = order.price
            if order.requirements:
                under = order.requirements[number]
                used[order.order_id, number] += one.quantity
                assert under.energy is None or used[order.order_id, number] <= under.energy
                assert not under.trading_partners or other.participant_id in under.trading_partners
                kinds = {other.source, other.attributes and other.attributes.energy_type}
                assert not under.energy_type or kinds & set(under.energy_type)
                limit = order.price if under.price is None else under.price
            if order.side == "bid":
                assert one.price_buy + one.fee_bid <= limit
            else:
                assert one.price_sell - one.fee_ask >= limit
            assert traded[order.order_id] <= order.quantity


@given(books(), st.none() | towns(), st.sampled_from(RULES))
@settings(max_examples=200)
def test_what_is_left_cannot_meet_any_more(
    book: tuple[list[Order], list[Order]], areas: Areas | None, rule: str
) -> None:
    rest = residuals(met(rule, book, areas, MICRO // 2))
    left = [[order for one in side if (order := rest.get(one.order_id, one)) is not None] for side in book]
    assert met(rule, (left[0], left[1]), areas, MICRO // 2) == []


def order(side: Side, who: str, quantity: int, price: int, *sets: Requirement, name: str = "") -> Order:
    source = "solar" if side == "ask" else None
    return Order(name or side + who, who, side, quantity, price, source, START, START, 0, None, sets)


def test_one_requirement_after_the_other_is_used() -> None:
    bid = order(
        "bid",
        "ann",
        10,
        100,
        Requirement(trading_partners=("bob",), energy=4, price=150),
        Requirement(energy_type=("wind",)),
        Requirement(energy=3),
    )
    ask = order("ask", "bob", 20, 90)
    (first, second) = met("MicroTE", ([bid], [ask]), None, MICRO)
    assert (first.quantity, first.price_buy, first.bid_set) == (4, 150, 0)
    assert (second.quantity, second.price_buy, second.bid_set) == (3, 100, 2)
    rest = residuals([first, second])
    assert rest[ask.order_id] == msgspec.structs.replace(ask, quantity=13)
    left = rest[bid.order_id]
    assert left is not None
    assert (left.quantity, [one.energy for one in left.requirements]) == (3, [0, None, 0])


def test_the_nearer_seller_comes_first_if_that_is_cheaper() -> None:
    areas = Areas(
        (Area("grid", fee=20), Area("north", "grid"), Area("south", "grid")),
        {"a": "north", "b": "north", "c": "south"},
    )
    far, near = order("ask", "c", 5, 80), order("ask", "b", 5, 95)
    (first, second) = met("MicroTE3", ([order("bid", "a", 8, 110)], [far, near]), areas, 0)
    assert [(m.ask.participant_id, m.quantity, m.price_sell, m.fee_bid) for m in (first, second)] == [
        ("b", 5, 95, 0),
        ("c", 3, 80, 20),
    ]


@pytest.mark.parametrize("count", [400, 1_600])
def test_the_steps_grow_as_the_orders(count: int) -> None:
    areas = Areas((Area("grid", fee=1), Area("north", "grid"), Area("south", "grid")), {})
    bids = [order("bid", f"b{n}", 2, 1_000, name=f"b{n}") for n in range(count)]
    asks = [order("ask", f"a{n}", 2, n % 500, name=f"a{n}") for n in range(count)]
    book = by_priority([*bids, *asks], START)
    with counted_steps() as steps:
        matches = met("MicroTE", book, areas, MICRO // 2)
    assert len(matches) == count
    assert count < steps[0] < 200 * count
