"""Fixed prices in arrays: `participants.strategies.basic` for many homes, each with its own options."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from participants.columns import (
    NO_PRICE,
    Scene,
    StrategyHome,
    balancing_energy,
    order,
    price_column,
    residual,
    residual_orders,
)
from participants.devices.battery_kernel import charge_potential, discharge_potential, plan
from participants.strategies.basic import Basic
from trex_market.kernels.compiled import compiled
from trex_market.kernels.layout import Numbers
from trex_market.kernels.records import NOBODY, Records, records
from trex_market.participant import EpisodeStart
from trex_market.population import Moment, Rows

HOME = np.dtype([(field, np.int64) for field in ("who", "bid_price", "ask_price", "charge_hours")])
"""A home's options; `charge_hours` has a bit for each hour."""


class BasicColumns:
    """The array form of `Basic`."""

    plans_now = False
    horizon = 0

    def __init__(
        self, homes: Sequence[StrategyHome[Basic]], start: EpisodeStart, *, all_orders: bool
    ) -> None:
        del all_orders  # all of its orders can be cleared
        self._homes = records(HOME, len(homes))
        self._homes["who"] = [home.number for home in homes]
        self._homes["bid_price"] = price_column([home.strategy.bid_price for home in homes])
        self._homes["ask_price"] = price_column([home.strategy.ask_price for home in homes])
        self._homes["charge_hours"] = [
            sum(1 << int(hour) for hour in home.strategy.charge_hours) for home in homes
        ]
        self._close_steps = start.market.close_steps

    @staticmethod
    def most_orders(_strategy: Basic, sources: int) -> int:
        """Return one for each source, or one for what is lacking."""
        return max(1, sources)

    @staticmethod
    def slots(_strategy: Basic) -> int:
        """Return 1."""
        return 1

    def decide(self, scene: Scene, moment: Moment) -> None:
        """Bid or ask for the next slot to be cleared; plan the batteries for the one that was."""
        middle = (moment.next_sell_price + moment.next_buy_price) // 2
        cleared = moment.row + self._close_steps - 1
        slot = (moment.number + self._close_steps - 1) % len(scene.plans)
        _decide(self._homes, *scene, slot, cleared, middle)


@compiled
def _decide(
    homes: Records,
    load: Rows,
    made: Rows,
    ending_hour: Numbers,
    participants: Records,
    channels: Records,
    orders: Records,
    bank: Records,
    plans: Records,
    slot: int,
    cleared: int,
    middle: int,
) -> None:
    hour, next_hour = ending_hour[cleared], ending_hour[cleared + 1]
    row = cleared + 1
    for place in range(len(homes)):
        home = homes[place]
        who = home.who
        bid_price = middle if home.bid_price == NO_PRICE else home.bid_price
        ask_price = middle if home.ask_price == NO_PRICE else home.ask_price
        battery = participants[who].battery
        if battery == NOBODY:
            residual_orders(load, made, participants, channels, orders, who, row, 0, bid_price, ask_price)
            continue
        wanted = balancing_energy(load, made, participants, channels, who, cleared)
        wanted = max(wanted, 0) if home.charge_hours >> hour & 1 else min(wanted, 0)
        plan(bank, plans, battery, slot, wanted)
        need = residual(load, made, participants, who, row)
        if home.charge_hours >> next_hour & 1:
            wanted = need + charge_potential(bank, battery)
            if wanted > 0:
                order(orders, participants, who, 1, wanted, bid_price, NOBODY, 0)
            continue
        if need <= 0:
            residual_orders(load, made, participants, channels, orders, who, row, 0, bid_price, ask_price)
        spare = discharge_potential(bank, battery) - max(need, 0)
        if spare > 0:
            source = channels[participants[who].channel + participants[who].channels - 1].source
            order(orders, participants, who, 0, spare, ask_price, source, 0)
