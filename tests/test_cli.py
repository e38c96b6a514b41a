"""The command line: one clear message for each mistake, the right exit status, and nothing half done."""

from __future__ import annotations

import re
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shell_helpers import (
    ROUNDS,
    START,
    STEP,
    Shell,
    assert_no_finished_run,
    own_study,
    profiles,
    query,
    run_process,
    statuses,
    study,
)
from trex_market import __version__

# ---------------------------------------------------------------- configs

MISTAKES: dict[str, tuple[tuple[str, str], str]] = {
    "duplicate participant": (
        ("  taker:", "  maker:"),
        ":11: participants.maker: given twice, on line 10 and here",
    ),
    "unknown strategy": (
        ("type: basic, ask", "type: basik, ask"),
        ":10: participants.maker: unknown strategy 'basik'",
    ),
    "unknown rule": (
        ("market:", "market:\n  type: MicroT"),
        ":8: market.type: unknown clearing rule 'MicroT'",
    ),
    "unknown key": (("  days:", "  dais:"), "study.dais: unknown key 'dais'. Did you mean 'days'?"),
    "negative capacity": (
        ("bid_price: 0.24}}", "bid_price: 0.24}, storage: {capacity: -5, power: 1}}"),
        ":11: participants.taker.storage.capacity: must be at least 0 Wh, found -5",
    ),
    "bad time zone": (
        ("UTC", "Europe/Berlim"),
        ":3: study.timezone: unknown time zone 'Europe/Berlim'. Did you mean",
    ),
    "bad date": (("2020-06-01", "2020-16-01"), ":2: study.start_datetime: "),
    "bad step": (
        ("step_size: 900", "step_size: -900"),
        ":4: study.time_step_size: must be at least 1 s, found -900",
    ),
    "no days": (("0.125", "0"), ":5: study.days: must be above 0 days, found 0"),
    "days without profiles": (("0.125", "2"), ":10: participants.maker: "),
    "missing profile": (("mixed:", "mixt:"), ":12: participants.mixt: "),
    "no such profiles": (("profiles.csv", "profile.csv"), ":6: study.profiles_db_location: "),
    "price is no number": (
        ("price: 0.08", "price: cheap"),
        ":8: market.grid.price: must be a number of $/kWh, found",
    ),
    "no database": (
        ("  days:", "  output_db_location: x\n  days:"),
        ":5: study.output_db_location: 'x' is not a data",
    ),
    "bad syntax": (("market:", "market: ["), ": syntax error: "),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("command", ["run", "validate"])
def test_a_wrong_config_is_said_with_file_line_and_field(
    shell: Shell, tmp_path: Path, name: str, command: str
) -> None:
    change, said = MISTAKES[name]
    config = study(tmp_path / "in", change)
    options = ["--out", str(tmp_path / "out")] if command == "run" else []
    message = shell.refuses(command, config, *options)
    assert message.startswith(f"{config}:")
    assert said in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (bytes(range(256)), "is not UTF-8 text"),
        (b"- a\n- b\n", "a config is a mapping of keys"),
        (b"hello\n", "a config is a mapping of keys"),
        (b"study:\n\tdays: 1\n", ":2:1: syntax error"),
        (b"study: {}\n", "market: must be given"),
    ],
    ids=["empty", "junk", "list", "word", "tab", "stub"],
)
def test_a_file_that_is_no_config_is_said(shell: Shell, tmp_path: Path, content: bytes, said: str) -> None:
    config = tmp_path / "x.yaml"
    config.write_bytes(content)
    for command in ("run", "validate"):
        assert said in shell.refuses(command, config)
    assert [path.name for path in tmp_path.iterdir()] == ["x.yaml"]


def test_a_wrong_path_is_said_with_what_there_is(shell: Shell, tmp_path: Path) -> None:
    config = study(tmp_path)
    assert "Did you mean" in shell.refuses("run", tmp_path / "stuby.yaml")
    assert str(config) in shell.refuses("run", tmp_path / "stuby.yaml")
    assert "is a directory; give a file inside of it. In " in shell.refuses("run", tmp_path)
    assert "nor a folder" in shell.refuses("run", tmp_path / "no" / "study.yaml")


TEN_MISTAKES = """\
study:
  start_datetime: "2016-99-18"
  timezone: Europe/Berlim
  time_step_size: 900.5
  days: -1
  profiles_db_locatio: packaged:semiurban
  record: everything
market:
  close_steps: 1
  grid: {price: cheap, fee_ratio: 2.75}
  k: 7
participants:
  home_01: {trader: {type: basic, ask_price: -5}, storage: {capacity: -1, power: 10}}
  home_01: {trader: {type: basic}}
"""


