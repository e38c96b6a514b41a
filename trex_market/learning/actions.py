"""What an agent can do: three numbers from -1 to 1, made into a `Decision`.

In each round an agent offers what its home needs, or has too much, in the next slot to be cleared. Its prices
are limits: what the market does not give for them is left to the battery, and then to the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from trex_market.core.errors import InputError
from trex_market.core.messages import BATTERY, RoundStarted
from trex_market.participant import Decision, NewOrder, View, ask, bid

SATURATION = 0.9
"""From here on a price is the grid's own."""


class Lever(msgspec.Struct, frozen=True):
    """One number of an action.

    Args:
        name: of it.
        low: what -1 means, a phrase.
        high: what 1 means.
        meaning: a phrase.
    """

    name: str
    low: str
    high: str
    meaning: str


LEVERS = (
    Lever(
        "bid_price",
        f"what the grid pays in the slot (from -{SATURATION} down)",
        f"what it charges (from {SATURATION} up)",
        "limit price of what it buys, $/kWh; evenly in between",
    ),
    Lever("ask_price", "the same", "the same", "limit price of what it sells, $/kWh"),
    Lever(
        "battery",
        "all that the battery could give",
        "all that it could take",
        "most that the battery gives or takes in the slot; without a battery it means nothing",
    ),
)
"""What an action holds, in order."""


class _Plan(NamedTuple):
    """What an agent wants of its battery in a slot.

    Args:
        energy: most that it takes (positive) or gives, in Wh.
        from_grid: whether it goes that far by the grid, where the market falls short.
    """

    energy: int
    from_grid: bool


_IDLE = _Plan(0, from_grid=False)


class Actor:
    """Turns an agent's actions into decisions."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin an episode."""
        self._plans: dict[int, _Plan] = {}

    def decide(self, view: View, action: Sequence[float]) -> Decision:
        """Return the decision that an action stands for.

        What is needed is bid for, what is too much is offered. A positive `battery` bids for what it could take
        beyond that; a negative one offers what it could give beyond the home's need. Once the slot is cleared,
        the battery takes what is left over, or gives what is lacking, as far as it was let. With a bid at what
        the grid charges it takes all that it was let; with an ask at what the grid pays it gives all, unless the
        home has bought something.

        Args:
            view: the round.
            action: in the order of `LEVERS`.

        Raises:
            InputError: if it is not three finite numbers.
        """
        bid_price, ask_price, share = self._read(view.round, action)
        slot_start, battery = view.round.next_settle, view.battery
        if battery is None:
            return Decision(_orders(view, bid_price, ask_price, 0))
        cleared = view.round.last_settle
        settled = self._settled(view, cleared)
        gives, takes = battery.potential(slot_start, {cleared: settled})
        energy = int(share * (takes if share > 0 else gives))
        low, high = _grid_prices(view.round)
        at_grid = bid_price >= high if energy > 0 else ask_price <= low
        self._plans[slot_start] = _Plan(energy, at_grid)
        return Decision(
            _orders(view, bid_price, ask_price, energy), battery={cleared: settled, slot_start: energy}
        )

    @staticmethod
    def _read(round: RoundStarted, action: Sequence[float]) -> tuple[int, int, float]:
        """Return bid price, ask price (micro-dollars per kWh), and the battery's share from -1 to 1."""
        if len(action) != len(LEVERS) or not all(-1e9 < value < 1e9 for value in action):
            names = ", ".join(lever.name for lever in LEVERS)
            raise InputError(f"an action is {len(LEVERS)} finite numbers ({names}), found {list(action)}")
        low, high = _grid_prices(round)
        bid_price, ask_price = (
            low + int(min(1.0, max(0.0, (value / SATURATION + 1) / 2)) * (high - low)) for value in action[:2]
        )
        return bid_price, ask_price, min(1.0, max(-1.0, float(action[2])))

    def _settled(self, view: View, slot_start: int) -> int:
        """Return what the battery does in the slot that was just cleared: positive into it, in Wh."""
        plan = self._plans.pop(slot_start, _IDLE)
        bought, sold = view.bought(slot_start), view.sold(slot_start)
        # What it gives serves the home first, which could then not use what was bought.
        if not plan.energy or (plan.from_grid and (plan.energy > 0 or not bought)):
            return plan.energy
        made = sum(view.generation(slot_start).values())
        left = bought - sum(sold.values()) + made - view.load(slot_start)
        if plan.energy > 0:
            return max(0, min(plan.energy, left))
        return -min(-plan.energy, max(-left, sold.get(BATTERY, 0), 0))


def _grid_prices(round: RoundStarted) -> tuple[int, int]:
    """Return the least and the most that an order for the next slot is priced at, micro-dollars per kWh."""
    low = max(0, round.next_sell_price)
    return low, max(low, round.next_buy_price)


def _orders(view: View, bid_price: int, ask_price: int, energy: int) -> list[NewOrder]:
    """Offer what a home needs or has too much in the next slot, and what its battery may take or give (Wh)."""
    slot_start = view.round.next_settle
    need = view.load(slot_start)
    orders = []
    for source, made in view.generation(slot_start).items():
        if made > need:
            orders.append(ask(made - need, ask_price, slot_start, source))
        need -= min(made, need)
    surplus = sum(order.quantity for order in orders)
    wanted = need + max(0, energy - surplus)
    if wanted:
        orders.append(bid(wanted, bid_price, slot_start))
    spare = -energy - need
    if spare > 0:
        orders.append(ask(spare, ask_price, slot_start, BATTERY))
    return orders
