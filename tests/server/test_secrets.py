"""A market with tokens, a database's password and the most talkative log: no secret is in anything that it writes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import asyncpg
import msgspec
import pytest

from tests.server.helpers import Agent, free_port
from tests.shell_helpers import run_process, study
from tests.storage.postgres import get_server
from trex_market.server.doorkeeper import token_hash

IDS = ("ann", "bob")

TOKENS = {
    "TREX_MARKET_TOKEN_ann": "s3cret-of-ann",
    "TREX_MARKET_METER_TOKEN_ann": "s3cret-of-the-meter-of-ann",
    "TREX_MARKET_TOKEN_operator": "s3cret-of-the-operator",
    "TREX_MARKET_TOKEN_observer": "s3cret-of-the-observer",
}
BOBS = "s3cret-of-bob"
WRONG = "s3cret-that-is-wrong"
PASSWORD = "s3cret-of-the-database"

CONFIG = """
study: {{name: live, start_datetime: "2016-01-18", time_step_size: 2, days: 1}}
server: {{port: {port}, operator_token_sha256: {hash}}}
market: {{id: live, type: MicroTE3B, mode: realtime, meter_grace_s: 1, grid: {{price: 0.08, fee_ratio: 2.75}}}}
participants:
  ann: {{trader: {{type: basic}}}}
  bob: {{trader: {{type: basic}}, token_sha256: {hash}, meter_token_sha256: {hash}}}
