"""Fixed prices: bid for what is lacking, ask for what is too much; the battery goes by the hour.

With a battery, slots that end in a charging hour bid for what it can take as
well; in other hours its content serves the home and is offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from participants.strategies.common import balancing_energy, residual, residual_orders
from trex_market.core.errors import InputError
from trex_market.core.messages import BATTERY
from trex_market.core.units import price_from_dollars
from trex_market.participant import Decision, NewOrder, View, ask, bid

DAYTIME = tuple(range(8, 17))
"""Hours in which the battery charges, unless the config names others."""


class Basic:
    """Trade at fixed prices.

    Args:
        bid_price: $/kWh; the middle of the grid's prices if there is none.
        ask_price: $/kWh; likewise.
        charge_hours: local hours in which a slot's end makes it a charging one.
    """

    def __init__(
        self,
        bid_price: float | None = None,
        ask_price: float | None = None,
        charge_hours: Sequence[int] = DAYTIME,
    ) -> None:
        self.bid_price = None if bid_price is None else price_from_dollars(bid_price)
        self.ask_price = None if ask_price is None else price_from_dollars(ask_price)
        self.charge_hours = frozenset(charge_hours)
        if not self.charge_hours <= frozenset(range(24)):
            raise InputError(f"charge_hours must be hours from 0 to 23, found {list(charge_hours)}")

    def decide(self, view: View) -> Decision:
        """Bid or ask for the next slot to be cleared; plan the battery for the one that was."""
        bid_price, ask_price = self._prices(view)
        slot_start = view.round.next_settle
        battery = view.battery
        if battery is None:
            return Decision(residual_orders(view, slot_start, bid_price, ask_price))
        cleared = view.round.last_settle
        plan = balancing_energy(view, cleared)
        plan = max(plan, 0) if self._charging(view, cleared) else min(plan, 0)
        # What was just planned is not there to be offered again.
        potential = battery.potential(slot_start, {cleared: plan})
        orders = self._battery_orders(view, potential, bid_price, ask_price)
        return Decision(orders, battery={cleared: plan})

    def _prices(self, view: View) -> tuple[int, int]:
        middle = (view.round.next_sell_price + view.round.next_buy_price) // 2
        return (
            middle if self.bid_price is None else self.bid_price,
            middle if self.ask_price is None else self.ask_price,
        )

    def _charging(self, view: View, slot_start: int) -> bool:
        return view.local_hour(slot_start + view.round.step) in self.charge_hours

    def _battery_orders(
        self, view: View, potential: tuple[int, int], bid_price: int, ask_price: int
    ) -> list[NewOrder]:
        slot_start = view.round.next_settle
        need = residual(view, slot_start)
        discharge, charge = potential
        if self._charging(view, slot_start):
            wanted = need + charge
            return [bid(wanted, bid_price, slot_start)] if wanted > 0 else []
        orders = [] if need > 0 else residual_orders(view, slot_start, bid_price, ask_price)
        spare = discharge - max(need, 0)
        if spare > 0:
            orders.append(ask(spare, ask_price, slot_start, BATTERY))
        return orders

    @staticmethod
    def array_form() -> Any:
        """Return the class that decides for many homes at once; see `participants.columns`."""
        from participants.strategies.basic_kernel import BasicColumns  # noqa: PLC0415 - needs the extra `fast`

        return BasicColumns
