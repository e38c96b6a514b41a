"""Net billing in arrays: `participants.strategies.baseline` for many homes."""

from __future__ import annotations

from collections.abc import Sequence

from participants.columns import Scene, StrategyHome, number_column, residual
from participants.devices.battery_kernel import plan
from participants.strategies.baseline import Baseline
from trex_market.kernels.compiled import compiled
from trex_market.kernels.layout import Numbers
from trex_market.kernels.records import Records
from trex_market.participant import EpisodeStart
from trex_market.population import Moment, Rows


class BaselineColumns:
    """The array form of `Baseline`."""

    plans_now = True
    horizon = 0

    def __init__(
        self, homes: Sequence[StrategyHome[Baseline]], _start: EpisodeStart, *, all_orders: bool
    ) -> None:
        del all_orders  # it orders nothing
        self._homes = number_column([home.number for home in homes if home.efficiency is not None])

    @staticmethod
    def most_orders(_strategy: Baseline, _sources: int) -> int:
        """Return 0: it orders nothing."""
        return 0

    @staticmethod
    def slots(_strategy: Baseline) -> int:
        """Return 0."""
        return 0

    def decide(self, scene: Scene, moment: Moment) -> None:
        """Plan the batteries for the current slot."""
        load, made, participants = scene.load, scene.made, scene.participants
        if len(self._homes):
            slot = moment.number % len(scene.plans)
            _plan(self._homes, load, made, participants, scene.bank, scene.plans, slot, moment.row)


@compiled
def _plan(
    homes: Numbers,
    load: Rows,
    made: Rows,
    participants: Records,
    bank: Records,
    plans: Records,
    slot: int,
    row: int,
) -> None:
    for who in homes:
        battery = participants[who].battery
        plan(bank, plans, battery, slot, -residual(load, made, participants, who, row))
