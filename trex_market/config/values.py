"""The types of a config's values, each of which says what was found and what may be.

Numbers are finite, booleans are not numbers, and text is not a number. A whole
number may be written 27e3. Used as `Annotated[int, whole("Wh", ...)]`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from trex_market.core.units import MAX_PRICE, MAX_QUANTITY, MICRO

MAX_NAME = 64
"""How long the name of a participant or market may be, in characters."""

MAX_DOLLARS = MAX_PRICE / MICRO
"""The largest price, in $/kWh."""

RESERVED = frozenset({"grid", "operator", "observer"})
"""Names that no participant can have: they stand for others, in the ledger and with tokens."""

_LONGEST_SHOWN = 60


class Section(BaseModel):
    """A part of a config: frozen, and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    tied: ClassVar[frozenset[str]] = frozenset()
    """Keys that the section's rules tie together, so that one wrong value leaves the others unjudged."""


# ---------------------------------------------------------------- mistakes


def wrong(message: str) -> PydanticCustomError:
    """Make the error of a value, to be raised by its validator."""
    return PydanticCustomError("wrong", "{message}", {"message": message})


def wrong_at(mistakes: Iterable[tuple[tuple[str | int, ...], str]]) -> PydanticCustomError:
    """Make the error of a section: (where below it, message) of each mistake."""
    return PydanticCustomError("wrong_at", "several mistakes", {"mistakes": list(mistakes)})


def found(value: object) -> str:
    """Show a value in a message, as a config has it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    shown = repr(value)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."


# ---------------------------------------------------------------- numbers


def whole(unit: str = "", *, least: int, most: int) -> BeforeValidator:
    """Make the validator of a whole number.

    Args:
        unit: what is said after the number, e.g. "Wh".
        least: the smallest number that may be.
        most: the largest.
    """
    kind = f"a whole number of {unit}" if unit else "a whole number"

    def check(value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong(f"must be {kind}, found {found(value)}")
        _check_bounds(value, unit, least, most)
        return value

    return BeforeValidator(check)


def number(unit: str = "", *, least: float, most: float, above: bool = False) -> BeforeValidator:
    """Make the validator of a number, whole or not; it becomes a float.

    Args:
        unit: what is said after the number, e.g. "$/kWh".
        least: the smallest number that may be.
        most: the largest.
        above: whether `least` itself is too small.
    """
    kind = f"a number of {unit}" if unit else "a number"

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise wrong(f"must be {kind}, found {found(value)}")
        if not (isinstance(value, int) or math.isfinite(value)):
            raise wrong(f"must be a finite number, found {value}")
        if above and value <= least:
            raise wrong(f"must be above {_with_unit(least, unit)}, found {found(value)}")
        _check_bounds(value, unit, least, most)
        return float(value) + 0.0  # -0.0 becomes 0.0

    return BeforeValidator(check)


def _check_bounds(value: float, unit: str, least: float, most: float) -> None:
    if value < least:
        raise wrong(f"must be at least {_with_unit(least, unit)}, found {found(value)}")
    if value > most:
        raise wrong(f"must be at most {_with_unit(most, unit)}, found {found(value)}")


def _with_unit(bound: float, unit: str) -> str:
    return f"{bound:.15g} {unit}".rstrip()


Price = Annotated[float, number("$/kWh", least=0, most=MAX_DOLLARS)]
"""Price of an order, $/kWh."""

GridPrice = Annotated[float, number("$/kWh", least=-MAX_DOLLARS, most=MAX_DOLLARS)]
"""Price of the grid, $/kWh; it may be negative."""

Energy = Annotated[int, whole("Wh", least=0, most=MAX_QUANTITY)]
"""Wh."""

Power = Annotated[int, whole("W", least=0, most=MAX_QUANTITY)]
"""W."""

Share = Annotated[float, number(least=0, most=1)]
"""A part of a whole, 0 to 1."""

Scale = Annotated[float, number(least=0, most=1_000_000)]
"""A factor."""

# ---------------------------------------------------------------- text


def default_if_empty(default: object) -> BeforeValidator:
    """Make the validator that takes an empty value (nothing or "") for `default`."""
    return BeforeValidator(lambda value: default if value is None or value == "" else value)


def check_printable(text: str) -> str:
    """Refuse a name that is empty, or has characters that cannot be seen."""
    if not text.strip():
        raise wrong("must not be empty")
    if not text.isprintable():
        raise wrong(f"must not have control characters, found {found(text)}")
    return text


def check_name(text: str) -> str:
    """Refuse a name that is empty, too long, or has characters that cannot be seen."""
    check_printable(text)
    if len(text) > MAX_NAME:
        raise wrong(f"a name must not be longer than {MAX_NAME} characters, found {len(text)}")
    return text


def check_participant_id(text: str) -> str:
    """Refuse a participant's id that is no name, or stands for another party in the ledger."""
    check_name(text)
    if text.casefold() in RESERVED:
        raise wrong(f"the name {text!r} is reserved; it stands for the {text.casefold()}")
    return text


def check_token_hash(text: str) -> str:
    """Check that a text is a SHA-256 in hexadecimal."""
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise wrong("must be the SHA-256 of a token, 64 hexadecimal digits; `trex-market token` makes both")
    return text


def check_origin(text: str) -> str:
    """Refuse what is no origin of a page."""
    if text == "*" or re.fullmatch(r"https?://[^\s/?#@]+/?", text):
        return text
    raise wrong(
        f"must be an origin such as 'https://example.org', without a path, or '*' for all, found {found(text)}"
    )


def check_timezone(text: str) -> str:
    """Refuse a time zone that there is not."""
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        near = get_close_matches(text[:_LONGEST_SHOWN], available_timezones(), n=1, cutoff=0.6)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise wrong(
            f"unknown time zone {found(text)}.{hint} It is an IANA name, such as 'America/Vancouver' or 'UTC'"
        ) from None
    return text


def listed(value: object) -> object:
    """Take a list for a tuple."""
    return tuple(value) if isinstance(value, list) else value


Text = Annotated[str, default_if_empty("")]
"""Text that may be empty."""

OptionalText = Annotated[str | None, default_if_empty(None)]
"""Text; empty text is none."""

Name = Annotated[str, AfterValidator(check_name)]
"""A name of at most `MAX_NAME` characters."""

ParticipantId = Annotated[str, AfterValidator(check_participant_id)]
"""A name that is not reserved."""

TokenHash = Annotated[str, AfterValidator(check_token_hash)]
"""SHA-256 of a token, in hexadecimal."""

Origin = Annotated[str, AfterValidator(check_origin)]
"""Scheme, host and port of a page, as a browser names them."""

TimeZone = Annotated[str, default_if_empty("UTC"), AfterValidator(check_timezone)]
"""IANA name of a time zone."""

Simulation = Literal["baseline", "training", "validation"]
"""What a run is for: the reference, to learn, or to see what was learnt."""
