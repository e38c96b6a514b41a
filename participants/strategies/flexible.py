"""Flexible: the battery belongs to the grid operator's needs; load and generation are traded at fixed prices.

The aggregator sells what the battery can do; what was ordered is planned at
once, and bought or sold on the market as far as its gate is open: flexibility
moves energy, and somebody has to have it.
"""

from __future__ import annotations

from participants.strategies.common import residual, residual_orders
from trex_market.core.errors import InputError
from trex_market.core.messages import BATTERY
from trex_market.core.units import price_from_dollars
from trex_market.participant import Decision, NewOrder, View, ask, bid


class Flexible:
    """Do what was sold as flexibility.

    Args:
        bid_price: $/kWh; the middle of the grid's prices if there is none.
        ask_price: $/kWh; likewise.
        reliability: chance, 0 to 1, that the battery really does in a slot what was sold.
    """

    sells_flexibility = True

    def __init__(
        self,
        bid_price: float | None = None,
        ask_price: float | None = None,
        reliability: float = 1.0,
    ) -> None:
        if not 0 <= reliability <= 1:
            raise InputError(f"reliability must be 0 to 1, found {reliability}")
        self.bid_price = None if bid_price is None else price_from_dollars(bid_price)
        self.ask_price = None if ask_price is None else price_from_dollars(ask_price)
        self.reliability = reliability

    def decide(self, view: View) -> Decision:
        """Trade the next slot with its flexibility, and plan the battery as ordered."""
        middle = (view.round.next_sell_price + view.round.next_buy_price) // 2
        bid_price = middle if self.bid_price is None else self.bid_price
        ask_price = middle if self.ask_price is None else self.ask_price
        slot_start = view.round.next_settle
        change = view.flexibility.get(slot_start, 0) if view.battery is not None else 0
        return Decision(_orders(view, slot_start, change, bid_price, ask_price), battery=self._plan(view))

    def _plan(self, view: View) -> dict[int, int]:
        """Return what the battery shall do, where that is not planned already."""
        battery, now = view.battery, view.round.time
        if battery is None:
            return {}
        plan = {
            slot: energy
            for slot, energy in view.flexibility.items()
            if slot >= now and battery.scheduled(slot) != energy
        }
        if now in view.flexibility and view.chance(1) >= self.reliability:
            plan[now] = 0
        return plan


def _orders(view: View, slot_start: int, change: int, bid_price: int, ask_price: int) -> list[NewOrder]:
    """Return the orders for a slot in which the battery takes `change` Wh, below 0 gives.

    What the battery takes or gives comes on top of the home's own orders, which are as ever.
    """
    if not change:
        return residual_orders(view, slot_start, bid_price, ask_price)
    need = residual(view, slot_start)
    if change < 0:
        spare = min(-change, -change - need) if need > 0 else -change
        orders = [] if need > 0 else residual_orders(view, slot_start, bid_price, ask_price)
        if spare > 0:
            return [*orders, ask(spare, ask_price, slot_start, BATTERY)]
        return [bid(-spare, bid_price, slot_start)] if spare < 0 else orders
    if need + change >= 0:
        return [bid(need + change, bid_price, slot_start)] if need + change else []
    surplus = -need - change
    source = max(view.generation(slot_start).items(), key=lambda item: item[1])[0]
    return [ask(surplus, ask_price, slot_start, source)]
