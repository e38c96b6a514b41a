"""Agent steps of the environments for learning agents, beside environments of the same shapes that do nothing."""

from __future__ import annotations

import random
from importlib.resources import as_file, files
from time import process_time
from typing import Any

from trex_market.benchmarks.figures import Figure
from trex_market.build import Study, load_study
from trex_market.learning import env, home_env
from trex_market.learning.actions import LEVERS

ROUNDS = 672
"""Of an episode: a week."""

AGENT = "home_14"


def learning() -> list[Figure]:
    """Play an episode of the demo with all homes as agents, and one with a single agent.

    Raises:
        MissingExtraError: if PettingZoo is not installed.
    """
    with as_file(files("trex_market") / "data" / "demo.yaml") as config:
        study = load_study(config)
    return [_parallel(study), _single(study)]


def _actions(count: int) -> list[Any]:
    """Return actions drawn evenly."""
    import numpy as np  # noqa: PLC0415 - optional

    chance = random.Random(1)  # noqa: S311 - no secret
    return [np.array([chance.uniform(-1, 1) for _ in LEVERS], np.float32) for _ in range(count)]


def _parallel(study: Study) -> Figure:
    market = env(study, study.config.participants)
    names = market.possible_agents
    drawn = _actions(101)
    turns = [
        {name: drawn[(round * 7 + place) % 101] for place, name in enumerate(names)}
        for round in range(ROUNDS)
    ]
    market.reset()
    began = process_time()
    for turn in turns:
        market.step(turn)
    seconds = process_time() - began
    seen = market.observation_space(names[0]).sample().tolist()
    began = process_time()
    for turn in turns:
        _nothing_for_all(turn, seen)
    bare = process_time() - began
    steps = len(names) * ROUNDS
    return Figure(
        "learning",
        "PettingZoo, all homes are agents",
        len(names),
        steps / seconds,
        "agent steps/s",
        steps / bare,
        "an environment of the same shapes that does nothing",
    )


def _single(study: Study) -> Figure:
    market = home_env(study, AGENT)
    turns = _actions(ROUNDS)
    market.reset()
    began = process_time()
    for action in turns:
        market.step(action)
    seconds = process_time() - began
    seen = market.observation_space.sample().tolist()
    began = process_time()
    for action in turns:
        _nothing_for_all({AGENT: action}, seen)
    bare = process_time() - began
    return Figure(
        "learning",
        "Gymnasium, one agent among all homes",
        len(study.config.participants),
        ROUNDS / seconds,
        "agent steps/s",
        ROUNDS / bare,
        "an environment of the same shapes that does nothing",
        f"{1e6 * seconds / ROUNDS / len(study.config.participants):.1f} us a turn",
    )


def _nothing_for_all(actions: dict[str, Any], seen: list[float]) -> tuple[Any, ...]:
    """Take actions as an environment does, and say of each agent that nothing has happened."""
    from trex_market.learning.spaces import observation  # noqa: PLC0415 - optional

    taken = {name: action.tolist() for name, action in actions.items()}
    return (
        {name: observation(seen) for name in taken},
        dict.fromkeys(taken, 0.0),
        dict.fromkeys(taken, False),
        dict.fromkeys(taken, False),
        {name: {"slot": 0, "bill": 0.0} for name in taken},
    )
