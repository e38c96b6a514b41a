"""Devices as they are measured: the power that they report, or readings of slots, made into pieces of time."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from trex_market.core.messages import EXTERNAL, MeterReading
from trex_market.core.units import rounded
from trex_market.programmes.demand_response.history import History, HistoryState
from trex_market.programmes.demand_response.records import SHED_SHARES, WS_PER_WH, Device, DeviceFlexibility

SLOTS_KEPT_S = 4 * 86_400
"""A reading that takes the place of an earlier one can come so late."""


class Piece(NamedTuple):
    """What a device took in a piece of time, evenly.

    Args:
        energy_ws: W*s, negative if it fed in.
        measured_s: how much of the time becomes known by this: all, or 0 for a correction.
    """

    start: int
    end: int
    energy_ws: int
    measured_s: int


class DeviceState(msgspec.Struct, frozen=True):
    """What is known of a device.

    Args:
        sampled_at: when it reported its power last; None if it did not yet.
        power_w: that power.
        slots: start of a slot -> W*s that a reading says.
        history: its load.
        event_days: dates on which it took part in events.
    """

    sampled_at: int | None
    power_w: int
    slots: dict[int, int]
    history: HistoryState
    event_days: list[int]


class MeasuredDevice:
    """A device, and what was measured of it.

    Args:
        device: the device.
        interval_s: of its history.
        most: intervals that are kept.
        silence_s: the time between samples that are further apart is not measured.
    """

    def __init__(self, device: Device, interval_s: int, most: int, silence_s: int) -> None:
        self.device = device
        self.history = History(interval_s, most)
        self.silence_s = silence_s
        self.sampled_at: int | None = None
        self.power_w = 0
        self.event_days: set[int] = set()
        self._interval_s = interval_s
        self._slots: dict[int, int] = {}

    def sample(self, power_w: int, time: int) -> Piece | None:
        """Take a sample, later than the last one.

        Returns:
            what was taken since the last one; None if there was none, or it is too long ago.
        """
        before, power_before = self.sampled_at, self.power_w
        self.sampled_at, self.power_w = time, power_w
        if before is None or time - before > self.silence_s:
            return None
        seconds = time - before
        piece = Piece(before, time, power_before * seconds, seconds)
        self.history.add(*piece)
        return piece

    def read(self, reading: MeterReading) -> Piece:
        """Take a reading of a slot; a later one of the same slot takes its place."""
        start, end = reading.slot_start, reading.slot_end
        energy_ws = net_energy(reading) * WS_PER_WH
        before = self._slots.get(start)
        self._slots[start] = energy_ws
        for old in [slot for slot in self._slots if slot < start - SLOTS_KEPT_S]:
            del self._slots[old]
        piece = Piece(start, end, energy_ws, end - start)
        if before is not None:
            piece = Piece(start, end, energy_ws - before, 0)
        self.history.add(*piece)
        if self.sampled_at is None or end >= self.sampled_at:
            self.sampled_at, self.power_w = end, rounded(energy_ws, end - start)
        return piece

    def power_at(self, time: int, step: int) -> int | None:
        """Return its power as last known, None if that is too long ago."""
        age = self.silence_s if self.device.measured == "power" else 2 * step
        if self.sampled_at is None or time - self.sampled_at > age:
            return None
        return self.power_w

    def took_part(self, date: int, look_back_days: int) -> None:
        """Keep in mind that on a day something was asked of it."""
        self.event_days = {day for day in self.event_days if day >= date - look_back_days} | {date}

    def usual_ws(self) -> int | None:
        """Return what it may take in an interval, if there is no day to go by."""
        newest = self.history.newest()
        if newest is None and self.sampled_at is not None:
            return self.power_w * self._interval_s
        return newest

    def flexibility(self, time: int, hour: int, step: int) -> DeviceFlexibility:
        """Return what it could shed at a moment, in an hour of the day."""
        power, mode = self.power_at(time, step), self.device.hours[hour]
        sheddable = rounded(max(power or 0, 0) * SHED_SHARES[mode], SHED_SHARES["participation"])
        return DeviceFlexibility(self.device.device_id, self.device.participant_id, power, mode, sheddable)

    def state(self) -> DeviceState:
        """Return all that is known of it."""
        return DeviceState(
            self.sampled_at, self.power_w, dict(self._slots), self.history.state(), sorted(self.event_days)
        )

    def resume(self, state: DeviceState) -> None:
        """Know what another one knew."""
        self.sampled_at, self.power_w = state.sampled_at, state.power_w
        self._slots = dict(state.slots)
        self.history.resume(state.history)
        self.event_days = set(state.event_days)


def net_energy(reading: MeterReading) -> int:
    """Return what came in through a home's connection less what went out, in Wh."""
    taken = sum(sources.get(EXTERNAL, 0) for sources in reading.consumption.values())
    return taken - sum(reading.generation.values())
