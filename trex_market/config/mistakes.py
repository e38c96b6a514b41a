"""Everything that is wrong with a section, as sentences.

pydantic finds all mistakes at once; here its findings become (where, message)
in this project's words, with the nearest key for one that is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from types import UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from trex_market.config.source import Path
from trex_market.config.values import found
from trex_market.core.errors import unknown_name

_SectionT = TypeVar("_SectionT", bound=BaseModel)

_LONGEST_KEY = 60


class Finding(NamedTuple):
    """Where something is wrong, and what."""

    path: Path
    message: str


class Findings(Exception):  # noqa: N818  (never leaves this package)
    """What is wrong with a section."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(findings)
        self.findings = findings


def checked(section: type[_SectionT], data: object, context: object = None) -> _SectionT:
    """Make a section of plain data.

    Args:
        section: what to make.
        data: mappings, lists and scalars.
        context: handed to the validators.

    Raises:
        Findings: with everything that is wrong.
    """
    try:
        return section.model_validate(data, context=context)
    except ValidationError as error:
        findings, removable = _findings(section, error)
    # Rules that tie values together are only looked at where each value by itself is right. What has
    # nothing to do with them shall not hide what they find, so look again without it.
    try:
        section.model_validate(_without(data, removable), context=context)
    except ValidationError as error:
        known = [finding.path for finding in findings]
        findings += [
            finding
            for finding in _findings(section, error)[0]
            if not any(path[: len(finding.path)] == finding.path for path in known)
        ]
    raise Findings(findings)


def path_text(path: Path) -> str:
    """Write where something is, e.g. `study.start_datetime[1]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{_key_text(part)}" if text else _key_text(part)
    return text


def _key_text(key: str) -> str:
    shown = key if key.isprintable() and key.strip() else repr(key)
    return shown if len(shown) <= _LONGEST_KEY else f"{shown[:_LONGEST_KEY]}..."


def _findings(section: type[BaseModel], error: ValidationError) -> tuple[list[Finding], list[Path]]:
    """Return all findings, and the paths of those values that no rule ties to others."""
    findings: list[Finding] = []
    removable: list[Path] = []
    for details in error.errors(include_url=False):
        findings += _translated(section, details)
        if details["type"] not in ("wrong_at", "missing") and not _is_tied(section, details["loc"]):
            removable.append(_place(details))
    return findings, removable


def _translated(section: type[BaseModel], details: ErrorDetails) -> Iterator[Finding]:
    path = _place(details)
    if details["type"] == "wrong_at":
        for below, message in details["ctx"]["mistakes"]:
            yield Finding((*path, *below), message)
    elif details["type"] == "extra_forbidden":
        yield Finding(path, unknown_name("key", _key_text(str(path[-1])), _keys(section, path[:-1])))
    else:
        yield Finding(path, _message(details))


def _place(details: ErrorDetails) -> Path:
    path: Path = details["loc"]
    return path[:-1] if path and path[-1] == "[key]" else path


def _message(details: ErrorDetails) -> str:
    shown = found(details["input"])
    match details["type"]:
        case "wrong":
            return details["msg"]
        case "missing":
            return "must be given"
        case "string_type":
            quoted = "; put it in quotes" if isinstance(details["input"], (int, float)) else ""
            return f"must be text, found {shown}{quoted}"
        case "bool_type":
            return f"must be true or false, found {shown}"
        case "literal_error":
            return f"must be {details['ctx']['expected']}, found {shown}"
        case "model_type" | "dict_type":
            return f"must be a mapping of keys to values, found {shown}"
        case "tuple_type" | "list_type":
            return f"must be a list, found {shown}"
        case _:
            return f"{details['msg']}, found {shown}"


def _keys(section: type[BaseModel], path: Path) -> list[str]:
    """Return the keys that a section has at a path below it."""
    kind: Any = section
    for part in path:
        kind = key_type(kind, part)
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _is_tied(section: type[BaseModel], path: Path) -> bool:
    """Tell whether a rule ties what is at a path to other values."""
    kind: Any = section
    for part in path:
        if part in getattr(kind, "tied", ()):
            return True
        kind = key_type(kind, part)
    return False


def key_type(kind: Any, part: str | int) -> Any:
    """Return the type of what is at a key of a type; None if that is not known."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(part))
        return _bare(field.annotation) if field else None
    arguments = get_args(kind)
    return _bare(arguments[-1]) if arguments else None


def _bare(kind: Any) -> Any:
    """Take `Annotated` and `None` from a type."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return next((_bare(choice) for choice in get_args(kind) if choice is not type(None)), None)
    return kind


def _without(data: object, paths: list[Path]) -> object:
    """Copy data without what is at some paths."""
    copy: Any = deepcopy(data)
    for path in sorted(set(paths), key=len, reverse=True):
        if not path:
            return None
        parent = copy
        for part in path[:-1]:
            parent = parent.get(part) if isinstance(parent, dict) else None
        if isinstance(parent, dict):
            parent.pop(path[-1], None)
    return copy
