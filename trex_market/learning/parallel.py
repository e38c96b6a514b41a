"""The market as a PettingZoo environment: any number of agents, who act at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gymnasium.spaces import Box
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from trex_market.build import Study
from trex_market.core.units import dollars_from_money
from trex_market.learning.play import Play
from trex_market.learning.rewards import Reward, SlotResult
from trex_market.learning.spaces import Numbers, action_space, observation, observation_space
from trex_market.profit import money

Info = dict[str, float]
"""Of a step: `slot`, the start of the slot that was delivered; `bill`, what the agent paid for it, less what it got, $."""


def info_of(result: SlotResult) -> Info:
    """Return what is told of a step besides its reward."""
    income = sum(money(row, result.participant_id) for row in result.transactions)
    return {"slot": result.slot_start, "bill": -dollars_from_money(income)}


class MarketEnv(ParallelEnv[str, Numbers, Numbers]):  # type: ignore[misc]  # PettingZoo has no types
    """A study as an environment of many agents.

    An episode is one of the study's training episodes; `reset` begins the next one, and `reset(seed=...)` makes
    all participants anew with that seed and begins with the first. The option `episode` of `reset` names another.
    At the end of an episode all agents are truncated.

    Args:
        study: the study.
        agents: ids of the agents; the others do as the study says.
        reward: what a slot is worth.
        forecast_slots: how many slots agents look at, from the current one on.

    Raises:
        InputError: if an agent is no participant of the study, or cannot be steered.
    """

    def __init__(self, study: Study, agents: Sequence[str], reward: Reward, forecast_slots: int) -> None:
        self.metadata = {"name": "trex_market", "render_modes": []}
        self.render_mode = None
        self.possible_agents = list(agents)
        self.agents: list[str] = []
        self.play = Play(study, agents, forecast_slots)
        self._reward = reward
        self._episode = -1
        close_steps = study.config.market.close_steps
        self._observation_spaces = {name: observation_space(close_steps, forecast_slots) for name in agents}
        self._action_spaces = {name: action_space() for name in agents}

    def observation_space(self, agent: str) -> Box:
        """Return the space of an agent's observations."""
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> Box:
        """Return the space of an agent's actions."""
        return self._action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Numbers], dict[str, Info]]:
        """Begin an episode.

        Args:
            seed: of all chance; None to go on with the one before.
            options: `episode`, the number of the episode; the next one without it.
        """
        if seed is not None:
            self.play.seed_with(seed)
            self._episode = -1
        self._episode = int((options or {}).get("episode", self._episode + 1))
        observations = self.play.begin(self._episode)
        self.agents = list(self.possible_agents)
        return _arrays(observations), {name: {} for name in self.agents}

    def step(
        self, actions: Mapping[str, NDArray[Any]]
    ) -> tuple[dict[str, Numbers], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Info]]:
        """Play a round.

        Args:
            actions: agent -> action.

        Returns:
            agent -> observation, reward, whether it is terminated (never), whether it is truncated, info.

        Raises:
            PhaseError: if the episode is over.
            InputError: if an agent has no action, or one that is none.
            StrategyError: if another participant's strategy fails.
        """
        observations, results = self.play.step({name: action.tolist() for name, action in actions.items()})
        over, reward = self.play.is_over, self._reward
        names = self.agents
        if over:
            self.agents = []
        return (
            _arrays(observations),
            {name: reward(result) for name, result in results.items()},
            dict.fromkeys(names, False),
            dict.fromkeys(names, over),
            {name: info_of(result) for name, result in results.items()},
        )

    def render(self) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Nothing is held."""


def _arrays(observations: Mapping[str, Sequence[float]]) -> dict[str, Numbers]:
    return {name: observation(values) for name, values in observations.items()}
