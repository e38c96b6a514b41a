"""The journal of a live market: what is acknowledged is on disk before.

Many commands share one sync (group commit), so that durability costs little.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from zlib import crc32

from trex_market.core.errors import StorageError
from trex_market.core.messages import Command, EndTurn
from trex_market.journal.lines import Position, journal_line
from trex_market.journal.reading import BEGINNING, PIECE_BYTES, verify


class Journal:
    """A file to which commands are appended; `open` makes one.

    Args:
        path: the file.
        position: its end.
        cut: bytes of a torn last line that were cut off when it was opened.
    """

    def __init__(self, path: Path, position: Position, cut: int) -> None:
        self.path = path
        self.cut = cut
        self.position = position
        """The end of what was appended; what is durable may end before."""
        self.trouble: str | None = None
        """Why it cannot be written any more; then nothing is durable but what was before."""
        self.on_sync: Callable[[float], None] = lambda _seconds: None
        """Is told how long each sync took."""
        self._durable = position.sequence
        self._waiting: list[bytes] = []
        self._flushing: asyncio.Task[None] | None = None
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise StorageError(f"the journal {path} cannot be written: {error.strerror}") from error

    @classmethod
    def open(cls, path: Path, since: Position = BEGINNING) -> Journal:
        """Open a journal, new or with what is there; a torn last line is cut off.

        Args:
            path: the file.
            since: a place that `leads_to` has checked; lines are looked at from there on.

        Raises:
            ScenarioError: if it is damaged anywhere else; it says where.
            StorageError: if it cannot be written.
        """
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            return cls(path, BEGINNING, 0)
        cut = _cut_torn_line(path)
        sequence = since.sequence + verify(path, since)
        return cls(path, Position(sequence, *_checksum(path, since)), cut)

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever written to it."""
        return self.position.sequence == 0

    def append(self, command: Command) -> None:
        """Keep a command; it is durable after `synced`."""
        if isinstance(command, EndTurn):
            return
        line = journal_line(command, self.position.sequence + 1)
        self.position = self.position.after(line)
        self._waiting.append(line)

    async def synced(self) -> None:
        """Wait until all that was appended is on disk.

        Raises:
            StorageError: if it cannot be written.
        """
        target = self.position.sequence
        while self._durable < target:
            if self.trouble is not None:
                raise StorageError(self.trouble)
            if self._flushing is None:
                self._flushing = asyncio.create_task(self._flush())
            # The sync goes on if whoever waits for it is cancelled.
            await asyncio.shield(self._flushing)

    async def _flush(self) -> None:
        lines, self._waiting = self._waiting, []
        mark = self.position.sequence
        began = monotonic()
        try:
            await asyncio.to_thread(self._write, b"".join(lines))
            self._durable = mark
            self.on_sync(monotonic() - began)
        except OSError as error:
            self.trouble = f"the journal {self.path} cannot be written: {error.strerror}"
            raise StorageError(self.trouble) from error
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


def _checksum(path: Path, since: Position) -> tuple[int, int]:
    """Return length and checksum of a file of which the beginning is known."""
    offset, checksum = since.offset, since.checksum
    with path.open("rb") as file:
        file.seek(offset)
        while piece := file.read(PIECE_BYTES):
            offset += len(piece)
            checksum = crc32(piece, checksum)
    return offset, checksum


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
