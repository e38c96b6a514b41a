"""Clearing from columns against the plain core: the same contracts in the same order, whatever the orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import START, STEP, order
from tests.kernels.populations import Row, as_tuples, columns, plain_contracts, population
from trex_market.core.clearing import RULES, RuleOptions, make_rule
from trex_market.core.clearing import slot as plain_slot
from trex_market.core.errors import InputError
from trex_market.core.messages import DEFAULT_SOURCES, Order
from trex_market.core.units import MAX_PRICE, MAX_QUANTITY, MICRO
from trex_market.kernels import lots
from trex_market.kernels.clearing import clear_orders, clear_slot
from trex_market.kernels.columns import (
    LIMITS,
    MAX_BOUND,
    MAX_ORDERS,
    MAX_PARTICIPANTS,
    MAX_POOLS,
    RULE_CODES,
    Contracts,
    Orders,
    Room,
    RuleTerms,
    Scratch,
    make_contracts,
    make_room,
    make_scratch,
    rule_terms,
)
from trex_market.kernels.compiled import compiled

pytestmark = pytest.mark.timeout(900)  # compiling for the first time takes its while

rules = pytest.mark.parametrize("rule", RULES)
steady = settings(deadline=None, derandomize=True, max_examples=120)

SHARED = make_room(40, 5, 3)
"""Room in which each slot leaves behind what the next one must not mind."""

ks = st.sampled_from([0, 1, 333_333, MICRO // 2, MICRO])
few_prices = st.integers(0, 3)
any_prices = st.one_of(
    few_prices,
    st.integers(-MAX_PRICE, MAX_PRICE),
    st.sampled_from([-MAX_PRICE, MAX_PRICE]),
)
ranks = st.one_of(st.integers(0, 3), st.integers(-(2**63), 2**63 - 1))


def rows(prices: st.SearchStrategy[int], size: int = 12) -> st.SearchStrategy[list[Row]]:
    quantities = st.one_of(st.integers(1, 4), st.just(MAX_QUANTITY))
    row = st.tuples(st.integers(0, 4), st.integers(0, 2), prices, quantities, ranks)
    return st.lists(row, max_size=size)


def check(
    rule: str, bids: Orders, asks: Orders, options: RuleOptions | None = None, room: Room | None = None
) -> int:
    """Compare with the plain core; return how many contracts there were."""
    contracts = as_tuples(clear_slot(rule, bids, asks, options, room))
    assert contracts == plain_contracts(rule, bids, asks, options)
    return len(contracts)


# ---------------------------------------------------------------- at random


def test_all_rules_are_there() -> None:
    assert set(RULE_CODES) == set(RULES)


@rules
@steady
@given(bids=rows(few_prices), asks=rows(few_prices), k=ks)
def test_few_prices(rule: str, bids: list[Row], asks: list[Row], k: int) -> None:
    options = RuleOptions(k, 0, None)
    check(rule, columns(bids), columns(asks), options)
    check(rule, columns(bids), columns(asks), options, SHARED)


@rules
@steady
@given(
    bids=rows(any_prices),
    asks=rows(any_prices),
    k=st.integers(0, MICRO),
    floor=st.sampled_from([-MAX_BOUND, -MAX_PRICE, 0]),
    cap=st.sampled_from([None, MAX_PRICE, MAX_BOUND]),
)
def test_prices_and_quantities_up_to_the_limits(
    rule: str, bids: list[Row], asks: list[Row], k: int, floor: int, cap: int | None
) -> None:
    check(rule, columns(bids), columns(asks), RuleOptions(k, floor, cap), SHARED)


@rules
@steady
@given(data=st.data())
def test_one_owner_of_all_front_asks(rule: str, data: st.DataObject) -> None:
    """The others' asks are dearer, and its own bids stand among those that could take them."""
    front = data.draw(st.lists(st.tuples(st.just(1), st.just(0), few_prices, st.integers(1, 4), ranks)))
    others = data.draw(
        st.lists(st.tuples(st.integers(2, 4), st.just(0), st.integers(3, 5), st.integers(1, 4), ranks))
    )
    buyers = st.tuples(st.integers(1, 2), st.just(0), st.integers(2, 6), st.integers(1, 4), ranks)
    check(rule, columns(data.draw(st.lists(buyers))), columns(front + others))


