"""A market with a gateway, in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.gateway.agent import until
from tests.shell_helpers import REPOSITORY

CONFIG = REPOSITORY / "configs" / "gateway.yaml"
SIMULATION = "street"


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def changed(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config with some dotted keys changed."""
    data = yaml.safe_load(CONFIG.read_text())
    for key, value in changes.items():
        *path, last = key.split(".")
        section = data
        for part in path:
            section = section.setdefault(part, {})
        section[last] = value
    return dict(data)


class Served:
    """A market that is served.

    Args:
        process: serves it.
        url: where.
        out: its directory.
    """

    def __init__(self, process: subprocess.Popen[str], url: str, out: Path, said: Path) -> None:
        self.process = process
        self.url = url
        self.out = out
        self._said = said

    @property
    def said(self) -> str:
        """What it said so far."""
        return self._said.read_text()

    @property
    def database(self) -> Path:
        """Its database."""
        return self.out / "market.db"

    def wait(self, within_s: float = 120) -> None:
        """Wait until it has come to its end, and check that it did well."""
        assert self.process.wait(within_s) == 0, self.said

    def kill(self) -> None:
        """End it at once."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)


@contextmanager
def served(
    folder: Path,
    mode: str = "simulation",
    *options: str,
    out: Path | None = None,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    **changes: Any,
) -> Iterator[Served]:
    """Serve a market while the context lasts.

    Args:
        folder: where config and results go.
        mode: "simulation" or "realtime".
        options: further ones of the command.
        out: directory of results.
        port: None for a free one.
        environment: further variables.
        changes: of the config: dotted keys, with __ for each dot.
    """
    path = folder / "gateway.yaml"
    path.write_text(
        yaml.safe_dump(changed({key.replace("__", "."): value for key, value in changes.items()}))
    )
    port = port or free_port()
    out = out or folder / "out"
    said = folder / f"said-{port}.txt"
    command = [sys.executable, "-m", "trex_market", "serve", str(path), "--mode", mode]
    command += ["--simulation", "training"] if mode == "simulation" else []
    with said.open("w") as output, tempfile.TemporaryDirectory():
        process = subprocess.Popen(
            [*command, "--port", str(port), "--out", str(out), *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env={**os.environ, **(environment or {})},
        )
    url = f"http://127.0.0.1:{port}"
    place = Served(process, url, out, said)

    def answers() -> bool:
        assert process.poll() is None, place.said
        try:
            with urllib.request.urlopen(f"{url}/healthz"):
                return True
        except (urllib.error.URLError, OSError):
            return False

    try:
        until(answers)
        yield place
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
