"""What differs at the desk between a simulation and the wall clock: time, order ids, durability."""

from __future__ import annotations

from typing import Protocol

from cuid2 import Cuid

from trex_market.engine import Engine
from trex_market.journal import Journal
from trex_market.server.clock import Clock


class Pace(Protocol):
    """Tells the time, names orders, and waits until what was acknowledged is safe."""

    @property
    def server_time(self) -> float | None:
        """The wall clock's time, UNIX seconds, where it drives the rounds."""

    def now(self, engine: Engine | None) -> int:
        """Return the time of a request, UNIX seconds."""

    def order_id(self, engine: Engine, participant_id: str) -> str:
        """Return the id of a participant's next order."""

    async def safe(self) -> None:
        """Wait until all that was taken would survive a crash."""


class SimulatedPace:
    """In a simulation all of a round happens at its start, and nothing has to survive."""

    server_time = None

    def now(self, engine: Engine | None) -> int:
        """Return the start of the round; 0 before the first."""
        current = None if engine is None else engine.market.current
        return 0 if current is None else current

    def order_id(self, engine: Engine, participant_id: str) -> str:
        """Return the participant's id and a running number."""
        return engine.order_id(participant_id)

    async def safe(self) -> None:
        """Wait for nothing."""


class WallPace:
    """On the wall clock.

    Args:
        clock: tells the time.
        journal: what was taken is in it before anybody is told.
    """

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._cuid = Cuid(length=16)

    @property
    def server_time(self) -> float:
        """The time, UNIX seconds."""
        return self._clock.now()

    def now(self, engine: Engine | None) -> int:  # noqa: ARG002 - the wall clock asks nobody
        """Return the time, UNIX seconds."""
        return int(self._clock.now())

    def order_id(self, engine: Engine, participant_id: str) -> str:  # noqa: ARG002 - ids are unique as they are
        """Return a collision-resistant id."""
        return self._cuid.generate()

    async def safe(self) -> None:
        """Wait until all that was taken is in the journal, on disk."""
        await self._journal.synced()
