"""Linear ramp in arrays: `participants.strategies.linear_ramp` for many homes, each with its own ramp.

Only the orders of a ramp's last step can ever be cleared; all others are taken back before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from participants.columns import NO_PRICE, Scene, StrategyHome, price_column, residual_orders
from participants.devices.battery_kernel import plan
from participants.strategies.linear_ramp import LinearRamp
from trex_market.kernels.compiled import compiled
from trex_market.kernels.records import NOBODY, Records, records
from trex_market.participant import EpisodeStart
from trex_market.population import Moment, Rows

HOME = np.dtype([(field, np.int64) for field in ("who", "steps", "lowest", "highest")])
"""A home's options."""


class LinearRampColumns:
    """The array form of `LinearRamp`."""

    plans_now = True

    def __init__(
        self, homes: Sequence[StrategyHome[LinearRamp]], start: EpisodeStart, *, all_orders: bool
    ) -> None:
        self._homes = records(HOME, len(homes))
        self._homes["who"] = [home.number for home in homes]
        self._homes["steps"] = [home.strategy.steps for home in homes]
        self._homes["lowest"] = price_column([home.strategy.lowest_price for home in homes])
        self._homes["highest"] = price_column([home.strategy.highest_price for home in homes])
        self._close_steps = start.market.close_steps
        self._all_orders = all_orders
        self.horizon = max(home.strategy.steps for home in homes) - 1 if all_orders else 0

    @staticmethod
    def most_orders(_strategy: LinearRamp, sources: int) -> int:
        """Return one for each source, or one for what is lacking."""
        return max(1, sources)

    @staticmethod
    def slots(strategy: LinearRamp) -> int:
        """Return how many steps the ramp has."""
        return strategy.steps

    def decide(self, scene: Scene, moment: Moment) -> None:
        """Order at the prices that the ramp has reached."""
        _decide(
            self._homes,
            scene.load,
            scene.made,
            scene.participants,
            scene.channels,
            scene.orders,
            scene.bank,
            scene.plans,
            moment.number % len(scene.plans),
            moment.row + self._close_steps,
            moment.next_sell_price,
            moment.next_buy_price,
            self._all_orders,
        )


@compiled
def _decide(
    homes: Records,
    load: Rows,
    made: Rows,
    participants: Records,
    channels: Records,
    orders: Records,
    bank: Records,
    plans: Records,
    slot: int,
    row: int,
    sell_price: int,
    buy_price: int,
    all_orders: bool,  # noqa: FBT001 - compiled code takes arguments by place
) -> None:
    for place in range(len(homes)):
        home = homes[place]
        battery = participants[home.who].battery
        if battery != NOBODY:
            plan(bank, plans, battery, slot, 0)
        low = max(0, sell_price if home.lowest == NO_PRICE else home.lowest)
        high = max(low, buy_price if home.highest == NO_PRICE else home.highest)
        for ahead in range(home.steps if all_orders else 1):
            way = high - low
            if home.steps > 1:
                way = way * (home.steps - 1 - ahead) // (home.steps - 1)
            bid_price, ask_price = low + way, high - way
            later = row + ahead
            residual_orders(
                load, made, participants, channels, orders, home.who, later, ahead, bid_price, ask_price
            )
