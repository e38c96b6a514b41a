"""Sub-metering in arrays: `participants.submetering` for one home of many, equal to it."""

from __future__ import annotations

from trex_market.kernels.compiled import compiled
from trex_market.kernels.records import NOBODY, Records
from trex_market.population import Rows


@compiled
def submeter(
    load: Rows,
    made: Rows,
    participants: Records,
    channels: Records,
    who: int,
    row: int,
    battery: int,
) -> None:
    """Meter what the devices of a home did in a slot. All energy in Wh.

    Args:
        load: slot, participant -> what the loads took.
        made: slot, channel -> what it made.
        participants: where the reading goes.
        channels: likewise; with what was sold for the slot.
        who: participant; if it has a battery, its last channel is the battery's.
        row: the slot's.
        battery: into (positive) or out of (negative) the battery.
    """
    home = participants[who]
    rest = int(load[row, who])
    charge, discharge = max(0, battery), max(0, -battery)
    missing = 0
    last = home.channel + home.channels
    if home.battery != NOBODY:
        last -= 1
    for place in range(home.channel, last):
        channel = channels[place]
        generated = int(made[row, place])
        kept = generated - channel.due
        if kept <= 0:
            missing -= kept
            kept = 0
        used = min(kept, rest)
        stored = min(kept - used, charge)
        rest -= used
        charge -= stored
        channel.used = used
        channel.stored = stored
        channel.exported = generated - used - stored
    if home.battery != NOBODY:
        channel = channels[last]
        used = max(0, min(discharge - missing - channel.due, rest))
        rest -= used
        channel.used = used
        channel.exported = discharge - used
    home.load_outside = rest
    home.battery_outside = charge
