"""Demand response on the wall clock: participants answer and are told, and events happen at their time.

What is due is done when it is due, after a restart too; in between nothing is asked of the clock. What was
taken, or became of it, is in the journal before anybody is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.core.messages import Event, ProgrammeCommand
from trex_market.engine import Engine
from trex_market.programmes.demand_response import DemandResponse
from trex_market.programmes.demand_response import messages as said
from trex_market.programmes.demand_response.records import Flexibility
from trex_market.programmes.demand_response.running import RunningEvent
from trex_market.server.clock import Clock
from trex_market.server.desk import Desk
from trex_market.server.dr_participants import DrParticipants, answer_of

logger = logging.getLogger(__name__)

SNAPSHOTS_KEPT = 168
"""Hours of which is remembered what could have been shed."""

LONGEST_WAIT_S = 3600.0


class Responding:
    """Demand response as a server does it.

    Args:
        desk: of the market; its engine has the programme beside it.
        programme: the programme.
        clock: tells the time.
    """

    def __init__(self, desk: Desk, programme: DemandResponse, clock: Clock) -> None:
        assert desk.engine is not None
        self.programme = programme
        self._desk = desk
        self._engine: Engine = desk.engine
        self._clock = clock
        self._outbox = desk.engine.listen()
        self._changed = asyncio.Event()
        self.snapshots: deque[Flexibility] = deque(maxlen=SNAPSHOTS_KEPT)
        """What could have been shed, the newest last."""
        self._participants = DrParticipants(desk, programme, self.now, self.submit)
        self.welcome = self._participants.welcome
        """Is told of those who join and know nothing of what was sent before."""

    def now(self) -> int:
        """Return the time, UNIX seconds."""
        return int(self._clock.now())

    # ------------------------------------------------------------ commands

    def submit(self, command: ProgrammeCommand) -> Event:
        """Hand a command to the programme, and return the event that answers it; it may be told after `safe`.

        Raises:
            ProtocolError: if it is refused.
        """
        try:
            events = self._engine.submit(command)
        except Exception as error:
            # A fault of ours: the market is stopped rather than left half changed.
            self._desk.faulty(error)
            raise
        self._changed.set()
        return answer_of(events)

    async def safe(self) -> None:
        """Wait until all that was taken would survive a crash."""
        await self._desk.pace.safe()

    def running(self, event_id: str) -> RunningEvent:
        """Return an event.

        Raises:
            ProtocolError: unknown_event.
        """
        found = self.programme.known.events.get(event_id)
        if found is None:
            raise ProtocolError(RefusalCode.UNKNOWN_EVENT, f"there is no event {event_id!r}")
        return found

    # ------------------------------------------------------------ the clock

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Do what is due, and tell of it, for as long as the context lasts."""
        task = asyncio.create_task(self._run())
        task.add_done_callback(self._check)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def _check(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("demand response cannot go on", exc_info=error)
            self._desk.faulty(error)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            due = self.programme.next_due()
            now = self._clock.now()
            if due is not None and due <= now:
                self._engine.submit(said.AdvanceDr(int(now)))
            await self._tell()
            if due is None or due > now:
                await self._wait(now + LONGEST_WAIT_S if due is None else due)

    async def _wait(self, moment: float) -> None:
        """Wait for a moment, or for something new."""
        waiting = {
            asyncio.ensure_future(self._clock.sleep_until(moment)),
            asyncio.ensure_future(self._changed.wait()),
        }
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    # ------------------------------------------------------------ telling

    async def _tell(self) -> None:
        """Tell participants what has happened since the last time."""
        events = self._outbox.take()
        if not events:
            return
        await self.safe()
        await self._participants.tell(events)
        self.snapshots.extend(
            event.flexibility for event in events if isinstance(event, said.FlexibilityTaken)
        )
