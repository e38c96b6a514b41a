"""The listener that turns the market's events into rows.

`hear` is synchronous and only keeps what it hears; rows are made and inserted in the background while the
market goes on. No row is lost while the database is away: rows wait in memory, the insert is tried again
ever more slowly, and above `HIGH_WATER` rows `keep_up` makes the market wait. A writer hears its run's events
from the first on. A new writer that hears the same events again changes nothing: a market that is brought
back from its journal needs no bookkeeping here.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, get_args

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from trex_market.core.errors import InputError, StorageError, unknown_name
from trex_market.core.messages import (
    Contract,
    Contracted,
    Corrected,
    Delivered,
    Event,
    MarketOpened,
    MeterAccepted,
    Order,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OrderReplaced,
    RoundStarted,
    Transaction,
)
from trex_market.storage import tables
from trex_market.storage.bulk import Batch
from trex_market.storage.database import Database
from trex_market.storage.outages import OutageError
from trex_market.storage.rows import (
    OrderStatus,
    Row,
    contract_rows,
    order_row,
    reading_row,
    rejected_row,
    transaction_rows,
)

logger = logging.getLogger(__name__)

Recorded = Literal["contracts", "transactions", "orders", "meter_readings", "metrics"]

EVERYTHING: tuple[Recorded, ...] = get_args(Recorded)

FLUSH_ROWS = 8_000
"""So many waiting rows start a background insert."""

BUSY_ROWS = 3 * FLUSH_ROWS
"""Above so many pending rows the market waits for a database that is merely slower."""

HIGH_WATER = 200_000
"""Above so many pending rows (about 100 MB) the market waits even for a database that is away."""

RETRY_FIRST, RETRY_LAST = 0.05, 5.0
"""Seconds before the first and between the last attempts of an insert that fails."""

CLOSE_PATIENCE = 30.0
"""How many seconds `close` goes on trying."""


class Writer:
    """Records one run.

    Args:
        database: open; it stays open.
        run_id: as `Database.start_run` returned it.
        market_id: the market's name.
        record: the tables to write.
        on_trouble: told once in each outage, in a sentence; by default it is logged as a warning.

    Raises:
        InputError: if `record` names a table that there is not.
    """

    def __init__(
        self,
        database: Database,
        run_id: str,
        market_id: str,
        record: Collection[Recorded] = EVERYTHING,
        on_trouble: Callable[[str], None] = logger.warning,
    ) -> None:
        for name in record:
            if name not in EVERYTHING:
                raise InputError(unknown_name("table", name, EVERYTHING))
        self._database = database
        self._run_id = run_id
        self._market_id = market_id
        self._on_trouble = on_trouble
        self._trouble = asyncio.Event()
        self._give_up_at: float | None = None
        self._records_metrics = "metrics" in record
        self._handlers = self._choose_handlers(record)
        self._step: int | None = None
        self._sequence = 0
        # Slot -> order id -> sequence, of orders whose gate is open: only they can change.
        self._open: dict[int, dict[str, int]] = {}
        self._contracts: list[Contract] = []
        self._transactions: list[Transaction] = []
        # By key, for the later of two rows with one key is the one that counts.
        self._orders: dict[int, Row] = {}
        self._readings: dict[tuple[str, int], Row] = {}
        self._metrics: dict[tuple[str, int, str], Row] = {}
        self._batches: list[Batch] = []
        self._inserting = 0
        self._task: asyncio.Task[None] | None = None

    def _choose_handlers(self, record: Collection[Recorded]) -> dict[type, Callable[[Any], None]]:
        handlers: dict[type, Callable[[Any], None]] = {}
        if "contracts" in record:
            handlers[Contracted] = self._hear_contracted
        if "transactions" in record:
            handlers[Delivered] = handlers[Corrected] = self._hear_delivered
        if "meter_readings" in record:
            handlers[MeterAccepted] = self._hear_meter
        if "orders" in record:
            handlers |= {
                MarketOpened: self._hear_opened,
                RoundStarted: self._hear_round,
                OrderAccepted: self._hear_accepted,
                OrderRejected: self._hear_rejected,
                OrderReplaced: self._hear_replaced,
                OrderCancelled: self._hear_cancelled,
            }
        return handlers

    # ------------------------------------------------------------ hearing

    def hear(self, events: Sequence[Event]) -> None:
        """Keep what is to be recorded; quick, and without I/O."""
        handlers = self._handlers
        for event in events:
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event)

    def metric(self, participant_id: str, time: int, name: str, value: float) -> None:
        """Record a figure that a participant reports.

        Args:
            time: UNIX seconds; a later value for the same time and name replaces the earlier.
            value: what is not a number is recorded as none.
        """
        if self._records_metrics:
            figure = None if math.isnan(value) else value
            self._metrics[participant_id, time, name] = (self._run_id, participant_id, time, name, figure)

    def _hear_contracted(self, event: Contracted) -> None:
        self._contracts += event.contracts

    def _hear_delivered(self, event: Delivered | Corrected) -> None:
        self._transactions += event.transactions

    def _hear_meter(self, event: MeterAccepted) -> None:
        key = (event.participant_id, event.meter.slot_start)
        self._readings[key] = reading_row(self._run_id, event.participant_id, event.meter)

    def _hear_opened(self, event: MarketOpened) -> None:
        self._step = event.terms.step

    def _hear_round(self, event: RoundStarted) -> None:
        self._step = event.step
        for slot_start in [start for start in self._open if start <= event.last_settle]:
            del self._open[slot_start]

    def _hear_accepted(self, event: OrderAccepted) -> None:
        self._sequence += 1
        order = event.order
        self._open.setdefault(order.slot_start, {})[order.order_id] = self._sequence
        self._keep_order(self._sequence, order, "accepted")

    def _hear_rejected(self, event: OrderRejected) -> None:
        self._sequence += 1
        row = rejected_row(self._run_id, self._market_id, self._sequence, event)
        self._orders[self._sequence] = row

    def _hear_replaced(self, event: OrderReplaced) -> None:
        order = event.order
        self._keep_order(self._open[order.slot_start][order.order_id], order, "replaced")

    def _hear_cancelled(self, event: OrderCancelled) -> None:
        order = event.order
        self._keep_order(self._open[order.slot_start].pop(order.order_id), order, "cancelled")

    def _keep_order(self, sequence: int, order: Order, status: OrderStatus) -> None:
        row = order_row(self._run_id, self._market_id, sequence, order, self._step, status)
        self._orders[sequence] = row

    # ------------------------------------------------------------ writing

    @property
    def pending(self) -> int:
        """How many rows are not known to be in the database yet."""
        return self._waiting + self._inserting

    @property
    def _waiting(self) -> int:
        buffers = (self._contracts, self._transactions, self._orders, self._readings, self._metrics)
        return sum([len(buffer) for buffer in buffers])

    async def keep_up(self) -> None:
        """Give the background insert a turn; to be called every round or every few.

        Starts an insert when enough rows wait. Waits for it above `BUSY_ROWS`, or while the database is
        away above `HIGH_WATER` rows.

        Raises:
            StorageError: if the database refuses rows for good.
        """
        if self._task is None and self._waiting < FLUSH_ROWS:
            return
        self._start()
        await asyncio.sleep(0)
        self._collect()
        if self.pending > BUSY_ROWS and not self._trouble.is_set():
            self._start()
            await self._wait(or_trouble=True)
        await self.drain(HIGH_WATER)

    async def drain(self, limit: int) -> None:
        """Wait until at most `limit` rows are pending.

        Raises:
            StorageError: if the database refuses rows for good, or `close` runs out of patience.
        """
        while self.pending > limit:
            self._start()
            await self._wait()

    async def flush(self) -> None:
        """Write all that was heard before the call.

        Raises:
            StorageError: as `drain`.
        """
        await self._wait()
        if self.pending:
            self._start()
            await self._wait()

    async def close(self, patience: float = CLOSE_PATIENCE) -> None:
        """Write all that was heard; nothing may be heard afterwards.

        Args:
            patience: how many seconds to go on trying if the database is away.

        Raises:
            StorageError: if rows could not be written; it says how many.
        """
        self._give_up_at = time.monotonic() + patience
        try:
            await self.drain(0)
        except StorageError as error:
            raise StorageError(f"{error} ({self.pending} rows of run {self._run_id} are lost)") from error

    def _start(self) -> None:
        """Start a background insert of all that waits, if none is under way."""
        if self._task is None:
            if not self._batches:
                self._take()
            self._task = asyncio.create_task(self._insert(), name=f"insert rows of {self._run_id}")

    async def _wait(self, *, or_trouble: bool = False) -> None:
        """Wait for the insert that is under way, if there is one; it goes on if the waiting is cancelled."""
        if self._task is not None:
            trouble = asyncio.create_task(self._trouble.wait()) if or_trouble else None
            tasks = [task for task in (self._task, trouble) if task is not None]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if trouble is not None:
                    trouble.cancel()
            self._collect()

    def _collect(self) -> None:
        """Forget an insert that is done, and raise what it raised."""
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            task.result()

    def _take(self) -> None:
        """Turn what waits into batches."""
        contracts = contract_rows(self._run_id, self._market_id, self._contracts)
        transactions = transaction_rows(self._run_id, self._transactions)
        batches = (
            Batch(tables.orders, list(self._orders.values()), replace=True),
            Batch(tables.contracts, contracts),
            Batch(tables.meter_readings, list(self._readings.values()), replace=True),
            Batch(tables.transactions, transactions),
            Batch(tables.metrics, list(self._metrics.values()), replace=True),
        )
        self._inserting = self._waiting
        self._batches = [batch for batch in batches if batch.rows]
        self._contracts, self._transactions = [], []
        self._orders, self._readings, self._metrics = {}, {}, {}

    async def _insert(self) -> None:
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(OutageError),
            wait=wait_exponential(multiplier=RETRY_FIRST, max=RETRY_LAST),
            stop=self._gives_up,
            before_sleep=self._tell_trouble,
            reraise=True,
        )
        await attempts(self._database.insert, self._batches)
        if self._trouble.is_set():
            self._trouble.clear()
            logger.info("the database %s takes rows again", self._database.name)
        self._batches, self._inserting = [], 0

    def _gives_up(self, _state: RetryCallState) -> bool:
        return self._give_up_at is not None and time.monotonic() >= self._give_up_at

    def _tell_trouble(self, state: RetryCallState) -> None:
        if self._trouble.is_set() or state.outcome is None:
            return
        self._trouble.set()
        self._on_trouble(f"{state.outcome.exception()}; {self.pending} rows wait, and it is tried again")
