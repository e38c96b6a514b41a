"""Participants that are played together, in arrays: the array form of `trex_market.participant`.

A `Population` takes part in a market as its members would one by one: it is told what was cleared, and writes
its orders and its meter readings where the driver finds them. Participants, sources and slots are numbers; a
slot's *row* is its place in the profile that was read last. Needs the extra `fast`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from trex_market.kernels.layout import Layout, Numbers
from trex_market.participant import EpisodeStart, Series

Rows = NDArray[np.int32]
"""Energy in Wh, a row for each slot."""


class OrderRoom(NamedTuple):
    """How much room a participant's orders of a round need.

    Args:
        orders: the most that it submits for one slot.
        slots: for how many slots it does.
    """

    orders: int
    slots: int


class Places(NamedTuple):
    """Where a population finds itself in an episode.

    Args:
        numbers: of its members, in their order.
        sources: names of all sources, by number.
        layout: of all participants: where orders and readings are written.
    """

    numbers: Numbers
    sources: tuple[str, ...]
    layout: Layout


class Energy(NamedTuple):
    """What a stretch of slots brings.

    Args:
        load: slot, participant -> Wh.
        made: slot, channel -> Wh; 0 for batteries.
        ending_hour: slot -> hour of the day (0 to 23), in the market's time zone, at its end.
    """

    load: Rows
    made: Rows
    ending_hour: Numbers


class Moment(NamedTuple):
    """A round. Prices in micro-dollars per kWh.

    Args:
        number: of the round in its episode, from 0.
        row: of the slot that is delivered in it.
        time: its start, UNIX seconds.
        sell_price: what the grid pays in that slot.
        buy_price: what it charges.
        next_sell_price: as `sell_price`, for the next slot to be cleared.
        next_buy_price: likewise.
    """

    number: int
    row: int
    time: int
    sell_price: int
    buy_price: int
    next_sell_price: int
    next_buy_price: int


class Population(Protocol):
    """Many participants of a kind."""

    @property
    def horizon(self) -> int:
        """How many slots after the next one to be cleared it looks at."""

    def begin(
        self, start: EpisodeStart, profiles: Sequence[Series | None], *, all_orders: bool
    ) -> list[OrderRoom]:
        """Begin an episode.

        Args:
            start: as each member would be told, but without a profile.
            profiles: of the members; None for none.
            all_orders: whether orders are recorded; if not, those that cannot be cleared may be left out.

        Returns:
            what each member's orders need.
        """

    def settle(self, places: Places) -> None:
        """Take the places that were made for all.

        Raises:
            InputError: if a member is beyond what arrays take.
        """

    def see(self, energy: Energy) -> None:
        """Take the slots that come next."""

    def turn(self, moment: Moment) -> None:
        """Play a round: submit orders, and meter the slot that is delivered.

        What was bought and sold is noted in `layout` before.
        """

    def charges(self) -> tuple[Sequence[str], Numbers]:
        """Return who has a battery, and what it holds after the current slot, in Wh."""


@runtime_checkable
class ArrayParticipant(Protocol):
    """A participant that has an array form. A class that inherits it has none: it must name its own."""

    profile: Series | None
    """Its load and generation, if an episode brings no other."""

    @staticmethod
    def array_form() -> Callable[[Sequence[Any]], Population]:
        """Return what makes a population of participants of this class."""

    def not_in_arrays(self) -> str | None:
        """Say why it cannot be played in arrays, in a phrase; None if it can. If not, it is played beside them."""

    def sources(self, profile: Series | None) -> tuple[str, ...]:
        """Return the sources of its meter readings with a profile, in their order."""
