"""The command of docs/gsy.md, as it stands there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.docs_helpers import blocks
from tests.gateway.agent import Device, Session, until
from tests.gateway.scripts import Posting, all_assets
from tests.gateway.serving import SIMULATION, free_port
from tests.shell_helpers import REPOSITORY
from tests.test_readme import environment

PAGE = REPOSITORY / "docs" / "gsy.md"


@pytest.mark.slow
def test_the_command_serves_agents(tmp_path: Path) -> None:
    (command,) = (block.text for block in blocks("sh", PAGE) if "serve" in block.text)
    (tmp_path / "configs").symlink_to(REPOSITORY / "configs")
    port = free_port()
    arguments = [*command.split(), "--port", str(port), "--out", "out", "--simulation", "training"]
    process = subprocess.Popen(
        arguments, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        session = Session(f"http://127.0.0.1:{port}", SIMULATION)

        def listens() -> bool:
            try:
                session.log_in()
            except OSError:
                return False
            return True

        until(listens)
        script = Posting(session)
        for name in all_assets(session):
            Device(session, name).select_aggregator(script.uuid)
        until(lambda: script.trades)
        script.close()
        assert not script.faults
    finally:
        process.terminate()
        assert process.wait(30) is not None
