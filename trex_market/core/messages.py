"""What the market is told (commands, imperative) and what it answers (events, past tense).

Also the records that both speak of: orders, contracts, meter readings,
transactions. All are immutable. Units are those of `core.units`; a slot is
named by its start, and its end is ``start + step``.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from trex_market.core.errors import RefusalCode

Side = Literal["bid", "ask"]

TransactionKind = Literal[
    "delivery",
    "take_or_pay",
    "spill",
    "shortfall",
    "self_consumption",
    "feed_in",
    "supply",
    "flexibility",
    "demand_response",
]

GRID = "grid"
"""The grid's id among sellers and buyers, and its name as a source."""

BATTERY = "bess"
"""The battery's name as a source."""

EXTERNAL = "external"
"""Consumption that came from outside of the home."""

OTHER = "other"
"""The load that is not a battery."""

CONSUMPTION = "consumption"
"""What a register measures that is not a source: energy that came from outside of the home."""

# ---------------------------------------------------------------- records


class Attributes(msgspec.Struct, frozen=True, gc=False):
    """What an order says of itself, for the requirements of others.

    Args:
        energy_type: a name for its energy besides its source, in lower case.
    """

    energy_type: str | None = None


class Requirement(msgspec.Struct, frozen=True, gc=False):
    """Terms under which an order may meet another; all that it names must hold.

    Args:
        trading_partners: ids of participants, one of whom the other must be; none for anybody.
        energy_type: sources and energy types in lower case, one of which the other order must have; none for any.
        energy: so many Wh may be traded under it; None for no such bound.
        price: the order's limit for pairs that meet under it, micro-dollars per kWh; None for its own price.
    """

    trading_partners: tuple[str, ...] = ()
    energy_type: tuple[str, ...] = ()
    energy: int | None = None
    price: int | None = None


class Order(msgspec.Struct, frozen=True, gc=False):
    """An accepted bid or ask.

    Args:
        order_id: unique in the market.
        participant_id: who offers.
        side: "bid" or "ask".
        quantity: Wh.
        price: micro-dollars per kWh.
        source: where the energy comes from; None for a bid in a single pool.
        slot_start: the slot's start.
        time: when it was submitted; in a simulation the start of the round.
        sequence: running number of submission, for the participant's own order.
        attributes: what it says of itself; None for nothing.
        requirements: it meets others only under one of these; none for any terms.
    """

    order_id: str
    participant_id: str
    side: Side
    quantity: int
    price: int
    source: str | None
    slot_start: int
    time: int
    sequence: int
    attributes: Attributes | None = None
    requirements: tuple[Requirement, ...] = ()


class Contract(msgspec.Struct, frozen=True, gc=False):
    """A bid and an ask that met, for one slot. Prices and fees in micro-dollars per kWh, quantity in Wh.

    The buyer pays ``settlement_price_buy + fee_bid``, the seller gets ``settlement_price_sell - fee_ask``.
    """

    id: str
    slot_start: int
    slot_end: int
    seller_id: str
    buyer_id: str
    energy_source: str
    quantity: int
    settlement_price_sell: int
    settlement_price_buy: int
    bid_id: str
    ask_id: str
    time_purchase: int
    fee_ask: int = 0
    fee_bid: int = 0


class MeterReading(msgspec.Struct, frozen=True):
    """What a participant generated (net of own use) and consumed in a slot.

    Args:
        slot_start: the slot's start.
        slot_end: the slot's end.
        generation: source -> Wh that left the home.
        consumption: load -> source -> Wh; the source `external` is energy from outside.
    """

    slot_start: int
    slot_end: int
    generation: dict[str, int]
    consumption: dict[str, dict[str, int]]


class RegisterReading(msgspec.Struct, frozen=True):
    """What a meter's counter shows.

    Args:
        name: tells it from the participant's other registers.
        value: Wh since it was at 0; it only goes up, until it rolls over.
        measures: `CONSUMPTION`, or the source of which it measures what left the home.
        max_power_w: most that can flow through it; what would be more is not believed.
        modulus_wh: after so many Wh it is at 0 again; None if it never is.
    """

    name: str
    value: int
    measures: str
    max_power_w: int
    modulus_wh: int | None = None


class Transaction(msgspec.Struct, frozen=True, gc=False):
    """One line of the ledger.

    The buyer pays ``quantity * (settlement_price_buy + fee_bid)``, the seller gets
    ``quantity * (settlement_price_sell - fee_ask)``, the operator keeps the difference.
    Kinds of programmes carry `amount` (nano-dollars, from the seller's view) instead.

    Args:
        estimated: a party's reading was deemed, not measured.
        reverses: id of the row that this one takes back.
    """

    id: str
    kind: TransactionKind
    contract_id: str | None
    quantity: int
    seller_id: str
    buyer_id: str
    energy_source: str
    settlement_price_sell: int
    settlement_price_buy: int
    time_creation: int
    time_purchase: int
    time_consumption: int
    fee_ask: int = 0
    fee_bid: int = 0
    amount: int | None = None
    estimated: bool = False
    reverses: str | None = None


# ---------------------------------------------------------------- commands


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

# ---------------------------------------------------------------- events