def test_ten_mistakes_are_said_at_once_each_with_its_line(shell: Shell, tmp_path: Path) -> None:
    config = tmp_path / "ten.yaml"
    config.write_text(TEN_MISTAKES)
    lines = shell.refuses("validate", config).splitlines()
    found = [re.match(rf"{re.escape(str(config))}:(\d+): ([\w.]+): ", line) for line in lines]
    assert [(int(match[1]), match[2]) for match in found if match] == [
        (2, "study.start_datetime"),
        (3, "study.timezone"),
        (4, "study.time_step_size"),
        (5, "study.days"),
        (6, "study.profiles_db_locatio"),
        (7, "study.record"),
        (9, "market.close_steps"),
        (10, "market.grid.price"),
        (11, "market.k"),
        (13, "participants.home_01.storage.capacity"),
        (13, "participants.home_01.trader.ask_price"),
        (14, "participants.home_01"),
    ]
    assert all(found)


def test_validate_says_what_a_config_would_do_and_shows_it(shell: Shell, tmp_path: Path) -> None:
    config = study(tmp_path)
    answer = shell("validate", config)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith(
        f"{config}: fine: 3 participants, baseline, training, 2 episodes of {ROUNDS} rounds"
    )
    shown = tmp_path / "shown.yaml"
    shown.write_text(shell("validate", config, "--show").out)
    assert shell("validate", shown, "--show").out == shown.read_text()


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--days", "0"], "--days: must be above 0 days, found 0"),
        (["--days", "nan"], "--days: must be a finite number"),
        (["--days", "0.0001"], "--days: must be a whole number of steps"),
        (["--days", "3"], "participants.maker: "),
        (["--days", "x"], "--days"),
        (["--episodes", "-1"], "--episodes: must be at least 1, found -1"),
        (["--episodes", "1.5"], "--episodes"),
        (["--seed", "-1"], "--seed: must be at least 0, found -1"),
        (["--record", "some"], "--record: must be 'full', 'participant' or 'none', found 'some'"),
        (["--simulation", "trainig"], "--simulation: must be 'baseline', 'training' or 'validation'"),
        (["--bogus"], "No such option"),
        (["another.yaml"], "unexpected extra argument"),
        (["--database", "nonsense"], "'nonsense' is not a database; there are, for example: "),
        (["--database", ""], "'' is not a database"),
        (["--database", "sqlite://"], "names no file"),
        (["--database", "mysql://host/x"], "unknown kind of database 'mysql'"),
        (["--database", "postgresql://u:secret@[::1"], "is not a database URL"),
    ],
)
def test_a_wrong_option_is_said_and_nothing_is_made(
    shell: Shell, tmp_path: Path, options: list[str], said: str
) -> None:
    message = shell.refuses("run", study(tmp_path / "in"), "--out", tmp_path / "out", *options)
    assert said in " ".join(message.replace("│", " ").split())
    assert "secret" not in message
    assert not (tmp_path / "out").exists()


def test_commands_that_there_are_not(shell: Shell) -> None:
    assert "No such command 'runn'" in shell.refuses("runn")
    assert shell("--version").out == f"trex-market {__version__}\n"
    for command in ("demo", "run", "replay", "validate", "report"):
        assert command in shell("--help").out
        assert "--help" in shell(command, "--help").out


# ---------------------------------------------------------------- directories and databases


def test_a_directory_that_cannot_be_made_is_said(shell: Shell, tmp_path: Path) -> None:
    config = study(tmp_path)
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "out", tmp_path / ("x" * 1000)):
        assert "cannot be made: " in shell.refuses("run", config, "--out", out)


def in_a_file(folder: Path) -> str:
    (folder / "file").write_text("")
    return f"sqlite:///{folder / 'file' / 'x.db'}"


def in_a_folders_place(folder: Path) -> str:
    return f"sqlite:///{folder}"


def of_another_program(folder: Path) -> str:
    connection = sqlite3.connect(folder / "other.db")
    connection.execute("CREATE TABLE runs (speed INTEGER)")
    connection.close()
    return f"sqlite:///{folder / 'other.db'}"


def no_database(folder: Path) -> str:
    (folder / "junk.db").write_bytes(bytes(range(256)) * 16)
    return f"sqlite:///{folder / 'junk.db'}"


def out_of_reach(_: Path) -> str:
    return "postgresql://u:secret@127.0.0.1:1/market"


