"""The commands and the agent of the README and the other pages, run as they stand there."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.docs_helpers import README, Block, blocks
from tests.shell_helpers import REPOSITORY, query, run_process, statuses
from trex_market import __version__

SECONDS = 120
"""What anything here may take."""

PORT = "3100"
SHELL = blocks("sh")
FOLDERS = ("configs", "docs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A newcomer's folder: what the commands name is there, and what they make stays there."""
    for name in FOLDERS:
        (tmp_path / name).symlink_to(REPOSITORY / name)
    return tmp_path


def environment() -> Mapping[str, str]:
    """Return the environment with the package's commands first in PATH."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def shell(text: str, folder: Path) -> subprocess.Popen[str]:
    """Start a shell, in a group of its own, that stops at the first command that fails."""
    return subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a shell, check that it did well, and return what it said."""
    try:
        said, _ = process.communicate(timeout=SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 0, said
    return said


def lines(start: str) -> list[str]:
    """Return all lines of shell blocks that begin with a word."""
    return [line for block in SHELL for line in block.text.splitlines() if line.startswith(start)]


def is_for_two_terminals(block: Block) -> bool:
    return "trex-market serve" in block.text or "my_agent.py" in block.text


def test_the_first_block_is_the_two_commands() -> None:
    assert SHELL[0].text.splitlines() == ["scripts/demo", "scripts/test"]


@pytest.mark.parametrize("line", lines("scripts/"))
def test_scripts_can_be_run(line: str) -> None:
    script = REPOSITORY / shlex.split(line)[0]
    assert script.is_file()
    assert os.access(script, os.X_OK)


def test_the_wheel_has_the_version() -> None:
    (line,) = lines("pip install")
    assert f"/trex_market-{__version__}-py3-none-any.whl" in line


RUN = [
    "\n".join(ours)
    for block in SHELL
    if not is_for_two_terminals(block)
    and (ours := [line for line in block.text.splitlines() if line.startswith("trex-market")])
]


@pytest.mark.slow
@pytest.mark.parametrize("text", RUN)
def test_commands_do_what_they_say(text: str, folder: Path) -> None:
    said = finish(shell(text, folder))
    if "run " in text or "demo" in text:
        assert "Balance of all money" in said
        assert list(folder.glob("runs/*/report.html"))


def test_every_command_is_run_or_checked() -> None:
    known = ("scripts/", "pip ", "trex-market ", "python -m pytest ")
    for block in SHELL:
        if not is_for_two_terminals(block):
            assert all(line.startswith(known) for line in block.text.splitlines()), block


@pytest.mark.slow
@pytest.mark.parametrize("line", lines("python -m pytest"))
def test_the_tests_that_are_named_exist(line: str) -> None:
    said = finish(shell(f"{line} --collect-only -q", REPOSITORY))
    chosen = re.search(r"^(\d+)(/\d+)? tests? collected|(\d+)/\d+ tests collected", said, re.MULTILINE)
    assert chosen, said
    for file in re.findall(r"tests/\w+/\w+\.py", line):
        assert file in said


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.slow
def test_the_agent_trades(folder: Path) -> None:
    port = str(free_port())
    (agent,) = blocks("python", README)
    assert len(agent.text.splitlines()) <= 15
    assert agent.text.count(PORT) == 1
    (folder / "my_agent.py").write_text(agent.text.replace(PORT, port), encoding="utf-8")
    served, joined = (block.text for block in blocks("sh", README) if is_for_two_terminals(block))
    server = shell(f"{served.strip()} --port {port}", folder)
    try:
        finish(shell(joined, folder))
    finally:
        said = finish(server)
    assert "waiting for: home_02" in said
    database = folder / "runs" / "served" / "market.db"
    assert set(statuses(database).values()) == {"finished"}
    asked = "SELECT DISTINCT side, price, status FROM orders WHERE participant_id = 'home_02'"
    assert query(database, asked) == [("bid", 0.25, "accepted")]
    bought = "SELECT sum(quantity) FROM transactions WHERE kind = 'delivery' AND buyer_id = 'home_02'"
    ((energy,),) = query(database, bought)
    assert energy > 1000


@pytest.mark.slow
def test_the_same_seed_gives_the_same_ledger_either_way(folder: Path) -> None:
    ledgers = []
    for transport in ("local", "socketio"):
        arguments = ("run", "configs/minimal.yaml", "--transport", transport, "--out", transport)
        answer = run_process(*arguments, cwd=folder)
        assert answer.status == 0, answer
        database = folder / transport / "market.db"
        tables = ("contracts", "transactions")
        ledgers.append([query(database, f"SELECT * FROM {table}") for table in tables])
    assert all(ledgers[0])
    assert ledgers[0] == ledgers[1]
