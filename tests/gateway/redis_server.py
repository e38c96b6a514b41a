"""A real Redis, in a process of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateway.agent import until
from tests.gateway.serving import free_port

SERVER = "REDIS_SERVER"
"""Names the program, if it is not in PATH."""


@contextmanager
def redis_server(folder: Path, port: int | None = None) -> Iterator[int]:
    """Run a Redis while the context lasts, and return its port; without one the test is skipped."""
    program = os.environ.get(SERVER) or shutil.which("redis-server")
    if program is None:
        pytest.skip(f"there is no redis-server in PATH, and {SERVER} names none")
    port = port or free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )

    def listens() -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    try:
        until(listens)
        yield port
    finally:
        process.terminate()
        process.wait(10)
