"""Waiting for something to become true of what messages change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Changes:
    """Wakes those who wait whenever something has changed."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def tell(self) -> None:
        """Say that something has changed."""
        self._next.set()
        self._next = asyncio.Event()

    async def until(self, is_so: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something is so, and return whether it came to that.

        Args:
            is_so: looked at now and after every change.
            timeout_s: waited no longer.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not is_so():
                    await self._next.wait()
        except TimeoutError:
            return False
        return True
