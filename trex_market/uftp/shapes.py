"""What the library's classes look like as XML: made of their fields once, and kept.

Values are compared with their type, pattern and range before anything is made of them.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from xsdata.models.datatype import XmlDate, XmlDuration

from trex_market.core.errors import ProtocolError, RefusalCode

MAX_TEXT = 512
"""Characters of an attribute; the schema's longest have fewer."""


class Kind(msgspec.Struct, frozen=True):
    """A type of value.

    Args:
        lexical: what its text looks like.
        read: text -> value; may raise ValueError.
        write: value -> text.
    """

    lexical: re.Pattern[str]
    read: Callable[[str], Any]
    write: Callable[[Any], str]


_ANYTHING = re.compile(r"(?s).*")

# Numbers are bounded so that nobody has to reckon with a million digits.
_KINDS = {
    str: Kind(_ANYTHING, str, str),
    int: Kind(re.compile(r"[+-]?[0-9]{1,15}"), int, str),
    Decimal: Kind(re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,9})?"), Decimal, lambda value: f"{value:f}"),
    bool: Kind(
        re.compile(r"true|false|1|0"),
        lambda text: text in {"true", "1"},
        lambda value: "true" if value else "false",
    ),
    XmlDate: Kind(re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), XmlDate.from_string, str),
    XmlDuration: Kind(re.compile(r"PT[0-9]{1,4}M"), XmlDuration, str),
    bytes: Kind(
        _ANYTHING,
        lambda text: b64decode("".join(text.split()), validate=True),
        lambda value: b64encode(value).decode(),
    ),
}
"""Types of the schema; enumerations have a kind each."""


class Attribute(msgspec.Struct, frozen=True):
    """An attribute of an element.

    Args:
        name: in XML.
        field: in the class.
        kind: of its value.
        required: whether it must be there.
        pattern: that its text must match; None for any.
        longest: characters.
        digits: most decimals; None for any.
        least: value; None for any.
        most: value; None for any.
    """

    name: str
    field: str
    kind: Kind
    required: bool
    pattern: re.Pattern[str] | None
    longest: int
    digits: int | None
    least: Decimal | None
    most: Decimal | None

    def read(self, element: str, text: str) -> Any:
        """Return the value of a text.

        Args:
            element: where it stands.
            text: as it stands there.

        Raises:
            ProtocolError: malformed.
        """
        if len(text) > self.longest:
            raise malformed(f"{element} {self.name}: longer than {self.longest} characters")
        if self.kind.lexical.fullmatch(text) is None:
            raise malformed(f"{element} {self.name}: {text!r} is not what this attribute holds")
        if self.pattern is not None and self.pattern.fullmatch(text) is None:
            raise malformed(f"{element} {self.name}: {text!r} does not match {self.pattern.pattern}")
        if self.digits is not None and len(text.partition(".")[2]) > self.digits:
            raise malformed(f"{element} {self.name}: {text!r} has more than {self.digits} decimals")
        if not text.isprintable():
            raise malformed(f"{element} {self.name}: has characters that cannot be seen")
        try:
            value = self.kind.read(text)
        except ValueError as error:
            raise malformed(f"{element} {self.name}: {error}") from None
        if (self.least is not None and value < self.least) or (self.most is not None and value > self.most):
            raise malformed(f"{element} {self.name}: {text} is not between {self.least} and {self.most}")
        return value


class Child(msgspec.Struct, frozen=True):
    """An element inside of another one.

    Args:
        name: in XML.
        field: in the class.
        shape: of each.
        is_list: whether there may be several.
        least: so many must be there.
    """

    name: str
    field: str
    shape: Shape
    is_list: bool
    least: int


class Shape(msgspec.Struct, frozen=True):
    """How a class stands in XML."""

    cls: type
    attributes: dict[str, Attribute]
    required: tuple[str, ...]
    children: dict[str, Child]


def malformed(detail: str) -> ProtocolError:
    """Return the refusal of what cannot be read."""
    return ProtocolError(RefusalCode.MALFORMED, detail)


@cache
def shape_of(cls: Any) -> Shape:
    """Return how one of the library's classes stands in XML."""
    hints = get_type_hints(cls)
    attributes: dict[str, Attribute] = {}
    children: dict[str, Child] = {}
    for field in fields(cls):
        name = field.metadata.get("name", field.name)
        plain: Any = _plain(hints[field.name])
        is_element = is_dataclass(plain)
        if is_element:
            is_list = get_origin(hints[field.name]) is list
            least = field.metadata.get("min_occurs", 0)
            children[name] = Child(name, field.name, shape_of(plain), is_list, least)
        else:
            attributes[name] = _attribute(name, field, plain)
    required = tuple(name for name, attribute in attributes.items() if attribute.required)
    return Shape(cls, attributes, required, children)


def _attribute(name: str, field: Field[Any], plain: type) -> Attribute:
    facts = field.metadata
    pattern = facts.get("pattern")
    return Attribute(
        name=name,
        field=field.name,
        kind=_kind(plain),
        required=bool(facts.get("required")) or (field.default is MISSING and facts.get("required", True)),
        pattern=None if pattern is None else re.compile(pattern, re.ASCII),
        # The body of an envelope is as long as its message; the whole has a limit of its own.
        longest=2**30 if plain is bytes else MAX_TEXT,
        digits=facts.get("fraction_digits"),
        least=facts.get("min_inclusive"),
        most=facts.get("max_inclusive"),
    )


def _kind(plain: type) -> Kind:
    if issubclass(plain, Enum):
        values = "|".join(re.escape(str(member.value)) for member in plain)
        return Kind(re.compile(values), plain, lambda member: str(plain(member).value))
    return _KINDS[plain]


def _plain(hint: Any) -> Any:
    """Return the type inside of a list, or beside None."""
    inner = [argument for argument in get_args(hint) if argument is not NoneType]
    return _plain(inner[0]) if inner else hint
