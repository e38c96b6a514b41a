"""Q-learning: it finds the price that is known to be the best, and what it learnt can be kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from participants.devices.battery import Battery
from participants.home import Home
from participants.strategies.basic import Basic
from participants.strategies.q_learning import QLearning, _Trial
from tests.helpers import START, STEP, Series, home, slot, terms
from trex_market.core.errors import InputError
from trex_market.core.messages import GridTerms, OrderAccepted, RoundStarted, Transaction
from trex_market.engine import Engine
from trex_market.participant import Announcement, EpisodeStart, LearningStrategy, MarketInfo
from trex_market.profit import net_profit
from trex_market.simulation.local import LocalRounds

HOURS = 6
ROUNDS = HOURS * 3600 // STEP
SLOTS = ROUNDS + 4
LEVELS = 6
"""Prices 0.10, 0.12, ... 0.20 $/kWh."""

LIMITS = [0.17, 0.13]
"""What the buyer gives at most, $/kWh, in even and in odd hours."""

BEST = [3, 1]
"""The highest levels that the buyer still takes."""


class Buyer:
    """Buys all that it needs, at a limit that goes by the hour."""

    def decide(self, view: Any) -> Any:
        limit = LIMITS[view.local_hour(view.round.next_settle) % 2]
        return Basic(limit, limit).decide(view)


def episode(
    strategy: Any, number: int, simulation: str = "training", **parameters: object
) -> tuple[int, list[int]]:
    """Play a seller with a strategy against the buyer; return what it gained, in nano-dollars, and its price levels."""
    seller = Home("seller", strategy, seed=7)
    seller.use(Series([0] * SLOTS, {"solar": [1000] * SLOTS}))
    buyer = home("buyer", Buyer(), [1000] * SLOTS)
    market = terms("MicroTE3")  # each pays and gets its own price
    engine = Engine()
    outbox = engine.listen()
    rounds = LocalRounds(engine, market, [seller, buyer], START, "solar")
    for one in (seller, buyer):
        one.start_episode(EpisodeStart(number, simulation, MarketInfo.of(market), dict(parameters)))
    gain = 0
    for place in range(ROUNDS):
        rounds.play(START + place * STEP)
        gain += net_profit(rounds.delivered("seller"), "seller", 100_000, 200_000)
    for one in (seller, buyer):
        one.end_episode()
    orders = [event.order for event in outbox.take() if isinstance(event, OrderAccepted)]
    prices = [order.price // 20_000 - 5 for order in orders if order.participant_id == "seller"]
    return gain, prices[:-2]  # the slots of the last two are never delivered


def trained(episodes: int = 30, **options: Any) -> tuple[QLearning, list[int]]:
    """Return a strategy that was trained, and what it gained in each episode."""
    strategy = QLearning(LEVELS, exploration=0.3, learning_rate=0.5, learning=True, **options)
    return strategy, [episode(strategy, number)[0] for number in range(episodes)]


def test_it_learns() -> None:
    assert isinstance(QLearning(), LearningStrategy)
    assert not isinstance(Basic(), LearningStrategy)


def test_it_finds_the_best_price_of_each_hour() -> None:
    strategy, _ = trained()
    gain, prices = episode(strategy, 99, "validation")
    hours = [(START + place * STEP) // 3600 for place in range(2, ROUNDS)]
    assert prices == [BEST[hour % 2] for hour in hours]
    assert gain == sum(1000 * 20_000 * level for level in prices)


def test_what_it_gains_grows() -> None:
    _, gains = trained()
    assert sum(gains[-5:]) > 1.2 * sum(gains[:5]) > 0


def test_equal_seeds_give_equal_weights_and_prices() -> None:
    first, second = trained(5), trained(5)
    assert first[0].weights() == second[0].weights()
    assert first[1] == second[1]
    assert trained(6)[0].weights() != first[0].weights()


def test_what_it_has_learnt_makes_a_round_trip() -> None:
    strategy, _ = trained(8)
    other = QLearning(LEVELS, learning=True)
    other.load_weights(strategy.weights())
    assert other.weights() == strategy.weights()
    assert episode(other, 50, "validation") == episode(strategy, 50, "validation")


def test_the_order_in_which_it_was_learnt_does_not_show() -> None:
    levels = [0.5] * LEVELS
    values = {"bid 09": levels, "ask 23": levels, "ask 08": levels}
    strategy = QLearning(LEVELS)
    stored = {"price_levels": LEVELS, "states": "hour", "values": values}
    strategy.load_weights(json.dumps(stored).encode())
    assert list(json.loads(strategy.weights())["values"]) == ["ask 08", "ask 23", "bid 09"]


def test_on_the_wall_clock_it_waits_for_a_slot_that_is_delivered_after_its_round() -> None:
    """The rows of a slot come a round later than in a simulation."""

    def learnt(delay: int, simulation: str) -> Any:
        strategy = QLearning(2, exploration=0.0, learning_rate=1.0, learning=True)
        seller = home("seller", strategy, [0] * SLOTS)
        seller.start_episode(EpisodeStart(0, simulation, MarketInfo.of(terms())))
        strategy._trials[START] = _Trial("ask 08", 1, 1000 * 100_000, 100_000, 200_000)
        row = Transaction(
            "t", "delivery", "c", 500, "seller", "buyer", "solar", 200_000, 200_000, START, START, START
        )
        for number in (1, 2, 3):
            times = (slot(number), STEP, slot(number + 1), slot(number + 2))
            prices = (100_000, 200_000, 100_000, 200_000)
            rows = [row] if number == 1 + delay else []
            seller.turn(Announcement(RoundStarted(*times, *prices), (), rows))
        return json.loads(strategy.weights())["values"]["ask 08"][1]

    assert learnt(0, "training") == learnt(0, "realtime") == learnt(1, "realtime") == 0.5
    assert learnt(1, "training") == 0.0


def test_loading_forgets_what_was_known_before() -> None:
    strategy, _ = trained(3)
    empty = QLearning(LEVELS, learning=True).weights()
    strategy.load_weights(empty)
    assert strategy.weights() == empty


def test_in_a_validation_it_neither_learns_nor_tries() -> None:
    strategy, _ = trained()
    before = strategy.weights()
    runs = {tuple(episode(strategy, number, "validation")[1]) for number in range(4)}
    assert len(runs) == 1
    assert strategy.weights() == before


@pytest.mark.parametrize("learning", [True, False])
def test_it_learns_only_if_the_config_lets_it(*, learning: bool) -> None:
    strategy = QLearning(LEVELS, learning=learning)
    before = strategy.weights()
    episode(strategy, 0)
    assert (strategy.weights() != before) is learning


def test_the_curriculum_sets_how_much_it_tries() -> None:
    strategy, _ = trained()
    steady = {tuple(episode(strategy, number, exploration=0.0, learning_rate=0.0)[1]) for number in range(4)}
    assert len(steady) == 1
    tried = {tuple(episode(strategy, number, exploration=1.0, learning_rate=0.0)[1]) for number in range(4)}
    assert len(tried) == 4
    # An episode of which the curriculum says nothing has the options of the config.
    assert len({tuple(episode(strategy, number, learning_rate=0.0)[1]) for number in range(4)}) == 4


def test_the_curriculum_sets_how_fast_it_learns() -> None:
    strategy, _ = trained(3)
    before = strategy.weights()
    episode(strategy, 3, learning_rate=0.0)
    assert strategy.weights() == before
    episode(strategy, 3, learning_rate=0.01)
    assert strategy.weights() != before


@pytest.mark.parametrize("learning_rate", [0.5, 1.0])
def test_a_value_moves_towards_the_share_of_the_most_that_could_be_gained(learning_rate: float) -> None:
    """A single price of 0.10, or 0.20: at 0.10 the seller gains nothing, at 0.20 it sells nothing."""
    strategy = QLearning(2, exploration=0.0, learning_rate=learning_rate, learning=True)
    episode(strategy, 0)
    values = json.loads(strategy.weights())["values"]
    assert all(value == [0, 0] for value in values.values())
    middle = QLearning(3, exploration=1.0, learning_rate=learning_rate, learning=True)  # 0.10, 0.15, 0.20
    episode(middle, 0)
    values = json.loads(middle.weights())["values"]
    even = {state: value for state, value in values.items() if int(state.removeprefix("ask ")) % 2 == 0}
    assert any(value[1] for value in even.values())
    for value in even.values():
        assert value[0] == value[2] == 0
        tries = {0.5 * (1 - (1 - learning_rate) ** count) for count in range(5)}
        assert value[1] in tries


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("hour", {"ask 08", "ask 09", "ask 10", "ask 11", "ask 12", "ask 13", "ask 14"}),
        ("tariff", {"ask 100000-200000"}),
        ("hour_and_tariff", {f"ask {hour:02d} 100000-200000" for hour in range(8, 15)}),
    ],
)
def test_what_tells_one_state_from_another(states: str, expected: set[str]) -> None:
    strategy, _ = trained(2, states=states)
    known = set(json.loads(strategy.weights())["values"])
    assert known <= expected
    assert len(known) >= min(len(expected), 6)


def test_bids_and_asks_are_learnt_apart() -> None:
    strategy = QLearning(LEVELS, exploration=1.0, learning=True)
    mixed = [500, -500] * (SLOTS // 2 + 1)
    one = home(
        "one", strategy, [max(0, need) for need in mixed], {"solar": [max(0, -need) for need in mixed]}
    )
    other = home(
        "two", Basic(0.2, 0.1), [max(0, -need) for need in mixed], {"solar": [max(0, need) for need in mixed]}
    )
    rounds = LocalRounds(Engine(), terms(), [one, other], START, "solar")
    for each in (one, other):
        each.start_episode(EpisodeStart(0, "training", MarketInfo.of(terms())))
    for place in range(ROUNDS):
        rounds.play(START + place * STEP)
    values = json.loads(strategy.weights())["values"]
    assert {state.split()[0] for state in values} == {"bid", "ask"}
    assert all(0 <= value <= 1 for levels in values.values() for value in levels)
    assert any(value for state, levels in values.items() if state.startswith("bid") for value in levels)


def test_its_battery_stores_what_was_not_sold_and_gives_what_was_not_bought() -> None:
    load, sun = [0] * 6 + [300] * SLOTS, [300] * 6 + [0] * SLOTS
    battery = Battery(10_000, 10_000)
    one = home("one", QLearning(), load, {"solar": sun}, battery)
    rounds = LocalRounds(Engine(), terms(), [one], START, "solar")
    one.start_episode(EpisodeStart(0, "training", MarketInfo.of(terms())))
    charges = []
    for place in range(10):
        rounds.play(START + place * STEP)
        charges.append(battery.state_of_charge)
    # It plans a slot ahead, so that of the first one is fed in.
    assert charges == [0, 300, 600, 900, 1200, 1500, 1200, 900, 600, 300]


def test_where_the_grid_charges_no_more_than_it_pays_there_is_nothing_to_learn() -> None:
    strategy = QLearning(learning=True)
    flat = terms(grid=GridTerms(price=0.1))
    one = home("one", strategy, [500] * SLOTS)
    rounds = LocalRounds(Engine(), flat, [one], START, "solar")
    one.start_episode(EpisodeStart(0, "training", MarketInfo.of(flat)))
    for place in range(10):
        rounds.play(START + place * STEP)
    assert json.loads(strategy.weights())["values"] == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"price_levels": 1},
        {"price_levels": 2.5},
        {"exploration": 1.1},
        {"exploration": float("nan")},
        {"exploration": "0.1"},
        {"learning_rate": -0.1},
        {"learning_rate": True},
        {"states": "weather"},
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="found"):
        QLearning(**wrong)


def test_a_curriculum_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match="exploration must be a number from 0 to 1, found 2"):
        episode(QLearning(learning=True), 0, exploration=2)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (b"", "these are not the weights of q_learning"),
        (b"{}", "missing required field `price_levels`"),
        (b'{"price_levels":11,"states":"hour","values":{},"more":1}', "unknown field `more`"),
        (
            b'{"price_levels":9,"states":"hour","values":{}}',
            "price_levels: 9, states: hour; the config has 11 and hour",
        ),
        (b'{"price_levels":11,"states":"tariff","values":{}}', "states: tariff; the config has 11 and hour"),
        (b'{"price_levels":11,"states":"hour","values":{"ask 08":[0.5]}}', "1 values for 'ask 08', not 11"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights: bytes, said: str) -> None:
    strategy = QLearning()
    before = strategy.weights()
    with pytest.raises(InputError) as refused:
        strategy.load_weights(weights)
    assert said in str(refused.value)
    assert strategy.weights() == before
