"""Each strategy in a real market: it never offers more than it lacks, has, or can store."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from participants.devices.battery import Battery
from participants.strategies.baseline import Baseline
from participants.strategies.basic import Basic
from participants.strategies.battery_arbitrage import BatteryArbitrage
from participants.strategies.linear_ramp import LinearRamp
from participants.strategies.q_learning import QLearning
from participants.strategies.zero_intelligence import ZeroIntelligence
from tests.helpers import START, STEP, Neighbourhood, assert_balanced, home, slot
from trex_market.core.errors import InputError
from trex_market.core.messages import (
    Contracted,
    Delivered,
    GridTerms,
    MeterAccepted,
    Order,
    OrderAccepted,
    OrderRejected,
)
from trex_market.participant import Decision, EpisodeStart, Strategy, View

ROUNDS = 40
STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "baseline": Baseline,
    "basic": lambda: Basic(0.15, 0.15),
    "basic at the middle": Basic,
    "basic at night": lambda: Basic(charge_hours=[0, 1, 2]),
    "zero_intelligence": ZeroIntelligence,
    "linear_ramp": LinearRamp,
    "battery_arbitrage": BatteryArbitrage,
    "q_learning": lambda: QLearning(exploration=0.5, learning=True),
}


class Watched:
    """A strategy, and a check of each of its decisions against what it could see."""

    def __init__(self, inner: Strategy) -> None:
        self.inner = inner
        self.decided = 0

    def start_episode(self, start: EpisodeStart) -> None:
        begin = getattr(self.inner, "start_episode", None)
        if begin:
            begin(start)

    def end_episode(self) -> None:
        """Nothing is kept."""

    def decide(self, view: View) -> Decision:
        decision = self.inner.decide(view)
        self.decided += 1
        for start in {order.slot_start for order in decision.orders}:
            orders = [order for order in decision.orders if order.slot_start == start]
            self.check(view, start, orders, decision.battery)
        return decision

    def check(self, view: View, start: int, orders: Sequence[Any], plan: Mapping[int, int]) -> None:
        made = view.generation(start)
        lacking = view.load(start) - sum(made.values())
        discharge, charge = view.battery.potential(start, plan) if view.battery else (0, 0)
        assert start >= view.round.next_settle
        bids = [order for order in orders if order.side == "bid"]
        assert sum(bid.quantity for bid in bids) <= max(0, lacking + charge)
        asks = {order.source: order.quantity for order in orders if order.side == "ask"}
        assert len(asks) + len(bids) == len(orders)
        assert asks.get("bess", 0) <= discharge
        from_sun = {source: wh for source, wh in asks.items() if source != "bess"}
        assert sum(from_sun.values()) <= max(0, -lacking)
        assert all(wh <= made[source] for source, wh in from_sun.items())
        assert all(order.quantity > 0 and order.price >= 0 for order in orders)


def village(
    make: Callable[[], Strategy], *, batteries: bool, seed: int = 1
) -> tuple[Neighbourhood, list[Watched]]:
    """Six homes, half of them with sun, on a tariff that varies by the hour."""
    chance = random.Random(seed)
    watched = [Watched(make()) for _ in range(6)]
    homes = []
    for n, strategy in enumerate(watched):
        load = [chance.randrange(600) for _ in range(ROUNDS + 8)]
        made = {"solar": [chance.randrange(900) for _ in load], "wind": [chance.randrange(90) for _ in load]}
        battery = Battery(3_000, 3_000, 0.95, 0.01, 500) if batteries else None
        homes.append(home(f"h{n}", strategy, load, made if n % 2 else None, battery))
    hours = {str(hour): 0.05 + 0.05 * (hour % 4) for hour in range(24)}
    months = ",".join(map(str, range(1, 13)))
    grid = GridTerms(price=0.1, fee_ratio=1.0, tou={months: hours})
    place = Neighbourhood(*homes, rule="MicroTE3B", grid=grid, timezone="Etc/GMT-14")
    place.plays(ROUNDS)
    return place, watched


@pytest.mark.parametrize("batteries", [False, True], ids=["bare", "battery"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_offers_what_it_lacks_or_has_and_the_books_balance(name: str, *, batteries: bool) -> None:
    place, watched = village(STRATEGIES[name], batteries=batteries)
    assert [strategy.decided for strategy in watched] == [ROUNDS] * 6
    assert place.heard(OrderRejected) == []
    assert bool(place.heard(OrderAccepted)) is (name != "baseline")
    readings: dict[int, dict[str, Any]] = {}
    for event in place.heard(MeterAccepted):
        readings.setdefault(event.meter.slot_start, {})[event.participant_id] = event.meter
    for delivered in place.heard(Delivered):
        assert delivered.estimated == ()
        assert_balanced(readings[delivered.slot_start], delivered.transactions)


@pytest.mark.parametrize("name", ["basic", "zero_intelligence", "linear_ramp"])
def test_without_batteries_perfect_forecasts_are_delivered_in_full(name: str) -> None:
    place, _ = village(STRATEGIES[name], batteries=False)
    kinds = {row.kind for event in place.heard(Delivered) for row in event.transactions}
    assert "delivery" in kinds
    assert kinds.isdisjoint({"shortfall", "take_or_pay", "spill"})


def test_a_battery_is_not_sold_twice() -> None:
    place, _ = village(STRATEGIES["battery_arbitrage"], batteries=True)
    kinds = {row.kind for event in place.heard(Delivered) for row in event.transactions}
    assert "delivery" in kinds
    assert kinds.isdisjoint({"shortfall", "take_or_pay"})


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_run_can_be_repeated(name: str) -> None:
    assert (
        village(STRATEGIES[name], batteries=True)[0].events
        == village(STRATEGIES[name], batteries=True)[0].events
    )


# ---------------------------------------------------------------- one by one


def orders_of(strategy: Strategy, load: int, sun: int, rounds: int = 1, **terms: Any) -> list[Order]:
    place = Neighbourhood(home("ann", strategy, [load] * 20, {"solar": [sun] * 20}), **terms)
    place.plays(rounds)
    return [event.order for event in place.heard(OrderAccepted)]


def offers(orders: list[Order]) -> list[tuple[str, int, int, int]]:
    return [(order.side, order.quantity, order.price, (order.slot_start - START) // STEP) for order in orders]


def test_basic_bids_for_what_is_lacking_and_asks_for_what_is_too_much() -> None:
    assert offers(orders_of(Basic(0.13, 0.12), 500, 200)) == [("bid", 300, 130_000, 2)]
    assert offers(orders_of(Basic(0.13, 0.12), 200, 500)) == [("ask", 300, 120_000, 2)]
    assert orders_of(Basic(0.13, 0.12), 500, 500) == []
    assert offers(orders_of(Basic(), 500, 0, close_steps=4)) == [("bid", 500, 150_000, 4)]


def test_zero_intelligence_stays_within_the_grids_prices() -> None:
    prices = [order.price for order in orders_of(ZeroIntelligence(), 500, 0, rounds=15)]
    assert len(set(prices)) > 10
    assert all(100_000 <= price <= 200_000 for price in prices)


def test_a_ramp_goes_from_one_grid_price_to_the_other() -> None:
    bids = [
        order
        for order in orders_of(LinearRamp(ramp_steps=5), 500, 0, rounds=5)
        if order.slot_start == slot(6)
    ]
    assert [bid.price for bid in bids] == [100_000, 125_000, 150_000, 175_000, 200_000]
    asks = [
        order
        for order in orders_of(LinearRamp(ramp_steps=5), 0, 500, rounds=5)
        if order.slot_start == slot(6)
    ]
    assert [ask.price for ask in asks] == [200_000, 175_000, 150_000, 125_000, 100_000]


@pytest.mark.parametrize(("dear", "trades"), [(1.2, False), (1.24, True), (2.0, True)])
def test_arbitrage_is_done_only_if_it_gains(dear: float, *, trades: bool) -> None:
    """A cycle gains iff p2/p1 > 1/efficiency^2, here 1.2346."""
    series = tuple((slot(n), 50_000, round(100_000 * (dear if n // 4 % 2 else 1))) for n in range(60))
    battery = Battery(1_000, 4_000, efficiency=0.9)
    strategy = BatteryArbitrage()
    place = Neighbourhood(home("ann", strategy, [0] * 60, battery=battery), grid=GridTerms(series=series))
    place.plays(20)
    assert bool(place.heard(OrderAccepted)) is trades


def test_contracts_between_two_homes_are_met_from_a_battery() -> None:
    seller = home(
        "sam", Basic(0.2, 0.1, charge_hours=()), [0] * 20, battery=Battery(4_000, 4_000, initial_charge=600)
    )
    buyer = home("ann", Basic(0.2, 0.1), [100] * 20)
    place = Neighbourhood(seller, buyer)
    place.plays(5)
    made = [contract for event in place.heard(Contracted) for contract in event.contracts]
    assert {contract.energy_source for contract in made} == {"bess"}
    delivered = [
        row for event in place.heard(Delivered) for row in event.transactions if row.kind == "delivery"
    ]
    assert [row.quantity for row in delivered] == [100] * 3


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (LinearRamp, {"ramp_steps": 0}),
        (BatteryArbitrage, {"window_hours": 0}),
        (BatteryArbitrage, {"local_discount": 1.1}),
        (BatteryArbitrage, {"local_discount": -0.1}),
    ],
)
def test_options_out_of_range_are_refused(make: Any, wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="found"):
        make(**wrong)
