"""The journal of a live market: what is acknowledged is on disk before.

Many commands share one sync (group commit), so that durability costs little.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from trex_market.core.errors import StorageError
from trex_market.core.messages import Command, EndTurn
from trex_market.journal.lines import journal_line
from trex_market.journal.reading import verify


class Journal:
    """A file to which commands are appended; `open` makes one.

    Args:
        path: the file.
        sequence: number of its last line.
        cut: bytes of a torn last line that were cut off when it was opened.
    """

    def __init__(self, path: Path, sequence: int, cut: int) -> None:
        self.path = path
        self.cut = cut
        self._sequence = sequence
        self._durable = sequence
        self._waiting: list[bytes] = []
        self._flushing: asyncio.Task[None] | None = None
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise StorageError(f"the journal {path} cannot be written: {error.strerror}") from error

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Open a journal, new or with what is there; a torn last line is cut off.

        Raises:
            ScenarioError: if it is damaged anywhere else; it says where.
            StorageError: if it cannot be written.
        """
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            return cls(path, 0, 0)
        cut = _cut_torn_line(path)
        return cls(path, verify(path), cut)

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever written to it."""
        return self._sequence == 0

    def append(self, command: Command) -> None:
        """Keep a command; it is durable after `synced`."""
        if isinstance(command, EndTurn):
            return
        self._sequence += 1
        self._waiting.append(journal_line(command, self._sequence))

    async def synced(self) -> None:
        """Wait until all that was appended is on disk.

        Raises:
            StorageError: if it cannot be written.
        """
        target = self._sequence
        while self._durable < target:
            if self._flushing is None:
                self._flushing = asyncio.create_task(self._flush())
            # The sync goes on if whoever waits for it is cancelled.
            await asyncio.shield(self._flushing)

    async def _flush(self) -> None:
        lines, self._waiting = self._waiting, []
        mark = self._sequence
        try:
            await asyncio.to_thread(self._write, b"".join(lines))
            self._durable = mark
        except OSError as error:
            raise StorageError(f"the journal {self.path} cannot be written: {error.strerror}") from error
        finally:
            self._flushing = None

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        os.fsync(self._file.fileno())

    async def close(self) -> None:
        """Write what waits, and close the file."""
        try:
            await self.synced()
        finally:
            self._file.close()


def _cut_torn_line(path: Path) -> int:
    """Cut off what follows the last end of line; return how many bytes that were."""
    with path.open("rb+") as file:
        content_end = file.seek(0, os.SEEK_END)
        keep = content_end
        chunk = 65_536
        while keep:
            start = max(0, keep - chunk)
            file.seek(start)
            found = file.read(keep - start).rfind(b"\n")
            if found >= 0:
                keep = start + found + 1
                break
            keep = start
        if keep < content_end:
            file.truncate(keep)
            file.flush()
            os.fsync(file.fileno())
        return content_end - keep
