"""Linear ramp: each order's price moves evenly from its start to its end until the gate closes.

A buyer begins at what the grid pays and ends at what it charges; a seller the
other way. In each round the open orders are taken back and submitted anew.
"""

from __future__ import annotations

from typing import Any

from participants.strategies.common import residual_orders
from trex_market.core.errors import InputError
from trex_market.core.units import price_from_dollars
from trex_market.participant import Decision, NewOrder, View


class LinearRamp:
    """Offer early, and improve the price in each round.

    Args:
        ramp_steps: rounds from the first offer for a slot to the last before its gate closes, at least 1.
        lowest_price: $/kWh, where bids begin and asks end; what the grid pays if there is none.
        highest_price: $/kWh, where asks begin and bids end; what the grid charges if there is none.
    """

    def __init__(
        self,
        ramp_steps: int = 4,
        lowest_price: float | None = None,
        highest_price: float | None = None,
    ) -> None:
        if ramp_steps < 1:
            raise InputError(f"ramp_steps must be at least 1, found {ramp_steps}")
        if type(ramp_steps) is not int:
            raise InputError(f"ramp_steps must be a whole number, found {ramp_steps}")
        self.steps = ramp_steps
        self.lowest_price = None if lowest_price is None else price_from_dollars(lowest_price)
        self.highest_price = None if highest_price is None else price_from_dollars(highest_price)

    def decide(self, view: View) -> Decision:
        """Move the prices of all slots whose gates close within the ramp."""
        orders: list[NewOrder] = []
        for steps_left in range(self.steps):
            slot_start = view.round.next_settle + steps_left * view.round.step
            bid_price, ask_price = self._prices(view, steps_left)
            orders += residual_orders(view, slot_start, bid_price, ask_price)
        return Decision(orders, cancel=[order.order_id for order in view.open_orders()])

    def _prices(self, view: View, steps_left: int) -> tuple[int, int]:
        low = view.round.next_sell_price if self.lowest_price is None else self.lowest_price
        high = view.round.next_buy_price if self.highest_price is None else self.highest_price
        low, high = max(0, low), max(0, low, high)
        way = (high - low) * (self.steps - 1 - steps_left) // max(1, self.steps - 1)
        if self.steps == 1:
            way = high - low
        return low + way, high - way

    @staticmethod
    def array_form() -> Any:
        """Return the class that decides for many homes at once; see `participants.columns`."""
        from participants.strategies.linear_ramp_kernel import LinearRampColumns  # noqa: PLC0415 - needs the extra `fast`

        return LinearRampColumns
