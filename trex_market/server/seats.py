"""A participant's place in the market: it outlives its connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec

from trex_market.protocol.wire import EpisodeEnd, EpisodeMessage, Message, RoundMessage

EVENTS_KEPT = 64
"""Events that a participant can be sent again when it comes back."""


class Connection(Protocol):
    """A way to reach a participant."""

    sid: str

    async def send(self, event: str, message: Message) -> None:
        """Send an event of `protocol.wire`, in the words of the protocol that the connection speaks."""

    async def close(self) -> None:
        """End it."""


class Seat:
    """One participant's place.

    Args:
        participant_id: whose.
    """

    def __init__(self, participant_id: str) -> None:
        self.participant_id = participant_id
        self.connection: Connection | None = None
        self.events: deque[tuple[int, str, Message]] = deque(maxlen=EVENTS_KEPT)
        self.last_event = 0
        self.episode: tuple[int, str, Message] | None = None
        """The event that began the episode."""
        self.round: RoundMessage | None = None
        """The round that it has yet to answer."""
        self.requests = 0
        """In this round."""
        self.open_orders = 0
        """At most; counted anew when it comes to the limit."""
        self.trades = False
        self.depth = False
        self.wants_profile = False
        self.absent = False
        """It let a round go by; rounds do not wait for it until it speaks again."""
        self.late = False
        """Its last reading was of a round that is over: it lags behind, and what it ends is not this round."""
        self.metered: int | None = None
        """Start of the slot of its last reading that was taken."""
        self.metrics: dict[str, float] = {}
        self.ready = asyncio.Event()
        """Whether the next episode may start."""
        self.ready.set()

    @property
    def connected(self) -> bool:
        """Whether there is a way to reach it."""
        return self.connection is not None

    def next_event(self) -> int:
        """Return the number of the next event."""
        return self.last_event + 1

    async def send(self, event: str, message: Message) -> None:
        """Send an event and keep it, for the case that it does not arrive.

        Args:
            event: its name.
            message: its data; those with a field `event` are numbered and kept.
        """
        if isinstance(message, RoundMessage):
            self.requests = 0
        self.keep(event, message)
        if self.connection is not None:
            await self.connection.send(event, message)

    def keep(self, event: str, message: Message) -> None:
        """Keep an event, so that the participant is told of it when it comes back."""
        number = getattr(message, "event", None)
        if number is not None:
            self.last_event = number
            self.events.append((number, event, message))
        if isinstance(message, RoundMessage):
            self.round = message
        elif isinstance(message, EpisodeMessage):
            self.episode = self.events[-1]
        elif isinstance(message, EpisodeEnd):
            self.round = None

    def missed(self, last_event: int | None) -> list[tuple[int, str, Any]]:
        """Return what was sent after an event; if not all of that is kept, what is kept of this episode.

        Args:
            last_event: its number; 0 for somebody who knows nothing yet, None for one who does not ask.
        """
        if last_event is None or not self.events:
            return []
        later = [event for event in self.events if event[0] > last_event]
        if self.episode is not None and self.events[0][0] > last_event + 1:
            begun = self.episode
            later = [begun, *(event for event in later if event[0] > begun[0])]
        return [(number, event, msgspec.to_builtins(message)) for number, event, message in later]

    def begin_episode(self) -> None:
        """Forget the last episode."""
        self.round = None
        self.open_orders = 0
        self.metrics = {}
        self.late, self.metered = False, None


class Seats:
    """All places, and who sits where.

    Args:
        participant_ids: who may take part.
    """

    def __init__(self, participant_ids: Iterable[str]) -> None:
        self._seats = {name: Seat(name) for name in sorted(participant_ids)}
        self._by_sid: dict[str, Seat] = {}
        self.changed = asyncio.Condition()
        """Is notified when a seat is taken or left."""

    def __iter__(self) -> Iterator[Seat]:
        return iter(self._seats.values())

    def __len__(self) -> int:
        return len(self._seats)

    @property
    def names(self) -> list[str]:
        """Ids of all participants, sorted."""
        return list(self._seats)

    def find(self, participant_id: str) -> Seat | None:
        """Return a participant's place."""
        return self._seats.get(participant_id)

    def of(self, sid: str) -> Seat | None:
        """Return the place of the participant behind a connection."""
        return self._by_sid.get(sid)

    @property
    def missing(self) -> list[str]:
        """Ids of those who are not connected."""
        return [seat.participant_id for seat in self if not seat.connected]

    async def take(self, seat: Seat, connection: Connection) -> None:
        """Seat a participant; whoever sat there has to leave."""
        old = seat.connection
        seat.connection = connection
        seat.ready.set()
        self._by_sid[connection.sid] = seat
        if old is not None and old.sid != connection.sid:
            del self._by_sid[old.sid]
            await old.close()
        async with self.changed:
            self.changed.notify_all()

    async def leave(self, sid: str) -> None:
        """Let go of a connection that has ended."""
        seat = self._by_sid.pop(sid, None)
        if seat is None:
            return
        seat.connection = None
        seat.ready.set()
        async with self.changed:
            self.changed.notify_all()

    async def all_taken(self) -> None:
        """Wait until everybody is connected."""
        async with self.changed:
            await self.changed.wait_for(lambda: not self.missing)
