"""Every config runs; the ledger of the smallest one is what it always was.

`golden/minimal.csv` is the ledger of the training run of `configs/minimal.yaml`. If a change of it is wanted,
make it anew in the repository's folder, and read what has changed before it is kept:

    trex-market run configs/minimal.yaml --simulation training --out runs/minimal
    sqlite3 -csv -header runs/minimal/market.db "$(cat tests/golden/minimal.sql)" > tests/golden/minimal.csv
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.shell_helpers import REPOSITORY, Shell, query, statuses
from trex_market.build import Study
from trex_market.config import load_config

CONFIGS = sorted((REPOSITORY / "configs").glob("*.yaml"))
GOLDEN = Path(__file__).parent / "golden"


def test_there_are_configs() -> None:
    assert {path.stem for path in CONFIGS} >= {"demo", "minimal", "template", "uniform"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_runs(shell: Shell, tmp_path: Path, path: Path) -> None:
    answer = shell("run", path, "--days", "1", "--episodes", "1", "--out", tmp_path / "out")
    assert answer.status == 0, answer.err
    found = statuses(tmp_path / "out" / "market.db")
    assert set(found.values()) == {"finished"}
    kinds = query(tmp_path / "out" / "market.db", "SELECT count(DISTINCT kind) FROM transactions")
    assert kinds[0][0] > 1


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_is_whole_at_its_full_length(path: Path) -> None:
    study = Study(load_config(path))
    assert all(study.episodes(simulation) for simulation in study.simulations)


def test_the_ledger_of_the_smallest_config_is_golden(shell: Shell, tmp_path: Path) -> None:
    path = REPOSITORY / "configs" / "minimal.yaml"
    answer = shell("run", path, "--simulation", "training", "--out", tmp_path / "out")
    assert answer.status == 0, answer.err
    rows = query(tmp_path / "out" / "market.db", (GOLDEN / "minimal.sql").read_text(encoding="utf-8"))
    with (GOLDEN / "minimal.csv").open(encoding="utf-8", newline="") as golden:
        header, *expected = csv.reader(golden)
    assert len(header) == len(expected[0])
    assert [["" if value is None else str(value) for value in row] for row in rows] == expected
