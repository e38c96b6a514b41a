"""The market as a Gymnasium environment: one agent, all others do as the study says."""

from __future__ import annotations

from typing import Any

import gymnasium
from numpy.typing import NDArray

from trex_market.build import Study
from trex_market.learning.parallel import Info, info_of
from trex_market.learning.play import Play
from trex_market.learning.rewards import Reward
from trex_market.learning.spaces import Numbers, action_space, observation, observation_space


class HomeEnv(gymnasium.Env[Any, Any]):
    """A study as an environment of one agent; see `MarketEnv`.

    Args:
        study: the study.
        agent: id of the agent.
        reward: what a slot is worth.
        forecast_slots: how many slots the agent looks at, from the current one on.

    Raises:
        InputError: if the agent is no participant of the study, or cannot be steered.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium's own way

    def __init__(self, study: Study, agent: str, reward: Reward, forecast_slots: int) -> None:
        self.play = Play(study, [agent], forecast_slots)
        self.observation_space = observation_space(study.config.market.close_steps, forecast_slots)
        self.action_space = action_space()
        self._agent = agent
        self._reward = reward
        self._episode = -1

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Numbers, dict[str, Any]]:
        """Begin an episode; see `MarketEnv.reset`."""
        super().reset(seed=seed)
        if seed is not None:
            self.play.seed_with(seed)
            self._episode = -1
        self._episode = int((options or {}).get("episode", self._episode + 1))
        return observation(self.play.begin(self._episode)[self._agent]), {}

    def step(self, action: NDArray[Any]) -> tuple[Numbers, float, bool, bool, Info]:
        """Play a round; see `MarketEnv.step`."""
        observations, results = self.play.step({self._agent: action.tolist()})
        result = results[self._agent]
        return (
            observation(observations[self._agent]),
            self._reward(result),
            False,
            self.play.is_over,
            info_of(result),
        )
