"""The vector engine: its ledger is that of the plain one, bit for bit, whatever the population."""

from __future__ import annotations

import tracemalloc
from array import array
from dataclasses import replace
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from participants.home import Home
from participants.strategies.baseline import Baseline
from participants.strategies.basic import Basic
from participants.strategies.battery_arbitrage import BatteryArbitrage
from participants.strategies.linear_ramp import LinearRamp
from participants.strategies.zero_intelligence import ZeroIntelligence
from tests.simulation.helpers import Scripted
from tests.simulation.vector_helpers import (
    START,
    Careful,
    Case,
    Person,
    Wild,
    any_strategies,
    assert_same,
    cases,
    vector,
)
from trex_market.core.clearing import RULES
from trex_market.core.errors import InputError, StrategyError
from trex_market.participant import Decision, View, ask, bid
from trex_market.profiles import Profile
from trex_market.profiles.profile import ScaledProfile
from trex_market.simulation.vector import VectorDriver, beside_arrays

# Compiling all kernels for the first time takes longer than a test may.
pytestmark = pytest.mark.timeout(900)

STORED = {"capacity": 8_000, "power": 4_000, "efficiency": 0.95, "monthly_sdr": 0.05}


def buyer(name: str, load: int = 400, *, rounds: int = 12, **options: Any) -> Person:
    return Person(name, lambda: Basic(bid_price=options.get("bid_price", 0.18)), None, [load] * rounds)


def seller(name: str, made: int = 700, *, rounds: int = 12, **options: Any) -> Person:
    solar = {"solar": [made] * rounds}
    return Person(name, lambda: Basic(ask_price=options.get("ask_price", 0.12)), None, [0] * rounds, solar)


# ---------------------------------------------------------------- the same ledger


@settings(max_examples=150, deadline=None, derandomize=True)
@given(cases(), st.sampled_from([1, 2, 7, 1_000]))
def test_the_ledger_is_that_of_the_plain_engine(case: Case, split: int) -> None:
    assert_same(case, split)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(cases(any_strategies), st.sampled_from([1, 3, 1_000]))
