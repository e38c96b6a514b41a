"""What the market answers, past tense."""

from __future__ import annotations

from typing import Literal

import msgspec

from trex_market.core.errors import RefusalCode
from trex_market.core.messages.commands import OpenMarket
from trex_market.core.messages.records import Contract, MeterReading, Order, Transaction


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
