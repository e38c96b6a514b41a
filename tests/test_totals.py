"""Totals add up, to the last unit."""

from __future__ import annotations

from tests.analysis.helpers import LEDGER, MILLION, NET_BILLING, events, row, totals
from tests.helpers import START, lively_commands
from trex_market.core.market import Market
from trex_market.core.messages import Delivered
from trex_market.totals import Totals


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
