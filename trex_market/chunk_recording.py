"""Recording of chunks: what `trex_market.recording` does with events, done with columns."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from trex_market.chunk_rows import ChunkRows
from trex_market.core.units import NANO
from trex_market.simulation.vector_chunks import FIGURES, Chunk, Sums
from trex_market.storage.rows import Row
from trex_market.storage.writer import Writer
from trex_market.totals import DAILY_ENERGY, DAILY_MONEY, local_day

_DAILY = [
    *((figure, FIGURES.index(figure), 1) for figure in DAILY_ENERGY),
    *((figure, FIGURES.index(figure), NANO) for figure in DAILY_MONEY),
]
"""The figures of a day, where they are, and what they are divided by."""

DAYS_ROWS = 50_000
"""Days are handed on together when they make so many rows."""


class LedgerChunks:
    """Keeps every row.

    Args:
        writer: writes them.
        run_id: of the run.
        market_id: the market's name.
    """

    ledger = True

    def __init__(self, writer: Writer, run_id: str, market_id: str) -> None:
        self._writer = writer
        self._run_id = run_id
        self._market_id = market_id
        self._rows: ChunkRows | None = None

    def take(self, chunk: Chunk) -> None:
        """Make the rows of a chunk."""
        if self._rows is None:
            self._rows = ChunkRows(self._run_id, self._market_id, chunk.names)
        rows, writer = self._rows, self._writer
        for columns in chunk.columns:
            writer.keep("contracts", rows.contracts(columns))
            writer.keep("orders", rows.orders(columns))
            writer.keep("meter_readings", rows.readings(columns))
            writer.keep("transactions", rows.transactions(columns))
            writer.keep("metrics", rows.metrics(columns))

    async def keep_up(self) -> None:
        """Write what has come; waits only if too much is waiting."""
        await self._writer.keep_up()

    def finish(self) -> None:
        """Keep orders that are still open."""
        if self._rows is not None:
            self._writer.keep("orders", self._rows.open_orders())


class DailyChunks:
    """Adds up each participant's day and keeps it as metrics; no chunk may go beyond the end of a day.

    Args:
        writer: keeps the metrics.
        run_id: of the run.
        timezone: whose days count.
    """

    ledger = False

    def __init__(self, writer: Writer, run_id: str, timezone: str) -> None:
        self._writer = writer
        self._run_id = run_id
        self._zone = ZoneInfo(timezone)
        self._sums: Sums | None = None
        self._day_start = self._day_end = 0
        self._rows: list[Row] = []

    def take(self, chunk: Chunk) -> None:
        """Add a chunk to the day that it belongs to."""
        if chunk.start >= self._day_end:
            self._end_day()
            self._day_start, self._day_end = local_day(chunk.start, self._zone)
        if self._sums is None:
            self._sums = Sums(chunk.names)
        self._sums.add(chunk)

    async def keep_up(self) -> None:
        """Write what has come; waits only if too much is waiting."""
        await self._writer.keep_up()

    def finish(self) -> None:
        """Keep what was added up."""
        self._end_day()
        self._hand_on()

    def _end_day(self) -> None:
        if self._sums is None:
            return
        for name, sums in zip(self._sums.names.participants, self._sums.parties.tolist(), strict=True):
            who = (self._run_id, name, self._day_start)
            self._rows += [(*who, figure, sums[place] / scale) for figure, place, scale in _DAILY]
        self._sums = None
        if len(self._rows) >= DAYS_ROWS:
            self._hand_on()

    def _hand_on(self) -> None:
        # In the order of the table's key: each page of the index is written once for all these days.
        self._writer.keep("metrics", sorted(self._rows))
        self._rows = []
