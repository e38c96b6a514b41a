"""A home in a market: what its strategy sees, what its meter says, and what happens when it fails."""

from __future__ import annotations

from typing import Any, cast

import pytest

from participants.devices.battery import Battery
from participants.strategies.baseline import Baseline
from tests.helpers import START, STEP, Neighbourhood, assert_balanced, home, slot
from trex_market.core.errors import StrategyError
from trex_market.core.messages import (
    Contracted,
    Delivered,
    MeterAccepted,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    Transaction,
)
from trex_market.participant import (
    NOTHING,
    Decision,
    EpisodeStart,
    MarketInfo,
    Strategy,
    View,
    ask,
    bid,
)

ROUNDS = 8
LOAD = [500] * (ROUNDS + 4)
SUN = {"solar": [800] * (ROUNDS + 4)}


class Scripted:
    """Does as told, round by round, and remembers what it saw."""

    def __init__(self, decide: Any = None) -> None:
        self._decide = decide or (lambda _: NOTHING)
        self.bought: list[int] = []
        self.sold: list[dict[str, int]] = []
        self.open: list[int] = []
        self.transactions: list[Transaction] = []
        self.episodes: list[int] = []

    def start_episode(self, start: EpisodeStart) -> None:
        self.episodes.append(start.episode)

    def end_episode(self) -> None:
        self.episodes.append(-1)

    def decide(self, view: View) -> Decision:
        self.bought.append(view.bought(view.round.last_settle))
        self.sold.append(dict(view.sold(view.round.last_settle)))
        self.open.append(len(view.open_orders()))
        self.transactions += view.transactions
        return cast("Decision", self._decide(view))


def buying(view: View) -> Decision:
    return Decision([bid(300, 150_000, view.round.next_settle)])


def selling(view: View) -> Decision:
    return Decision([ask(300, 150_000, view.round.next_settle)])


def test_contracts_are_seen_by_their_parties_alone() -> None:
    ann, bob, cid = Scripted(buying), Scripted(selling), Scripted()
    place = Neighbourhood(home("ann", ann, LOAD), home("bob", bob, LOAD, SUN), home("cid", cid, LOAD))
    place.plays(4)
    assert ann.bought == [0, 300, 300, 300]
    assert bob.sold == [{}, {"solar": 300}, {"solar": 300}, {"solar": 300}]
    assert (ann.sold, bob.bought) == ([{}] * 4, [0] * 4)
    assert (cid.bought, cid.sold) == ([0] * 4, [{}] * 4)


def test_transactions_are_seen_by_their_parties_alone() -> None:
    strategies = {"ann": Scripted(buying), "bob": Scripted(selling), "cid": Scripted()}
    place = Neighbourhood(
        *(home(name, s, LOAD, SUN if name == "bob" else None) for name, s in strategies.items())
    )
    place.plays(5)
    ledger = [row for event in place.heard(Delivered)[:-1] for row in event.transactions]
    assert {row.kind for row in ledger} >= {"delivery", "supply", "self_consumption"}
    for name, strategy in strategies.items():
        assert strategy.transactions == [row for row in ledger if name in {row.seller_id, row.buyer_id}]


def test_open_orders_are_ones_own_until_the_gate_or_cancelled() -> None:
    def early(view: View) -> Decision:
        if view.round.time == slot(1):
            return Decision(cancel=[order.order_id for order in view.open_orders()])
        return Decision([bid(5, 5, slot(6)), bid(5, 5, slot(2))] if view.round.time == START else ())

    ann, bob = Scripted(early), Scripted(buying)
    place = Neighbourhood(home("ann", ann, LOAD), home("bob", bob, LOAD))
    place.plays(3)
    assert ann.open == [0, 1, 0]
    assert bob.open == [0, 0, 0]
    assert [event.order.order_id for event in place.heard(OrderCancelled)] == ["ann-1"]


def test_forecasts_are_those_of_the_own_profile_and_nothing_beyond_it() -> None:
    seen = []

    def look(view: View) -> Decision:
        for n in (-1, 0, 3, 4):
            seen.append((view.load(slot(n)), dict(view.generation(slot(n)))))
        return NOTHING

    made = {"solar": [0, 1, 2, 3], "wind": [9, 8, 7, 6]}
    Neighbourhood(home("ann", Scripted(look), [10, 20, 30, 40], made)).plays(1)
    assert seen == [(0, {}), (10, {"solar": 0, "wind": 9}), (40, {"solar": 3, "wind": 6}), (0, {})]


