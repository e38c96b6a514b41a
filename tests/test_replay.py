"""A scenario through the command line ends as expected, in the database as on the screen."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import START, STEP
from tests.shell_helpers import SCENARIOS, Shell, query, statuses
from tests.test_journal import BID, JOIN, OPEN, scenario

FILES = sorted(SCENARIOS.glob("*.jsonl"))

START_ROUND = {"command": "start_round", "time": START, "duration": STEP}
END_ROUND = {"command": "end_round", "time": START + STEP}


def multiset(records: list[dict[str, Any]], like: list[dict[str, Any]]) -> Counter[str]:
    """Return records as a multiset, with the keys that the expected ones have."""
    keys = sorted({key for record in like for key in record})
    return Counter(json.dumps([record[key] for key in keys]) for record in records)


def stored(database: Path, table: str) -> list[dict[str, Any]]:
    """Return a table's rows as records like those of the expected answers."""
    names = [name for _, name, *_ in query(database, f"PRAGMA table_info({table})")]
    records = [dict(zip(names, row, strict=True)) for row in query(database, f"SELECT * FROM {table}")]
    for record in records:
        if "slot_start" in record:
            record["time_delivery"] = [record["slot_start"], record["slot_end"]]
        if "estimated" in record:
            record["estimated"] = bool(record["estimated"])
    return records


@pytest.mark.skipif(not FILES, reason="there are no shared scenarios beside the repository")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_scenario_ends_as_expected(shell: Shell, tmp_path: Path, path: Path) -> None:
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    database = tmp_path / "replay.db"
    answer = shell("replay", path, "--database", f"sqlite:///{database}", "--json")
    assert answer.status == 0, answer.err
    said = json.loads(answer.out)
    assert set(said["rejected"]) == set(expected["rejected"])
    rejected = query(database, "SELECT id FROM orders WHERE status = 'rejected'")
    assert {order_id for (order_id,) in rejected} == set(expected["rejected"])
    for table in ("contracts", "transactions"):
        like = expected[table]
        assert like
        assert multiset(said[table], like) == multiset(like, like)
        assert multiset(stored(database, table), like) == multiset(like, like)
    assert statuses(database) == {"replay 0": "finished"}


def test_a_replay_says_what_came_of_it_and_where_it_is(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = scenario(tmp_path, OPEN, JOIN, START_ROUND, BID, {**BID, "uuid": "u2", "quantity": 1.5}, END_ROUND)
    answer = shell("replay", path)
    assert answer.status == 0, answer.err
    assert "6 lines, 2 orders rejected, 0 contracts, 0 transactions" in answer.out
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"database  runs/{folder.name}/market.db (run replay-s)" in answer.out
    assert statuses(folder / "market.db") == {"replay 0": "finished"}


def test_a_file_that_is_replayed_again_is_a_run_of_its_own(shell: Shell, tmp_path: Path) -> None:
    path, url = scenario(tmp_path, OPEN, JOIN), f"sqlite:///{tmp_path / 'all.db'}"
    for _ in range(2):
        assert shell("replay", path, "--database", url).status == 0
    assert query(tmp_path / "all.db", "SELECT id FROM runs ORDER BY id") == [("replay-s",), ("replay-s-2",)]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["nonsense"], "s.jsonl:1: is not JSON: "),
        ([JOIN], "s.jsonl:1: Join is not possible: the market is closed"),
        ([], "s.jsonl: holds no commands; the first must be open_market"),
        ([json.dumps(OPEN).replace("UTC", "UTD")], "s.jsonl:1: market.timezone: unknown time zone 'UTD'"),
        ([json.dumps(OPEN).replace('"price"', '"prize"')], "unknown key 'prize'. Did you mean 'price'?"),
    ],
)
def test_a_file_that_is_wrong_from_the_start_leaves_nothing(
    shell: Shell, tmp_path: Path, lines: list[object], said: str
) -> None:
    message = shell.refuses("replay", scenario(tmp_path, *lines), "--out", tmp_path / "out")
    assert said in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "s.jsonl:5: is not JSON: "),
        (OPEN, "s.jsonl:5: OpenMarket is not possible: the market is between rounds"),
        (END_ROUND, "s.jsonl:5: EndRound is not possible: the market is between rounds"),
        (START_ROUND, "s.jsonl:5: the round at"),
        ({"command": "joyn"}, "s.jsonl:5: unknown command 'joyn'; there are: open_market"),
        ({"command": "join"}, "s.jsonl:5: "),
        ({**START_ROUND, "time": 900 * 10**30}, "s.jsonl:5: "),
    ],
)
def test_a_line_that_is_wrong_later_on_marks_the_run_failed(
    shell: Shell, tmp_path: Path, line: object, said: str
) -> None:
    path = scenario(tmp_path, OPEN, JOIN, START_ROUND, END_ROUND, line)
    assert said in shell.refuses("replay", path, "--out", tmp_path / "out")
    assert statuses(tmp_path / "out" / "market.db") == {"replay 0": "failed"}


def test_orders_that_no_database_could_take_are_refused(shell: Shell, tmp_path: Path) -> None:
    vast = [
        {**BID, "uuid": "u1", "quantity": 10**400},
        {**BID, "uuid": "u2", "price": 1e308},
        {**BID, "uuid": "u3", "time_delivery": [900 * 10**30, 900 * 10**30 + STEP]},
        {**BID, "uuid": "u4", "time": 10**30},
    ]
    path = scenario(tmp_path, OPEN, JOIN, *vast)
    answer = shell("replay", path, "--out", tmp_path / "out", "--json")
    assert json.loads(answer.out)["rejected"] == ["u1", "u2", "u3", "u4"]


def test_a_database_that_cannot_be_used_is_a_failure(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = scenario(tmp_path, OPEN, JOIN)
    shell.refuses("replay", path, "--database", f"sqlite:///{tmp_path / 'file' / 'x.db'}", status=1)
    shell.refuses("replay", path, "--database", "nonsense")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_replay_is_marked(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "s.jsonl"
    os.mkfifo(path)
    command = [sys.executable, "-m", "trex_market", "replay", "s.jsonl", "--out", "out"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        pipe = os.open(path, os.O_WRONLY)
        more = f"{json.dumps(JOIN)}\n".encode() * 1000
        # More than the pipe holds: when all is written, the run is well under way.
        os.write(pipe, f"{json.dumps(OPEN)}\n".encode() + 5 * more)
        process.send_signal(number)
        with contextlib.suppress(BrokenPipeError):
            for _ in range(50):
                os.write(pipe, more)
        os.close(pipe)
        _, err = process.communicate()
    assert (process.returncode, err) == (130, "interrupted; what was recorded until now is kept\n")
    assert statuses(tmp_path / "out" / "market.db") == {"replay 0": "interrupted"}
