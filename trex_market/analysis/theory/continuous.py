"""A continuous double auction with zero-intelligence traders, to compare the literature with.

It is no rule of the market: orders here meet in call auctions. Each trader has
one unit. At each step one of those who still have it, drawn at random, quotes a
price at random: from all prices, or (*constrained*) only such as lose it
nothing. The best quote of each side stands; one that crosses the other side's
trades at the price that stands there, and both sides begin anew.

Source: D. K. Gode and S. Sunder, "Allocative efficiency of markets with
zero-intelligence traders", Journal of Political Economy 101(1), 1993.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec

MOST_QUOTES = 100_000
"""A session ends then at the latest."""


class Session(msgspec.Struct, frozen=True):
    """What came of a session.

    Args:
        gains: sum of value less cost over all trades.
        prices: of the trades, in order.
    """

    gains: float
    prices: list[float]


class _Side:
    """Traders who still have their unit, and the best of their quotes."""

    def __init__(self, limits: Sequence[float]) -> None:
        self.limits = list(limits)
        self.quote: float | None = None
        self.quoted_by = 0


def session(
    values: Sequence[float],
    costs: Sequence[float],
    chance: Random,
    *,
    constrained: bool = True,
    highest: float = 200.0,
) -> Session:
    """Let zero-intelligence traders trade until nobody can any more.

    Args:
        values: of the buyers' units.
        costs: of the sellers' units.
        chance: draws who quotes, and what.
        constrained: whether nobody quotes a price that it loses at.
        highest: no price lies above; none lies below 0.
    """
    buyers, sellers = _Side(values), _Side(costs)
    gains, prices = 0.0, []
    for _ in range(MOST_QUOTES):
        if not _can_trade(buyers, sellers, constrained=constrained):
            break
        place = chance.randrange(len(buyers.limits) + len(sellers.limits))
        if place < len(buyers.limits):
            price = chance.uniform(0.0, buyers.limits[place] if constrained else highest)
            crosses = sellers.quote is not None and price >= sellers.quote
            _take_up(buyers, place, price, better=buyers.quote is None or price > buyers.quote)
            price = sellers.quote if sellers.quote is not None else price
        else:
            place -= len(buyers.limits)
            price = chance.uniform(sellers.limits[place] if constrained else 0.0, highest)
            crosses = buyers.quote is not None and price <= buyers.quote
            _take_up(sellers, place, price, better=sellers.quote is None or price < sellers.quote)
            price = buyers.quote if buyers.quote is not None else price
        if crosses:
            prices.append(price)
            gains += buyers.limits.pop(buyers.quoted_by) - sellers.limits.pop(sellers.quoted_by)
            buyers.quote = sellers.quote = None
    return Session(gains, prices)


def _can_trade(buyers: _Side, sellers: _Side, *, constrained: bool) -> bool:
    if not buyers.limits or not sellers.limits:
        return False
    # At equality they could: at one price, which a continuous draw never hits.
    return not constrained or max(buyers.limits) > min(sellers.limits)


def _take_up(side: _Side, place: int, price: float, *, better: bool) -> None:
    if better:
        side.quote, side.quoted_by = price, place
