"""Orders that come, are changed and taken back until the gate of their slot closes."""

from __future__ import annotations

from collections.abc import Collection

from trex_market.core.admission import Admission, Refusal
from trex_market.core.book import Book
from trex_market.core.clearing.slot import SlotClearing
from trex_market.core.errors import RefusalCode
from trex_market.core.messages import (
    CancelOrder,
    ChangeRejected,
    Event,
    OpenMarket,
    Order,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OrderReplaced,
    ReplaceOrder,
    SubmitOrder,
)
from trex_market.core.requirements import lowered


class Orders:
    """Takes orders into the book, or refuses them.

    Args:
        terms: the market's.
        book: where open orders stand.
        clearing: for what its rule can do.
        members: ids of those who may submit orders.
    """

    def __init__(
        self, terms: OpenMarket, book: Book, clearing: SlotClearing, members: Collection[str]
    ) -> None:
        self._admission = Admission(terms)
        self._book = book
        self._members = members
        self._by_source = clearing.rule.pools == "by_source"
        self._no_pairs = clearing.no_pairs
        self.sequence = 0
        """How many orders were accepted or replaced."""

    def submit(self, command: SubmitOrder, current: int | None) -> Event:
        """Take an order, or refuse it.

        Args:
            command: the order.
            current: start of the running round, or the last; None before the first.
        """
        source = None
        if self._by_source or command.side == "ask":
            source = (command.source or "").lower()
        attributes, requirements = command.attributes, command.requirements
        demanding = requirements or attributes is not None
        refusal = self._refusal(command, source, current, demanding)
        if refusal:
            return OrderRejected(command.order_id, command.participant_id, *refusal)
        if demanding:
            attributes, requirements = lowered(attributes, requirements)
        self.sequence += 1
        order = Order(
            command.order_id,
            command.participant_id,
            command.side,
            command.quantity,
            command.price,
            source,
            command.slot_start,
            command.time,
            self.sequence,
            attributes,
            requirements,
        )
        self._book.add(order)
        return OrderAccepted(order)

    def _refusal(
        self, command: SubmitOrder, source: str | None, current: int | None, demanding: object
    ) -> Refusal | None:
        """Say why an order is refused, or None if it is not.

        Args:
            command: the order.
            source: its source in lower case, None where it needs none.
            current: see `submit`.
            demanding: true if it has requirements or attributes.
        """
        if command.participant_id not in self._members:
            return RefusalCode.UNKNOWN_PARTICIPANT, f"{command.participant_id!r} has not joined this market"
        admission = self._admission
        refusal = (
            admission.amount_refusal(command.quantity, command.price)
            or (None if source is None else admission.source_refusal(source))
            or (admission.requirement_refusal(command, self._no_pairs) if demanding else None)
            or admission.slot_refusal(command.slot_start, command.slot_end, current)
        )
        if refusal is None and self._book.was_used(command.order_id):
            refusal = RefusalCode.MALFORMED, f"the order id {command.order_id!r} was used before"
        return refusal

    def cancel(self, command: CancelOrder) -> Event:
        """Take an open order back."""
        order = self._book.find(command.order_id)
        if order is None or order.participant_id != command.participant_id:
            return _no_such_order(command)
        return OrderCancelled(self._book.remove(command.order_id))

    def replace(self, command: ReplaceOrder) -> Event:
        """Change quantity and price of an open order, or refuse to."""
        old = self._book.find(command.order_id)
        if old is None or old.participant_id != command.participant_id:
            return _no_such_order(command)
        refusal = self._admission.amount_refusal(command.quantity, command.price)
        if refusal:
            return ChangeRejected(command.order_id, command.participant_id, *refusal)
        self.sequence += 1
        order = Order(
            old.order_id,
            old.participant_id,
            old.side,
            command.quantity,
            command.price,
            old.source,
            old.slot_start,
            command.time,
            self.sequence,
            old.attributes,
            old.requirements,
        )
        self._book.add(order)
        return OrderReplaced(order)


def _no_such_order(command: CancelOrder | ReplaceOrder) -> ChangeRejected:
    detail = f"{command.participant_id!r} has no open order {command.order_id!r}"
    return ChangeRejected(command.order_id, command.participant_id, RefusalCode.UNKNOWN_ORDER, detail)
