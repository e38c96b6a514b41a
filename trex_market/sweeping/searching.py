"""Values chosen by Optuna, after what other values came to, instead of all combinations.

Of a list one value is chosen; of a range {start, stop, num} any number between its ends, whole if both are whole. What
a setting came to is the mean of a KPI over its seeds. Settings are asked for a few at a time, always as many, so that
the same seed gives the same search on every machine, and one that is started again finds its runs finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any, Literal

import msgspec
from pydantic import JsonValue

from trex_market.analysis.kpis import chosen
from trex_market.config import Axis
from trex_market.core.errors import InputError, MissingExtraError
from trex_market.sweeping.planning import SEED
from trex_market.sweeping.results import RunResult

AT_ONCE = 4
"""Settings that are asked for before the first of them is told of."""

Direction = Literal["minimize", "maximize"]


class Search(msgspec.Struct, frozen=True):
    """What is looked for.

    Args:
        trials: how many settings are tried.
        metric: name of the KPI.
        direction: whether it should be small or large.
    """

    trials: int
    metric: str
    direction: Direction


class Searched(msgspec.Struct, frozen=True):
    """What was found.

    Args:
        metric: name of the KPI.
        value: the best.
        values: key of an axis -> its value there.
    """

    metric: str
    value: float
    values: dict[str, Any]


def check_search(search: Search, axes: Sequence[Axis]) -> None:
    """Check a search before anything is run.

    Raises:
        InputError: if it is wrong.
        MissingExtraError: if Optuna is not installed.
    """
    if search.trials < 1:
        raise InputError(f"--optuna must be at least 1, found {search.trials}")
    chosen([search.metric])
    if not any(len(one.values) > 1 for one in axes):
        raise InputError("--optuna: there is nothing to choose; sweep a key with several values")
    if SEED in [one.key for one in axes]:
        raise InputError(f"--optuna: {SEED} is chance, not a choice; use --seeds")
    _optuna()


def _optuna() -> Any:
    try:
        import optuna  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError("a search", "optuna") from None
    return optuna


class Searching:
    """A search under way.

    Args:
        search: what is looked for.
        axes: what can be chosen.
        seed: of its chance.
    """

    def __init__(self, search: Search, axes: Sequence[Axis], seed: int) -> None:
        self._optuna = _optuna()
        self._optuna.logging.set_verbosity(self._optuna.logging.ERROR)
        self._search = search
        self._axes = axes
        sampler = self._optuna.samplers.TPESampler(seed=seed % 2**32)
        self._study = self._optuna.create_study(direction=search.direction, sampler=sampler)
        self._asked: list[tuple[Any, dict[str, JsonValue]]] = []
        self._left = search.trials
        self._best: Searched | None = None

    def ask(self) -> list[dict[str, JsonValue]]:
        """Return the settings that are to be tried next: key -> value; none at the end."""
        trials = [self._study.ask() for _ in range(min(AT_ONCE, self._left))]
        self._left -= len(trials)
        self._asked = [(trial, {one.key: _value(trial, one) for one in self._axes}) for trial in trials]
        return [values for _, values in self._asked]

    def tell(self, results: Sequence[Sequence[RunResult]]) -> None:
        """Say what the settings that were asked for came to.

        Args:
            results: of each setting, one a seed.
        """
        for (trial, values), runs in zip(self._asked, results, strict=True):
            figures = [run.kpis.get(self._search.metric) for run in runs]
            told = [figure for figure in figures if figure is not None]
            if not told or len(told) < len(figures):
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
                continue
            value = fmean(told)
            self._study.tell(trial, value)
            if self._best is None or self._is_better(value, self._best.value):
                self._best = Searched(self._search.metric, value, values)

    def _is_better(self, value: float, than: float) -> bool:
        return value < than if self._search.direction == "minimize" else value > than

    def best(self) -> Searched | None:
        """Return the first of the best settings; None if all have failed."""
        return self._best


def _value(trial: Any, one: Axis) -> JsonValue:
    """Choose the value of an axis."""
    value: JsonValue
    if one.range is None or len(one.values) == 1:
        value = one.values[trial.suggest_categorical(one.key, list(range(len(one.values))))]
        return value
    low, high = sorted((one.range.start, one.range.stop))
    value = (
        trial.suggest_int(one.key, low, high) if one.range.whole else trial.suggest_float(one.key, low, high)
    )
    return value