"""

WAITS = 60.0


def secrets() -> dict[str, bytes]:
    """Return all that must not be found, by name."""
    plain = {**TOKENS, "bob": BOBS, "wrong": WRONG, "database": PASSWORD}
    hashes = {f"hash of {name}": token_hash(token) for name, token in plain.items()}
    return {name: text.encode() for name, text in (plain | hashes).items()}


def found(text: bytes) -> list[str]:
    """Return the names of the secrets that a text holds."""
    return [name for name, secret in secrets().items() if secret in text]


async def visits(url: str) -> None:
    """Come in rightly and wrongly, by every door."""
    codes = []
    async with Agent(url) as agent:
        for token in (WRONG, TOKENS["TREX_MARKET_METER_TOKEN_ann"], BOBS):
            codes.append(await agent.is_refused("join", {"participant_id": "ann", "token": token}))
        codes.append(await agent.is_refused("join", {"participant_id": "zoe", "token": WRONG}))
        codes.append(
            await agent.is_refused("join", {"participant_id": "ann", "tokens": WRONG, "token": [WRONG]})
        )
    async with Agent(url, namespace="/") as trex:
        assert await trex.says("join_market", {"id": "ann", "market_id": "live", "token": WRONG}) is False
    async with Agent(url, namespace="/simulation") as watcher:
        codes.append(await watcher.is_refused("register", {"token": WRONG}))
        assert (await watcher.says("register", {"token": TOKENS["TREX_MARKET_TOKEN_observer"]}))["ok"]
        codes.append(await watcher.is_refused("stop"))
        assert (await watcher.says("register", {"token": TOKENS["TREX_MARKET_TOKEN_operator"]}))["ok"]
    assert set(codes) == {"unauthorised", "malformed"}
    statuses = []
    async with aiohttp.ClientSession(url) as session:
        slot = int(time.time()) // 2 * 2
        report = {
            "participant_id": "ann",
            "time_interval": [slot, slot + 2],
            "generation": {},
            "consumption": {},
        }
        for token in (WRONG, TOKENS["TREX_MARKET_METER_TOKEN_ann"], TOKENS["TREX_MARKET_TOKEN_operator"]):
            headers = {"Authorization": f"Bearer {token}"}
            async with session.post("/meter", json=report, headers=headers) as answer:
                statuses.append(answer.status)
            async with session.get("/state", headers=headers) as answer:
                statuses.append(answer.status)
            async with session.get(
                f"/nothing?token={token}", headers={**headers, "Origin": "http://evil.example"}
            ):
                pass
    assert 401 in statuses
    assert 200 in statuses
    async with (
        Agent(url, "ann", token=TOKENS["TREX_MARKET_TOKEN_ann"]) as ann,
        Agent(url, "bob", token=BOBS) as bob,
    ):
        assert ann.joined["ok"]
        assert bob.joined["ok"]
        slot = (int(time.time()) // 2 + 4) * 2
        order = {"quantity": 10, "price": 0.2, "time_delivery": [slot, slot + 2]}
        assert (await ann.says("ask", {**order, "source": "solar"}))["ok"]
        assert (await bob.says("bid", order))["ok"]
        await ann.is_refused("bid", {**order, "price": -1})
        await ann.hears("start_round")
        await ann.hears("start_round")


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """URL of a database that has a password in it."""
    # Not in pytest's folder: as root, the server has a user of its own, which may be locked out of that.
    with (
        TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder,
        get_server(Path(folder) / "data", cleanup_mode="delete") as server,
    ):
        user, _, rest = server.get_uri().removeprefix("postgresql://").partition("@")
        yield f"postgresql://{user.rstrip(':')}:{PASSWORD}@{rest}"


async def dump(url: str) -> bytes:
    """Return all that is in a database."""
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [[list(row) for row in await connection.fetch(f'SELECT * FROM "{name}"')] for (name,) in names]
    finally:
        await connection.close()
    assert names
    return msgspec.json.encode(rows, enc_hook=str)


def started(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """Start a server with tokens in its environment, and all that Python can say for debugging."""
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-m", "trex_market", "serve", *arguments],
        env={**os.environ, **TOKENS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.slow
@pytest.mark.parametrize("style", ["text", "json"])
async def test_no_secret_is_in_what_a_market_writes(tmp_path: Path, database: str, style: str) -> None:
    port = free_port()
    config, out = tmp_path / "live.yaml", tmp_path / "run"
    config.write_text(CONFIG.format(port=port, hash=token_hash(BOBS)))
    options = ["--out", out, "--log-level", "debug", "--log-format", style, "--database", database]
    process = started(config, *options)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert b"market live at" in first
        await visits(f"http://127.0.0.1:{port}")
        process.send_signal(signal.SIGTERM)
        said, log = await asyncio.to_thread(process.communicate, None, WAITS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, log
    assert found(first + said) == []
    assert found(log) == []
    assert b"refused join" in log
    assert b"refused POST /meter" in log
    if style == "json":
        lines = [json.loads(line) for line in log.splitlines() if line.startswith(b"{")]
        audited = [line for line in lines if line["logger"] == "trex_market.audit"]
        assert {line["code"] for line in audited if "code" in line} >= {"unauthorised", "bad_price"}
    files = [path for path in out.rglob("*") if path.is_file()]
    assert any(path.name == "journal.jsonl" and path.stat().st_size for path in files)
    assert {path.name: found(path.read_bytes()) for path in files} == {path.name: [] for path in files}
    assert found(await dump(database)) == []


@pytest.mark.slow
def test_no_secret_is_in_what_a_run_leaves_behind(tmp_path: Path, database: str) -> None:
    secret = token_hash(BOBS)
    config = study(
        tmp_path,
        ("  maker: {trader", f"  maker: {{token_sha256: {secret}, meter_token_sha256: {secret}, trader"),
        (
            "market:\n",
            f"server: {{operator_token_sha256: {secret}, observer_token_sha256: {secret}}}\nmarket:\n",
        ),
        ("study:\n", f'study:\n  output_db_location: "{database}"\n'),
    )
    ran = run_process("run", config, "--out", tmp_path / "out", cwd=tmp_path)
    assert ran.status == 0, ran.err
    assert found((ran.out + ran.err).encode()) == []
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {"config.yaml", "run.json"} <= {path.name for path in files}
    assert {path.name: found(path.read_bytes()) for path in files} == {path.name: [] for path in files}
    ran = run_process(
        "run", config, "--out", tmp_path / "local", "--database", str(tmp_path / "x.db"), cwd=tmp_path
    )
    assert ran.status == 0, ran.err
    with closing(sqlite3.connect(tmp_path / "x.db")) as kept:
        assert found("".join(kept.iterdump()).encode()) == []


@pytest.mark.slow
def test_a_wrong_password_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "live.yaml").write_text(CONFIG.format(port=free_port(), hash=token_hash(BOBS)))
    url = f"postgresql://nobody:{PASSWORD}@127.0.0.1:1/none"
    ran = run_process(
        "run", study(tmp_path / "study"), "--database", url, "--out", tmp_path / "o", cwd=tmp_path
    )
    assert ran.status != 0
    assert found((ran.out + ran.err).encode()) == []
