"""Areas in a config, from its text to the market's terms and the first line of a journal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.helpers import SMALL, config, only_mistake
from tests.helpers import terms
from trex_market.config import open_command_from_scenario, scenario_from_open_command
from trex_market.config.areas import area_terms
from trex_market.core.areas import MAX_SHARE
from trex_market.core.errors import ScenarioError
from trex_market.core.messages import Area, OpenMarket
from trex_market.core.units import MAX_PRICE

TOWN = """\
areas:
  grid: {fee: 0.01}
  community: {parent: grid, fee_percent: 2.5}
  street: {parent: community, fee: 0.002, fee_percent: 0.1}
"""
IN_TOWN = TOWN + SMALL.replace("    trader:", "    area: street\n    trader:")


def test_areas_become_the_markets_terms() -> None:
    loaded = config(IN_TOWN)
    assert area_terms(loaded.areas) == (
        Area("grid", None, 10_000),
        Area("community", "grid", 0, 25_000),
        Area("street", "community", 2_000, 1_000),
    )
    assert loaded.places == {"home_01": "street"}
    opened = loaded.market.open_command(60, "UTC", areas=loaded.areas, places=loaded.places)
    assert (len(opened.areas), opened.places, opened.fee_payer) == (3, {"home_01": "street"}, "buyer")


def test_without_areas_there_are_none() -> None:
    for text in (SMALL, "areas:\n" + SMALL, "areas: {}\n" + SMALL):
        loaded = config(text)
        assert (loaded.areas, loaded.places) == ({}, {})


def test_an_area_may_say_nothing() -> None:
    assert area_terms(config("areas:\n  grid:\n" + SMALL).areas) == (Area("grid"),)


@pytest.mark.parametrize(
    ("areas", "message"),
    [
        (
            "  grid: {}\n  street: {parent: gird}",
            "x.yaml:3: areas.street.parent: unknown area 'gird'. Did you mean 'grid'?",
        ),
        (
            "  a: {}\n  b: {}",
            "x.yaml:1: areas: one area must hold all others, and have no parent; found 2 of them: a, b",
        ),
        (
            "  g: {}\n  a: {parent: b}\n  b: {parent: a}",
            "x.yaml:3: areas.a.parent: an area cannot be in itself, found a in b in a",
        ),
        ("  g: {fee: -1}", "x.yaml:2: areas.g.fee: must be at least 0 $/kWh, found -1"),
        ("  g: {fee_percent: 1001}", "x.yaml:2: areas.g.fee_percent: must be at most 1000 %, found 1001"),
        ("  g: {fees: 1}", "x.yaml:2: areas.g.fees: unknown key"),
    ],
)
def test_areas_that_cannot_be_are_told(areas: str, message: str) -> None:
    assert only_mistake(f"areas:\n{areas}\n{SMALL}").startswith(message)


def test_a_participant_must_be_where_there_is_an_area() -> None:
    wrong = IN_TOWN.replace("area: street", "area: moon")
    assert only_mistake(wrong).startswith("x.yaml:12: participants.home_01.area: unknown area 'moon'")
    assert "unknown area 'street'" in only_mistake(IN_TOWN.removeprefix(TOWN))


# ---------------------------------------------------------------- scenarios

LINE = scenario_from_open_command(terms())


def test_a_scenario_of_a_market_without_areas_says_nothing_of_them() -> None:
    assert not {"areas", "places", "clearing", "fee_payer"} & set(LINE)


def test_who_is_nowhere_is_told_with_the_line() -> None:
    with pytest.raises(ScenarioError, match=r"f:1: market.places.ann: unknown area 'moon'"):
        open_command_from_scenario({**LINE, "places": {"ann": "moon"}}, "f:1")


@st.composite
def opened(draw: st.DrawFn) -> OpenMarket:
    names = draw(st.lists(st.text("abc üß", min_size=1).filter(str.strip), max_size=5, unique=True))
    areas = tuple(
        Area(
            name,
            draw(st.sampled_from(names[:place])) if place else None,
            draw(st.integers(0, MAX_PRICE)),
            draw(st.integers(0, MAX_SHARE)),
        )
        for place, name in enumerate(names)
    )
    places = draw(st.dictionaries(st.sampled_from("xyz"), st.sampled_from(names))) if names else {}
    return terms(
        areas=areas,
        places=places,
        clearing=draw(st.sampled_from(("gate", "tick"))),
        fee_payer=draw(st.sampled_from(("buyer", "seller", "both"))),
    )


@given(opened())
def test_writing_and_reading_a_scenario_undo_each_other(command: OpenMarket) -> None:
    line = json.loads(json.dumps(scenario_from_open_command(command)))
    assert open_command_from_scenario(line, "f:1") == command
