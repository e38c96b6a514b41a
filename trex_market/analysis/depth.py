"""Supply and demand of slots, kept small enough for a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from trex_market.analysis.slots import SlotRecords
from trex_market.core.messages import Order

MOST_STEPS = 60_000
"""So many steps of staircases go into a page."""

Staircase = list[tuple[int, int]]
"""Price (micro-dollars per kWh) and Wh at it, the best price first."""


class SlotBook(msgspec.Struct, frozen=True):
    """The orders and contracts of a slot.

    Args:
        start: the slot's start.
        demand: bids by price, the highest first.
        supply: asks by price, the lowest first.
        traded: price that buyers pay -> Wh contracted.
    """

    start: int
    demand: Staircase
    supply: Staircase
    traded: Staircase


class Books:
    """Keeps the books of a run's slots: all of them, or evenly spread ones and those that were asked for.

    Args:
        orders: how many there are in the run.
        wanted: starts of slots that are kept anyway.
        most: so many orders are kept about.
    """

    def __init__(self, orders: int, wanted: Iterable[int] = (), most: int = MOST_STEPS) -> None:
        self._stride = max(1, -(-orders // most))
        self._wanted = frozenset(wanted)
        self._busiest: SlotBook | None = None
        self._kept: dict[int, SlotBook] = {}
        self.slots = 0
        """How many slots had orders."""

    def hear(self, slot: SlotRecords) -> None:
        """Take in a slot."""
        if not slot.orders:
            return
        number, self.slots = self.slots, self.slots + 1
        kept = number % self._stride == 0 or slot.start in self._wanted
        volume = sum(contract.quantity for contract in slot.contracts)
        if not kept and volume <= _volume(self._busiest):
            return
        found = _book(slot)
        if kept:
            self._kept[slot.start] = found
        if volume > _volume(self._busiest):
            self._busiest = found

    def kept(self) -> list[SlotBook]:
        """Return what is kept, the busiest slot included, in order of slots."""
        kept = dict(self._kept)
        if self._busiest is not None:
            kept[self._busiest.start] = self._busiest
        return [kept[start] for start in sorted(kept)]

    @property
    def busiest(self) -> int | None:
        """The slot for which most was contracted; None if there is none."""
        return None if self._busiest is None else self._busiest.start


def _volume(book: SlotBook | None) -> int:
    return 0 if book is None else sum(quantity for _, quantity in book.traded)


def _book(slot: SlotRecords) -> SlotBook:
    traded: Counter[int] = Counter()
    for contract in slot.contracts:
        traded[contract.settlement_price_buy] += contract.quantity
    bids = [order for order in slot.orders if order.side == "bid"]
    asks = [order for order in slot.orders if order.side == "ask"]
    supply = _staircase(asks)
    return SlotBook(slot.start, _staircase(bids)[::-1], supply, sorted(traded.items(), reverse=True))


def _staircase(orders: Iterable[Order]) -> Staircase:
    steps: Counter[int] = Counter()
    for order in orders:
        steps[order.price] += order.quantity
    return sorted(steps.items())
