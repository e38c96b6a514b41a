"""The numbers of the literature hold, with fewer draws than on the page and other seeds."""

from __future__ import annotations

from math import sqrt
from random import Random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trex_market.analysis.theory import DRAWS, THEORIES, Result, Theory, measure
from trex_market.analysis.theory.__main__ import main
from trex_market.analysis.theory.books import best, clear, units, vcg_deficit
from trex_market.analysis.theory.checks import mean, share, variance
from trex_market.analysis.theory.continuous import session
from trex_market.core.units import MICRO

FEWER_DRAWS = 1200


@pytest.mark.parametrize("name", THEORIES)
@pytest.mark.parametrize("seed", [2, 3])
def test_numbers_are_as_published(name: str, seed: int) -> None:
    results = measure(THEORIES[name], seed, FEWER_DRAWS)
    assert results
    assert [result for result in results if not result.holds] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, theory in THEORIES.items() if theory.drawn])
def test_they_are_so_with_the_pages_draws_too(name: str) -> None:
    results = measure(THEORIES[name], 11, DRAWS)
    assert [result for result in results if not result.holds] == []


def test_more_draws_make_ours_surer() -> None:
    few, many = (measure(THEORIES["bargaining"], 5, draws) for draws in (500, 8000))
    for one, two in zip(few, many, strict=True):
        assert two.error == pytest.approx(one.error / 4, rel=0.25)


def test_a_number_that_is_off_is_seen() -> None:
    assert not Result("x", 1.0, 1.5, error=0.1).holds
    assert Result("x", 1.0, 1.4, error=0.1).holds
    assert Result("x", 1.0, 1.45, error=0.1, slack=0.05).holds
    assert not Result("x", 1.0, 1.0001).holds


def test_the_command_says_what_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fairness", "vcg", "--draws", "500", "--seed", "4"]) == 0
    said = capsys.readouterr().out
    assert "| m=1: mean deficit | 0.1667 |" in said
    assert "**Measures of equality**" in said


def test_the_command_fails_if_a_number_is_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Theory("wrong", "Wrong", "nobody", lambda _chance, _draws: [Result("one", 1.0, 2.0)], drawn=False)
    monkeypatch.setitem(THEORIES, "wrong", wrong)
    assert main(["wrong"]) == 1
    assert "OFF: one" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["nothing"], ["vcg", "--draws", "5"]])
def test_the_command_refuses_what_there_is_not(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err


# ---------------------------------------------------------------- what the numbers are made with

units_lists = st.lists(st.integers(0, 20), min_size=1, max_size=6)


@given(values=units_lists, costs=units_lists)
def test_vcg_pays_each_what_it_brings_to_the_others(values: list[int], costs: list[int]) -> None:
    """A buyer pays what the others' gains lose by it, a seller gets what they win by it (Clarke's pivots)."""
    book = units([float(value) for value in values], [float(cost) for cost in costs])
    found = best(book)
    pays, gets, deficit = vcg_deficit(book)
    bids, asks = book
    for bid in bids:
        if found.fills.get(bid.order_id):
            others = best(([one for one in bids if one is not bid], asks)).gains
            assert pays * MICRO == others - (found.gains - bid.price)
    for ask in asks:
        if found.fills.get(ask.order_id):
            others = best((bids, [one for one in asks if one is not ask])).gains
            assert gets * MICRO == found.gains + ask.price - others
    assert deficit >= 0


@given(values=units_lists, costs=units_lists, seed=st.integers(0, 99), constrained=st.booleans())
def test_a_session_trades_each_unit_once_and_zero_intelligence_loses_nothing(
    values: list[int], costs: list[int], seed: int, constrained: bool
) -> None:
    found = session(values, costs, Random(seed), constrained=constrained, highest=20.0)
    assert len(found.prices) <= min(len(values), len(costs))
    most = best(units([float(value) for value in values], [float(cost) for cost in costs])).gains / MICRO
    if constrained:
        assert -1e-9 <= found.gains <= most + 1e-9
    else:
        assert len(found.prices) == min(len(values), len(costs))
    assert all(0 <= price <= 20 for price in found.prices)


def test_standard_errors_are_those_of_many_samples() -> None:
    chance = Random(1)
    samples = [[chance.gauss(2, 3) for _ in range(200)] for _ in range(400)]
    for measured, error in (
        ([mean(sample)[0] for sample in samples], fmean(mean(sample)[1] for sample in samples)),
        ([variance(sample)[0] for sample in samples], fmean(variance(sample)[1] for sample in samples)),
    ):
        spread = sqrt(fmean((one - fmean(measured)) ** 2 for one in measured))
        assert error == pytest.approx(spread, rel=0.15)
    parts = [
        ([chance.random() for _ in range(200)], [1 + chance.random() for _ in range(200)]) for _ in range(300)
    ]
    ratios = [share(one, two)[0] for one, two in parts]
    spread = sqrt(fmean((one - fmean(ratios)) ** 2 for one in ratios))
    assert fmean(share(one, two)[1] for one, two in parts) == pytest.approx(spread, rel=0.15)


def test_a_cleared_book_adds_up() -> None:
    cleared = clear("MicroTE3", units([5.0, 4.0], [1.0, 2.0]))
    assert (cleared.volume, cleared.gains, cleared.paid, cleared.received, cleared.surplus) == (2, 6, 9, 3, 6)
