"""Battery arbitrage in arrays: `participants.strategies.battery_arbitrage` for many homes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from participants.columns import (
    Scene,
    StrategyHome,
    balancing_energy,
    order,
    residual,
    residual_orders,
)
from participants.devices.battery_kernel import charge_potential, discharge_potential, plan
from participants.strategies.battery_arbitrage import BatteryArbitrage
from trex_market.kernels.compiled import compiled, inner
from trex_market.kernels.layout import Numbers
from trex_market.kernels.records import NOBODY, Records, records
from trex_market.participant import EpisodeStart
from trex_market.population import Moment, Rows

HOME = np.dtype([("who", np.int64), ("window", np.int64), ("discount", np.float64), ("kept", np.float64)])
"""A home's options.

`window` is a place among the windows of prices, `discount` the option `local_discount`, `kept` what a battery
keeps of energy that goes in and out again.
"""


class BatteryArbitrageColumns:
    """The array form of `BatteryArbitrage`. Homes that remember as long have seen the same prices."""

    plans_now = False
    horizon = 0

    def __init__(
        self, homes: Sequence[StrategyHome[BatteryArbitrage]], start: EpisodeStart, *, all_orders: bool
    ) -> None:
        del all_orders  # all of its orders can be cleared
        lengths = [home.strategy.window(start.market.step) for home in homes]
        self._windows = [Window(length) for length in sorted(set(lengths))]
        self._lows = np.zeros(len(self._windows), dtype=np.int64)
        self._highs = np.zeros(len(self._windows), dtype=np.int64)
        places = {window.length: place for place, window in enumerate(self._windows)}
        self._homes = records(HOME, len(homes))
        self._homes["who"] = [home.number for home in homes]
        self._homes["window"] = [places[length] for length in lengths]
        self._homes["discount"] = [home.strategy.local_discount for home in homes]
        self._homes["kept"] = [0 if home.efficiency is None else home.efficiency**2 for home in homes]
        self._close_steps = start.market.close_steps

    @staticmethod
    def most_orders(_strategy: BatteryArbitrage, sources: int) -> int:
        """Return one for each source, or one for what is lacking."""
        return max(1, sources)

    @staticmethod
    def slots(_strategy: BatteryArbitrage) -> int:
        """Return 1."""
        return 1

    def decide(self, scene: Scene, moment: Moment) -> None:
        """Bid or ask for the next slot to be cleared; plan the batteries for the one that was."""
        for place, window in enumerate(self._windows):
            self._lows[place], self._highs[place] = window.add(moment.number, moment.next_buy_price)
        low = max(0, moment.next_sell_price)
        _decide(
            self._homes,
            self._lows,
            self._highs,
            scene.load,
            scene.made,
            scene.participants,
            scene.channels,
            scene.orders,
            scene.bank,
            scene.plans,
            (moment.number + self._close_steps - 1) % len(scene.plans),
            moment.row + self._close_steps - 1,
            low,
            max(low, moment.next_buy_price),
            moment.buy_price,
            moment.next_buy_price,
        )


class Window:
    """The lowest and the highest of the last prices, in constant time on average.

    Args:
        length: of how many.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self._lows: deque[tuple[int, int]] = deque()
        self._highs: deque[tuple[int, int]] = deque()

    def add(self, number: int, price: int) -> tuple[int, int]:
        """Add the price of the next round, and return the lowest and the highest."""
        lows, highs = self._lows, self._highs
        while lows and lows[-1][1] >= price:
            lows.pop()
        while highs and highs[-1][1] <= price:
            highs.pop()
        for kept in (lows, highs):
            kept.append((number, price))
            if kept[0][0] <= number - self.length:
                kept.popleft()
        return lows[0][1], highs[0][1]


@compiled
def _decide(
    homes: Records,
    lows: Numbers,
    highs: Numbers,
    load: Rows,
    made: Rows,
    participants: Records,
    channels: Records,
    orders: Records,
    bank: Records,
    plans: Records,
    slot: int,
    cleared: int,
    paid: int,
    charged: int,
    price_now: int,
    price: int,
) -> None:
    row = cleared + 1
    for place in range(len(homes)):
        home = homes[place]
        who = home.who
        margin = int((charged - paid) * home.discount)
        bid_price, ask_price = charged - margin, paid + margin
        battery = participants[who].battery
        if battery == NOBODY:
            residual_orders(load, made, participants, channels, orders, who, row, 0, bid_price, ask_price)
            continue
        low, high = lows[home.window], highs[home.window]
        worth = home.kept * high
        last = participants[who].channel + participants[who].channels - 1
        wanted = balancing_energy(load, made, participants, channels, who, cleared)
        if wanted < 0 and not _dear(price_now, low, high, worth):
            wanted = -channels[last].sold
        plan(bank, plans, battery, slot, wanted)
        wanted = residual(load, made, participants, who, row)
        wanted += _flow(bank, battery, wanted, price, low, high, worth)
        if wanted > 0:
            order(orders, participants, who, 1, wanted, bid_price, NOBODY, 0)
        elif wanted < 0:
            _asks(load, made, participants, channels, orders, who, row, -wanted, ask_price)


@inner
def _flow(bank: Records, battery: int, need: int, price: int, low: int, high: int, worth: float) -> int:
    """Return what a battery should take (positive) or give in the next slot, beside what the home needs."""
    if price < worth and 2 * price < low + high:
        return charge_potential(bank, battery)
    if _dear(price, low, high, worth):
        return -discharge_potential(bank, battery)
    return min(charge_potential(bank, battery), max(0, -need))


@inner
def _dear(price: int, low: int, high: int, worth: float) -> bool:
    """Tell whether now is a time to discharge; `worth` is what a cycle leaves of the highest price."""
    return low >= worth or 2 * price >= low + high


@inner
def _asks(
    load: Rows,
    made: Rows,
    participants: Records,
    channels: Records,
    orders: Records,
    who: int,
    row: int,
    quantity: int,
    price: int,
) -> None:
    """Offer a quantity: surplus of the home's own sources first, the rest from the battery, its last channel."""
    rest = int(load[row, who])
    last = participants[who].channel + participants[who].channels - 1
    for channel in range(participants[who].channel, last):
        surplus = int(made[row, channel]) - rest
        if surplus > 0 and quantity:
            offered = min(surplus, quantity)
            order(orders, participants, who, 0, offered, price, channels[channel].source, 0)
            quantity -= offered
        rest = max(0, -surplus)
    if quantity:
        order(orders, participants, who, 0, quantity, price, channels[last].source, 0)
