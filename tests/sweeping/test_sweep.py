"""Sweeps with real processes: what they come to, what is killed, what is done already."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shell_helpers import ROUNDS, Shell, own_study, query, study
from tests.sweeping.helpers import Quiet, lasting, result, rows, swept
from trex_market.core.errors import InputError

BIDS = "participants.taker.trader.bid_price"

pytestmark = pytest.mark.slow

WAITS_ONCE = """\
def decide(self, view):
    import os, pathlib, signal
    mark = pathlib.Path(os.environ["MARKS"]) / str({number})
    if {condition} and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.{signal})
        signal.pause()
    return NOTHING
"""
"""Has its process killed in the middle of its first run, and of no other."""


def kills_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str = "SIGKILL", *, always: bool = False
) -> Path:
    """Write the small study with a strategy whose process is killed in the middle of a run."""
    monkeypatch.setenv("MARKS", str(tmp_path))
    start = "view.round.time > 1591012800 + 900 * 5"
    body = WAITS_ONCE.format(number="'mark'", condition=start, signal=name)
    return own_study(tmp_path, body.replace(" and not mark.exists()", "") if always else body)


async def test_the_table_says_what_single_runs_say(tmp_path: Path, shell: Shell) -> None:
    config, out = study(tmp_path), tmp_path / "sweep"
    await swept(config, out, "market.grid.fee_ratio=1,2.75", f"{BIDS}=0.13,0.24", seeds="2")
    table = rows(out)
    assert [(row["market.grid.fee_ratio"], row[BIDS], row["seed"]) for row in table] == [
        (ratio, price, seed) for ratio in (1.0, 2.75) for price in (0.13, 0.24) for seed in (1, 2)
    ]
    assert {row["status"] for row in table} == {"finished"}
    for row in (table[0], table[3], table[6]):
        text = config.read_text().replace("fee_ratio: 2.75", f"fee_ratio: {row['market.grid.fee_ratio']}")
        single = tmp_path / "single.yaml"
        single.write_text(text.replace("bid_price: 0.24", f"bid_price: {row[BIDS]}"))
        directory = tmp_path / row["run"]
        assert _run(shell, single, directory, row["seed"]) == {name: row[name] for name in _kpis(directory)}


def _run(shell: Shell, config: Path, directory: Path, seed: int) -> dict[str, float | None]:
    # In a thread of its own the shell could not use signals; a process can.
    from tests.shell_helpers import run_process

    answer = run_process("run", config, "--out", directory, "--seed", str(seed), cwd=config.parent)
    assert answer.status == 0, answer.err
    return _kpis(directory)


def _kpis(directory: Path) -> dict[str, float | None]:
    report = json.loads((directory / "report.json").read_text())["runs"][0]
    return {name: entry["value"] for name, entry in report["kpis"].items()}


async def test_a_run_has_a_directory_from_which_it_can_be_repeated(tmp_path: Path) -> None:
    from tests.shell_helpers import run_process

    out = tmp_path / "sweep"
    await swept(study(tmp_path), out, f"{BIDS}=0.13,0.24")
    run_id = rows(out)[0]["run"]
    directory = out / "runs" / run_id
    again = tmp_path / "again.yaml"
    again.write_text((directory / "config.yaml").read_text())
    answer = run_process("run", again, "--out", tmp_path / "again", cwd=tmp_path)
    assert answer.status == 0, answer.err
    sql = "SELECT * FROM transactions ORDER BY run_id, id"
    assert query(directory / "market.db", sql) == query(tmp_path / "again" / "market.db", sql) != []


async def test_a_run_whose_process_is_killed_is_repeated_and_no_other_is_disturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = kills_itself(tmp_path, monkeypatch)
    out, display = tmp_path / "sweep", Quiet()
    begun: list[str] = []
    await swept(
        config, out, f"{BIDS}=0.13,0.2,0.24", display=display, started=lambda _pid, name: begun.append(name)
    )
    table = rows(out)
    assert sorted(row["attempts"] for row in table) == [1, 1, 2]
    assert {row["status"] for row in table} == {"finished"}
    assert len(begun) == 4
    assert display.done == pytest.approx(3)
    # What it left behind by then is not in what it came to.
    await swept(config, tmp_path / "calm", f"{BIDS}=0.13,0.2,0.24")
    assert lasting(out) == lasting(tmp_path / "calm")
    for row in table:
        runs = query(out / "runs" / row["run"] / "market.db", "SELECT status FROM runs")
        assert runs == [("finished",), ("finished",)]


async def test_a_process_that_is_killed_from_outside_is_noticed(tmp_path: Path) -> None:
    killed: list[str] = []

    def kill_the_first(pid: int, run_id: str) -> None:
        if not killed:
            killed.append(run_id)
            os.kill(pid, signal.SIGKILL)

    out = tmp_path / "sweep"
    await swept(study(tmp_path), out, f"{BIDS}=0.13,0.24", started=kill_the_first)
    assert {row["run"]: row["attempts"] for row in rows(out)} == {
        row["run"]: 2 if row["run"] in killed else 1 for row in rows(out)
    }
    assert len(killed) == 1


async def test_a_run_that_is_killed_every_time_fails_and_the_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = kills_itself(tmp_path, monkeypatch, always=True)
    out, display = tmp_path / "sweep", Quiet()
    killer = "participants.maker.trader.type"
    own = next(line for line in config.read_text().splitlines() if "own_strategy" in line).split('"')[1]
    begun: list[str] = []
    await swept(
        config,
        out,
        f'{killer}=basic,"{own}"',
        display=display,
        attempts=2,
        started=lambda _pid, name: begun.append(name),
    )
    good, bad = rows(out)
    assert (good["status"], good["attempts"]) == ("finished", 1)
    assert (bad["status"], bad["attempts"], bad["traded"]) == ("failed", 2, None)
    assert bad["message"] == "its process was ended by SIGKILL, 2 time(s)"
    assert begun.count(bad["run"]) == 2
    assert display.told == [f"run {bad['run']} failed: {bad['message']}"]
    assert not (out / "results" / f"{bad['run']}.json").exists()


async def test_a_run_that_fails_by_itself_is_not_repeated_but_done_again_by_the_next_start(
    tmp_path: Path,
) -> None:
    config = own_study(tmp_path, "def decide(self, view):\n    raise RuntimeError('no idea')")
    out = tmp_path / "sweep"
    begun: list[str] = []
    for start in (1, 2):
        await swept(config, out, "market.k=0,1", started=lambda _pid, name: begun.append(name))
        assert len(begun) == 2 * start
        for row in rows(out):
            assert (row["status"], row["attempts"]) == ("failed", 1)
            assert "RuntimeError: no idea" in row["message"]


async def test_what_has_finished_is_not_run_again(tmp_path: Path) -> None:
    config, out = study(tmp_path), tmp_path / "sweep"
    begun: list[str] = []
    await swept(config, out, f"{BIDS}=0.13,0.24", started=lambda _pid, name: begun.append(name))
    first = lasting(out)
    assert len(begun) == 2
    # One more value, the axis written another way, one result lost, and one that was cut off.
    (out / "results" / f"{first[0]['run']}.json").write_text('{"run_id": "')
    display = Quiet()
    again: list[str] = []
    done = await swept(
        config, out, f"{BIDS}=0.24,0.13,0.2", display=display, started=lambda _pid, name: again.append(name)
    )
    assert done.skipped == 1
    assert display.runs == (3, 1)
    assert display.done == pytest.approx(2)
    assert first[1]["run"] not in again
    assert sorted(again) == sorted(row["run"] for row in rows(out) if row["run"] != first[1]["run"])
    assert {row["run"]: row for row in lasting(out)}.items() >= {row["run"]: row for row in first}.items()


async def test_results_of_another_config_do_not_count(tmp_path: Path) -> None:
    config, out = study(tmp_path), tmp_path / "sweep"
    await swept(config, out, "market.k=0,1")
    before = lasting(out)
    config.write_text(config.read_text().replace("ask_price: 0.12", "ask_price: 0.2"))
    done = await swept(config, out, "market.k=0,1")
    assert done.skipped == 0
    assert [row["run"] for row in rows(out)] == [row["run"] for row in before]
    assert lasting(out) != before


async def test_profiles_that_have_changed_are_read_again(tmp_path: Path) -> None:
    config, out = study(tmp_path), tmp_path / "sweep"
    await swept(config, out, "market.k=0,1")
    (first, _) = rows(out)
    files = {path.name for path in (out / "profiles").iterdir()}
    assert len(files) == 4
    data = tmp_path / "profiles.csv"
    data.write_text(data.read_text().replace(",taker,400,", ",taker,4000,"))
    (out / "results" / f"{first['run']}.json").unlink()
    await swept(config, out, "market.k=0,1")
    assert result(out, first["run"])["kpis"]["load"] == pytest.approx(first["load"] + 3.6 * ROUNDS / 3)


async def test_two_sweeps_are_equal(tmp_path: Path) -> None:
    config = study(tmp_path)
    for name, workers in (("a", 1), ("b", 2)):
        await swept(config, tmp_path / name, f"{BIDS}=0.13,0.24", seeds="2,9", workers=workers)
    assert lasting(tmp_path / "a") == lasting(tmp_path / "b")
    assert [row["seed"] for row in rows(tmp_path / "a")] == [2, 9, 2, 9]


async def test_two_sweeps_cannot_share_a_directory(tmp_path: Path) -> None:
    config, out = study(tmp_path), tmp_path / "sweep"
    refused: list[str] = []

    async def try_another() -> None:
        with pytest.raises(InputError, match="another sweep is at work there") as raised:
            await swept(config, out, "market.k=0")
        refused.append(str(raised.value))

    import asyncio

    others: list[asyncio.Task[None]] = []
    await swept(
        config,
        out,
        "market.k=0,1",
        started=lambda _pid, _name: others.append(asyncio.ensure_future(try_another())),
    )
    await asyncio.gather(*others)
    assert len(refused) == 2


async def test_hyperparameters_are_options_of_those_who_learn(tmp_path: Path) -> None:
    config = study(
        tmp_path,
        ("type: basic, ask_price: 0.12", "type: q_learning, learning: true"),
        ("  days: 0.125", "  days: 0.125\n  generations: 2"),
    )
    config.write_text(
        config.read_text()
        + "training:\n  hyperparameters:\n    price_levels: {start: 4, stop: 8, num: 2}\n    learning_rate: 0.3\n"
    )
    out = tmp_path / "sweep"
    await swept(config, out)
    assert [row["training.hyperparameters.price_levels"] for row in rows(out)] == [4, 8]
    for row in rows(out):
        text = (out / "runs" / row["run"] / "config.yaml").read_text()
        assert f"price_levels: {row['training.hyperparameters.price_levels']}" in text
        assert "learning_rate: 0.3" in text
        taker = text.partition("  taker:")[2].partition("  mixed:")[0]
        assert "price_levels" not in taker
        runs = query(out / "runs" / row["run"] / "market.db", "SELECT simulation, episode FROM runs")
        assert runs == [("baseline", 0), ("training", 0), ("training", 1), ("validation", 0)]


SLEEPS = """\
def decide(self, view):
    import os, pathlib, signal
    (pathlib.Path({marks!r}) / str(os.getpid())).touch()
    signal.pause()
"""


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130)])
def test_a_sweep_that_ends_leaves_no_process_behind(
    tmp_path: Path, sent: signal.Signals, status: int
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    config = own_study(tmp_path, SLEEPS.format(marks=str(marks)))
    command = [
        sys.executable,
        "-m",
        "trex_market",
        "sweep",
        str(config),
        "--set",
        "market.k=0,1",
        "--out",
        "out",
    ]
    with subprocess.Popen([*command, "--workers", "2"], cwd=tmp_path, stderr=subprocess.PIPE) as process:
        wait_until(lambda: len(list(marks.iterdir())) == 2)
        process.send_signal(sent)
        assert process.wait(timeout=60) == status
    # Processes that are gone have no directory in /proc; zombies may, until somebody looks after them.
    wait_until(lambda: not any(_lives(int(mark.name)) for mark in marks.iterdir()))


def _lives(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:4]
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(happens: Callable[[], bool], seconds: float = 90) -> None:
    """Wait for what other processes do."""
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
