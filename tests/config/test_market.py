from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.helpers import SMALL, config, mistakes, only_mistake, small
from trex_market.config import open_command_from_scenario, scenario_from_open_command
from trex_market.core.errors import ScenarioError
from trex_market.core.market import Market
from trex_market.core.messages import GridTerms, MarketOpened, OpenMarket
from trex_market.core.units import MAX_PRICE, MICRO


def opened(market: str) -> OpenMarket:
    return config(small("  grid: {price: 0.069}\n", market)).market.open_command(900, "Europe/Berlin")


def market_mistake(market: str) -> str:
    return only_mistake(small("  grid: {price: 0.069}\n", market)).split(": ", 1)[1]


def test_the_least_that_opens_a_market() -> None:
    assert opened("  grid: {price: 0.069}\n") == OpenMarket(
        market_id="trex",
        rule="MicroTE",
        close_steps=2,
        step=900,
        timezone="Europe/Berlin",
        grid=GridTerms(price=0.069),
    )


def test_all_that_opens_a_market() -> None:
    command = opened("""
  id: street
  type: uniform
  close_steps: 4
  grid: {price: -0.01, fee_ratio: 1.1, tou: {"1, 12": {"0,23": 0.2}}}
  pools: single
  k: 0.3333333
  horizon_steps: 96
  price_floor: 0.05
  price_cap: 0.1234567
  shortfall: replacement
  sources: {Hydro: dispatch, solar: non_dispatch}
  default_bid_source: HYDRO
""")
    assert command == OpenMarket(
        market_id="street",
        rule="uniform",
        close_steps=4,
        step=900,
        timezone="Europe/Berlin",
        grid=GridTerms(price=-0.01, fee_ratio=1.1, tou={"1, 12": {"0,23": 0.2}}),
        pools="single",
        k=333_333,
        sources={"bess": True, "solar": False, "wind": False, "hydro": True},
        horizon_steps=96,
        price_floor=50_000,
        price_cap=123_457,
        shortfall="replacement",
    )
    (event,) = Market().handle(command)
    assert isinstance(event, MarketOpened)


@given(st.floats(0, 1))
def test_k_is_rounded_half_to_even(k: float) -> None:
    command = config(SMALL).market.model_copy(update={"k": k}).open_command(60, "UTC")
    assert command.k == round(Fraction(repr(k)) * MICRO)


def test_a_price_file_replaces_the_price_and_must_be_read_first() -> None:
    market = config(small("{price: 0.069}", "{price_file: prices.csv}")).market
    with pytest.raises(ValueError, match="price_file has to be read first"):
        market.open_command(60, "UTC")
    series = ((0, 69_000, 144_900),)
    assert market.open_command(60, "UTC", series=series).grid.series == series


@pytest.mark.parametrize(
    ("market", "message"),
    [
        ("  grid: {}\n", "market.grid.price: must be given, in $/kWh (or a price_file)"),
        (
            "  grid: {price: 0.1, tou: {'0,1': {'1': 0.1}}}\n",
            "market.grid.tou.0,1: must be months: numbers 1 to 12",
        ),
        ("  grid: {price: 0.1, tou: {'1-3': {'1': 0.1}}}\n", "market.grid.tou.1-3: must be months"),
        (
            "  grid: {price: 0.1, tou: {'1': {'24': 0.1}}}\n",
            "market.grid.tou.1.24: must be hours: numbers 0 to 23",
        ),
        ("  grid: {price: 0.1, tou: {'1': {'': 0.1}}}\n", "market.grid.tou.1.'': must be hours"),
        (
            "  grid: {price: 0.1, tou: {1: {7: x}}}\n",
            "market.grid.tou.1.7: must be a number of $/kWh, found 'x'",
        ),
        (
            "  grid: {price: 900, fee_ratio: 1}\n",
            "market.grid.price: price x (1 + fee_ratio) must be at most 1000 $/kWh",
        ),
        (
            "  grid: {price: 1, tou: {1: {2: 900}}, fee_ratio: 1}\n",
            "market.grid.tou.1.2: price x (1 + fee_ratio)",
        ),
        ("  grid: {price: 1}\n  close_steps: 1\n", "market.close_steps: must be at least 2 steps, found 1"),
        ("  grid: {price: 1}\n  k: 1.01\n", "market.k: must be at most 1, found 1.01"),
        (
            "  grid: {price: 1}\n  pools: both\n",
            "market.pools: must be 'by_source' or 'single', found 'both'",
        ),
        ("  grid: {price: 1}\n  price_floor: -1\n", "market.price_floor: must be at least 0 $/kWh, found -1"),
        (
            "  grid: {price: 1}\n  price_floor: 2\n  price_cap: 1\n",
            "market.price_cap: must be at least price_floor, 2 $/kWh",
        ),
        (
            "  grid: {price: 1}\n  default_bid_source: sollar\n",
            "market.default_bid_source: unknown source 'sollar'. Did you mean 'solar'?",
        ),
        (
            "  grid: {price: 1}\n  sources: {Hydro: dispatch, hydro: dispatch}\n",
            "market.sources: the case of letters",
        ),
        (
            "  grid: {price: 1}\n  sources: {grid: dispatch}\n",
            "market.sources.grid: 'grid' cannot be a source",
        ),
        (
            "  grid: {price: 1}\n  sources: {hydro: yes}\n",
            "market.sources.hydro: must be 'dispatch' or 'non_dispatch'",
        ),
    ],
)
def test_wrong_markets_are_told(market: str, message: str) -> None:
    assert market_mistake(market).startswith(message)


