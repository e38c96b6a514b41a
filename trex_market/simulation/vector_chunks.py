"""What the vector driver hands on: a stretch of rounds, in columns.

Participants and sources are numbers; `Names` says which. A chunk never holds more than was asked for, so
what is made of it (rows, files) can be made and forgotten before the next one is played.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trex_market.kernels.layout import Layout, Numbers
from trex_market.kernels.records import PARTY, Records
from trex_market.population import Moment
from trex_market.totals import Totals

FIGURES: tuple[str, ...] = PARTY.names or ()
"""What is added up for each participant."""


class Names(NamedTuple):
    """Which numbers stand for what.

    Args:
        participants: ids, by number.
        sources: names, by number.
        layout: the channels of each participant.
        step: length of a slot, in seconds.
        close_steps: of the market.
        beside: numbers of participants that are played beside the arrays; they may take back their orders later.
    """

    participants: tuple[str, ...]
    sources: tuple[str, ...]
    layout: Layout
    step: int
    close_steps: int
    beside: frozenset[int]


class RoundColumns(NamedTuple):
    """All of one round. Slots are those of `trex_market.core.market`.

    Args:
        moment: the round.
        contracts: of the slot that was cleared, as numbered.
        transactions: of the slot that was delivered, as numbered.
        owners: of the orders.
        orders: submitted, in order.
        cancelled: owner and number of orders that were taken back by those beside the arrays.
        participants: with their readings of the slot that was delivered, of type `PARTICIPANT`.
        channels: likewise, of type `CHANNEL`.
        charges: who has a battery, and what it holds after the slot, in Wh.
    """

    moment: Moment
    contracts: Records
    transactions: Records
    owners: Numbers
    orders: Records
    cancelled: Sequence[tuple[int, int]]
    participants: Records
    channels: Records
    charges: Sequence[tuple[Sequence[str], Numbers]]


class Chunk(NamedTuple):
    """A stretch of rounds.

    Args:
        start: of the first round, UNIX seconds.
        rounds: how many.
        names: which numbers stand for what.
        parties: what each participant's rounds came to, of type `PARTY`.
        market: what they came to for all, one of type `MARKET`.
        columns: of each round; none if no ledger is wanted.
    """

    start: int
    rounds: int
    names: Names
    parties: Records
    market: Records
    columns: Sequence[RoundColumns]


class Sums:
    """What chunks come to together, exactly.

    Args:
        names: which numbers stand for what.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        # Python's whole numbers: the sums of a long run may be beyond 64 bits.
        self.parties = np.zeros((len(names.participants), len(FIGURES)), dtype=object)
        self._totals = Totals()

    def add(self, chunk: Chunk) -> None:
        """Add a chunk."""
        self.parties += chunk.parties.view(np.int64).reshape(self.parties.shape)
        market, totals = chunk.market[0], self._totals
        totals.grid_income += int(market["grid_income"])
        totals.operator_income += int(market["operator_income"])
        totals.transactions += int(market["transactions"])
        totals.slots += chunk.rounds
        if market["delivered"]:
            totals.last_price = int(market["last_price"])

    @property
    def last_price(self) -> int | None:
        """Of the last energy traded between participants, micro-dollars per kWh."""
        return self._totals.last_price

    def into(self, totals: Totals) -> None:
        """Fill the totals of a run that has heard nothing yet."""
        for name in ("grid_income", "operator_income", "transactions", "slots", "last_price"):
            setattr(totals, name, getattr(self._totals, name))
        for participant_id, figures in zip(self.names.participants, self.parties.tolist(), strict=True):
            party = totals.party(participant_id)
            for figure, amount in zip(FIGURES, figures, strict=True):
                setattr(party, figure, amount)
