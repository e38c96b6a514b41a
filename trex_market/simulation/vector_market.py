"""The market in arrays: what `trex_market.core.market` does in a round, for all participants at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trex_market.core.errors import InputError
from trex_market.core.messages import BATTERY, OpenMarket
from trex_market.kernels.columns import LIMITS
from trex_market.kernels.delivery import deliver, make_delivery_room
from trex_market.kernels.gate import Entry, add_entries, admit, begin_round, clear, gate_terms, make_book
from trex_market.kernels.layout import make_layout
from trex_market.kernels.lots import checksums
from trex_market.kernels.records import CONTRACT, MARKET, PARTY, Records, records
from trex_market.kernels.totals import add_meters, add_transactions
from trex_market.participant import Series
from trex_market.population import Moment, OrderRoom

MAX_ROUND_ORDERS = 20_000_000
"""The most orders of a round."""


class Member(NamedTuple):
    """One participant in an episode.

    Args:
        participant_id: its id.
        profile: its load and generation; None if it is not for the driver to read.
        sources: of its energy, in the order of its meter readings.
        order_room: what its orders need.
    """

    participant_id: str
    profile: Series | None
    sources: tuple[str, ...]
    order_room: OrderRoom


class ArrayMarket:
    """A market of an episode.

    Args:
        terms: its terms.
        default_source: the pool of a bid that names no source.
        members: all participants, by number: in the order of their ids.

    Raises:
        InputError: if there are more orders or participants than arrays take.
    """

    def __init__(self, terms: OpenMarket, default_source: str, members: Sequence[Member]) -> None:
        self._terms = terms
        known = {*terms.sources, BATTERY, default_source}
        others = {source for member in members for source in member.sources} - known
        self.sources = (*sorted(known), *sorted(others))
        number_of = {source: number for number, source in enumerate(self.sources)}
        rooms = [member.order_room for member in members]
        of_round = [room.orders * room.slots for room in rooms]
        if sum(of_round) > MAX_ROUND_ORDERS:
            raise InputError(
                f"arrays take at most {MAX_ROUND_ORDERS:,} orders of a round; there may be {sum(of_round):,}"
            )
        own = [[number_of[source] for source in member.sources] for member in members]
        self.layout = make_layout(own, of_round, len(self.sources))
        self._gate, self._rule, self.pool_of = gate_terms(terms, self.sources, default_source)
        self._own_orders = sum(room.orders for room in rooms)
        self._make_room(self._own_orders)
        self._dispatch = np.array([terms.sources.get(source, False) for source in self.sources])
        self._battery = number_of[BATTERY]
        self._replacement = terms.shortfall == "replacement"
        self.checksums = checksums([member.participant_id for member in members])
        empty = records(CONTRACT, 0)
        self._contracts: deque[Records] = deque([empty] * (terms.close_steps - 1))
        self._orders = (0, 0)
        self.parties = records(PARTY, len(members))
        self.totals = records(MARKET, 1)

    def _make_room(self, orders: int) -> None:
        """Make room for so many orders of a slot, and what comes of them."""
        self._book = make_book(orders, len(self.layout.participants), len(self._terms.sources))
        self._room = make_delivery_room(self.layout, 2 * orders)

    def start_round(self) -> tuple[Records, Records]:
        """Close the gate of a slot and clear it; forget the orders of the last round.

        Returns:
            the contracts of that slot, and those of the slot that is delivered in this round.

        Raises:
            InputError: if amounts are beyond what arrays take.
        """
        count = clear(self._rule, self._book, *self._orders)
        if count < 0:
            raise InputError(f"arrays take {LIMITS[-count]}")
        cleared = self._book.contracts[:count].copy()
        self._contracts.append(cleared)
        due = self._contracts.popleft()
        begin_round(cleared, due, self.layout.participants, self.layout.channels, self.layout.channel_of)
        return cleared, due

    def take_orders(self, moment: Moment, *, is_last: bool, entries: Sequence[Entry] = ()) -> None:
        """Take the orders of a round.

        Args:
            moment: the round.
            is_last: whether no round follows in which orders could be taken back.
            entries: orders for the next slot that are not in the layout.
        """
        participants, _, orders, _ = self.layout
        start = moment.time + self._terms.step * self._terms.close_steps
        if self._own_orders + len(entries) > self._book.bids.shape[1]:
            self._make_room(self._own_orders + 2 * len(entries))
        book = self._book
        where = (participants, orders, self.pool_of, self._gate, self.checksums)
        bids, asks = admit(*where, start, is_last, book.bids, book.asks)
        if entries:
            bids, asks = add_entries(book, bids, asks, moment.time, entries)
        self._orders = bids, asks

    def deliver(self, moment: Moment, due: Records) -> Records:
        """Deliver a slot, and add it up.

        Args:
            moment: the round.
            due: the slot's contracts.

        Returns:
            its transactions, until the next round.
        """
        participants, channels, _, channel_of = self.layout
        rows, rest = self._room
        prices = (moment.sell_price, moment.buy_price)
        terms = (self._dispatch, self._battery, self._replacement)
        count = deliver(due, participants, channels, channel_of, *terms, *prices, rows, rest)
        add_meters(participants, channels, self._battery, self.parties)
        add_transactions(rows[:count], self.parties, self.totals)
        return rows[:count]
