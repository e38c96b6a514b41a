"""Rows that wait on disk for a database that is away: first in, first out.

A file of frames, and before each how many bytes and rows it has, and its checksum. The file is emptied when
its last row is in the database. How far it was read is kept nowhere: rows have keys, so that those of a file
that was left behind may all be written again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from struct import Struct
from typing import BinaryIO
from zlib import crc32

import msgspec

from trex_market.storage.bulk import Batch
from trex_market.storage.rows import Row
from trex_market.storage.tables import metadata

HEADER = Struct(">III")
"""Of a frame: its bytes, its rows, their CRC-32."""


class _Part(msgspec.Struct, array_like=True):
    """A batch, as it is written."""

    table: str
    replace: bool
    rows: Sequence[Row]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_Part]).decode


class Backlog:
    """A queue of rows in a file, which is there only while there are any.

    Args:
        path: the file; what another backlog left in it comes first.
        tell: is told in a sentence if the file is damaged.

    Raises:
        OSError: if the file is there and cannot be used.
    """

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        self.path = path
        self.rows = 0
        """How many there are."""
        self._tell = tell
        self._file: BinaryIO | None = None
        self._begin = self._end = 0
        if path.exists():
            self._file = path.open("r+b", buffering=0)
            self._find_end(self._file)

    def append(self, frames: Sequence[Sequence[Batch]]) -> None:
        """Put rows at the end; each frame comes back as a whole.

        Raises:
            OSError: if they cannot be written; the file is as it was.
        """
        if self._file is None:
            self._file = self.path.open("x+b", buffering=0)
            _sync_folder(self.path.parent)
        rows, end = self.rows, self._end
        try:
            self._file.seek(end)
            for batches in frames:
                data = _encode([_Part(str(batch.table.name), batch.replace, batch.rows) for batch in batches])
                count = sum(len(batch.rows) for batch in batches)
                frame = HEADER.pack(len(data), count, crc32(data)) + data
                _write(self._file, frame)
                rows, end = rows + count, end + len(frame)
        except OSError:
            self._file.truncate(self._end)
            raise
        self.rows, self._end = rows, end

    def first(self) -> list[Batch]:
        """Return the first frame; none if there is none, or none that can be read.

        Raises:
            OSError: if the disk does not give it.
        """
        if self._file is None or self._begin == self._end:
            return []
        length, _, checksum = self._header(self._file, self._begin)
        data = _read(self._file, length)
        if crc32(data) != checksum:
            self._tell(
                f"{self.path} is damaged: {self.rows} rows from byte {self._begin} on cannot be read; "
                "a replay of the whole journal makes them again"
            )
            self._empty()
            return []
        return [Batch(metadata.tables[part.table], part.rows, part.replace) for part in _decode(data)]

    def remove_first(self) -> None:
        """Remove the first frame, whether or not it was looked at.

        Raises:
            OSError: if the disk does not say how long it is.
        """
        assert self._file is not None
        length, rows, _ = self._header(self._file, self._begin)
        self._begin, self.rows = self._begin + HEADER.size + length, self.rows - rows
        if self._begin == self._end:
            self._empty()

    def sync(self) -> None:
        """Wait until all that was appended would survive a loss of power.

        Raises:
            OSError: if it would not.
        """
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; one without rows is removed."""
        if self._file is not None:
            self._file.close()
            if not self.rows:
                self.path.unlink()

    def _empty(self) -> None:
        assert self._file is not None
        self._file.truncate(0)
        self._begin = self._end = self.rows = 0

    @staticmethod
    def _header(file: BinaryIO, place: int) -> tuple[int, int, int]:
        """Read how many bytes and rows the frame at a place has, and its checksum."""
        file.seek(place)
        length, rows, checksum = HEADER.unpack(_read(file, HEADER.size))
        return length, rows, checksum

    def _find_end(self, file: BinaryIO) -> None:
        """Go from frame to frame, and cut off one that was not finished."""
        size = file.seek(0, os.SEEK_END)
        while self._end + HEADER.size <= size:
            length, count, _ = self._header(file, self._end)
            end = self._end + HEADER.size + length
            if not length or end > size:  # after a loss of power there may be zeros
                break
            self._end, self.rows = end, self.rows + count
        file.truncate(self._end)


def _write(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _read(file: BinaryIO, size: int) -> bytes:
    """Read so many bytes, or up to the end."""
    data = b""
    while len(data) < size and (piece := file.read(size - len(data))):
        data += piece
    return data


def _sync_folder(path: Path) -> None:
    """Let a new file's name survive a loss of power."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