@rules
@steady
@given(bids=rows(st.just(7), 40), asks=rows(st.just(7), 40))
def test_all_prices_are_equal(rule: str, bids: list[Row], asks: list[Row]) -> None:
    check(rule, columns(bids), columns(asks), None, SHARED)


@rules
@steady
@given(data=st.data())
def test_it_is_what_the_market_makes_of_a_slot(rule: str, data: st.DataObject) -> None:
    """Lots, sources and names included: participants are numbered, and sources are pools, as callers do it."""
    names = ["a", "b", "B", "ä", "p10", "p9"]
    orders = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(names),
                st.sampled_from(["bid", "ask"]),
                st.integers(0, 4),
                st.integers(1, 5),
                st.sampled_from(sorted(DEFAULT_SOURCES)),
            ),
            max_size=24,
        )
    )
    market_rule = make_rule(rule)
    pools = plain_slot.pools_of(market_rule, DEFAULT_SOURCES)
    made = [
        order(side, price, quantity, who, name=f"o{n}", source=source, sequence=n)  # type: ignore[arg-type]
        for n, (who, side, price, quantity, source) in enumerate(orders)
    ]
    numbers = {name: n for n, name in enumerate(sorted(names))}
    sides = {side: _as_callers_do(made, side, numbers, pools) for side in ("bid", "ask")}
    (bids, bid_orders), (asks, ask_orders) = sides["bid"], sides["ask"]
    found = [
        (bid_orders[bid].order_id, ask_orders[ask].order_id, quantity, sell, buy, ask_orders[ask].source)
        for bid, ask, quantity, sell, buy in as_tuples(clear_slot(rule, bids, asks))
    ]
    slot = (START, START + STEP)
    assert found == [
        (
            c.bid_id,
            c.ask_id,
            c.quantity,
            c.settlement_price_sell,
            c.settlement_price_buy,
            c.energy_source,
        )
        for c in plain_slot.clear_slot(market_rule, pools, made, slot, START)
    ]


def _as_callers_do(
    orders: list[Order], side: str, numbers: dict[str, int], pools: list[str | None]
) -> tuple[Orders, list[Order]]:
    """Return a side's columns, and its orders in the order of the columns: by participant, then its own order."""
    own = sorted(
        (one for one in orders if one.side == side),
        key=lambda one: (numbers[one.participant_id], one.sequence),
    )
    drawn = lots.checksums([one.participant_id for one in own])
    table = [
        (
            numbers[one.participant_id],
            pools.index(one.source) if pools != [None] else 0,
            one.price,
            one.quantity,
            lots.rank(START, checksum),
        )
        for one, checksum in zip(own, drawn, strict=True)
    ]
    return columns(table), own


# ---------------------------------------------------------------- large


LARGE: dict[str, dict[str, Any]] = {
    "many participants": {},
    "a few participants": {"participants": 3},
    "two participants": {"participants": 2},
    "nobody twice": {"participants": 1_000_000},
    "wide prices": {"prices": (-MAX_PRICE, MAX_PRICE)},
    "few prices": {"prices": (100_000, 100_040)},
    "equal prices": {"prices": (100_000, 100_000)},
    "large quantities": {"most": MAX_QUANTITY},
    "some pools": {"pools": 3},
    "many pools": {"pools": 2_000},
    "ranks in order": {"ranks": "in order"},
    "any ranks": {"ranks": "any"},
    "any ranks, equal prices": {"ranks": "any", "prices": (1, 1)},
    "dense ranks, equal prices": {"ranks": "dense", "prices": (1, 1)},
    "equal ranks, few prices": {"ranks": "equal", "prices": (1, 20)},
}


@rules
@pytest.mark.parametrize("kind", LARGE)
def test_large_populations(rule: str, kind: str) -> None:
    chance = np.random.default_rng(7)
    made = 0
    for bids, asks in ((5_000, 4_000), (300, 6_000), (2_500, 0)):
        made += check(rule, population(chance, bids, **LARGE[kind]), population(chance, asks, **LARGE[kind]))
    assert made or rule in {"MicroTE2", "mcafee", "trade_reduction"}


