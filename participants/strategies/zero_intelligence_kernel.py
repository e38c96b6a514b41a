"""Zero intelligence in arrays: `participants.strategies.zero_intelligence` for many homes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from participants.columns import Scene, StrategyHome, number_column, residual_orders
from participants.devices.battery_kernel import plan
from participants.strategies.zero_intelligence import ZeroIntelligence
from trex_market.kernels.compiled import compiled
from trex_market.kernels.layout import Numbers
from trex_market.kernels.lots import checksums, drawn, stream
from trex_market.kernels.records import NOBODY, Records
from trex_market.participant import EpisodeStart
from trex_market.population import Moment, Rows

_MASK = (1 << 64) - 1


class ZeroIntelligenceColumns:
    """The array form of `ZeroIntelligence`."""

    plans_now = True
    horizon = 0

    def __init__(
        self, homes: Sequence[StrategyHome[ZeroIntelligence]], start: EpisodeStart, *, all_orders: bool
    ) -> None:
        del all_orders  # all of its orders can be cleared
        self._homes = number_column([home.number for home in homes])
        seeds = np.array([home.seed & _MASK for home in homes], dtype=np.uint64)
        sums = checksums([home.participant_id for home in homes])
        streams = [stream(seed, checksum) for seed, checksum in zip(seeds, sums, strict=True)]
        self._streams = np.array(streams, dtype=np.uint64)
        self._close_steps = start.market.close_steps

    @staticmethod
    def most_orders(_strategy: ZeroIntelligence, sources: int) -> int:
        """Return one for each source, or one for what is lacking."""
        return max(1, sources)

    @staticmethod
    def slots(_strategy: ZeroIntelligence) -> int:
        """Return 1."""
        return 1

    def decide(self, scene: Scene, moment: Moment) -> None:
        """Bid or ask for the next slot to be cleared."""
        low, high = sorted((moment.next_sell_price, moment.next_buy_price))
        low = max(0, low)
        _decide(
            self._homes,
            self._streams,
            scene.load,
            scene.made,
            scene.participants,
            scene.channels,
            scene.orders,
            scene.bank,
            scene.plans,
            moment.number % len(scene.plans),
            moment.time,
            moment.row + self._close_steps,
            low,
            max(low, high) - low + 1,
        )


@compiled
def _decide(
    homes: Numbers,
    streams: NDArray[np.uint64],
    load: Rows,
    made: Rows,
    participants: Records,
    channels: Records,
    orders: Records,
    bank: Records,
    plans: Records,
    slot: int,
    time: int,
    row: int,
    low: int,
    prices: int,
) -> None:
    for place in range(len(homes)):
        who = homes[place]
        if participants[who].battery != NOBODY:
            plan(bank, plans, participants[who].battery, slot, 0)
        price = low + int(drawn(streams[place], time, 0) * prices)
        residual_orders(load, made, participants, channels, orders, who, row, 0, price, price)
