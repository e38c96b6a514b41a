"""Sharing rules against published numbers, and what always holds of them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trex_market.analysis.sharing import SHARING, bill_sharing, mmr, net_billing, sdr
from trex_market.core.tariff import GridPrices

GRID = GridPrices(100_000, 300_000)
"""The grid pays 0.10 and charges 0.30 $/kWh."""

energies = st.integers(0, 100_000)
tariffs = st.tuples(st.integers(1, 400_000), st.integers(0, 400_000)).map(
    lambda pair: GridPrices(pair[0], pair[0] + pair[1])
)


@pytest.mark.parametrize(
    ("supply", "sell", "buy"), [(0, 300_000, 300_000), (500, 150_000, 225_000), (1000, 100_000, 100_000)]
)
def test_sdr_is_as_published(supply: int, sell: int, buy: int) -> None:
    assert sdr(1000, supply, GRID) == (sell, buy)


def test_sdr_stays_at_the_grids_price_where_supply_exceeds_demand() -> None:
    assert sdr(500, 1000, GRID) == sdr(0, 1000, GRID) == (100_000, 100_000)


@pytest.mark.parametrize(
    ("demand", "supply", "sell", "buy"),
    [
        (1000, 500, 200_000, 250_000),
        (1000, 1000, 200_000, 200_000),
        (500, 1000, 150_000, 200_000),
        (0, 1000, 100_000, 200_000),
        (1000, 0, 200_000, 300_000),
    ],
)
def test_mmr_is_as_published(demand: int, supply: int, sell: int, buy: int) -> None:
    assert mmr(demand, supply, GRID) == (sell, buy)


def test_bills_are_shared_by_what_each_took_or_gave() -> None:
    # 500 of 1000 Wh are imported for 0.15 $, which 1000 Wh pay; and the other way round.
    assert bill_sharing(1000, 500, GRID) == (0, 150_000)
    assert bill_sharing(500, 1000, GRID) == (50_000, 0)
    assert bill_sharing(0, 1000, GRID).sell_price == 100_000
    assert bill_sharing(1000, 0, GRID).buy_price == 300_000


def test_net_billing_shares_nothing() -> None:
    assert net_billing(700, 300, GRID) == GRID


@pytest.mark.parametrize("name", ["mmr", "sdr", "bill_sharing"])
@given(demand=energies, supply=energies, grid=tariffs)
def test_the_communitys_budget_balances_but_for_rounding(
    name: str, demand: int, supply: int, grid: GridPrices
) -> None:
    shared = SHARING[name](demand, supply, grid)
    net = demand - supply
    with_grid = net * (grid.buy_price if net > 0 else grid.sell_price)
    left_over = demand * shared.buy_price - supply * shared.sell_price - with_grid
    # Each price is rounded by half a unit at most; `sdr` makes one of the other.
    assert abs(left_over) <= Fraction(demand + supply, 2) + (1 if name == "sdr" else 0)


@pytest.mark.parametrize("name", ["mmr", "sdr"])
@given(demand=energies, supply=energies, grid=tariffs)
def test_prices_lie_between_the_grids(name: str, demand: int, supply: int, grid: GridPrices) -> None:
    shared = SHARING[name](demand, supply, grid)
    assert grid.sell_price <= shared.sell_price <= grid.buy_price
    assert grid.sell_price <= shared.buy_price <= grid.buy_price


@given(demand=st.integers(1, 10_000), supply=st.integers(0, 10_000), more=st.integers(1, 1000), grid=tariffs)
def test_more_supply_never_makes_sdr_dearer(demand: int, supply: int, more: int, grid: GridPrices) -> None:
    assume(supply + more <= demand)
    before, after = sdr(demand, supply, grid), sdr(demand, supply + more, grid)
    assert after.sell_price <= before.sell_price
    assert after.buy_price <= before.buy_price


@given(demand=energies, supply=energies)
def test_a_grid_that_pays_nothing_leaves_sdr_nothing_to_divide(demand: int, supply: int) -> None:
    for grid in (GridPrices(0, 300_000), GridPrices(-50_000, 300_000), GridPrices(300_000, 100_000)):
        assert sdr(demand, supply, grid) == grid
