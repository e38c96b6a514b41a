"""Long series are made short without losing what they add up to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.helpers import SLOTS, an_order
from tests.helpers import START, STEP
from trex_market.analysis.depth import Books
from trex_market.analysis.sampling import bins, thinned
from trex_market.analysis.slots import SlotRecords


@given(slots=st.integers(1, 400), most=st.integers(2, 60), gap=st.integers(0, 300))
def test_bins_are_few_and_lose_nothing(slots: int, most: int, gap: int) -> None:
    starts = [START + STEP * number for number in range(slots)]
    starts = [start + STEP * gap * (start > START + 50 * STEP) for start in starts]
    values = [number * 7 % 23 for number in range(slots)]
    found = bins(starts, STEP, most)
    # The first and the last bin may be cut by the ends of the run.
    assert len(found.starts) <= most + 1
    assert sum(found.sums(values)) == sum(values)
    assert sum(found.rows) == slots
    assert found.starts == sorted(set(found.starts))
    assert found.period % STEP == 0 or found.period > 604_800


def test_few_rows_are_shown_as_they_are() -> None:
    found = bins([START, START + STEP], STEP)
    assert (found.period, found.starts, found.sums([3, 4])) == (STEP, [START, START + STEP], [3, 4])
    assert bins([], STEP).starts == []


def test_bins_begin_at_round_times() -> None:
    starts = [START + STEP * number for number in range(8)]
    found = bins(starts, STEP, 2)
    assert (found.period, found.starts, found.rows) == (3600, [START, START + 3600], [4, 4])
    assert found.means([1, 2, 3, None, None, None, None, None]) == [2, None]


@given(count=st.integers(0, 200), most=st.integers(2, 50))
def test_thinned_series_keep_their_ends(count: int, most: int) -> None:
    found = thinned(list(range(count)), most)
    assert len(found) == min(count, most)
    assert found == sorted(set(found))
    if count:
        assert (found[0], found[-1]) == (0, count - 1)


# ---------------------------------------------------------------- books


def a_slot(number: int, quantity: int) -> SlotRecords:
    start = START + STEP * number
    return SlotRecords(start, (an_order("bid", "b", quantity, 100_000, start),))


def test_a_short_run_keeps_every_book() -> None:
    books = Books(orders=3)
    for slot in SLOTS:
        books.hear(slot)
    first, second = books.kept()
    assert first.demand == [(280_000, 1000), (200_000, 500)]
    assert first.supply == [(120_000, 1200)]
    assert first.traded == [(200_000, 1000), (160_000, 200)]
    assert second.start == START + STEP
    assert books.busiest == START
    assert books.slots == 2


def test_a_long_run_keeps_some_the_busiest_and_those_asked_for() -> None:
    books = Books(orders=100, wanted=[START + 7 * STEP], most=20)
    for number in range(100):
        books.hear(a_slot(number, 5))
    books.hear(SLOTS[1])  # out of order, but the only one with contracts
    kept = [book.start for book in books.kept()]
    assert kept == sorted({START + STEP, *(START + STEP * n for n in range(0, 100, 5)), START + 7 * STEP})
    assert books.busiest == SLOTS[1].start


def test_slots_without_orders_have_no_book() -> None:
    books = Books(orders=0)
    books.hear(SlotRecords(START))
    assert (books.kept(), books.busiest, books.slots) == ([], None, 0)


@pytest.mark.parametrize("orders", [1, 59_999, 60_000, 60_001, 10**7])
def test_no_more_orders_are_kept_than_a_page_takes(orders: int) -> None:
    books = Books(orders)
    assert -(-orders // books._stride) <= 60_000
