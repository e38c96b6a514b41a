"""Books of unit traders, and what rules make of them. Prices in $/kWh, a unit is 1 Wh."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from trex_market.analysis.equilibrium import Equilibrium, equilibrium
from trex_market.core.book import by_priority
from trex_market.core.clearing import Match, RuleOptions, make_rule
from trex_market.core.messages import Order, Side
from trex_market.core.units import MICRO, price_from_dollars

SLOT = 0


def order(side: Side, price: float, number: int, quantity: int = 1, who: str = "") -> Order:
    """Return an order of a trader of its own, or of `who`."""
    name = f"{side}-{number}"
    micro = price_from_dollars(price)
    return Order(name, who or name, side, quantity, micro, "solar", SLOT, SLOT, number)


def units(bids: Sequence[float], asks: Sequence[float]) -> tuple[list[Order], list[Order]]:
    """Return bids and asks of one unit each, by priority."""
    orders = [order("bid", price, number) for number, price in enumerate(bids)]
    orders += [order("ask", price, number) for number, price in enumerate(asks)]
    return by_priority(orders, SLOT)


class Cleared(msgspec.Struct, frozen=True):
    """What a rule made of a book. Money in $ per kWh and unit.

    Args:
        matches: the pairs.
        volume: units.
        gains: bid less ask over all pairs.
        paid: by buyers.
        received: by sellers.
    """

    matches: list[Match]
    volume: int
    gains: float
    paid: float
    received: float

    @property
    def surplus(self) -> float:
        """What the operator keeps."""
        return self.paid - self.received


def clear(
    rule: str, book: tuple[Sequence[Order], Sequence[Order]], options: RuleOptions | None = None
) -> Cleared:
    """Clear a book.

    Args:
        rule: its name.
        book: bids and asks by priority.
        options: what the rule depends on besides.
    """
    matches = make_rule(rule, options).match(*book)
    return Cleared(
        matches,
        sum(match.quantity for match in matches),
        sum(match.quantity * (match.bid.price - match.ask.price) for match in matches) / MICRO,
        sum(match.quantity * match.price_buy for match in matches) / MICRO,
        sum(match.quantity * match.price_sell for match in matches) / MICRO,
    )


def best(book: tuple[Sequence[Order], Sequence[Order]]) -> Equilibrium:
    """Return a book's competitive allocation."""
    return equilibrium(*book)


def vcg_deficit(book: tuple[Sequence[Order], Sequence[Order]]) -> tuple[float, float, float]:
    """Return what buyers pay and sellers get under the Vickrey-Clarke-Groves mechanism, and its deficit.

    ``p_b = max(s_k, b_k+1)``, ``p_s = min(b_k, s_k+1)``, deficit ``k (p_s - p_b)``, for unit traders: the ends of
    the competitive interval the wrong way round.

    Args:
        book: bids and asks by priority.
    """
    found = best(book)
    pays, gets = found.low / MICRO, found.high / MICRO
    return pays, gets, found.volume * (gets - pays)
