"""The example that trains with Stable-Baselines3; skipped where that is not installed, as it takes gigabytes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.shell_helpers import REPOSITORY
from trex_market.build import load_study

pytest.importorskip("stable_baselines3", reason="needs the extra `rl`")

CONFIG = REPOSITORY / "configs" / "battery.yaml"
AGENT = "home_24"
STEPS = 40_000


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """`scripts/train_ppo.py` as a module."""
    spec = importlib.util.spec_from_file_location("train_ppo", REPOSITORY / "scripts" / "train_ppo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_days_are_split_by_weekday(script: ModuleType) -> None:
    trained, held_out = script.split(load_study(CONFIG))
    assert held_out == [2, 5, 9, 12, 16, 19, 23, 26]
    assert sorted([*trained, *held_out]) == list(range(28))


def test_a_policy_and_a_strategy_are_measured_alike(script: ModuleType, tmp_path: Path) -> None:
    """Without a battery, an action of zeros is what `basic` does."""
    text = CONFIG.read_text(encoding="utf-8")
    changed = text.replace("    storage: {capacity: 8000", "    # {")
    assert changed != text
    config = tmp_path / "battery.yaml"
    config.write_text(changed, encoding="utf-8")
    bills = script.bills_of_policy(load_study(config), AGENT, lambda _: np.zeros(3, np.float32), [2, 9])
    expected = script.bills_of_strategy(config, AGENT, {"type": "basic"})
    assert bills == pytest.approx({day: expected[day] for day in (2, 9)}, abs=1e-9)


@pytest.mark.slow
def test_training_can_be_repeated_and_kept(script: ModuleType, tmp_path: Path) -> None:
    study = load_study(CONFIG)
    bills = []
    for seed in (1, 1, 2):
        policy = script.train(study, AGENT, [14, 15], 1_536, seed, tmp_path)
        bills.append(script.bills_of_policy(study, AGENT, policy, [14, 16]))
    assert bills[0] == bills[1] != bills[2]
    assert {path.name for path in tmp_path.iterdir()} == {
        "policy-1.zip",
        "scaling-1.pkl",
        "policy-2.zip",
        "scaling-2.pkl",
    }


@pytest.mark.slow
@pytest.mark.timeout(600)  # half a minute of a core that has nothing else to do
def test_a_trained_home_pays_less_than_by_any_strategy_as_it_is(script: ModuleType) -> None:
    """On days that it was trained on, for a fraction of the time; docs/learning.md has the whole of it."""
    study, days = load_study(CONFIG), [21, 22]
    policy = script.train(study, AGENT, days, STEPS, 1)
    trained = script.mean(script.bills_of_policy(study, AGENT, policy, days), days)
    for name in ("baseline", "basic", "battery_arbitrage"):
        assert trained < script.mean(script.bills_of_strategy(CONFIG, AGENT, {"type": name}), days) - 0.05
