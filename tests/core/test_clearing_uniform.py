"""Pay-as-clear against brute force over all prices, and against theory."""

from __future__ import annotations

import random
from collections import Counter
from statistics import fmean, pvariance

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.core.reference import competitive_interval, volume_at
from tests.helpers import Offer, book
from trex_market.core.clearing import Match, RuleOptions, make_rule
from trex_market.core.clearing.uniform import competitive_interval as core_interval
from trex_market.core.units import MICRO

HIGHEST = 7
prices = st.integers(0, HIGHEST)
mixed = st.lists(st.tuples(prices, st.integers(1, 5), st.sampled_from("abcd")), max_size=7)
buyers = st.lists(st.tuples(prices, st.integers(1, 5), st.sampled_from(["b1", "b2", "b3"])), max_size=7)
sellers = st.lists(st.tuples(prices, st.integers(1, 5), st.sampled_from(["s1", "s2", "s3"])), max_size=7)


def cleared(bids: list[Offer], asks: list[Offer], k: int = MICRO // 2) -> list[Match]:
    return make_rule("uniform", RuleOptions(k)).match(*book(bids, asks))


def volume(matches: list[Match]) -> int:
    return sum(m.quantity for m in matches)


@given(bids=mixed, asks=mixed, k=st.sampled_from([0, 250_000, 500_000, MICRO]))
def test_the_most_that_can_trade_at_one_price_trades(bids: list[Offer], asks: list[Offer], k: int) -> None:
    matches = cleared(bids, asks, k)
    possible = [volume_at(*book(bids, asks), price) for price in range(HIGHEST + 1)]
    assert volume(matches) == max(possible)
    if matches:
        assert possible[matches[0].price_buy] == max(possible)


@given(bids=mixed, asks=mixed)
def test_what_always_holds(bids: list[Offer], asks: list[Offer]) -> None:
    matches = cleared(bids, asks)
    used: Counter[str] = Counter()
    for m in matches:
        assert m.quantity > 0
        assert m.bid.participant_id != m.ask.participant_id
        assert m.ask.price <= m.price_sell == m.price_buy <= m.bid.price
        used[m.bid.order_id] += m.quantity
        used[m.ask.order_id] += m.quantity
    assert all(used[o.order_id] <= o.quantity for side in book(bids, asks) for o in side)
    assert len({m.price_buy for m in matches}) <= 1


@given(bids=buyers, asks=sellers)
def test_the_price_interval_is_the_competitive_one(bids: list[Offer], asks: list[Offer]) -> None:
    low, high, quantity = competitive_interval(*book(bids, asks))
    found = core_interval(*book(bids, asks))
    assert found[2] == quantity
    assume(quantity)
    assert found == (low, high, quantity)
    assert cleared(bids, asks, 0)[0].price_buy == low
    assert cleared(bids, asks, MICRO)[0].price_buy == high
    assert low <= cleared(bids, asks)[0].price_buy <= high


@given(bids=buyers, asks=sellers)
def test_who_comes_first_is_filled_first(bids: list[Offer], asks: list[Offer]) -> None:
    matches = cleared(bids, asks)
    used: Counter[str] = Counter()
    for m in matches:
        used[m.bid.order_id] += m.quantity
        used[m.ask.order_id] += m.quantity
    for side in book(bids, asks):
        left = volume(matches)
        for order in side:
            assert used[order.order_id] == min(order.quantity, left)
            left -= used[order.order_id]


@given(bids=buyers, asks=sellers, raised=st.integers(1, 3))
def test_raising_a_bid_never_lowers_what_it_gets(bids: list[Offer], asks: list[Offer], raised: int) -> None:
    assume(bids)
    price, quantity, _ = bids[0]

    def got(own_price: int) -> int:
        matches = cleared([(own_price, quantity, "me"), *bids[1:]], asks)
        return sum(m.quantity for m in matches if m.bid.participant_id == "me")

    assert got(price + raised) >= got(price)


def test_nothing_trades_where_nothing_crosses() -> None:
    assert cleared([(3, 1, "a")], [(4, 1, "b")]) == []
    assert cleared([(4, 1, "a")], [(3, 1, "a")]) == []


def test_others_step_in_for_one_on_both_sides() -> None:
    matches = cleared([(9, 5, "a"), (8, 5, "b")], [(1, 5, "a"), (2, 5, "c")])
    assert volume(matches) == 10
    assert {(m.bid.participant_id, m.ask.participant_id) for m in matches} == {("a", "c"), ("b", "a")}


# ---------------------------------------------------------------- worked books


def units(prices: list[int], side: str) -> list[Offer]:
    return [(price, 1, f"{side}{n}") for n, price in enumerate(prices)]


@pytest.mark.parametrize(
    ("values", "costs", "interval", "gains"),
    [
        ([100, 90, 80, 70, 60], [80, 85, 95, 100, 110], (85, 90, 2), 25),
        ([9, 8, 7, 4], [2, 3, 4, 5], (4, 5, 3), 15),
        ([9, 8, 7, 4], [2, 3, 4, 12], (4, 7, 3), 15),
    ],
)
def test_worked_books(
    values: list[int], costs: list[int], interval: tuple[int, int, int], gains: int
) -> None:
    values, costs = [v * MICRO for v in values], [c * MICRO for c in costs]
    bids, asks = units(values, "b"), units(costs, "s")
    low, high, quantity = core_interval(*book(bids, asks))
    assert (low / MICRO, high / MICRO, quantity) == interval
    matches = cleared(bids, asks)
    assert {m.price_buy for m in matches} == {(low + high) // 2}
    assert sum(m.bid.price - m.ask.price for m in matches) == gains * MICRO


def test_two_bids_of_one_user_at_one_price_both_trade() -> None:
    assert volume(cleared([(5, 5, "a"), (5, 7, "a")], [(5, 12, "b")])) == 12


def test_a_bid_takes_no_more_than_it_wants() -> None:
    assert volume(cleared([(5, 10, "a")], [(5, 6, "b"), (5, 6, "c")])) == 10


@pytest.mark.parametrize("k", [0, 500_000, MICRO])
def test_unit_traders_with_even_values_trade_as_order_statistics_say(k: int) -> None:
    """E[q] = m/2, Var[q] = m^2/(4(2m-1)), E[gains] = m^2/(2(2m+1)), E[price] = (m+k)/(2m+1)."""
    m, books = 10, 1500
    chance = random.Random(k)
    volumes, gains, cleared_at = [], [], []
    for _ in range(books):
        values = [chance.randrange(MICRO) for _ in range(m)]
        costs = [chance.randrange(MICRO) for _ in range(m)]
        matches = cleared(units(values, "b"), units(costs, "s"), k)
        volumes.append(len(matches))
        gains.append(sum(x.bid.price - x.ask.price for x in matches) / MICRO)
        cleared_at += [x.price_buy / MICRO for x in matches[:1]]
    assert fmean(volumes) == pytest.approx(m / 2, abs=0.12)
    assert pvariance(volumes) == pytest.approx(m**2 / (4 * (2 * m - 1)), abs=0.2)
    assert fmean(gains) == pytest.approx(m**2 / (2 * (2 * m + 1)), abs=0.09)
    assert fmean(cleared_at) == pytest.approx((m + k / MICRO) / (2 * m + 1), abs=0.012)
