"""`trex-market report`: one run, several, other recordings, and what cannot be reported."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.docs_helpers import blocks
from tests.shell_helpers import REPOSITORY, ROUNDS, SCENARIOS, START, STEP, Shell, query, study
from trex_market.analysis.kpis import KPIS


def ran(shell: Shell, config: Path, out: Path, *options: str) -> Path:
    """Run a study, and return its directory."""
    answer = shell("run", config, "--out", out, *options)
    assert answer.status == 0, answer.err
    return out


def told(directory: Path) -> dict[str, Any]:
    """Return the JSON of a report."""
    document: dict[str, Any] = json.loads((directory / "report.json").read_text())
    return document


def kpis(directory: Path, run: int = 0) -> dict[str, float | None]:
    """Return the figures of a report's run."""
    return {name: one["value"] for name, one in told(directory)["runs"][run]["kpis"].items()}


# ---------------------------------------------------------------- one run


def test_a_report_is_made_anew_with_the_same_figures(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shown = shell("run", study(tmp_path), "--out", out).out
    names = ("report.html", "report.md", "report.json")
    before = {name: (out / name).read_bytes() for name in names}
    for name in names:
        (out / name).unlink()
    answer = shell("report", out)
    assert (answer.status, answer.err) == (0, "")
    tables = answer.out.partition("report ")[0]
    assert tables
    assert tables in shown
    assert {name: (out / name).read_bytes() for name in names} == before


def test_figures_are_those_of_the_summary_and_of_the_database(shell: Shell, tmp_path: Path) -> None:
    out = ran(shell, study(tmp_path), tmp_path / "out")
    summary, found = json.loads((out / "summary.json").read_text()), kpis(out)
    assert list(found) == list(KPIS)
    assert found["traded"] == pytest.approx(summary["traded"])
    assert found["self_sufficiency"] == pytest.approx(100 * summary["self_sufficiency"])
    assert found["self_consumption"] == pytest.approx(100 * summary["self_consumption"])
    assert found["price_paid"] == pytest.approx(summary["average_price"])
    assert found["bill"] == pytest.approx(summary["bill"])
    assert found["net_billing_bill"] == pytest.approx(summary["baseline_bill"])
    assert found["saving"] == pytest.approx(summary["saving"])
    assert found["operator_income"] == pytest.approx(summary["operator_income"])
    assert [found[name] for name in ("money_imbalance", "energy_imbalance", "overfilled")] == [0, 0, 0]
    run_id = told(out)["runs"][0]["about"]["run"]
    delivered = START + STEP * (ROUNDS - 1)
    ((contracted,),) = query(
        out / "market.db",
        "SELECT sum(quantity) FROM contracts WHERE run_id = ? AND slot_start <= ?",
        run_id,
        delivered,
    )
    assert found["contracted"] == contracted / 1000
    ((peak,),) = query(
        out / "market.db",
        "SELECT max(net) FROM (SELECT sum(CASE kind WHEN 'supply' THEN quantity WHEN 'feed_in' THEN -quantity "
        "WHEN 'spill' THEN -quantity ELSE 0 END) AS net FROM transactions WHERE run_id = ? "
        "GROUP BY time_creation)",
        run_id,
    )
    assert found["peak_import"] == pytest.approx(max(0, peak) * 4 / 1000)


def test_the_time_of_use_is_billed_beside_the_market(shell: Shell, tmp_path: Path) -> None:
    tou = 'tou: {"6": {"12,13,14": 0.16}}'
    config = study(tmp_path, ("fee_ratio: 2.75}", f"fee_ratio: 2.75, {tou}}}"))
    found = kpis(ran(shell, config, tmp_path / "out", "--simulation", "training"))
    flat, twice = found["flat_bill"], found["time_of_use_bill"]
    assert flat is not None
    assert twice == pytest.approx(2 * flat)  # a Monday, from 12:00 to 15:00
    assert found["net_billing_bill"] == pytest.approx(twice)  # the tariff that was in force
    columns = told(tmp_path / "out")["runs"][0]["units"]
    assert {"bill_flat", "bill_time_of_use"} <= columns.keys()


def test_an_episode_can_be_chosen(shell: Shell, tmp_path: Path) -> None:
    config = study(tmp_path, ("type: basic, bid_price: 0.24", "type: zero_intelligence"))
    out = ran(shell, config, tmp_path / "out", "--episodes", "2")
    last = told(out)["runs"][0]["about"]
    assert last["simulation"] == "training, episode 1"
    assert shell("report", out, "--episode", "0", "--simulation", "training").status == 0
    assert told(out)["runs"][0]["about"]["simulation"] == "training"
    assert shell("report", out, "--simulation", "baseline").status == 0
    assert told(out)["runs"][0]["kpis"]["traded"]["value"] == 0
    message = shell.refuses("report", out, "--episode", "7")
    assert "there are: baseline 0, training 0, training 1" in message


def test_the_yardstick_is_the_baseline_over_the_same_time(shell: Shell, tmp_path: Path) -> None:
    starts = '["2020-06-01 12:00:00", "2020-06-01 15:00:00"]'  # a range: half of it each
    config = study(tmp_path, ('"2020-06-01 12:00:00"', starts), ("days: 0.125", "days: 0.0625"))
    out = ran(shell, config, tmp_path / "out", "--episodes", "2")
    for options in ((), ("--simulation", "training", "--episode", "0")):
        assert shell("report", out, *options).status == 0
        run = told(out)["runs"][0]
        # The sun shines in the one as in the other.
        assert run["net_billing"]["kpis"]["generation"] == run["kpis"]["generation"]
        assert run["net_billing"]["kpis"]["bill"]["value"] == run["kpis"]["net_billing_bill"]["value"]
    first = kpis(out)
    assert shell("report", out).status == 0
    assert kpis(out)["generation"] != first["generation"]


def test_figures_can_be_chosen(shell: Shell, tmp_path: Path) -> None:
    out = ran(shell, study(tmp_path), tmp_path / "out")
    assert shell("report", out, "--kpi", "saving", "--kpi", "load").status == 0
    assert list(kpis(out)) == ["saving", "load"]
    message = shell.refuses("report", out, "--kpi", "savings")
    assert "unknown KPI 'savings'. Did you mean 'saving'? There are: " in message


def test_slots_are_named_by_local_time(shell: Shell, tmp_path: Path) -> None:
    out = ran(shell, study(tmp_path), tmp_path / "out")
    assert shell("report", out, "--slot", "2020-06-01T12:30", "--slot", str(START)).status == 0
    message = shell.refuses("report", out, "--slot", "noon")
    assert "--slot takes UNIX seconds or a date and time, such as 2016-07-18T12:00, found 'noon'" in message


# ---------------------------------------------------------------- several runs


def test_runs_stand_side_by_side(shell: Shell, tmp_path: Path) -> None:
    config = study(tmp_path)
    first = ran(shell, config, tmp_path / "first")
    second = ran(shell, config, tmp_path / "second", "--seed", "2")
    answer = shell("report", first, second)
    assert answer.status == 0
    assert "first" in answer.out
    both = first / "side-by-side"
    assert f"report    {both / 'report.html'}" in answer.out
    document = told(both)
    assert [run["label"] for run in document["runs"]] == ["first", "second"]
    assert document["runs"][0]["kpis"] == told(first)["runs"][0]["kpis"]
    assert shell("report", first, first, "--out", tmp_path / "twice").status == 0
    labels = [run["label"] for run in told(tmp_path / "twice")["runs"]]
    assert labels == ["first (1)", "first (2)"]


def test_runs_of_different_lengths_are_refused(shell: Shell, tmp_path: Path) -> None:
    config = study(tmp_path)
    long = ran(shell, config, tmp_path / "long")
    short = ran(shell, config, tmp_path / "short", "--days", "0.0625")
    message = shell.refuses("report", long, short)
    assert "long has 12 of 15 min; short has 6 of 15 min" in message
    assert not (long / "side-by-side").exists()


# ---------------------------------------------------------------- other recordings


def test_days_are_reported_as_far_as_they_go(shell: Shell, tmp_path: Path) -> None:
    config = study(tmp_path)
    full = kpis(ran(shell, config, tmp_path / "full"))
    out = ran(shell, config, tmp_path / "out", "--record", "participant")
    answer = shell("report", out)
    assert answer.status == 0
    assert "Self-sufficiency" in answer.out
    found = kpis(out)
    there = {name for name, value in found.items() if value is not None}
    assert there >= {
        "self_sufficiency",
        "local_share_of_demand",
        "bill",
        "saving",
        "gini_of_savings",
        "losers",
    }
    for name in there:
        assert found[name] == pytest.approx(full[name]), name
    run = told(out)["runs"][0]
    assert run["notes"][0].startswith("It was recorded by participant and day")
    assert run["kpis"]["welfare"]["missing"].startswith("there are no orders, or they were not recorded")
    assert run["about"]["time"].endswith("1 x 1 d")
    page = (out / "report.html").read_text()
    assert "Prices and volume" not in page.partition("<nav>")[2].partition("</nav>")[0]


@pytest.mark.skipif(not SCENARIOS.exists(), reason="the scenarios are not here")
def test_a_scenario_that_was_replayed_has_a_report(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "replayed"
    assert shell("replay", SCENARIOS / "microte_1.jsonl", "--out", out).status == 0
    answer = shell("report", out)
    assert answer.status == 0, answer.err
    found = kpis(out)
    assert found["money_imbalance"] == found["energy_imbalance"] == found["overfilled"] == 0
    assert found["allocative_efficiency"] is not None
    assert told(out)["runs"][0]["about"]["simulation"] == "replay"
    assert shell("report", out / "market.db", "--out", tmp_path / "other").status == 0
    assert kpis(tmp_path / "other") == found


def test_a_database_elsewhere_is_named(shell: Shell, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'all.db'}"
    out = ran(shell, study(tmp_path), tmp_path / "out", "--database", url)
    before = kpis(out)
    for arguments in ([], ["--database", url]):
        (out / "report.json").unlink()
        assert shell("report", out, *arguments).status == 0
        assert kpis(out) == before
    (tmp_path / "all.db").rename(tmp_path / "moved.db")
    assert "all.db, which is not there; name it with --database" in shell.refuses("report", out)
    assert not (tmp_path / "all.db").exists()
    # As of a database on a server: its URL may have a password.
    (out / "run.json").write_text('{"run_ids": ["x"], "timezone": "UTC"}')
    message = shell.refuses("report", out)
    assert "has no market.db; name the run's database with --database" in message


# ---------------------------------------------------------------- what cannot be reported


def test_what_is_no_run_has_no_report(shell: Shell, tmp_path: Path) -> None:
    config = study(tmp_path)
    for directory in (tmp_path / "nowhere", config, tmp_path):
        assert "is not the directory of a run that has ended" in shell.refuses("report", directory)
    out = ran(shell, config, tmp_path / "out", "--record", "none")
    assert "its transactions were not recorded; run it with record: full" in shell.refuses("report", out)
    (out / "run.json").write_text('{"run_ids": ["x"], "timezone": "UTC"}')
    assert "none of its 0 runs was finished" in shell.refuses("report", out)
    (out / "run.json").write_text("{")
    assert "run.json: " in shell.refuses("report", out)


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_an_unfinished_run_has_no_report(shell: Shell, tmp_path: Path, status: str) -> None:
    out = ran(shell, study(tmp_path), tmp_path / "out")
    (out / "run.json").unlink()  # as a run that was killed leaves its directory
    with closing(sqlite3.connect(out / "market.db")) as connection, connection:
        connection.execute("UPDATE runs SET status = ? WHERE simulation = 'training'", (status,))
    message = shell.refuses("report", out)
    assert f"was not finished: it is marked {status}; finished are: baseline 0" in message
    assert shell("report", out, "--simulation", "baseline").status == 0


def test_a_market_on_the_wall_clock_is_reported_while_it_runs(shell: Shell, tmp_path: Path) -> None:
    out = ran(shell, study(tmp_path), tmp_path / "out", "--simulation", "training")
    with closing(sqlite3.connect(out / "market.db")) as connection, connection:
        connection.execute("UPDATE runs SET simulation = 'realtime', status = 'running'")
    assert shell("report", out).status == 0
    assert told(out)["runs"][0]["notes"][0].startswith("The run is marked running")


def test_a_directory_that_cannot_be_made_is_said(shell: Shell, tmp_path: Path) -> None:
    out = ran(shell, study(tmp_path), tmp_path / "out")
    (tmp_path / "file").write_text("")
    assert "cannot be made" in shell.refuses("report", out, "--out", tmp_path / "file" / "x")


def test_a_run_can_be_moved(shell: Shell, tmp_path: Path) -> None:
    out = ran(shell, study(tmp_path), tmp_path / "out")
    shutil.move(out, tmp_path / "elsewhere")
    assert shell("report", tmp_path / "elsewhere").status == 0


@pytest.mark.slow
def test_the_example_in_python_does_what_it_says(shell: Shell, tmp_path: Path) -> None:
    out = ran(shell, study(tmp_path), tmp_path / "runs" / "first")
    (example,) = blocks("python", REPOSITORY / "docs" / "analysis.md")
    said = subprocess.run(
        [sys.executable, "-c", example.text], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stderr) == (0, "")
    found = kpis(out)
    assert said.stdout.splitlines() == [
        f"Self-sufficiency {found['self_sufficiency']} %",
        f"Total saving {found['saving']} $",
    ]