def test_chance_is_another_in_each_round_and_the_same_in_each_run() -> None:
    def run() -> list[float]:
        drawn: list[float] = []

        def draw(view: View) -> Decision:
            drawn.extend((view.chance(), view.chance(1)))
            return NOTHING

        Neighbourhood(home("ann", Scripted(draw), LOAD)).plays(4)
        return drawn

    first = run()
    assert first == run()
    assert len(set(first)) == 8


def test_the_local_hour_is_the_markets() -> None:
    hours = []

    def look(view: View) -> Decision:
        hours.append(view.local_hour(view.round.time))
        return NOTHING

    Neighbourhood(home("ann", Scripted(look), LOAD), timezone="Europe/Berlin").plays(1)
    assert hours == [10]


def test_a_home_is_metered_in_each_round() -> None:
    battery = Battery(10_000, 8_000, initial_charge=1_000)
    place = Neighbourhood(home("ann", Baseline(), LOAD, battery=battery))
    place.plays(3)
    needs = [event.meter.consumption["other"] for event in place.heard(MeterAccepted)]
    assert needs == [{"bess": 500, "external": 0}] * 2 + [{"bess": 0, "external": 500}]
    for reading, delivered in zip(place.heard(MeterAccepted), place.heard(Delivered), strict=True):
        assert_balanced({"ann": reading.meter}, delivered.transactions)


def test_an_episode_begins_with_all_as_at_first() -> None:
    battery = Battery(10_000, 8_000, initial_charge=1_000)
    strategy = Scripted(lambda view: Decision(battery={view.round.time: -400}))
    ann = home("ann", strategy, LOAD, battery=battery)
    first = Neighbourhood(ann)
    first.plays(4)
    assert ann.metrics() == {"state_of_charge": 0}
    ann.end_episode()
    second = Neighbourhood(ann)
    second.plays(4)
    assert first.events == second.events
    assert strategy.episodes == [0, -1, 0]


def test_orders_are_answered_and_numbered_by_participant() -> None:
    strategy = Scripted(
        lambda view: Decision([bid(0, 5, view.round.next_settle), bid(7, 5, view.round.next_settle)])
    )
    place = Neighbourhood(home("ann", strategy, LOAD))
    place.plays(2)
    assert [event.order_id for event in place.heard(OrderRejected)] == ["ann-1", "ann-3"]
    assert [event.order.order_id for event in place.heard(OrderAccepted)] == ["ann-2", "ann-4"]
    assert all(event.slot_start >= START + STEP for event in place.heard(Contracted))


# ---------------------------------------------------------------- broken strategies


def failing(view: View) -> Decision:
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize(
    ("decide", "battery", "said"),
    [
        (failing, None, "raised ZeroDivisionError: division by zero"),
        (lambda _: None, None, "answered with None, which is not a Decision"),
        (lambda _: [], None, r"answered with \[\], which is not a Decision"),
        (lambda view: Decision([bid(cast("Any", 1.5), 5, view.round.next_settle)]), None, "raised TypeError"),
        (lambda view: Decision(battery={view.round.time: 5}), None, "planned a battery, but there is none"),
        (
            lambda view: Decision(battery={view.round.time: cast("Any", 1.5)}),
            Battery(1_000, 9_000),
            "planned 1.5 for slot",
        ),
        (
            lambda _: Decision(battery=cast("Any", {"now": 1})),
            Battery(1_000, 9_000),
            "planned 1 for slot 'now'",
        ),
    ],
)
def test_a_broken_strategy_is_named_with_slot_and_error(
    decide: Any, battery: Battery | None, said: str
) -> None:
    strategy: Strategy = Scripted(decide)
    place = Neighbourhood(home("ann", strategy, LOAD, battery=battery))
    with pytest.raises(StrategyError, match=rf"strategy Scripted of 'ann' {said}.*\(round at {START}\)"):
        place.plays(1)


def test_a_strategy_is_told_of_the_market() -> None:
    seen: list[MarketInfo] = []

    def look(view: View) -> Decision:
        seen.append(view.market)
        return NOTHING

    Neighbourhood(home("ann", Scripted(look), LOAD), close_steps=3).plays(1)
    assert seen == [MarketInfo("m", STEP, 3, "UTC")]