def test_a_source_with_a_wrong_kind_is_not_also_unknown() -> None:
    lines = mistakes(
        SMALL.replace("market:", "market:\n  default_bid_source: hydro\n  sources: {hydro: water}")
    )
    assert len(lines) == 1


# ---------------------------------------------------------------- scenarios

LINE = json.loads(
    '{"id": "m1", "type": "MicroTE2", "close_steps": 3, "time_step_size": 900, "timezone": "UTC",'
    ' "grid": {"price": 0.069, "fee_ratio": 1.1, "tou": {"5,6": {"7,8": 0.144}}}}'
)


def test_a_scenario_opens_its_market() -> None:
    assert open_command_from_scenario(LINE, "file.jsonl:1") == OpenMarket(
        market_id="m1", rule="MicroTE2", close_steps=3, step=900, timezone="UTC",
        grid=GridTerms(price=0.069, fee_ratio=1.1, tou={"5,6": {"7,8": 0.144}}),
    )  # fmt: skip


def test_all_that_is_wrong_with_a_scenario_is_one_error() -> None:
    with pytest.raises(ScenarioError) as caught:
        open_command_from_scenario(
            {
                "close_stepz": 3,
                "timezone": "UTZ",
                "grid": {"price": "1", "price_file": "x", "series": [[1, 2]]},
            },
            "file.jsonl:1",
        )
    lines = sorted(str(caught.value).splitlines())
    assert [line.split(": ")[:2] for line in lines] == [
        ["file.jsonl:1", f"market.{key}"]
        for key in (
            "close_stepz",
            "grid.price",
            "grid.price_file",
            "grid.series[0]",
            "time_step_size",
            "timezone",
        )
    ]
    with pytest.raises(ScenarioError, match="f:1: market: must be a mapping of keys to values, found a list"):
        open_command_from_scenario([], "f:1")


@pytest.mark.parametrize(
    "series",
    [[], 5, [5], [[0, 1]], [[0.5, 1, 1]], [[True, 1, 1]], [[0, "1", 1]], [[0, 1, float("nan")]], [[0, 1, 2000]],
     [[0, 1, 1], [0, 1, 1]], [[60, 1, 1], [0, 1, 1]]],
)  # fmt: skip
def test_wrong_series_are_refused(series: object) -> None:
    with pytest.raises(ScenarioError, match=r"f:1: market\.grid\.series"):
        open_command_from_scenario({**LINE, "grid": {"price": 0, "series": series}}, "f:1")


grid_dollars = st.integers(-9_999, 9_999).map(lambda price: price / 10_000)
prices = st.integers(0, MAX_PRICE)
series = st.lists(
    st.tuples(st.integers(0, 2**33), st.integers(-MAX_PRICE, MAX_PRICE), st.integers(-MAX_PRICE, MAX_PRICE)),
    min_size=1, max_size=5, unique_by=lambda row: row[0],
).map(lambda rows: tuple(sorted(rows)))  # fmt: skip


@given(
    st.builds(
        OpenMarket,
        market_id=st.sampled_from(["m1", "Straße 7", "0"]),
        rule=st.sampled_from(["MicroTE", "uniform"]),
        close_steps=st.integers(2, 100),
        step=st.sampled_from([60, 900, 3600]),
        timezone=st.sampled_from(["UTC", "Europe/Berlin"]),
        grid=st.builds(
            GridTerms,
            price=grid_dollars,
            fee_ratio=st.floats(0, 10),
            tou=st.none() | st.just({"1,2": {"3": 0.5}, "2, 3": {"0,4": -0.25}}),
            series=st.none() | series,
        ),
        pools=st.sampled_from([None, "by_source", "single"]),
        k=st.none() | st.integers(0, MICRO),
        sources=st.just({"bess": True, "solar": False, "wind": False, "hydro": True}),
        horizon_steps=st.none() | st.integers(1, 1000),
        price_floor=prices.map(lambda price: price // 2),
        price_cap=st.none() | prices.map(lambda price: MAX_PRICE - price // 2),
        shortfall=st.sampled_from(["penalty", "replacement"]),
    )
)
def test_writing_and_reading_a_scenario_undo_each_other(command: OpenMarket) -> None:
    line = json.loads(json.dumps(scenario_from_open_command(command)))
    assert open_command_from_scenario(line, "f:1") == command