@rules
def test_a_large_population_whose_sample_misleads(rule: str) -> None:
    """Hardly one of those that trade is in the sample, or hardly one that is in the sample trades."""
    chance = np.random.default_rng(8)
    for period in (2, 10, 20):
        for high, low in ((299_000, 51_000), (51_000, 299_000), (-MAX_PRICE, MAX_PRICE), (9, MAX_PRICE)):
            bids = population(chance, 5_000, ranks="in order")
            asks = population(chance, 5_000, ranks="in order")
            sampled = np.arange(5_000) % period == 0
            bids.price[sampled], asks.price[sampled] = high, low
            assert check(rule, bids, asks) or rule == "MicroTE2"
        # All bids trade, and all asks but those that are in the sample.
        bids.price[:], asks.price[~sampled], asks.quantity[~sampled] = 9, 9, 4_000
        assert check(rule, bids, asks) or rule in {"mcafee", "trade_reduction"}


@rules
@pytest.mark.parametrize("bid_prices", [(-MAX_PRICE, -MAX_PRICE), (-MAX_PRICE, 0), (MAX_PRICE, MAX_PRICE)])
@pytest.mark.parametrize("ask_prices", [(MAX_PRICE, MAX_PRICE), (0, MAX_PRICE), (-MAX_PRICE, -MAX_PRICE)])
def test_large_populations_at_the_ends_of_all_prices(
    rule: str, bid_prices: tuple[int, int], ask_prices: tuple[int, int]
) -> None:
    """All of them can trade, or none."""
    chance = np.random.default_rng(6)
    bids, asks = population(chance, 2_500, prices=bid_prices), population(chance, 2_500, prices=ask_prices)
    made = check(rule, bids, asks)
    assert bool(made) == (bids.price.min() >= asks.price.max()) or rule == "MicroTE2"


@rules
def test_a_large_population_with_one_owner_of_all_front_asks(rule: str) -> None:
    chance = np.random.default_rng(9)
    asks = population(chance, 6_000, prices=(50_000, 100_000))
    asks.participant[:] = 1
    asks.participant[5_000:] = 2
    asks.price[5_000:] += 60_000
    bids = population(chance, 4_000, participants=3, prices=(90_000, 170_000))
    bids.participant[0] = 399
    assert check(rule, bids, asks)


@rules
def test_a_large_population_whose_asks_of_others_run_out_in_front(rule: str) -> None:
    """One owner's bids use up the few asks of others that are known, and go on to those that wait."""
    chance = np.random.default_rng(11)
    for known in (0, 30, 200):
        asks = population(chance, 5_000, prices=(50_000, 100_000), ranks="in order")
        asks.participant[:] = 1
        asks.participant[: known * 5 : 5] = 2
        asks.participant[4_000:] = 3
        asks.price[4_000:] += 80_000
        bids = population(chance, 2_500, prices=(190_000, 200_000), most=900)
        bids.participant[:] = np.where(chance.random(2_500) < 0.7, 1, 4)
        assert check(rule, bids, asks) or rule == "MicroTE2"


@rules
def test_a_large_population_of_clusters(rule: str) -> None:
    """Prices in heaps of which the highest bits say nothing."""
    chance = np.random.default_rng(10)
    sides = []
    for _ in range(2):
        orders = population(chance, 5_000, prices=(0, 40), ranks="any")
        orders.price[:] += chance.integers(0, 3, 5_000) * 300_000_000
        orders.rank[:2_000] = 2**62 + chance.integers(0, 500, 2_000)
        orders.rank[2_000:4_000] = -(2**63) + chance.integers(0, 5, 2_000)
        sides.append(orders)
    assert check(rule, *sides)


# ---------------------------------------------------------------- edges


@rules
def test_nothing_comes_of_an_empty_or_one_sided_book(rule: str) -> None:
    some = columns([(0, 0, 10, 5, 0), (1, 0, 12, 5, 1)])
    for bids, asks in ((columns([]), columns([])), (some, columns([])), (columns([]), some)):
        for room in (None, SHARED):
            assert as_tuples(clear_slot(rule, bids, asks, None, room)) == []


@rules
def test_nobody_trades_with_itself(rule: str) -> None:
    one = columns([(3, 0, 10, 5, place) for place in range(50)])
    assert check(rule, one, one) == 0


@rules
def test_orders_of_other_pools_do_not_meet(rule: str) -> None:
    bids, asks = columns([(0, 0, 10, 5, 0), (0, 2, 10, 5, 1)]), columns([(1, 1, 5, 5, 0)])
    assert check(rule, bids, asks) == 0


