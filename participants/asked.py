"""What a participant far away is asked to take less, by what it is told of demand response."""

from __future__ import annotations

from collections.abc import Mapping

from trex_market.programmes.demand_response.asking import asked_energy
from trex_market.protocol.dr_answers import watts
from trex_market.protocol.dr_wire import DrNews

COMMITTED = ("scheduled", "active")
"""How events stand in which load is to be shed."""


class AskedEnergy:
    """Remembers the events to which a participant's devices are committed; the newest news of an event counts."""

    def __init__(self) -> None:
        self._events: dict[str, DrNews] = {}

    def clear(self) -> None:
        """Forget all."""
        self._events.clear()

    def hear(self, news: DrNews) -> None:
        """Take in how an event stands."""
        if news.status in COMMITTED:
            self._events[news.event_id] = news
        else:
            self._events.pop(news.event_id, None)

    def at(self, time: int, step: int) -> Mapping[int, int]:
        """Return slot start -> Wh by which the participant shall change what it takes, below 0.

        Args:
            time: the start of a round; slots before it are left out.
            step: length of a slot, in seconds.
        """
        asked: dict[int, int] = {}
        for news in self._events.values():
            for device in news.devices:
                if not device.accepts or device.left_at is not None:
                    continue
                committed_w = watts(device.committed_kw)
                for slot_start, energy in asked_energy(news.start, news.end, committed_w, step, time):
                    asked[slot_start] = asked.get(slot_start, 0) + energy
        return asked
