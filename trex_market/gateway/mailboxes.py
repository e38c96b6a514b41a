"""Messages for aggregators and assets: sent if they are there, kept for a while if they are not."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

logger = logging.getLogger(__name__)

KEPT = 256
"""Messages that wait for somebody who is not there."""

BEHIND = 1_024
"""Messages that a connection may be behind; then it is ended."""

LARGEST = 1 << 20
"""Agents refuse messages of more bytes."""


class Line(Protocol):
    """A connection: takes messages, one after the other, without waiting."""

    def push(self, message: bytes) -> None:
        """Send a message as soon as what came before is sent."""


class Outgoing:
    """What a connection has yet to send.

    Args:
        give_up: ends the connection if it is too far behind.
    """

    def __init__(self, give_up: Callable[[], None]) -> None:
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._give_up = give_up

    def push(self, message: bytes) -> None:
        """Send a message as soon as what came before is sent."""
        if self._queue.qsize() >= BEHIND:
            self._give_up()
            return
        self._queue.put_nowait(message)

    async def next(self) -> bytes:
        """Wait for the next message to be sent."""
        return await self._queue.get()

    def sent(self) -> None:
        """Say that the last one was sent."""
        self._queue.task_done()

    async def flushed(self) -> None:
        """Wait until all was sent."""
        await self._queue.join()


class Mailboxes:
    """A mailbox for each aggregator and asset, by UUID."""

    def __init__(self) -> None:
        self._lines: dict[str, list[Line]] = {}
        self._waiting: dict[str, deque[bytes]] = {}
        self.changed: Callable[[], None] = lambda: None
        """Is told when somebody comes or goes."""

    def is_there(self, uuid: str) -> bool:
        """Say whether somebody listens."""
        return uuid in self._lines

    @property
    def present(self) -> frozenset[str]:
        """UUIDs of all who listen."""
        return frozenset(self._lines)

    def post(self, uuid: str, message: Mapping[str, Any], *, keep: bool = True) -> None:
        """Send a message to all who listen.

        Args:
            uuid: of whom.
            message: the message.
            keep: whether it waits for somebody to come, if nobody is there.
        """
        body = msgspec.json.encode(message)
        if len(body) > LARGEST:
            what = message.get("event") or message.get("command")
            logger.warning(
                "%s of %d bytes is more than the SDK takes; let %s have fewer assets", what, len(body), uuid
            )
            return
        lines = self._lines.get(uuid)
        if lines:
            for line in lines:
                line.push(body)
        elif keep:
            self._waiting.setdefault(uuid, deque(maxlen=KEPT)).append(body)

    def come(self, uuid: str, line: Line) -> None:
        """Let a connection listen; it gets what has waited."""
        self._lines.setdefault(uuid, []).append(line)
        for body in self._waiting.pop(uuid, ()):
            line.push(body)
        self.changed()

    def go(self, uuid: str, line: Line) -> None:
        """Let go of a connection."""
        lines = self._lines.get(uuid, [])
        if line in lines:
            lines.remove(line)
        if not lines:
            self._lines.pop(uuid, None)
        self.changed()

    def forget(self, uuid: str) -> None:
        """Throw away what waits for somebody."""
        self._waiting.pop(uuid, None)
