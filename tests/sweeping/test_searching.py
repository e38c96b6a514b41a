"""Searches with Optuna; skipped where it is not installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.shell_helpers import Shell, study
from tests.sweeping.helpers import lasting, rows, swept
from trex_market.config import axis
from trex_market.sweeping.results import RunResult
from trex_market.sweeping.searching import Direction, Search, Searching

HAS_OPTUNA = find_spec("optuna") is not None

needs_optuna = pytest.mark.skipif(not HAS_OPTUNA, reason="Optuna is not installed (extra `optuna`)")

AXES = (axis("market.k", {"start": 0.0, "stop": 1.0, "num": 2}), axis("market.type", ["a", "b"]))


def results(*bills: float | None) -> list[RunResult]:
    return [RunResult("r", "h", "finished", {"bill": bill}, 0.0) for bill in bills]


def searched(direction: Direction, seed: int = 1, trials: int = 24) -> tuple[list[float], Searching]:
    """Search for the smallest or largest (k - 0.3)^2 + (type is b), with two seeds."""
    searching = Searching(Search(trials, "bill", direction), AXES, seed)
    tried = []
    while batch := searching.ask():
        told = []
        for values in batch:
            number = values["market.k"]
            assert isinstance(number, float)
            tried.append(number)
            bill = (number - 0.3) ** 2 + (values["market.type"] == "b")
            told.append(results(bill - 1, bill + 1))
        searching.tell(told)
    return tried, searching


@needs_optuna
@pytest.mark.parametrize(("direction", "kind"), [("minimize", "a"), ("maximize", "b")])
def test_it_comes_to_the_best(direction: Direction, kind: str) -> None:
    tried, searching = searched(direction)
    best = searching.best()
    assert best is not None
    assert len(tried) == 24
    assert all(0 <= number <= 1 for number in tried)
    assert best.values["market.type"] == kind
    assert (best.value < 0.02) if direction == "minimize" else (best.value > 1.3)


@needs_optuna
def test_a_seed_decides_all() -> None:
    assert searched("minimize", 3)[0] == searched("minimize", 3)[0] != searched("minimize", 4)[0]


@needs_optuna
def test_a_setting_that_failed_is_not_the_best() -> None:
    searching = Searching(Search(2, "bill", "minimize"), AXES, 1)
    second = searching.ask()[1]
    searching.tell([results(1.0, None), results(5.0, 6.0)])
    assert searching.ask() == []
    best = searching.best()
    assert best is not None
    assert (best.value, best.values) == (5.5, second)
    nothing = Searching(Search(1, "bill", "minimize"), AXES, 1)
    nothing.ask()
    nothing.tell([results(None)])
    assert nothing.best() is None


@needs_optuna
@pytest.mark.slow
async def test_a_search_runs_what_it_asks_for_and_goes_on_where_it_was(tmp_path: Path) -> None:
    config, out = study(tmp_path), tmp_path / "sweep"
    bids = "participants.taker.trader.bid_price={start: 0.1, stop: 0.3, num: 2}"
    wishes = {"seeds": "2", "search": Search(5, "bill", "minimize")}
    done = await swept(config, out, bids, **wishes)
    table = rows(out)
    assert len(table) == 10
    assert done.best is not None
    means = [(table[place]["bill"] + table[place + 1]["bill"]) / 2 for place in range(0, 10, 2)]
    assert done.best.value == pytest.approx(min(means))
    before = lasting(out)
    again = await swept(config, out, bids, **wishes)
    assert again.skipped == 10
    assert lasting(out) == before
    assert again.best == done.best


@pytest.mark.skipif(HAS_OPTUNA, reason="Optuna is installed")
def test_without_optuna_its_extra_is_named(shell: Shell, tmp_path: Path) -> None:
    arguments = ("--set", "market.k=0,1", "--optuna", "2", "--metric", "bill", "--out", tmp_path / "out")
    assert "pip install 'trex-market[optuna]'" in shell.refuses("sweep", study(tmp_path), *arguments)
    assert not (tmp_path / "out").exists()


@needs_optuna
def test_chance_is_no_choice(shell: Shell, tmp_path: Path) -> None:
    arguments = ("--set", "study.seed=0,1", "--optuna", "2", "--metric", "bill", "--out", tmp_path / "out")
    assert "study.seed is chance, not a choice" in shell.refuses("sweep", study(tmp_path), *arguments)
