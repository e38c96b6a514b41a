"""A run as frames: structs of columns, one row a slot or a participant.

What KPIs and plots are made from. Everything is a whole number: energy in Wh,
prices in micro-dollars per kWh, money in nano-dollars, times in UNIX seconds. A
column is a list; Polars and PyArrow take a frame as it is, for example
``polars.DataFrame(msgspec.structs.asdict(frames.trade))``.

A frame that the recording does not allow is None: a run of `record: participant`
has `parties` and `days`, and nothing by slot.
"""

from __future__ import annotations

from typing import Any

import msgspec

from trex_market.core.errors import InputError

Frame = msgspec.Struct


def check_columns(frame: Frame) -> None:
    """Check that all columns of a frame have one length.

    Raises:
        InputError: if they have not.
    """
    lengths = {name: len(column) for name, column in columns(frame).items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(f"{type(frame).__name__}: the columns have different lengths: {shown}")


def columns(frame: Frame) -> dict[str, list[Any]]:
    """Return a frame's columns by name."""
    return {
        name: column for name, column in msgspec.structs.asdict(frame).items() if isinstance(column, list)
    }


class PartyFrame(msgspec.Struct, frozen=True):
    """One row a participant, over the whole run. Energy in Wh, money in nano-dollars.

    Args:
        participant_id: who.
        load: what its loads took, its battery apart.
        generated: what it made, its battery apart.
        bought: delivered to it by others.
        bought_cost: what it paid for that, fees included.
        sold: delivered by it to others.
        sold_income: what it got for that, fees taken off.
        supplied: what it took from the grid.
        fed_in: what the grid took from it.
        spilled: what it had sold, was not used, and went to the grid.
        bill: what it paid in all, less what it got.
    """

    participant_id: list[str]
    load: list[int]
    generated: list[int]
    bought: list[int]
    bought_cost: list[int]
    sold: list[int]
    sold_income: list[int]
    supplied: list[int]
    fed_in: list[int]
    spilled: list[int]
    bill: list[int]


class BillFrame(msgspec.Struct, frozen=True):
    """One row a participant: its bill in the market beside another one, in nano-dollars."""

    participant_id: list[str]
    market: list[int]
    other: list[int]


class EnergyFrame(msgspec.Struct, frozen=True):
    """One row a slot (or a day): where the participants' energy came from and went to, in Wh.

    Args:
        period: length of a row, in seconds.
        start: of each row.
        load: what loads took, batteries apart.
        generated: what was made, batteries apart.
        own_use: what homes used of their own.
        delivered: what went from one participant to another.
        supplied: what came from the grid.
        fed_in: what went to the grid.
        spilled: what had been sold, was not used, and went to the grid.
    """

    period: int
    start: list[int]
    load: list[int]
    generated: list[int]
    own_use: list[int]
    delivered: list[int]
    supplied: list[int]
    fed_in: list[int]
    spilled: list[int]


class TradeFrame(msgspec.Struct, frozen=True):
    """One row a slot: energy delivered between participants, what it cost, and the grid's prices.

    Args:
        start: of each slot.
        quantity: Wh.
        paid: by the buyers, nano-dollars, fees included.
        received: by the sellers, nano-dollars, fees taken off.
        operator: what buyers paid and sellers did not get, in all rows, nano-dollars.
        sell_price: what the grid pays, micro-dollars per kWh; None if it is not known.
        buy_price: what the grid charges, micro-dollars per kWh; None if it is not known.
    """

    start: list[int]
    quantity: list[int]
    paid: list[int]
    received: list[int]
    operator: list[int]
    sell_price: list[int | None]
    buy_price: list[int | None]


class PriceFrame(msgspec.Struct, frozen=True):
    """One row a price that buyers paid, in order of the prices.

    Args:
        price: micro-dollars per kWh.
        quantity: Wh delivered at it.
    """

    price: list[int]
    quantity: list[int]


class FlowFrame(msgspec.Struct, frozen=True):
    """One row a way that energy took over the whole run.

    Args:
        origin: a source, or "grid".
        target: "own use", "own battery", "neighbours", "grid" or "homes".
        quantity: Wh.
    """

    origin: list[str]
    target: list[str]
    quantity: list[int]


class AuctionFrame(msgspec.Struct, frozen=True):
    """One row a slot that had orders: what the auction made of them.

    An order's price stands for the value or cost of its owner. The competitive
    allocation pairs the highest bids with the lowest asks as long as they cross,
    pool by pool; its price P0 is the middle of the competitive interval.

    Args:
        start: of each slot.
        bid: Wh that were wanted.
        ask: Wh that were offered.
        contracted: Wh.
        competitive: Wh that the competitive allocation trades.
        gains: value less cost of what was contracted, nano-dollars.
        most_gains: of the competitive allocation, nano-dollars.
        buyer_surplus: value less price, nano-dollars.
        seller_surplus: price less cost, nano-dollars.
        priced: contracted Wh in pools with a P0 above 0.
        deviation: sum over those Wh of ((price - P0) / P0)^2.
        traders: participants with orders.
        profit_gaps: sum over traders of (profit - profit at P0)^2, in quarters of nano-dollars squared.
    """

    start: list[int]
    bid: list[int]
    ask: list[int]
    contracted: list[int]
    competitive: list[int]
    gains: list[int]
    most_gains: list[int]
    buyer_surplus: list[int]
    seller_surplus: list[int]
    priced: list[int]
    deviation: list[float]
    traders: list[int]
    profit_gaps: list[int]


class ContractFrame(msgspec.Struct, frozen=True):
    """One row a slot: contracts against meters.

    Args:
        start: of each slot.
        contracted: Wh.
        delivered: Wh of that which flowed.
        imbalance: sum over participants of the difference, in Wh, between what flowed in (less what flowed
            out) and what it had bought (less what it had sold).
        penalties: what was paid for energy that did not flow as contracted, nano-dollars.
        turnover: what buyers paid for contracts, nano-dollars.
    """

    start: list[int]
    contracted: list[int]
    delivered: list[int]
    imbalance: list[int]
    penalties: list[int]
    turnover: list[int]


class BalanceFrame(msgspec.Struct, frozen=True):
    """One row a slot: what should be 0.

    Args:
        start: of each slot.
        money: sum over all parties, nano-dollars.
        energy: sum over participants of the difference between ledger and meter, in Wh.
        overfilled: Wh contracted beyond the quantity of their order.
    """

    start: list[int]
    money: list[int]
    energy: list[int]
    overfilled: list[int]


class RunFrames(msgspec.Struct, frozen=True):
    """All frames of a run; None where the recording does not allow one.

    Args:
        parties: participants, over the whole run.
        days: energy by local day, where there is nothing by slot.
        energy: energy by slot.
        trade: what was delivered between participants by slot.
        prices: what buyers paid for it.
        flows: which ways energy took.
        auction: orders and contracts.
        contracts: contracts against meters.
        balance: what should be 0.
        net_billing: bills beside those without a market.
        flat: bills beside those of the same readings at the tariff's base price.
        time_of_use: bills beside those of the same readings at the tariff's time of use.
    """

    parties: PartyFrame
    days: EnergyFrame | None = None
    energy: EnergyFrame | None = None
    trade: TradeFrame | None = None
    prices: PriceFrame | None = None
    flows: FlowFrame | None = None
    auction: AuctionFrame | None = None
    contracts: ContractFrame | None = None
    balance: BalanceFrame | None = None
    net_billing: BillFrame | None = None
    flat: BillFrame | None = None
    time_of_use: BillFrame | None = None


MISSING = {
    "energy": "transactions were not recorded (record: full)",
    "trade": "transactions were not recorded (record: full)",
    "prices": "transactions were not recorded (record: full)",
    "auction": "there are no orders, or they were not recorded (record: full)",
    "contracts": "there are no contracts, or they were not recorded (record: full)",
    "balance": "transactions were not recorded (record: full)",
    "net_billing": "the directory has no baseline simulation, and readings or grid prices were not recorded",
    "flat": "the run's tariff is a series of prices, or readings were not recorded",
    "time_of_use": "the tariff has no time of use (market.grid.tou), or readings were not recorded",
}
"""Why a frame may be missing."""
