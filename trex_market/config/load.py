"""A config from a file: complete and frozen, or one error with everything that is wrong.

    configs/x.yaml:12: market.close_stepz: unknown key 'close_stepz'. Did you mean 'close_steps'? ...

TREX's older names are understood: `participant` for `participants`, and
`curriculum` beside `training` for the one inside of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from trex_market.config.mistakes import Findings, checked, path_text
from trex_market.config.schema import Config
from trex_market.config.source import Mistake, Source, read_source
from trex_market.config.source import Path as KeyPath
from trex_market.core.errors import ConfigError

MAX_SHOWN = 20
"""How many mistakes an error shows."""

EMPTY = object()
"""An override that leaves a key empty; one of None is no override."""

SUFFIXES = (".yaml", ".yml", ".json")

_OPTIONS = {
    "study.generations": "--episodes",
    "study.output_db_location": "--database",
    "study.simulations": "--simulation",
}
"""Key -> the command line's option that sets it, where their names differ."""

_OLD_NAMES: tuple[tuple[KeyPath, KeyPath], ...] = (
    (("participant",), ("participants",)),
    (("curriculum",), ("training", "curriculum")),
)


Names = Callable[[Mapping[str, Any], Path], Iterable[tuple[KeyPath, str]]]
"""Finds what a config (plain data, perhaps wrong, and its file) names and what there is not: path, message."""


def load_config(
    path: str | Path,
    overrides: Mapping[str, object] | None = None,
    names: Names | None = None,
    called: Mapping[str, str] | None = None,
) -> Config:
    """Load a config.

    Args:
        path: YAML, or JSON with comments.
        overrides: dotted key -> value that replaces the file's, e.g. {"study.days": 1}; None for no override.
        names: asked where the config is wrong anyway, so that all mistakes are told at once.
        called: dotted key of an override -> where it comes from, for messages; by default the command line's option.

    Raises:
        ConfigError: with everything that is wrong, one line each.
    """
    file = Path(path)
    return _load(_text(file), _shown(path), file, overrides or {}, names, called)


def load_config_text(text: str, name: str, overrides: Mapping[str, object] | None = None) -> Config:
    """Load a config from text.

    Args:
        text: YAML, or JSON with comments.
        name: what it is called in messages; its suffix tells YAML from JSON.
        overrides: as for `load_config`.

    Raises:
        ConfigError: with everything that is wrong, one line each.
    """
    return _load(text, _shown(name), Path(name), overrides or {})


# ---------------------------------------------------------------- the file


def _shown(path: str | Path) -> str:
    """Write a path so that a message stays readable whatever it holds."""
    text = str(path)
    return text if text.isprintable() and text else repr(text)


def _text(file: Path) -> str:
    shown = _shown(file)
    try:
        if file.is_dir():
            raise ConfigError(f"{shown}: is a directory; give a file inside of it.{_listed(file)}")
        if not file.exists():
            raise ConfigError(f"{shown}: {_absent(file)}")
        content = file.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"{shown}: cannot be read: {reason}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{shown}:{line}: is not UTF-8 text (byte {error.start})") from None


def _absent(file: Path) -> str:
    """Say that there is no such file, and what else there is."""
    folder = file.parent
    if not folder.is_dir():
        return f"there is no such file, nor a folder {folder}"
    names = _config_names(folder)
    stems = {Path(name).stem for name in names}
    near_stems = get_close_matches(file.stem, sorted(stems), n=3, cutoff=0.5)
    near = [name for stem in near_stems for name in names if Path(name).stem == stem]
    if near:
        return f"there is no such file. Did you mean {' or '.join(str(folder / name) for name in near)}?"
    return f"there is no such file.{_listed(folder)}"


def _listed(folder: Path) -> str:
    names = _config_names(folder)
    more = ", ..." if len(names) > MAX_SHOWN else ""
    return f" In {folder} there are: {', '.join(names[:MAX_SHOWN])}{more}" if names else ""


def _config_names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.suffix in SUFFIXES)


def _has_comments(text: str, file: Path) -> bool:
    """Tell JSON, perhaps with comments, from YAML."""
    if file.suffix.lower().startswith(".json"):
        return True
    return not file.suffix and re.match(r"\s*(?:\{|//|/\*)", text) is not None


# ---------------------------------------------------------------- the data


