"""Clearing before the gate: what meets becomes contracts, the rest stays in the book."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.lively import lively_areas
from tests.helpers import START, STEP, Dialogue, refused, slot
from trex_market.core.clearing import RULES
from trex_market.core.errors import RefusalCode
from trex_market.core.market import Market
from trex_market.core.messages import (
    Area,
    CancelOrder,
    ClearOpenSlots,
    Contract,
    Contracted,
    Event,
    GridFeeSet,
    Order,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OrderReplaced,
    ReplaceOrder,
    Requirement,
    SetGridFee,
)


def contracts(events: list[Event]) -> list[Contract]:
    return [one for event in events if isinstance(event, Contracted) for one in event.contracts]


def opened(**others: Any) -> Dialogue:
    dialogue = Dialogue("ann bob cat", "MicroTE", **others)
    dialogue.starts_round(0)
    return dialogue


def test_what_meets_becomes_contracts_and_the_rest_waits() -> None:
    dialogue = opened()
    dialogue.asks("ann", 1_000, 100_000)
    dialogue.bids("bob", 300, 200_000)
    (event,) = dialogue.says(ClearOpenSlots(START))
    assert isinstance(event, Contracted)
    (made,) = event.contracts
    assert (event.slot_start, made.id, made.quantity, made.time_purchase) == (
        slot(2),
        f"c{slot(2)}-00000",
        300,
        slot(1),
    )
    assert dialogue.market.open_orders("bob") == []
    (rest,) = dialogue.market.open_orders("ann")
    assert (rest.order_id, rest.quantity, rest.sequence) == ("o1", 700, 1)
    assert dialogue.says(ClearOpenSlots(START)) == []

    dialogue.bids("cat", 900, 150_000)
    (second,) = contracts(dialogue.says(ClearOpenSlots(START)))
    assert (second.id, second.quantity, second.buyer_id) == (f"c{slot(2)}-00001", 700, "cat")
    dialogue.asks("ann", 50, 100_000)
    dialogue.ends_round()
    at_gate = dialogue.starts_round(1)
    (third,) = contracts(at_gate)
    assert (third.id, third.quantity, third.buyer_id) == (f"c{slot(2)}-00002", 50, "cat")
    assert dialogue.market.contracts_for(slot(2)) == (made, second, third)
    assert dialogue.market.contracts_of("cat") == [second, third]


def test_only_one_slot_or_all() -> None:
    dialogue = opened()
    for number in (2, 3):
        dialogue.asks("ann", 5, 1, slot_start=slot(number))
        dialogue.bids("bob", 5, 1, slot_start=slot(number))
    assert [one.slot_start for one in contracts(dialogue.says(ClearOpenSlots(START, slot(3))))] == [slot(3)]
    assert [one.slot_start for one in contracts(dialogue.says(ClearOpenSlots(START)))] == [slot(2)]
    assert dialogue.says(ClearOpenSlots(START, slot(9))) == []


def test_before_the_first_round_and_between_rounds_too() -> None:
    dialogue = Dialogue("ann bob")
    dialogue.asks("ann", 5, 1)
    dialogue.bids("bob", 5, 1)
    (made,) = contracts(dialogue.says(ClearOpenSlots(START - 7)))
    assert made.time_purchase == START - 7
    dialogue.starts_round(0)
    dialogue.ends_round()
    dialogue.asks("ann", 5, 1)
    dialogue.bids("bob", 5, 1)
    (later,) = contracts(dialogue.says(ClearOpenSlots(START + 8)))
    assert later.time_purchase == START + STEP


def test_what_is_left_of_an_order_can_be_changed_and_taken_back_but_its_id_is_used() -> None:
    dialogue = opened()
    dialogue.asks("ann", 10, 100)
    dialogue.bids("bob", 4, 100)
    dialogue.says(ClearOpenSlots(START))
    changed = dialogue.hears(ReplaceOrder("o1", "ann", 7, 90, START), OrderReplaced)
    assert (changed.order.quantity, changed.order.price) == (7, 90)
    assert dialogue.hears(CancelOrder("o1", "ann", START), OrderCancelled).order.quantity == 7
    assert refused(dialogue.says(CancelOrder("o2", "bob", START))[0]) == RefusalCode.UNKNOWN_ORDER
    again = dialogue.asks("ann", 10, 100, order_id="o2")
    assert isinstance(again, OrderRejected)


def test_a_requirement_remembers_what_was_traded_under_it() -> None:
    dialogue = opened(pools="single")
    dialogue.bids("bob", 10, 200, requirements=(Requirement(trading_partners=("ann",), energy=6),))
    dialogue.asks("ann", 4, 100)
    dialogue.asks("cat", 50, 50)
    assert [one.quantity for one in contracts(dialogue.says(ClearOpenSlots(START)))] == [4]
    dialogue.asks("ann", 9, 100)
    assert [one.quantity for one in contracts(dialogue.says(ClearOpenSlots(START)))] == [2]
    dialogue.ends_round()
    assert contracts(dialogue.starts_round(1)) == []


def test_fees_of_a_slot_with_contracts_stay_until_it_has_been_cleared() -> None:
    dialogue = opened(areas=(Area("grid", fee=10),))

    def trade(number: int) -> int:
        dialogue.asks("ann", 5, 100, slot_start=slot(number))
        dialogue.bids("bob", 5, 500, slot_start=slot(number))
        (made,) = contracts(dialogue.says(ClearOpenSlots(START, slot(number))))
        return made.fee_bid

    assert trade(2) == 10
    dialogue.hears(SetGridFee("grid", START, 70), GridFeeSet)
    assert (trade(3), trade(2)) == (70, 10)
    assert (dialogue.market.grid_fees(slot(2)), dialogue.market.grid_fees()) == (
        {"grid": (10, 0)},
        {"grid": (70, 0)},
    )
    dialogue.asks("ann", 5, 100)
    dialogue.bids("bob", 5, 500)
    dialogue.ends_round()
    (at_gate,) = contracts(dialogue.starts_round(1))
    assert at_gate.fee_bid == 10
    known = dialogue.market.state().areas
    assert known is not None
    assert known.kept == {slot(3): {"grid": (70, 0)}}


# ---------------------------------------------------------------- always

seeds = st.integers(0, 10**6)
rules = st.sampled_from(sorted(RULES))


@given(seeds, rules)
@settings(max_examples=60)
def test_no_order_is_oversold_and_contracts_go_on_counting(seed: int, rule: str) -> None:
    market = Market()
    left: dict[str, int] = {}
    numbers: dict[int, int] = {}
    for command in lively_areas(seed, rule, areas=False, requirements=False):
        for event in market.handle(command):
            if isinstance(event, OrderAccepted | OrderReplaced):
                left[event.order.order_id] = event.order.quantity
            if isinstance(event, OrderCancelled):
                assert left.pop(event.order.order_id) == event.order.quantity
            if isinstance(event, Contracted):
                for one in event.contracts:
                    number = numbers.get(one.slot_start, 0)
                    numbers[one.slot_start] = number + 1
                    assert one.id == f"c{one.slot_start}-{number:05d}"
                    left[one.bid_id] -= one.quantity
                    left[one.ask_id] -= one.quantity
        assert all(quantity >= 0 for quantity in left.values())
        book = [order for orders in market.open_slots().values() for order in orders]
        assert all(order.quantity == left[order.order_id] for order in book)
        assert {order.order_id for order in book} == {
            order.order_id for name in market.members for order in market.open_orders(name)
        }


def orders_of(market: Market) -> list[Order]:
    return [order for orders in market.open_slots().values() for order in orders]


@given(seeds, st.sampled_from(("MicroTE", "MicroTE3B", "k_pricing")))
@settings(max_examples=60)
def test_after_a_clearing_nothing_in_the_book_can_meet(seed: int, rule: str) -> None:
    market = Market()
    for command in lively_areas(seed, rule):
        market.handle(command)
        if isinstance(command, ClearOpenSlots):
            before = orders_of(market)
            assert market.handle(command) == []
            assert orders_of(market) == before
