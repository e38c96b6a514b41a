"""Readings on the wall clock: held until their slot is over, and kept until the market has taken them."""

from __future__ import annotations

from trex_market.core.messages import MeterReading

KEPT = 1_000
"""Readings that are older than so many others are given up."""


class OutstandingReadings:
    """The readings of one participant that the market does not have yet."""

    def __init__(self) -> None:
        self._readings: dict[int, MeterReading] = {}

    def hold(self, reading: MeterReading) -> None:
        """Keep a reading."""
        self._readings[reading.slot_start] = reading
        if len(self._readings) > KEPT:
            del self._readings[min(self._readings)]

    def due(self, now: int) -> list[MeterReading]:
        """Return the readings of slots that are over, in order of slots."""
        return [reading for _, reading in sorted(self._readings.items()) if reading.slot_end <= now]

    def taken(self, slot_start: int) -> None:
        """Let go of a reading: the market has taken it, or refused it."""
        self._readings.pop(slot_start, None)

    def clear(self) -> None:
        """Let go of all."""
        self._readings.clear()
