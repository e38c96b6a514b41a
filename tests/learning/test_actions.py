"""What an agent's three numbers do: orders, prices, and the battery."""

from __future__ import annotations

import math
from typing import Any

import pytest

from participants.devices.battery import Battery
from tests.helpers import Neighbourhood, Series, assert_balanced, slot
from tests.learning.helpers import Seat, contract
from trex_market.core.errors import InputError
from trex_market.core.messages import Delivered, MeterAccepted
from trex_market.learning.actions import LEVERS, Actor
from trex_market.participant import Decision

IDLE = (0.0, 0.0, 0.0)


def offers(decision: Decision) -> list[tuple[str, int, int, str | None]]:
    return [(order.side, order.quantity, order.price, order.source) for order in decision.orders]


def battery(charge: int = 1000) -> Battery:
    """Return a battery of 2 kWh that can take or give a kWh in a slot."""
    return Battery(2_000, 4_000, initial_charge=charge)


@pytest.mark.parametrize(
    ("number", "price"),
    [
        (-1, 100_000),
        (-0.9, 100_000),
        (-0.45, 125_000),
        (0, 150_000),
        (0.45, 175_000),
        (0.9, 200_000),
        (1, 200_000),
        (5, 200_000),
    ],
)
def test_a_price_lies_between_what_the_grid_pays_and_what_it_charges(number: float, price: int) -> None:
    view = Seat([500] * 9).hears(0)
    assert offers(Actor().decide(view, (number, 0, 0))) == [("bid", 500, price, None)]
    view = Seat([0] * 9, {"solar": [300] * 9}).hears(0)
    assert offers(Actor().decide(view, (0, number, 0))) == [("ask", 300, price, "solar")]


def test_a_negative_grid_price_is_no_price_for_an_order() -> None:
    view = Seat([500] * 9).hears(0, prices=(-50_000, 100_000))
    assert offers(Actor().decide(view, (-1, 0, 0)))[0][2] == 0
    view = Seat([500] * 9).hears(0, prices=(-90_000, -50_000))
    assert offers(Actor().decide(view, (1, 0, 0)))[0][2] == 0


def test_a_home_offers_what_each_source_has_too_much() -> None:
    seat = Seat([250] * 9, {"solar": [100] * 9, "wind": [400] * 9})
    assert offers(Actor().decide(seat.hears(0), IDLE)) == [("ask", 250, 150_000, "wind")]
    assert offers(Actor().decide(Seat([100] * 9, {"solar": [100] * 9}).hears(0), IDLE)) == []


@pytest.mark.parametrize(
    ("load", "sun", "share", "expected"),
    [
        (300, 0, 0.5, [("bid", 800)]),  # what is needed, and half a kWh to store
        (
            0,
            300,
            0.5,
            [("ask", 300), ("bid", 200)],
        ),  # the surplus, if somebody pays for it, else it is stored
        (0, 700, 0.5, [("ask", 700)]),
        (300, 0, -0.2, [("bid", 300)]),  # the battery gives what is not bought
        (300, 0, -0.5, [("bid", 300), ("ask", 200)]),  # and offers what is beyond the need
        (0, 300, -0.5, [("ask", 300), ("ask", 500)]),
        (0, 0, -5.0, [("ask", 1000)]),
        (0, 0, 0.0, []),
    ],
)
def test_what_is_offered_with_a_battery(
    load: int, sun: int, share: float, expected: list[tuple[str, int]]
) -> None:
    seat = Seat([load] * 9, {"solar": [sun] * 9}, battery())
    decision = Actor().decide(seat.hears(0), (0, 0, share))
    assert [(order.side, order.quantity) for order in decision.orders] == expected
    assert all(order.slot_start == slot(2) for order in decision.orders)


def settled(
    share: float, *contracts: Any, load: int = 0, sun: int = 0, bid: float = 0, ask: float = 0
) -> int:
    """Return what the battery is to do in a slot, once its contracts are known, in Wh."""
    seat, actor = Seat([load] * 9, {"solar": [sun] * 9}, battery()), Actor()
    seat.home.act(actor.decide(seat.hears(0), (bid, ask, share)))
    return actor.decide(seat.hears(1, *contracts), IDLE).battery[slot(2)]


def test_a_battery_takes_what_is_left_over() -> None:
    assert settled(0.5, sun=300) == 300
    assert settled(0.5, sun=700) == 500
    assert settled(0.5, contract(2, 200, 1, sells=True), sun=300) == 100
    assert settled(0.5, contract(2, 400, 1, sells=False), load=300) == 100
    assert settled(0.5, load=300) == 0  # nothing was bought: it neither takes nor gives
    assert settled(0.5) == 0


