"""Totals add up, to the last unit."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.analysis.helpers import LEDGER, MILLION, NET_BILLING, events, row, totals
from tests.helpers import START, lively_commands
from trex_market.core.market import Market
from trex_market.core.messages import Corrected, Delivered
from trex_market.totals import DailyTotals, Totals, local_day


def test_a_ledger_worked_out_by_hand() -> None:
    added = totals()
    seller, buyer = added.parties["s"], added.parties["b"]
    assert buyer.bill == (120 + 6 - 2 + 100) * MILLION + 10_200_000
    assert seller.bill == -(100 + 5 - 2 + 24) * MILLION - 9_900_000
    assert added.grid_income == (100 - 24) * MILLION
    assert added.operator_income == (20 + 1) * MILLION + 300_000
    assert added.balance == 0
    assert (buyer.bought, buyer.bought_cost) == (1100, 130_200_000)
    assert (seller.sold, seller.sold_income) == (1100, 109_900_000)
    assert (buyer.supplied, buyer.unused, seller.fed_in, seller.spilled) == (500, 50, 300, 50)
    assert (seller.self_consumed, seller.compensated) == (70, 10)
    assert (added.slots, added.transactions, added.estimated) == (1, len(LEDGER), 0)


def test_load_and_generation_leave_the_battery_out() -> None:
    added = totals()
    assert (added.parties["s"].load, added.parties["s"].generated) == (70, 1450 + 70 + 30)
    assert (added.parties["b"].load, added.parties["b"].generated) == (1600, 0)


def test_the_last_price_is_that_of_the_last_local_delivery() -> None:
    assert Totals().last_price is None
    assert totals(NET_BILLING).last_price is None
    assert totals().last_price == 100_000


def test_money_that_no_price_explains_counts_as_it_is() -> None:
    added = totals((row("flexibility", 5, "s", "b", 0, 0, amount=7_777),))
    assert (added.parties["s"].bill, added.parties["b"].bill, added.operator_income) == (-7_777, 7_777, 0)
    assert added.balance == 0


def test_deemed_readings_are_counted() -> None:
    added = Totals()
    added.hear([Delivered(START, (), ("a", "b")), Delivered(START, (), ("a",))])
    assert (added.estimated, added.slots) == (3, 2)


def test_a_balance_that_does_not_hold_is_seen() -> None:
    added = totals()
    added.parties["b"].bill += 1
    assert added.balance == -1


def test_totals_do_not_depend_on_how_events_are_cut() -> None:
    whole, cut = totals(), Totals()
    for event in events():
        cut.hear([event])
    assert {name: party.bill for name, party in whole.parties.items()} == {
        name: party.bill for name, party in cut.parties.items()
    }


def test_the_balance_of_a_lively_market_is_0() -> None:
    for seed in range(5):
        market, added = Market(), Totals()
        for command in lively_commands(seed, "MicroTE3B", rounds=12):
            added.hear(market.handle(command))
        assert added.transactions > 50
        assert added.operator_income > 0
        assert added.balance == 0


# ---------------------------------------------------------------- days


def delivered(slot_start: int, quantity: int) -> Delivered:
    """Return a slot in which b bought from the grid."""
    return Delivered(slot_start, (row("supply", quantity, "grid", "b", 200_000, 200_000),), ())


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Vancouver", "Asia/Beirut", "Asia/Kolkata"])
def test_local_days_follow_each_other_and_begin_at_midnight(zone: str) -> None:
    place = ZoneInfo(zone)
    time, lengths = START, set()
    for _ in range(400):
        start, end = local_day(time, place)
        assert start <= time < end
        assert local_day(end - 1, place) == (start, end)
        first = datetime.fromtimestamp(start, place)
        assert first.date() < datetime.fromtimestamp(end, place).date()
        assert first.date() == datetime.fromtimestamp(end - 1, place).date()
        lengths.add(end - start)
        time = end
    assert lengths == ({86_400} if zone in ("UTC", "Asia/Kolkata") else {82_800, 86_400, 90_000})


def test_each_day_is_added_up_for_itself() -> None:
    days = DailyTotals("Europe/Berlin", 3)
    midnight = 1_477_260_000  # Monday, 24 October 2016, in summer time; Sunday the 30th has 25 hours
    for slot_start, quantity in (
        (midnight - 1, 1),
        (midnight, 2),
        (midnight + 86_399, 4),
        (midnight + 86_400, 8),
    ):
        days.hear([delivered(slot_start, quantity)])
    days.hear([Corrected(midnight, (row("supply", 16, "grid", "b", 200_000, 200_000),))])
    shown = days.last_days(midnight + 86_400)
    assert [start for start, _ in shown] == [midnight + 86_400, midnight, midnight - 86_400]
    assert [totals.parties["b"].supplied for _, totals in shown if totals] == [8, 22, 1]
    sunday = midnight + 6 * 86_400
    assert [start for start, _ in days.last_days(sunday + 90_000)][:2] == [sunday + 90_000, sunday]


def test_only_the_last_days_are_kept() -> None:
    days = DailyTotals("UTC", 2)
    first = START - START % 86_400
    for number in (0, 1, 2, 0):
        days.hear([delivered(first + number * 86_400, 1)])
    assert sorted(days.state()) == [first + 86_400, first + 2 * 86_400]


def test_days_go_on_after_a_restart() -> None:
    days, again = DailyTotals("UTC", 3), DailyTotals("UTC", 3)
    days.hear(events())
    again.resume(days.state())
    for one in (days, again):
        one.hear(events())
    assert again.state() == days.state()
    assert next(iter(again.state().values()))["b"]["bill"] == 2 * totals().parties["b"].bill
