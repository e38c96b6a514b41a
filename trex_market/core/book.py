"""The order book: open orders by slot, and who comes first among them.

Price first. Among equal prices the earlier submission; within the same instant
the lot of the slot, then the participant's id, then that participant's own
order. The lot makes a simulation's result independent of the order in which
messages arrive, and is fair over slots.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

from trex_market.core.lots import lot
from trex_market.core.messages import Order
from trex_market.core.state import BookState

_price = attrgetter("price")


class Book:
    """Open orders, and the ids that accepted ones have used.

    Args:
        remembers: whether ids are kept for good, or only until the gate of their slot closes. On the wall
            clock, where the market makes ids that do not repeat, it would fill the memory for nothing.
    """

    def __init__(self, *, remembers: bool = True) -> None:
        self._remembers = remembers
        self._slots: dict[int, dict[str, Order]] = {}
        self._open: dict[str, Order] = {}
        self._used: dict[str, int] = {}
        """Order id -> its slot."""
        self._demanding: set[int] = set()
        """Slots for which there was an order with requirements."""

    def __len__(self) -> int:
        return len(self._open)

    def add(self, order: Order) -> None:
        """Put an order into its slot; with an id that is open already, the new one replaces the old."""
        order_id = order.order_id
        self._used[order_id] = order.slot_start
        self._open.pop(order_id, None)  # a replaced order goes to the end
        self._open[order_id] = order
        slot = self._slots.get(order.slot_start)
        if slot is None:
            slot = self._slots[order.slot_start] = {}
        else:
            slot.pop(order_id, None)
        slot[order_id] = order
        if order.requirements:
            self._demanding.add(order.slot_start)

    def leave(self, order_id: str, rest: Order | None) -> None:
        """Leave the rest of an open order in its place; None to take it out, as nothing is left."""
        if rest is None:
            self.remove(order_id)
        else:
            self._open[order_id] = self._slots[rest.slot_start][order_id] = rest

    def was_used(self, order_id: str) -> bool:
        """Tell whether an accepted order had this id."""
        return order_id in self._used

    def find(self, order_id: str) -> Order | None:
        """Return an open order."""
        return self._open.get(order_id)

    def remove(self, order_id: str) -> Order:
        """Take an open order out.

        Raises:
            KeyError: if there is none of this id.
        """
        order = self._open.pop(order_id)
        del self._slots[order.slot_start][order_id]
        return order

    def open_orders(self, participant_id: str) -> list[Order]:
        """Return a participant's open orders, in order of submission."""
        return [order for order in self._open.values() if order.participant_id == participant_id]

    def starts(self) -> list[int]:
        """Return the starts of all slots with open orders, in order."""
        return sorted(start for start, orders in self._slots.items() if orders)

    def slots(self) -> dict[int, list[Order]]:
        """Return all open orders by slot, in order of submission."""
        return {start: list(self._slots[start].values()) for start in sorted(self._slots)}

    def orders(self, slot_start: int) -> list[Order]:
        """Return all open orders of a slot, in order of submission."""
        return list(self._slots.get(slot_start, {}).values())

    def is_demanding(self, slot_start: int) -> bool:
        """Tell whether any of a slot's orders may have requirements."""
        return slot_start in self._demanding

    def close(self, slot_start: int) -> list[Order]:
        """Take all orders of a slot out, and drop those of earlier slots: their gates are closed too."""
        for earlier in [start for start in self._slots if start < slot_start]:
            self._forget(self._slots.pop(earlier))
        if self._demanding:
            self._demanding = {start for start in self._demanding if start > slot_start}
        if not self._remembers:
            self._used = {name: start for name, start in self._used.items() if start > slot_start}
        return self._forget(self._slots.pop(slot_start, {}))

    def state(self) -> BookState:
        """Return all that is known."""
        return BookState(list(self._open.values()), dict(self._used))

    def restore(self, state: BookState) -> None:
        """Go on from a state."""
        for order in state.orders:
            self.add(order)
        self._used = dict(state.used)

    def _forget(self, orders: dict[str, Order]) -> list[Order]:
        for order_id in orders:
            del self._open[order_id]
        return list(orders.values())


def by_priority(orders: list[Order], slot_start: int) -> tuple[list[Order], list[Order]]:
    """Split a slot's orders into bids and asks, each with the one that comes first in front.

    Args:
        orders: all of one slot.
        slot_start: the slot's start.
    """
    lots: dict[str, int] = {}

    def precedence(order: Order) -> tuple[int, int, str, int]:
        participant_id = order.participant_id
        drawn = lots.get(participant_id)
        if drawn is None:
            drawn = lots[participant_id] = lot(slot_start, participant_id)
        return (order.time, drawn, participant_id, order.sequence)

    bids = [order for order in orders if order.side == "bid"]
    asks = [order for order in orders if order.side == "ask"]
    bids.sort(key=_price, reverse=True)
    asks.sort(key=_price)
    _settle_ties(bids, precedence)
    _settle_ties(asks, precedence)
    return bids, asks


def _settle_ties(orders: list[Order], precedence: Callable[[Order], tuple[int, int, str, int]]) -> None:
    """Sort each run of equal prices. Lots are drawn for ties alone: most prices differ."""
    first = 0
    count = len(orders)
    while first < count:
        price = orders[first].price
        last = first + 1
        while last < count and orders[last].price == price:
            last += 1
        if last - first > 1:
            orders[first:last] = sorted(orders[first:last], key=precedence)
        first = last
