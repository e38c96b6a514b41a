"""The market's phases, and why orders are refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers import START, STEP, Dialogue, refused, report, slot, terms
from trex_market.core.errors import InputError, PhaseError, RefusalCode
from trex_market.core.market import ALLOWED, Phase
from trex_market.core.messages import (
    AdvanceClock,
    CancelOrder,
    ChangeRejected,
    ClearOpenSlots,
    Command,
    Contracted,
    EndRound,
    EndTurn,
    Join,
    OpenMarket,
    Order,
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
    ReadRegisters,
    ReplaceOrder,
    ReportMeter,
    SetGridFee,
    StartRound,
    SubmitOrder,
)
from trex_market.core.units import MAX_PRICE, MAX_QUANTITY

# ---------------------------------------------------------------- phases

COMMANDS: dict[type, Command] = {
    OpenMarket: terms(),
    Join: Join("new", START),
    SubmitOrder: SubmitOrder("x", "ann", "bid", 5, 5, "solar", slot(9), slot(10), START),
    CancelOrder: CancelOrder("o1", "ann", START),
    ReplaceOrder: ReplaceOrder("o1", "ann", 7, 7, START),
    ReportMeter: report("ann", START),
    StartRound: StartRound(slot(1), STEP),
    SetGridFee: SetGridFee("grid", START, 5),
    EndTurn: EndTurn("ann"),
    EndRound: EndRound(slot(1)),
}
ANY_TIME: set[type] = {Join, SubmitOrder, CancelOrder, ReplaceOrder, ReportMeter, SetGridFee}
EXPECTED: dict[Phase, set[type]] = {
    Phase.CLOSED: {OpenMarket},
    Phase.BETWEEN: {StartRound} | ANY_TIME,
    Phase.ROUND: {EndTurn, EndRound} | ANY_TIME,
}


def in_phase(phase: Phase) -> Dialogue:
    dialogue = Dialogue("ann")
    if phase is Phase.CLOSED:
        dialogue.market = type(dialogue.market)()
        return dialogue
    dialogue.bids("ann", 5, 5, slot_start=slot(8))
    dialogue.starts_round(0)
    if phase is Phase.BETWEEN:
        dialogue.ends_round()
    assert dialogue.market.phase is phase
    return dialogue


def test_the_table_is_complete() -> None:
    elsewhere = {AdvanceClock, ReadRegisters, ClearOpenSlots}  # tested where they do something
    expected = {
        phase: kinds | elsewhere if phase is not Phase.CLOSED else kinds for phase, kinds in EXPECTED.items()
    }
    assert {phase: set(allowed) for phase, allowed in ALLOWED.items()} == expected
    assert set(COMMANDS) == set().union(*EXPECTED.values())


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.name)
def test_each_phase_takes_its_commands_and_no_others(phase: Phase, kind: type) -> None:
    dialogue = in_phase(phase)
    market = dialogue.market
    if kind in EXPECTED[phase]:
        assert dialogue.says(COMMANDS[kind])
        return
    before = (market.phase, market.current, market.members, market.open_orders("ann"))
    with pytest.raises(PhaseError, match=f"{kind.__name__} is not possible: the market is {phase}"):
        dialogue.says(COMMANDS[kind])
    assert (market.phase, market.current, market.members, market.open_orders("ann")) == before


@pytest.mark.parametrize(
    "others",
    [{"rule": "MicroTE9"}, {"timezone": "Mars/Olympus"}, {"timezone": "America"}, {"timezone": ""}],
    ids=str,
)
def test_a_market_that_cannot_be_opened_stays_closed(others: dict[str, Any]) -> None:
    dialogue = in_phase(Phase.CLOSED)
    with pytest.raises(InputError, match="unknown"):
        dialogue.says(terms(**others))
    assert dialogue.market.phase is Phase.CLOSED
    assert dialogue.says(terms())


@pytest.mark.parametrize(
    "wrong",
    [
        StartRound(slot(1) + 1, STEP),
        StartRound(slot(1), STEP + 1),
        StartRound(slot(0), STEP),
        StartRound(slot(-1), STEP),
    ],
    ids=str,
)
def test_a_round_that_cannot_start_changes_nothing(wrong: StartRound) -> None:
    dialogue = in_phase(Phase.BETWEEN)
    with pytest.raises(PhaseError, match="round"):
        dialogue.says(wrong)
    assert (dialogue.market.phase, dialogue.market.current) == (Phase.BETWEEN, START)
    assert len(dialogue.market.open_orders("ann")) == 1
    assert dialogue.starts_round(1)


# ---------------------------------------------------------------- orders


@pytest.mark.parametrize(
    ("others", "code"),
    [
        ({"participant_id": "eve"}, RefusalCode.UNKNOWN_PARTICIPANT),
        ({"quantity": 0}, RefusalCode.BAD_QUANTITY),
        ({"quantity": -5}, RefusalCode.BAD_QUANTITY),
        ({"quantity": 5.0}, RefusalCode.BAD_QUANTITY),
        ({"quantity": True}, RefusalCode.BAD_QUANTITY),
        ({"quantity": MAX_QUANTITY + 1}, RefusalCode.BAD_QUANTITY),
        ({"price": -1}, RefusalCode.BAD_PRICE),
        ({"price": float("nan")}, RefusalCode.BAD_PRICE),
        ({"price": float("inf")}, RefusalCode.BAD_PRICE),
        ({"price": MAX_PRICE + 1}, RefusalCode.BAD_PRICE),
        ({"source": "coal"}, RefusalCode.UNKNOWN_SOURCE),
        ({"source": None}, RefusalCode.UNKNOWN_SOURCE),
        ({"source": ""}, RefusalCode.UNKNOWN_SOURCE),
        ({"slot_start": slot(2) + 1}, RefusalCode.BAD_SLOT),
        ({"slot_end": slot(4)}, RefusalCode.BAD_SLOT),
        ({"slot_end": slot(2)}, RefusalCode.BAD_SLOT),
        ({"slot_start": float(slot(2))}, RefusalCode.BAD_SLOT),
        ({"slot_start": slot(1)}, RefusalCode.GATE_CLOSED),
        ({"slot_start": slot(-5)}, RefusalCode.GATE_CLOSED),
        ({"slot_start": slot(6)}, RefusalCode.BEYOND_HORIZON),
        ({"order_id": "taken"}, RefusalCode.MALFORMED),
    ],
    ids=str,
)
@pytest.mark.parametrize("side", ["bid", "ask"])
def test_an_order_is_refused_with_a_code_and_changes_nothing(
    side: Any, others: dict[str, Any], code: RefusalCode
) -> None:
    dialogue = Dialogue("ann bob", horizon_steps=5)
    dialogue.bids("bob", 5, 5, order_id="taken", slot_start=slot(3))
    dialogue.starts_round(0)
    fields = {"quantity": 5, "price": 5, **others}
    who = fields.pop("participant_id", "ann")
    event = dialogue.says(dialogue.submit(who, side, **fields))[0]
    assert refused(event) is code
    assert dialogue.market.open_orders("ann") == []
    assert len(dialogue.market.open_orders("bob")) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": 1},
        {"quantity": MAX_QUANTITY},
        {"price": 0},
        {"price": MAX_PRICE},
        {"source": "BESS"},
        {"slot_start": slot(2)},
        {"slot_start": slot(5)},
    ],
    ids=str,
)
def test_orders_at_the_limits_are_accepted(fields: dict[str, Any]) -> None:
    dialogue = Dialogue("ann", horizon_steps=5)
    dialogue.starts_round(0)
    event = dialogue.says(dialogue.submit("ann", "ask", **{"quantity": 5, "price": 5, **fields}))[0]
    assert isinstance(event, OrderAccepted)
    assert event.order.source in {"bess", "solar"}


@pytest.mark.parametrize(
    ("price", "accepted"), [(49_999, False), (50_000, True), (90_000, True), (90_001, False)]
)
def test_prices_keep_the_floor_and_the_cap(price: int, *, accepted: bool) -> None:
    dialogue = Dialogue("ann", price_floor=50_000, price_cap=90_000)
    event = dialogue.bids("ann", 5, price)
    assert isinstance(event, OrderAccepted) is accepted
    assert accepted or refused(event) is RefusalCode.BAD_PRICE


def test_a_negative_floor_admits_negative_prices() -> None:
    assert isinstance(Dialogue("ann", price_floor=-100).bids("ann", 5, -100), OrderAccepted)


def test_in_a_single_pool_bids_name_no_source_and_asks_do() -> None:
    dialogue = Dialogue("ann bob", "MicroTE3B")
    accepted = dialogue.hears(dialogue.submit("ann", "bid", 5, 5, source="coal"), OrderAccepted)
    assert accepted.order.source is None
    assert refused(dialogue.asks("bob", 5, 5, source="coal")) is RefusalCode.UNKNOWN_SOURCE
    assert refused(dialogue.asks("bob", 5, 5, source=None)) is RefusalCode.UNKNOWN_SOURCE


def test_before_the_first_round_any_aligned_slot_is_taken() -> None:
    dialogue = Dialogue("ann", horizon_steps=2)
    for number in (-9, 0, 1, 100):
        assert isinstance(dialogue.bids("ann", 5, 5, slot_start=slot(number)), OrderAccepted)


def test_the_id_of_a_refused_order_stays_free_and_that_of_a_cancelled_one_does_not() -> None:
    dialogue = Dialogue("ann")
    assert refused(dialogue.bids("ann", 0, 5, order_id="x")) is RefusalCode.BAD_QUANTITY
    assert isinstance(dialogue.bids("ann", 5, 5, order_id="x"), OrderAccepted)
    dialogue.hears(CancelOrder("x", "ann", START), OrderCancelled)
    assert refused(dialogue.bids("ann", 5, 5, order_id="x")) is RefusalCode.MALFORMED


# ---------------------------------------------------------------- cancel and replace


def accepted_bid(dialogue: Dialogue, who: str, quantity: int, price: int, **others: Any) -> Order:
    return dialogue.hears(dialogue.submit(who, "bid", quantity, price, **others), OrderAccepted).order


def test_an_order_can_be_cancelled_once_and_by_its_owner_alone() -> None:
    dialogue = Dialogue("ann bob")
    bid = accepted_bid(dialogue, "ann", 5, 5)
    assert refused(dialogue.says(CancelOrder(bid.order_id, "bob", START))[0]) is RefusalCode.UNKNOWN_ORDER
    assert dialogue.hears(CancelOrder(bid.order_id, "ann", START), OrderCancelled).order == bid
    assert refused(dialogue.says(CancelOrder(bid.order_id, "ann", START))[0]) is RefusalCode.UNKNOWN_ORDER


def test_an_order_can_be_replaced_by_its_owner_alone_and_stands_if_that_is_refused() -> None:
    dialogue = Dialogue("ann bob")
    bid = accepted_bid(dialogue, "ann", 5, 5)
    name = bid.order_id
    wrong = {
        ReplaceOrder(name, "bob", 6, 6, START): RefusalCode.UNKNOWN_ORDER,
        ReplaceOrder("other", "ann", 6, 6, START): RefusalCode.UNKNOWN_ORDER,
        ReplaceOrder(name, "ann", 0, 6, START): RefusalCode.BAD_QUANTITY,
        ReplaceOrder(name, "ann", 6, -1, START): RefusalCode.BAD_PRICE,
    }
    for command, code in wrong.items():
        assert refused(dialogue.hears(command, ChangeRejected)) is code
    assert dialogue.market.open_orders("ann") == [bid]
    new = dialogue.hears(ReplaceOrder(name, "ann", 6, 7, START + 1), OrderReplaced).order
    assert (new.order_id, new.quantity, new.price, new.time, new.slot_start) == (
        name,
        6,
        7,
        START + 1,
        bid.slot_start,
    )
    assert dialogue.market.open_orders("ann") == [new]


def test_a_replaced_order_counts_as_submitted_anew() -> None:
    dialogue = Dialogue("ann bob cid")
    first = accepted_bid(dialogue, "ann", 5, 9, time=START)
    accepted_bid(dialogue, "bob", 5, 9, time=START + 1)
    dialogue.asks("cid", 5, 9)
    dialogue.says(ReplaceOrder(first.order_id, "ann", 5, 9, START + 2))
    dialogue.starts_round(1)
    assert [c.buyer_id for c in dialogue.heard(Contracted)[0].contracts] == ["bob"]


def test_after_the_gate_nothing_can_be_changed() -> None:
    dialogue = Dialogue("ann")
    bid = accepted_bid(dialogue, "ann", 5, 5)
    dialogue.starts_round(1)
    for command in (
        CancelOrder(bid.order_id, "ann", slot(1)),
        ReplaceOrder(bid.order_id, "ann", 6, 6, slot(1)),
    ):
        assert refused(dialogue.hears(command, ChangeRejected)) is RefusalCode.UNKNOWN_ORDER
    assert refused(dialogue.bids("ann", 5, 5, order_id=bid.order_id)) is RefusalCode.MALFORMED
