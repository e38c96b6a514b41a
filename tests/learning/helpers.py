"""A small study for agents, and what one of them would see, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from participants.devices.battery import Battery
from participants.home import Home
from tests.helpers import START, STEP, Series, slot, terms
from tests.shell_helpers import study
from trex_market.core.messages import Contract, OpenMarket, RoundStarted
from trex_market.learning.agent import Elsewhere
from trex_market.participant import Announcement, EpisodeStart, MarketInfo, View

STORAGE = "storage: {capacity: 2000, power: 4000, efficiency: 0.9, initial_charge: 500}"


def battery_study(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the small study, three episodes long, in which `mixed` has a battery, and return the config's path."""
    return study(
        folder,
        ("days:", "generations: 3\n  days:"),
        ("{type: zero_intelligence}}", f"{{type: zero_intelligence}}, {STORAGE}}}"),
        *changes,
    )


class Seat:
    """A home that hears rounds, for what is made of a view.

    Args:
        load: Wh of each slot from `START` on.
        generation: source -> Wh of each slot.
        battery: if any.
        market: its terms.
    """

    def __init__(
        self,
        load: list[int],
        generation: dict[str, list[int]] | None = None,
        battery: Battery | None = None,
        market: OpenMarket | None = None,
    ) -> None:
        self.market = market or terms()
        self.home = Home("ann", Elsewhere(), battery=battery)
        self.home.use(Series(load, generation or {}))
        self.home.start_episode(EpisodeStart(0, "training", MarketInfo.of(self.market)))

    def hears(self, number: int, *contracts: Contract, prices: tuple[int, int] = (100_000, 200_000)) -> View:
        """Hear the round of a slot, and return the view of it.

        Args:
            number: of the slot.
            contracts: that were just made.
            prices: what the grid pays and charges, now and in the next slot to be cleared.
        """
        steps = self.market.close_steps
        started = RoundStarted(
            slot(number), STEP, slot(number + steps - 1), slot(number + steps), *prices, *prices
        )
        return self.home.hear(Announcement(started, contracts))


def contract(
    number: int, quantity: int, price: int, *, sells: bool, source: str = "solar", **others: Any
) -> Contract:
    """Return a contract of ann's for a slot. Quantity in Wh, price in micro-dollars per kWh."""
    seller, buyer = ("ann", "bob") if sells else ("bob", "ann")
    price_buy = others.get("price_buy", price)
    times = (slot(number), slot(number + 1))
    return Contract("c", *times, seller, buyer, source, quantity, price, price_buy, "b", "a", START)
