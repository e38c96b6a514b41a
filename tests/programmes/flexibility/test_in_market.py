"""A day beside the market: the limit is kept where offers suffice, money adds up, and the journal tells it all again."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.shell_helpers import REPOSITORY
from trex_market.build import Study, load_study
from trex_market.core.errors import InputError
from trex_market.core.messages import Command, EndTurn, Event, Paid, Transaction, TurnsEnded
from trex_market.engine import Engine, replay
from trex_market.engines import check_vector
from trex_market.journal.lines import journal_line
from trex_market.programmes.flexibility.commands import (
    FeederMetered,
    FlexAsk,
    FlexibilityActivated,
    FlexibilityAsked,
    FlexibilityOrdered,
    FlexibilitySettled,
    FlexLimit,
    FlexPlan,
    FlexPotential,
    FlexRefused,
    FlexTrade,
)
from trex_market.programmes.flexibility.programme import Flexibility, ProgrammeState
from trex_market.simulation.local import LocalRounds
from trex_market.totals import Totals
from trex_market.transport import REACH

CONFIG = REPOSITORY / "configs" / "flexibility.yaml"
RELIABLE = {"participants.home_16.trader.reliability": 1.0}


class Log:
    """Keeps commands."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def append(self, command: Command) -> None:
        self.commands.append(command)


class Day(msgspec.Struct):
    """A day that was played."""

    commands: list[Command]
    events: list[Event]

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def programme_of(study: Study) -> Flexibility:
    (programme,) = study.programmes(study.episodes("training")[0])
    assert isinstance(programme, Flexibility)
    return programme


def played(study: Study, rounds: int = 96) -> Day:
    from trex_market.participant import EpisodeStart, MarketInfo

    plan = study.episodes("training")[0]
    log = Log()
    engine = Engine(journal=log, programmes=[programme_of(study)])
    outbox = engine.listen()
    participants = list(study.participants("training").values())
    for one in participants:
        profile = plan.profiles[one.participant_id]
        one.start_episode(
            EpisodeStart(0, "training", MarketInfo.of(study.terms), {}, plan.start, plan.rounds, profile)
        )
    turns = LocalRounds(engine, study.terms, participants, plan.start, "solar", study.grids)
    for number in range(rounds):
        turns.play(plan.start + number * plan.step)
    return Day(log.commands, outbox.take())


@cache
def reliable() -> tuple[Study, Day]:
    study = load_study(CONFIG, RELIABLE)
    return study, played(study)


@cache
def unreliable() -> tuple[Study, Day]:
    study = load_study(CONFIG)
    return study, played(study)


def rows(day: Day) -> list[Transaction]:
    return [row for event in day.of(Paid) for row in event.transactions]


def test_the_limit_is_kept_in_every_slot() -> None:
    study, day = reliable()
    section = study.config.flexibility
    assert section is not None
    point = section.congestion_points["feeder"]
    loads = day.of(FeederMetered)
    assert len(loads) == 96
    assert all(-point.export_limit <= one.load <= point.import_limit for one in loads)
    without = [one for one in loads if not -point.export_limit <= one.without <= point.import_limit]
    assert min(one.without for one in loads) < -55_000
    assert max(one.without for one in loads) > 20_000
    assert len(without) > 10
    assert all(one.delivered == one.ordered > 0 for one in without)


def test_reliable_members_earn_the_price_of_all_orders() -> None:
    _, day = reliable()
    settled, ordered = day.of(FlexibilitySettled), day.of(FlexibilityOrdered)
    assert {one.reference for one in settled} == {one.reference for one in ordered}
    assert all(one.verdict == "accepted" and one.net == one.price - one.penalty for one in settled)
    assert sum(one.penalty for one in settled) == 0
    assert all(row.amount is not None and row.amount >= 0 for row in rows(day))


def test_what_is_not_delivered_is_missed_and_fined() -> None:
    _, day = unreliable()
    missed = sum(one.ordered - one.delivered for one in day.of(FeederMetered))
    assert missed > 0
    settled = day.of(FlexibilitySettled)
    assert all(one.verdict == "accepted" for one in settled)
    assert sum(one.penalty for one in settled) > 0
    lazy = sum(row.amount or 0 for row in rows(day) if row.seller_id == "home_16")
    others = sum(row.amount or 0 for row in rows(day) if row.seller_id == "home_24")
    assert lazy < others


