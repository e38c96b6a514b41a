"""What a server still does before it closes: it answers what it has taken."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from trex_market.core.errors import ProtocolError, RefusalCode


class Underway:
    """Counts requests that are being answered, and takes no new ones once it is closed."""

    def __init__(self) -> None:
        self._count = 0
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count a request for as long as the context lasts.

        Raises:
            ProtocolError: wrong_phase, if none is taken any more.
        """
        if self._closed:
            raise ProtocolError(RefusalCode.WRONG_PHASE, "the market is stopping")
        self._count += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()

    async def close(self) -> None:
        """Take no more requests, and wait until those that were taken are answered."""
        self._closed = True
        await self._idle.wait()
