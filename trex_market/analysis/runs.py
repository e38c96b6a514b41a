"""One way to read a run, wherever it was recorded: slot by slot, or as frames.

`RunSource` is what reports and comparisons ask of a recording. `DatabaseRun`
reads the tables of `trex_market.storage`; a recording in other files is another
class with the same methods.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

from trex_market.analysis.building import FrameBuilder
from trex_market.analysis.congestion import Feeders
from trex_market.analysis.days import daily_frames
from trex_market.analysis.frames import RunFrames
from trex_market.analysis.responses import Responses, responses
from trex_market.analysis.slots import SlotRecords, prices_of
from trex_market.analysis.terms import frame_terms, opened_with
from trex_market.core.messages import GRID, OpenMarket
from trex_market.core.tariff import GridPrices
from trex_market.core.units import price_from_dollars
from trex_market.programmes.flexibility.commands import FEEDER_METRICS
from trex_market.storage import daily, demand_response, reader, streams
from trex_market.storage.database import Database
from trex_market.storage.ledger import totals_by_participant
from trex_market.storage.rows import RunRecord
from trex_market.totals import Totals

Level = Literal["full", "participant", "none"]

CHARGE = "state_of_charge"
"""The metric of a battery's charge, in Wh."""

Charges = Mapping[str, list[tuple[int, float]]]
"""Participant id -> (time, Wh)."""


class RunSource(Protocol):
    """A recorded run.

    Args:
        record: what is known of it.
        opened: the command that opened its market; None if that is not known.
        timezone: the study's.
        level: how much of it was recorded.
        first: its first slot; None if there is nothing.
    """

    record: RunRecord
    opened: OpenMarket | None
    timezone: str
    level: Level
    first: int | None

    def slots(self) -> AsyncGenerator[SlotRecords, None]:
        """Yield the slots that were delivered, in order."""

    async def bills(self) -> dict[str, int]:
        """Return participant id -> bill, in nano-dollars."""

    async def orders(self) -> int:
        """Return how many orders stood when their gate closed."""

    async def charges(self, most: int) -> tuple[Charges, int]:
        """Return the charge of at most so many batteries over time, and how many batteries there are."""

    async def feeders(self) -> Feeders:
        """Return what was recorded of congestion points; nothing if flexibility was not traded."""

    async def responses(self) -> Responses | None:
        """Return what was recorded of demand response; None if there was no event."""

    async def days(self, baseline: Mapping[str, int] | None) -> RunFrames:
        """Return the frames of a run that was recorded by day; see `days.daily_frames`."""


class Listener(Protocol):
    """Is told of slots."""

    def hear(self, slot: SlotRecords) -> None:
        """Take in a slot; slots come in order."""


class ReadRun(msgspec.Struct, frozen=True):
    """A run that was read to its end.

    Args:
        frames: its figures.
        totals: the same as sums; None if it was recorded by day.
    """

    frames: RunFrames
    totals: Totals | None


async def read_run(
    source: RunSource, baseline: Mapping[str, int] | None = None, listeners: Iterable[Listener] = ()
) -> ReadRun:
    """Read a run into frames.

    Args:
        source: the run.
        baseline: participant id -> bill in the baseline simulation, nano-dollars; None if there was none.
        listeners: are told of its slots, too.

    Raises:
        StorageError: if it cannot be read.
    """
    if source.level == "participant":
        return ReadRun(await source.days(baseline), None)
    builder = FrameBuilder(frame_terms(source.opened))
    hearing = [builder, *listeners]
    async with aclosing(source.slots()) as slots:
        async for slot in slots:
            for listener in hearing:
                listener.hear(slot)
    return ReadRun(builder.frames(baseline), builder.totals)


