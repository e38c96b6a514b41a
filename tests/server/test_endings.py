"""How simulations over sockets end before their time: Ctrl-C, the operator, a strategy that breaks."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.helpers import Agent, free_port, soon, start_process, told_through
from tests.shell_helpers import START as FIRST
from tests.shell_helpers import STEP, Shell, assert_no_finished_run, own_study, statuses, strategy, study

INTERRUPTED = "interrupted; what was recorded until now is kept"

TELLING = """\
def __init__(self, fifo):
    self.fifo = fifo

def decide(self, view):
    if view.round.time == {moment}:
        with open(self.fifo, "w") as listener:
            listener.write("deciding")
    return NOTHING
"""
"""A strategy that, in one round, tells that it decides, and goes on once it was heard."""

LONG = ("days: 0.125", "days: 0.125\n  generations: 20000")


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ended with the test, whatever comes of it."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def assert_interrupted(directory: Path) -> None:
    """Check that what was played is kept, and that the last of it is marked."""
    *before, last = statuses(directory / "market.db").values()
    assert last == "interrupted"
    assert set(before) <= {"finished"}
    assert_no_finished_run(directory)


def telling_study(folder: Path, *changes: tuple[str, str]) -> tuple[Path, Path]:
    """Write a long study whose maker tells when it decides; return the config's path and where it is told."""
    fifo = folder / "deciding"
    os.mkfifo(fifo)
    own = strategy(folder, TELLING.format(moment=FIRST + 5 * STEP))
    maker = ("type: basic, ask_price: 0.12", f'type: "{own}", fifo: "{fifo}"')
    return study(folder, maker, LONG, *changes), fifo


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("options", [[], ["--processes"]])
def test_a_run_over_sockets_is_interrupted(
    tmp_path: Path, started: list[subprocess.Popen[str]], options: list[str], how: signal.Signals
) -> None:
    config, fifo = telling_study(tmp_path)
    command = ["run", config, "--simulation", "training", "--transport", "socketio", "--out", "out"]
    process = start_process(*command, *options, cwd=tmp_path)
    started.append(process)
    assert told_through(fifo) == "deciding"

    os.killpg(process.pid, how)  # as a terminal does it: all of the group hear it
    _, wrong = process.communicate(timeout=30)

    assert (process.returncode, wrong.strip()) == (130, INTERRUPTED)
    assert_interrupted(tmp_path / "out")


