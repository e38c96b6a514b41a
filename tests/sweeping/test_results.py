"""Results of runs, the table and the report."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from trex_market.analysis.kpis import KPIS
from trex_market.sweeping.page import figure, labels, rows, settings, sweep_page
from trex_market.sweeping.planning import Run
from trex_market.sweeping.results import Results, RunResult, Table, write_table


def run(number: int, values: dict[str, Any], seed: int = 1) -> Run:
    return Run(f"run-{number}", values, seed, {}, "hash")


def result(number: int, **kpis: float | None) -> RunResult:
    return RunResult(f"run-{number}", "hash", "finished", dict(kpis), 1.5)


def table() -> Table:
    """Two settings of two keys, with two seeds each; the last run failed."""
    runs = tuple(
        run(place, {"market.type": kind, "market.k": k}, seed)
        for place, (kind, k, seed) in enumerate([("a", 0, 1), ("a", 0, 2), ("b", 0.5, 1), ("b", 0.5, 2)])
    )
    failure = RunResult("run-3", "hash", "failed", {}, 0.0, "it <b>fell</b>", 3)
    results = (
        result(0, traded=1.0, bill=2.0),
        result(1, traded=3.0, bill=2.0),
        result(2, traded=7.0, bill=2.0),
        failure,
    )
    return Table(("market.type", "market.k"), runs, results)


# ---------------------------------------------------------------- results


def test_a_result_is_found_again_for_the_same_run_config_and_version(tmp_path: Path) -> None:
    results = Results(tmp_path)
    assert results.find(run(1, {})) is None
    kept = result(1, traded=1.25, bill=None)
    results.save(kept)
    assert results.find(run(1, {})) == kept
    assert results.find(run(2, {})) is None
    assert results.find(Run("run-1", {}, 1, {}, "other")) is None
    results.save(msgspec.structs.replace(kept, version="0.0.1"))
    assert results.find(run(1, {})) is None
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["run-1.json"]


@pytest.mark.parametrize("content", ["", "{", '{"run_id": "run-1"}', "[]", "\x00"])
def test_a_result_that_is_not_whole_is_none(tmp_path: Path, content: str) -> None:
    results = Results(tmp_path)
    results.save(result(1, traded=1.25))
    (tmp_path / "results" / "run-1.json").write_text(content)
    assert results.find(run(1, {})) is None


# ---------------------------------------------------------------- the table


def test_the_table_has_keys_seed_figures_and_what_became_of_each(tmp_path: Path) -> None:
    path = write_table(table(), tmp_path)
    assert path == tmp_path / "results.parquet"
    found = pq.read_table(path)
    head = ["run", "market.type", "market.k", "seed", *KPIS, "seconds", "status", "attempts", "message"]
    assert found.column_names == head
    assert found["market.type"].to_pylist() == ["a", "a", "b", "b"]
    assert found["market.k"].to_pylist() == [0.0, 0.0, 0.5, 0.5]
    assert found["seed"].to_pylist() == [1, 2, 1, 2]
    assert found["traded"].to_pylist() == [1.0, 3.0, 7.0, None]
    assert str(found["welfare"].type) == "double"
    assert found["status"].to_pylist() == ["finished"] * 3 + ["failed"]
    assert found["attempts"].to_pylist() == [1, 1, 1, 3]


def test_without_pyarrow_it_is_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = write_table(table(), tmp_path)
    assert path == tmp_path / "results.csv"
    lines = list(csv.DictReader(path.read_text().splitlines()))
    assert [line["traded"] for line in lines] == ["1.0", "3.0", "7.0", ""]
    assert list(lines[0]) == list(table().columns())


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ([1, 2], [1, 2]),
        ([1, 2.5], [1.0, 2.5]),
        ([None, 2], [None, 2]),
        ([True, None], [True, None]),
        (["a", None], ["a", None]),
        (["a", 1], ["a", "1"]),
        ([True, 1], ["true", "1"]),
        ([[64, 64], [128]], ["[64,64]", "[128]"]),
        ([{"b": 1}, None], ['{"b":1}', "null"]),
    ],
)
def test_a_column_of_values_has_one_type(tmp_path: Path, values: list[Any], column: list[Any]) -> None:
    runs = tuple(run(place, {"a.b": value}) for place, value in enumerate(values))
    results = tuple(result(place) for place in range(len(values)))
    made = pq.read_table(write_table(Table(("a.b",), runs, results), tmp_path))
    assert made["a.b"].to_pylist() == column


# ---------------------------------------------------------------- the report


def test_settings_are_runs_whatever_their_seed() -> None:
    first, second = settings(table())
    assert first.values == {"market.type": "a", "market.k": 0}
    assert [one.run_id for one in first.results] == ["run-0", "run-1"]
    assert second.figures("traded") == [7.0]


def test_rows_show_mean_and_deviation_of_the_seeds() -> None:
    head, lines = rows(table(), ["traded", "bill", "welfare"])
    assert head[:3] == ["type", "k", "runs"]
    assert lines == [["a", "0", "2", "2.0 ± 1.4", "2.00", "-"], ["b", "0.5", "1 of 2", "7.0", "2.00", "-"]]


def test_keys_are_named_as_shortly_as_tells_them_apart() -> None:
    keys = ["market.k", "participants.a.load.scale", "participants.a.generation.scale", "x.k2"]
    assert list(labels(keys).values()) == ["k", "load.scale", "generation.scale", "k2"]


def test_a_figure_shows_each_run_and_the_mean_of_each_value() -> None:
    plot = figure(table(), KPIS["traded"], "market.k")
    dots, mean = plot.data
    assert (dots["x"], dots["y"]) == ([0, 0, 0.5], [1.0, 3.0, 7.0])
    assert (mean["x"], mean["y"]) == ([0, 0.5], [2.0, 7.0])
    assert plot.layout["xaxis"]["type"] == "linear"
    named = figure(table(), KPIS["traded"], "market.type")
    assert (named.data[1]["x"], named.layout["xaxis"]["type"]) == (["a", "b"], "category")


def test_the_page_shows_what_varies_and_says_what_does_not() -> None:
    page = sweep_page(table(), "a <study>")
    data = json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)[0])
    assert len(data["figures"]) == 2  # traded, against each of two keys
    assert "a &lt;study&gt;: a sweep" in page
    assert "3 of 4 runs of trex_market finished." in page
    assert "run-3: it &lt;b&gt;fell&lt;/b&gt;" in page
    assert KPIS["bill"].title in page.partition("The same in all runs")[2]
    asked = sweep_page(table(), "study", ["bill"])
    assert "The same in all runs" not in asked
    assert f"<h3>{KPIS['bill'].title}</h3>" in asked
