"""A config's text as plain data, with the line of everything in it.

YAML, or JSON with comments (`config.comments`), which is read as YAML too.
Scalars are those of the YAML 1.2 core schema: `7e-5` is a number, `yes` and
`0:0:0` are text, whatever is quoted is text. Keys are always text, as written.
Mistakes that leave the rest readable (a key given twice) are collected;
others raise `ConfigError` with line and column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from trex_market.config.comments import UnclosedError, without_comments
from trex_market.core.errors import ConfigError

Path = tuple[str | int, ...]
"""Where something is in a config: keys and, inside of lists, positions from 0."""

MAX_DEPTH = 50
"""How deep mappings and lists may lie in each other."""

MAX_DIGITS = 400
"""How long a number may be, in characters."""

_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong in a config: on which line (0 if not in the file), where, and what."""

    line: int
    path: Path
    message: str


@dataclass(slots=True)
class Source:
    """A config's text, read.

    Args:
        data: mappings, lists and scalars.
        lines: where something is -> its line, from 1.
        mistakes: found so far.
    """

    data: object = None
    lines: dict[Path, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)


def read_source(text: str, name: str, *, comments: bool = False) -> Source:
    """Read a config's text.

    Args:
        text: YAML or JSON.
        name: what the text is called in messages.
        comments: whether it is JSON with comments.

    Raises:
        ConfigError: if it cannot be read.
    """
    try:
        if comments:
            text = without_comments(text)
        text.encode()
        root = _Composer(text).document()
    except UnclosedError as error:
        line, column = _line_and_column(text, error.position)
        raise ConfigError(f"{name}:{line}:{column}: this {error.what} has no end") from None
    except UnicodeEncodeError as error:
        line, column = _line_and_column(text, error.start)
        raise ConfigError(f"{name}:{line}:{column}: half of a surrogate pair is not a character") from None
    except _RefusedError as error:
        raise ConfigError(f"{name}:{error}") from None
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{name}:{_syntax_error(error)}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not YAML: {str(error).splitlines()[0]}") from None
    if root is None:
        raise ConfigError(f"{name}: the file is empty; see configs/template.yaml for what a config holds")
    builder = _Builder(budget=len(text) + 100_000)
    try:
        builder.source.data = builder.build(root, ())
    except _TooManyError:
        raise ConfigError(f"{name}: its aliases (*name) expand to far more than the file holds") from None
    return builder.source


def scalar(text: str) -> bool | int | float | str | None:
    """Resolve an unquoted scalar by the YAML 1.2 core schema.

    Raises:
        ValueError: if it is a number that is not finite, or too long.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise ValueError(f"a number of {len(text)} characters is too long")
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(f"must be a finite number, found {text[:60]}")
        return number
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"must be a finite number, found {text}")
    return text


def _line_and_column(text: str, position: int) -> tuple[int, int]:
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)


def _syntax_error(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"{mark.line + 1}:{mark.column + 1}: " if mark else " "
    since = f", begun on line {error.context_mark.line + 1}" if error.context_mark else ""
    context = f" ({error.context}{since})" if error.context else ""
    return f"{place}syntax error: {error.problem or 'not YAML'}{context}"


# ---------------------------------------------------------------- text -> nodes


@dataclass(frozen=True, slots=True)
class _Scalar:
    text: str
    plain: bool
    line: int


@dataclass(frozen=True, slots=True)
class _List:
    items: list[_Node]
    line: int


@dataclass(frozen=True, slots=True)
class _Mapping:
    pairs: list[tuple[_Node, _Node]]
    line: int


_Node = _Scalar | _List | _Mapping


class _RefusedError(Exception):
    """YAML, but not of the kind that a config may have."""


class _Composer:
    """Puts YAML's events together; unlike `yaml.compose` it bounds the depth and refuses tags."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, _Node] = {}

    def document(self) -> _Node | None:
        """Compose the only document; None if there is none."""
        root: _Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise _refused(event, "a second document; a config is a single one")
                root = self._node(next(self._events), 0)
        if isinstance(root, _Scalar) and root.plain and not root.text:
            return None
        return root

    def _node(self, event: yaml.Event, depth: int) -> _Node:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _refused(event, f"there is no anchor &{event.anchor} before this")
            return self._anchors[event.anchor]
        if depth > MAX_DEPTH:
            raise _refused(event, f"more than {MAX_DEPTH} mappings and lists inside each other")
        if getattr(event, "tag", None) is not None:
            raise _refused(event, "tags (!name) have no meaning in a config")
        node = self._content(event, depth)
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _content(self, event: yaml.Event, depth: int) -> _Node:
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.ScalarEvent):
            return _Scalar(event.value, not event.style, line)
        if isinstance(event, yaml.SequenceStartEvent):
            items = [self._node(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)]
            return _List(items, line)
        pairs = [
            (self._node(key, depth + 1), self._node(next(self._events), depth + 1))
            for key in self._until(yaml.MappingEndEvent)
        ]
        return _Mapping(pairs, line)

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        while not isinstance(event := next(self._events), end):
            yield event


def _refused(event: yaml.Event, problem: str) -> _RefusedError:
    mark = event.start_mark
    place = f"{mark.line + 1}:{mark.column + 1}: " if mark else ""
    return _RefusedError(place + problem)


# ---------------------------------------------------------------- nodes -> data


class _TooManyError(Exception):
    """Aliases expand to too much."""


class _Builder:
    """Turns nodes into data and notes the lines.

    Args:
        budget: how many nodes there may be, aliases expanded.
    """

    def __init__(self, budget: int) -> None:
        self.source = Source()
        self._budget = budget

    def build(self, node: _Node, path: Path) -> object:
        """Return a node's data."""
        self._budget -= 1
        if self._budget < 0:
            raise _TooManyError
        self.source.lines.setdefault(path, node.line)
        match node:
            case _Scalar():
                return self._scalar(node, path)
            case _List():
                return [self.build(item, (*path, position)) for position, item in enumerate(node.items)]
            case _Mapping():
                return self._mapping(node, path)

    def _scalar(self, node: _Scalar, path: Path) -> object:
        if not node.plain:
            return node.text
        try:
            return scalar(node.text)
        except ValueError as error:
            self._mistake(path, str(error))
            return UNREADABLE

    def _mapping(self, node: _Mapping, path: Path) -> dict[str, object]:
        data: dict[str, object] = {}
        for key, value in node.pairs:
            if not isinstance(key, _Scalar):
                self.source.mistakes.append(
                    Mistake(key.line, path, "a key must be a name, not a list or mapping")
                )
                continue
            inner = (*path, key.text)
            if key.text in data:
                message = f"given twice, on line {self.source.lines[inner]} and here"
                self.source.mistakes.append(Mistake(key.line, inner, message))
                continue
            self.source.lines[inner] = key.line
            data[key.text] = self.build(value, inner)
        return data

    def _mistake(self, path: Path, message: str) -> None:
        self.source.mistakes.append(Mistake(self.source.lines[path], path, message))


UNREADABLE = float("nan")
"""Stands for a value whose mistake has been noted already."""