def test_the_orders_are_not_changed() -> None:
    chance = np.random.default_rng(1)
    bids, asks = population(chance, 4_000), population(chance, 4_000, ranks="any")
    before = [column.copy() for column in (*bids, *asks)]
    for rule in RULES:
        clear_slot(rule, bids, asks)
    assert all(np.array_equal(a, b) for a, b in zip(before, (*bids, *asks), strict=True))


def test_columns_may_be_of_other_whole_numbers_and_not_side_by_side() -> None:
    chance = np.random.default_rng(2)
    bids, asks = population(chance, 50), population(chance, 50)
    table = np.stack(bids, axis=1)
    strided = Orders(*(table[:, place] for place in range(5)))
    short = Orders(*(column.astype(np.int32) for column in asks))
    assert as_tuples(clear_slot("uniform", strided, short)) == plain_contracts("uniform", bids, asks)


def test_compiled_code_clears_slot_after_slot() -> None:
    """As a driver does: columns cut out of larger ones, one room for all."""
    chance = np.random.default_rng(3)
    bids, asks = population(chance, 300, pools=2), population(chance, 300, pools=2)
    contracts, scratch = make_contracts(600), make_scratch(300, 400, 2)
    cuts = [(0, 300), (0, 0), (7, 40), (100, 290)]
    for rule in ("MicroTE", "uniform"):
        for bid_cut, ask_cut in zip(cuts, reversed(cuts), strict=True):
            count = _clear_a_part(rule_terms(rule), bids, asks, bid_cut, ask_cut, contracts, scratch)
            parts = _part(bids, *bid_cut), _part(asks, *ask_cut)
            found = Contracts(*(column[:count] for column in contracts))
            assert as_tuples(found) == plain_contracts(rule, *parts)


@compiled
def _clear_a_part(
    terms: RuleTerms,
    bids: Orders,
    asks: Orders,
    bid_cut: tuple[int, int],
    ask_cut: tuple[int, int],
    contracts: Contracts,
    scratch: Scratch,
) -> int:
    bid_part, ask_part = _part(bids, bid_cut[0], bid_cut[1]), _part(asks, ask_cut[0], ask_cut[1])
    return clear_orders(terms, bid_part, ask_part, contracts, scratch)


@compiled
def _part(orders: Orders, first: int, last: int) -> Orders:
    return Orders(
        orders.participant[first:last],
        orders.pool[first:last],
        orders.price[first:last],
        orders.quantity[first:last],
        orders.rank[first:last],
    )


# ---------------------------------------------------------------- limits


FINE: Row = (1, 1, 10, 5, 0)


@pytest.mark.parametrize("side", ["bids", "asks"])
@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (0, -1, "participants numbered from 0, at most 1,048,576, and room for them; found -1 to 1"),
        (0, 5, "participants numbered from 0, at most 1,048,576, and room for them; found 1 to 5"),
        (1, -1, "pools numbered from 0, at most 4,096, and room for them; found -1 to 1"),
        (1, 3, "pools numbered from 0, at most 4,096, and room for them; found 1 to 3"),
        (2, MAX_PRICE + 1, "to 1,000,000,000 micro-$/kWh; found 10 to 1,000,000,001"),
        (2, -MAX_PRICE - 1, "prices from -1,000,000,000 to 1,000,000,000 micro-$/kWh; found -1,000,000,001"),
        (2, -(2**63), "micro-$/kWh; found -9,223,372,036,854,775,808 to 10"),
        (3, 0, "quantities from 1 to 1,000,000,000 Wh; found 0 to 5"),
        (3, MAX_QUANTITY + 1, "quantities from 1 to 1,000,000,000 Wh; found 5 to 1,000,000,001"),
    ],
)
def test_a_limit_is_named_where_it_does_not_hold(side: str, place: int, value: int, said: str) -> None:
    wrong = [*FINE]
    wrong[place] = value
    fine, broken = columns([FINE] * 3), columns([FINE, tuple(wrong), FINE])  # type: ignore[list-item]
    bids, asks = (broken, fine) if side == "bids" else (fine, broken)
    with pytest.raises(InputError, match="clearing needs") as caught:
        clear_slot("MicroTE", bids, asks, None, SHARED)
    assert said in str(caught.value)


def test_columns_of_different_length_are_refused() -> None:
    fine = columns([FINE] * 3)
    for place in range(5):
        broken = Orders(*(column[: 2 if at == place else 3] for at, column in enumerate(fine)))
        with pytest.raises(InputError, match="columns of one length on each side; found 3, 3, 3, 3, 3 and"):
            clear_slot("MicroTE", fine, broken, None, make_room(9, 2, 2))