@pytest.mark.parametrize("day", [reliable, unreliable])
def test_money_adds_up_to_the_last_unit(day: Any) -> None:
    study, played = day()
    totals = Totals()
    totals.hear(played.events)
    assert totals.balance == 0
    net = sum(one.net for one in played.of(FlexibilitySettled))
    assert totals.party("dso.demo").bill == net > 0
    section = study.config.flexibility
    for domain, one in section.aggregators.items():
        got = sum(row.amount for row in rows(played) if row.seller_id == domain)
        handed_on = sum(row.amount for row in rows(played) if row.buyer_id == domain)
        # Each slot's part is rounded for itself, to a nano-dollar.
        assert abs(handed_on - got * one.share) <= len(rows(played))
        assert totals.party(domain).bill == handed_on - got
    ids = [row.id for row in rows(played)]
    assert len(set(ids)) == len(ids)
    assert {row.kind for row in rows(played)} == {"flexibility"}


def test_without_orders_the_load_is_what_it_is_said_to_be_without_flexibility() -> None:
    _, day = reliable()
    plain = played(load_study(CONFIG, {**RELIABLE, "flexibility.operator.max_price": 0}), rounds=60)
    assert not plain.of(FlexibilityOrdered)
    loads = [one.load for one in plain.of(FeederMetered)]
    assert loads == [one.without for one in day.of(FeederMetered)][:60]
    assert min(loads) < -55_000


def test_a_day_is_the_same_again() -> None:
    study, day = reliable()
    assert played(study).events == day.events


def test_the_journal_tells_the_day_again(tmp_path: Path) -> None:
    study, day = unreliable()
    path = tmp_path / "journal.jsonl"
    kept = [command for command in day.commands if not isinstance(command, EndTurn)]
    path.write_bytes(b"".join(journal_line(command, number) for number, command in enumerate(kept, 1)))
    engine = Engine(programmes=[programme_of(study)])
    outbox = engine.listen()
    for _ in replay(path, engine):
        pass
    assert outbox.take() == [event for event in day.events if not isinstance(event, TurnsEnded)]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_it_goes_on_from_its_state(share: float) -> None:
    study, day = unreliable()
    first, engine = programme_of(study), Engine()
    engine = Engine(programmes=[first])
    outbox = engine.listen()
    cut = int(len(day.commands) * share)
    for command in day.commands[:cut]:
        engine.submit(command)
    kept = msgspec.json.encode(first.state())
    restored = programme_of(study)
    restored.resume(kept)
    assert msgspec.json.encode(restored.state()) == kept
    again = Engine(engine.market, programmes=[restored])
    later = again.listen()
    for command in day.commands[cut:]:
        again.submit(command)
    assert [*outbox.take(), *later.take()] == day.events


def test_days_that_are_over_are_forgotten() -> None:
    study = load_study(CONFIG, {"study.days": 3, "study.start_datetime": "2016-07-22 00:00:00"})
    programme = programme_of(study)
    day = played(study, rounds=3 * 96)
    engine = Engine(programmes=[programme])
    for command in day.commands:
        engine.submit(command)
    state = programme.state()
    assert isinstance(state, ProgrammeState)
    periods = {held.order.period for held in state.operator.orders.values()}
    assert periods <= {"2016-07-24"}
    assert {period for days in state.operator.meters.values() for period in days} <= {
        "2016-07-23",
        "2016-07-24",
    }
    assert len(day.of(FlexibilitySettled)) == len(day.of(FlexibilityOrdered))
    references = [one.reference for one in day.of(FlexibilityOrdered)]
    assert len(set(references)) == len(references)


def test_the_next_day_can_be_traded_the_day_before() -> None:
    study = load_study(CONFIG, {"study.days": 2, "flexibility.operator.day_ahead_hour": 12})
    day = played(study, rounds=50)
    periods = {one.reference[:10] for one in day.of(FlexibilityOrdered)}
    assert periods == {"2016-07-23", "2016-07-24"}
    start = study.episodes("training")[0].start
    first = min(one.time for one in day.of(FlexibilityOrdered) if one.reference[:10] == "2016-07-24")
    assert first == start + 12 * 3600


def test_strangers_and_odd_slots_are_refused_and_change_nothing() -> None:
    study, _ = reliable()
    programme = programme_of(study)
    start = study.episodes("training")[0].start
    before = msgspec.json.encode(programme.state())
    for command in (
        FlexPlan("nobody", start, start, (1,)),
        FlexPlan("home_13", start, start + 1, (1,)),
        FlexPotential("nobody", start, {start: 1}),
        FlexPotential("home_01", start, {start: 1}),
    ):
        (refusal,) = programme.handle(command)
        assert isinstance(refusal, FlexRefused)
        assert refusal.detail
    assert msgspec.json.encode(programme.state()) == before


