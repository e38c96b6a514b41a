"""Virtual sub-metering: which energy of a home went where in a slot.

Generation is allocated, in this order, to what was sold, to own use, to the
battery, to the grid; a battery's discharge to what was sold, to own use, to
the grid. What is needed beyond that comes from outside.
"""

from __future__ import annotations

from collections.abc import Mapping

from trex_market.core.messages import BATTERY, EXTERNAL, OTHER, MeterReading


def submeter(
    slot: tuple[int, int],
    generation: Mapping[str, int],
    load: int,
    battery: int | None,
    sold: Mapping[str, int],
) -> MeterReading:
    """Make a meter reading from what the home's devices did. All energy in Wh.

    Args:
        slot: start and end.
        generation: source -> what it made.
        load: what the loads took.
        battery: into (positive) or out of (negative) the battery; None if there is none.
        sold: source -> what was sold for the slot.
    """
    charge = battery if battery is not None and battery > 0 else 0
    discharge = -battery if battery is not None and battery < 0 else 0
    exported: dict[str, int] = {}
    to_load: dict[str, int] = {}
    to_battery: dict[str, int] = {}
    missing = 0
    for source, made in generation.items():
        promised = sold.get(source, 0)
        kept = made - promised
        if kept <= 0:
            missing -= kept
            kept = 0
        used = min(kept, load)
        stored = min(kept - used, charge)
        load -= used
        charge -= stored
        to_load[source] = used
        to_battery[source] = stored
        exported[source] = made - used - stored
    if battery is not None:
        # The battery stands in for what the other sources had sold and did not make, if metered or not.
        promised = missing + sum(sold[source] for source in sold if source not in generation)
        kept = discharge - promised
        used = max(0, min(kept, load))
        load -= used
        to_load[BATTERY] = used
        exported[BATTERY] = discharge - used
    to_load[EXTERNAL] = load
    consumption = {OTHER: to_load}
    if battery is not None:
        to_battery[EXTERNAL] = charge
        consumption = {BATTERY: to_battery, OTHER: to_load}
    return MeterReading(slot[0], slot[1], exported, consumption)
