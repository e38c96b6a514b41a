"""One cell of the data: an amount of energy or a moment, exactly as it was written.

The functions take what CSV (text), Parquet and databases (Python values) hold.
They raise ValueError with a phrase; the caller knows the place and puts it in front.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation

from trex_market.core.units import MAX_QUANTITY

Number = int | Decimal

EXACT = Context(prec=2_000, traps=[Inexact, InvalidOperation])
"""Enough digits for every amount that `energy` lets through; raises rather than rounds."""

MAX_DECIMALS = 400
"""The smallest float has 324; more are refused, so that no cell can stall the arithmetic."""

LAST_MOMENT = 253_402_300_799
"""The end of the year 9999, UNIX seconds; larger numbers are not seconds."""


def energy(cell: object, *, signed: bool = False) -> Number:
    """Read an amount of energy.

    Args:
        cell: Wh, as text or number.
        signed: whether it may be negative.

    Returns:
        the same amount, exact.

    Raises:
        ValueError: if it is not a finite number of Wh, is negative, or is beyond reason.
    """
    if isinstance(cell, str) and cell.isascii() and cell.isdigit() and len(cell) < 10:
        return int(cell)
    number = _decimal(cell)
    if not number.is_finite():
        raise ValueError(f"{cell} is not a finite number")
    if number < 0 and not signed:
        raise ValueError(f"{cell} is negative")
    if not -MAX_QUANTITY <= number <= MAX_QUANTITY:
        raise ValueError(f"{cell} is more than {MAX_QUANTITY} Wh in one slot")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MAX_DECIMALS:
        raise ValueError(f"it has more than {MAX_DECIMALS} decimals")
    whole = int(number)
    return whole if whole == number else number


def _decimal(cell: object) -> Decimal:
    text = "" if cell is None else str(cell).strip()
    if not text:
        raise ValueError("it is empty")
    try:
        if "_" in text:  # Decimal takes 1_000
            raise InvalidOperation
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None


def moment(cell: object) -> int:
    """Read a moment.

    Args:
        cell: UNIX seconds (text or number), ISO 8601 with an offset, or a datetime with one.

    Returns:
        UNIX seconds.

    Raises:
        ValueError: if it is neither, has no offset from UTC, or is not a whole second.
    """
    if isinstance(cell, str) and cell.isascii() and cell.isdigit():
        seconds = int(cell[:20])
    elif isinstance(cell, datetime):
        seconds = _from_datetime(cell, str(cell))
    elif isinstance(cell, str):
        seconds = _from_text(cell.strip())
    else:
        seconds = _whole(_decimal(cell), str(cell))
    if not 0 <= seconds <= LAST_MOMENT:
        raise ValueError(f"{cell} is not UNIX time in seconds")
    return seconds


def _from_text(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            return _whole(_decimal(text), text)
        except ValueError:
            raise ValueError(f"{text!r} is neither UNIX seconds nor ISO 8601 with an offset") from None
    return _from_datetime(found, text)


def _from_datetime(found: datetime, text: str) -> int:
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC; write it like {text}+00:00")
    if found.microsecond:
        raise ValueError(f"{text!r} is not a whole second")
    return int(found.timestamp())


def _whole(number: Decimal, text: str) -> int:
    if not (number.is_finite() and -LAST_MOMENT <= number <= LAST_MOMENT and number == int(number)):
        raise ValueError(f"{text} is not UNIX time in whole seconds")
    return int(number)


def utc(time: int) -> str:
    """Write a moment for a message, e.g. 2016-01-17T23:00:00Z; a number that is no moment stays as it is.

    Args:
        time: UNIX seconds.
    """
    if not 0 <= time <= LAST_MOMENT:
        return str(time)
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