def test_who_says_nothing_is_expected_to_take_what_it_bought_else_what_it_took_the_day_before() -> None:
    study, _ = reliable()
    programme = programme_of(study)
    start = study.episodes("training")[0].start
    address = programme.operator.terms.points[0].address
    connection = programme.terms.members["home_13"]
    from trex_market.core.messages import Contract, Contracted, MeterAccepted, MeterReading

    day = 86_400
    reading = MeterReading(start - day + 1800, start - day + 2700, {"solar": 40}, {"other": {"external": 10}})
    programme.hear([MeterAccepted("home_13", reading)])
    contract = Contract(
        "c", start + 900, start + 1800, "home_13", "home_01", "solar", 25, 1, 1, "b", "a", start
    )
    programme.hear([Contracted(start + 900, (contract,))])
    programme.handle(FlexPlan("home_14", start, start, (7, 8)))
    programme.handle(FlexAsk(start))
    powers = programme.aggregators["sun.demo"].powers(address, "2016-07-23")
    assert powers[:3] == [28, 32 - 100, -120]
    assert connection in programme.operator.terms.points[0].connections


def test_a_later_plan_leads_to_an_order_in_a_later_round() -> None:
    study, _ = reliable()
    programme = programme_of(study)
    start = study.episodes("training")[0].start
    day, late = (0,) * 96, start + 40 * 900
    for name in ("home_13", "home_14"):
        programme.handle(FlexPlan(name, start, start, day, 3_000 if name == "home_13" else 6_000))
    assert programme.handle(FlexAsk(start)) == []
    assert programme.handle(FlexTrade(start)) == []
    # Of the 20 kW that somebody wants at 15:00, 5,500 W are too many.
    slot = start + 60 * 900
    programme.handle(FlexPlan("home_01", late, slot, (5_000,)))
    asked = programme.handle(FlexAsk(late))
    assert [(one.participant_id, one.wanted) for one in asked if isinstance(one, FlexibilityAsked)] == [
        ("home_13", {slot: -458}),
        ("home_14", {slot: -917}),
    ]
    programme.handle(FlexPotential("home_13", late, {slot: -400}))
    programme.handle(FlexPotential("home_14", late, {slot: -917}))
    ordered, *activated = programme.handle(FlexTrade(late))
    assert isinstance(ordered, FlexibilityOrdered)
    # 5,268 W can be done, and are offered in hundreds.
    assert (ordered.time, ordered.changes) == (late, {slot: -5_200})
    assert sum(one.changes[slot] for one in activated if isinstance(one, FlexibilityActivated)) == -1_300
    load = programme.operator.book.load(programme.operator.terms.points[0].address, "2016-07-23")
    assert load[60] == 14_800
    (again, *_) = programme.handle(FlexAsk(late + 900))
    assert isinstance(again, FlexibilityAsked)
    assert programme.handle(FlexTrade(late + 900)) == []


def test_limits_of_the_grid_hold_where_they_are_narrower() -> None:
    study, _ = reliable()
    programme = programme_of(study)
    start = study.episodes("training")[0].start
    address = programme.operator.terms.points[0].address
    assert programme.handle(FlexLimit(address, start, {start + 900: (9_000, 10**9)})) == []
    at = programme.operator.book.congestion(address, "2016-07-23")
    assert [(one.up, one.down) for one in at[:2]] == [(14_500, 41_500), (8_500, 41_500)]
    (refusal,) = programme.handle(FlexLimit("nowhere", start, {}))
    assert isinstance(refusal, FlexRefused)
    assert "unknown congestion point 'nowhere'" in refusal.detail


def test_arrays_and_other_processes_refuse_it() -> None:
    study, _ = reliable()
    with pytest.raises(InputError, match="the vector engine does not know flexibility"):
        check_vector(study)


@pytest.mark.parametrize("transport", ["socketio", "processes"])
async def test_it_is_not_traded_over_sockets(transport: str) -> None:
    study, _ = reliable()
    with pytest.raises(InputError, match="this process alone"):
        async with REACH[transport](study, "training"):
            pass


def test_the_baseline_has_no_programme() -> None:
    study, _ = reliable()
    assert study.programmes(study.episodes("baseline")[0]) == []


def test_what_was_possible_in_one_round_is_not_offered_in_the_next() -> None:
    study, _ = reliable()
    programme = programme_of(study)
    start = study.episodes("training")[0].start
    slot = start + 60 * 900
    programme.handle(FlexPlan("home_13", start, start, (0,) * 96, 9_000))
    for round_start, load, able, ordered in (
        (start, 5_000, -2_000, -5_500),
        (start + 900, 6_000, None, None),
        (start + 1_800, 6_000, -2_000, -4_000),
    ):
        programme.handle(FlexPlan("home_01", round_start, slot, (load,)))
        (asked,) = programme.handle(FlexAsk(round_start))
        assert isinstance(asked, FlexibilityAsked)
        if able is not None:
            programme.handle(FlexPotential("home_13", round_start, {slot: able}))
        orders = [
            one for one in programme.handle(FlexTrade(round_start)) if isinstance(one, FlexibilityOrdered)
        ]
        assert [one.changes for one in orders] == ([] if ordered is None else [{slot: ordered}])
