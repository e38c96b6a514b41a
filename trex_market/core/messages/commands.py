"""What the market is told, imperative."""

from __future__ import annotations

from typing import Literal

import msgspec

from trex_market.core.messages.records import (
    Attributes,
    MeterReading,
    RegisterReading,
    Requirement,
    Side,
)


class GridTerms(msgspec.Struct, frozen=True):
    """The grid's tariff, as in the config's `market.grid`.

    Args:
        price: what the grid pays, $/kWh.
        fee_ratio: what it sells at is ``price * (1 + fee_ratio)``.
        tou: months -> hours -> price in $/kWh, both comma-separated numbers.
        series: the start of each period -> (sell, buy) price in micro-dollars per kWh; replaces the rest.
    """

    price: float = 0.0
    fee_ratio: float = 0.0
    tou: dict[str, dict[str, float]] | None = None
    series: tuple[tuple[int, int, int], ...] | None = None


class Area(msgspec.Struct, frozen=True, gc=False):
    """A part of the grid, with a fee for energy that is traded through it; see `core.areas`.

    Args:
        name: its name.
        parent: name of the area that it is in; None for the one that holds all others.
        fee: micro-dollars per kWh.
        fee_share: millionths of what the seller gets; added to `fee`.
    """

    name: str
    parent: str | None = None
    fee: int = 0
    fee_share: int = 0


FeePayer = Literal["buyer", "seller", "both"]
"""On whose side of a contract fees stand; with `both` half each, and the buyer has the odd micro-dollar."""

DEFAULT_SOURCES: dict[str, bool] = {"bess": True, "solar": False, "wind": False}
"""Source -> whether it can be dispatched."""


class OpenMarket(msgspec.Struct, frozen=True, tag="open_market"):
    """Open a market; always the first command.

    Args:
        market_id: its name.
        rule: the clearing rule's name, see `core.clearing`.
        close_steps: at a round starting at t the slot at ``t + step * (close_steps - 1)`` is cleared.
        step: length of a slot, in seconds.
        timezone: the study's, for time of use.
        grid: the tariff.
        pools: "by_source" or "single"; None for the rule's own.
        k: where in the interval between ask and bid the price lies, in millionths; None for the rule's own.
        sources: source -> whether it can be dispatched.
        horizon_steps: how many steps after the current slot an order may lie; None for no limit.
        price_floor: lowest price of an order, micro-dollars per kWh.
        price_cap: highest price of an order, micro-dollars per kWh; None for `units.MAX_PRICE`.
        shortfall: "penalty" or "replacement", see `core.delivery`.
        mode: whether a slot is delivered when its round ends, or by the wall clock, see `core.settlement`.
        meter_grace_s: how long after its end a slot waits for readings, on the wall clock.
        reconciliation_window_s: how long after its end a slot can be corrected by late readings.
        clearing: whether slots are cleared at their gate alone, or also before, whenever `ClearOpenSlots` says so.
        areas: the parts of the grid, a tree; none for no fees.
        places: participant id -> name of its area; those who are not named are in the area that holds all others.
        fee_payer: on whose side of a contract fees stand.
    """

    market_id: str
    rule: str
    close_steps: int
    step: int
    timezone: str
    grid: GridTerms
    pools: Literal["by_source", "single"] | None = None
    k: int | None = None
    sources: dict[str, bool] = msgspec.field(default_factory=DEFAULT_SOURCES.copy)
    horizon_steps: int | None = None
    price_floor: int = 0
    price_cap: int | None = None
    shortfall: Literal["penalty", "replacement"] = "penalty"
    mode: Literal["simulation", "realtime"] = "simulation"
    meter_grace_s: int = 60
    reconciliation_window_s: int = 259_200
    clearing: Literal["gate", "tick"] = "gate"
    areas: tuple[Area, ...] = ()
    places: dict[str, str] = {}
    fee_payer: FeePayer = "buyer"


class Join(msgspec.Struct, frozen=True, tag="join"):
    """A participant becomes a member.

    Args:
        area: name of its area; None for the one of the market's terms.
    """

    participant_id: str
    time: int
    area: str | None = None


class StartRound(msgspec.Struct, frozen=True, tag="start_round"):
    """A round starts at `time` and lasts `duration` seconds."""

    time: int
    duration: int


class SubmitOrder(msgspec.Struct, frozen=True, tag="submit_order", gc=False):
    """Offer to buy or to sell; see `Order`."""

    order_id: str
    participant_id: str
    side: Side
    quantity: int
    price: int
    source: str | None
    slot_start: int
    slot_end: int
    time: int
    attributes: Attributes | None = None
    requirements: tuple[Requirement, ...] = ()


class CancelOrder(msgspec.Struct, frozen=True, tag="cancel_order", gc=False):
    """Take an open order back."""

    order_id: str
    participant_id: str
    time: int


class ReplaceOrder(msgspec.Struct, frozen=True, tag="replace_order", gc=False):
    """Change quantity and price of an open order; it then counts as submitted at `time`."""

    order_id: str
    participant_id: str
    quantity: int
    price: int
    time: int


class ReportMeter(msgspec.Struct, frozen=True, tag="report_meter"):
    """Tell what was generated and consumed in a slot."""

    participant_id: str
    meter: MeterReading
    time: int


class ReadRegisters(msgspec.Struct, frozen=True, tag="read_registers"):
    """Tell what a participant's registers show; the market makes readings of slots of it, see `core.registers`.

    Args:
        participant_id: whose they are.
        registers: those that were read, all at one moment.
        read_at: that moment.
        time: when it was told.
        expected: names of all registers that a slot's reading is made of; none for those seen so far.
    """

    participant_id: str
    registers: tuple[RegisterReading, ...]
    read_at: int
    time: int
    expected: tuple[str, ...] = ()


class EndTurn(msgspec.Struct, frozen=True, tag="end_turn", gc=False):
    """A participant has nothing more to say in this round."""

    participant_id: str


class EndRound(msgspec.Struct, frozen=True, tag="end_round"):
    """The round's slot is over; it is delivered."""

    time: int


class AdvanceClock(msgspec.Struct, frozen=True, tag="advance_clock"):
    """It is `time` on the wall clock: what is due then is delivered or corrected."""

    time: int


class ClearOpenSlots(msgspec.Struct, frozen=True, tag="clear_open_slots", gc=False):
    """Clear slots before their gates close: what meets becomes contracts, the rest stays in the book.

    Args:
        time: now.
        slot_start: of the only one to be cleared; None for all.
    """

    time: int
    slot_start: int | None = None


class SetGridFee(msgspec.Struct, frozen=True, tag="set_grid_fee", gc=False):
    """Change an area's fee for all slots that have no contracts yet.

    Args:
        area: its name.
        time: now.
        fee: micro-dollars per kWh.
        fee_share: millionths of what the seller gets; added to `fee`.
    """

    area: str
    time: int
    fee: int = 0
    fee_share: int = 0


class ProgrammeCommand(msgspec.Struct, frozen=True, tag_field="command"):
    """What a programme beside the market is told; their kinds are those of `trex_market.programmes`."""


MarketCommand = (
    OpenMarket
    | Join
    | StartRound
    | SubmitOrder
    | CancelOrder
    | ReplaceOrder
    | ReportMeter
    | ReadRegisters
    | EndTurn
    | EndRound
    | AdvanceClock
    | ClearOpenSlots
    | SetGridFee
)

Command = MarketCommand | ProgrammeCommand
