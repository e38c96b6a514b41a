"""The wheel: all that the market needs without the repository is inside, and its names lead somewhere."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from configparser import ConfigParser
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.shell_helpers import REPOSITORY
from trex_market.plugins import PARTICIPANTS, STORAGES, STRATEGIES


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built as pip does."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(folder)]
    built = subprocess.run([*command, str(REPOSITORY)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.slow
def test_code_config_and_data_travel_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert names >= {
        "trex_market/py.typed",
        "trex_market/data/demo.yaml",
        "trex_market/data/semiurban/profiles.csv.gz",
        "trex_market/data/semiurban/LICENSE",
        "trex_market/cli/__init__.py",
        "trex_market/server/static/index.html",
        "trex_market/analysis/assets/page.css",
        "trex_market/analysis/assets/page.js",
        "participants/__init__.py",
        "participants/home.py",
    }
    assert wheel.read("trex_market/data/demo.yaml") == (REPOSITORY / "configs" / "demo.yaml").read_bytes()
    sources = {path.relative_to(REPOSITORY).as_posix() for path in REPOSITORY.glob("trex_market/**/*.py")}
    assert names >= sources
    page = {
        path.relative_to(REPOSITORY).as_posix() for path in REPOSITORY.glob("trex_market/server/static/*")
    }
    assert names >= page
    assert not [
        name for name in names if name.startswith(("tests", "configs", "scripts")) or "__pycache__" in name
    ]


@pytest.mark.slow
def test_the_wheel_is_licensed_and_names_the_command(wheel: zipfile.ZipFile) -> None:
    (metadata,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    text = wheel.read(metadata).decode()
    assert "License-Expression: MIT" in text
    assert "Requires-Python: >=3.11" in text
    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())
    points = ConfigParser()
    points.read_string(wheel.read(metadata.replace("METADATA", "entry_points.txt")).decode())
    assert points["console_scripts"]["trex-market"] == "trex_market.cli:main"
    assert set(points[STRATEGIES]) >= {
        "baseline",
        "basic",
        "zero_intelligence",
        "linear_ramp",
        "battery_arbitrage",
    }


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel_alone(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")
    (tmp_path / "empty").mkdir()
    program = "import trex_market; print(trex_market.__file__); from trex_market.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program, "demo", "--days", "0.25", "--out", "out"],
        cwd=tmp_path / "empty",
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(str(tmp_path / "site"))
    assert (tmp_path / "empty" / "out" / "report.html").exists()


@pytest.mark.parametrize("group", [STRATEGIES, PARTICIPANTS, STORAGES])
def test_entry_points_lead_to_classes(group: str) -> None:
    points = list(entry_points(group=group))
    assert points
    assert all(isinstance(point.load(), type) for point in points)
