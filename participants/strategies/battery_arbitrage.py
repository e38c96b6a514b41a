"""Battery arbitrage: store when energy is cheap, give when it is dear.

A cycle that charges at price p1 and discharges at p2 gains
``efficiency**2 * p2 - p1`` per kWh charged, so it is done only if
``p2 / p1 > 1 / efficiency**2``. The cheap and the dear price are the lowest
and highest that the grid has charged within a day.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from participants.strategies.common import balancing_energy, residual, residual_orders, sold_from_battery
from trex_market.core.errors import InputError
from trex_market.core.messages import BATTERY
from trex_market.participant import BatteryView, Decision, EpisodeStart, NewOrder, View, ask, bid

_SECONDS_PER_HOUR = 3600


class BatteryArbitrage:
    """Buy cheap, sell dear, and use the home's own surplus first.

    Args:
        window_hours: how long grid prices are remembered.
        local_discount: how far bids lie below, and asks above, the grid's prices, as a fraction of the
            distance between what it pays and what it charges.
    """

    def __init__(self, window_hours: float = 24, local_discount: float = 0.25) -> None:
        if window_hours <= 0 or not 0 <= local_discount <= 1:
            raise InputError(
                "window_hours must be above 0 and local_discount from 0 to 1, "
                f"found {window_hours} and {local_discount}"
            )
        self.window_hours = window_hours
        self.local_discount = local_discount
        self._prices: deque[int] = deque()

    def start_episode(self, start: EpisodeStart) -> None:
        """Forget the prices."""
        self._prices = deque(maxlen=self.window(start.market.step))

    def end_episode(self) -> None:
        """Nothing is kept."""

    def window(self, step: int) -> int:
        """Return how many rounds' prices are remembered.

        Args:
            step: length of a slot, in seconds.
        """
        return max(1, int(self.window_hours * _SECONDS_PER_HOUR / step))

    def decide(self, view: View) -> Decision:
        """Bid or ask for the next slot to be cleared; plan the battery for the one that was."""
        self._prices.append(view.round.next_buy_price)
        battery = view.battery
        bid_price, ask_price = self._local_prices(view)
        slot_start = view.round.next_settle
        if battery is None:
            return Decision(residual_orders(view, slot_start, bid_price, ask_price))
        cleared = view.round.last_settle
        plan = balancing_energy(view, cleared)
        if plan < 0 and not self._dear(view.round.buy_price, battery):
            plan = -sold_from_battery(view, cleared)
        orders = self._battery_orders(view, battery, {cleared: plan}, bid_price, ask_price)
        return Decision(orders, battery={cleared: plan})

    def _local_prices(self, view: View) -> tuple[int, int]:
        low = max(0, view.round.next_sell_price)
        high = max(low, view.round.next_buy_price)
        margin = int((high - low) * self.local_discount)
        return high - margin, low + margin

    def _dear(self, price: int, battery: BatteryView) -> bool:
        """Tell whether now is a time to discharge: prices do not vary enough to wait, or are high."""
        low, high = min(self._prices), max(self._prices)
        return low >= battery.efficiency**2 * high or 2 * price >= low + high

    def _cheap(self, price: int, battery: BatteryView) -> bool:
        """Tell whether a cycle that charges at this price would gain."""
        high = max(self._prices)
        return price < battery.efficiency**2 * high and 2 * price < min(self._prices) + high

    def _battery_orders(
        self, view: View, battery: BatteryView, plan: Mapping[int, int], bid_price: int, ask_price: int
    ) -> list[NewOrder]:
        """Trade what is left when the battery has taken or given what it should.

        Args:
            view: the round.
            battery: what it could do besides `plan`.
            plan: what was just planned; it is not there to be offered again.
            bid_price: micro-dollars per kWh.
            ask_price: micro-dollars per kWh.
        """
        slot_start, price = view.round.next_settle, view.round.next_buy_price
        need = residual(view, slot_start)
        discharge, charge = battery.potential(slot_start, plan)
        if self._cheap(price, battery):
            wanted = need + charge
        elif self._dear(price, battery):
            wanted = need - discharge
        else:
            wanted = need + min(charge, max(0, -need))
        if wanted > 0:
            return [bid(wanted, bid_price, slot_start)]
        return _asks(view, slot_start, -wanted, ask_price)

    @staticmethod
    def array_form() -> Any:
        """Return the class that decides for many homes at once; see `participants.columns`."""
        from participants.strategies.battery_arbitrage_kernel import (  # noqa: PLC0415 - needs the extra `fast`
            BatteryArbitrageColumns,
        )

        return BatteryArbitrageColumns


def _asks(view: View, slot_start: int, quantity: int, price: int) -> list[NewOrder]:
    """Offer a quantity: surplus of the home's own sources first, the rest from the battery."""
    asks = []
    for surplus in residual_orders(view, slot_start, price, price):
        if surplus.side == "ask" and quantity:
            offered = min(surplus.quantity, quantity)
            asks.append(ask(offered, price, slot_start, surplus.source or BATTERY))
            quantity -= offered
    if quantity:
        asks.append(ask(quantity, price, slot_start, BATTERY))
    return asks