def _load(
    text: str,
    name: str,
    file: Path,
    overrides: Mapping[str, object],
    names: Names | None = None,
    called: Mapping[str, str] | None = None,
) -> Config:
    source = read_source(text, name, comments=_has_comments(text, file))
    if not isinstance(source.data, dict):
        line = source.lines[()]
        raise ConfigError(f"{name}:{line}: a config is a mapping of keys (study, market, ...) to values")
    moved = _modernise(source, source.data)
    _fill_name(source.data, file)
    options = _override(source.data, overrides, called or {})
    mistakes = [mistake for mistake in source.mistakes if mistake.path not in options]
    known = {mistake.path for mistake in mistakes}
    try:
        config = checked(Config, source.data, file)
    except Findings as error:
        for path, message in error.findings:
            written = _written(path, moved)
            if written not in known:
                mistakes.append(Mistake(_line(written, source, options), written, message))
    else:
        if not mistakes:
            places = {_written(path, moved): line for path, line in source.lines.items()}
            config.remember_places({path_text(path): f"{name}:{line}" for path, line in places.items()})
            return config
    found = {mistake.path for mistake in mistakes}
    for path, message in names(source.data, file) if names else ():
        written = _written(path, moved)
        if written not in found:
            mistakes.append(Mistake(_line(written, source, options), written, message))
    raise ConfigError(_report(name, mistakes, options))


def _modernise(source: Source, data: dict[str, object]) -> dict[KeyPath, KeyPath]:
    """Move what has an older name to where it is now; return now -> then."""
    moved: dict[KeyPath, KeyPath] = {}
    for then, now in _OLD_NAMES:
        if then[0] not in data:
            continue
        section = data
        for part in now[:-1]:
            inner = section.get(str(part))
            if inner is None:
                inner = section[str(part)] = {}
            if not isinstance(inner, dict):
                break
            section = inner
        else:
            value = data.pop(str(then[0]))
            if now[-1] in section:
                message = f"given here and as {path_text(now)}, on line {source.lines[now]}"
                source.mistakes.append(Mistake(source.lines[then], then, message))
            else:
                section[str(now[-1])] = value
                moved[now] = then
    return moved


def _fill_name(data: dict[str, object], file: Path) -> None:
    """Name a study that has no name after its file."""
    study = data.get("study")
    if isinstance(study, dict) and study.get("name") in (None, ""):
        study["name"] = file.stem or "study"


def _override(
    data: dict[str, object], overrides: Mapping[str, object], called: Mapping[str, str]
) -> dict[KeyPath, str]:
    """Put the overrides in; return path -> the option that it comes from."""
    options: dict[KeyPath, str] = {}
    for dotted, value in overrides.items():
        if value is None:
            continue
        path = tuple(dotted.split("."))
        section = data
        for part in path[:-1]:
            if section.get(part) is None:  # an empty section is there, too
                section[part] = {}
            inner = section[part]
            if not isinstance(inner, dict):
                break
            section = inner
        else:
            section[path[-1]] = _plain(value)
            options[path] = called.get(dotted) or _OPTIONS.get(dotted, f"--{path[-1].replace('_', '-')}")
    return options


def _plain(value: object) -> object:
    if value is EMPTY:
        return None
    return list(value) if isinstance(value, tuple) else deepcopy(value)


def _written(path: KeyPath, moved: dict[KeyPath, KeyPath]) -> KeyPath:
    """Return where something stands in the file."""
    for now, then in moved.items():
        if path[: len(now)] == now:
            return then + path[len(now) :]
    return path


def _line(path: KeyPath, source: Source, options: dict[KeyPath, str]) -> int:
    """Return the line of a path, or of the nearest thing around it; 0 for what an option says."""
    for length in range(len(path), -1, -1):
        if path[:length] in options:
            return 0
        if path[:length] in source.lines:
            return source.lines[path[:length]]
    return 0


# ---------------------------------------------------------------- the error


def _report(name: str, mistakes: list[Mistake], options: dict[KeyPath, str]) -> str:
    ordered = sorted(mistakes, key=lambda mistake: (mistake.line, [str(part) for part in mistake.path]))
    lines = [_sentence(name, mistake, options) for mistake in ordered[:MAX_SHOWN]]
    if len(ordered) > MAX_SHOWN:
        lines.append(f"and {len(ordered) - MAX_SHOWN} more")
    return "\n".join(lines)


def _sentence(name: str, mistake: Mistake, options: dict[KeyPath, str]) -> str:
    for length in range(len(mistake.path), 0, -1):
        if mistake.line == 0 and mistake.path[:length] in options:
            return f"{options[mistake.path[:length]]}: {mistake.message}"
    place = f"{name}:{mistake.line}" if mistake.line else name
    where = f" {path_text(mistake.path)}:" if mistake.path else ""
    return f"{place}:{where} {mistake.message}"
