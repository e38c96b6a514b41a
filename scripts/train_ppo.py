"""Trains a home with a battery by PPO (Stable-Baselines3), and measures it against strategies.

The agent is trained on most days of the study, and measured on them and on the others: the Wednesdays and the
Saturdays. A strategy is measured in its place, with the same other homes on the same days. Needs the extra `rl`.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import gymnasium
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from trex_market.build import TRAINING, Study, load_study
from trex_market.core.units import dollars_from_money
from trex_market.learning import home_env
from trex_market.simulation.local import LocalDriver
from trex_market.simulation.run import play_episode
from trex_market.totals import Totals

ROOT = Path(__file__).parents[1]
STEPS = 150_000
ENVIRONMENTS = 8
HELD_OUT = (2, 5)
"""Weekdays that are not trained on, from 0 for Monday."""

CHANCE = 1_000
"""Seed of the other homes when something is measured; in training they have others."""

GAMMA = 0.995
OPTIONS: dict[str, Any] = {
    "n_steps": 192,
    "batch_size": 512,
    "n_epochs": 10,
    "learning_rate": 1e-3,
    "gamma": GAMMA,
    "gae_lambda": 0.95,
    "policy_kwargs": {"net_arch": [64, 64], "log_std_init": -0.7},
}
"""Of PPO; what is not here is as Stable-Baselines3 has it."""

Bills = dict[int, float]
"""Episode -> what the home paid on that day, $."""

Policy = Callable[[Any], Any]
"""Observation -> action."""


class RandomDays(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Begins each episode on a day drawn from some, with another chance of the other homes each time.

    Args:
        env: the environment.
        days: numbers of the episodes to draw from.
        episodes: how many the study has.
        seed: of the draws.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], days: Sequence[int], episodes: int, seed: int) -> None:
        super().__init__(env)
        self._days = days
        self._episodes = episodes
        self._draws = np.random.default_rng(seed)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        day, turn = int(self._draws.choice(self._days)), int(self._draws.integers(1_000))
        chosen = {"episode": day + turn * self._episodes, **(options or {})}
        return self.env.reset(seed=seed, options=chosen)


def split(study: Study) -> tuple[list[int], list[int]]:
    """Return the episodes that are trained on, and those that are not."""
    zone = ZoneInfo(study.config.study.timezone)
    weekdays = [datetime.fromtimestamp(start, zone).weekday() for start in study.config.study.start_times()]
    held_out = [episode for episode, weekday in enumerate(weekdays) if weekday in HELD_OUT]
    return [episode for episode in range(len(weekdays)) if episode not in held_out], held_out


def train(
    study: Study, agent: str, days: Sequence[int], steps: int, seed: int, save: Path | None = None
) -> Policy:
    """Train an agent, and return what it does then, without chance.

    Args:
        study: the study.
        agent: which home.
        days: the episodes that it is trained on.
        steps: how many rounds it plays.
        seed: of all chance.
        save: folder for the policy and the scaling of its observations; None to keep neither.
    """
    torch.set_num_threads(1)
    episodes = len(study.config.study.start_times())

    def make(number: int) -> Callable[[], gymnasium.Env[Any, Any]]:
        return lambda: RandomDays(
            home_env(study, agent, reward="saving"), days, episodes, 1_000 * seed + number
        )

    environments = VecNormalize(DummyVecEnv([make(number) for number in range(ENVIRONMENTS)]), gamma=GAMMA)
    model = PPO("MlpPolicy", environments, seed=seed, device="cpu", **OPTIONS)
    model.learn(steps)
    if save is not None:
        model.save(save / f"policy-{seed}.zip")
        environments.save(str(save / f"scaling-{seed}.pkl"))
    return lambda seen: model.predict(environments.normalize_obs(seen), deterministic=True)[0]


def bills_of_policy(study: Study, agent: str, policy: Policy, days: Iterable[int]) -> Bills:
    """Return what a home pays with a policy."""
    env = home_env(study, agent)
    bills = {}
    for day in days:
        seen, _ = env.reset(seed=CHANCE, options={"episode": day})
        bill, over = 0.0, False
        while not over:
            seen, _, _, over, info = env.step(policy(seen))
            bill += info["bill"]
        bills[day] = bill
    return bills


def bills_of_strategy(config: Path, agent: str, trader: Mapping[str, object]) -> Bills:
    """Return what a home pays with a strategy."""
    study = load_study(config, {f"participants.{agent}.trader": dict(trader), "study.seed": CHANCE})
    driver = LocalDriver(
        study.terms, study.participants(TRAINING).values(), study.config.market.default_bid_source
    )
    bills = {}
    for plan in study.episodes(TRAINING):
        totals = Totals()
        asyncio.run(play_episode(plan, driver, listeners=[totals]))
        bills[plan.episode] = dollars_from_money(totals.party(agent).bill)
    return bills


def mean(bills: Bills, days: Sequence[int]) -> float:
    """Return the mean bill of some days, $."""
    return statistics.fmean(bills[day] for day in days)


def best(
    config: Path, agent: str, traders: Iterable[Mapping[str, object]], days: Sequence[int]
) -> tuple[str, Bills]:
    """Return the strategy with the lowest bill on some days, as text, and its bills."""
    tried = [(str(dict(trader)), bills_of_strategy(config, agent, trader)) for trader in traders]
    return min(tried, key=lambda one: mean(one[1], days))


def strategies(config: Path, agent: str, trained: Sequence[int]) -> dict[str, Bills]:
    """Measure strategies: as they are, and with the options that are best on the days that are trained on."""
    measured = {
        name: bills_of_strategy(config, agent, {"type": name})
        for name in ("baseline", "basic", "battery_arbitrage")
    }
    pairs = [
        {"type": "basic", "bid_price": bid, "ask_price": ask}
        for bid in (0.10, 0.12, 0.14, 0.16, 0.18)
        for ask in (0.18, 0.20, 0.22, 0.24, 0.26)
    ]
    discounts = [
        {"type": "battery_arbitrage", "local_discount": discount} for discount in (0.0, 0.1, 0.3, 0.4, 0.5)
    ]
    for traders in (pairs, discounts):
        name, bills = best(config, agent, traders, trained)
        measured[f"best of {len(traders)}: {name}"] = bills
    return measured


def main() -> None:
    """Train and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "battery.yaml")
    parser.add_argument("--agent", default="home_24")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--save", type=Path, help="folder for the policies")
    chosen = parser.parse_args()
    study = load_study(chosen.config)
    trained, held_out = split(study)
    if chosen.save is not None:
        chosen.save.mkdir(parents=True, exist_ok=True)
    table = Table(
        f"bill of {chosen.agent}, $ a day", f"{len(trained)} days trained on", f"{len(held_out)} other days"
    )
    for name, bills in strategies(chosen.config, chosen.agent, trained).items():
        table.add_row(name, f"{mean(bills, trained):.3f}", f"{mean(bills, held_out):.3f}")
    results = []
    for seed in chosen.seeds:
        began = time.perf_counter()
        policy = train(study, chosen.agent, trained, chosen.steps, seed, chosen.save)
        seconds = time.perf_counter() - began
        bills = bills_of_policy(study, chosen.agent, policy, [*trained, *held_out])
        results.append((mean(bills, trained), mean(bills, held_out)))
        table.add_row(f"PPO, seed {seed} ({seconds:.0f} s)", *(f"{result:.3f}" for result in results[-1]))
    if len(results) > 1:
        columns = list(zip(*results, strict=True))
        spread = [f"{statistics.fmean(column):.3f} ± {statistics.stdev(column):.3f}" for column in columns]
        table.add_row(f"PPO, mean and standard deviation of {len(results)} seeds", *spread)
    Console().print(table)


if __name__ == "__main__":
    main()
