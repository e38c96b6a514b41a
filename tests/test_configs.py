"""Every config runs; the ledger of the smallest one is what it always was.

`golden/minimal.csv` is the ledger of the training run of `configs/minimal.yaml`. If a change of it is wanted,
make it anew in the repository's folder, and read what has changed before it is kept:

    trex-market run configs/minimal.yaml --simulation training --out runs/minimal
    sqlite3 -csv -header runs/minimal/market.db "$(cat tests/golden/minimal.sql)" > tests/golden/minimal.csv
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from tests.profiles.citylearn import amounts, battery, building_rows, panels, write_dataset
from tests.shell_helpers import REPOSITORY, Shell, query, statuses
from trex_market.build import Study
from trex_market.config import load_config
from trex_market.profiles import open_source
from trex_market.profiles.importing import import_profiles

CONFIGS = sorted((REPOSITORY / "configs").glob("*.yaml"))
GOLDEN = Path(__file__).parent / "golden"
MEASURED = REPOSITORY.parent / "shared" / "data" / "citylearn_2022"
DATA = "CITYLEARN_2022"


@pytest.fixture
def made_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put two made days in place of the data that `configs/citylearn_2022.yaml` asks for."""
    names = [f"Building_{number}" for number in range(1, 18)]
    first = datetime.fromisoformat("2016-07-31T23:00-08:00")
    rows = building_rows(amounts(48), first)
    folder = write_dataset(
        tmp_path / "dataset",
        dict.fromkeys(names, rows),
        buildings={name: panels(number % 4) | battery() for number, name in enumerate(names)},
        prices=[0.22] * 40 + [0.54] * 8,
    )
    source = open_source(f"citylearn:{folder}?start={first.isoformat()}", base=Path())
    import_profiles(source, tmp_path / "made")
    monkeypatch.setenv(DATA, str(tmp_path / "made"))


def test_there_are_configs() -> None:
    assert {path.stem for path in CONFIGS} >= {"demo", "home", "minimal", "template", "uniform"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("made_data")
def test_a_config_runs(shell: Shell, tmp_path: Path, path: Path) -> None:
    answer = shell("run", path, "--days", "1", "--episodes", "1", "--out", tmp_path / "out")
    assert answer.status == 0, answer.err
    found = statuses(tmp_path / "out" / "market.db")
    assert set(found.values()) == {"finished"}
    kinds = query(tmp_path / "out" / "market.db", "SELECT count(DISTINCT kind) FROM transactions")
    assert kinds[0][0] > 1


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_is_whole_at_its_full_length(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if DATA in path.read_text(encoding="utf-8"):
        if not MEASURED.is_dir():
            pytest.skip("the measured homes are no part of the repository")
        monkeypatch.setenv(DATA, str(MEASURED))
    study = Study(load_config(path))
    assert all(study.episodes(simulation) for simulation in study.simulations)


def test_a_config_says_that_it_needs_data(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA, raising=False)
    answer = shell("validate", REPOSITORY / "configs" / "citylearn_2022.yaml")
    assert answer.status == 2
    assert re.search(r"citylearn_2022.yaml:\d+: study.profiles_db_location: ", answer.err)
    assert "the environment variable CITYLEARN_2022 is not set" in answer.err
    assert "Traceback" not in answer.err


def test_the_ledger_of_the_smallest_config_is_golden(shell: Shell, tmp_path: Path) -> None:
    path = REPOSITORY / "configs" / "minimal.yaml"
    answer = shell("run", path, "--simulation", "training", "--out", tmp_path / "out")
    assert answer.status == 0, answer.err
    rows = query(tmp_path / "out" / "market.db", (GOLDEN / "minimal.sql").read_text(encoding="utf-8"))
    with (GOLDEN / "minimal.csv").open(encoding="utf-8", newline="") as golden:
        header, *expected = csv.reader(golden)
    assert len(header) == len(expected[0])
    assert [["" if value is None else str(value) for value in row] for row in rows] == expected


@pytest.mark.slow
@pytest.mark.usefixtures("made_data")
def test_the_reference_study_makes_its_table(tmp_path: Path) -> None:
    command = [sys.executable, "scripts/citylearn.py", str(tmp_path / "made"), "--days", "1"]
    said = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=170)
    assert said.returncode == 0, said.stderr
    page = (REPOSITORY / "docs" / "profiles.md").read_text(encoding="utf-8")
    shown, documented = (
        [line for line in text.splitlines() if line.startswith("| ")]
        for text in (said.stdout, page.split("## The ref")[1])
    )
    assert shown[0] == documented[0]
    assert [line.split("|")[1:3] for line in shown] == [line.split("|")[1:3] for line in documented]
