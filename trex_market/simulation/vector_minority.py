"""Participants that decide one by one beside the arrays: homes with strategies of one's own.

They are played as in `trex_market.simulation.local`, in a market of their own that judges their orders and
keeps their book. Only clearing and delivery are those of all: the orders for the next slot go into the columns,
and contracts and transactions come from there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from trex_market.core.errors import StrategyError
from trex_market.core.messages import (
    BATTERY,
    EXTERNAL,
    GRID,
    OTHER,
    Contract,
    Event,
    MeterReading,
    OpenMarket,
    Order,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    Transaction,
)
from trex_market.engine import Engine
from trex_market.kernels import lots
from trex_market.kernels.gate import Entry
from trex_market.kernels.layout import Layout, Numbers
from trex_market.kernels.records import (
    ACCEPTED,
    KINDS,
    NOBODY,
    ORDER,
    REFUSALS,
    TAKE_OR_PAY,
    Records,
    records,
)
from trex_market.participant import Announcement, EpisodeStart, Participant, Series, Turn, blamed
from trex_market.population import Moment
from trex_market.simulation.local import LocalRounds


class Submitted(NamedTuple):
    """What became of the minority's turns.

    Args:
        owners: of the orders.
        orders: of type `ORDER`, in the order of submission.
        cancelled: owner and number of orders that were taken back.
    """

    owners: list[int]
    orders: Records
    cancelled: list[tuple[int, int]]


class Minority:
    """Plays participants one by one.

    Args:
        participants: number -> participant.
        names: ids of all participants, by number.
        sources: names of all sources, by number.
        layout: where readings go.
        terms: the market's.
        default_source: the pool of a bid that names no source.
    """

    def __init__(
        self,
        participants: Mapping[int, Participant],
        names: Sequence[str],
        sources: Sequence[str],
        layout: Layout,
        terms: OpenMarket,
        default_source: str,
    ) -> None:
        self._names = (*names, GRID)
        self._sources = (*sources, GRID)
        self._number = {names[number]: number for number in participants}
        self._source = {source: number for number, source in enumerate(sources)}
        self._layout = layout
        self._terms = terms
        self._engine = Engine()
        self._members = [_Member(participant, number) for number, participant in participants.items()]
        self._is_member = np.zeros(len(names) + 1, dtype=np.bool_)
        self._is_member[list(participants)] = True
        self._default_source = default_source

    def begin(self, start: EpisodeStart, profiles: Mapping[str, Series]) -> None:
        """Begin the episode with all.

        Args:
            start: as each is told, but without a profile.
            profiles: participant id -> profile.

        Raises:
            StrategyError: if a strategy fails.
        """
        for member in self._members:
            with blamed(member.participant_id, f"start of episode {start.episode}"):
                own = profiles.get(member.participant_id)
                member.participant.start_episode(msgspec.structs.replace(start, profile=own))
        members, source = self._members, self._default_source
        self._rounds = LocalRounds(self._engine, self._terms, members, start.start, source)

    def turn(self, moment: Moment, cleared: Records) -> None:
        """Let all act, and note their readings.

        Args:
            moment: the round.
            cleared: contracts of the slot that was just cleared.

        Raises:
            StrategyError: if a strategy fails.
        """
        self._tell_contracts(moment.time, cleared)
        self._rounds.play(moment.time)
        for member in self._members:
            member.contracts, member.transactions = [], []
            self._note_reading(member)

    def _tell_contracts(self, time: int, cleared: Records) -> None:
        step, close_steps = self._terms.step, self._terms.close_steps
        start = time + step * (close_steps - 1)
        concerned = self._is_member[cleared["seller"]] | self._is_member[cleared["buyer"]]
        contracts: defaultdict[str, list[Contract]] = defaultdict(list)
        for place in np.flatnonzero(concerned).tolist():
            row = cleared[place]
            seller, buyer = self._names[row["seller"]], self._names[row["buyer"]]
            contract = Contract(
                f"c{start}-{place:05d}",
                start,
                start + step,
                seller,
                buyer,
                self._sources[row["source"]],
                int(row["quantity"]),
                int(row["price_sell"]),
                int(row["price_buy"]),
                f"{buyer}-{row['bid']}",
                f"{seller}-{row['ask']}",
                time + step,
            )
            contracts[seller].append(contract)
            contracts[buyer].append(contract)
        for member in self._members:
            member.contracts = contracts.get(member.participant_id, [])

    def _note_reading(self, member: _Member) -> None:
        """Put a reading into the layout."""
        reading = member.reading
        place = self._layout.participants[member.number]
        channels = self._layout.channels[place["channel"] : place["channel"] + place["channels"]]
        if reading is None:
            reading = MeterReading(0, 0, {}, {})
        if [self._source.get(source) for source in reading.generation] != channels["source"].tolist():
            raise StrategyError(
                f"{member.participant_id!r} metered {', '.join(reading.generation) or 'nothing'}; beside the arrays "
                "of the vector engine it must meter the sources of its profile and its battery, in each round"
            )
        loads = reading.consumption.get(OTHER, {})
        stored = reading.consumption.get(BATTERY, {})
        for channel, (source, energy) in zip(channels, reading.generation.items(), strict=True):
            channel["exported"] = energy
            channel["used"] = loads.get(source, 0)
            channel["stored"] = stored.get(source, 0)
        place["load_outside"] = loads.get(EXTERNAL, 0)
        place["battery_outside"] = stored.get(EXTERNAL, 0)

    # ------------------------------------------------------------ orders

    def entries(self, moment: Moment, pool_of: Numbers, checksums: NDArray[np.uint64]) -> list[Entry]:
        """Return all open orders for the next slot to be cleared.

        Args:
            moment: the round.
            pool_of: source -> pool.
            checksums: participant -> checksum, for its lot.
        """
        entries = []
        slot_start = moment.time + self._terms.step * self._terms.close_steps
        for order in self._engine.market.open_slots().get(slot_start, ()):
            owner = self._number[order.participant_id]
            source = self._number_of_source(order)
            entries.append(
                Entry(
                    order.side == "bid",
                    order.time,
                    owner,
                    0 if source == NOBODY else int(pool_of[source]),
                    order.price,
                    order.quantity,
                    int(lots.rank(slot_start, checksums[owner])),
                    _order_number(order.order_id),
                    source,
                )
            )
        return entries

    def _number_of_source(self, order: Order) -> int:
        return NOBODY if order.source is None else self._source[order.source]

    def submitted(self, moment: Moment) -> Submitted:
        """Return what became of the orders and cancellations of a round."""
        next_settle = moment.time + self._terms.step * self._terms.close_steps
        owners: list[int] = []
        orders: list[tuple[int, ...]] = []
        cancelled: list[tuple[int, int]] = []
        for member in self._members:
            for answer in member.answers:
                if isinstance(answer, OrderCancelled):
                    cancelled.append((member.number, _order_number(answer.order.order_id)))
                elif isinstance(answer, OrderAccepted):
                    order = answer.order
                    if order.requirements:
                        raise StrategyError(
                            f"an order of {member.participant_id!r} has requirements, which the vector engine does "
                            "not know; use --engine plain"
                        )
                    owners.append(member.number)
                    ahead = (order.slot_start - next_settle) // self._terms.step
                    what = (
                        int(order.side == "bid"),
                        order.quantity,
                        order.price,
                        self._number_of_source(order),
                    )
                    orders.append((*what, ahead, _order_number(order.order_id), ACCEPTED))
                elif isinstance(answer, OrderRejected):
                    owners.append(member.number)
                    number = _order_number(answer.order_id)
                    orders.append((0, 0, 0, NOBODY, 0, number, REFUSALS.index(answer.code)))
        kept = records(ORDER, len(orders))
        kept[:] = orders
        return Submitted(owners, kept, cancelled)

    # ------------------------------------------------------------ what came of it

    def hear(self, moment: Moment, rows: Records) -> None:
        """Hear what was delivered: each is told of its own transactions in the next round."""
        concerned = self._is_member[rows["seller"]] | self._is_member[rows["buyer"]]
        by_name = {member.participant_id: member.transactions for member in self._members}
        for place in np.flatnonzero(concerned).tolist():
            transaction = self._transaction(moment.time, place, rows[place])
            for name in {transaction.seller_id, transaction.buyer_id} & by_name.keys():
                by_name[name].append(transaction)

    def _transaction(self, start: int, place: int, row: Records) -> Transaction:
        step = self._terms.step
        made = start - step * (self._terms.close_steps - 2)
        return Transaction(
            f"t{start}-{place:05d}",
            KINDS[row["kind"]],
            None if row["contract"] == NOBODY else f"c{start}-{row['contract']:05d}",
            int(row["quantity"]),
            self._names[row["seller"]],
            self._names[row["buyer"]],
            self._sources[row["source"]],
            int(row["price_sell"]),
            int(row["price_buy"]),
            start,
            made if row["kind"] <= TAKE_OR_PAY else start + step,
            start + step,
        )

    def charges(self) -> tuple[list[str], Numbers]:
        """Return who has a battery, and what it holds after the current slot, in Wh."""
        charges = {
            member.participant_id: value
            for member in self._members
            for value in member.participant.metrics().values()
        }
        return list(charges), np.array(list(charges.values()))

    def end(self, episode: int) -> None:
        """End the episode with all."""
        for member in self._members:
            with blamed(member.participant_id, f"end of episode {episode}"):
                member.participant.end_episode()


class _Member:
    """A participant as its market of the minority sees it: it is told of what all traded, and overheard.

    Args:
        participant: who it is.
        number: of the participant.
    """

    def __init__(self, participant: Participant, number: int) -> None:
        self.participant = participant
        self.participant_id = participant.participant_id
        self.number = number
        self.contracts: list[Contract] = []
        self.transactions: list[Transaction] = []
        self.reading: MeterReading | None = None
        self.answers: Sequence[Event] = ()

    def turn(self, announcement: Announcement) -> Turn:
        turn = self.participant.turn(Announcement(announcement.round, self.contracts, self.transactions))
        self.reading = turn.meter
        return turn

    def answered(self, answers: Sequence[Event]) -> None:
        self.answers = answers
        self.participant.answered(answers)

    def start_episode(self, start: EpisodeStart) -> None:
        self.participant.start_episode(start)

    def end_episode(self) -> None:
        self.participant.end_episode()

    def metrics(self) -> Mapping[str, float]:
        return self.participant.metrics()


def _order_number(order_id: str) -> int:
    """Return which of its owner's orders an id of a simulation stands for."""
    return int(order_id.rpartition("-")[2])
