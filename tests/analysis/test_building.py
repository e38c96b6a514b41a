"""Frames say what the slots say: their sums, their balance, and what was not recorded."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.helpers import GRID_PRICES, SLOTS, frames_of, row, slots_of
from tests.helpers import STEP, lively_commands
from trex_market.analysis.building import FrameBuilder, Terms
from trex_market.analysis.kpis import measure
from trex_market.analysis.slots import SlotRecords, prices_of
from trex_market.analysis.terms import pools_of
from trex_market.core.clearing import RULES
from trex_market.core.market import Market
from trex_market.core.messages import OpenMarket
from trex_market.totals import Totals


def lively_slots(seed: int, rule: str) -> tuple[list[SlotRecords], Terms]:
    """Return the slots of a market in which much happens, and its terms."""
    market = Market()
    commands = lively_commands(seed, rule)
    events = [event for command in commands for event in market.handle(command)]
    opened = commands[0]
    assert isinstance(opened, OpenMarket)
    return slots_of(events), Terms(STEP, pools_of(opened))


def balance(slots: list[SlotRecords]) -> tuple[int, int, int]:
    frame = frames_of(slots).balance
    assert frame is not None
    return sum(map(abs, frame.money)), sum(frame.energy), sum(frame.overfilled)


@pytest.mark.parametrize("rule", RULES)
@given(seed=st.integers(0, 10_000))
def test_whatever_happens_in_a_market_balances(rule: str, seed: int) -> None:
    slots, _ = lively_slots(seed, rule)
    assert balance(slots) == (0, 0, 0)


@pytest.mark.parametrize("rule", RULES)
@given(seed=st.integers(0, 10_000))
def test_no_rule_gains_more_than_the_competitive_allocation(rule: str, seed: int) -> None:
    slots, terms = lively_slots(seed, rule)
    frame = frames_of(slots, terms).auction
    if frame is None:
        return
    for gains, most, buyers, sellers in zip(
        frame.gains, frame.most_gains, frame.buyer_surplus, frame.seller_surplus, strict=True
    ):
        assert 0 <= gains <= most
        assert min(buyers, sellers) >= 0
        assert buyers + sellers <= gains
        assert rule in ("MicroTE3", "MicroTE3B", "mcafee", "trade_reduction") or buyers + sellers == gains


def changed(place: int, **values: object) -> list[SlotRecords]:
    """Return the first slot with one of its transactions changed."""
    rows = list(SLOTS[0].transactions)
    rows[place] = msgspec.structs.replace(rows[place], **values)
    return [msgspec.structs.replace(SLOTS[0], transactions=tuple(rows))]


def test_a_wh_or_a_millionth_that_is_missing_is_found() -> None:
    assert balance([SLOTS[0]]) == (0, 0, 0)
    # The delivery's seller and its buyer each lack one Wh.
    assert balance(changed(0, quantity=999)) == (0, 2, 0)
    # The operator's margin is the contract's, which has none.
    assert balance(changed(0, settlement_price_buy=200_001)) == (1000, 0, 0)
    assert balance(changed(4, settlement_price_buy=299_999)) == (500, 0, 0)


def test_fees_are_the_operators_and_balance() -> None:
    slots = changed(0, fee_bid=1_000, fee_ask=2_000)
    assert balance(slots) == (0, 0, 0)
    frame = frames_of(slots).trade
    assert frame is not None
    assert frame.operator == [3_000_000]


def test_an_order_that_is_filled_twice_is_found() -> None:
    slot = SLOTS[0]
    again = msgspec.structs.replace(slot.contracts[0], id="c9")
    slots = [msgspec.structs.replace(slot, contracts=(*slot.contracts, again))]
    assert balance(slots)[2] == 1000 + 1000


@given(seed=st.integers(0, 10_000))
def test_sums_over_slots_are_those_of_the_totals(seed: int) -> None:
    market, totals = Market(), Totals()
    events = [event for command in lively_commands(seed, "MicroTE") for event in market.handle(command)]
    totals.hear(events)
    builder = FrameBuilder(Terms(STEP))
    for slot in slots_of(events):
        builder.hear(slot)
    frames = builder.frames()
    parties = totals.parties
    assert frames.energy is not None
    assert frames.trade is not None
    for column, name in (
        (frames.energy.load, "load"),
        (frames.energy.generated, "generated"),
        (frames.energy.delivered, "bought"),
        (frames.energy.supplied, "supplied"),
        (frames.energy.fed_in, "fed_in"),
        (frames.energy.spilled, "spilled"),
        (frames.energy.own_use, "self_consumed"),
    ):
        assert sum(column) == sum(getattr(party, name) for party in parties.values()), name
    assert sum(frames.trade.operator) == totals.operator_income
    assert sum(frames.parties.bill) == sum(party.bill for party in parties.values())
    assert builder.totals.transactions == totals.transactions


# ---------------------------------------------------------------- what was not recorded


def without(*names: str) -> list[SlotRecords]:
    """Return the slots without some of their records."""
    return [msgspec.structs.replace(slot, **dict.fromkeys(names, ())) for slot in SLOTS]


def test_without_orders_there_is_nothing_to_tell_of_the_auction() -> None:
    assert frames_of(without("orders")).auction is None
    assert frames_of(without("orders", "contracts")).contracts is None
    frames = frames_of(without("orders"))
    assert frames.contracts is not None
    assert sum(frames.contracts.contracted) == 1600


def test_one_order_that_is_missing_is_enough() -> None:
    slots = [msgspec.structs.replace(SLOTS[0], orders=SLOTS[0].orders[1:]), SLOTS[1]]
    assert frames_of(slots).auction is None


def test_prices_that_are_not_known_leave_no_net_billing() -> None:
    slots = [SLOTS[0], msgspec.structs.replace(SLOTS[1], prices=None)]
    frames = frames_of(slots)
    assert frames.net_billing is None
    assert frames.trade is not None
    assert frames.trade.buy_price == [300_000, None]


def test_the_grids_prices_stand_in_the_ledger_too() -> None:
    assert prices_of(SLOTS[1].transactions) == GRID_PRICES
    assert prices_of(SLOTS[0].transactions) is None


def test_a_programmes_party_is_no_participant() -> None:
    paid = row("flexibility", 10, "s", "dso", 0, 0, amount=5_000_000)
    slots = [msgspec.structs.replace(SLOTS[0], transactions=(*SLOTS[0].transactions, paid))]
    frames = frames_of(slots)
    assert frames.parties.participant_id == ["b", "c", "s"]
    assert frames.parties.bill[2] == frames_of([SLOTS[0]]).parties.bill[2] - 5_000_000
    assert balance(slots) == (0, 0, 0)


def test_deemed_readings_count_in_the_ledger_and_are_told() -> None:
    rows = tuple(msgspec.structs.replace(one, estimated=one.buyer_id == "c") for one in SLOTS[0].transactions)
    readings = {name: meter for name, meter in SLOTS[0].readings.items() if name != "c"}
    builder = FrameBuilder(Terms(STEP))
    builder.hear(msgspec.structs.replace(SLOTS[0], transactions=rows, readings=readings))
    assert builder.totals.estimated == 1
    assert builder.frames().parties.supplied == [0, 500, 0]


def test_ways_that_energy_took() -> None:
    frame = frames_of(SLOTS).flows
    assert frame is not None
    ways = dict(zip(zip(frame.origin, frame.target, strict=True), frame.quantity, strict=True))
    assert ways == {
        ("grid", "homes"): 600,
        ("solar", "grid"): 300,
        ("solar", "neighbours"): 1400,
        ("solar", "own use"): 90,
    }


def test_a_corrected_slot_counts_once() -> None:
    back = msgspec.structs.replace(
        SLOTS[0].transactions[4], id="r", quantity=-500, reverses=SLOTS[0].transactions[4].id
    )
    again = msgspec.structs.replace(SLOTS[0].transactions[4], id="n")
    slots = [msgspec.structs.replace(SLOTS[0], transactions=(*SLOTS[0].transactions, back, again))]
    assert balance(slots) == (0, 0, 0)
    found = {one.kpi.name: one.value for one in measure(frames_of(slots))}
    expected = {one.kpi.name: one.value for one in measure(frames_of([SLOTS[0]]))}
    assert found == expected
