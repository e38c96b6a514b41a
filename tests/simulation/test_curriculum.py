"""Parameters by episode: what is set stays, what is annealed goes on to its limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from trex_market.simulation.curriculum import Curriculum


def followed(lessons: Mapping[int, Any], episodes: int) -> list[dict[str, Any]]:
    curriculum = Curriculum(lessons)
    return [curriculum.parameters(episode) for episode in range(episodes)]


def test_without_lessons_nothing_is_set() -> None:
    assert followed({}, 3) == [{}, {}, {}]


def test_a_parameter_holds_from_its_episode_on_until_it_is_set_again() -> None:
    lessons = {0: {"rate": 1, "mode": "easy"}, 2: {"rate": 3}}
    assert followed(lessons, 4) == [
        {"rate": 1, "mode": "easy"},
        {"rate": 1, "mode": "easy"},
        {"rate": 3, "mode": "easy"},
        {"rate": 3, "mode": "easy"},
    ]


@pytest.mark.parametrize(
    ("plan", "values"),
    [
        ([0.5, "multiply", 0.2], [1.0, 0.5, 0.25, 0.2, 0.2]),
        ([0.25, "subtract", 0.0], [1.0, 0.75, 0.5, 0.25, 0.0]),
        ([1.0, "subtract", -10.0], [1.0, 0.0, -1.0, -2.0, -3.0]),
        ([2.0, "multiply", 5.0], [1.0, 2.0, 4.0, 5.0, 5.0]),
        ([-1.0, "subtract", 2.5], [1.0, 2.0, 2.5, 2.5, 2.5]),
    ],
)
def test_annealing_starts_after_its_episode_and_stops_at_its_limit(
    plan: list[Any], values: list[float]
) -> None:
    lessons = {0: {"e": 1.0, "anneal": {"e": plan}}}
    assert [parameters["e"] for parameters in followed(lessons, 5)] == values


def test_a_parameter_can_be_set_first_and_annealed_later() -> None:
    lessons = {0: {"e": 8.0}, 2: {"anneal": {"e": [0.5, "multiply", 1.0]}}}
    assert [parameters["e"] for parameters in followed(lessons, 6)] == [8.0, 8.0, 8.0, 4.0, 2.0, 1.0]


def test_setting_a_parameter_ends_its_annealing() -> None:
    lessons = {0: {"e": 8.0, "anneal": {"e": [0.5, "multiply", 0.0]}}, 2: {"e": 5.0}}
    assert [parameters["e"] for parameters in followed(lessons, 4)] == [8.0, 4.0, 5.0, 5.0]


def test_what_was_returned_is_not_changed_later() -> None:
    first, second = followed({0: {"a": 1}, 1: {"a": 2}}, 2)
    assert (first, second) == ({"a": 1}, {"a": 2})
