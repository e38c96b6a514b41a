"""Responsive: the battery is kept full, and serves the home when the home is asked to take less.

All else is traded at fixed prices. In the hours in which it charges, a slot
bids for what the battery can take as well.
"""

from __future__ import annotations

from collections.abc import Sequence

from participants.strategies.common import residual, residual_orders
from trex_market.core.errors import InputError
from trex_market.core.units import price_from_dollars
from trex_market.participant import BatteryView, Decision, NewOrder, View, bid

NIGHT_AND_NOON = (0, 1, 2, 3, 4, 11, 12, 13, 14)
"""Hours in which the battery charges, unless the config names others."""


class Responsive:
    """Keep the battery for the time in which it is asked for.

    Args:
        bid_price: $/kWh; the middle of the grid's prices if there is none.
        ask_price: $/kWh; likewise.
        charge_hours: local hours in which slots begin that charge the battery.
    """

    def __init__(
        self,
        bid_price: float | None = None,
        ask_price: float | None = None,
        charge_hours: Sequence[int] = NIGHT_AND_NOON,
    ) -> None:
        self.bid_price = None if bid_price is None else price_from_dollars(bid_price)
        self.ask_price = None if ask_price is None else price_from_dollars(ask_price)
        self.charge_hours = frozenset(charge_hours)
        if not self.charge_hours <= frozenset(range(24)):
            raise InputError(f"charge_hours must be hours from 0 to 23, found {list(charge_hours)}")

    def decide(self, view: View) -> Decision:
        """Bid or ask for the next slot to be cleared, and plan the battery for it."""
        middle = (view.round.next_sell_price + view.round.next_buy_price) // 2
        bid_price = middle if self.bid_price is None else self.bid_price
        ask_price = middle if self.ask_price is None else self.ask_price
        slot_start = view.round.next_settle
        if view.battery is None:
            return Decision(residual_orders(view, slot_start, bid_price, ask_price))
        planned = self._plan(view, view.battery, slot_start)
        orders = _orders(view, slot_start, planned, bid_price, ask_price)
        return Decision(orders, battery={slot_start: planned})

    def _plan(self, view: View, battery: BatteryView, slot_start: int) -> int:
        """Return what the battery takes in a slot, below 0 gives, in Wh."""
        discharge, charge = battery.potential(slot_start)
        asked = -view.flexibility.get(slot_start, 0)
        if asked > 0:  # more than the home needs would be for others
            return -min(asked, discharge, max(0, residual(view, slot_start)))
        return charge if view.local_hour(slot_start) in self.charge_hours else 0


def _orders(view: View, slot_start: int, planned: int, bid_price: int, ask_price: int) -> list[NewOrder]:
    if planned == 0:
        return residual_orders(view, slot_start, bid_price, ask_price)
    wanted = residual(view, slot_start) + planned
    return [bid(wanted, bid_price, slot_start)] if wanted > 0 else []
