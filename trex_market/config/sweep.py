"""The `sweep` section, and `training.hyperparameters`: keys, and the values that they take in turn.

sweep:
  market.k: [0, 0.5, 1]                                         a list
  participants.*.trader.bid_price: {start: 0.1, stop: 0.3, num: 5}  a range, both ends included
  study.seed: 7                                                 a single value
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import msgspec
from pydantic import AfterValidator, BaseModel, JsonValue

from trex_market.config.mistakes import key_type
from trex_market.config.values import found, wrong
from trex_market.core.errors import ConfigError, unknown_name
from trex_market.core.units import exact

if TYPE_CHECKING:
    from trex_market.config.schema import Config

EVERY = "*"
"""Stands for every participant."""

MAX_VALUES = 10_000
"""How many values a range may have."""

_RANGE_KEYS = {"start", "stop", "num"}


class Range(msgspec.Struct, frozen=True):
    """Numbers at equal distances.

    Args:
        start: the first.
        stop: the last.
        num: how many.
    """

    start: int | float
    stop: int | float
    num: int

    def values(self) -> tuple[int | float, ...]:
        """Return the numbers; whole ones, if both ends are whole and the distance is."""
        first, last = exact(self.start), exact(self.stop)
        step = (last - first) / (self.num - 1) if self.num > 1 else Fraction(0)
        numbers = [first + place * step for place in range(self.num)]
        if self.whole and step.denominator == 1:
            return tuple(int(number) for number in numbers)
        return tuple(float(number) for number in numbers)

    @property
    def whole(self) -> bool:
        """Whether both ends are whole numbers."""
        return isinstance(self.start, int) and isinstance(self.stop, int)


class Axis(msgspec.Struct, frozen=True):
    """A key, and the values that it takes in turn.

    Args:
        key: dotted; a part may be `*`, for every participant.
        values: at least one.
        range: that the values are of; None for a list.
    """

    key: str
    values: tuple[JsonValue, ...]
    range: Range | None = None


def axis(key: str, written: JsonValue) -> Axis:
    """Read the values of a key.

    Args:
        key: dotted.
        written: a list, a range {start, stop, num}, or a single value.

    Raises:
        ConfigError: if a list is empty or has a value twice, or a range is none.
    """
    message = _mistake(written)
    if message:
        raise ConfigError(f"{key}: {message}")
    if _is_range(written):
        numbers = msgspec.convert(written, Range)
        return Axis(key, numbers.values(), numbers)
    return Axis(key, tuple(written) if isinstance(written, list) else (written,))


def _is_range(written: JsonValue) -> bool:
    return isinstance(written, dict) and bool(_RANGE_KEYS & written.keys())


def _mistake(written: JsonValue) -> str | None:
    """Say what is wrong with the values of a key."""
    if isinstance(written, list):
        if not written:
            return "must have at least one value, found an empty list"
        seen = [msgspec.json.encode(value) for value in written]
        twice = next((value for value, text in zip(written, seen, strict=True) if seen.count(text) > 1), None)
        return None if len(set(seen)) == len(seen) else f"has the value {found(twice)} twice"
    return _range_mistake(written) if isinstance(written, dict) and _is_range(written) else None


def _range_mistake(written: dict[str, JsonValue]) -> str | None:
    if written.keys() != _RANGE_KEYS:
        return f"a range has the keys start, stop and num, found {', '.join(written)}"
    for name in ("start", "stop"):
        number = written[name]
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            return f"{name} of a range must be a number, found {found(number)}"
    number = written["num"]
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_VALUES:
        return f"num of a range must be a whole number from 1 to {MAX_VALUES:,}, found {found(number)}"
    if number > 1 and written["start"] == written["stop"]:
        return f"a range of {number} values must have two ends, found {found(written['start'])} twice"
    return None


def _check_values(written: JsonValue) -> JsonValue:
    message = _mistake(written)
    if message:
        raise wrong(message)
    return written


SweptValues = Annotated[JsonValue, AfterValidator(_check_values)]
"""A list of values, a range {start, stop, num}, or a single value."""


# ---------------------------------------------------------------- keys


def check_key(config: Config, key: str) -> None:
    """Check that a config can have a key.

    Args:
        config: the config.
        key: dotted; a part may be `*`, for every participant.

    Raises:
        ConfigError: if it cannot; it names the nearest one.
    """
    kind: Any = type(config)
    parts = key.split(".")
    for place, part in enumerate(parts):
        before = ".".join(parts[:place])
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if part not in kind.model_fields:
                if kind.model_config.get("extra") == "allow":
                    return  # an option of a strategy; whether it takes it is found out with the runs
                raise ConfigError(f"{key}: {unknown_name('key', part, kind.model_fields)}")
        elif before == "participants":
            if part != EVERY and part not in config.participants:
                raise ConfigError(f"{key}: {unknown_name('participant', part, config.participants)}")
        elif get_origin(kind) is not dict:
            raise ConfigError(f"{key}: {before} is a value, it has no keys below it")
        if get_origin(kind) is dict and JsonValue in get_args(kind):
            return
        kind = key_type(kind, part)


def every(config: Config, key: str) -> Iterator[str]:
    """Yield the keys that a key with `*` stands for.

    Args:
        config: the config.
        key: one that it can have, see `check_key`.

    Raises:
        ConfigError: if it is about participants of which one has a dot in its id.
    """
    parts = key.split(".")
    if parts[:2] != ["participants", EVERY]:
        yield key
        return
    for name in config.participants:
        if "." in name:
            raise ConfigError(f"{key}: the participant's id {name!r} has a dot, which keys cannot name")
        yield ".".join(["participants", name, *parts[2:]])
