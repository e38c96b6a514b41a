"""The `training` section: hyperparameters to search, and what changes from episode to episode."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from trex_market.config.values import Section, default_if_empty, found, wrong, wrong_at

ANNEAL = "anneal"
"""The key below an episode that anneals parameters from then on."""

DEFAULT_EPISODE = "default"
"""The key, in TREX's older configs, of what holds in all episodes without one of their own."""

_METHODS = ("multiply", "subtract")


def _check_episode(text: str) -> str:
    if text != DEFAULT_EPISODE and not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise wrong(f"must be the number of an episode, from 0, or {DEFAULT_EPISODE!r}, found {found(text)}")
    return text


def _check_anneal(parameters: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Check what is annealed: parameter -> [value, method, limit]."""
    annealed = parameters.get(ANNEAL, {})
    if not isinstance(annealed, dict):
        expected = "must be a mapping of parameters to [value, method, limit]"
        raise wrong_at([((ANNEAL,), f"{expected}, found {found(annealed)}")])
    mistakes = [
        ((ANNEAL, name), message) for name, rule in annealed.items() if (message := _rule_mistake(rule))
    ]
    if mistakes:
        raise wrong_at(mistakes)
    return parameters


def _rule_mistake(rule: JsonValue) -> str | None:
    expected = "must be [value, 'multiply' or 'subtract', limit]"
    if not isinstance(rule, list) or len(rule) != 3:
        return f"{expected}, found {found(rule)}"
    value, method, limit = rule
    if method not in _METHODS:
        return f"{expected}, found the method {found(method)}"
    for number in (value, limit):
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            return f"{expected}, found {found(number)} for a number"
    return None


Episode = Annotated[str, AfterValidator(_check_episode)]
Parameters = Annotated[dict[str, JsonValue], AfterValidator(_check_anneal)]


class TrainingConfig(Section):
    """How strategies learn.

    Args:
        hyperparameters: option of all traders that learn -> value, list of values, or {start, stop, num}; they are
            for `trex-market sweep`.
        curriculum: number of an episode -> parameter -> value from then on; below `anneal`
            parameter -> [value, "multiply" or "subtract", limit].
        validation_weights: whether validation plays each start once with what was learnt at last, or each
            episode of the training again with what was known at its end.
    """

    hyperparameters: Annotated[dict[str, JsonValue], default_if_empty({})] = Field(default_factory=dict)
    curriculum: Annotated[dict[Episode, Parameters], default_if_empty({})] = Field(default_factory=dict)
    validation_weights: Literal["last", "each"] = "last"
