"""Environments for learning agents: the market for PettingZoo (`env`) and for Gymnasium (`home_env`).

    env = trex_market.learning.home_env("configs/battery.yaml", "home_24", reward="saving")

Both play the config's training episodes with the engine of `trex-market run`. They need the extra `learning`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from trex_market.build import Study, load_study
from trex_market.core.errors import InputError, MissingExtraError
from trex_market.learning.rewards import Reward
from trex_market.plugins import REWARDS, find

if TYPE_CHECKING:
    from trex_market.learning.parallel import MarketEnv
    from trex_market.learning.single import HomeEnv


def env(
    config: str | Path | Study,
    agents: Iterable[str] | None = None,
    *,
    reward: str | Reward = "net_profit",
    forecast_slots: int | None = None,
    overrides: Mapping[str, object] | None = None,
) -> MarketEnv:
    """Return a study as a PettingZoo `ParallelEnv`.

    Args:
        config: its file; or a study that is loaded already.
        agents: ids of the agents; None for those that the config lets learn, or for all if it lets nobody.
        reward: a name of `trex_market.learning.rewards`, "module:function", or the function itself.
        forecast_slots: how many slots agents look at, from the current one on; None for those up to the next one
            to be cleared.
        overrides: dotted key of the config -> value that replaces the file's.

    Raises:
        ConfigError: if the config is wrong, or there is no such reward.
        InputError: if an agent is no participant of the study, or cannot be steered.
        MissingExtraError: if PettingZoo is not installed.
    """
    _check_installed("pettingzoo")
    from trex_market.learning.parallel import MarketEnv  # noqa: PLC0415 - optional

    study = _study(config, overrides)
    if agents is None:
        sections = study.config.participants
        agents = [name for name, section in sections.items() if section.trader.learning] or sections
    chosen = tuple(agents)
    if not chosen:
        raise InputError(f"there must be at least one agent, of: {', '.join(study.config.participants)}")
    return MarketEnv(study, chosen, _reward(reward, study), _slots(forecast_slots, study))


def home_env(
    config: str | Path | Study,
    agent: str,
    *,
    reward: str | Reward = "net_profit",
    forecast_slots: int | None = None,
    overrides: Mapping[str, object] | None = None,
) -> HomeEnv:
    """Return a study as a Gymnasium environment of one agent; see `env`."""
    _check_installed("gymnasium")
    from trex_market.learning.single import HomeEnv  # noqa: PLC0415 - optional

    study = _study(config, overrides)
    return HomeEnv(study, agent, _reward(reward, study), _slots(forecast_slots, study))


def _check_installed(module: str) -> None:
    if find_spec(module) is None:
        raise MissingExtraError("an environment for learning agents", "learning")


def _study(config: str | Path | Study, overrides: Mapping[str, object] | None) -> Study:
    if isinstance(config, Study):
        if overrides:
            raise InputError("overrides go with a config's file, not with a study that is loaded already")
        return config
    return load_study(Path(config), overrides)


def _reward(reward: str | Reward, study: Study) -> Reward:
    return find(REWARDS, reward, study.base) if isinstance(reward, str) else reward


def _slots(forecast_slots: int | None, study: Study) -> int:
    slots = study.config.market.close_steps + 1 if forecast_slots is None else forecast_slots
    if slots < 1:
        raise InputError(f"forecast_slots must be at least 1, found {slots}")
    return slots
