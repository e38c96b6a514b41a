"""Sweeps on a real Ray cluster of two nodes; they are skipped where Ray is not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.shell_helpers import Shell, own_study, run_process, study
from tests.sweeping.helpers import lasting, rows, swept

pytestmark = pytest.mark.slow

BIDS = "participants.taker.trader.bid_price"

HAS_RAY = find_spec("ray") is not None

needs_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed (extra `ray`)")

# The marks hold the process ids in which runs were begun; the first run of all is killed.
KILLED_ONCE = """\
def decide(self, view):
    import os, pathlib, signal
    marks = pathlib.Path({marks!r})
    (marks / str(os.getpid())).touch()
    if view.round.time > 1591012800 + 900 * 5 and not (marks / "killed").exists():
        (marks / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()
    return NOTHING
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A cluster of two nodes with a core each, as `ray start` makes it; gives the address of its head."""
    ray = str(Path(sys.executable).with_name("ray"))
    address = "127.0.0.1:6391"
    common = ["--num-cpus=1", "--disable-usage-stats", "--object-store-memory=80000000"]
    environment = {**os.environ, "RAY_ENABLE_MULTI_TENANCY": "1", "RAY_DISABLE_DOCKER_CPU_WARNING": "1"}
    head = ["--head", "--port=6391", "--include-dashboard=false", "--node-ip-address=127.0.0.1"]

    def call(*arguments: str) -> None:
        ended = subprocess.run(
            [ray, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=100
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr

    call("start", *head, *common)
    try:
        call("start", f"--address={address}", *common)
        yield address
    finally:
        call("stop", "--force")


@needs_ray
async def test_a_sweep_on_two_nodes_is_that_of_this_machine(tmp_path: Path, cluster: str) -> None:
    config = study(tmp_path)
    await swept(config, tmp_path / "here", f"{BIDS}=0.13,0.24", seeds="2")
    shutil.rmtree(tmp_path / "here" / "profiles")
    done = await swept(config, tmp_path / "there", f"{BIDS}=0.13,0.24", seeds="2", ray=cluster, workers=None)
    assert {row["status"] for row in rows(tmp_path / "there")} == {"finished"}
    assert lasting(tmp_path / "there") == lasting(tmp_path / "here")
    assert done.skipped == 0
    again = await swept(config, tmp_path / "there", f"{BIDS}=0.13,0.24", seeds="2", ray=cluster)
    assert again.skipped == 4


@needs_ray
async def test_a_run_that_is_killed_on_a_node_is_repeated(tmp_path: Path, cluster: str) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    config = own_study(tmp_path, KILLED_ONCE.format(marks=str(marks)))
    out = tmp_path / "sweep"
    await swept(config, out, f"{BIDS}=0.13,0.2,0.24", ray=cluster, workers=None)
    assert {row["status"] for row in rows(out)} == {"finished"}
    assert sorted(row["attempts"] for row in rows(out)) == [1, 1, 2]
    processes = {path.name for path in marks.iterdir()} - {"killed"}
    assert len(processes) == 4  # a process for each


@needs_ray
async def test_a_run_that_fails_on_a_node_is_told(tmp_path: Path, cluster: str) -> None:
    config = own_study(tmp_path, "def decide(self, view):\n    raise RuntimeError('no idea')")
    await swept(config, tmp_path / "sweep", "market.k=0", ray=cluster)
    (row,) = rows(tmp_path / "sweep")
    assert (row["status"], row["attempts"]) == ("failed", 1)
    assert "RuntimeError: no idea" in row["message"]


@needs_ray
def test_a_cluster_that_is_not_there_is_told(tmp_path: Path) -> None:
    answer = run_process(
        "sweep",
        study(tmp_path),
        "--set",
        "market.k=0",
        "--ray",
        "127.0.0.1:6",
        "--out",
        tmp_path / "out",
        cwd=tmp_path,
    )
    assert answer.status == 2, answer.err
    assert "error: --ray 127.0.0.1:6: no cluster answers" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_without_ray_its_extra_is_named(tmp_path: Path, shell: Shell) -> None:
    message = shell.refuses(
        "sweep", study(tmp_path), "--set", "market.k=0", "--ray", "auto", "--out", tmp_path / "o"
    )
    assert "pip install 'trex-market[ray]'" in message