def test_more_orders_than_there_is_room_for_are_refused() -> None:
    fine = columns([FINE] * 3)
    with pytest.raises(InputError, match="as many asks in a slot, and room for them; found 3 and 3"):
        clear_slot("MicroTE", fine, fine, None, Room(make_contracts(6), make_scratch(2, 2, 2)))
    with pytest.raises(InputError, match="bids and asks together; found 3 and 3"):
        clear_slot("MicroTE", fine, fine, None, Room(make_contracts(5), make_scratch(3, 2, 2)))


def test_compiled_code_is_told_by_a_number_below_0() -> None:
    fine, broken = columns([FINE]), columns([(1, 1, 10, 0, 0)])
    room = make_room(9, 2, 2)
    answer = clear_orders(rule_terms("MicroTE"), fine, broken, *room)
    assert LIMITS[-answer] == "quantities from 1 to 1,000,000,000 Wh"


@pytest.mark.parametrize(
    ("orders", "participants", "pools", "said"),
    [
        (MAX_ORDERS + 1, 1, 1, "there can be 0 to 1,048,576 bids or asks in a slot, found 1,048,577"),
        (1, MAX_PARTICIPANTS + 1, 1, "there can be 0 to 1,048,576 participants, found 1,048,577"),
        (1, 1, MAX_POOLS + 1, "there can be 1 to 4,096 pools, found 4,097"),
        (1, 1, 0, "there can be 1 to 4,096 pools, found 0"),
        (-1, 1, 1, "found -1"),
    ],
)
def test_room_has_limits(orders: int, participants: int, pools: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_scratch(orders, participants, pools)


def test_participants_beyond_the_limit_are_refused_without_room_too() -> None:
    with pytest.raises(InputError, match="participants, found 1,048,577"):
        clear_slot("MicroTE", columns([(MAX_PARTICIPANTS, 0, 1, 1, 0)]), columns([FINE]))
    with pytest.raises(InputError, match="participants numbered from 0"):
        clear_slot("MicroTE", columns([(-1, 0, 1, 1, 0)]), columns([(-2, 0, 1, 1, 0)]))


def test_columns_that_are_no_whole_numbers_are_refused() -> None:
    fine = columns([FINE])
    for wrong in (fine.price.astype(float), fine.price.astype(np.uint64), fine.price.reshape(1, 1)):
        with pytest.raises(InputError, match="price of asks must be a column of whole numbers of 64 bits"):
            clear_slot("MicroTE", fine, fine._replace(price=wrong))


def test_options_beyond_their_limits_are_refused() -> None:
    for options in (RuleOptions(k=-1), RuleOptions(k=MICRO + 1)):
        with pytest.raises(InputError, match="k must be 0 to 1,000,000 millionths"):
            rule_terms("k_pricing", options)
    for options in (RuleOptions(price_floor=-MAX_BOUND - 1), RuleOptions(price_cap=MAX_BOUND + 1)):
        with pytest.raises(InputError, match="a price floor or cap must be"):
            rule_terms("mcafee", options)
    with pytest.raises(InputError, match=r"unknown clearing rule 'Uniform'\. Did you mean 'uniform'"):
        rule_terms("Uniform")


@pytest.mark.slow
def test_as_many_orders_as_there_can_be() -> None:
    """At the limits of number, quantity and price at once, the sums still fit."""
    size = MAX_ORDERS
    number = np.arange(size)
    bids, asks = (
        Orders(
            number // 2 * 2 + odd,
            np.zeros(size, np.int64),
            np.full(size, MAX_PRICE),
            np.full(size, MAX_QUANTITY),
            number[::-1],
        )
        for odd in (0, 1)
    )
    room = make_room(size, MAX_PARTICIPANTS, 1)
    for rule in RULES:
        given_up = 1 if rule in {"mcafee", "trade_reduction"} else 0
        contracts = clear_slot(rule, bids, asks, None, room)
        assert contracts.quantity.sum() == (size - given_up) * MAX_QUANTITY
        assert (contracts.price_sell == MAX_PRICE).all()
        assert (contracts.price_buy == MAX_PRICE).all()
        assert np.array_equal(np.sort(contracts.bid), np.sort(contracts.ask))
