"""What was learnt in an environment as a strategy, for any market: in a run, or joined from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trex_market.learning.actions import Actor
from trex_market.learning.features import Calendar, Observer
from trex_market.participant import Decision, EpisodeStart, View

Choose = Callable[[list[float]], Sequence[float]]
"""Observation -> action."""


class PolicyStrategy:
    """Observe as in an environment, choose an action, and do what it stands for.

    Args:
        choose: the policy.
        forecast_slots: as in the environment; None for its default.
    """

    def __init__(self, choose: Choose, forecast_slots: int | None = None) -> None:
        self._choose = choose
        self._forecast_slots = forecast_slots

    def start_episode(self, start: EpisodeStart) -> None:
        """Begin an episode."""
        slots = start.market.close_steps + 1 if self._forecast_slots is None else self._forecast_slots
        self._observer = Observer(Calendar(start.market.timezone), slots)
        self._actor = Actor()

    def end_episode(self) -> None:
        """Nothing is kept."""

    def decide(self, view: View) -> Decision:
        """Do what the policy chooses."""
        return self._actor.decide(view, self._choose(self._observer.observe(view)))
