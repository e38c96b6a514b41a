"""All that a market knows, as plain records: it can be written down, and gone on with at another time.

Taken of a market by `Market.state`; `Market.restored` makes the market again, which then answers every
command as the first one would have.
"""

from __future__ import annotations

import msgspec

from trex_market.core.messages import Contract, MeterReading, OpenMarket, Order, RoundStarted, Transaction

Needs = dict[str, dict[int, dict[int, int]]]
"""Participant id -> hour of the day -> day since 1970 -> highest need in Wh."""


class BookState(msgspec.Struct, frozen=True):
    """The order book.

    Args:
        orders: open ones, in order of submission.
        used: id of each order that is remembered -> its slot's start.
    """

    orders: list[Order]
    used: dict[str, int]


class SlotState(msgspec.Struct, frozen=True):
    """A slot about which something may still change.

    Args:
        start: its start.
        end: its end.
        contracts: as cleared.
        readings: participant id -> true reading.
        deemed: participant id -> what stands in for a reading that is missing.
        rows: transactions in force, if it was delivered.
        numbered: how many transactions have got an id.
    """

    start: int
    end: int
    contracts: tuple[Contract, ...]
    readings: dict[str, MeterReading]
    deemed: dict[str, MeterReading]
    rows: list[Transaction]
    numbered: int


class SettlementState(msgspec.Struct, frozen=True):
    """Slots from their clearing on.

    Args:
        due: not delivered yet.
        delivered: delivered, and may still be corrected.
        delivered_until: start of the last slot that was delivered.
        needs: what is remembered for those whose meters stay silent.
    """

    due: list[SlotState]
    delivered: list[SlotState]
    delivered_until: int | None
    needs: Needs


class RegisterState(msgspec.Struct, frozen=True):
    """A register, as it was read last.

    Args:
        time: when that was.
        value: what it showed, in Wh.
        measures: what it measures.
        since: Wh that it has counted in the slot of `time`; None if the slot's beginning was not seen.
        energies: start of a slot that it covers -> Wh; the slots wait for the participant's other registers.
    """

    time: int
    value: int
    measures: str
    since: int | None
    energies: dict[int, int]


class AreasState(msgspec.Struct, frozen=True):
    """What can change of a market's areas.

    Args:
        places: participant id -> name of its area.
        fees: area -> its fee (micro-dollars per kWh) and its share (millionths).
        kept: start of a slot that was cleared in part -> the fees that hold for it.
    """

    places: dict[str, str]
    fees: dict[str, tuple[int, int]]
    kept: dict[int, dict[str, tuple[int, int]]]


class MarketState(msgspec.Struct, frozen=True):
    """A market.

    Args:
        terms: it was opened with.
        phase: a value of `market.Phase`.
        round: the current one, or the last.
        members: ids of all that ever joined.
        acting: ids of those who have not ended their turn.
        sequence: how many orders were accepted or replaced.
        book: open orders.
        settlement: slots from their clearing on.
        registers: participant id -> name of a register -> how it was read last.
        areas: what can change of them; None where there are none.
    """

    terms: OpenMarket
    phase: str
    round: RoundStarted | None
    members: list[str]
    acting: list[str]
    sequence: int
    book: BookState
    settlement: SettlementState
    registers: dict[str, dict[str, RegisterState]]
    areas: AreasState | None = None
