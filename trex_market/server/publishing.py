"""Server-sent events: each card is encoded once for all viewers, and only when it has changed.

A viewer that is slower than the market skips states: it gets what has changed
since it was last written to, however many changes that were. So nothing queues up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from trex_market.protocol import wire


class _Card(msgspec.Struct, frozen=True):
    """A card as it was published last.

    Args:
        version: of the whole state in which it changed.
        content: as JSON.
    """

    version: int
    content: bytes


def event(name: str, content: bytes) -> bytes:
    """Return one server-sent event; its content is JSON on one line."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), content)


class Publisher:
    """Keeps the cards that were published last."""

    def __init__(self) -> None:
        self.version = 0
        self._cards: dict[str, _Card] = {}
        self._changed = asyncio.Event()

    def publish(self, cards: Mapping[str, wire.Message | list[wire.Message]]) -> None:
        """Encode cards, and wake up who waits for a change, if there is one."""
        version = self.version + 1
        for name, card in cards.items():
            content = msgspec.json.encode(card)
            known = self._cards.get(name)
            if known is None or known.content != content:
                self._cards[name] = _Card(version, content)
                self.version = version
        if self.version == version:
            self._changed.set()
            self._changed = asyncio.Event()

    def contents(self) -> dict[str, msgspec.Raw]:
        """Return all cards, encoded."""
        return {name: msgspec.Raw(card.content) for name, card in self._cards.items()}

    def since(self, version: int) -> bytes:
        """Return the events of the cards that have changed since a version; 0 for all."""
        return b"".join(
            [event(name, card.content) for name, card in self._cards.items() if card.version > version]
        )

    async def changed(self, version: int, patience: float) -> bool:
        """Wait until there is another version than this one.

        Args:
            version: that is known.
            patience: how long to wait, in seconds.

        Returns:
            whether there is one.
        """
        if self.version == version:
            try:
                async with asyncio.timeout(patience):
                    await self._changed.wait()
            except TimeoutError:
                return False
        return True
