"""How far one's own clock is off the market's."""

from __future__ import annotations

from collections import deque

SAMPLES = 16
"""So many of the last requests are looked at."""


class ClockOffset:
    """Estimates the offset from requests and their answers.

    The answer says what time it was at the server, somewhere between sending and receiving; so the middle is off
    by half of the round trip at most (Cristian, Distributed Computing 3, 1989). Of the last requests the
    quickest one tells most.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=SAMPLES)

    def note(self, server_time: float, sent: float, received: float) -> None:
        """Take in one answer.

        Args:
            server_time: as the answer says, UNIX seconds.
            sent: when the request was sent, by one's own clock.
            received: when the answer came, by one's own clock.
        """
        self._samples.append((received - sent, server_time - (sent + received) / 2))

    @property
    def seconds(self) -> float | None:
        """By how much the server's clock is ahead; None before the first answer."""
        return min(self._samples)[1] if self._samples else None

    @property
    def error(self) -> float | None:
        """By how much the estimate can be wrong, in seconds; None before the first answer."""
        return min(self._samples)[0] / 2 if self._samples else None