@pytest.mark.slow
def test_serving_is_interrupted_and_those_who_take_part_are_told(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    port = free_port()
    config, fifo = telling_study(tmp_path, ("market:", f"server: {{port: {port}}}\nmarket:"))
    market = start_process("serve", config, "--out", "out", cwd=tmp_path)
    started.append(market)
    for name in ("maker", "taker", "mixed"):
        command = ["join", f"http://127.0.0.1:{port}", "--participant", name, "--config", config]
        started.append(start_process(*command, cwd=tmp_path))
    assert told_through(fifo) == "deciding"

    market.send_signal(signal.SIGINT)

    _, wrong = market.communicate(timeout=30)
    assert (market.returncode, wrong.strip()) == (130, INTERRUPTED)
    assert_interrupted(tmp_path / "out")
    for client in started[1:]:
        _, wrong = client.communicate(timeout=30)
        assert (client.returncode, wrong) == (0, "")


@pytest.mark.slow
def test_waiting_for_participants_is_interrupted(
    tmp_path: Path, started: list[subprocess.Popen[str]]
) -> None:
    market = start_process("serve", study(tmp_path), "--port", str(free_port()), "--out", "out", cwd=tmp_path)
    started.append(market)
    assert market.stdout is not None
    while "waiting for: maker, taker, mixed" not in market.stdout.readline():
        assert market.poll() is None

    market.send_signal(signal.SIGINT)

    _, wrong = market.communicate(timeout=30)
    assert (market.returncode, wrong.strip()) == (130, INTERRUPTED)
    assert_no_finished_run(tmp_path / "out")


@pytest.mark.slow
async def test_the_operator_stops_it(tmp_path: Path, started: list[subprocess.Popen[str]]) -> None:
    port = free_port()
    config, fifo = telling_study(tmp_path, ("market:", f"server: {{port: {port}}}\nmarket:"))
    market = start_process("serve", config, "--out", "out", cwd=tmp_path)
    started.append(market)
    url = f"http://127.0.0.1:{port}"
    for name in ("maker", "taker", "mixed"):
        started.append(start_process("join", url, "--participant", name, "--config", config, cwd=tmp_path))
    assert told_through(fifo) == "deciding"

    async with Agent(url, namespace="/simulation") as boss:
        assert (await boss.says("register"))["state"] == "running"
        await boss.says("stop")
        await soon(boss.gone.wait())

    _, wrong = market.communicate(timeout=30)
    assert wrong.strip() == "failed: stopped by the operator"
    assert_interrupted(tmp_path / "out")
    for client in started[1:]:
        client.communicate(timeout=30)
        assert client.returncode == 0


@pytest.mark.slow
def test_keys_in_the_terminal_pause_and_stop_it(tmp_path: Path, started: list[subprocess.Popen[str]]) -> None:
    port = free_port()
    config = study(tmp_path, ("market:", f"server: {{port: {port}}}\nmarket:"), LONG)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "trex_market", "serve", config, "--out", "out"]
    market = subprocess.Popen(
        command, cwd=tmp_path, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    started.append(market)
    assert market.stdout is not None
    while "keys: p pause" not in market.stdout.readline():
        assert market.poll() is None

    os.write(ours, b"xpsrq")
    _, wrong = market.communicate(timeout=30)

    os.close(theirs)
    os.close(ours)
    assert wrong.strip() == "failed: stopped by the operator"


BROKEN = """\
def decide(self, view):
    if view.round.time == {moment}:
        {what}
    return NOTHING
"""

MOMENT = FIRST + 2 * STEP


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("1 / 0", "raised ZeroDivisionError: division by zero"),
        ("return 5", "answered with 5, which is not a Decision"),
        ("return Decision(battery={1: 1})", "planned a battery, but there is none"),
    ],
)
def test_a_strategy_that_breaks_stops_the_run(tmp_path: Path, shell: Shell, what: str, said: str) -> None:
    config = own_study(tmp_path, BROKEN.format(moment=MOMENT, what=what))
    out = tmp_path / "out"

    wrong = shell.refuses("run", config, "--transport", "socketio", "--out", out, status=1)

    assert wrong == f"failed: strategy Own of 'maker' {said} (round at {MOMENT})\n"
    assert statuses(out / "market.db")["training 0"] == "failed"
    assert_no_finished_run(out)


@pytest.mark.parametrize(
    "what", ['Decision(["order"])', "Decision([NewOrder('bid', 1.5, 1, 900)])", "Decision([], [5])"]
)
def test_an_order_that_is_none_stops_the_run_as_in_process(tmp_path: Path, shell: Shell, what: str) -> None:
    config = own_study(tmp_path, BROKEN.format(moment=MOMENT, what=f"return {what}"))

    local = shell.refuses("run", config, "--out", tmp_path / "local", status=1)
    far = shell.refuses("run", config, "--transport", "socketio", "--out", tmp_path / "far", status=1)

    assert local == far
    assert "participant 'maker'" in far
    assert str(MOMENT) in far


EPISODIC = """\
def start_episode(self, start):
    {start}

def end_episode(self):
    {end}

def decide(self, view):
    return NOTHING
"""


@pytest.mark.parametrize(("start", "end"), [("1 / 0", "pass"), ("pass", "1 / 0")])
def test_a_strategy_that_breaks_between_rounds_stops_the_run(
    tmp_path: Path, shell: Shell, start: str, end: str
) -> None:
    config = own_study(tmp_path, EPISODIC.format(start=start, end=end))

    wrong = shell.refuses("run", config, "--transport", "socketio", "--out", tmp_path / "out", status=1)

    assert wrong.startswith("failed: participant 'maker' raised ZeroDivisionError: division by zero (")
    assert_no_finished_run(tmp_path / "out")


@pytest.mark.slow
def test_a_strategy_that_breaks_in_a_process_stops_the_run(tmp_path: Path, shell: Shell) -> None:
    config = own_study(tmp_path, BROKEN.format(moment=MOMENT, what="1 / 0"))
    options = ["--simulation", "training", "--transport", "socketio", "--processes"]

    wrong = shell.refuses("run", config, *options, "--out", tmp_path / "out", status=1)

    assert wrong.startswith("failed: the process of 'maker' failed: ")
    assert f"strategy Own of 'maker' raised ZeroDivisionError: division by zero (round at {MOMENT})" in wrong
    assert statuses(tmp_path / "out" / "market.db") == {"training 0": "failed"}
