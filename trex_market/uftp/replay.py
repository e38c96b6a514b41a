"""Which messages were there before: a message is taken once, however often it comes.

A message whose time stamp is too old is not taken, so nothing older has to be
remembered, and nothing that has to be remembered is ever forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import msgspec

KEPT = 100_000
"""Messages remembered at one time; as long as there are so many, no further one is taken."""


class Earlier(msgspec.Struct):
    """A message that was taken.

    Args:
        digest: of its XML.
        until: when it may be forgotten, UNIX seconds.
        answer: what was answered; None for nothing.
    """

    digest: bytes
    until: float
    answer: Any = None


class ReplayGuard:
    """Remembers messages.

    Args:
        window_s: for so long; messages that are older are not to be taken.
        clock: tells the time, UNIX seconds.
        kept: most of them.
    """

    def __init__(self, window_s: float, clock: Callable[[], float], kept: int = KEPT) -> None:
        self._window = window_s
        self._clock = clock
        self._kept = kept
        self._earlier: OrderedDict[tuple[str, str], Earlier] = OrderedDict()

    def __len__(self) -> int:
        return len(self._earlier)

    @property
    def is_full(self) -> bool:
        """Whether no further message can be remembered."""
        self._forget()
        return len(self._earlier) >= self._kept

    def find(self, domain: str, message_id: str) -> Earlier | None:
        """Return what is known of a message, if it was there."""
        self._forget()
        return self._earlier.get((domain, message_id.lower()))

    def remember(self, domain: str, message_id: str, document: bytes) -> Earlier:
        """Remember a message.

        Args:
            domain: of its sender.
            message_id: its own.
            document: its XML.
        """
        # Twice the window: its time stamp may be ahead of our clock by as much as it may be behind.
        earlier = Earlier(digest(document), self._clock() + 2 * self._window)
        self._earlier[domain, message_id.lower()] = earlier
        return earlier

    def remaining(self) -> Iterator[tuple[str, str, Earlier, float]]:
        """Yield sender, message id, message, and for how many seconds it is still remembered."""
        self._forget()
        now = self._clock()
        for (domain, message_id), earlier in self._earlier.items():
            yield domain, message_id, earlier, earlier.until - now

    def restore(self, domain: str, message_id: str, earlier: Earlier, left_s: float) -> None:
        """Remember a message of before a restart; those that are forgotten first come first.

        Args:
            domain: of its sender.
            message_id: its own.
            earlier: the message.
            left_s: how long.
        """
        earlier.until = self._clock() + left_s
        self._earlier[domain, message_id] = earlier

    def _forget(self) -> None:
        now = self._clock()
        while self._earlier:
            key, oldest = next(iter(self._earlier.items()))
            if oldest.until > now:
                return
            del self._earlier[key]


def digest(document: bytes) -> bytes:
    """Return what stands for a message's content."""
    return sha256(document).digest()
