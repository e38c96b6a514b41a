"""A config and a request to the runs of a sweep.

What varies are *axes*: the config's `sweep` section, its `training.hyperparameters`, and what the command line
says, which goes before both. A hyperparameter is an option of all traders that learn (`trader.learning`) and
whose strategy takes it. Every combination of values is a setting; every setting is run with every seed.

A run's id is a hash of its values and its seed, so it is the same whatever the order of keys, and whatever else
is swept beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import msgspec
from pydantic import JsonValue

from trex_market.build import BASELINE, OpenProfiles, Study, load_study
from trex_market.config import Axis, Config, axis, check_key, every, load_config
from trex_market.config.load import EMPTY
from trex_market.config.source import read_source
from trex_market.core.errors import ConfigError, InputError
from trex_market.plugins import STRATEGIES, find, fitting_options

HYPERPARAMETERS = "training.hyperparameters"
SEED = "study.seed"

MAX_RUNS = 100_000
"""So many runs a sweep may have."""

FIXED = {
    "study.output_db_location": "each run of a sweep has a database in its own folder",
    "sweep": "it says what is swept",
    "records": "it means nothing here",
    "version": "it means nothing here",
}
"""Keys that cannot be swept, and why."""

ID_LENGTH = 12


class Run(msgspec.Struct, frozen=True):
    """One run of a sweep.

    Args:
        id: names it; a hash of its values and seed.
        values: key of an axis -> its value.
        seed: of all its chance.
        overrides: dotted key of the config -> what it is in this run.
        config_hash: of the config with these.
    """

    id: str
    values: dict[str, Any]
    seed: int
    overrides: dict[str, Any]
    config_hash: str


class Plan:
    """What a sweep goes through.

    Args:
        path: of the config.
        base: dotted key -> value that holds in all runs; None for no override.
        assignments: "KEY=VALUES" each, as the command line has them.
        seeds: each setting is run with; empty for the config's.

    Raises:
        ConfigError: if the config is wrong, or a key cannot be swept.
    """

    def __init__(
        self,
        path: Path,
        base: Mapping[str, object] | None = None,
        assignments: Sequence[str] = (),
        seeds: str | None = None,
    ) -> None:
        self.path = path.resolve()
        self._base = {key: value for key, value in (base or {}).items() if value is not None}
        self.config = load_config(path, self._base)
        self.axes = tuple(_axes(self.config, assignments))
        swept = [one.key for one in self.axes]
        self.seeds = _seeds(seeds, self.config.study.seed)
        if seeds is not None and SEED in swept:
            raise ConfigError(f"{SEED}: is swept, so --seeds cannot be given as well")
        self._targets = {one.key: _targets(self.config, one.key) for one in self.axes}
        _check_apart(self._targets)

    @staticmethod
    def _check_measurable(config: Config) -> None:
        study = config.study
        if study.record == "none":
            raise ConfigError("study.record: with none there is nothing to measure; say participant or full")
        if study.simulations == (BASELINE,):
            raise ConfigError("study.simulations: a sweep needs one in which there is trade")

    @property
    def size(self) -> int:
        """How many runs there are."""
        return prod(len(one.values) for one in self.axes) * len(self.seeds)

    def settings(self) -> Iterator[dict[str, JsonValue]]:
        """Yield every combination of values, the last axis changing first.

        Raises:
            ConfigError: if they are too many.
        """
        if self.size > MAX_RUNS:
            raise ConfigError(f"a sweep can have {MAX_RUNS:,} runs, these are {self.size:,}")
        for values in product(*(one.values for one in self.axes)):
            yield dict(zip((one.key for one in self.axes), values, strict=True))

    def runs(self, values: Mapping[str, JsonValue]) -> list[Run]:
        """Return a setting's runs, one a seed.

        Args:
            values: key of an axis -> its value.

        Raises:
            ConfigError: if the config cannot have these values.
        """
        return [self._run(values, seed) for seed in self._seeds_of(values)]

    def _seeds_of(self, values: Mapping[str, JsonValue]) -> tuple[int, ...]:
        # A seed that is no whole number is told by the config, as that of any other key.
        seed = values.get(SEED)
        return (seed,) if isinstance(seed, int) else self.seeds

    def _run(self, values: Mapping[str, JsonValue], seed: int) -> Run:
        overrides = self._overrides(values, seed)
        config = load_config(self.path, given(overrides), called=called(overrides))
        self._check_measurable(config)
        return Run(run_id(values, seed), dict(values), seed, overrides, config.hash)

    def _overrides(self, values: Mapping[str, JsonValue], seed: int) -> dict[str, Any]:
        overrides: dict[str, Any] = {**self._base, SEED: seed, "sweep": {}}
        chosen: dict[str, JsonValue] = {}
        for key, value in values.items():
            overrides |= dict.fromkeys(self._targets[key], value)
            if key.startswith(f"{HYPERPARAMETERS}."):
                chosen[key.removeprefix(f"{HYPERPARAMETERS}.")] = value
        if chosen:
            overrides[HYPERPARAMETERS] = chosen
        return overrides

    def check(self, runs: Sequence[Run], open_profiles: OpenProfiles) -> None:
        """Check all that the runs' configs name: strategies, options, profiles; each value of each axis once.

        Args:
            runs: to be checked.
            open_profiles: opens load and generation data.

        Raises:
            ConfigError: all that is wrong with the first run that is.
        """
        seen: set[tuple[str, bytes]] = set()
        for run in runs:
            marks = {(key, msgspec.json.encode(value)) for key, value in run.values.items()}
            if not seen or not marks <= seen:
                load_swept(self.path, run.overrides, open_profiles)
                seen |= marks or {("", b"")}


def run_id(values: Mapping[str, JsonValue], seed: int) -> str:
    """Name a run after its values and its seed; the order of keys does not count."""
    told = json.dumps([dict(values), seed], sort_keys=True, separators=(",", ":"))
    return sha256(told.encode()).hexdigest()[:ID_LENGTH]


def load_swept(path: Path, overrides: Mapping[str, object], open_profiles: OpenProfiles) -> Study:
    """Load a config as it is in a run of a sweep; see `load_study`.

    Args:
        path: of the config.
        overrides: of the run, see `Run`.
        open_profiles: opens load and generation data.
    """
    return load_study(path, given(overrides), open_profiles=open_profiles, called=called(overrides))


def given(overrides: Mapping[str, object]) -> dict[str, object]:
    """Return overrides of which those that are nothing (null) override, too."""
    return {key: EMPTY if value is None else value for key, value in overrides.items()}


def called(overrides: Mapping[str, object]) -> dict[str, str]:
    """Return how overrides are called in messages: by their keys."""
    return {key: f"{key}, as it is swept" for key in overrides}


# ---------------------------------------------------------------- axes


def _axes(config: Config, assignments: Sequence[str]) -> list[Axis]:
    """Return what varies, in the order in which it is written."""
    written: dict[str, JsonValue] = dict(config.sweep)
    written |= {f"{HYPERPARAMETERS}.{name}": value for name, value in config.training.hyperparameters.items()}
    told: set[str] = set()
    for assignment in assignments:
        key, values = _assigned(assignment)
        if key in told:
            raise ConfigError(f"--set {key}: is given twice")
        told.add(key)
        written[key] = values
    for key in written:
        check_key(config, key)
        for fixed, why in FIXED.items():
            if key == fixed or key.startswith(f"{fixed}."):
                raise ConfigError(f"{key}: cannot be swept: {why}")
    return [axis(key, values) for key, values in written.items()]


def _assigned(text: str) -> tuple[str, JsonValue]:
    """Read "KEY=VALUES", where the values are as a config has them: 0,0.5,1 or {start: 0, stop: 1, num: 3}."""
    key, equals, values = text.partition("=")
    key, values = key.strip(), values.strip()
    if not (key and equals and values):
        raise InputError(f"--set takes KEY=VALUE,VALUE,..., found {text!r}")
    whole = (
        values if values.startswith("{") and values.endswith("}") and "}," not in values else f"[{values}]"
    )
    source = read_source(whole, f"--set {key}")
    if source.mistakes:
        raise ConfigError(f"--set {key}: {source.mistakes[0].message}")
    data: Any = source.data
    return key, data


def _seeds(text: str | None, first: int) -> tuple[int, ...]:
    """Read --seeds: how many, from the config's on, or which."""
    if text is None:
        return (first,)
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
        raise InputError(f"--seeds takes a number of seeds, or a list such as 1,5,9, found {text!r}")
    numbers = tuple(map(int, parts))
    if len(numbers) == 1:
        if not 1 <= numbers[0] <= MAX_RUNS:
            raise InputError(
                f"--seeds: a number of seeds lies between 1 and {MAX_RUNS:,}, found {numbers[0]}"
            )
        return tuple(range(first, first + numbers[0]))
    if len(set(numbers)) < len(numbers):
        raise InputError(f"--seeds: a seed is given twice: {text}")
    return numbers


