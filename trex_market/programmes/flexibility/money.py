"""Money with 4 decimals, as whole nano-dollars; energy from power without rounding."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from trex_market.core.errors import InputError
from trex_market.core.units import NANO, rounded

QUANTUM = 100_000
"""Nano-dollars in the smallest amount of a message, 0.0001."""

WS_PER_KWH = 3_600_000
"""Watt-seconds in a kWh."""


def nano_from_decimal(amount: Decimal) -> int:
    """Convert an amount of a message to nano-dollars, exactly.

    Raises:
        InputError: if it is no finite number, or has more than 4 decimals.
    """
    if not amount.is_finite():
        raise InputError(f"{amount} is no amount of money")
    scaled = Fraction(amount) * NANO
    if scaled.denominator != 1 or scaled.numerator % QUANTUM:
        raise InputError(f"{amount} has more than 4 decimals")
    return scaled.numerator


def decimal_from_nano(money: int) -> Decimal:
    """Convert nano-dollars, a multiple of `QUANTUM`, to an amount with 4 decimals."""
    return (Decimal(money // QUANTUM) / 10_000).quantize(Decimal("0.0001"))


def quantised(numerator: int, denominator: int = 1) -> int:
    """Divide nano-dollars and round to 4 decimals of a dollar, half to even."""
    return rounded(numerator, denominator * QUANTUM) * QUANTUM


def part_of(price: int, activation: int) -> int:
    """Return the price of a part of an option.

    Args:
        price: of all of it, in nano-dollars.
        activation: the part, in hundredths.
    """
    return quantised(price * activation, 100)


def part_of_power(power: int, activation: int) -> int:
    """Return a part (hundredths) of a power in W, half to even."""
    return rounded(power * activation, 100)


def price_of(watt_seconds: int, price: int) -> int:
    """Return what energy costs, in nano-dollars rounded to 4 decimals.

    Args:
        watt_seconds: W * s.
        price: nano-dollars per kWh.
    """
    return quantised(watt_seconds * price, WS_PER_KWH)


def split(total: int, weights: list[int]) -> list[int]:
    """Divide a whole number in proportion to weights, exactly: the largest remainders get what is left.

    Args:
        total: at any sign.
        weights: at least 0; if all are 0, the first gets everything.
    """
    whole = sum(weights)
    if not weights:
        return []
    if not whole:
        return [total, *[0] * (len(weights) - 1)]
    size, sign = abs(total), 1 if total >= 0 else -1
    shares = [size * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: (-(size * weights[place] % whole), place))
    for place in by_remainder[: size - sum(shares)]:
        shares[place] += 1
    return [sign * share for share in shares]