def test_a_battery_gives_what_is_lacking() -> None:
    assert settled(-0.5, load=300) == -300
    assert settled(-0.2, load=300) == -200
    assert settled(-0.5, contract(2, 100, 1, sells=False), load=300) == -200
    assert settled(-0.5, contract(2, 150, 1, sells=True, source="bess"), load=300) == -450
    assert settled(-0.5, sun=300) == 0
    assert settled(-0.5) == 0


def test_a_battery_gives_what_was_sold_from_it_even_beside_a_surplus() -> None:
    sold = contract(2, 150, 1, sells=True, source="bess")
    assert settled(-0.5, sold, sun=300) == -150


def test_a_price_of_the_grids_is_for_the_grid_too() -> None:
    assert settled(0.5, bid=1) == 500
    assert settled(0.5, bid=0.89) == 0
    assert settled(-0.5, ask=-1) == -500
    assert settled(-0.5, ask=-0.89) == 0
    assert settled(0.5, ask=-1) == 0
    assert settled(-0.5, bid=1) == 0
    # What it gives serves the home first: it leaves it what it has bought.
    assert settled(-0.5, contract(2, 100, 1, sells=False), load=300, ask=-1) == -200


def test_what_is_planned_is_not_there_for_the_next_slot() -> None:
    seat, actor = Seat([0] * 9, {"solar": [600] * 9}, battery(1200)), Actor()
    first = actor.decide(seat.hears(0), (0, 0, 1))
    assert first.battery == {slot(1): 0, slot(2): 800}
    seat.home.act(first)
    second = actor.decide(seat.hears(1), (0, 0, 1))
    assert second.battery == {slot(2): 600, slot(3): 200}


def test_an_episode_begins_with_nothing_planned() -> None:
    seat, actor = Seat([0] * 9, {"solar": [600] * 9}, battery()), Actor()
    actor.decide(seat.hears(0), (0, 0, 1))
    actor.begin()
    assert actor.decide(seat.hears(1), IDLE).battery[slot(2)] == 0


@pytest.mark.parametrize(
    "action", [(), (0, 0), (0, 0, 0, 0), (math.nan, 0, 0), (0, math.inf, 0), (0, 0, -math.inf)]
)
def test_what_is_no_action_is_refused(action: tuple[float, ...]) -> None:
    with pytest.raises(
        InputError, match=r"an action is 3 finite numbers .bid_price, ask_price, battery., found"
    ):
        Actor().decide(Seat([0] * 9).hears(0), action)
    assert len(LEVERS) == 3


class Acting:
    """Plays actions that go round."""

    def __init__(self, *actions: tuple[float, float, float]) -> None:
        self._actor = Actor()
        self._actions = actions
        self._played = 0

    def decide(self, view: Any) -> Decision:
        self._played += 1
        return self._actor.decide(view, self._actions[self._played % len(self._actions)])


def test_whatever_agents_do_the_ledger_balances_and_nobody_falls_short() -> None:
    """All that is sold is there, as sun or in the battery, whatever is bought or not."""
    from participants.home import Home

    patterns = [
        [(0.3, -0.7, -1.0), (0.9, 0.1, 1.0), (-0.5, 0.5, 0.3)],
        [(1.0, -1.0, 1.0), (1.0, -1.0, -1.0)],
        [(0.0, 0.0, -0.4), (-1.0, 1.0, 0.8), (0.6, -0.2, -1.0), (0.2, 0.0, 1.0)],
    ]
    homes = []
    for number, pattern in enumerate(patterns):
        one = Home(f"home-{number}", Acting(*pattern), battery=Battery(1_500, 3_000, 0.9, initial_charge=700))
        load = [(137 * (place + number) + 61 * number) % 600 for place in range(70)]
        sun = [max(0, (211 * place + 97 * number) % 900 - 300) for place in range(70)]
        one.use(Series(load, {"solar": sun}))
        homes.append(one)
    place = Neighbourhood(*homes)
    place.plays(60)
    kinds = set()
    readings = {
        (event.participant_id, event.meter.slot_start): event.meter for event in place.heard(MeterAccepted)
    }
    for delivered in place.heard(Delivered):
        here = {name: meter for (name, start), meter in readings.items() if start == delivered.slot_start}
        assert_balanced(here, delivered.transactions)
        kinds |= {(row.kind, row.energy_source) for row in delivered.transactions}
    assert {("delivery", "solar"), ("delivery", "bess")} <= kinds
    assert not {kind for kind, _ in kinds} & {"shortfall", "take_or_pay", "spill"}
