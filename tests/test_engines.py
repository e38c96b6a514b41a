"""`--engine`: the vector engine leaves behind what the plain one does, and is chosen where it fits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.shell_helpers import Shell, own_study, query, study
from trex_market import engines
from trex_market.build import Study, load_study
from trex_market.core.errors import InputError
from trex_market.simulation.local import LocalDriver
from trex_market.simulation.run import EpisodeDriver

pytestmark = pytest.mark.timeout(900)  # compiling for the first time takes its while

STORED = "{trader: {type: battery_arbitrage}, storage: {capacity: 800, power: 1200, efficiency: 0.9}}"
TABLES = {
    "contracts": "id",
    "transactions": "id",
    "orders": "sequence",
    "meter_readings": "participant_id, slot_start",
    "metrics": "participant_id, time, name",
}


def lively(folder: Path) -> Path:
    """Write a study with a battery, a ramp, and homes that share a profile, over a midnight."""
    ramp = "{type: basic, bid_price: 0.24}}\n  r1: {profile: maker, generation: {scale: 1.3}, trader: {type: linear_ramp}}"
    return study(
        folder,
        ("{type: basic, bid_price: 0.24}}", ramp),
        ("{trader: {type: zero_intelligence}}", STORED),
        ("timezone: UTC", "timezone: Australia/Brisbane"),
        ('"2020-06-01 12:00:00"', '"2020-06-01T12:00:00+00:00"'),
    )


def rows(directory: Path) -> dict[str, list[tuple[Any, ...]]]:
    database = directory / "market.db"
    return {
        table: query(database, f"SELECT * FROM {table} ORDER BY run_id, {key}")
        for table, key in TABLES.items()
    }


@pytest.mark.parametrize("level", ["full", "participant", "none"])
def test_both_engines_leave_the_same_behind(shell: Shell, tmp_path: Path, level: str) -> None:
    config = lively(tmp_path / "in")
    for engine in ("plain", "vector"):
        out = str(tmp_path / engine)
        answer = shell("run", config, "--engine", engine, "--record", level, "--out", out)
        assert answer.status == 0, answer
    plain, vector = rows(tmp_path / "plain"), rows(tmp_path / "vector")
    assert vector == plain
    assert bool(plain["transactions"]) == (level == "full")
    assert bool(plain["metrics"]) == (level != "none")
    summaries = [(tmp_path / engine / "summary.json").read_bytes() for engine in ("plain", "vector")]
    assert summaries[0] == summaries[1]
    assert (tmp_path / "vector" / "report.html").exists() == (tmp_path / "plain" / "report.html").exists()


def test_days_are_those_of_the_studys_time_zone(shell: Shell, tmp_path: Path) -> None:
    config = lively(tmp_path / "in")
    shell("run", config, "--engine", "vector", "--record", "participant", "--out", str(tmp_path / "out"))
    days = query(tmp_path / "out" / "market.db", "SELECT DISTINCT time FROM metrics ORDER BY time")
    midnight = 1_591_020_000  # 2020-06-02 0:00 in Brisbane
    assert days == [(midnight - 86_400,), (midnight,)]


# ---------------------------------------------------------------- what is chosen


@pytest.fixture(autouse=True)
def compiled_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes all seem compiled, whatever was tested before."""
    monkeypatch.setattr("trex_market.kernels.compiled.is_kept", lambda _: True)


