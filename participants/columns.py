"""What the strategies of a population see and do, in arrays: the array form of a `View` and a `Decision`."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from trex_market.core.errors import InputError
from trex_market.core.units import MAX_PRICE
from trex_market.kernels.compiled import inner
from trex_market.kernels.layout import Numbers
from trex_market.kernels.records import NOBODY, Records
from trex_market.participant import EpisodeStart
from trex_market.population import Moment, Rows

StrategyT = TypeVar("StrategyT")

NO_PRICE = int(np.iinfo(np.int64).min)
"""Stands for no price of one's own."""

PRICE_BOUND = 1_000 * MAX_PRICE
"""The furthest that a price may lie from 0: what is made of it fits 64 bits."""


class Scene(NamedTuple):
    """What is there to be seen, and where orders and plans go. A row is a slot of the profiles.

    Args:
        load: row, participant -> Wh.
        made: row, channel -> Wh; 0 for batteries.
        ending_hour: row -> hour of the day at the slot's end, in the market's time zone.
        participants: see `PARTICIPANT`.
        channels: see `CHANNEL`; the last one of a home with a battery is the battery's.
        orders: of this round, see `ORDER`.
        bank: the batteries, see `participants.devices.battery_kernel`.
        plans: of the batteries.
    """

    load: Rows
    made: Rows
    ending_hour: Numbers
    participants: Records
    channels: Records
    orders: Records
    bank: Records
    plans: Records


class StrategyHome(NamedTuple, Generic[StrategyT]):
    """A home, as the array form of its strategy is given it.

    Args:
        number: of the participant.
        participant_id: its id.
        strategy: its strategy, plain.
        seed: of its chance in the episode.
        efficiency: of its battery, one way; None if it has none.
    """

    number: int
    participant_id: str
    strategy: StrategyT
    seed: int
    efficiency: float | None


class StrategyColumns(Protocol):
    """The array form of a strategy: decides for all homes that have it, each with its own options."""

    plans_now: bool
    """Whether it plans batteries for the current slot; if not, for the one that was just cleared."""

    horizon: int
    """How many slots after the next one to be cleared it orders for."""

    def __init__(self, homes: Sequence[StrategyHome[Any]], start: EpisodeStart, *, all_orders: bool) -> None:
        """Take homes into an episode.

        Args:
            homes: which.
            start: as each would be told.
            all_orders: whether it orders also what it takes back before it can be cleared.
        """

    @staticmethod
    def most_orders(strategy: Any, sources: int) -> int:
        """Return the most that a home orders for one slot.

        Args:
            strategy: the home's, plain.
            sources: how many sources of energy it has, its battery included.
        """

    @staticmethod
    def slots(strategy: Any) -> int:
        """Return for how many slots a home orders in a round."""

    def decide(self, scene: Scene, moment: Moment) -> None:
        """Order, and plan each battery once."""


def price_column(prices: Sequence[int | None]) -> Numbers:
    """Put homes' own prices into a column, `NO_PRICE` for none.

    Args:
        prices: micro-dollars per kWh.

    Raises:
        InputError: if one is beyond what arrays take.
    """
    own = [price for price in prices if price is not None]
    if own and max(map(abs, own)) > PRICE_BOUND:
        raise InputError(
            f"arrays take prices from {-PRICE_BOUND:,} to {PRICE_BOUND:,} micro-$/kWh; found "
            f"{max(own, key=abs):,}"
        )
    return number_column([NO_PRICE if price is None else price for price in prices])


def number_column(values: Sequence[int]) -> Numbers:
    """Put whole numbers into a column."""
    return np.array([index(value) for value in values], dtype=np.int64)


@inner
def order(
    orders: Records,
    participants: Records,
    who: int,
    bid: int,
    quantity: int,
    price: int,
    source: int,
    ahead: int,
) -> None:
    """Submit an order.

    Args:
        orders: of the round.
        participants: all.
        who: whose order it is.
        bid: 1 for a bid, 0 for an ask.
        quantity: Wh.
        price: micro-dollars per kWh.
        source: number; -1 for a bid that names none.
        ahead: so many slots after the next one to be cleared.
    """
    owner = participants[who]
    record = orders[owner.order + owner.orders]
    record.bid = bid
    record.quantity = quantity
    record.price = price
    record.source = source
    record.ahead = ahead
    owner.orders += 1


@inner
def residual(load: Rows, made: Rows, participants: Records, who: int, row: int) -> int:
    """Return what a home needs in a slot beyond its own generation; see `strategies.common`."""
    need = int(load[row, who])
    first = participants[who].channel
    for channel in range(first, first + participants[who].channels):
        need -= int(made[row, channel])
    return need


@inner
def residual_orders(
    load: Rows,
    made: Rows,
    participants: Records,
    channels: Records,
    orders: Records,
    who: int,
    row: int,
    ahead: int,
    bid_price: int,
    ask_price: int,
) -> None:
    """Bid for all that a home lacks in a slot, or ask for what it has too much; see `strategies.common`."""
    rest = int(load[row, who])
    first = participants[who].channel
    for channel in range(first, first + participants[who].channels):
        surplus = int(made[row, channel]) - rest
        if surplus > 0:
            source = channels[channel].source
            order(orders, participants, who, 0, surplus, ask_price, source, ahead)
            rest = 0
        else:
            rest = -surplus
    if rest:
        order(orders, participants, who, 1, rest, bid_price, NOBODY, ahead)


@inner
def balancing_energy(
    load: Rows, made: Rows, participants: Records, channels: Records, who: int, row: int
) -> int:
    """Return what the battery must take or give in the slot that was just cleared; see `strategies.common`."""
    energy: int = participants[who].bought
    energy -= residual(load, made, participants, who, row)
    first = participants[who].channel
    for channel in range(first, first + participants[who].channels):
        energy -= channels[channel].sold
    return energy
