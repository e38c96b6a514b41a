"""Pairwise rules against the description played Wh by Wh."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.reference import pairs, queue
from tests.helpers import START, Offer, book
from trex_market.core.clearing import Match, RuleOptions, make_rule
from trex_market.core.messages import Order
from trex_market.core.units import MICRO

offers = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6), st.sampled_from("abcd")), max_size=9)

Fits = Callable[[Order, Order], bool]


def crosses(bid: Order, ask: Order) -> bool:
    return ask.price <= bid.price


def equals(bid: Order, ask: Order) -> bool:
    return ask.price == bid.price


RULES: list[tuple[str, Fits]] = [
    ("MicroTE", crosses),
    ("MicroTE2", equals),
    ("MicroTE3", crosses),
    ("MicroTE3B", crosses),
    ("k_pricing", crosses),
]


def cleared(rule: str, bids: list[Offer], asks: list[Offer], k: int = MICRO // 2) -> list[Match]:
    return make_rule(rule, RuleOptions(k)).match(*book(bids, asks))


def said(matches: list[Match]) -> list[tuple[str, str, int, int, int]]:
    """Who bought from whom, how much, and at which prices (sell, buy)."""
    return [
        (m.bid.participant_id, m.ask.participant_id, m.quantity, m.price_sell, m.price_buy) for m in matches
    ]


@pytest.mark.parametrize(("rule", "fits"), RULES)
@given(bids=offers, asks=offers)
def test_pairs_are_those_of_the_description(
    rule: str, fits: Fits, bids: list[Offer], asks: list[Offer]
) -> None:
    matches = cleared(rule, bids, asks)
    by_priority = book(bids, asks)
    expected = pairs(*queue(by_priority[0] + by_priority[1], START), fits)
    met = [(m.bid.order_id, m.ask.order_id) for m in matches for _ in range(m.quantity)]
    assert met == expected
    assert len({(m.bid.order_id, m.ask.order_id) for m in matches}) == len(matches)  # no pair is split


@pytest.mark.parametrize(("rule", "fits"), RULES)
@given(bids=offers, asks=offers)
def test_what_always_holds(rule: str, fits: Fits, bids: list[Offer], asks: list[Offer]) -> None:
    matches = cleared(rule, bids, asks)
    used: Counter[str] = Counter()
    for m in matches:
        assert m.quantity > 0
        assert m.bid.participant_id != m.ask.participant_id
        assert m.ask.price <= m.price_sell <= m.price_buy <= m.bid.price
        used[m.bid.order_id] += m.quantity
        used[m.ask.order_id] += m.quantity
    left = [[o for o in side if o.quantity > used[o.order_id]] for side in book(bids, asks)]
    assert all(used[o.order_id] <= o.quantity for side in book(bids, asks) for o in side)
    tradable = [
        (b, a) for b in left[0] for a in left[1] if fits(b, a) and b.participant_id != a.participant_id
    ]
    assert tradable == []


@given(bids=offers, asks=offers, k=st.integers(0, MICRO))
def test_k_prices_lie_at_k_between_ask_and_bid(bids: list[Offer], asks: list[Offer], k: int) -> None:
    for m in cleared("k_pricing", bids, asks, k):
        assert m.price_sell == m.price_buy
        assert abs(m.price_buy * MICRO - (m.ask.price * (MICRO - k) + m.bid.price * k)) <= MICRO // 2


def test_midpoints_are_rounded_half_even() -> None:
    assert said(cleared("MicroTE", [(4, 1, "a")], [(1, 1, "b")])) == [("a", "b", 1, 2, 2)]
    assert said(cleared("MicroTE", [(4, 1, "a")], [(3, 1, "b")])) == [("a", "b", 1, 4, 4)]


@pytest.mark.parametrize(("k", "price"), [(0, 100), (250_000, 125), (500_000, 150), (MICRO, 200)])
def test_k_is_where_the_price_lies(k: int, price: int) -> None:
    assert said(cleared("k_pricing", [(200, 1, "a")], [(100, 1, "b")], k)) == [("a", "b", 1, price, price)]


def test_equal_price_alone_is_equal_price_alone() -> None:
    assert cleared("MicroTE2", [(5, 3, "a")], [(4, 3, "b")]) == []
    matches = cleared("MicroTE2", [(5, 3, "a"), (4, 2, "c")], [(4, 3, "b"), (5, 1, "b")])
    assert said(matches) == [("a", "b", 1, 5, 5), ("c", "b", 2, 4, 4)]


def test_the_next_ask_is_tried_where_the_first_is_ones_own() -> None:
    matches = cleared("MicroTE3", [(9, 4, "a"), (8, 4, "b")], [(1, 3, "a"), (2, 3, "b"), (3, 9, "c")])
    assert said(matches) == [
        ("a", "b", 3, 2, 9),
        ("a", "c", 1, 3, 9),
        ("b", "a", 3, 1, 8),
        ("b", "c", 1, 3, 8),
    ]


def test_own_prices_leave_the_spread_to_the_operator() -> None:
    matches = cleared("MicroTE3", [(100, 20, "a")], [(10, 10, "b"), (20, 10, "c")])
    assert said(matches) == [("a", "b", 10, 10, 100), ("a", "c", 10, 20, 100)]
    paid = sum(m.quantity * m.price_buy for m in matches)
    received = sum(m.quantity * m.price_sell for m in matches)
    assert (paid, received, paid - received) == (2000, 300, 1700)


@pytest.mark.parametrize("rule", ["MicroTE", "MicroTE3"])
def test_two_bids_of_one_user_at_one_price_both_trade(rule: str) -> None:
    assert sum(m.quantity for m in cleared(rule, [(5, 5, "a"), (5, 7, "a")], [(5, 12, "b")])) == 12


@pytest.mark.parametrize("rule", ["MicroTE", "MicroTE3"])
def test_a_bid_takes_no_more_than_it_wants(rule: str) -> None:
    assert [m.quantity for m in cleared(rule, [(5, 10, "a")], [(4, 6, "b"), (5, 6, "c")])] == [6, 4]


def test_the_worked_book_turns_over_190_and_165() -> None:
    bids = [(100, 1, "b1"), (90, 1, "b2"), (80, 1, "b3"), (70, 1, "b4"), (60, 1, "b5")]
    asks = [(80, 1, "s1"), (85, 1, "s2"), (95, 1, "s3"), (100, 1, "s4"), (110, 1, "s5")]
    matches = cleared("MicroTE3", bids, asks)
    assert (sum(m.price_buy for m in matches), sum(m.price_sell for m in matches)) == (190, 165)


class CountedId(str):
    """An id that counts how often it is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        CountedId.compared += 1
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


