"""Connections: where they come from, and how much those may ask for who have not joined."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.throttle import Bucket, Rate, Recent, network_of

JOIN_WITHIN_S = 60.0
"""A connection that has not joined by then is ended, in seconds."""

KNOCKS = Rate(per_second=50.0, burst=2_000)
"""Requests of all that have not joined, from one address; a whole neighbourhood may come at once from one machine."""


class Lobby:
    """Keeps connections until they join.

    Args:
        hang_up: ends a connection.
    """

    def __init__(self, hang_up: Callable[[str], Awaitable[None]]) -> None:
        self._hang_up = hang_up
        self._addresses: dict[str, str] = {}
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._knocks: Recent[Bucket] = Recent(lambda: Bucket(KNOCKS))

    def enter(self, sid: str, address: str) -> None:
        """Take in a new connection.

        Args:
            sid: its id.
            address: where it comes from.
        """
        self._addresses[sid] = address
        self._waiting[sid] = asyncio.get_running_loop().call_later(JOIN_WITHIN_S, self._end, sid)

    def address(self, sid: str) -> str:
        """Return where a connection comes from."""
        return self._addresses.get(sid, "")

    def knock(self, sid: str) -> None:
        """Count a request of a connection that has not joined.

        Raises:
            ProtocolError: rate_limited.
        """
        if not self._knocks.of(network_of(self.address(sid))).take():
            detail = f"more than {KNOCKS.per_second:g} requests a second before joining"
            raise ProtocolError(RefusalCode.RATE_LIMITED, detail)

    def joined(self, sid: str) -> None:
        """Let a connection stay."""
        waiting = self._waiting.pop(sid, None)
        if waiting is not None:
            waiting.cancel()

    def leave(self, sid: str) -> None:
        """Forget a connection that has ended."""
        self.joined(sid)
        self._addresses.pop(sid, None)

    def _end(self, sid: str) -> None:
        self._waiting.pop(sid, None)
        task = asyncio.ensure_future(self._hang_up(sid))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def close(self) -> None:
        """Wait for nobody any more."""
        for waiting in self._waiting.values():
            waiting.cancel()
        self._waiting.clear()
