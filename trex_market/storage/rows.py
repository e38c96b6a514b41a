"""The core's structs to rows, and back.

A row is a tuple with a value for each column of its table, in order. Prices become floats in $/kWh on the
way in; on the way out `units.price_from_dollars` gives back exactly the price that went in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from trex_market.core.messages import Contract, MeterReading, Order, OrderRejected, Side, Transaction
from trex_market.core.units import MICRO, price_from_dollars

Row = tuple[Any, ...]

RunStatus = Literal["running", "finished", "interrupted", "failed"]

OrderStatus = Literal["accepted", "replaced", "cancelled", "rejected"]


class RunRecord(msgspec.Struct, frozen=True):
    """A run: one market through one episode.

    Args:
        id: unique in the database.
        study: the study's name.
        simulation: "baseline", "training" or "validation"; "realtime" on the wall clock.
        market_id: the market's name.
        episode: its number, from 0.
        seed: of all chance in the run.
        config: the resolved config, JSON.
        config_hash: names the config.
        version: of trex_market.
        started_at: UNIX seconds, on the wall clock.
        finished_at: UNIX seconds, on the wall clock; None as long as the run is running.
        status: "running", "finished", "interrupted" (by a person or a signal) or "failed".
    """

    id: str
    study: str
    simulation: str
    market_id: str
    episode: int
    seed: int
    config: str
    config_hash: str
    version: str
    started_at: int
    finished_at: int | None = None
    status: RunStatus = "running"


class OrderRecord(msgspec.Struct, frozen=True):
    """An order that was submitted and what became of it before its gate closed.

    Args:
        sequence: running number of the order in its run, from 1.
        id: as submitted; only accepted orders have unique ones.
        participant_id: who offered.
        status: "replaced" is an open order with a new quantity and price, which are shown.
        code: why it was rejected.
        side: this and all below is None for rejected orders, of which only id and sender are known.
        quantity: Wh.
        price: micro-dollars per kWh.
        source: where the energy comes from; None for a bid in a single pool.
        slot_start: the slot's start.
        slot_end: the slot's end.
        time: when it was submitted.
    """

    sequence: int
    id: str
    participant_id: str
    status: OrderStatus
    code: str | None = None
    side: Side | None = None
    quantity: int | None = None
    price: int | None = None
    source: str | None = None
    slot_start: int | None = None
    slot_end: int | None = None
    time: int | None = None


class MetricRecord(msgspec.Struct, frozen=True):
    """A figure that a participant reports, e.g. a reward.

    Args:
        time: UNIX seconds.
        value: None if it was not a number.
    """

    participant_id: str
    time: int
    name: str
    value: float | None


# ---------------------------------------------------------------- structs -> rows
# `/ MICRO` and not `dollars_from_price`: a call for each price would cost a third of the whole.


def transaction_rows(run_id: str, transactions: Iterable[Transaction]) -> list[Row]:
    """Make the rows of transactions."""
    return [
        (
            run_id,
            row.id,
            row.kind,
            row.contract_id,
            row.quantity,
            row.seller_id,
            row.buyer_id,
            row.energy_source,
            row.settlement_price_sell / MICRO,
            row.settlement_price_buy / MICRO,
            row.fee_ask / MICRO,
            row.fee_bid / MICRO,
            row.amount,
            row.estimated,
            row.reverses,
            row.time_creation,
            row.time_purchase,
            row.time_consumption,
        )
        for row in transactions
    ]


def contract_rows(run_id: str, market_id: str, contracts: Iterable[Contract]) -> list[Row]:
    """Make the rows of contracts."""
    return [
        (
            run_id,
            contract.id,
            market_id,
            contract.slot_start,
            contract.slot_end,
            contract.seller_id,
            contract.buyer_id,
            contract.energy_source,
            contract.quantity,
            contract.settlement_price_sell / MICRO,
            contract.settlement_price_buy / MICRO,
            contract.bid_id,
            contract.ask_id,
            contract.time_purchase,
        )
        for contract in contracts
    ]


def order_row(
    run_id: str, market_id: str, sequence: int, order: Order, step: int | None, status: OrderStatus
) -> Row:
    """Make the row of an order.

    Args:
        sequence: running number of the order in its run.
        step: length of a slot, in seconds; None if it is not known.
        status: anything but "rejected".
    """
    return (
        run_id,
        sequence,
        order.order_id,
        market_id,
        order.participant_id,
        order.side,
        order.quantity,
        order.price / MICRO,
        order.source,
        order.slot_start,
        None if step is None else order.slot_start + step,
        order.time,
        status,
        None,
    )


def rejected_row(run_id: str, market_id: str, sequence: int, refusal: OrderRejected) -> Row:
    """Make the row of an order that was refused."""
    nothing = (None,) * 7
    who = (refusal.order_id, market_id, refusal.participant_id)
    return (run_id, sequence, *who, *nothing, "rejected", str(refusal.code))


def reading_row(run_id: str, participant_id: str, meter: MeterReading) -> Row:
    """Make the row of a meter reading."""
    generation = msgspec.json.encode(meter.generation).decode()
    consumption = msgspec.json.encode(meter.consumption).decode()
    return (run_id, participant_id, meter.slot_start, meter.slot_end, generation, consumption)


# ---------------------------------------------------------------- rows -> structs


def run_record(row: Any) -> RunRecord:
    """Read a row of `runs`, whose columns are the record's fields."""
    return RunRecord(*row)


