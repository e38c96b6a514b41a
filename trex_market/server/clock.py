"""The wall clock: seconds since 1970, waiting, and jumps."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

LONGEST_SLEEP_S = 1.0


class Clock(Protocol):
    """What a market on the wall clock asks the time."""

    def now(self) -> float:
        """Return the time, UNIX seconds."""

    async def sleep_until(self, moment: float) -> None:
        """Wait until a moment, UNIX seconds."""

    def jump(self) -> float:
        """Return by how many seconds the clock has jumped (or the machine slept) since the last time."""


class WallClock:
    """The machine's clock."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the time, UNIX seconds."""
        return time.time()

    async def sleep_until(self, moment: float) -> None:
        """Wait until a moment, UNIX seconds; in short parts, so that a clock that is set takes effect."""
        while (rest := moment - time.time()) > 0:  # noqa: ASYNC110 - there is no event: time goes by
            await asyncio.sleep(min(rest, LONGEST_SLEEP_S))

    def jump(self) -> float:
        """Return by how many seconds the clock has jumped since the last time.

        A machine that slept counts as well where its monotonic clock stands still in the meantime.
        """
        offset = time.time() - time.monotonic()
        jumped, self._offset = offset - self._offset, offset
        return jumped