async def chosen(
    built: Study, engine: engines.Engine | None, simulation: str = "training"
) -> tuple[Any, list[str]]:
    said: list[str] = []
    async with engines.in_process(engine, said.append)(built, simulation) as driver:
        return driver, said


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a run of one turn a large one."""
    monkeypatch.setattr(engines, "LARGE", 1)


async def test_small_runs_are_played_plainly(tmp_path: Path) -> None:
    driver, said = await chosen(load_study(study(tmp_path)), None)
    assert (type(driver), said) == (LocalDriver, [])


@pytest.mark.usefixtures("large")
async def test_large_runs_are_played_in_arrays_unless_told_otherwise(tmp_path: Path) -> None:
    built = load_study(study(tmp_path))
    driver, said = await chosen(built, None)
    assert (isinstance(driver, EpisodeDriver), said) == (True, [])
    driver, said = await chosen(built, "plain")
    assert (type(driver), said) == (LocalDriver, [])


def test_what_is_large_is_counted_in_turns_of_all_episodes(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = load_study(study(tmp_path, ("days:", "generations: 5\n  days:")))
    assert engines._turns(built, "training") == 3 * 12 * 5
    assert engines._turns(built, "baseline") == 3 * 12


async def test_the_first_time_it_is_said_that_it_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = load_study(study(tmp_path))
    monkeypatch.setattr("trex_market.kernels.compiled.is_kept", lambda _: False)
    _, said = await chosen(built, "vector")
    assert said == ["the vector engine is compiled first, which takes about half a minute, once"]


OWN = "def decide(self, view):\n    return NOTHING"


@pytest.mark.usefixtures("large")
async def test_a_large_run_with_a_strategy_of_ones_own_is_played_plainly_and_it_is_said(
    tmp_path: Path,
) -> None:
    built = load_study(own_study(tmp_path, OWN))
    driver, said = await chosen(built, None)
    assert type(driver) is LocalDriver
    (message,) = said
    assert message == (
        "the plain engine plays: the strategy Own has no array form ('maker' and 0 others); --engine vector lets "
        "such participants play beside the arrays"
    )
    driver, said = await chosen(built, "vector")
    assert (isinstance(driver, EpisodeDriver), said) == (True, [])
    driver, said = await chosen(built, None, "baseline")
    assert (isinstance(driver, EpisodeDriver), said) == (True, [])


AREAS = "areas: {grid: {fee: 0.01}}\nmarket:"


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (AREAS, "the vector engine does not know areas; use --engine plain"),
        (
            "market:\n  clearing: tick",
            "the vector engine does not know clearing before the gate (market.clearing: tick); use --engine plain",
        ),
    ],
)
async def test_areas_and_early_clearings_are_for_the_plain_engine(
    tmp_path: Path, change: str, reason: str
) -> None:
    built = load_study(study(tmp_path, ("market:", change)))
    driver, said = await chosen(built, None)
    assert (type(driver), said) == (LocalDriver, [f"the plain engine plays: {reason}"])
    with pytest.raises(InputError) as caught:
        await chosen(built, "vector")
    assert str(caught.value) == reason


OTHER_HOME = """\
from participants.home import Home


class Other(Home):
    pass
"""


@pytest.mark.usefixtures("large")
async def test_other_kinds_of_participants_are_for_the_plain_engine(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "other_home.py").write_text(OTHER_HOME)
    config = study(tmp_path, ("  maker: {", '  maker: {type: "other_home:Other", '))
    _, said = await chosen(load_study(config), None)
    (message,) = said
    assert message == (
        "the plain engine plays: the vector engine cannot play 'maker': the participant type Other has no array "
        "form; use --engine plain"
    )


def test_what_the_vector_engine_cannot_play_is_refused_before_anything_is_made(
    shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "other_kind.py").write_text(OTHER_HOME)
    config = study(tmp_path, ("  maker: {", '  maker: {type: "other_kind:Other", '))
    said = shell.refuses("run", config, "--engine", "vector", "--out", str(tmp_path / "out"))
    assert "cannot play 'maker'" in said
    assert not (tmp_path / "out").exists()


DEMANDING = """\
def decide(self, view):
    from trex_market.core.messages import Requirement
    order = NewOrder("bid", 10, 100_000, view.round.next_settle, None, None, (Requirement(),))
    return Decision([order])
"""


def test_orders_with_requirements_are_for_the_plain_engine(shell: Shell, tmp_path: Path) -> None:
    config = own_study(tmp_path, DEMANDING)
    said = shell("run", config, "--engine", "vector", "--simulation", "training", "--out", tmp_path / "out")
    assert said.status != 0
    assert "an order of 'maker' has requirements, which the vector engine does not know" in said.err
    plain = shell("run", config, "--engine", "plain", "--simulation", "training", "--out", tmp_path / "plain")
    assert (plain.status, plain.err) == (0, "")


def test_arrays_are_for_participants_of_this_process(shell: Shell, tmp_path: Path) -> None:
    said = shell.refuses("run", study(tmp_path), "--engine", "vector", "--transport", "socketio")
    assert "--engine vector goes with --transport local" in said


# ---------------------------------------------------------------- without Numba

WITHOUT_NUMBA = """\
import sys
sys.modules["numba"] = None
from trex_market import engines
engines.LARGE = 1
from trex_market.cli import main
sys.argv = ["trex-market", "run", {config!r}, "--record", "none", "--out", {out!r}, *{options!r}]
main()
"""


@pytest.fixture
def without_numba(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the small study as a large one where Numba is not installed."""

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        config, out = str(study(tmp_path)), str(tmp_path / "out")
        code = WITHOUT_NUMBA.format(config=config, out=out, options=options)
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    return run


def test_without_numba_a_large_run_is_played_plainly_and_it_is_said_how_to_be_faster(
    without_numba: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    ended = without_numba()
    assert ended.returncode == 0, ended.stderr
    assert "the plain engine plays; for a run of this size there is a faster one" in ended.stdout
    assert "pip install 'trex-market[fast]'" in ended.stdout


def test_without_numba_the_vector_engine_says_what_is_missing(
    without_numba: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    ended = without_numba("--engine", "vector")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "pip install 'trex-market[fast]'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()
