"""A newcomer's folder and the command line, for tests: configs, profiles, strategies, runs.

All is real: files in a temporary folder, SQLite, and processes where a test is about processes.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trex_market.cli import main

REPOSITORY = Path(__file__).parents[1]
SCENARIOS = REPOSITORY.parent / "shared" / "scenarios"

STEP = 900
START = 1_591_012_800
"""2020-06-01 12:00 UTC, when the small study begins."""

ROUNDS = 12

CONFIG = """\
study:
  start_datetime: "2020-06-01 12:00:00"
  timezone: UTC
  time_step_size: 900
  days: 0.125
  profiles_db_location: profiles.csv
market:
  grid: {price: 0.08, fee_ratio: 2.75}
participants:
  maker: {trader: {type: basic, ask_price: 0.12}}
  taker: {trader: {type: basic, bid_price: 0.24}}
  mixed: {trader: {type: zero_intelligence}}
"""
"""Twelve rounds of three participants."""

LOADS = {"maker": 100, "taker": 400, "mixed": 250}
SOLAR = {"maker": 700, "taker": 0, "mixed": 260}
"""Wh in each slot, but for a wave that makes no two slots alike."""

_numbers = count(1)


def profiles(slots: int = ROUNDS) -> str:
    """Return load and generation of the small study's participants, as CSV; `time` is the end of a slot."""
    lines = ["time,participant_id,load,solar"]
    for name, load in LOADS.items():
        for number in range(slots):
            end = START + STEP * (number + 1)
            lines.append(
                f"{end},{name},{load + 37 * (number % 3)},{SOLAR[name] and SOLAR[name] - 41 * (number % 4)}"
            )
    return "\n".join(lines) + "\n"


def study(folder: Path, *changes: tuple[str, str], name: str = "study.yaml") -> Path:
    """Write the small study and its profiles into a folder, and return the config's path.

    Args:
        folder: where; made if it is not there.
        changes: pieces of the config and what stands in their place.
        name: of the config.
    """
    text = CONFIG
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profiles.csv").write_text(profiles(), encoding="utf-8")
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def strategy(folder: Path, body: str) -> str:
    """Write a module with a strategy `Own`, and return its name for a config.

    Args:
        folder: the config's.
        body: of the class.
    """
    module = f"own_strategy_{next(_numbers)}"
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    header = "from trex_market.participant import NOTHING, Decision, NewOrder, ask, bid\n\n\nclass Own:\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(f"{header}{indented}\n", encoding="utf-8")
    return f"{module}:Own"


def own_study(folder: Path, body: str) -> Path:
    """Write the small study with a strategy of its own for `maker`."""
    return study(folder, ("type: basic, ask_price: 0.12", f'type: "{strategy(folder, body)}"'))


# ---------------------------------------------------------------- the command line


class Answer(msgspec.Struct, frozen=True):
    """What a command said."""

    status: int
    out: str
    err: str


class Shell:
    """Runs commands in this process.

    Args:
        monkeypatch: sets the arguments.
        capsys: keeps what is said.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> Answer:
        """Run `trex-market` with arguments."""
        self._monkeypatch.setattr(sys, "argv", ["trex-market", *map(str, arguments)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = self._capsys.readouterr()
        status = ended.value.code
        assert status is None or isinstance(status, int)
        return Answer(status or 0, said.out, said.err)

    def refuses(self, *arguments: str | Path, status: int = 2) -> str:
        """Run a command that fails with one clear message, and return the message."""
        answer = self(*arguments)
        assert answer.status == status, answer
        assert answer.err.strip(), answer
        assert "Traceback" not in answer.err
        return answer.err


def run_process(*arguments: str | Path, cwd: Path, environment: Mapping[str, str] | None = None) -> Answer:
    """Run `trex-market` as a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "trex_market", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    return Answer(ended.returncode, ended.stdout, ended.stderr)


# ---------------------------------------------------------------- what a run left behind


def query(database: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Return the rows of a query on an SQLite file, by nothing but SQLite."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql, values).fetchall()


def statuses(database: Path) -> dict[str, str]:
    """Return the status of each run: simulation and episode -> status."""
    rows = query(database, "SELECT simulation, episode, status FROM runs ORDER BY rowid")
    return {f"{simulation} {episode}": status for simulation, episode, status in rows}


def assert_no_finished_run(directory: Path) -> None:
    """Check that a directory does not look like one of a run that was finished."""
    for name in ("run.json", "summary.json", "report.html"):
        assert not (directory / name).exists()