def transaction(row: Any) -> Transaction:
    """Read a row of `transactions`."""
    # By place, not by name: there may be millions of them.
    (_, id, kind, contract_id, quantity, seller_id, buyer_id, source, sell, buy, ask, bid, *others) = row
    amount, estimated, reverses, time_creation, time_purchase, time_consumption = others
    return Transaction(
        id,
        kind,
        contract_id,
        quantity,
        seller_id,
        buyer_id,
        source,
        price_from_dollars(sell),
        price_from_dollars(buy),
        time_creation,
        time_purchase,
        time_consumption,
        price_from_dollars(ask) if ask else 0,
        price_from_dollars(bid) if bid else 0,
        amount,
        estimated,
        reverses,
    )


def contract(row: Any) -> Contract:
    """Read a row of `contracts`."""
    return Contract(
        row.id,
        row.slot_start,
        row.slot_end,
        row.seller_id,
        row.buyer_id,
        row.energy_source,
        row.quantity,
        price_from_dollars(row.settlement_price_sell),
        price_from_dollars(row.settlement_price_buy),
        row.bid_id,
        row.ask_id,
        row.time_purchase,
    )


def order_record(row: Any) -> OrderRecord:
    """Read a row of `orders`."""
    return OrderRecord(
        row.sequence,
        row.id,
        row.participant_id,
        row.status,
        row.code,
        row.side,
        row.quantity,
        None if row.price is None else price_from_dollars(row.price),
        row.energy_source,
        row.slot_start,
        row.slot_end,
        row.time_submission,
    )


def order(row: Any) -> Order:
    """Read a row of `orders` that is of an order that was not rejected.

    Its number among all orders of the run stands for the order's own.
    """
    return Order(
        row.id,
        row.participant_id,
        row.side,
        row.quantity,
        price_from_dollars(row.price),
        row.energy_source,
        row.slot_start,
        row.time_submission,
        row.sequence,
    )


def reading(row: Any) -> MeterReading:
    """Read a row of `meter_readings`."""
    return MeterReading(
        row.slot_start,
        row.slot_end,
        msgspec.json.decode(row.generation, type=dict[str, int]),
        msgspec.json.decode(row.consumption, type=dict[str, dict[str, int]]),
    )


def metric_record(row: Any) -> MetricRecord:
    """Read a row of `metrics`."""
    return MetricRecord(row.participant_id, row.time, row.name, row.value)
