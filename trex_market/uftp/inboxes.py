"""Work that messages make, outside of the requests that brought them: in order for each sender."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from trex_market.core.errors import DeliveryError, ProtocolError
from trex_market.uftp.crew import Crew

logger = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]


class Inboxes:
    """A queue for each sender.

    Args:
        crew: does the work; what raises anything but an error of others (DeliveryError, ProtocolError) is a fault.
        size: of each queue.
    """

    def __init__(self, crew: Crew, size: int) -> None:
        self._crew = crew
        self._size = size
        self._queues: dict[str, asyncio.Queue[tuple[str, Work]]] = {}

    def is_full(self, sender: str) -> bool:
        """Say whether a sender's queue takes nothing more."""
        queue = self._queues.get(sender)
        return queue is not None and queue.full()

    def put(self, sender: str, what: str, work: Work) -> None:
        """Let something be done after what was put there before.

        Args:
            sender: whose queue.
            what: in a few words.
            work: does it.
        """
        queue = self._queues.get(sender)
        if queue is None:
            queue = self._queues[sender] = asyncio.Queue(self._size)
            self._crew.start(self._attend(queue))
        queue.put_nowait((what, work))

    async def finish(self) -> None:
        """Wait until all is done that was put there."""
        await asyncio.gather(*(queue.join() for queue in self._queues.values()))

    async def _attend(self, queue: asyncio.Queue[tuple[str, Work]]) -> None:
        while True:
            what, work = await queue.get()
            try:
                await work()
            except (DeliveryError, ProtocolError) as error:
                logger.warning("%s: %s", what, error)
            finally:
                queue.task_done()
