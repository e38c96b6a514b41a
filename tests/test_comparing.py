"""`trex-market compare`: a config or a run, rules, and what cannot be compared."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.shell_helpers import ROUNDS, Shell, query, statuses, study

RULES = "MicroTE,MicroTE3,uniform,mcafee,mmr,sdr"


def told(directory: Path) -> dict[str, Any]:
    """Return the JSON of a comparison."""
    document: dict[str, Any] = json.loads((directory / "compare.json").read_text())
    return document


def test_a_config_is_run_once_and_its_orders_are_cleared_under_each_rule(
    shell: Shell, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    answer = shell("compare", study(tmp_path), "--rules", RULES, "--out", out)
    assert (answer.status, answer.err) == (0, "")
    assert f"comparison {out / 'compare.html'}" in answer.out
    assert statuses(out / "market.db") == {"training 0": "finished"}
    document = told(out)
    assert list(document["rules"]) == RULES.split(",")
    assert document["slots"] == ROUNDS
    assert document["bootstrap"]["resamples"] == 2000
    # The first rule is the one that was run: its bill is the ledger's.
    report = json.loads((out / "report.json").read_text())["runs"][0]
    values = document["rules"]["MicroTE"]["metrics"]
    assert values["bill"]["value"] == pytest.approx(report["kpis"]["bill"]["value"])
    assert values["local"]["value"] == pytest.approx(report["kpis"]["traded"]["value"])
    assert values["efficiency"]["value"] == pytest.approx(report["kpis"]["allocative_efficiency"]["value"])
    for name in ("uniform", "mcafee", "mmr", "sdr"):
        one = document["rules"][name]["metrics"]["bill"]
        assert one["low"] <= one["difference"] <= one["high"]


def test_rows_are_paired_by_slot(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert (
        shell("compare", study(tmp_path), "--rules", "MicroTE", "--rules", "uniform,mmr", "--out", out).status
        == 0
    )
    rows = list(csv.DictReader((out / "compare.csv").read_text().splitlines()))
    slots: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        slots[row["rule"]].add(row["slot_start"])
    assert len(slots["MicroTE"]) == ROUNDS
    assert slots["MicroTE"] == slots["uniform"] == slots["mmr"]
    bill = sum(int(row["bill"]) for row in rows if row["rule"] == "mmr")
    assert told(out)["rules"]["mmr"]["metrics"]["bill"]["value"] == pytest.approx(bill / 1e9)


def test_a_run_is_compared_without_running_it_again(shell: Shell, tmp_path: Path) -> None:
    config, out = study(tmp_path), tmp_path / "out"
    assert shell("run", config, "--out", out).status == 0
    before = query(out / "market.db", "SELECT count(*) FROM runs")
    assert shell("compare", out, "--rules", "MicroTE,uniform").status == 0
    first = (out / "compare.json").read_bytes()
    assert (
        shell("compare", out / "market.db", "--rules", "MicroTE,uniform", "--out", tmp_path / "b").status == 0
    )
    assert (tmp_path / "b" / "compare.json").read_bytes() == first
    assert query(out / "market.db", "SELECT count(*) FROM runs") == before


def test_a_run_has_the_length_that_it_has(shell: Shell, tmp_path: Path) -> None:
    message = shell.refuses("compare", tmp_path, "--rules", "MicroTE,uniform", "--days", "1")
    assert "--days goes with a config" in message


def test_a_seed_is_that_of_run_and_bootstrap(shell: Shell, tmp_path: Path) -> None:
    config = study(tmp_path)
    for name, seed in (("a", "4"), ("b", "4"), ("c", "5")):
        arguments = ("--seed", seed, "--resamples", "50", "--confidence", "0.8")
        answer = shell("compare", config, "--rules", "MicroTE,mmr", "--out", tmp_path / name, *arguments)
        assert answer.status == 0, answer.err
    texts = [(tmp_path / name / "compare.json").read_bytes() for name in "abc"]
    assert texts[0] == texts[1] != texts[2]
    bootstrap = told(tmp_path / "a")["bootstrap"]
    assert (bootstrap["seed"], bootstrap["resamples"], bootstrap["confidence"]) == (4, 50, 0.8)


# ---------------------------------------------------------------- what cannot be compared


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rules", "MicroTE,mcafe"), "unknown rule 'mcafe'. Did you mean 'mcafee'? There are: "),
        (("--rules", "uniform"), "a comparison needs two rules at least, found 1"),
        (("--rules", "uniform,,uniform"), "a comparison needs two rules at least, found 1"),
        (("--rules", "uniform,mmr", "--confidence", "1.5"), "--confidence lies between 0 and 1, found 1.5"),
        (("--rules", "uniform,mmr", "--resamples", "0"), "--resamples must be at least 1, found 0"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_run(
    shell: Shell, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    message = shell.refuses("compare", study(tmp_path), "--out", tmp_path / "out", *arguments)
    assert said in message
    assert not (tmp_path / "out").exists()


def test_a_market_with_areas_is_refused_before_anything_is_run(shell: Shell, tmp_path: Path) -> None:
    config = study(tmp_path, ("market:", "areas: {grid: {}}\nmarket:"))
    message = shell.refuses("compare", config, "--rules", "uniform,mmr", "--out", tmp_path / "out")
    assert "a market with areas cannot be compared" in message
    assert not (tmp_path / "out").exists()


def test_a_wrong_config_is_said_as_always(shell: Shell, tmp_path: Path) -> None:
    config = study(tmp_path, ("  days:", "  dais:"))
    assert "unknown key 'dais'" in shell.refuses("compare", config, "--rules", "uniform,mmr")


def test_a_run_without_orders_is_refused(shell: Shell, tmp_path: Path) -> None:
    config = study(tmp_path)
    for record in ("participant", "none"):
        out = tmp_path / record
        assert shell("run", config, "--out", out, "--record", record).status == 0
        message = shell.refuses("compare", out, "--rules", "uniform,mmr")
        assert "has no orders to compare; run the config with record: full" in message
    message = shell.refuses("compare", tmp_path / "nowhere.db", "--rules", "uniform,mmr")
    assert "is not the directory of a run" in message
