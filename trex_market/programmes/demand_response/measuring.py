"""An event's time, cut where intervals begin, and what each device took in each piece of it."""

from __future__ import annotations

import msgspec

from trex_market.core.units import rounded
from trex_market.programmes.demand_response.devices import Piece
from trex_market.programmes.demand_response.history import part
from trex_market.programmes.demand_response.records import DrEvent, Quality


class Expected(msgspec.Struct, frozen=True):
    """A device's baseline, in whole W*s.

    Args:
        first: number of the first interval.
        loads: of each; shorter than the time if nothing can be said of what comes after the event.
        quality: see `records.Outcome`.
        is_adjusted: likewise.
    """

    first: int
    loads: tuple[int, ...]
    quality: Quality
    is_adjusted: bool


class Segment(msgspec.Struct):
    """A piece of an event's time within one interval.

    Args:
        measured_s: device id -> seconds that are known.
        energy_ws: device id -> W*s taken in them.
    """

    start: int
    end: int
    measured_s: dict[str, int] = {}
    energy_ws: dict[str, int] = {}

    def add(self, device_id: str, energy_ws: int, measured_s: int) -> None:
        """Add what a device took."""
        self.energy_ws[device_id] = self.energy_ws.get(device_id, 0) + energy_ws
        self.measured_s[device_id] = self.measured_s.get(device_id, 0) + measured_s


def cut(event: DrEvent, rebound_s: int, interval_s: int) -> list[Segment]:
    """Cut an event's time, and that of the rebound after it."""
    segments, begin, end = [], event.start, event.end + rebound_s
    while begin < end:
        stop = min(end, (begin // interval_s + 1) * interval_s)
        if begin < event.end < stop:
            stop = event.end
        segments.append(Segment(begin, stop))
        begin = stop
    return segments


def cut_at(segments: list[Segment], time: int) -> list[Segment]:
    """Cut once more, where an event was cancelled or left; what was measured until now was before that."""
    found: list[Segment] = []
    for segment in segments:
        if segment.start < time < segment.end:
            found += [
                Segment(segment.start, time, segment.measured_s, segment.energy_ws),
                Segment(time, segment.end),
            ]
        else:
            found.append(segment)
    return found


def only_of(segments: list[Segment], device_id: str) -> list[Segment]:
    """Return the same time with what one device took in it, as segments of its own."""
    return [
        Segment(
            segment.start,
            segment.end,
            {device_id: segment.measured_s.get(device_id, 0)},
            {device_id: segment.energy_ws.get(device_id, 0)},
        )
        for segment in segments
    ]


def spread(segments: list[Segment], device_id: str, piece: Piece) -> None:
    """Put what a device took where it belongs."""
    start, end, energy_ws, measured_s = piece
    for segment in segments:
        begin, stop = max(start, segment.start), min(end, segment.end)
        if begin < stop:
            seconds = stop - begin if measured_s else 0
            segment.add(device_id, part(energy_ws, start, end, begin, stop), seconds)


def expected_ws(expected: Expected, start: int, seconds: int, interval_s: int) -> int | None:
    """Return what a device would have taken in so many seconds of the interval in which a moment lies."""
    place = start // interval_s - expected.first
    if not 0 <= place < len(expected.loads):
        return None
    return rounded(expected.loads[place] * seconds, interval_s)
