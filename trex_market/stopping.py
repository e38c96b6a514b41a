"""SIGTERM and Ctrl-C: the first one asks to stop, the second one ends the process at once."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Self

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Turns signals into a wish to stop, for as long as the context lasts.

    Args:
        stop: asks the work to come to its end.
    """

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        self._loop = asyncio.get_running_loop()
        self.received: signal.Signals | None = None
        """The signal that asked to stop; None if there was none."""

    def __enter__(self) -> Self:
        for number in SIGNALS:
            self._loop.add_signal_handler(number, self._receive, number)
        return self

    def _receive(self, number: signal.Signals) -> None:
        self.received = number
        logger.info("%s: this process comes to its end", number.name)
        for one in SIGNALS:
            self._loop.remove_signal_handler(one)
            signal.signal(one, signal.SIG_DFL)
        self._stop()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            self._loop.remove_signal_handler(number)
            signal.signal(number, handler)
