"""Who comes first: price, time, lot, id, own order; never the order of arrival."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.reference import drawn_lot, queue
from tests.helpers import START, book, order
from trex_market.core.book import Book, by_priority
from trex_market.core.lots import lot, splitmix64, uniform
from trex_market.core.messages import Order

GAMMA = 0x9E3779B97F4A7C15


def test_the_scrambler_makes_the_published_numbers_of_seed_0() -> None:
    published = [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
        0xF88BB8A8724C81EC,
        0x1B39896A51A8749B,
    ]
    assert [splitmix64(n * GAMMA) for n in range(1, 6)] == published


def test_the_scrambler_makes_the_published_numbers_of_seed_1234567() -> None:
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [splitmix64(1234567 + n * GAMMA) for n in range(1, 6)] == published


def test_the_scrambler_adds_nothing_of_its_own() -> None:
    assert splitmix64(0) == 0
    assert splitmix64(2**64 + 5) == splitmix64(5)


def test_a_lot_is_made_of_slot_and_id() -> None:
    assert lot(0, "123456789") == splitmix64(0xCBF43926 * GAMMA)  # the check value of CRC-32
    assert lot(900, "123456789") == splitmix64(900 + 0xCBF43926 * GAMMA)
    assert lot(-900, "") == splitmix64(2**64 - 900)


@given(st.integers(-(2**40), 2**40), st.text(max_size=12))
def test_lots_agree_with_the_rule_written_again(slot_start: int, name: str) -> None:
    assert lot(slot_start, name) == drawn_lot(slot_start, name)


def test_lots_are_fair_over_slots() -> None:
    wins = sum(lot(START + n * 900, "ann") < lot(START + n * 900, "bob") for n in range(4000))
    assert abs(wins - 2000) < 4 * 32  # four standard deviations


@given(st.integers(), st.text(max_size=5), st.integers(), st.integers(0, 9))
def test_chance_lies_in_the_unit_interval(seed: int, name: str, time: int, draw: int) -> None:
    assert 0 <= uniform(seed, name, time, draw) < 1


# ---------------------------------------------------------------- priority

names = st.sampled_from(["ann", "bob", "cid", "dan"])
offers = st.tuples(
    st.sampled_from(["bid", "ask"]), st.integers(0, 3), names, st.integers(0, 2), st.integers(1, 9)
)


def orders_of(drawn: list[tuple[str, int, str, int, int]]) -> list[Order]:
    return [
        order(
            "bid" if side == "bid" else "ask",
            price,
            quantity,
            who,
            time=START + time,
            sequence=n,
            name=f"o{n}",
        )
        for n, (side, price, who, time, quantity) in enumerate(drawn)
    ]


@given(st.lists(offers, max_size=25), st.integers(0, 50))
def test_priority_agrees_with_the_rule_written_again(
    drawn: list[tuple[str, int, str, int, int]], number: int
) -> None:
    slot_start = START + number * 900
    assert by_priority(orders_of(drawn), slot_start) == queue(orders_of(drawn), slot_start)


@given(st.data(), st.lists(offers, max_size=12))
def test_the_order_of_arrival_does_not_count(
    data: st.DataObject, drawn: list[tuple[str, int, str, int, int]]
) -> None:
    orders = orders_of(drawn)
    assert by_priority(data.draw(st.permutations(orders)), START) == by_priority(orders, START)


def test_the_dearer_bid_and_the_cheaper_ask_come_first() -> None:
    bids, asks = book(
        [(1, 5, "ann"), (3, 5, "bob"), (2, 5, "cid")], [(3, 5, "ann"), (1, 5, "bob"), (2, 5, "cid")]
    )
    assert [bid.price for bid in bids] == [3, 2, 1]
    assert [ask.price for ask in asks] == [1, 2, 3]


def test_among_equal_prices_the_earlier_comes_first() -> None:
    late, early = order("bid", 5, 1, "ann", time=START + 1), order("bid", 5, 1, "bob", time=START)
    assert by_priority([late, early], START)[0] == [early, late]
    late, early = order("bid", 5, 1, "bob", time=START + 1), order("bid", 5, 1, "ann", time=START)
    assert by_priority([late, early], START)[0] == [early, late]


@pytest.mark.parametrize("number", range(6))
def test_within_an_instant_the_lowest_lot_comes_first(number: int) -> None:
    slot_start = START + 900 * number
    bids, _ = by_priority([order("bid", 5, 1, name) for name in ("ann", "bob", "cid", "dan")], slot_start)
    lots = [lot(slot_start, bid.participant_id) for bid in bids]
    assert all(one < other for one, other in pairwise(lots))


def test_a_participants_own_orders_keep_their_order() -> None:
    own = [order("ask", 5, quantity, "ann", sequence=n) for n, quantity in enumerate([3, 1, 2])]
    assert by_priority(own[::-1], START)[1] == own


def test_with_equal_lots_the_id_counts() -> None:
    one, other = "plumless", "buckeroo"  # a well-known collision of CRC-32
    assert lot(START, one) == lot(START, other)
    bids, _ = by_priority([order("bid", 5, 1, one), order("bid", 5, 1, other)], START)
    assert [bid.participant_id for bid in bids] == [other, one]


# ---------------------------------------------------------------- the book


def test_what_is_added_can_be_found_and_removed_once() -> None:
    book, bid = Book(), order("bid", 5, 1, "ann", name="o1")
    book.add(bid)
    assert (len(book), book.find("o1"), book.open_orders("ann"), book.open_orders("bob")) == (
        1,
        bid,
        [bid],
        [],
    )
    assert book.remove("o1") is bid
    assert (len(book), book.find("o1"), book.was_used("o1"), book.was_used("o2")) == (0, None, True, False)
    with pytest.raises(KeyError):
        book.remove("o1")
    assert book.close(START) == []


def test_closing_a_slot_takes_it_out_and_drops_earlier_ones() -> None:
    book, bid = Book(), order("bid", 5, 1, "ann", name="o1")
    book.add(bid)
    assert book.close(START + 900) == []
    assert len(book) == 0
    book.add(bid)
    assert book.close(START - 900) == []
    assert book.close(START) == [bid]
    assert book.close(START) == []
    assert len(book) == 0
