"""Many homes in arrays: `participants.home` for a whole population, equal to it bit for bit.

Each strategy decides for all homes that have it, with its array form; then batteries do what was planned and
every home is metered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from participants.columns import Scene, StrategyColumns, StrategyHome
from participants.devices.battery import Battery
from participants.devices.battery_kernel import make_bank
from participants.home import Home
from participants.submetering_kernel import submeter
from trex_market.core.units import MICRO
from trex_market.kernels.compiled import compiled
from trex_market.kernels.layout import Numbers
from trex_market.kernels.records import NOBODY, Records
from trex_market.participant import EpisodeStart, Series
from trex_market.population import Energy, Moment, OrderRoom, Places, Rows


class Homes:
    """Homes whose strategies all have an array form.

    Args:
        homes: which.
    """

    def __init__(self, homes: Sequence[Home]) -> None:
        self._homes = homes

    @property
    def horizon(self) -> int:
        """How many slots after the next one to be cleared strategies look at."""
        return max(group.horizon for group in self._groups)

    def begin(
        self, start: EpisodeStart, profiles: Sequence[Series | None], *, all_orders: bool
    ) -> list[OrderRoom]:
        """Begin an episode; see `Population.begin`."""
        self._start = start
        self._all_orders = all_orders
        return [self._order_room(home, profile) for home, profile in zip(self._homes, profiles, strict=True)]

    def _order_room(self, home: Home, profile: Series | None) -> OrderRoom:
        form = _form(home.strategy)
        slots = form.slots(home.strategy)
        most_orders = form.most_orders(home.strategy, len(home.sources(profile)))
        return OrderRoom(most_orders, slots if self._all_orders else min(1, slots))

    def settle(self, places: Places) -> None:
        """Take the places that were made for all: put batteries and strategies together."""
        numbers = places.numbers
        by_strategy: defaultdict[type[StrategyColumns], list[StrategyHome[Any]]] = defaultdict(list)
        for number, home in zip(numbers, self._homes, strict=True):
            form = _form(home.strategy)
            by_strategy[form].append(
                StrategyHome(
                    int(number),
                    home.participant_id,
                    home.strategy,
                    home.seed + self._start.episode,
                    None if home.battery is None else home.battery.efficiency,
                )
            )
        self._groups = [
            form(homes, self._start, all_orders=self._all_orders) for form, homes in by_strategy.items()
        ]
        self._numbers = numbers
        self._layout = places.layout
        self._bank, self._plans = self._batteries(places)

    def _batteries(self, places: Places) -> tuple[Records, Records]:
        """Put the batteries together, and tell participants where theirs is."""
        slots = self._start.market.close_steps
        batteries: list[Battery] = []
        ahead: list[int] = []
        self._with_battery: list[str] = []
        for number, home in zip(places.numbers, self._homes, strict=True):
            if home.battery is not None:
                places.layout.participants[number]["battery"] = len(batteries)
                batteries.append(home.battery)
                ahead.append(0 if _form(home.strategy).plans_now else slots - 1)
                self._with_battery.append(home.participant_id)
        return make_bank(batteries, ahead, self._start.market.step, slots)

    def see(self, energy: Energy) -> None:
        """Take the slots that come next."""
        layout = self._layout
        self._scene = Scene(
            *energy, layout.participants, layout.channels, layout.orders, self._bank, self._plans
        )

    def turn(self, moment: Moment) -> None:
        """Play a round; see `Population.turn`."""
        scene = self._scene
        for group in self._groups:
            group.decide(scene, moment)
        _meter(
            self._numbers,
            scene.load,
            scene.made,
            scene.participants,
            scene.channels,
            scene.plans,
            moment.number % len(scene.plans),
            moment.row,
        )
        self._slot = moment.number % len(scene.plans)

    def charges(self) -> tuple[Sequence[str], Numbers]:
        """Return who has a battery, and what it holds after the current slot, in Wh."""
        return self._with_battery, self._plans["held"][self._slot] // MICRO


def _form(strategy: Any) -> type[StrategyColumns]:
    """Return the array form of a strategy that has one."""
    form: type[StrategyColumns] = strategy.array_form()
    return form


@compiled
def _meter(
    homes: Numbers,
    load: Rows,
    made: Rows,
    participants: Records,
    channels: Records,
    plans: Records,
    slot: int,
    row: int,
) -> None:
    """Let batteries do what is planned for the slot that is delivered, and meter all homes."""
    for who in homes:
        battery = participants[who].battery
        flow = 0 if battery == NOBODY else plans[slot, battery].energy
        submeter(load, made, participants, channels, who, row, flow)
