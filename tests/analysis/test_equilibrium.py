"""The competitive allocation against brute force over all prices, and what auctions are measured by."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.helpers import a_contract, an_order
from tests.core.reference import competitive_interval
from tests.helpers import START, Offer, book, order
from trex_market.analysis.auctions import auction
from trex_market.analysis.equilibrium import equilibrium
from trex_market.core.clearing import make_rule
from trex_market.core.messages import Contract

buyers = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5), st.sampled_from(["b1", "b2"])), max_size=6)
sellers = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5), st.sampled_from(["s1", "s2"])), max_size=6)


@given(bids=buyers, asks=sellers)
def test_it_is_the_most_that_can_be_gained(bids: list[Offer], asks: list[Offer]) -> None:
    found = equilibrium(*book(bids, asks))
    values = sorted((price for price, quantity, _ in bids for _ in range(quantity)), reverse=True)
    costs = sorted(price for price, quantity, _ in asks for _ in range(quantity))
    pairs = list(zip(values, costs, strict=False))
    assert found.gains == sum(max(0, value - cost) for value, cost in pairs)
    assert found.volume == sum(value >= cost for value, cost in pairs)
    assert sum(found.fills.values()) == 2 * found.volume


@given(bids=buyers, asks=sellers)
def test_its_prices_are_the_competitive_interval(bids: list[Offer], asks: list[Offer]) -> None:
    found = equilibrium(*book(bids, asks))
    low, high, volume = competitive_interval(*book(bids, asks))
    assert found.volume == volume
    if volume:
        assert (found.low, found.high) == (low, high)


@pytest.mark.parametrize(
    ("bids", "asks", "expected"),
    [
        ([(10, 5, "b")], [(4, 5, "s")], (5, 30, 4, 10)),
        # What is left of a bid that was cut is the next unit.
        ([(10, 5, "b")], [(4, 3, "s")], (3, 18, 10, 10)),
        ([(10, 3, "b")], [(4, 5, "s")], (3, 18, 4, 4)),
        ([(3, 5, "b")], [(4, 5, "s")], (0, 0, 0, 0)),
        ([], [(4, 5, "s")], (0, 0, 0, 0)),
    ],
)
def test_books_by_hand(bids: list[Offer], asks: list[Offer], expected: tuple[int, ...]) -> None:
    found = equilibrium(*book(bids, asks))
    assert (found.volume, found.gains, found.low, found.high) == expected


# ---------------------------------------------------------------- auctions


def test_pools_are_measured_each_for_itself() -> None:
    bid = order("bid", 30, 10, "b", source="solar")
    asks = [order("ask", 10, 10, "s", source="bess"), order("ask", 20, 10, "t", source="solar")]
    by_source = auction([bid, *asks], (), START, "by_source")
    single = auction([bid, *asks], (), START, "single")
    assert by_source is not None
    assert single is not None
    assert (by_source.most_gains, single.most_gains) == (100, 200)
    assert (by_source.bid, by_source.ask, by_source.contracted, by_source.gains) == (10, 20, 0, 0)


def test_a_contract_of_an_order_that_is_not_there_cannot_be_measured() -> None:
    bid, ask = an_order("bid", "b", 10, 30), an_order("ask", "s", 10, 10)
    contract = a_contract(bid, ask, 10, 20, 0)
    assert auction([bid], [contract], START, "single") is None
    assert auction([bid, ask], [contract], START, "single") is not None


def test_a_contract_with_two_prices_is_measured_by_their_mean() -> None:
    bid, ask = an_order("bid", "b", 10, 280_000), an_order("ask", "s", 10, 120_000)
    own = msgspec.structs.replace(a_contract(bid, ask, 10, 120_000, 0), settlement_price_buy=280_000)
    off = msgspec.structs.replace(own, settlement_price_sell=160_000)
    centred, dearer = (auction([bid, ask], [one], START, "single") for one in (own, off))
    assert centred is not None
    assert dearer is not None
    assert (centred.priced, centred.deviation) == (10, 0)
    assert dearer.deviation == pytest.approx(10 * (0.02 / 0.20) ** 2)


@given(bids=buyers, asks=sellers)
def test_one_price_in_the_middle_of_the_interval_has_no_deviation(
    bids: list[Offer], asks: list[Offer]
) -> None:
    # Prices are even, so that the middle of an interval is a whole number.
    sides = book([(2 * p, q, w) for p, q, w in bids], [(2 * p, q, w) for p, q, w in asks])
    orders = [one for side in sides for one in side]
    contracts = [
        Contract(
            f"c{n}",
            START,
            START,
            m.ask.participant_id,
            m.bid.participant_id,
            "solar",
            m.quantity,
            m.price_sell,
            m.price_buy,
            m.bid.order_id,
            m.ask.order_id,
            START,
        )
        for n, m in enumerate(make_rule("uniform").match(*sides))
    ]
    found = auction(orders, contracts, START, "by_source")
    assert found is not None
    assert found.gains == found.most_gains
    assert found.contracted == found.competitive
    assert found.deviation == 0
    assert found.profit_gaps == 0
