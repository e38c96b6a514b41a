"""Populations at random, and the ledgers that the two engines make of them, for tests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from participants.devices.battery import Battery
from participants.home import Home
from participants.strategies.baseline import Baseline
from participants.strategies.basic import Basic
from participants.strategies.battery_arbitrage import BatteryArbitrage
from participants.strategies.linear_ramp import LinearRamp
from participants.strategies.zero_intelligence import ZeroIntelligence
from trex_market.chunk_recording import LedgerChunks
from trex_market.core.clearing import RULES
from trex_market.core.messages import DEFAULT_SOURCES, GridTerms, OpenMarket
from trex_market.participant import Decision, EpisodeStart, NewOrder, View
from trex_market.profiles import Profile
from trex_market.rounds import EpisodePlan
from trex_market.simulation.local import LocalDriver
from trex_market.simulation.run import play_episode
from trex_market.simulation.vector import VectorDriver
from trex_market.simulation.vector_chunks import Sums
from trex_market.storage.collecting import EVERYTHING, RowCollector
from trex_market.totals import PartyTotals, Totals

START = 1_468_792_800
"""2016-07-18, Monday, 0:00 in Berlin."""

Tables = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Person:
    """A home of a case, by its options."""

    name: str
    strategy: Callable[[], Any]
    battery: dict[str, float] | None = None
    load: Sequence[int] = ()
    generation: dict[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A market, its people, and an episode of it."""

    people: tuple[Person, ...]
    rounds: int = 12
    seed: int = 1
    episode: int = 0
    start: int = START
    terms: OpenMarket = field(
        default_factory=lambda: OpenMarket("m", "MicroTE", 2, 900, "Europe/Berlin", GridTerms(0.1, 1.0))
    )

    def homes(self) -> list[Home]:
        """Make the homes anew."""
        return [
            Home(
                person.name,
                person.strategy(),
                seed=self.seed,
                battery=None if person.battery is None else Battery(**person.battery),
            )
            for person in self.people
        ]

    def plan(self) -> EpisodePlan:
        """Return the plan of the episode."""
        step = self.terms.step
        profiles = {
            person.name: Profile(
                person.name,
                self.start,
                step,
                list(person.load),
                {source: list(series) for source, series in person.generation.items()},
            )
            for person in self.people
        }
        return EpisodePlan("training", self.episode, self.start, self.rounds, step, profiles=profiles)

    def driver(self) -> VectorDriver:
        """Return the vector driver of the case."""
        return VectorDriver(self.terms, self.homes(), "solar")


# ---------------------------------------------------------------- what comes of a case


class Collector(RowCollector):
    """Keeps rows in memory."""

    def __init__(self) -> None:
        super().__init__("run", "m", EVERYTHING)

    async def keep_up(self) -> None:
        """Nothing is written."""

    def tables(self) -> Tables:
        """Return all rows, by table, in the order of their keys."""
        return {batch.table.name: sorted(batch.rows, key=repr) for batch in self._take()}


def totals_of(totals: Totals) -> dict[str, Any]:
    """Return all that totals say."""
    parties = {
        name: {figure: getattr(party, figure) for figure in PartyTotals.__slots__}
        for name, party in totals.parties.items()
    }
    figures = (
        "slots",
        "transactions",
        "estimated",
        "grid_income",
        "operator_income",
        "last_price",
        "balance",
    )
    return {**parties, "": {figure: getattr(totals, figure) for figure in figures}}


def plain(case: Case) -> tuple[Tables, dict[str, Any]]:
    """Return the rows and totals of the plain engine."""
    collector, totals = Collector(), Totals()
    driver = LocalDriver(case.terms, case.homes(), "solar")
    asyncio.run(play_episode(case.plan(), driver, listeners=[totals], recorder=collector))
    return collector.tables(), totals_of(totals)


def vector(case: Case, split: int = 1_000) -> tuple[Tables, dict[str, Any]]:
    """Return the rows and totals of the vector engine, played `split` rounds at a time."""
    collector = Collector()
    recorder = LedgerChunks(collector, "run", "m")  # type: ignore[arg-type]
    episode = case.driver().begin(case.plan(), ledger=True)
    sums = Sums(episode.names)
    while episode.rounds_left:
        chunk = episode.play(min(split, episode.rounds_left))
        recorder.take(chunk)
        sums.add(chunk)
    recorder.finish()
    episode.end()
    totals = Totals()
    sums.into(totals)
    return collector.tables(), totals_of(totals)


def vector_totals(case: Case, split: int = 1_000) -> dict[str, Any]:
    """Return the totals of the vector engine when nothing is recorded."""
    episode = case.driver().begin(case.plan(), ledger=False)
    sums = Sums(episode.names)
    while episode.rounds_left:
        sums.add(episode.play(min(split, episode.rounds_left)))
    totals = Totals()
    sums.into(totals)
    return totals_of(totals)


def assert_same(case: Case, split: int = 1_000) -> Tables:
    """Check that both engines make the same of a case; return the rows."""
    (rows, totals), (found, found_totals) = plain(case), vector(case, split)
    assert found.keys() == rows.keys()
    for table, expected in rows.items():
        for place, (row, other) in enumerate(zip(expected, found[table], strict=False)):
            assert other == row, f"{table}, row {place}"
        assert len(found[table]) == len(expected), table
    assert found_totals == totals
    assert vector_totals(case, split) == totals
    return rows


# ---------------------------------------------------------------- cases at random

prices = st.one_of(
    st.none(), st.sampled_from([0.05, 0.1, 0.12, 0.15, 0.2]), st.integers(0, 300).map(lambda n: n / 1e3)
)
tou = st.fixed_dictionaries(
    {
        "1,2,3,4,5,6,7": st.fixed_dictionaries(
            {"7,8,9,10": st.sampled_from([0.05, 0.3, -0.05]), "0,1,12,13,22,23": st.just(0.15)}
        )
    }
)


