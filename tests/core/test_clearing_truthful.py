"""McAfee's rule and trade reduction against worked books and theory."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import Offer, book
from trex_market.core.clearing import Match, RuleOptions, make_rule
from trex_market.core.errors import InputError
from trex_market.core.units import MICRO

offers = st.lists(st.tuples(st.integers(0, 8), st.integers(1, 5), st.sampled_from("abcd")), max_size=7)
strangers = st.lists(st.integers(0, 12), min_size=1, max_size=7)
BOUNDED = RuleOptions(price_floor=0, price_cap=MICRO)


def units(prices: list[int], side: str) -> list[Offer]:
    return [(price, 1, f"{side}{n}") for n, price in enumerate(prices)]


def cleared(
    rule: str, values: list[int], costs: list[int], options: RuleOptions | None = None
) -> tuple[int, list[Match]]:
    """Clear a book of unit traders and return the efficient gains beside the matches."""
    efficient = sum(max(0, v - c) for v, c in zip(sorted(values)[::-1], sorted(costs), strict=False))
    return efficient, make_rule(rule, options).match(*book(units(values, "b"), units(costs, "s")))


def gains(matches: list[Match]) -> int:
    return sum(m.quantity * (m.bid.price - m.ask.price) for m in matches)


def surplus(matches: list[Match]) -> int:
    return sum(m.quantity * (m.price_buy - m.price_sell) for m in matches)


@pytest.mark.parametrize("rule", ["mcafee", "trade_reduction"])
@given(bids=offers, asks=offers)
def test_what_always_holds(rule: str, bids: list[Offer], asks: list[Offer]) -> None:
    matches = make_rule(rule, RuleOptions(price_cap=8)).match(*book(bids, asks))
    used: Counter[str] = Counter()
    for m in matches:
        assert m.quantity > 0
        assert m.bid.participant_id != m.ask.participant_id
        assert m.ask.price <= m.price_sell <= m.price_buy <= m.bid.price
        used[m.bid.order_id] += m.quantity
        used[m.ask.order_id] += m.quantity
    assert all(used[o.order_id] <= o.quantity for side in book(bids, asks) for o in side)
    assert len({(m.price_sell, m.price_buy) for m in matches}) <= 1


@given(values=strangers, costs=strangers)
def test_mcafee_is_as_published(values: list[int], costs: list[int]) -> None:
    """p = (b_k+1 + s_k+1)/2; if s_k <= p <= b_k trade k at p, else k - 1 at (b_k, s_k)."""
    values, costs = [2 * value for value in values], [2 * cost for cost in costs]
    b, s = [*sorted(values, reverse=True), 0], [*sorted(costs), 24]
    k = sum(v >= c for v, c in zip(b[:-1], s[:-1], strict=False))
    expected: tuple[int, set[tuple[int, int]]] = (0, set())
    if k:
        p = (b[k] + s[k]) // 2
        expected = (k, {(p, p)}) if s[k - 1] <= p <= b[k - 1] else (k - 1, {(s[k - 1], b[k - 1])})
    _, matches = cleared("mcafee", values, costs, RuleOptions(price_cap=24))
    assert len(matches) == expected[0]
    if matches:
        assert {(m.price_sell, m.price_buy) for m in matches} == expected[1]


@given(values=strangers, costs=strangers)
def test_trade_reduction_gives_up_one_trade(values: list[int], costs: list[int]) -> None:
    b, s = sorted(values, reverse=True), sorted(costs)
    k = sum(v >= c for v, c in zip(b, s, strict=False))
    _, matches = cleared("trade_reduction", values, costs)
    assert len(matches) == max(0, k - 1)
    assert all((m.price_sell, m.price_buy) == (s[k - 1], b[k - 1]) for m in matches)


@given(values=strangers, costs=strangers, shift=st.integers(-12, 12), who=st.integers(0, 6))
def test_no_unit_buyer_gains_by_a_lie(values: list[int], costs: list[int], shift: int, who: int) -> None:
    values, costs = [2 * value for value in values], [2 * cost for cost in costs]
    liar = who % len(values)

    def profit(bid: int) -> int:
        told = [*values[:liar], bid, *values[liar + 1 :]]
        _, matches = cleared("mcafee", told, costs, RuleOptions(price_cap=48))
        return sum(values[liar] - m.price_buy for m in matches if m.bid.participant_id == f"b{liar}")

    assert profit(max(0, values[liar] + shift)) <= profit(values[liar])


# ---------------------------------------------------------------- worked books


@pytest.mark.parametrize(
    ("rule", "values", "costs", "volume", "sell", "buy", "gained", "kept"),
    [
        ("mcafee", [100, 90, 80, 70, 60], [80, 85, 95, 100, 110], 2, 87.5, 87.5, 25, 0),
        ("trade_reduction", [100, 90, 80, 70, 60], [80, 85, 95, 100, 110], 1, 85, 90, 20, 5),
        ("mcafee", [9, 8, 7, 4], [2, 3, 4, 5], 3, 4.5, 4.5, 15, 0),
        ("mcafee", [9, 8, 7, 4], [2, 3, 4, 12], 2, 4, 7, 12, 6),
    ],
)
def test_worked_books(
    rule: str,
    values: list[int],
    costs: list[int],
    volume: int,
    sell: float,
    buy: float,
    gained: int,
    kept: int,
) -> None:
    _, matches = cleared(rule, [v * MICRO for v in values], [c * MICRO for c in costs])
    assert len(matches) == volume
    assert {(m.price_sell / MICRO, m.price_buy / MICRO) for m in matches} == {(sell, buy)}
    assert (gains(matches), surplus(matches)) == (gained * MICRO, kept * MICRO)


def test_one_pair_is_three_quarters_efficient() -> None:
    """On n x n even values the share is exactly 3/4 n^2/(n^2 - 1), hence 3/4 in the limit."""
    n = 20
    even = [MICRO * (2 * i + 1) // (2 * n) for i in range(n)]
    efficient = realised = 0
    for value in even:
        for cost in even:
            most, matches = cleared("mcafee", [value], [cost], BOUNDED)
            efficient += most
            realised += gains(matches)
    assert Fraction(realised, efficient) == Fraction(3, 4) * Fraction(n**2, n**2 - 1)


@pytest.mark.parametrize(
    ("m", "books", "efficiency", "kept"),
    [(2, 6000, 0.823, 0.012), (5, 3000, 0.947, 0.096), (10, 1500, 0.984, 0.157)],
)
def test_efficiency_and_surplus_are_those_of_theory(
    m: int, books: int, efficiency: float, kept: float
) -> None:
    chance = random.Random(m)
    efficient = realised = auctioneer = 0
    for _ in range(books):
        values = [chance.randrange(MICRO) for _ in range(m)]
        costs = [chance.randrange(MICRO) for _ in range(m)]
        most, matches = cleared("mcafee", values, costs, BOUNDED)
        efficient += most
        realised += gains(matches)
        auctioneer += surplus(matches)
    assert realised / efficient == pytest.approx(efficiency, abs=0.012)
    assert auctioneer / books / MICRO == pytest.approx(kept, abs=0.02)


# ---------------------------------------------------------------- edges


def test_without_a_cap_a_pair_alone_does_not_trade() -> None:
    assert cleared("mcafee", [9], [1])[1] == []
    assert len(cleared("mcafee", [9], [1], RuleOptions(price_cap=10))[1]) == 1


def test_own_crossing_orders_are_set_off_first() -> None:
    matches = make_rule("mcafee", RuleOptions(price_cap=10)).match(
        *book([(9, 4, "a"), (8, 5, "b")], [(1, 4, "a"), (2, 5, "c")])
    )
    assert [(m.bid.participant_id, m.ask.participant_id, m.quantity) for m in matches] == [("b", "c", 5)]


def test_an_unknown_rule_names_those_that_there_are() -> None:
    with pytest.raises(
        InputError, match=r"unknown clearing rule 'mcaffe'\. Did you mean 'mcafee'\? There are: .*uniform"
    ):
        make_rule("mcaffe")
