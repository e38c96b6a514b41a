"""Homes that sell flexibility: what they expect, what they can bear, and that they do what was ordered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.devices.battery import Battery
from participants.home import Home
from participants.strategies.basic import Basic
from participants.strategies.flexible import Flexible
from tests.helpers import START, STEP, Series, slot
from trex_market.core.errors import InputError
from trex_market.core.messages import BATTERY, RoundStarted
from trex_market.participant import Announcement, EpisodeStart, MarketInfo, Turn
from trex_market.participant import Flexible as FlexibleParticipant

INFO = MarketInfo("m", STEP, 2, "UTC")
SLOTS = 12
POWER = 400


def made(
    strategy: Any = None, load: int = 100, sun: int = 0, charge: int = 500, capacity: int = 1_000
) -> Home:
    battery = Battery(capacity, POWER * 3600 / STEP, initial_charge=charge)
    home = Home("a", strategy or Flexible(0.2, 0.1), battery=battery)
    home.use(Series([load] * SLOTS, {"solar": [sun] * SLOTS}))
    home.start_episode(EpisodeStart(0, "training", INFO))
    return home


def turn(home: Home, number: int, flexibility: Mapping[int, int]) -> Turn:
    time = slot(number)
    told = RoundStarted(time, STEP, time + STEP, time + 2 * STEP, 0, 0, 80_000, 300_000)
    return home.turn(Announcement(told, flexibility=flexibility))


def net(turn: Turn) -> int:
    assert turn.meter is not None
    taken = sum(sources.get("external", 0) for sources in turn.meter.consumption.values())
    return taken - sum(turn.meter.generation.values())


def test_a_home_can_be_spoken_for() -> None:
    assert isinstance(made(), FlexibleParticipant)
    assert made().flexible_power() == POWER * 3600 / STEP
    assert made(Basic()).flexible_power() == 0
    assert made(Basic()).bearable({slot(1): 100}) == {}
    without = Home("a", Flexible())
    assert without.flexible_power() == 0
    assert without.bearable({slot(1): 100}) == {}


@given(
    st.dictionaries(st.integers(0, 9).map(slot), st.integers(-600, 600), max_size=6),
    st.integers(0, 1_000),
    st.data(),
)
def test_any_part_of_what_it_can_bear_it_does(wanted: dict[int, int], charge: int, data: Any) -> None:
    home = made(charge=charge)
    home.expected(START, 1, STEP)
    bearable = home.bearable(wanted)
    assert bearable.keys() <= wanted.keys()
    for start, energy in bearable.items():
        assert 0 < abs(energy) <= min(abs(wanted[start]), POWER)
        assert energy * wanted[start] > 0
    ordered = {
        start: energy * data.draw(st.integers(0, 100)) // 100
        for start, energy in bearable.items()
        if data.draw(st.booleans())
    }
    for number in range(10):
        later = {start: energy for start, energy in ordered.items() if start >= slot(number)}
        expected = home.expected(slot(number), 1, STEP)
        assert list(expected) == [100]
        assert net(turn(home, number, later)) == 100 + ordered.get(slot(number), 0)


def test_what_it_expects_is_without_its_flexibility() -> None:
    home = made(load=100, sun=30)
    assert list(home.expected(slot(0), 3, STEP)) == [70, 70, 70]
    turn(home, 0, {slot(2): -200})
    assert home.battery is not None
    assert home.battery.scheduled(slot(2)) == -200
    assert list(home.expected(slot(1), 3, STEP)) == [70, 70, 70]
    assert list(home.expected(slot(11), 2, STEP)) == [70, 0]


def test_what_is_planned_already_is_not_offered_again() -> None:
    home = made(charge=300)
    turn(home, 0, {slot(2): -200})
    assert home.bearable({slot(3): -400}) == {slot(3): -100}
    assert home.bearable({slot(2): -400}) == {slot(2): -100}


def test_it_trades_with_what_it_moves() -> None:
    # Of the slot two ahead: a load of 100 Wh, and what the battery gives.
    (order,) = turn(made(), 0, {slot(2): -60}).orders
    assert (order.side, order.quantity, order.price) == ("bid", 40, 200_000)
    (order,) = turn(made(), 0, {slot(2): -160}).orders
    assert (order.side, order.quantity, order.source) == ("ask", 60, BATTERY)
    assert list(turn(made(), 0, {slot(2): -100}).orders) == []
    (order,) = turn(made(), 0, {slot(2): 50}).orders
    assert (order.side, order.quantity) == ("bid", 150)
    (order,) = turn(made(sun=400), 0, {slot(2): 200}).orders
    assert (order.side, order.quantity, order.source) == ("ask", 100, "solar")
    both = turn(made(sun=400), 0, {slot(2): -200}).orders
    assert [(one.quantity, one.source) for one in both] == [(300, "solar"), (200, BATTERY)]
    (order,) = turn(made(), 0, {}).orders
    assert (order.side, order.quantity) == ("bid", 100)


def test_an_unreliable_home_does_not_always_do_it() -> None:
    ordered = {slot(number): -40 for number in range(10)}
    done = []
    home = made(Flexible(reliability=0.5))
    for number in range(10):
        done.append(100 - net(turn(home, number, ordered)))
    assert set(done) == {0, 40}
    with pytest.raises(InputError, match="reliability"):
        Flexible(reliability=1.1)


def test_before_the_first_round_it_says_first_what_it_expects() -> None:
    home = made()
    assert home.bearable({START: -400}) == {}
    home.expected(START, 1, STEP)
    assert home.bearable({START: -400}) == {START: -400}
