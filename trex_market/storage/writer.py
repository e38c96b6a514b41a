"""The listener that turns a simulation's events into rows, and makes it wait for them if it must.

Rows are made and inserted in the background while the market goes on. No row is lost while the database is
away: rows wait in memory, the insert is tried again ever more slowly, and above `HIGH_WATER` rows `keep_up`
makes the market wait. A market on the wall clock cannot wait: see `live_writer`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from trex_market.core.errors import StorageError
from trex_market.storage.bulk import Batch
from trex_market.storage.collecting import EVERYTHING, Recorded, RowCollector
from trex_market.storage.database import Database
from trex_market.storage.outages import OutageError

logger = logging.getLogger(__name__)

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


class Writer(RowCollector):
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
        super().__init__(run_id, market_id, record)
        self._database = database
        self._on_trouble = on_trouble
        self._trouble = asyncio.Event()
        self._give_up_at: float | None = None
        self._under_way: list[Batch] = []
        self._inserting = 0
        self._task: asyncio.Task[None] | None = None

    # ------------------------------------------------------------ writing

    @property
    def pending(self) -> int:
        """How many rows are not known to be in the database yet."""
        return self._waiting + self._inserting

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
            if not self._under_way:
                self._inserting, self._under_way = self._waiting, self._take()
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

    async def _insert(self) -> None:
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(OutageError),
            wait=wait_exponential(multiplier=RETRY_FIRST, max=RETRY_LAST),
            stop=self._gives_up,
            before_sleep=self._tell_trouble,
            reraise=True,
        )
        await attempts(self._database.insert, self._under_way)
        if self._trouble.is_set():
            self._trouble.clear()
            logger.info("the database %s takes rows again", self._database.name)
        self._under_way, self._inserting = [], 0

    def _gives_up(self, _state: RetryCallState) -> bool:
        return self._give_up_at is not None and time.monotonic() >= self._give_up_at

    def _tell_trouble(self, state: RetryCallState) -> None:
        if self._trouble.is_set() or state.outcome is None:
            return
        self._trouble.set()
        self._on_trouble(f"{state.outcome.exception()}; {self.pending} rows wait, and it is tried again")