class DatabaseRun:
    """A run in a database; `open` makes one.

    Args:
        database: where it is.
        record: the run's.
        level: how much of it was recorded.
        first: its first slot.
        last: its last slot that was delivered.
        timezone: where its record says nothing.
    """

    def __init__(
        self,
        database: Database,
        record: RunRecord,
        level: Level,
        first: int | None,
        last: int | None,
        timezone: str,
    ) -> None:
        self._database = database
        self.record = record
        self.level = level
        self.first = first
        self._last = last
        self.opened = opened_with(record)
        self.timezone = timezone if self.opened is None else self.opened.timezone

    @classmethod
    async def open(cls, database: Database, record: RunRecord, timezone: str = "UTC") -> DatabaseRun:
        """Find out what was recorded of a run.

        Args:
            database: where it is.
            record: the run's.
            timezone: where the record says nothing.

        Raises:
            StorageError: if the database cannot be read.
        """
        level: Level = "none"
        first: int | None = None
        last: int | None = None
        extent = await streams.delivered(database, record.id)
        if extent is not None:
            level, (first, last) = "full", extent
        elif await daily.has_days(database, record.id):
            level, first = "participant", await daily.first_day(database, record.id)
        return cls(database, record, level, first, last, timezone)

    async def slots(self) -> AsyncGenerator[SlotRecords, None]:
        """Yield the slots that were delivered, in order."""
        if self._last is None:
            return
        prices = await self._prices()
        name, database = self.record.id, self._database
        orders = _Groups(streams.standing_orders(database, name))
        contracts = _Groups(streams.contracts(database, name))
        readings = _Groups(streams.readings(database, name))
        transactions = _Groups(streams.transactions(database, name))
        groups: tuple[_Groups[Any], ...] = (orders, contracts, readings, transactions)
        quiet = iter(sorted(start for start in prices if start <= self._last))
        priced = next(quiet, None)
        try:
            for group in groups:
                await group.advance()
            while True:
                heads = [group.start for group in groups if group.start is not None]
                start = min(heads if priced is None else [*heads, priced], default=None)
                if start is None or start > self._last:
                    return
                taken = [await group.take(start) for group in groups]
                if priced == start:
                    priced = next(quiet, None)
                yield SlotRecords(
                    start,
                    tuple(taken[0]),
                    tuple(taken[1]),
                    dict(taken[2]),
                    tuple(taken[3]),
                    prices.get(start) or prices_of(taken[3]),
                )
        finally:
            for group in groups:
                await group.close()

    async def _prices(self) -> dict[int, GridPrices]:
        """Return the grid's prices by slot, as they were recorded."""
        found: dict[int, dict[str, int]] = {}
        for metric in await reader.metrics(self._database, self.record.id, GRID):
            if metric.value is not None:
                found.setdefault(metric.time, {})[metric.name] = price_from_dollars(metric.value)
        return {
            time: GridPrices(prices["sell_price"], prices["buy_price"])
            for time, prices in found.items()
            if {"sell_price", "buy_price"} <= prices.keys()
        }

    async def bills(self) -> dict[str, int]:
        """Return participant id -> bill, in nano-dollars."""
        if self.level == "participant":
            sums = await daily.by_participant(self._database, self.record.id)
            return daily.bills(sums)
        bills: dict[str, int] = {}
        for total in await totals_by_participant(self._database, self.record.id):
            if total.participant_id != GRID:
                name = total.participant_id
                bills[name] = bills.get(name, 0) + total.paid - total.received
        return bills

    async def orders(self) -> int:
        """Return how many orders stood when their gate closed."""
        return await streams.count_orders(self._database, self.record.id)

    async def charges(self, most: int) -> tuple[Charges, int]:
        """Return the charge of at most so many batteries over time, and how many batteries there are."""
        names = await streams.metric_names(self._database, self.record.id)
        owners = [participant_id for participant_id, name in names if name == CHARGE]
        charges: dict[str, list[tuple[int, float]]] = {}
        for owner in owners[:most]:
            charges[owner] = [
                (metric.time, metric.value)
                for metric in await reader.metrics(self._database, self.record.id, owner)
                if metric.name == CHARGE and metric.value is not None
            ]
        return charges, len(owners)

    async def feeders(self) -> Feeders:
        """Return what was recorded of congestion points; nothing if flexibility was not traded."""
        names = await streams.metric_names(self._database, self.record.id)
        feeders: dict[str, dict[int, dict[str, float]]] = {}
        for address in dict.fromkeys(owner for owner, name in names if name in FEEDER_METRICS):
            slots = feeders.setdefault(address, {})
            for metric in await reader.metrics(self._database, self.record.id, address):
                if metric.value is not None:
                    slots.setdefault(metric.time, {})[metric.name] = metric.value
        return feeders

    async def responses(self) -> Responses | None:
        """Return what was recorded of demand response; None if there was no event."""
        events = await demand_response.events_of(self._database, self.record.id)
        if not events:
            return None
        return responses(events, await demand_response.invitations_of(self._database, self.record.id))

    async def days(self, baseline: Mapping[str, int] | None) -> RunFrames:
        """Return the frames of a run that was recorded by day."""
        name = self.record.id
        parties = await daily.by_participant(self._database, name)
        return daily_frames(parties, await daily.by_day(self._database, name), baseline)


Record = TypeVar("Record")


class _Groups(Generic[Record]):
    """A stream of slots' records, of which the next one can be looked at."""

    def __init__(self, groups: streams.Groups[Record]) -> None:
        self._groups = groups
        self._records: list[Record] = []
        self.start: int | None = None
        """The next slot; None at the end, and before the first `advance`."""

    async def advance(self) -> None:
        """Go on to the next slot."""
        try:  # not `anext(..., default)`, which CPython 3.11 may end with a SystemError
            self.start, self._records = await anext(self._groups)
        except StopAsyncIteration:
            self.start, self._records = None, []

    async def take(self, start: int) -> list[Record]:
        """Return the records of a slot, none if the next one is later."""
        if self.start != start:
            return []
        records = self._records
        await self.advance()
        return records

    async def close(self) -> None:
        """Let go of the database."""
        await self._groups.aclose()
