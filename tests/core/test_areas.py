"""Areas: paths, fees on them, and fees that change."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import START, Dialogue, slot
from trex_market.core.areas import Areas, Fee, parts
from trex_market.core.errors import InputError, RefusalCode
from trex_market.core.messages import Area, Contracted, GridFeeRejected, GridFeeSet, Join, SetGridFee
from trex_market.core.units import MICRO

TREE = (
    Area("grid", fee=1_000),
    Area("community", "grid", fee=200),
    Area("house 1", "community", fee=30),
    Area("house 2", "community", fee=4),
    Area("plant", "grid", fee=50_000),
)

# ---------------------------------------------------------------- paths


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        ("house 1", "house 1", ("house 1",)),
        ("house 1", "house 2", ("house 1", "community", "house 2")),
        ("house 1", "community", ("house 1", "community")),
        ("grid", "house 2", ("grid", "community", "house 2")),
        ("house 2", "plant", ("house 2", "community", "grid", "plant")),
    ],
)
def test_the_path_goes_through_the_lowest_area_that_holds_both(
    first: str, second: str, names: tuple[str, ...]
) -> None:
    areas = Areas(TREE, {})
    assert areas.path(first, second) == names
    assert areas.path(second, first) == names[::-1]
    charged = sum(area.fee for area in TREE if area.name in names)
    assert areas.fees().between(first, second) == areas.fees().between(second, first) == Fee(charged)


@st.composite
def trees(draw: st.DrawFn) -> list[Area]:
    count = draw(st.integers(1, 9))
    areas = [Area("0", fee=draw(st.integers(0, 99)))]
    for number in range(1, count):
        parent = str(draw(st.integers(0, number - 1)))
        areas.append(Area(str(number), parent, draw(st.integers(0, 99)), draw(st.integers(0, 99))))
    return draw(st.permutations(areas))


@given(trees(), st.data())
def test_the_fee_is_that_of_all_areas_that_hold_one_of_two_and_of_the_lowest_that_holds_both(
    tree: list[Area], data: st.DataObject
) -> None:
    parents = {area.name: area.parent for area in tree}

    def holding(name: str | None) -> list[str]:
        return [] if name is None else [name, *holding(parents[name])]

    first, second = data.draw(st.sampled_from(sorted(parents))), data.draw(st.sampled_from(sorted(parents)))
    both = [name for name in holding(first) if name in holding(second)]
    through = set(holding(first)) ^ set(holding(second)) | {both[0]}
    expected = Fee(
        sum(area.fee for area in tree if area.name in through),
        sum(area.fee_share for area in tree if area.name in through),
    )
    areas = Areas(tree, {})
    assert areas.fees().between(first, second) == expected
    path = areas.path(first, second)
    assert (path[0], path[-1], set(path), len(set(path))) == (first, second, through, len(path))


# ---------------------------------------------------------------- fees


@given(st.integers(0, 60), st.integers(0, 10 * MICRO), st.integers(-40, 200))
def test_the_highest_price_under_a_limit_is_the_last_that_leaves_room_for_its_fee(
    fee: int, share: int, limit: int
) -> None:
    charged = Fee(fee, share)
    most = charged.most(limit)

    def total(price: int) -> int:
        return price + fee + round(Fraction(price * share, MICRO))

    assert charged.at(most) == total(most) - most
    assert total(most) <= limit < total(most + 1)


@given(st.integers(0, 10**9))
def test_the_parts_of_a_fee_are_all_of_it(fee: int) -> None:
    assert parts(fee, "buyer") == (0, fee)
    assert parts(fee, "seller") == (fee, 0)
    seller, buyer = parts(fee, "both")
    assert (seller + buyer, buyer - seller in (0, 1)) == (fee, True)


# ---------------------------------------------------------------- what cannot be


@pytest.mark.parametrize(
    ("areas", "said"),
    [
        ((Area("a", "b"),), "unknown area 'b'"),
        ((Area("a"), Area("b")), "found 2 of them: a, b"),
        ((Area("a", "b"), Area("b", "a")), "found 0 of them"),
        ((Area("r"), Area("a", "b"), Area("b", "a")), "an area cannot be in itself, found a in b in a"),
        ((Area("a"), Area("a")), "twice"),
        ((Area("a", fee=-1),), "a fee must be 0 to 1,000 $/kWh, found -1e-06"),
        ((Area("a", fee_share=10_000_001),), "a fee must be 0 to 1,000 % of the price, found 1000"),
    ],
)
def test_what_is_no_tree_is_refused(areas: tuple[Area, ...], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        Dialogue(areas=areas)


def test_nobody_can_be_where_there_is_no_area() -> None:
    with pytest.raises(InputError, match="unknown area 'moon'"):
        Dialogue(areas=TREE, places={"ann": "moon"})
    with pytest.raises(InputError, match="unknown area 'moon'"):
        Dialogue(areas=TREE).says(Join("ann", START, "moon"))
    with pytest.raises(InputError, match="the market has no areas"):
        Dialogue().says(Join("ann", START, "grid"))


def test_who_names_no_area_is_in_the_one_that_holds_all() -> None:
    dialogue = Dialogue("ann bob", areas=TREE, places={"ann": "house 1"})
    assert [dialogue.market.area_of(name) for name in ("ann", "bob")] == ["house 1", "grid"]
    dialogue.says(Join("bob", START, "plant"))
    assert dialogue.market.area_of("bob") == "plant"
    assert Dialogue("ann").market.area_of("ann") is None


@pytest.mark.parametrize("rule", ["uniform", "mcafee", "trade_reduction"])
def test_rules_with_the_same_prices_for_all_know_areas_but_no_fees(rule: str) -> None:
    with pytest.raises(
        InputError, match=f"areas cannot have fees: under the rule '{rule}' prices are the same"
    ):
        Dialogue(rule=rule, areas=TREE)
    dialogue = Dialogue("ann bob", rule, areas=(Area("grid"), Area("street", "grid")))
    answer = dialogue.hears(SetGridFee("street", START, 5), GridFeeRejected)
    assert answer.code == RefusalCode.BAD_PRICE
    assert "under the rule" in answer.detail
    dialogue.hears(SetGridFee("street", START), GridFeeSet)


# ---------------------------------------------------------------- changes


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (SetGridFee("moon", START, 5), RefusalCode.UNKNOWN_AREA),
        (SetGridFee("grid", START, -1), RefusalCode.BAD_PRICE),
        (SetGridFee("grid", START, 5, 10_000_001), RefusalCode.BAD_PRICE),
    ],
)
def test_a_fee_that_cannot_be_is_refused_and_changes_nothing(command: SetGridFee, code: RefusalCode) -> None:
    dialogue = Dialogue(areas=TREE)
    before = dialogue.market.grid_fees()
    answer = dialogue.hears(command, GridFeeRejected)
    assert (answer.code, bool(answer.detail)) == (code, True)
    assert dialogue.market.grid_fees() == before


def test_a_market_without_areas_has_no_fees_to_change() -> None:
    dialogue = Dialogue("ann")
    assert dialogue.hears(SetGridFee("grid", START, 5), GridFeeRejected).code == RefusalCode.UNKNOWN_AREA
    assert dialogue.market.grid_fees() == {}


def traded(dialogue: Dialogue, **others: Any) -> None:
    dialogue.asks("ann", 10, 100_000, **others)
    dialogue.bids("bob", 10, 200_000, **others)


def fees_of(dialogue: Dialogue) -> list[int]:
    return [one.fee_bid for event in dialogue.heard(Contracted) for one in event.contracts]


def test_a_changed_fee_holds_from_the_next_slot_to_be_cleared() -> None:
    dialogue = Dialogue("ann bob", areas=(Area("grid", fee=1_000),))
    for number in range(3):
        dialogue.starts_round(number)
        traded(dialogue)
        if number == 1:
            assert dialogue.hears(SetGridFee("grid", START, 5_000), GridFeeSet) == GridFeeSet(
                "grid", 5_000, 0
            )
            assert dialogue.market.grid_fees(slot(2)) == {"grid": (5_000, 0)}
        dialogue.ends_round()
    dialogue.starts_round(3)
    # The orders of round 0 were cleared in round 1, before the change.
    assert fees_of(dialogue) == [1_000, 5_000, 5_000]
