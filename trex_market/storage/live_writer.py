"""The listener that records a market on the wall clock, which never waits for its database.

Rows go through a queue: the oldest, which are being inserted, are in memory; those behind them are in a file
(`backlog`) when there are many; the newest are in memory. So a database may be slow, or away for a week, or
away already when the market starts: rounds go on, memory stays flat, and the rows follow in their order when it
is back. What it refuses is tried again too, for a password or a right can be mended while the market runs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from trex_market.core.errors import InputError, StorageError
from trex_market.core.messages import Event
from trex_market.storage.backlog import Backlog
from trex_market.storage.bulk import Batch
from trex_market.storage.collecting import EVERYTHING, Recorded, RowCollector, WriterState
from trex_market.storage.database import Database
from trex_market.storage.outages import OutageError
from trex_market.storage.rows import RunRecord

logger = logging.getLogger(__name__)

FRAME_ROWS = 5_000
"""So many rows are inserted at once, and above so many they do not stay in memory."""

LAST_RESORT_ROWS = 200_000
"""So many rows (about 100 MB) may be in memory if they cannot go to disk either."""

RETRY_FIRST, RETRY_LAST = 0.05, 5.0
"""Seconds before the first and between the last attempts of what fails."""

CLOSE_PATIENCE = 5.0
"""How many seconds `close` waits for the database; what is left is kept on disk."""


class LiveWriter(RowCollector):
    """Records one run in a database that may be away.

    Args:
        address: of the database, see `Database.open`.
        run: begun in the database when it is there, or gone on with.
        backlog: file for the rows that have to wait.
        on_trouble: told in a sentence when rows begin to wait and when they do not have to any more.
        record: the tables to write.
    """

    def __init__(
        self,
        address: str,
        run: RunRecord,
        backlog: Path,
        on_trouble: Callable[[str], None] = logger.warning,
        record: Collection[Recorded] = EVERYTHING,
    ) -> None:
        super().__init__(run.id, run.market_id, record)
        self._address = address
        self._run = run
        self._tell = on_trouble
        self.trouble: str | None = None
        """Why the database takes no rows at the moment, in a sentence."""
        self._database: Database | None = None
        self._lacks_past = False
        try:
            self._backlog = Backlog(backlog, on_trouble)
        except OSError as error:
            raise StorageError(f"{backlog} cannot be used: {error.strerror or error}") from error
        self._before = self._backlog.rows
        self._is_resumed = False
        # What is being inserted; it is the backlog's first frame unless the backlog is empty.
        self._head: list[Batch] = []
        self._head_on_disk = False
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the database and begin the run, or go on with it; if it is away, that is done later.

        Raises:
            InputError: if the address is none.
            StorageError: if the database is there, and cannot be used as it is.
        """
        try:
            await self._connect()
        except OutageError as error:
            self._note_trouble(error)
        if self._before:
            self._tell(f"{self._before} rows of before wait in {self._backlog.path}; they come first")
        self._task = asyncio.create_task(self._work(), name=f"insert rows of {self._run_id}")
        self._news.set()

    async def _connect(self) -> None:
        database = await Database.open(self._address)
        try:
            is_new = await database.begin_run(self._run)
        except BaseException:
            await database.close()
            raise
        self._database = database
        self._lacks_past = is_new and not self._before
        self._tell_what_is_missing()

    def resume(self, state: WriterState) -> None:
        """Go on from a state; the next event to be heard is the first that came after it."""
        super().resume(state)
        self._is_resumed = True
        self._tell_what_is_missing()

    def _tell_what_is_missing(self) -> None:
        if self._lacks_past and self._is_resumed:
            self._tell(
                f"the database had nothing of run {self._run_id}; it gets what happened from now on. To have all "
                "in it, stop the market, remove its snapshot, and start it again"
            )

    # ------------------------------------------------------------ hearing

    def hear(self, events: Sequence[Event]) -> None:
        """Keep what is to be recorded; quick, and without I/O."""
        super().hear(events)
        self._idle.clear()
        self._news.set()

    @property
    def pending(self) -> int:
        """How many rows are not known to be in the database yet."""
        in_memory = 0 if self._head_on_disk else sum(len(batch.rows) for batch in self._head)
        return self._waiting + in_memory + self._backlog.rows

    @property
    def on_disk(self) -> int:
        """How many of them are in the backlog."""
        return self._backlog.rows

    async def keep_up(self) -> None:
        """See that memory stays flat; to be called whenever much was heard. Never waits for the database.

        Raises:
            StorageError: if neither database nor disk take rows, and the memory is full.
        """
        if self._task is not None and self._task.done():
            self._task.result()
        if self._waiting > FRAME_ROWS and not self._spill() and self._waiting > LAST_RESORT_ROWS:
            raise StorageError(
                f"neither the database nor {self._backlog.path} takes rows, and {self._waiting} are in memory; "
                "the journal has what they were made of"
            )
        await asyncio.sleep(0)

    async def flush(self) -> None:
        """See that what was heard would survive a crash: in the database, or on disk.

        Raises:
            StorageError: if it would not.
        """
        if self.pending > self.on_disk and not self._spill():
            raise StorageError(f"{self._backlog.path} cannot be written")
        if self.on_disk:
            try:
                await asyncio.to_thread(self._backlog.sync)
            except OSError as error:
                raise StorageError(f"{self._backlog.path} cannot be written: {error.strerror}") from error

    async def close(self, patience: float = CLOSE_PATIENCE) -> None:
        """Write what was heard, to disk if the database is away; nothing may be heard afterwards.

        Args:
            patience: how many seconds to wait for a database that seemed to be there.
        """
        if self.trouble is None and self.pending and self._task is not None and not self._task.done():
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._idle.wait()
        try:
            await self._stop()
        finally:
            self._backlog.close()
            if self._database is not None:
                await self._database.close()

    async def _stop(self) -> None:
        fault: BaseException | None = None
        if self._task is not None:
            self._task.cancel()
            (fault,) = await asyncio.gather(self._task, return_exceptions=True)
        if self.pending:
            await self.flush()
            self._tell(f"{self.pending} rows wait in {self._backlog.path} for the next start of this market")
        elif self._database is not None and self.trouble is None:
            try:
                await self._database.finish_run(self._run_id, "interrupted", int(time.time()))
            except StorageError as error:
                self._tell(str(error))
        if isinstance(fault, Exception):
            raise fault

    # ------------------------------------------------------------ writing

    async def _work(self) -> None:
        """Insert rows as they come, for ever."""
        if self._database is None:
            await self._retried(self._connect)
        while True:
            await self._news.wait()
            self._news.clear()
            while self.pending:
                await self._retried(self._insert_oldest)
            self._idle.set()

    async def _insert_oldest(self) -> None:
        assert self._database is not None
        try:
            if not self._head:
                self._load()
            await self._database.insert(self._head)
            if self._head_on_disk:
                self._backlog.remove_first()
        except OSError as error:
            raise StorageError(f"{self._backlog.path} cannot be used: {error.strerror or error}") from error
        self._head, self._head_on_disk = [], False

    def _load(self) -> None:
        """Take the oldest rows."""
        if self._waiting > FRAME_ROWS and not self._backlog.rows:
            self._spill()
        if not self._backlog.rows:
            self._head, self._head_on_disk = self._take(), False
        else:
            self._head = self._backlog.first()
            self._head_on_disk = bool(self._head)

    def _spill(self) -> bool:
        """Put all rows in memory at the end of the backlog; say whether it worked."""
        frames = [] if self._head_on_disk or not self._head else [self._head]
        frames += _frames(self._batches())
        try:
            self._backlog.append(frames)
        except OSError as error:
            logger.warning("%s cannot be written: %s", self._backlog.path, error)
            return False
        self._forget()
        self._head_on_disk = bool(self._head)
        return True

    async def _retried(self, action: Callable[[], Awaitable[None]]) -> None:
        attempts = AsyncRetrying(
            retry=retry_if_exception_type((StorageError, InputError)),  # a certificate's file may be gone
            wait=wait_exponential(multiplier=RETRY_FIRST, max=RETRY_LAST),
            before_sleep=self._failed,
        )
        await attempts(action)
        if self.trouble is not None:
            self.trouble = None
            self._tell(f"the database takes rows again; {self.pending} wait")

    def _failed(self, state: RetryCallState) -> None:
        error = None if state.outcome is None else state.outcome.exception()
        assert error is not None
        self._note_trouble(error)

    def _note_trouble(self, error: BaseException) -> None:
        if self.trouble is None:
            self._tell(f"{error}; rows wait, and it is tried again")
        self.trouble = str(error)


def _frames(batches: Sequence[Batch]) -> list[list[Batch]]:
    """Divide rows into frames that are not too large, each with one batch for a table."""
    if sum(len(batch.rows) for batch in batches) <= FRAME_ROWS:
        return [list(batches)] if batches else []
    return [
        [Batch(batch.table, batch.rows[place : place + FRAME_ROWS], batch.replace)]
        for batch in batches
        for place in range(0, len(batch.rows), FRAME_ROWS)
    ]