@st.composite
def terms(draw: st.DrawFn) -> OpenMarket:
    """A market's terms, all rules."""
    close_steps = draw(st.integers(2, 4))
    sources = DEFAULT_SOURCES | draw(
        st.sampled_from([{}, {"hydro": True}, {"hydro": False}, {"bess": False}])
    )
    return OpenMarket(
        "m",
        draw(st.sampled_from(sorted(RULES))),
        close_steps,
        draw(st.sampled_from([60, 900, 3600])),
        "Europe/Berlin",
        GridTerms(
            draw(st.sampled_from([0.1, 0.069, 0.0, -0.02])),
            draw(st.sampled_from([1.0, 0.3, 0.0])),
            draw(st.one_of(st.none(), tou)),
        ),
        pools=draw(st.sampled_from([None, "single", "by_source"])),
        k=draw(st.sampled_from([None, 0, 333_333, 1_000_000])),
        sources=sources,
        horizon_steps=draw(st.one_of(st.none(), st.integers(close_steps - 1, close_steps + 3))),
        price_floor=draw(st.sampled_from([0, 80_000])),
        price_cap=draw(st.sampled_from([None, 120_000, 200_000])),
        shortfall=draw(st.sampled_from(["penalty", "replacement"])),
    )


def _basic(bid_price: float | None, ask_price: float | None, hours: frozenset[int]) -> Callable[[], Any]:
    return lambda: Basic(bid_price, ask_price, sorted(hours))


known_strategies = st.one_of(
    st.just(Baseline),
    st.just(ZeroIntelligence),
    st.builds(_basic, prices, prices, st.frozensets(st.integers(0, 23))),
    st.builds(
        lambda steps, low, high: lambda: LinearRamp(steps, low, high), st.integers(1, 5), prices, prices
    ),
    st.builds(
        lambda hours, discount: lambda: BatteryArbitrage(hours, discount),
        st.sampled_from([24, 1, 3.3]),
        st.sampled_from([0, 0.25, 0.1, 1]),
    ),
)

batteries = st.fixed_dictionaries(
    {
        "capacity": st.sampled_from([0, 300, 3_000, 13_500]),
        "power": st.sampled_from([0, 900, 5_000]),
        "efficiency": st.sampled_from([1, 0.95, 0.777777]),
        "monthly_sdr": st.sampled_from([0, 0.05, 1]),
        "initial_charge": st.sampled_from([0, 0, 300]),
    }
).map(lambda options: options | {"initial_charge": min(options["initial_charge"], options["capacity"])})


@st.composite
def cases(draw: st.DrawFn, strategies: st.SearchStrategy[Callable[[], Any]] = known_strategies) -> Case:
    """A population with strategies, devices and profiles at random."""
    market, rounds = draw(terms()), draw(st.integers(1, 30))
    chance = random.Random(draw(st.integers(0, 1_000)))
    people = []
    for number in range(draw(st.integers(1, 8))):
        sources = draw(st.permutations(["solar", "wind", "hydro"]))[: draw(st.integers(0, 3))]
        slots = rounds + draw(st.sampled_from([0, 3]))

        def amounts(slots: int = slots) -> list[int]:
            return [chance.choice((0, chance.randrange(2_000))) for _ in range(slots)]

        people.append(
            Person(
                f"{draw(st.sampled_from('abÄz%'))}{number}",
                draw(strategies),
                draw(st.one_of(st.none(), batteries)),
                amounts(),
                {source: amounts() for source in sources},
            )
        )
    start = START + draw(st.integers(0, 40)) * 6 * 3600
    seed, episode = draw(st.sampled_from([0, 1, 2**63 - 1])), draw(st.integers(0, 2))
    return Case(tuple(people), rounds, seed, episode, start - start % market.step, market)


# ---------------------------------------------------------------- strategies of one's own


class Wild:
    """Orders what it likes for slots far and near, takes back some, and shakes its battery."""

    def start_episode(self, start: EpisodeStart) -> None:
        self.ended = False

    def end_episode(self) -> None:
        self.ended = True

    def decide(self, view: View) -> Decision:
        now, step = view.round.time, view.round.step
        seen = [row.id for row in view.transactions], view.bought(view.round.last_settle), view.sold(now)
        chance = random.Random(repr((view.participant_id, now, view.chance(), seen)))
        orders = [
            NewOrder(
                chance.choice(("bid", "ask")),
                chance.choice((0, 1, 50, 500, 2_000, 10**9 + 1)),
                chance.choice((0, 50_000, 100_000, 120_000, 150_000, 200_000, -5, 10**10)),
                view.round.next_settle
                + chance.choice((0, 0, 0, 1, 2, 3, -1)) * step
                + chance.choice((0, 0, 0, 7)),
                chance.choice((None, "solar", "wind", "bess", "SOLAR", "nuclear")),
            )
            for _ in range(chance.randrange(5))
        ]
        mine = [order.order_id for order in view.open_orders()]
        cancel = chance.sample(mine, chance.randrange(len(mine) + 1)) + chance.choice(
            ([], ["nobody-1"], mine[:1])
        )
        plans = (
            {}
            if view.battery is None
            else {now + n * step: chance.randrange(-3_000, 3_000) for n in range(2)}
        )
        return Decision(orders, cancel, plans)


class Careful(Basic):
    """Inherits from a strategy that has an array form, and decides otherwise."""

    def decide(self, view: View) -> Decision:
        decided = super().decide(view)
        return Decision(decided.orders[:1], decided.cancel, decided.battery)


any_strategies = st.one_of(known_strategies, st.just(Wild), st.just(Careful))
