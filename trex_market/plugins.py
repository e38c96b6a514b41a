"""Finding strategies, participants, storages and rewards by name: an entry point, or "module:Class"."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from trex_market.core.errors import ConfigError, unknown_name

STRATEGIES = "trex_market.strategies"
PARTICIPANTS = "trex_market.participants"
STORAGES = "trex_market.storages"
CLIENTS = "trex_market.clients"
REWARDS = "trex_market.rewards"

KINDS = {
    STRATEGIES: "strategy",
    PARTICIPANTS: "participant type",
    STORAGES: "storage type",
    CLIENTS: "client",
    REWARDS: "reward",
}

TREX_NAMES = {"basic_trader": "basic", "baseline_agent": "baseline"}
"""What TREX-Core calls strategies that are here under another name."""


def find(group: str, name: str, base: Path) -> Callable[..., Any]:
    """Find a class by name.

    Args:
        group: one of `STRATEGIES`, `PARTICIPANTS`, `STORAGES`, `REWARDS`.
        name: of an entry point, or "module:Class"; the module may lie in `base` or in the current folder.
        base: the config's folder.

    Raises:
        ConfigError: if there is no such thing.
    """
    if ":" in name:
        return _by_path(KINDS[group], name, base)
    points = _entry_points(group)
    point = points.get(TREX_NAMES.get(name, name) if group == STRATEGIES else name)
    if point is None:
        hint = ' Your own is named as "module:Class".'
        raise ConfigError(unknown_name(KINDS[group], name, points) + hint)
    found: Callable[..., Any] = point.load()
    return found


@cache
def _entry_points(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name; looking for them reads the metadata of all that is installed."""
    return {point.name: point for point in entry_points(group=group)}


def _by_path(kind: str, name: str, base: Path) -> Callable[..., Any]:
    module_name, _, class_name = name.partition(":")
    with _importable(base, Path.cwd()):
        try:
            module = importlib.import_module(module_name)
        except (Exception, SystemExit) as error:
            raise ConfigError(
                f"{kind} {name!r}: the module {module_name!r} cannot be imported "
                f"({type(error).__name__}: {error}); it is looked for in {base} and {Path.cwd()}"
            ) from error
    found: Callable[..., Any] | None = getattr(module, class_name, None)
    if found is None or not callable(found):
        classes = [
            key
            for key, value in vars(module).items()
            if inspect.isclass(value) and value.__module__ == module_name
        ]
        raise ConfigError(f"{kind} {name!r}: {unknown_name('class', class_name, classes)}")
    return found


@contextmanager
def _importable(*folders: Path) -> Iterator[None]:
    """Let modules be imported from folders, for as long as the context lasts."""
    before = list(sys.path)
    sys.path[:0] = [str(folder.resolve()) for folder in folders]
    try:
        yield
    finally:
        sys.path[:] = before


def fitting_options(
    make: Callable[..., Any], options: Mapping[str, Any], tolerated: frozenset[str], name: str
) -> dict[str, Any]:
    """Return the options that a class's constructor takes.

    Args:
        make: the class.
        options: as given.
        tolerated: names that are passed over if the constructor does not take them.
        name: of the class, for messages.

    Raises:
        ConfigError: if an option is neither taken nor tolerated.
    """
    parameters = inspect.signature(make).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return dict(options)
    taken = {parameter.name for parameter in parameters if parameter.kind is not parameter.POSITIONAL_ONLY}
    for option in options:
        if option not in taken and option not in tolerated:
            raise ConfigError(unknown_name(f"option of {name}", option, taken))
    return {option: value for option, value in options.items() if option in taken}