class MarketOpened(msgspec.Struct, frozen=True):
    """The market is open."""

    terms: OpenMarket


class Joined(msgspec.Struct, frozen=True):
    """A participant is a member (again)."""

    participant_id: str


class OrderAccepted(msgspec.Struct, frozen=True, gc=False):
    """An order stands in the book."""

    order: Order


class OrderRejected(msgspec.Struct, frozen=True, gc=False):
    """An order was refused; nothing was changed."""

    order_id: str
    participant_id: str
    code: RefusalCode
    detail: str


class OrderCancelled(msgspec.Struct, frozen=True, gc=False):
    """An open order was taken back."""

    order: Order


class OrderReplaced(msgspec.Struct, frozen=True, gc=False):
    """An open order has a new quantity and price."""

    order: Order


class ChangeRejected(msgspec.Struct, frozen=True, gc=False):
    """A cancellation or replacement was refused; the order, if there is one, stands."""

    order_id: str
    participant_id: str
    code: RefusalCode
    detail: str


class Contracted(msgspec.Struct, frozen=True, gc=False):
    """A slot was cleared: the contracts that came of it, as numbered."""

    slot_start: int
    contracts: tuple[Contract, ...]


class GridFeeSet(msgspec.Struct, frozen=True, gc=False):
    """An area has another fee, for slots that have no contracts yet; see `SetGridFee`."""

    area: str
    fee: int
    fee_share: int


class GridFeeRejected(msgspec.Struct, frozen=True, gc=False):
    """An area's fee was not changed."""

    area: str
    code: RefusalCode
    detail: str


class RoundStarted(msgspec.Struct, frozen=True, gc=False):
    """A round is announced. Prices in micro-dollars per kWh.

    Args:
        time: start of the current slot.
        step: length of a slot, in seconds.
        last_settle: start of the slot that was just cleared.
        next_settle: start of the next slot to be cleared.
        sell_price: what the grid pays in the current slot.
        buy_price: what the grid charges in the current slot.
        next_sell_price: as `sell_price`, for the slot `next_settle`.
        next_buy_price: as `buy_price`, for the slot `next_settle`.
    """

    time: int
    step: int
    last_settle: int
    next_settle: int
    sell_price: int
    buy_price: int
    next_sell_price: int
    next_buy_price: int


class MeterAccepted(msgspec.Struct, frozen=True):
    """A reading counts (until a later one for the same slot)."""

    participant_id: str
    meter: MeterReading


class MeterRejected(msgspec.Struct, frozen=True):
    """A reading was refused."""

    participant_id: str
    code: RefusalCode
    detail: str


class RegistersRead(msgspec.Struct, frozen=True, gc=False):
    """What registers showed is known; the readings of slots that come of it follow as `MeterAccepted`."""

    participant_id: str
    read_at: int


class RegisterTrouble(msgspec.Struct, frozen=True, gc=False):
    """What flowed through a register from `start` to `end` belongs to no slot; readings of these slots stay missing.

    Args:
        participant_id: whose it is.
        register: its name.
        reason: "gap" if it was not read for too long; "reset" if it went down or was exchanged.
        start: when it was read before.
        end: when it was read now.
        energy: what it counted in between, in Wh; None if that is not known.
        detail: the same in a sentence.
    """

    participant_id: str
    register: str
    reason: Literal["gap", "reset"]
    start: int
    end: int
    energy: int | None
    detail: str


class TurnsEnded(msgspec.Struct, frozen=True, gc=False):
    """Every member has ended its turn; the round can end."""

    time: int


class Delivered(msgspec.Struct, frozen=True, gc=False):
    """A slot was delivered: its transactions, and whose readings had to be deemed."""

    slot_start: int
    transactions: tuple[Transaction, ...]
    estimated: tuple[str, ...]


class Corrected(msgspec.Struct, frozen=True, gc=False):
    """A delivered slot was corrected: rows that take others back, and rows that hold instead."""

    slot_start: int
    transactions: tuple[Transaction, ...]


class Paid(msgspec.Struct, frozen=True, gc=False):
    """A programme beside the market settled what belongs to a slot."""

    slot_start: int
    transactions: tuple[Transaction, ...]


class RoundEnded(msgspec.Struct, frozen=True, gc=False):
    """The round that started at `time` is over."""

    time: int


class ProgrammeEvent(msgspec.Struct, frozen=True):
    """What happened in a programme beside the market; their kinds are those of `trex_market.programmes`."""


Event = (
    MarketOpened
    | Joined
    | OrderAccepted
    | OrderRejected
    | OrderCancelled
    | OrderReplaced
    | ChangeRejected
    | Contracted
    | GridFeeSet
    | GridFeeRejected
    | RoundStarted
    | MeterAccepted
    | MeterRejected
    | RegistersRead
    | RegisterTrouble
    | TurnsEnded
    | Delivered
    | Corrected
    | Paid
    | RoundEnded
    | ProgrammeEvent
)

Written = Delivered | Corrected | Paid
"""Events whose transactions are the ledger."""

Refused = OrderRejected | MeterRejected | ChangeRejected
"""What becomes of a request whose values cannot even be a command."""