BOOKS: dict[str, Callable[[int], tuple[list[Offer], list[Offer]]]] = {
    "one owner of all front asks": lambda n: (
        [(9, 1, CountedId("a"))] * n,
        [(1 + i // n, 1, CountedId("ab"[i // n])) for i in range(2 * n)],
    ),
    "all of one owner": lambda n: ([(9, 1, CountedId("a"))] * n, [(1, 1, CountedId("a"))] * n),
    "owners in turn": lambda n: (
        [(9, 1, CountedId(f"p{i % 2}")) for i in range(n)],
        [(1 + i % 8, 1, CountedId(f"p{i % 3}")) for i in range(n)],
    ),
    "all strangers": lambda n: (
        [(9, 3, CountedId(f"b{i}")) for i in range(n)],
        [(1, 2, CountedId(f"s{i}")) for i in range(n)],
    ),
}


@pytest.mark.parametrize("kind", BOOKS)
@pytest.mark.parametrize("rule", ["MicroTE", "MicroTE2"])
def test_owners_are_compared_a_few_times_for_each_order(rule: str, kind: str) -> None:
    bids, asks = book(*BOOKS[kind](500))
    CountedId.compared = 0
    make_rule(rule).match(bids, asks)
    assert CountedId.compared <= 8 * (len(bids) + len(asks))