@pytest.mark.parametrize(
    "place", [in_a_file, in_a_folders_place, of_another_program, no_database, out_of_reach]
)
def test_a_database_that_cannot_be_used_is_a_failure_and_no_run(
    shell: Shell, tmp_path: Path, place: Callable[[Path], str]
) -> None:
    config, out, url = study(tmp_path / "in"), tmp_path / "out", place(tmp_path)
    message = shell.refuses("run", config, "--out", out, "--database", url, status=1)
    assert message.startswith("failed: the database ")
    assert "secret" not in message
    assert len(message.splitlines()) == 1
    assert list(out.iterdir()) == []
    assert shell("run", config, "--out", out).status == 0  # nothing is in the way of a second attempt


# ---------------------------------------------------------------- strategies


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('five')", "strategy Own of 'maker' raised ValueError: five"),
        ("return None", "strategy Own of 'maker' answered with None, which is not a Decision"),
        (
            "return Decision([bid(5.5, 1, 0)])",
            "raised TypeError: 'float' object cannot be interpreted as an integer",
        ),
        ("return Decision([NewOrder('bid', 5.5, 1, 0)])", "participant 'maker' ordered NewOrder("),
        ("return Decision(None)", "participant 'maker' raised TypeError: "),
        ("return Decision(cancel=[[]])", "participant 'maker' cancelled []"),
        ("raise SystemExit", "'maker' raised SystemExit"),
        ("import no_such_module", "raised ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_a_broken_strategy_is_a_failure_that_says_whose(
    shell: Shell, tmp_path: Path, body: str, said: str
) -> None:
    config = own_study(tmp_path, f"def decide(self, view):\n    {body}")
    message = shell.refuses("run", config, "--out", tmp_path / "out", status=1)
    assert message.startswith("failed: ")
    assert said in message
    assert "round at" in message
    assert_no_finished_run(tmp_path / "out")
    assert statuses(tmp_path / "out" / "market.db") == {"baseline 0": "finished", "training 0": "failed"}


# ---------------------------------------------------------------- processes


def test_the_module_is_the_command(tmp_path: Path) -> None:
    assert run_process("--version", cwd=tmp_path).out == f"trex-market {__version__}\n"
    answer = run_process("run", "nowhere.yaml", cwd=tmp_path)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("nowhere.yaml: there is no such file")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("record", ["full", "participant", "none"])
def test_an_interrupt_closes_the_database_and_marks_the_run(
    tmp_path: Path, number: signal.Signals, record: str
) -> None:
    body = f"""\
def decide(self, view):
    if view.round.time == {START + 100 * STEP}:
        import os
        os.kill(os.getpid(), {number})
    return Decision([ask(5, 100_000, view.round.next_settle)])"""
    config, out = own_study(tmp_path, body), tmp_path / "out"
    config.write_text(config.read_text().replace("days: 0.125", "days: 7"))
    (tmp_path / "profiles.csv").write_text(profiles(7 * 96))
    answer = run_process("run", config, "--out", out, "--record", record, cwd=tmp_path)
    assert (answer.status, answer.err) == (130, "interrupted; what was recorded until now is kept\n")
    assert statuses(out / "market.db") == {"baseline 0": "finished", "training 0": "interrupted"}
    assert query(out / "market.db", "PRAGMA integrity_check") == [("ok",)]
    assert not list(out.glob("market.db-*"))  # the write-ahead log was taken in
    assert_no_finished_run(out)
    if record == "full":
        sql = "SELECT count(DISTINCT time_creation) FROM transactions WHERE run_id LIKE '%training%'"
        assert 100 <= query(out / "market.db", sql)[0][0] < 200


def test_names_and_values_are_told_together(tmp_path: Path) -> None:
    """What a config names and there is not is told also where it is wrong in other places."""
    config = tmp_path / "wrong.yaml"
    config.write_text(
        """\
study:
  start_datetime: "2016-07-18"
  days: -1
  profiles_db_location: nowhere.csv
market: {type: MicroTX, grid: {price: 0.1}}
participants:
  home_01: {trader: {type: basik}, storage: {type: Bes, capacity: 5, power: 3}}
"""
    )
    answer = run_process("validate", str(config), cwd=tmp_path)
    assert answer.status == 2
    places = [line.removeprefix(f"{config}:").split(": ")[:2] for line in answer.err.splitlines()]
    assert places == [
        ["3", "study.days"],
        ["4", "study.profiles_db_location"],
        ["5", "market.type"],
        ["7", "participants.home_01.storage.type"],
        ["7", "participants.home_01.trader.type"],
    ]
