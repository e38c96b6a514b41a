"""Delivery against its description played Wh by Wh, and what is always true of a slot."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.reference import Delivery
from tests.helpers import (
    START,
    STEP,
    assert_balanced,
    balances,
    contract,
    energy_bought,
    flows,
    reading,
)
from trex_market.core.delivery import DeliveryTerms, deemed_reading, deliver
from trex_market.core.messages import DEFAULT_SOURCES, Contract, MeterReading, Transaction
from trex_market.core.tariff import GridPrices

SLOT = (START, START + STEP)
GRID_PRICES = GridPrices(100_000, 200_000)
PRICE = 150_000
NAMES = ["a", "b", "c", "d"]
SOURCES = ["bess", "solar", "wind"]
Shortfall = Literal["penalty", "replacement"]


def delivered(
    contracts: list[Contract],
    readings: dict[str, MeterReading],
    prices: GridPrices = GRID_PRICES,
    shortfall: Shortfall = "penalty",
    estimated: tuple[str, ...] = (),
) -> tuple[Transaction, ...]:
    return deliver(contracts, readings, prices, DeliveryTerms(DEFAULT_SOURCES, shortfall), SLOT, estimated)


def lines(rows: tuple[Transaction, ...]) -> list[tuple[str, int, str, str, str, int]]:
    """Kind, Wh, seller, buyer, source, what the buyer pays."""
    return [
        (r.kind, r.quantity, r.seller_id, r.buyer_id, r.energy_source, r.settlement_price_buy) for r in rows
    ]


# ---------------------------------------------------------------- properties

quantities = st.integers(0, 9)
meters = st.builds(
    MeterReading,
    st.just(START),
    st.just(START + STEP),
    st.dictionaries(st.sampled_from(SOURCES), quantities),
    st.fixed_dictionaries(
        {},
        optional={
            "other": st.dictionaries(st.sampled_from(["external", *SOURCES]), quantities),
            "bess": st.dictionaries(st.sampled_from(["external", "solar"]), quantities),
        },
    ),
)
all_readings = st.fixed_dictionaries(dict.fromkeys(NAMES, meters))


@st.composite
def some_contracts(draw: st.DrawFn) -> list[Contract]:
    drawn: list[Contract] = []
    for number in range(draw(st.integers(0, 8))):
        seller, buyer = draw(st.permutations(NAMES))[:2]
        price = draw(st.integers(0, 30)) * 10_000
        spread = draw(st.sampled_from([0, 10_000]))
        source, quantity = draw(st.sampled_from(SOURCES)), draw(st.integers(1, 9))
        drawn.append(
            contract(
                seller, buyer, quantity, source=source, price=price, price_buy=price + spread, number=number
            )
        )
    return drawn


grid_prices = st.builds(
    GridPrices, st.integers(-2, 2).map((100_000).__mul__), st.integers(-2, 3).map((100_000).__mul__)
)
shortfalls = st.sampled_from(["penalty", "replacement"])


@given(some_contracts(), all_readings, grid_prices, shortfalls)
def test_the_ledger_is_that_of_the_description(
    contracts: list[Contract], readings: dict[str, MeterReading], prices: GridPrices, shortfall: Shortfall
) -> None:
    reference = Delivery(contracts, readings, SLOT, *prices, frozenset({"bess"}), shortfall)
    assert flows(delivered(contracts, readings, prices, shortfall)) == reference.ledger()


@given(some_contracts(), all_readings, grid_prices, shortfalls)
def test_energy_and_money_balance(
    contracts: list[Contract], readings: dict[str, MeterReading], prices: GridPrices, shortfall: Shortfall
) -> None:
    rows = delivered(contracts, readings, prices, shortfall)
    assert_balanced(readings, rows)
    needs = sum(s.get("external", 0) for r in readings.values() for s in r.consumption.values())
    made = sum(sum(r.generation.values()) for r in readings.values())
    grid = [r for r in rows if "grid" in {r.seller_id, r.buyer_id}]
    net_import = sum(r.quantity if r.seller_id == "grid" else -r.quantity for r in grid)
    assert net_import == needs - made
    spread = sum(
        r.quantity * (r.settlement_price_buy - r.settlement_price_sell)
        for r in rows
        if r.kind in {"delivery", "take_or_pay"}
    )
    assert balances(rows).get("operator", 0) == spread


@given(some_contracts(), all_readings)
def test_nothing_is_counted_twice(contracts: list[Contract], readings: dict[str, MeterReading]) -> None:
    rows = delivered(contracts, readings)
    for c in contracts:
        of_contract = [r for r in rows if r.contract_id == c.id and r.kind != "spill"]
        assert sum(r.quantity for r in of_contract) <= c.quantity
    for name in NAMES:
        assert energy_bought(rows, name, "shortfall") <= energy_bought(rows, name, "supply")
    assert len({r.id for r in rows}) == len(rows)


@given(some_contracts())
def test_deemed_readings_deliver_all_contracts_and_nothing_else(contracts: list[Contract]) -> None:
    readings = {name: deemed_reading(name, contracts, *SLOT) for name in NAMES}
    rows = delivered(contracts, readings, estimated=tuple(NAMES))
    assert all(r.kind == "delivery" and r.estimated for r in rows)
    for c in contracts:
        assert sum(r.quantity for r in rows if r.contract_id == c.id) == c.quantity


# ---------------------------------------------------------------- step by step


def test_all_that_can_be_delivered_is() -> None:
    rows = delivered(
        [contract("a", "b", 10)], {"a": reading(generation={"solar": 10}), "b": reading(need=10)}
    )
    assert lines(rows) == [("delivery", 10, "a", "b", "solar", PRICE)]
    (row,) = rows
    assert (row.time_creation, row.time_purchase, row.time_consumption) == (START, START, START + STEP)
    assert (row.contract_id, row.fee_ask, row.fee_bid, row.amount, row.reverses) == ("c0", 0, 0, None, None)


def test_the_sellers_battery_stands_in_for_the_sun() -> None:
    readings = {"a": reading(generation={"solar": 4, "bess": 5}), "b": reading(need=10)}
    assert lines(delivered([contract("a", "b", 10)], readings)) == [
        ("delivery", 4, "a", "b", "solar", PRICE),
        ("delivery", 5, "a", "b", "bess", PRICE),
        ("shortfall", 1, "a", "b", "grid", -200_000),
        ("supply", 1, "grid", "b", "grid", 200_000),
    ]


def test_the_sun_does_not_stand_in_for_the_battery() -> None:
    readings = {"a": reading(generation={"solar": 9}), "b": reading(need=5)}
    assert lines(delivered([contract("a", "b", 5, source="bess")], readings)) == [
        ("shortfall", 5, "a", "b", "grid", -200_000),
        ("feed_in", 9, "a", "grid", "solar", 100_000),
        ("supply", 5, "grid", "b", "grid", 200_000),
    ]


def test_contracts_of_the_battery_come_first() -> None:
    contracts = [contract("a", "b", 5, number=0), contract("a", "b", 5, source="bess", number=1)]
    readings = {"a": reading(generation={"solar": 2, "bess": 5}), "b": reading(need=10)}
    rows = delivered(contracts, readings)
    assert [(r.kind, r.contract_id, r.quantity) for r in rows[:3]] == [
        ("delivery", "c1", 5),
        ("delivery", "c0", 2),
        ("shortfall", "c0", 3),
    ]


def test_what_the_buyer_does_not_use_is_paid_and_spilled() -> None:
    readings = {"a": reading(generation={"solar": 6, "bess": 3}), "b": reading(need=2)}
    rows = delivered([contract("a", "b", 10)], readings)
    assert lines(rows) == [
        ("delivery", 2, "a", "b", "solar", PRICE),
        ("take_or_pay", 4, "a", "b", "solar", PRICE),
        ("spill", 4, "a", "grid", "solar", 0),
        ("take_or_pay", 3, "a", "b", "bess", PRICE),
        ("spill", 3, "a", "grid", "bess", 0),
    ]
    assert [r.time_purchase for r in rows] == [START, START, START + STEP, START, START + STEP]
    assert balances(rows) == {"a": 9 * PRICE, "b": -9 * PRICE, "grid": 0, "operator": 0}


@pytest.mark.parametrize(("sell_price", "spilled_at"), [(100_000, 0), (0, 0), (-30_000, -30_000)])
def test_spill_earns_nothing_and_may_cost(sell_price: int, spilled_at: int) -> None:
    rows = delivered(
        [contract("a", "b", 3)],
        {"a": reading(generation={"solar": 3}), "b": reading()},
        GridPrices(sell_price, 200_000),
    )
    assert lines(rows)[1] == ("spill", 3, "a", "grid", "solar", spilled_at)


def test_what_neither_has_nor_needs_is_void() -> None:
    assert delivered([contract("a", "b", 10)], {"a": reading(), "b": reading()}) == ()


def test_the_delivered_part_of_a_contract_is_not_lost_with_the_rest() -> None:
    rows = delivered([contract("a", "b", 10)], {"a": reading(generation={"solar": 7}), "b": reading(need=8)})
    assert [(r.kind, r.quantity) for r in rows] == [("delivery", 7), ("shortfall", 1), ("supply", 1)]


def test_a_buyer_is_compensated_once_for_each_wh_of_need() -> None:
    contracts = [contract("a", "b", 5, number=0), contract("c", "b", 5, number=1)]
    rows = delivered(contracts, {"a": reading(), "b": reading(need=7), "c": reading()})
    assert lines(rows) == [
        ("shortfall", 5, "a", "b", "grid", -200_000),
        ("shortfall", 2, "c", "b", "grid", -200_000),
        ("supply", 7, "grid", "b", "grid", 200_000),
    ]
    assert balances(rows)["b"] == 0
    assert {r.time_purchase for r in rows} == {START + STEP}


@pytest.mark.parametrize(
    ("shortfall", "buy_price", "price"),
    [
        ("penalty", 200_000, -200_000),
        ("penalty", -10_000, 0),
        ("replacement", 200_000, -40_000),
        ("replacement", 100_000, 0),
    ],
)
def test_what_a_shortfall_costs(shortfall: Shortfall, buy_price: int, price: int) -> None:
    """The replacement is reckoned from what the buyer pays, not from what the seller gets."""
    rows = delivered(
        [contract("a", "b", 5, price=PRICE, price_buy=160_000)],
        {"a": reading(), "b": reading(need=5)},
        GridPrices(0, buy_price),
        shortfall,
    )
    assert lines(rows)[0] == ("shortfall", 5, "a", "b", "grid", price)


def test_need_is_summed_over_all_loads() -> None:
    meter = MeterReading(START, START + STEP, {}, {"bess": {"external": 3}, "other": {"external": 4}})
    assert lines(delivered([], {"b": meter})) == [("supply", 7, "grid", "b", "grid", 200_000)]


def test_own_use_is_a_row_for_each_load_and_source_that_generates() -> None:
    consumption = {
        "bess": {"solar": 2, "wind": 1, "external": 0},
        "other": {"solar": 3, "bess": 0, "external": 0},
    }
    meter = MeterReading(START, START + STEP, {"solar": 5, "bess": 0}, consumption)
    assert lines(delivered([], {"a": meter})) == [
        ("self_consumption", 2, "a", "a", "solar", 0),
        ("self_consumption", 3, "a", "a", "solar", 0),
        ("feed_in", 5, "a", "grid", "solar", 100_000),
    ]


def test_rows_are_estimated_if_a_partys_reading_is() -> None:
    contracts = [contract("a", "b", 5, number=0), contract("c", "d", 5, number=1)]
    made, need = reading(generation={"solar": 6}), reading(need=6)
    rows = delivered(contracts, {"a": made, "b": need, "c": made, "d": need}, estimated=("b",))
    assert {(r.seller_id, r.buyer_id): r.estimated for r in rows} == {
        ("a", "b"): True,
        ("c", "d"): False,
        ("a", "grid"): False,
        ("grid", "b"): True,
        ("c", "grid"): False,
        ("grid", "d"): False,
    }


def test_readings_are_left_as_they_are() -> None:
    meter = reading(generation={"solar": 5})
    delivered([contract("a", "b", 5)], {"a": meter, "b": reading(need=5)})
    assert meter.generation == {"solar": 5}
