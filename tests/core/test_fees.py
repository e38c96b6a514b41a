"""Fees from the contract to the ledger: delivery, energy that is not taken or not there, late readings."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.lively import lively_areas
from tests.core.test_state import WALL_CLOCK, late_readings
from tests.helpers import (
    GRID,
    STEP,
    Dialogue,
    assert_balanced,
    balances,
    report,
    slot,
)
from trex_market.core.delivery import deemed_reading
from trex_market.core.market import Market
from trex_market.core.messages import (
    AdvanceClock,
    Area,
    Contracted,
    Corrected,
    Delivered,
    FeePayer,
    MeterAccepted,
    MeterReading,
    Transaction,
)

PAIRWISE = ("MicroTE", "MicroTE2", "MicroTE3", "MicroTE3B", "k_pricing")
AREAS = (Area("grid", fee=4_000, fee_share=100_000), Area("north", "grid", fee=1_001), Area("south", "grid"))


def street(payer: FeePayer, rule: str = "MicroTE", **others: object) -> Dialogue:
    """Ann, in the north, sells Bob, in the south, 1,000 Wh for slot 2: an ask of 0.10, a bid of 0.17 $/kWh."""
    places = {"ann": "north", "bob": "south"}
    dialogue = Dialogue("ann bob", rule, areas=AREAS, places=places, fee_payer=payer, **others)
    dialogue.starts_round(0)
    dialogue.asks("ann", 1_000, 100_000)
    dialogue.bids("bob", 1_000, 170_000)
    dialogue.ends_round()
    dialogue.starts_round(1)
    return dialogue


def ledger(dialogue: Dialogue) -> list[Transaction]:
    return [
        row
        for event in dialogue.events
        if isinstance(event, Delivered | Corrected)
        for row in event.transactions
    ]


# The fee is 5,001 and 10 % of what the seller gets. Where the buyer pays 170,000 that is 149,999 at most, with
# 15,000 (14,999.9) and 5,001 on it. Half-way there from 100,000 lies 125,000 (124,999.5, half to even).


def test_the_prices_of_a_contract_by_hand() -> None:
    (event,) = street("buyer").heard(Contracted)[1:]
    (made,) = event.contracts
    net = made.settlement_price_sell
    assert net == 125_000
    assert (made.settlement_price_sell, made.settlement_price_buy, made.fee_ask) == (net, net, 0)
    assert made.fee_bid == 17_501


@pytest.mark.parametrize("payer", ["buyer", "seller", "both"])
@pytest.mark.parametrize("rule", ["MicroTE", "MicroTE3"])
def test_money_is_the_same_whoever_bears_the_fee(payer: FeePayer, rule: str) -> None:
    dialogue = street(payer, rule)
    dialogue.ends_round()
    dialogue.starts_round(2)
    dialogue.reports("ann", {"solar": 900}, 0)
    dialogue.reports("bob", {}, 600)
    dialogue.ends_round()
    rows = ledger(dialogue)
    (made,) = dialogue.heard(Contracted)[1].contracts
    gets, pays = made.settlement_price_sell - made.fee_ask, made.settlement_price_buy + made.fee_bid
    assert [(row.kind, row.quantity) for row in rows] == [
        ("delivery", 600),
        ("take_or_pay", 300),
        ("spill", 300),
    ]
    for row in rows[:2]:
        assert (row.fee_ask, row.fee_bid) == (made.fee_ask, made.fee_bid)
        assert (row.settlement_price_sell - row.fee_ask, row.settlement_price_buy + row.fee_bid) == (
            gets,
            pays,
        )
    assert (rows[2].fee_ask, rows[2].fee_bid) == (0, 0)
    money = balances(rows)
    assert money == {"ann": 900 * gets, "bob": -900 * pays, GRID: 0, "operator": 900 * (pays - gets)}
    if rule == "MicroTE3":
        assert (gets, pays, made.fee_ask + made.fee_bid) == (100_000, 170_000, 15_001)


def test_what_is_not_there_costs_no_fee_but_what_it_would_have_cost_counts() -> None:
    for shortfall in ("penalty", "replacement"):
        dialogue = street("buyer", shortfall=shortfall)
        dialogue.ends_round()
        dialogue.starts_round(2)
        dialogue.reports("ann", {}, 0)
        dialogue.reports("bob", {}, 1_000)
        dialogue.ends_round()
        (made,) = dialogue.heard(Contracted)[1].contracts
        owed, supply = ledger(dialogue)
        assert (owed.kind, owed.fee_ask, owed.fee_bid) == ("shortfall", 0, 0)
        price = 200_000 if shortfall == "penalty" else 200_000 - made.settlement_price_buy - made.fee_bid
        assert (owed.settlement_price_sell, owed.settlement_price_buy) == (-price, -price)
        assert (supply.kind, supply.fee_bid) == ("supply", 0)


def test_a_late_reading_reverses_and_corrects_fees_too() -> None:
    dialogue = street("both", mode="realtime", meter_grace_s=60, reconciliation_window_s=7_200)
    dialogue.ends_round()
    after = slot(3)
    dialogue.says(msgspec.structs.replace(report("ann", slot(2), {"solar": 1_000}), time=after))
    dialogue.says(AdvanceClock(after + 60))
    (made,) = dialogue.heard(Contracted)[1].contracts
    (first,) = ledger(dialogue)
    assert (first.kind, first.quantity, first.estimated) == ("delivery", 1_000, True)
    dialogue.says(msgspec.structs.replace(report("bob", slot(2), {}, 400), time=after + 100))
    _, taken_back, *instead = ledger(dialogue)
    assert (taken_back.reverses, taken_back.quantity) == (first.id, -1_000)
    assert (taken_back.fee_ask, taken_back.fee_bid) == (made.fee_ask, made.fee_bid)
    assert [(row.kind, row.quantity, row.fee_bid) for row in instead] == [
        ("delivery", 400, made.fee_bid),
        ("take_or_pay", 600, made.fee_bid),
        ("spill", 600, 0),
    ]
    money = balances(ledger(dialogue))
    pays, gets = made.settlement_price_buy + made.fee_bid, made.settlement_price_sell - made.fee_ask
    assert money == {"ann": 1_000 * gets, "bob": -1_000 * pays, GRID: 0, "operator": 1_000 * (pays - gets)}


# ---------------------------------------------------------------- always

seeds = st.integers(0, 10**6)


@given(seeds, st.sampled_from(PAIRWISE))
@settings(max_examples=60)
def test_every_slot_balances(seed: int, rule: str) -> None:
    market = Market()
    events = [event for command in lively_areas(seed, rule) for event in market.handle(command)]
    readings: dict[int, dict[str, MeterReading]] = {}
    contracts: dict[int, list[object]] = {}
    for event in events:
        if isinstance(event, Contracted):
            contracts.setdefault(event.slot_start, []).extend(event.contracts)
        if isinstance(event, MeterAccepted):
            readings.setdefault(event.meter.slot_start, {})[event.participant_id] = event.meter
        if isinstance(event, Delivered):
            start = event.slot_start
            seen = dict(readings.get(start, {}))
            made = contracts.get(start, [])
            for name in event.estimated:
                seen[name] = deemed_reading(name, made, start, start + STEP)  # type: ignore[arg-type]
            assert_balanced(seen, event.transactions)
            charged = {one.id: (one.fee_ask, one.fee_bid) for one in made}  # type: ignore[attr-defined]
            for row in event.transactions:
                bears = row.kind in {"delivery", "take_or_pay"}
                assert (row.fee_ask, row.fee_bid) == (charged[row.contract_id] if bears else (0, 0))


@given(seeds, st.sampled_from(PAIRWISE))
@settings(max_examples=40)
def test_money_sums_to_nothing_on_the_wall_clock_as_well(seed: int, rule: str) -> None:
    market = Market()
    rows = [
        row
        for command in late_readings(seed, lively_areas(seed, rule, **WALL_CLOCK))
        for event in market.handle(command)
        if isinstance(event, Delivered | Corrected)
        for row in event.transactions
    ]
    assert sum(balances(rows).values()) == 0
    by_id = {row.id: row for row in rows}
    for row in rows:
        if row.reverses is not None:
            before = by_id[row.reverses]
            assert row.quantity == -before.quantity
            assert (row.fee_ask, row.fee_bid) == (before.fee_ask, before.fee_bid)