def test_strategies_of_ones_own_play_beside_the_arrays(case: Case, split: int) -> None:
    assert_same(case, split)


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("shortfall", ["penalty", "replacement"])
def test_a_day_of_a_lively_neighbourhood_is_the_same_under_each_rule(rule: str, shortfall: str) -> None:
    rounds = 96
    day = [slot % 96 for slot in range(rounds)]
    sun = [max(0, 1_500 - 3 * (slot - 52) ** 2) for slot in day]
    kinds: list[Any] = [
        lambda: Basic(0.17, 0.12),
        ZeroIntelligence,
        lambda: LinearRamp(4),
        BatteryArbitrage,
        Baseline,
        lambda: Basic(0.15, 0.15),
        lambda: Basic(0.17, 0.12, charge_hours=[1, 2, 3, 4, 12]),
    ]
    people = tuple(
        Person(
            f"home_{number:02d}",
            kinds[number % len(kinds)],
            STORED if number % 2 else None,
            [150 + 37 * (number + slot) % 400 for slot in day],
            {} if number % 4 == 3 else {"solar": [energy * (1 + number % 3) // 2 for energy in sun]},
        )
        for number in range(18)
    )
    case = Case(people, rounds)
    terms = msgspec.structs.replace(case.terms, rule=rule, shortfall=shortfall)
    rows = assert_same(replace(case, terms=terms), 40)
    kinds_found = {row[2] for row in rows["transactions"]}
    assert {"delivery", "self_consumption", "feed_in", "supply"} <= kinds_found
    assert {row[12] for row in rows["orders"]} == {"accepted", "cancelled"}


def test_profiles_that_are_scaled_are_rounded_as_the_plain_engine_does() -> None:
    base = Profile("a", START, 900, list(range(12)), {"solar": [7, 50, 1] * 4})
    homes = {name: (0.505 * number, 0.35) for number, name in enumerate("abc")}
    case = Case(tuple(Person(name, lambda: Basic(0.2, 0.1), None, []) for name in homes))

    def plan() -> Any:
        scaled = {name: ScaledProfile(base, *scales) for name, scales in homes.items()}
        return msgspec.structs.replace(Case.plan(case), profiles=scaled)

    class Scaled(Case):
        def plan(self) -> Any:
            return plan()

    assert_same(Scaled(case.people))


@pytest.mark.parametrize(
    "kept_as", [lambda numbers: array("i", numbers), lambda numbers: memoryview(array("q", numbers))]
)
def test_profiles_may_be_machine_integers(kept_as: Any) -> None:
    class Kept(Case):
        def plan(self) -> Any:
            profiles = {
                name: Profile(name, START, 900, kept_as(profile.load), {"solar": kept_as(profile.load)})
                for name, profile in super().plan().profiles.items()
            }
            profiles["b"] = ScaledProfile(profiles["b"], 0.5, 0.25)
            return msgspec.structs.replace(super().plan(), profiles=profiles)

    people = tuple(Person(name, lambda: Basic(0.2, 0.1), None, list(range(0, 1_200, 100))) for name in "ab")
    assert_same(Kept(people))


def test_an_episode_goes_over_a_change_of_the_clock() -> None:
    people = (
        Person("a", lambda: Basic(0.17, 0.12, [1, 2, 3]), STORED, [300] * 96, {"solar": [500] * 96}),
        Person("b", BatteryArbitrage, STORED, [700] * 96),
    )
    october = 1_477_778_400 - 6 * 3600  # the night to 2016-10-30
    case = Case(people, 96, start=october)
    grid = msgspec.structs.replace(case.terms.grid, tou={"10": {"1,2": 0.3, "3": 0.01}})
    assert_same(replace(case, terms=msgspec.structs.replace(case.terms, grid=grid)))


# ---------------------------------------------------------------- small and empty markets


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize(
    "people",
    [
        (Person("a", Baseline, None, [100] * 12),),
        (buyer("a"), buyer("b")),
        (seller("a"), seller("b")),
        (seller("a", 0), buyer("b"), seller("c", 0)),
        (buyer("a", 0), seller("b", 0)),
        tuple(seller(f"s{n}") for n in range(6)) + tuple(buyer(f"b{n}", bid_price=0.12) for n in range(7)),
        (Person("a", lambda: Basic(0.2, 0.1), STORED, [500] * 12, {"solar": [600] * 12}),),
    ],
    ids=[
        "nobody trades",
        "bids alone",
        "asks alone",
        "no generation",
        "no energy",
        "one price",
        "one participant",
    ],
)
def test_markets_with_little_in_them(people: tuple[Person, ...], rule: str) -> None:
    case = Case(people)
    assert_same(replace(case, terms=msgspec.structs.replace(case.terms, rule=rule)))


def test_participants_are_numbered_by_their_ids_whatever_the_order_of_the_config() -> None:
    people = tuple(seller(name) for name in ("é", "z", "B", "a")) + (buyer("Z", 2_000),)
    assert_same(Case(people))


def test_a_home_without_a_profile_has_nothing_to_trade() -> None:
    home, other = Home("a", Basic()), Home("b", Basic())
    case = Case((Person("a", Basic), Person("b", Basic)))
    plan = msgspec.structs.replace(case.plan(), profiles={})
    episode = VectorDriver(case.terms, [home, other], "solar").begin(plan, ledger=True)
    assert not sum(len(columns.transactions) for columns in episode.play(12).columns)


# ---------------------------------------------------------------- beside the arrays


def test_only_what_inherits_or_has_no_array_form_plays_beside_the_arrays() -> None:
    homes = [Home("a", Basic()), Home("b", Careful()), Home("c", Wild())]
    assert beside_arrays(homes) == {
        "b": "the strategy Careful has no array form",
        "c": "the strategy Wild has no array form",
    }


class Other(Home):
    """Inherits from a participant that has an array form."""


@pytest.mark.parametrize("participant", [Other("x", Basic()), Scripted("x")])
def test_participants_of_another_kind_are_refused_by_name(participant: Any) -> None:
    with pytest.raises(
        InputError, match=rf"cannot play 'x': the participant type {type(participant).__name__} has"
    ):
        VectorDriver(Case(()).terms, [Home("a", Basic()), participant], "solar")


def test_all_may_play_beside_the_arrays() -> None:
    people = tuple(Person(name, Wild, STORED, [300] * 20, {"wind": [200] * 20}) for name in "abcd")
    assert_same(Case(people, 20))


class Broken:
    """Fails in its third round."""

    def decide(self, view: View) -> Decision:
        if view.round.time == START + 2 * 900:
            raise ValueError("five")
        return Decision()


def test_a_strategy_that_fails_beside_the_arrays_is_named() -> None:
    case = Case((buyer("a"), Person("b", Broken, None, [1] * 12)))
    with pytest.raises(
        StrategyError, match=rf"strategy Broken of 'b' raised ValueError: five \(round at {START + 1800}\)"
    ):
        vector(case)


class Sparing:
    """Keeps its episodes, and offers the same in each round."""

    told: ClassVar[list[tuple[str, int]]] = []

    def start_episode(self, start: Any) -> None:
        self.told.append(("start", start.episode))

    def end_episode(self) -> None:
        self.told.append(("end", 0))

    def decide(self, view: View) -> Decision:
        slot = view.round.next_settle
        return Decision([bid(5, 180_000, slot), ask(5, 120_000, slot)])


def test_those_beside_the_arrays_are_told_of_the_episode() -> None:
    Sparing.told = []
    vector(Case((buyer("a"), Person("b", Sparing, None, [9] * 12)), episode=2))
    assert Sparing.told == [("start", 2), ("end", 0)]


def test_many_orders_from_beside_the_arrays_find_room() -> None:
    class Busy:
        def decide(self, view: View) -> Decision:
            slot = view.round.next_settle
            return Decision([bid(1, 100_000 + n, slot) for n in range(300)])

    assert_same(Case((seller("a"), seller("b"), Person("c", Busy, None, [400] * 12), buyer("d"))))


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("person", "said"),
    [
        (
            Person("a", Basic, {"capacity": 9_000_001, "power": 1}, [1] * 12),
            r"batteries of at most 9,000,000 Wh .* found up to 9,000,001 Wh",
        ),
        (
            Person("a", Basic, {"capacity": 9, "power": 1, "efficiency": 1e-7}, [1] * 12),
            "a millionth of efficiency",
        ),
        (
            Person("a", Basic, None, [1_000_000_001] * 12),
            r"0 to 1,000,000,000 Wh; the profile of 'a' has 1,000,000,001",
        ),
        (Person("a", Basic, None, [-1] * 12), "has -1 to -1 Wh"),
        (Person("a", Basic, None, [10**30] * 12), "the profile of 'a' has 1,000,000,000,000"),
        (
            Person("a", Basic, None, [1] * 11),
            r"profiles in slots of 900 s from .* that of 'a' has slots of 900 s from",
        ),
        (
            Person("a", Basic, None, [1] * 12, {"Solar": [1] * 12}),
            "the profile of 'a' has the source 'Solar'",
        ),
        (Person("a", Basic, None, [1] * 12, {"bess": [1] * 12}), "the profile of 'a' has the source 'bess'"),
        (Person("a", lambda: Basic(1e12), None, [1] * 12), "arrays take prices from"),
        (
            Person("a", lambda: LinearRamp(30_000), None, [1] * 12),
            "look at most 20,000 slots ahead; .* make 30,001",
        ),
        (
            Person("a", lambda: LinearRamp(10**8), None, [1] * 12),
            r"at most 20,000,000 orders of a round; .* 100,000,000",
        ),
    ],
)
def test_what_is_beyond_the_arrays_is_refused_with_the_limit(person: Person, said: str) -> None:
    with pytest.raises(InputError, match=said):
        vector(Case((person,)))


@pytest.mark.parametrize(
    ("close_steps", "said"),
    [
        (20_001, "look at most 20,000 slots ahead"),
        (19_000, "at most 9,000 plans of batteries; found 1 batteries"),
    ],
)
def test_gates_that_close_too_early_are_refused(
    close_steps: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("participants.devices.battery_kernel.MAX_PLANS", 9_000)
    case = Case((Person("a", Basic, STORED, [1] * 12),))
    terms = msgspec.structs.replace(case.terms, close_steps=close_steps)
    with pytest.raises(InputError, match=said):
        vector(replace(case, terms=terms))


def test_money_that_does_not_fit_is_refused_and_not_wrapped() -> None:
    case = Case((Person("a", Baseline, None, [1_000_000_000] * 12),))
    grid = msgspec.structs.replace(case.terms.grid, price=900.0)
    with pytest.raises(InputError, match="the money of 12 rounds is beyond 64 bits"):
        vector(replace(case, terms=msgspec.structs.replace(case.terms, grid=grid)))


def test_a_profile_in_slots_of_another_length_is_refused() -> None:
    case = Case((buyer("a"),))
    profiles = {"a": Profile("a", START, 60, [1] * 1_000, {})}
    plan = msgspec.structs.replace(case.plan(), profiles=profiles)
    with pytest.raises(InputError, match=r"slots of 900 s .* that of 'a' has slots of 60 s"):
        case.driver().begin(plan, ledger=False)


# ---------------------------------------------------------------- memory


def test_memory_does_not_grow_with_the_rounds() -> None:
    rounds = 3_000
    people = (
        *(seller(f"s{number}", rounds=rounds) for number in range(5)),
        *(buyer(f"b{number}", rounds=rounds) for number in range(5)),
    )
    episode = Case(people, rounds).driver().begin(Case(people, rounds).plan(), ledger=True)
    for _ in range(10):
        episode.play(100)
    tracemalloc.start()
    episode.play(100)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(15):
        episode.play(100)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 100_000, f"{grown} bytes in 1,500 rounds"
