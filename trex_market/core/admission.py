"""Whether an order may stand in the book; if not, why."""

from __future__ import annotations

from trex_market.core.errors import RefusalCode, unknown_name
from trex_market.core.messages import OpenMarket, SubmitOrder
from trex_market.core.requirements import limit, names_mistake
from trex_market.core.units import MAX_PRICE, MAX_QUANTITY, dollars_from_price

Refusal = tuple[RefusalCode, str]

LAST_MOMENT = 253_402_300_799
"""The end of the year 9999, UNIX seconds: no slot starts later."""


class Admission:
    """Looks at orders with a market's terms in hand.

    Args:
        terms: the market's.
    """

    def __init__(self, terms: OpenMarket) -> None:
        self._terms = terms
        self._price_cap = MAX_PRICE if terms.price_cap is None else min(terms.price_cap, MAX_PRICE)

    def amount_refusal(self, quantity: int, price: int) -> Refusal | None:
        """Say why an order of this quantity (Wh) and price (micro-$/kWh) is refused, or None if it is not."""
        if type(quantity) is not int or not 0 < quantity <= MAX_QUANTITY:
            found = f"the quantity must be a whole number from 1 to {MAX_QUANTITY} Wh, found {quantity}"
            return RefusalCode.BAD_QUANTITY, found
        if type(price) is not int or not self._terms.price_floor <= price <= self._price_cap:
            low, high = dollars_from_price(self._terms.price_floor), dollars_from_price(self._price_cap)
            return (
                RefusalCode.BAD_PRICE,
                f"the price must be {low:g} to {high:g} $/kWh, found {dollars_from_price(price):g}",
            )
        return None

    def requirement_refusal(self, command: SubmitOrder, no_pairs: str | None) -> Refusal | None:
        """Say why an order is refused for what it says of itself and of others, or None if it is not.

        Args:
            command: the order.
            no_pairs: why there can be no requirements in this market; None if there can.
        """
        requirements = command.requirements
        if requirements and no_pairs is not None:
            return RefusalCode.BAD_REQUIREMENT, f"an order cannot have requirements here: {no_pairs}"
        mistake = names_mistake(command.attributes, requirements)
        if mistake is not None:
            return RefusalCode.BAD_REQUIREMENT, mistake
        for number, one in enumerate(requirements, start=1):
            energy = 1 if one.energy is None else one.energy
            refusal = self.amount_refusal(energy, limit(one, command))
            if refusal is not None:
                return RefusalCode.BAD_REQUIREMENT, f"requirement {number}: {refusal[1]}"
        return None

    def source_refusal(self, source: str) -> Refusal | None:
        """Say why energy of a source is refused, or None if it is not."""
        if source.lower() in self._terms.sources:
            return None
        return RefusalCode.UNKNOWN_SOURCE, unknown_name("source", source, self._terms.sources)

    def slot_refusal(self, start: int, end: int, current: int | None) -> Refusal | None:
        """Say why an order for a slot is refused, or None if it is not.

        Args:
            start: of the slot.
            end: of the slot.
            current: start of the running round; None before the first.
        """
        step = self._terms.step
        if type(start) is not int or end - start != step or start % step or start > LAST_MOMENT:
            return (
                RefusalCode.BAD_SLOT,
                f"({start}, {end}) is not a slot of {step} s that starts at a multiple of it",
            )
        if current is None:
            return None
        next_settle = current + step * self._terms.close_steps
        if start < next_settle:
            return (
                RefusalCode.GATE_CLOSED,
                f"the gate of slot {start} is closed; the next slot is {next_settle}",
            )
        horizon = self._terms.horizon_steps
        if horizon is not None and start > current + step * horizon:
            return (
                RefusalCode.BEYOND_HORIZON,
                f"slot {start} is more than {horizon} steps after the current one, {current}",
            )
        return None
