"""By how much a device that is committed to an event shall take less, slot by slot."""

from __future__ import annotations

from collections.abc import Iterator

from trex_market.core.units import rounded
from trex_market.programmes.demand_response.records import WS_PER_WH


def asked_energy(start: int, end: int, committed_w: int, step: int, since: int) -> Iterator[tuple[int, int]]:
    """Yield slot start and Wh by which a device shall change what it takes, below 0.

    Args:
        start: of the event.
        end: of the event.
        committed_w: what the device sheds.
        step: length of a slot, in seconds.
        since: slots that began before are left out.
    """
    for slot_start in range(start // step * step, end, step):
        if slot_start >= since:
            seconds = min(end, slot_start + step) - max(start, slot_start)
            yield slot_start, -rounded(committed_w * seconds, WS_PER_WH)
