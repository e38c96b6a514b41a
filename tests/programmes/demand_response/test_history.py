from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from trex_market.programmes.demand_response.history import History, part, pieces

cuts = st.lists(st.integers(1, 5000), min_size=2, max_size=40, unique=True).map(sorted)


@given(st.integers(-(10**12), 10**12), cuts)
def test_parts_add_up_to_the_last_unit(energy_ws: int, moments: list[int]) -> None:
    start, end = moments[0], moments[-1]
    shares = [part(energy_ws, start, end, *pair) for pair in itertools.pairwise(moments)]
    assert sum(shares) == energy_ws


@given(st.integers(0, 10**9), st.integers(1, 10**5), st.integers(-(10**12), 10**12))
def test_pieces_are_whole_and_within_their_intervals(start: int, length: int, energy_ws: int) -> None:
    found = list(pieces(start, start + length, energy_ws, 900))
    assert sum(energy for _, energy, _ in found) == energy_ws
    assert sum(seconds for _, _, seconds in found) == length
    assert [number for number, _, _ in found] == list(range(start // 900, (start + length - 1) // 900 + 1))


@given(cuts, st.integers(-3000, 3000))
def test_a_steady_load_is_that_load_however_it_is_cut(moments: list[int], power_w: int) -> None:
    history = History(60, 1000)
    for start, end in itertools.pairwise(moments):
        history.add(start, end, power_w * (end - start), end - start)
    for number in range(90):
        whole = moments[0] <= number * 60 and (number + 1) * 60 <= moments[-1]
        assert history.load(number) == (power_w * 60 if whole else None)


def test_a_gap_leaves_its_intervals_out() -> None:
    history = History(60, 1000)
    history.add(0, 60, 600, 60)
    history.add(60, 90, 300, 30)
    history.add(100, 180, 800, 80)
    assert [history.load(number) for number in range(3)] == [600, None, 600]
    assert history.loads(0, 3) is None
    assert history.loads(2, 3) == [600]


def test_what_comes_later_completes_or_corrects() -> None:
    history = History(60, 1000)
    history.add(60, 120, 600, 60)
    history.add(0, 30, 300, 30)
    history.add(120, 180, 900, 60)
    history.add(60, 120, 60, 0)
    assert history.load(1) == 660
    assert history.loads(0, 2) is None


def test_it_keeps_so_many_and_lives_through_its_state() -> None:
    history = History(60, 8)
    for number in range(100):
        history.add(number * 60, number * 60 + 60, number, 60)
    history.add(6000, 6010, 7, 10)
    other = History(60, 8)
    other.resume(history.state())
    assert other.loads(92, 100) == list(range(92, 100))
    assert other.load(80) is None
    other.add(6010, 6060, 5, 50)
    assert other.load(100) == 12
