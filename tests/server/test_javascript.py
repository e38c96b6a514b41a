"""The agent in JavaScript plays a home among others, where Node.js and npm are installed."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.shell_helpers import REPOSITORY
from trex_market.build import load_study
from trex_market.run import StudyRun
from trex_market.server.app import ServerSettings
from trex_market.serving import Serving
from trex_market.terminal import TerminalDisplay

AGENT = REPOSITORY / "participants" / "javascript"

needs_node = pytest.mark.skipif(
    not (shutil.which("node") and shutil.which("npm")), reason="Node.js and npm are not installed"
)


async def said(*command: str, folder: Path) -> str:
    """Run a command to its end, and return what it said."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(120):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, out.decode()
    return out.decode()


@pytest.mark.slow
@needs_node
async def test_the_agent_trades(tmp_path: Path) -> None:
    for name in ("agent.js", "package.json"):
        shutil.copy(AGENT / name, tmp_path / name)
    await said("npm", "install", "--no-audit", "--no-fund", "--loglevel", "error", folder=tmp_path)
    study = load_study(REPOSITORY / "configs" / "minimal.yaml", {"study.days": 0.5}, remote=True)
    directory = tmp_path / "run"
    directory.mkdir()
    agents: list[asyncio.Task[str]] = []

    def heard(message: str) -> None:
        if " at http://" in message:
            url = message.split(" at ")[1].split(";", maxsplit=1)[0]
            for name in ("home_01", "home_02"):
                task = said("node", "agent.js", url, name, "0.25", "0.10", folder=tmp_path)
                agents.append(asyncio.create_task(task))

    serving = Serving(ServerSettings(), directory, heard, ["home_03", "home_07"])
    outcome = await StudyRun(study, directory, None, TerminalDisplay(), serving.reach).run()
    assert await asyncio.gather(*agents) == ["", ""]
    assert outcome.summary.balance_nano_dollars == 0
    assert outcome.summary.estimated_readings == 0
    with closing(sqlite3.connect(directory / "market.db")) as database:
        orders = dict(
            database.execute(
                "SELECT participant_id || ' ' || side || ' ' || price, count(*) FROM orders "
                "WHERE status = 'accepted' AND participant_id IN ('home_01', 'home_02') GROUP BY 1"
            ).fetchall()
        )
        traded = database.execute(
            "SELECT sum(quantity) FROM transactions WHERE kind = 'delivery' AND buyer_id = 'home_02'"
        ).fetchone()[0]
        wrong = database.execute(
            "SELECT count(*) FROM transactions WHERE kind IN ('shortfall', 'take_or_pay')"
        ).fetchone()[0]
    assert orders["home_02 bid 0.25"] > 20
    assert orders["home_01 ask 0.1"] > 5
    assert traded > 500
    assert wrong == 0, "its readings fit its contracts"
