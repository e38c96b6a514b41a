"""Units, and the one place where amounts are rounded.

    energy   whole Wh
    power    whole W
    time     whole UNIX seconds, UTC
    price    micro-dollars per kWh: 0.1234 $/kWh is 123400
    money    nano-dollars: exactly ``energy * price``

Inside, everything is a whole number. Floats exist only at the edge: on the
wire, in configs, in the database and in reports.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

MICRO = 1_000_000
"""Micro-dollars per kWh in one dollar per kWh."""

NANO = 1_000_000_000
"""Nano-dollars in one dollar."""

GRID_PRICE_QUANTUM = 100
"""Grid prices are whole multiples of this many micro-dollars per kWh (4 decimals of $/kWh)."""

MAX_QUANTITY = 1_000_000_000
"""The largest quantity of one order or reading, in Wh (1 GWh), so that money fits 64 bits."""

MAX_DECIMALS = 60
"""So many digits before the point, and after it, may a number of kWh have."""

MAX_PRICE = 1_000 * MICRO
"""The largest price of one order, in micro-dollars per kWh (1,000 $/kWh)."""


def rounded(numerator: int, denominator: int = 1) -> int:
    """Divide and round half to even; the only rounding in the market.

    Args:
        numerator: any whole number.
        denominator: a whole number above 0.
    """
    quotient, remainder = divmod(numerator, denominator)
    doubled = 2 * remainder
    if doubled > denominator or (doubled == denominator and quotient & 1):
        return quotient + 1
    return quotient


def _scaled(value: float | str | Decimal, scale: int) -> int:
    """Scale a number as written in decimal (a float by its shortest form) and round it."""
    number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    scaled = Fraction(number) * scale
    return rounded(scaled.numerator, scaled.denominator)


def price_from_dollars(dollars: float) -> int:
    """Convert a price from $/kWh to micro-dollars per kWh, rounded to 6 decimals of $/kWh.

    Raises:
        ValueError: if the price is not finite.
    """
    # Round the common case without Decimal: a float with at most 6 decimals scales to within far
    # less than a quarter of a unit of a whole number.
    if not math.isfinite(dollars):
        raise ValueError(f"{dollars} is not a finite price")
    scaled = dollars * MICRO
    if abs(scaled) < 1 << 50:
        nearest = round(scaled)
        if abs(scaled - nearest) < 0.25:
            return nearest
    return _scaled(dollars, MICRO)


def dollars_from_price(price: int) -> float:
    """Convert a price from micro-dollars per kWh to $/kWh."""
    return price / MICRO


def wh_from_kwh(kwh: Decimal) -> int:
    """Convert what a counter shows from kWh to whole Wh; of a Wh that has begun nothing counts yet.

    Raises:
        ValueError: if it is no number of an ordinary size, or has more than `MAX_DECIMALS` decimals.
    """
    _, digits, exponent = kwh.as_tuple()
    if not isinstance(exponent, int) or exponent < -MAX_DECIMALS or len(digits) + exponent > MAX_DECIMALS:
        raise ValueError(f"{str(kwh)[:40]} is no number of kWh")
    return math.floor(Fraction(kwh) * 1000)


def dollars_from_money(money: int) -> float:
    """Convert money from nano-dollars to dollars."""
    return money / NANO


def share_from_percent(percent: float) -> int:
    """Convert percent to millionths, rounded.

    Raises:
        ValueError: if it is not finite.
    """
    if not math.isfinite(percent):
        raise ValueError(f"{percent} is not a finite number of percent")
    return _scaled(percent, MICRO // 100)


def percent_from_share(share: int) -> float:
    """Convert millionths to percent."""
    return share / (MICRO // 100)


def grid_price(price: Fraction) -> int:
    """Round a grid price to 4 decimals of $/kWh.

    Args:
        price: $/kWh, exact.

    Returns:
        micro-dollars per kWh.
    """
    ten_thousandths = price * (MICRO // GRID_PRICE_QUANTUM)
    return rounded(ten_thousandths.numerator, ten_thousandths.denominator) * GRID_PRICE_QUANTUM


def exact(number: float) -> Fraction:
    """Read a float as the decimal number that it was written as, e.g. 0.069 as 69/1000."""
    return Fraction(Decimal(str(number)))
