"""What is shown of a market: every figure worked out by hand, bounded, and the same after a restart."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.helpers import START, STEP, lively_commands, slot
from tests.server.looking import GRACE, Place, Sat, SetClock, place
from tests.test_recovery import COMMANDS, MEMBERS, RUN, TERMS
from trex_market.core.messages import (
    Area,
    CancelOrder,
    ClearOpenSlots,
    Command,
    EndTurn,
    OpenMarket,
    OrderAccepted,
    StartRound,
)
from trex_market.engine import Engine
from trex_market.protocol import view
from trex_market.recovery import LiveState, load_snapshot
from trex_market.server import alarms as alarms_module
from trex_market.server.alarms import Alarms
from trex_market.server.app import ServerSettings, SimulationServer
from trex_market.server.cards import OPEN_SLOTS_SHOWN, cards
from trex_market.server.desk import Desk, Limits
from trex_market.server.doorkeeper import Doorkeeper
from trex_market.server.pace import WallPace
from trex_market.server.seats import Seats
from trex_market.server.watching import DAYS_KEPT, MISSING_KEPT, SLOTS_KEPT, Watch
from trex_market.storage.database import Database
from trex_market.storage.writer import Writer
from trex_market.totals import Totals

DAY = 86_400


def shown(found: Place) -> view.State:
    """Return the cards, as the state that they make."""
    found.watch.refresh()
    access = view.Access(role="observer", controls=[])
    made: dict[str, object] = dict(cards(found.watch))
    assert tuple(made) == view.CARDS
    return view.State(server_time=found.watch.now(), access=access, **made)  # type: ignore[arg-type]


def alarms(found: Place) -> dict[str, str]:
    """Return what alarms say, by code."""
    return {alarm.code: alarm.text for alarm in shown(found).alarms}


# ---------------------------------------------------------------- rounds, prices, flows, bills


async def test_before_the_first_round_there_is_little_to_see(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        state = shown(found)
    assert state.round.time is None
    assert state.prices == []
    assert state.flows == view.FlowsCard(slot=None, flows=[])
    assert [one.today for one in state.participants] == [None, None]
    assert state.depth == view.DepthCard(slots=[], more=0, bids=[], asks=[])


async def test_the_round_says_what_is_current_and_what_closes_next(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        found.starts_round(0)
        round = shown(found).round
    assert (round.time, round.end) == (START, START + STEP)
    assert (round.cleared, round.gate) == (slot(1), slot(2))
    assert (round.sell_price, round.buy_price) == (0.1, 0.2)


async def test_a_slots_price_is_what_buyers_pay_on_average(tmp_path: Path) -> None:
    async with place(tmp_path, ["ann", "bob", "cat"]) as found:
        found.starts_round(0)
        found.offers("ann", "ask", 300, 110_000, 2)
        found.offers("bob", "bid", 100, 190_000, 2)
        found.offers("cat", "bid", 200, 130_000, 2)
        found.starts_round(1)
        (empty, cleared) = shown(found).prices
    assert (empty.start, empty.price, empty.quantity, empty.sell_price) == (slot(1), None, 0, None)
    assert (cleared.start, cleared.contracts, cleared.quantity) == (slot(2), 2, 300)
    assert (cleared.low, cleared.high, cleared.price) == (0.13, 0.19, 0.15)
    assert (cleared.sell_price, cleared.buy_price) == (0.1, 0.2)


async def test_flows_and_bills_are_those_of_the_ledger(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        outbox = found.engine.listen()
        found.trades(0, 4)
        found.starts_round(4)
        found.passes(1)
        found.reads("ann", 3, {"solar": 200}, own={"solar": 50})
        found.reads("bob", 3, need=230)
        found.passes(GRACE)
        state = shown(found)
        ledger = Totals()
        ledger.hear(outbox.take())
    assert state.flows.slot == slot(3)
    ann, bob = state.flows.flows
    assert ann == view.Flow(
        participant_id="ann", supplied=0, bought=0, self_consumed=50, sold=200, fed_in=0, estimated=False
    )
    assert bob == view.Flow(
        participant_id="bob", supplied=30, bought=200, self_consumed=0, sold=0, fed_in=0, estimated=False
    )
    for one in state.participants:
        party = ledger.parties[one.participant_id]
        assert one.today is not None
        assert one.today.bill == pytest.approx(party.bill / 1e9, abs=1e-12)
        assert (one.today.bought, one.today.sold) == (party.bought, party.sold)
        assert (one.today.supplied, one.today.self_consumed) == (party.supplied, party.self_consumed)
        assert one.today.fed_in == party.fed_in + party.spilled
        assert one.last_reading == slot(3)


async def test_what_is_spilled_goes_to_the_grid(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        found.trades(0, 2)
        found.starts_round(2)
        found.starts_round(3)
        found.passes(1)
        found.reads("ann", 2, {"solar": 300})
        found.reads("bob", 2, need=50)
        found.passes(GRACE)
        ann, bob = shown(found).flows.flows
    assert (ann.sold, ann.fed_in) == (50, 250)  # 150 of it were sold to bob, who had no use for them
    assert (bob.bought, bob.supplied) == (50, 0)


async def test_days_are_those_of_the_markets_time_zone(tmp_path: Path) -> None:
    # START is 8:00 UTC, which is 1:00 in Vancouver: the slots before 1:00 + 23 h are one day's.
    async with place(tmp_path, market={"timezone": "America/Vancouver"}) as found:
        midnight = START - 3600
        found.trades(0, 97)
        state = shown(found)
    assert state.bills.today == midnight + DAY
    assert state.bills.days[:2] == [midnight, midnight - DAY]
    assert len(state.bills.days) == DAYS_KEPT - 1
    bob = next(one for one in state.participants if one.participant_id == "bob")
    assert bob.today is not None
    yesterday, before, *_ = state.bills.bills["bob"]
    assert yesterday is not None
    assert before is None
    # 92 slots lie before midnight, the last is 22:45 after the first; the first two have no contracts.
    assert yesterday.bought == 90 * 200
    assert bob.today.bought == 4 * 200


# ---------------------------------------------------------------- the book


async def test_depth_shows_open_slots_without_names(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        found.starts_round(0)
        found.offers("ann", "ask", 300, 120_000, 2)
        found.offers("ann", "ask", 100, 120_000, 2)
        found.offers("ann", "ask", 50, 110_000, 2)
        found.offers("bob", "bid", 70, 160_000, 2)
        found.offers("bob", "bid", 10, 150_000, 3)
        depth = shown(found).depth
    assert depth.asks == [(0.11, 50), (0.12, 400)]
    assert depth.bids == [(0.16, 70)]
    first, second = depth.slots
    assert (first.start, first.orders, first.bids, first.asks) == (slot(2), 4, 70, 450)
    assert (first.best_bid, first.best_ask) == (0.16, 0.11)
    assert (second.best_bid, second.best_ask, second.bids) == (0.15, None, 10)


async def test_a_slot_without_orders_is_not_shown(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        found.starts_round(0)
        order = found.offers("ann", "ask", 300, 120_000, 2)
        assert isinstance(order, OrderAccepted)
        assert len(shown(found).depth.slots) == 1
        found.engine.submit(CancelOrder(order.order.order_id, "ann", START))
        assert shown(found).depth == view.DepthCard(slots=[], more=0, bids=[], asks=[])


async def test_many_open_slots_are_counted(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        found.starts_round(0)
        for number in range(2, 42):
            found.offers("ann", "ask", 300, 120_000, number)
        depth = shown(found).depth
    assert len(depth.slots) == OPEN_SLOTS_SHOWN
    assert depth.more == 40 - OPEN_SLOTS_SHOWN


async def test_a_slot_that_was_cleared_in_parts_is_shown_once(tmp_path: Path) -> None:
    grid = {"areas": (Area("grid", fee=10_000),), "clearing": "tick"}
    async with place(tmp_path, market=grid) as found:
        found.starts_round(0)
        for price in (None, 120_000, 160_000):
            if price is not None:
                found.offers("ann", "ask", 100, price, 3)
                found.offers("bob", "bid", 100, 200_000, 3)
            found.engine.submit(ClearOpenSlots(START))
        found.starts_round(1)
        found.offers("ann", "ask", 200, 100_000, 3)
        found.offers("bob", "bid", 200, 100_000 + 10_000, 3)
        found.starts_round(2)
        (slot_shown,) = [one for one in shown(found).prices if one.start == slot(3)]
        assert (slot_shown.quantity, slot_shown.contracts) == (400, 3)
        # What buyers pay, fees included: 0.2 and 0.2 $/kWh for 100 Wh each, 0.11 for 200 Wh.
        assert (slot_shown.price, slot_shown.low, slot_shown.high) == (0.155, 0.11, 0.2)
        assert slot_shown.buy_price is not None


# ---------------------------------------------------------------- alarms


async def test_a_missing_reading_is_an_alarm_until_it_comes(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        found.trades(0, 3)
        assert "missing_readings" not in alarms(found)
        found.starts_round(3)
        found.passes(1)
        found.reads("ann", 2, {"solar": 200})
        found.passes(GRACE)
        assert alarms(found)["missing_readings"].endswith("bob (slots: 1).")
        bob = shown(found).participants[1]
        assert (bob.participant_id, bob.missing, bob.last_reading) == ("bob", 1, slot(1))
        assert [flow.estimated for flow in shown(found).flows.flows] == [False, True]

        found.reads("bob", 2, need=999)
        state = shown(found)
        assert "missing_readings" not in alarms(found)
        assert "corrected" in alarms(found)
        assert (state.participants[1].missing, state.participants[1].last_reading) == (0, slot(2))
        assert [flow.estimated for flow in state.flows.flows] == [False, False]
        assert state.flows.flows[1].supplied == 799


async def test_a_reading_that_cannot_come_any_more_is_not_waited_for(tmp_path: Path) -> None:
    async with place(tmp_path, market={"reconciliation_window_s": 2 * STEP}) as found:
        found.trades(0, 3)
        found.starts_round(3)
        found.passes(1 + GRACE)
        assert [one.missing for one in shown(found).participants] == [1, 1]
        found.trades(4, 9)
        assert [one.missing for one in shown(found).participants] == [0, 0]
        assert "missing_readings" not in alarms(found)


async def test_what_is_remembered_of_a_silent_meter_is_bounded(tmp_path: Path) -> None:
    async with place(tmp_path, market={"reconciliation_window_s": 10**8}) as found:
        for number in range(MISSING_KEPT + 20):
            found.starts_round(number)
            found.passes(GRACE)
        assert [one.missing for one in shown(found).participants] == [MISSING_KEPT, MISSING_KEPT]
        assert len(shown(found).prices) == min(SLOTS_KEPT, 2 * DAY // STEP)
        assert len(found.watch.days.state()) <= DAYS_KEPT


async def test_who_is_not_there_is_named(tmp_path: Path) -> None:
    names = [f"home-{number}" for number in range(9)]
    async with place(tmp_path, names) as found:
        seats = found.server.desk.seats
        for name in names[:7]:
            seat = seats.find(name)
            assert seat is not None
            await seats.take(seat, Sat(name))
        assert alarms(found)["absent"] == "Offline: home-7, home-8."
        assert [one.online for one in shown(found).participants] == [True] * 7 + [False] * 2
        for name in names[:7]:
            await seats.leave(name)
        assert alarms(found)["absent"].endswith("home-5 and 3 more.")


def test_alarms_are_sorted_timed_and_bounded() -> None:
    now, wrong = 1000.0, ["the disk is full"]
    told = Alarms(lambda: now)
    told.watch("disk", "serious", lambda: wrong[0] if wrong else None)
    told.watch("fine", "serious", lambda: None)
    told.tell("clock", "warning", "the clock jumped")
    assert [(one.level, one.text, one.since) for one in told.current()] == [
        ("serious", "The disk is full.", 1000),
        ("warning", "The clock jumped.", 1000),
    ]
    assert (told.since("disk"), told.since("fine"), told.since("unknown")) == (1000, None, None)
    now = 2000.0
    told.tell("clock", "warning", "the clock jumped again")
    assert [(one.text, one.since) for one in told.current()] == [
        ("The disk is full.", 1000),
        ("The clock jumped again.", 2000),
    ]
    wrong.clear()
    now = 2000.0 + alarms_module.SHOWN_S
    assert told.current() == []
    wrong.append("the disk is full")
    assert told.current()[0].since == int(now)
    for number in range(100):
        told.warn(f"alarm {number}")
    assert len(told.current()) == 1 + alarms_module.KEPT
    assert {one.text for one in told.current()} >= {f"Alarm {100 - alarms_module.KEPT}.", "Alarm 99."}


# ---------------------------------------------------------------- simulations, restarts


async def test_an_episode_begins_anew_and_what_is_counted_does_not(tmp_path: Path) -> None:
    commands = lively_commands(3, "MicroTE3B")
    opened = commands[0]
    assert isinstance(opened, OpenMarket)
    async with SimulationServer(opened, ["home-0"], ServerSettings()) as server:
        watch = server.watch
        for episode in (1, 2):
            engine = Engine()
            engine.submit(opened)
            server.desk.open(engine)
            for command in commands[1:]:
                if not isinstance(command, EndTurn):
                    engine.submit(command)
            watch.refresh()
            rounds = sum(isinstance(command, StartRound) for command in commands)
            assert watch.tally.rounds == episode * rounds
            assert len(watch.prices) == rounds
            assert watch.delivered == slot(rounds - 1)
            assert watch.market_time == slot(rounds - 1)


async def test_after_a_restart_the_same_is_shown(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    async with place(tmp_path / "first") as first:
        first.trades(0, 100)
        first.starts_round(100)
        first.passes(GRACE)
        before = shown(first)
        kept = first.watch.state()
        now = first.clock.time
    async with place(tmp_path / "second") as second:
        second.clock.time = now
        second.watch.resume(kept)
        after = shown(second)
        assert after.prices == before.prices
        assert after.bills == before.bills
        assert after.flows == before.flows
        assert after.participants == before.participants
        assert alarms(second)["missing_readings"] == alarms(first)["missing_readings"]
        assert second.watch.state() == kept


@pytest.mark.parametrize("kept", [b"nonsense", b"{}", b'{"days": 5}', b"null"])
async def test_a_view_that_cannot_be_read_is_left_out(
    tmp_path: Path, kept: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with place(tmp_path) as found:
        with caplog.at_level(logging.WARNING):
            found.watch.resume(kept)
        assert "cannot be shown" in caplog.text
        assert shown(found).prices == []


async def test_a_view_of_another_format_is_left_out(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        found.trades(0, 3)
        kept = found.watch.state()
        (tmp_path / "other").mkdir()
        async with place(tmp_path / "other") as other:
            other.watch.resume(kept.replace(b'"format":1', b'"format":2'))
            assert shown(other).prices == []


async def seen(directory: Path, commands: Sequence[Command], snapshot_lines: int) -> bytes:
    """Let the market of a directory go on with commands, killed at their end; return what was to be seen then."""
    state = LiveState(directory, TERMS, snapshot_lines)
    desk = Desk(
        TERMS,
        Seats(MEMBERS),
        Doorkeeper({}, is_open=True),
        Limits(),
        "solar",
        WallPace(SetClock(START), state.journal),
    )
    state.watch = Watch(desk)
    async with await Database.open(f"sqlite:///{directory / 'market.db'}") as database:
        if not await database.resume_run(RUN.id):
            await database.start_run(RUN)
        writer = Writer(database, RUN.id, "market")
        await state.recover(writer, [], 0)
        desk.open(state.engine)
        outbox = state.engine.listen()
        for command in commands:
            state.engine.submit(command)
            writer.hear(outbox.take())
            state.keep(writer)
            if state._keeping is not None:
                await state._keeping
        await writer.close()
    await state.close()
    return state.watch.state()


async def test_a_market_that_is_killed_shows_what_it_would_have_shown(tmp_path: Path) -> None:
    rest = COMMANDS[1:]
    whole = await seen(tmp_path / "whole", rest, 10**6)
    for begin in range(0, len(rest), 41):
        last = await seen(tmp_path / "parts", rest[begin : begin + 41], 100)
    assert load_snapshot(tmp_path / "parts") is not None
    assert json.loads(last) == json.loads(whole)
    assert len(json.loads(whole)["prices"]) > 2
    assert json.loads(whole)["days"]
