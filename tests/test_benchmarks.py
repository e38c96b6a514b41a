"""Benchmarks are no tests; that they can be run, and what they say, is."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.shell_helpers import Shell
from trex_market.benchmarks import BENCHMARKS, chosen_benchmarks
from trex_market.benchmarks.figures import Figure, as_json, as_markdown, growths
from trex_market.core.errors import InputError, MissingExtraError


def figure(size: int, seconds: float, **others: Any) -> Figure:
    return Figure(
        "clearing", "orders", size, size / seconds, "orders/s", 100.0, "sorting", "", seconds, **others
    )


def test_growth_worked_by_hand() -> None:
    found = growths([figure(100, 1.0), figure(1_000, 10.0), figure(10_000, 1_000.0)])
    assert [(one.small, one.large, one.exponent) for one in found] == [
        (100, 1_000, 1.0),
        (1_000, 10_000, 2.0),
    ]
    assert growths([figure(100, 1.0)]) == []


def test_the_share_is_of_speed_also_where_less_is_better() -> None:
    assert figure(100, 2.0).share == 0.5
    slow = Figure("acknowledgements", "p50", 1, 4.0, "ms", 1.0, "echo")
    assert slow.share == 0.25
    assert math.isnan(Figure("a", "b", 1, 0.0, "ms", 1.0, "c").share)


def test_the_json_has_machine_figures_and_growth() -> None:
    told = json.loads(as_json([figure(100, 2.0), figure(200, 4.0)]))
    assert told.keys() == {"machine", "figures", "growth"}
    assert told["figures"][0]["share_of_bare"] == 0.5
    assert told["growth"][0]["exponent"] == 1.0
    assert told["machine"]["cores"] > 0


def test_the_markdown_has_machine_figures_and_growth() -> None:
    machine, figures, growth = as_markdown([figure(100, 2.0), figure(200, 4.0)]).strip().split("\n\n")
    assert "cores of" in machine
    assert (
        figures.splitlines()[2] == "| clearing | orders | 100 | 50 orders/s | 100 orders/s | 50% | sorting |"
    )
    assert growth.splitlines()[2] == "| clearing | orders | 100 | 200 | 1.00 |"
    assert len(as_markdown([figure(100, 2.0)]).strip().split("\n\n")) == 2


def test_one_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match="Did you mean 'clearing'"):
        chosen_benchmarks(["claering"])


def test_what_is_not_installed_is_told_and_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "trex_market.benchmarks.registry.MODULE_OF_EXTRA",
        {"fast": "nowhere", "learning": "json", "uftp": "json"},
    )
    assert set(BENCHMARKS) - set(chosen_benchmarks([])) == {"kernels", "vector", "year"}
    with pytest.raises(MissingExtraError, match=r"trex-market\[fast\]"):
        BENCHMARKS["vector"].run()


@pytest.mark.slow
def test_the_command_measures(shell: Shell) -> None:
    listed = shell("bench", "--list")
    assert [line.split()[0] for line in listed.out.splitlines()] == chosen_benchmarks([])
    measured = shell("bench", "delivery", "--json")
    assert measured.status == 0
    figures = json.loads(measured.out)["figures"]
    assert {one["benchmark"] for one in figures} == {"delivery"}
    assert all(one["value"] > 0 < one["bare"] for one in figures)
    assert shell("bench", "nothing").status == 2
