"""What the programme beside the market is told, and what it answers. Energy in whole Wh, slots named by their start."""

from __future__ import annotations

from typing import Literal

import msgspec

from trex_market.core.messages import ProgrammeCommand, ProgrammeEvent

# ---------------------------------------------------------------- commands


class FlexPlan(ProgrammeCommand, frozen=True, tag="flex_plan"):
    """A participant says what it is going to take from the grid without any flexibility.

    Args:
        participant_id: who.
        time: when.
        start: the first slot.
        expected: Wh in each slot from there on; below 0 it gives.
        power: most by which it could change that, in W.
    """

    participant_id: str
    time: int
    start: int
    expected: tuple[int, ...]
    power: int = 0


class FlexAsk(ProgrammeCommand, frozen=True, tag="flex_ask"):
    """Aggregators send what has changed of their prognoses, and the DSO asks where a limit is exceeded."""

    time: int


class FlexPotential(ProgrammeCommand, frozen=True, tag="flex_potential"):
    """A participant answers to `FlexibilityAsked`.

    Args:
        participant_id: who.
        time: when.
        changes: slot -> Wh by which it could change what it takes, all of them together.
    """

    participant_id: str
    time: int
    changes: dict[int, int]


class FlexTrade(ProgrammeCommand, frozen=True, tag="flex_trade"):
    """Aggregators offer what their members can do, and the DSO orders."""

    time: int


class FlexLimit(ProgrammeCommand, frozen=True, tag="flex_limit"):
    """The grid behind a congestion point bears no more than this in some slots.

    Args:
        congestion_point: entity address.
        time: when.
        limits: slot -> W that may flow towards the prosumers, and W towards the grid.
    """

    congestion_point: str
    time: int
    limits: dict[int, tuple[int, int]]


FLEX_COMMANDS: tuple[type[ProgrammeCommand], ...] = (FlexPlan, FlexAsk, FlexPotential, FlexTrade, FlexLimit)

# ---------------------------------------------------------------- events


class FlexRefused(ProgrammeEvent, frozen=True):
    """A command could not be taken; nothing was changed."""

    participant_id: str
    detail: str


class FlexibilityAsked(ProgrammeEvent, frozen=True):
    """A member is asked for its part of what its aggregator was asked for.

    Args:
        participant_id: the member.
        time: when.
        wanted: slot -> Wh by which it should change what it takes, at most.
    """

    participant_id: str
    time: int
    wanted: dict[int, int]


class FlexibilityOrdered(ProgrammeEvent, frozen=True):
    """The DSO has ordered.

    Args:
        reference: of the order.
        aggregator: domain.
        congestion_point: entity address.
        time: when.
        activation: how much of the offer, in hundredths.
        price: nano-dollars.
        changes: slot -> W.
    """

    reference: str
    aggregator: str
    congestion_point: str
    time: int
    activation: int
    price: int
    changes: dict[int, int]


class FlexibilityActivated(ProgrammeEvent, frozen=True):
    """A member shall change what it takes.

    Args:
        participant_id: the member.
        time: when.
        changes: slot -> Wh, of all orders for that slot together.
    """

    participant_id: str
    time: int
    changes: dict[int, int]


class FeederMetered(ProgrammeEvent, frozen=True):
    """What flowed at a congestion point in a slot that was delivered, in W.

    Args:
        congestion_point: entity address.
        slot_start: the slot.
        load: as metered.
        without: what it would have been without flexibility.
        import_limit: most that may flow towards the prosumers.
        export_limit: most that may flow towards the grid.
        ordered: the size of all changes that were ordered.
        delivered: what of them was done.
    """

    congestion_point: str
    slot_start: int
    load: int
    without: int
    import_limit: int
    export_limit: int
    ordered: int
    delivered: int


class FlexibilitySettled(ProgrammeEvent, frozen=True):
    """An order was settled, in nano-dollars; ``net == price - penalty``."""

    reference: str
    aggregator: str
    price: int
    penalty: int
    net: int
    verdict: Literal["accepted", "disputed", "unanswered"]


class ProgrammeTerms(msgspec.Struct, frozen=True):
    """Who shares in the payments.

    Args:
        members: participant id -> its connection's entity address.
        shares: aggregator -> millionths of what it is paid that it hands on to its members.
        day_ahead_hour: local hour from which on the next day is traded; None for the day itself alone.
    """

    members: dict[str, str]
    shares: dict[str, int]
    day_ahead_hour: int | None = None


FEEDER_METRICS = {
    "load_w": "load",
    "load_without_flexibility_w": "without",
    "import_limit_w": "import_limit",
    "export_limit_w": "export_limit",
    "flexibility_ordered_w": "ordered",
    "flexibility_delivered_w": "delivered",
}
"""What is recorded of `FeederMetered`: name of the figure -> field."""