def _targets(config: Config, key: str) -> tuple[str, ...]:
    """Return the config's keys that an axis sets."""
    if key.startswith(f"{HYPERPARAMETERS}."):
        return tuple(_options(config, key.removeprefix(f"{HYPERPARAMETERS}.")))
    return tuple(every(config, key))


def _options(config: Config, name: str) -> Iterator[str]:
    """Yield the options that a hyperparameter stands for: those of learning traders that take it."""
    base = config.source.parent
    learning = {key: one.trader.type for key, one in config.participants.items() if one.trader.learning}
    where = f"{HYPERPARAMETERS}.{name}"
    if not learning:
        raise ConfigError(
            f"{config.where(where)}: {where}: is an option of traders that learn, and none does (learning: true)"
        )
    taken = {
        kind: bool(fitting_options(find(STRATEGIES, kind, base), {name: None}, frozenset([name]), kind))
        for kind in set(learning.values())
    }
    if not any(taken.values()):
        raise ConfigError(
            f"{config.where(where)}: {where}: no trader that learns has such an option; they are "
            f"{', '.join(sorted(taken))}"
        )
    for participant_id, kind in learning.items():
        if taken[kind]:
            yield from every(config, f"participants.{participant_id}.trader.{name}")


def _check_apart(targets: Mapping[str, Sequence[str]]) -> None:
    """Check that no two axes set one key, or a key and one below it."""
    setters: dict[str, str] = {}
    for key, keys in targets.items():
        for target in keys:
            if target in setters:
                raise ConfigError(f"{key}: sets {target}, and so does {setters[target]}")
            setters[target] = key
    for target, key in setters.items():
        parts = target.split(".")
        for length in range(1, len(parts)):
            above = setters.get(".".join(parts[:length]))
            if above is not None:
                raise ConfigError(f"{key}: lies below {above}, which is swept as well")
