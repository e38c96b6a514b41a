"""Curriculum: parameters that are set, or annealed, from an episode on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ANNEAL = "anneal"


class Curriculum:
    """Follows a config's curriculum through the episodes of a training run.

    Args:
        lessons: episode -> parameter -> value; the parameter `anneal` maps parameters to
            ``[start or rate, "multiply" or "subtract", limit]``: from then on the parameter is multiplied
            by the rate, or lessened by it, in each episode until it reaches the limit.
    """

    def __init__(self, lessons: Mapping[int, Mapping[str, Any]]) -> None:
        self._lessons = lessons
        self._values: dict[str, Any] = {}
        self._annealed: dict[str, tuple[float, str, float]] = {}

    def lesson(self, episode: int) -> dict[str, Any]:
        """Return what changes in an episode: parameters that are set in it, and `anneal` for all annealed ones.

        To be asked after `parameters`, for the same episode.
        """
        lesson = {name: value for name, value in self._lessons.get(episode, {}).items() if name != ANNEAL}
        if self._annealed:
            lesson[ANNEAL] = {name: list(plan) for name, plan in self._annealed.items()}
        return lesson

    def parameters(self, episode: int) -> dict[str, Any]:
        """Return what holds in an episode; to be asked once for each episode, in order."""
        for name, (rate, way, limit) in self._annealed.items():
            old = self._values.get(name, 1.0)
            new = old * rate if way == "multiply" else old - rate
            self._values[name] = min(limit, new) if new > old else max(limit, new)
        lesson = self._lessons.get(episode, {})
        for name, value in lesson.items():
            if name == ANNEAL:
                self._annealed.update({key: tuple(plan) for key, plan in value.items()})
            else:
                self._values[name] = value
                self._annealed.pop(name, None)
        return dict(self._values)
