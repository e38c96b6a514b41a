"""Who stands where in the arrays of a population: participants, their channels, room for their orders.

A participant has a *channel* for each of its sources of energy, in the order of its meter readings, and room
for the orders of one round. Participants are numbered in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trex_market.kernels.records import CHANNEL, NOBODY, ORDER, PARTICIPANT, Records, records

Numbers = NDArray[np.int64]


class Layout(NamedTuple):
    """All that is known of participants.

    Args:
        participants: of type `PARTICIPANT`.
        channels: of type `CHANNEL`, those of a participant side by side.
        orders: of type `ORDER`, room for those of each participant side by side.
        channel_of: participant, source -> the channel; -1 if there is none.
    """

    participants: Records
    channels: Records
    orders: Records
    channel_of: Numbers


def make_layout(sources_of: Sequence[Sequence[int]], most_orders: Sequence[int], sources: int) -> Layout:
    """Give each participant its places.

    Args:
        sources_of: for each participant the numbers of its sources, in the order of its readings.
        most_orders: for each, the most that it submits in a round.
        sources: how many sources there are.
    """
    participants = records(PARTICIPANT, len(sources_of))
    participants["channels"] = [len(own) for own in sources_of]
    participants["channel"] = np.cumsum(participants["channels"]) - participants["channels"]
    participants["order"] = np.cumsum(most_orders) - most_orders
    participants["battery"] = NOBODY
    channels = records(CHANNEL, int(participants["channels"].sum()))
    channels["source"] = [number for own in sources_of for number in own]
    channel_of = np.full((len(sources_of), max(1, sources)), NOBODY, dtype=np.int64)
    for participant, own in enumerate(sources_of):
        first = participants[participant]["channel"]
        channel_of[participant, list(own)] = range(first, first + len(own))
    return Layout(participants, channels, records(ORDER, sum(most_orders)), channel_of)
