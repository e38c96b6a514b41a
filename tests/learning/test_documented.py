"""What docs/learning.md says of learning agents, done."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.docs_helpers import blocks
from tests.shell_helpers import REPOSITORY
from trex_market.build import TRAINING, VALIDATION, load_study
from trex_market.core.units import dollars_from_money
from trex_market.learning.tables import REWARDS, observation_table
from trex_market.plugins import REWARDS as REWARD_GROUP
from trex_market.simulation.local import LocalDriver
from trex_market.simulation.run import play_episode
from trex_market.totals import Totals
from trex_market.weights import WeightsFolder

PAGE = REPOSITORY / "docs" / "learning.md"
CONFIG = REPOSITORY / "configs" / "learning.yaml"
HOMES = ("home_02", "home_26", "home_29")


def test_the_code_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = blocks("python", PAGE)
    monkeypatch.chdir(REPOSITORY)
    names: dict[str, object] = {}
    exec(compile(block.text, PAGE.name, "exec"), names)
    assert not names["neighbourhood"].agents  # type: ignore[attr-defined]
    assert isinstance(names["reward"], float)


def test_all_rewards_are_there_by_name() -> None:
    assert {point.name: point.load() for point in entry_points(group=REWARD_GROUP)} == {
        reward.__name__: reward for reward in REWARDS
    }


def test_the_table_of_observations_fits_the_market() -> None:
    assert observation_table(2).count("\n") == 24
    assert observation_table(3).count("\n") == 28


async def bills(folder: Path, overrides: dict[str, object]) -> dict[str, float]:
    """Return what each home pays in the validation, $."""
    study = load_study(CONFIG, overrides).keeping(WeightsFolder(folder))
    totals = Totals()
    for simulation in (TRAINING, VALIDATION):
        driver = LocalDriver(study.terms, study.participants(simulation).values(), "solar")
        for plan in study.episodes(simulation):
            listeners = [totals] if simulation == VALIDATION else []
            await play_episode(plan, driver, listeners=listeners)
    return {name: round(dollars_from_money(totals.party(name).bill), 2) for name in HOMES}


@pytest.mark.slow
async def test_the_bills_of_learning_homes_are_those_that_the_page_shows(tmp_path: Path) -> None:
    rows = re.findall(r"^\| (home_\d+) \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    shown = {name: [float(amount) for amount in amounts.split(" | ")] for name, amounts in rows}
    learnt = [await bills(tmp_path / str(seed), {"study.seed": seed}) for seed in (1, 2, 3)]
    for name in HOMES:
        plain = await bills(tmp_path / name, {f"participants.{name}.trader": {"type": "basic"}})
        assert shown[name] == [*(bill[name] for bill in learnt), plain[name]]
        assert max(shown[name][:3]) < shown[name][3]
