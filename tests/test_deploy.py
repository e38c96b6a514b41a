"""The examples of a service and a container: what they name is there, and what they run runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path

import pytest
import typer

from tests.server.helpers import free_port
from tests.shell_helpers import REPOSITORY, Shell
from trex_market.cli import app

UNIT = REPOSITORY / "docs" / "deploy" / "trex-market.service"
CONTAINER = REPOSITORY / "docs" / "deploy" / "Containerfile"
HOME = REPOSITORY / "configs" / "home.yaml"
PROGRAM = "/opt/trex-market/bin/trex-market"

TOKENS = {"TREX_MARKET_TOKEN_attic": "a", "TREX_MARKET_TOKEN_operator": "o"}

WAITS = 60


def unit() -> Mapping[str, str]:
    """Return the settings of the service; of those that are given several times, the last."""
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNIT)
    return parser["Service"]


def instructions(name: str) -> list[str]:
    """Return what the container file says under a name, in order."""
    return re.findall(rf"^(?:HEALTHCHECK )?{name} (.*)$", CONTAINER.read_text(encoding="utf-8"), re.MULTILINE)


def options(command: list[str]) -> None:
    """Check that a command and its options are there."""
    group = vars(typer.main.get_command(app))["commands"]
    known = {option for parameter in group[command[0]].params for option in parameter.opts}
    assert {word for word in command if word.startswith("--")} <= known


def serves(command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Check that a command opens a market that is ready, and ends with 0 on SIGTERM."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "trex_market", *command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert "market home at" in process.stdout.readline()
        if "--tls-cert" not in command:
            (check,) = (json.loads(one) for one in instructions("CMD") if "healthz" in one)
            script = check[2].replace("3100", str(port))
            subprocess.run([sys.executable, "-c", script], check=True, timeout=WAITS)
        process.send_signal(signal.SIGTERM)
        said, log = process.communicate(timeout=WAITS)
        assert process.returncode == 0, said + log
        assert all(json.loads(line)["level"] in ("info", "warning") for line in log.splitlines())
    finally:
        process.kill()
        process.communicate()


# ---------------------------------------------------------------- systemd


def test_the_service_starts_what_there_is() -> None:
    program, *command = shlex.split(unit()["ExecStart"])
    assert program == PROGRAM
    options(command)


@pytest.mark.slow
def test_what_the_service_starts_serves(tmp_path: Path) -> None:
    etc, state, credentials = tmp_path / "etc", tmp_path / "state", tmp_path / "credentials"
    (etc / "trex-market").mkdir(parents=True)
    shutil.copy(HOME, etc / "trex-market" / "home.yaml")
    made = subprocess.run(
        [sys.executable, "-m", "trex_market", "certificate", "--out", credentials],
        check=True,
        capture_output=True,
    )
    assert made.returncode == 0
    line = (
        unit()["ExecStart"].replace("%E", str(etc)).replace("%S", str(state)).replace("%d", str(credentials))
    )
    serves(shlex.split(line)[1:], tmp_path, TOKENS)
    assert (state / "trex-market" / "journal.jsonl").stat().st_size


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    program = tmp_path / "trex-market"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = tmp_path / "trex-market.service"
    copy.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, str(program)), encoding="utf-8")
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False
    )
    assert verified.returncode == 0, verified.stderr
    assert "trex-market.service" not in verified.stderr
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", copy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout[-300:]


# ---------------------------------------------------------------- a container


def test_the_container_is_made_of_what_there_is() -> None:
    copied = [words for one in instructions("COPY") if not (words := one.split())[0].startswith("--")]
    names = [name for *sources, _ in copied for name in sources]
    assert {"pyproject.toml", "trex_market", "participants"} <= set(names)
    assert [name for name in names if not (REPOSITORY / name).exists()] == []
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    (extras,) = re.findall(r'"\.\[(.*)\]"', CONTAINER.read_text(encoding="utf-8"))
    assert all(f"\n{extra} = [" in project for extra in extras.split(","))


@pytest.mark.slow
def test_what_the_container_starts_serves(tmp_path: Path) -> None:
    (program,) = (json.loads(one) for one in instructions("ENTRYPOINT"))
    assert program == [PROGRAM]
    (command,) = (json.loads(one) for one in instructions("CMD") if "serve" in one)
    options(command)
    places = {"/etc/trex-market/home.yaml": str(HOME), "/var/lib/trex-market": str(tmp_path / "run")}
    serves([places.get(word, word) for word in command], tmp_path, TOKENS)


# ---------------------------------------------------------------- the config


def test_at_home_nobody_comes_in_without_a_token(shell: Shell, tmp_path: Path) -> None:
    said = shell.refuses("serve", HOME, "--out", tmp_path / "run")
    assert "lets other machines in, but there are no tokens" in said
    assert not (tmp_path / "run").exists()
