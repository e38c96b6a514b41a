"""Which requirements an order may have, and how the market takes them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers import Dialogue, refused
from trex_market.core.errors import RefusalCode
from trex_market.core.messages import (
    Attributes,
    Contracted,
    OrderAccepted,
    OrderRejected,
    OrderReplaced,
    ReplaceOrder,
    Requirement,
)


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ({"requirements": (Requirement(energy=0),)}, "requirement 1: the quantity must be"),
        (
            {"requirements": (Requirement(), Requirement(energy=10**10))},
            "requirement 2: the quantity must be",
        ),
        (
            {"requirements": (Requirement(price=4_999),)},
            "requirement 1: the price must be 0.005 to 0.5 $/kWh",
        ),
        (
            {"requirements": (Requirement(price=500_001),)},
            "requirement 1: the price must be 0.005 to 0.5 $/kWh",
        ),
        ({"requirements": (Requirement(),) * 21}, "an order may have 20 requirements, found 21"),
        (
            {"requirements": (Requirement(trading_partners=("b",) * 101),)},
            "trading_partners may have 100 names, found 101",
        ),
        ({"requirements": (Requirement(energy_type=("",)),)}, "a name in energy_type must have 1 to 64"),
        ({"attributes": Attributes("x" * 65)}, "a name in energy_type must have 1 to 64"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(said: dict[str, Any], detail: str) -> None:
    dialogue = Dialogue("ann", price_floor=5_000, price_cap=500_000)
    answer = dialogue.bids("ann", 5, 100_000, **said)
    assert refused(answer) == RefusalCode.BAD_REQUIREMENT
    assert isinstance(answer, OrderRejected)
    assert answer.detail.startswith(detail)
    assert dialogue.market.open_slots() == {}


@pytest.mark.parametrize("rule", ["uniform", "mcafee", "trade_reduction"])
def test_rules_with_the_same_prices_for_all_take_no_requirements_but_attributes(rule: str) -> None:
    dialogue = Dialogue("ann", rule)
    answer = dialogue.bids("ann", 5, 5, requirements=(Requirement(),))
    assert refused(answer) == RefusalCode.BAD_REQUIREMENT
    assert isinstance(answer, OrderRejected)
    assert f"under the rule '{rule}' prices are the same" in answer.detail
    assert isinstance(dialogue.bids("ann", 5, 5, attributes=Attributes("green")), OrderAccepted)


def test_energy_types_are_case_insensitive() -> None:
    dialogue = Dialogue("ann bob cat", pools="single")
    dialogue.starts_round(0)
    green = Requirement(energy_type=("Green", "WIND"))
    taken = dialogue.bids("ann", 10, 100, requirements=(green,))
    assert isinstance(taken, OrderAccepted)
    assert taken.order.requirements == (Requirement(energy_type=("green", "wind")),)
    dialogue.asks("bob", 3, 50, source="Solar")
    dialogue.asks("bob", 3, 60, source="Solar", attributes=Attributes("GREEN"))
    dialogue.asks("cat", 3, 70, source="wind")
    dialogue.ends_round()
    dialogue.starts_round(1)
    (cleared,) = dialogue.heard(Contracted)[1:]
    assert [(one.seller_id, one.quantity, one.energy_source) for one in cleared.contracts] == [
        ("bob", 3, "solar"),
        ("cat", 3, "wind"),
    ]


def test_a_replaced_order_keeps_what_it_requires() -> None:
    dialogue = Dialogue("ann bob")
    requirements = (Requirement(trading_partners=("ann",)),)
    dialogue.bids("ann", 10, 100, requirements=requirements, attributes=Attributes("x"))
    changed = dialogue.hears(ReplaceOrder("o1", "ann", 5, 90, dialogue.now), OrderReplaced)
    assert (changed.order.requirements, changed.order.attributes) == (requirements, Attributes("x"))


def test_one_demanding_order_changes_nothing_for_the_others() -> None:
    """Nobody meets the demanding one, so the contracts are those without it."""

    def traded(*demanding: Requirement) -> list[Any]:
        dialogue = Dialogue("ann bob cat dan")
        dialogue.starts_round(0)
        if demanding:
            dialogue.bids("dan", 500, 900_000, requirements=demanding)
        for price in (5, 3, 4, 4):
            dialogue.asks("ann", 10, price, order_id=f"a{price}{len(dialogue.events)}")
            dialogue.bids("bob", 7, price + 1)
            dialogue.bids("cat", 6, price)
        dialogue.ends_round()
        dialogue.starts_round(1)
        return [
            (one.seller_id, one.buyer_id, one.quantity, one.settlement_price_buy)
            for event in dialogue.heard(Contracted)
            for one in event.contracts
        ]

    assert traded(Requirement(trading_partners=("zoe",))) == traded() != []
