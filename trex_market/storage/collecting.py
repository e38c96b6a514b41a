"""Events to rows: what both writers hear, until they take it as batches.

`hear` is synchronous and only keeps what it hears. A collector hears its run's events from the first on, or
from those after a state that another one left. One that hears the same events again makes the same rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, get_args

import msgspec

from trex_market.core.errors import InputError, unknown_name
from trex_market.core.messages import (
    Contract,
    Contracted,
    Corrected,
    Delivered,
    Event,
    MarketOpened,
    MeterAccepted,
    Order,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OrderReplaced,
    Paid,
    ProgrammeEvent,
    RoundStarted,
    Transaction,
    Written,
)
from trex_market.storage import tables
from trex_market.storage.bulk import Batch
from trex_market.storage.demand_response import DR_EVENTS, demand_response_rows
from trex_market.storage.rows import (
    OrderStatus,
    Row,
    contract_rows,
    order_row,
    reading_row,
    rejected_row,
    transaction_rows,
)

Recorded = Literal["contracts", "transactions", "orders", "meter_readings", "metrics"]

EVERYTHING: tuple[Recorded, ...] = get_args(Recorded)

REPLACED: tuple[Recorded, ...] = ("orders", "meter_readings", "metrics")
"""Tables in which a later row takes the place of an earlier one with its key."""


class WriterState(msgspec.Struct, frozen=True):
    """What a writer must know to go on in the middle of a run.

    Args:
        step: length of a slot, in seconds.
        sequence: how many orders were submitted.
        open_orders: slot -> order id -> number of the order, of orders whose gate is open.
    """

    step: int | None
    sequence: int
    open_orders: dict[int, dict[str, int]]


class RowCollector:
    """Makes a run's rows.

    Args:
        run_id: of the run.
        market_id: the market's name.
        record: the tables to make rows for.

    Raises:
        InputError: if `record` names a table that there is not.
    """

    def __init__(self, run_id: str, market_id: str, record: Collection[Recorded]) -> None:
        for name in record:
            if name not in EVERYTHING:
                raise InputError(unknown_name("table", name, EVERYTHING))
        self._run_id = run_id
        self._market_id = market_id
        self._records_metrics = "metrics" in record
        self._handlers = self._choose_handlers(record)
        self._step: int | None = None
        self._sequence = 0
        # Slot -> order id -> sequence, of orders whose gate is open: only they can change.
        self._open: dict[int, dict[str, int]] = {}
        self._contracts: list[Contract] = []
        self._transactions: list[Transaction] = []
        # By key, for the later of two rows with one key is the one that counts.
        self._orders: dict[int, Row] = {}
        self._readings: dict[tuple[str, int], Row] = {}
        self._metrics: dict[tuple[str, int, str], Row] = {}
        self._beside: dict[str, dict[Row, Row]] = {}
        """Of programmes: table -> key -> row."""
        self._record = frozenset(record)
        self._ready: dict[Recorded, list[Row]] = {}

    def _choose_handlers(self, record: Collection[Recorded]) -> dict[type, Callable[[Any], None]]:
        handlers: dict[type, Callable[[Any], None]] = {}
        if "contracts" in record:
            handlers[Contracted] = self._hear_contracted
        if "transactions" in record:
            handlers |= dict.fromkeys((Delivered, Corrected, Paid), self._hear_written)
            handlers |= dict.fromkeys(DR_EVENTS, self._hear_demand_response)
        if "meter_readings" in record:
            handlers[MeterAccepted] = self._hear_meter
        if "orders" in record:
            handlers |= {
                MarketOpened: self._hear_opened,
                RoundStarted: self._hear_round,
                OrderAccepted: self._hear_accepted,
                OrderRejected: self._hear_rejected,
                OrderReplaced: self._hear_replaced,
                OrderCancelled: self._hear_cancelled,
            }
        return handlers

    # ------------------------------------------------------------ state

    def state(self) -> WriterState:
        """Return what a later writer needs in order to hear the events from here on."""
        open_orders = {start: dict(orders) for start, orders in self._open.items()}
        return WriterState(self._step, self._sequence, open_orders)

    def resume(self, state: WriterState) -> None:
        """Go on from a state; the next event to be heard is the first that came after it."""
        self._step, self._sequence = state.step, state.sequence
        self._open = {start: dict(orders) for start, orders in state.open_orders.items()}

    # ------------------------------------------------------------ hearing

    def hear(self, events: Sequence[Event]) -> None:
        """Keep what is to be recorded; quick, and without I/O."""
        handlers = self._handlers
        for event in events:
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event)

    def metric(self, participant_id: str, time: int, name: str, value: float) -> None:
        """Record a figure that a participant reports.

        Args:
            time: UNIX seconds; a later value for the same time and name replaces the earlier.
            value: what is not a number is recorded as none.
        """
        if self._records_metrics:
            figure = None if math.isnan(value) else value
            self._metrics[participant_id, time, name] = (self._run_id, participant_id, time, name, figure)

    def keep(self, table: Recorded, rows: Sequence[Row]) -> None:
        """Record rows that are made already.

        Args:
            table: which; nothing is kept for one that is not recorded.
            rows: in the order of the table's columns, no two of a run with the same key.
        """
        if table in self._record:
            self._ready.setdefault(table, []).extend(rows)

    def _hear_contracted(self, event: Contracted) -> None:
        self._contracts += event.contracts

    def _hear_written(self, event: Written) -> None:
        self._transactions += event.transactions

    def _hear_meter(self, event: MeterAccepted) -> None:
        key = (event.participant_id, event.meter.slot_start)
        self._readings[key] = reading_row(self._run_id, event.participant_id, event.meter)

    def _hear_demand_response(self, event: ProgrammeEvent) -> None:
        for table, row in demand_response_rows(self._run_id, event):
            key = row[: len(tables.metadata.tables[table].primary_key)]
            self._beside.setdefault(table, {})[key] = row

    def _hear_opened(self, event: MarketOpened) -> None:
        self._step = event.terms.step

    def _hear_round(self, event: RoundStarted) -> None:
        self._step = event.step
        for slot_start in [start for start in self._open if start <= event.last_settle]:
            del self._open[slot_start]

    def _hear_accepted(self, event: OrderAccepted) -> None:
        self._sequence += 1
        order = event.order
        self._open.setdefault(order.slot_start, {})[order.order_id] = self._sequence
        self._keep_order(self._sequence, order, "accepted")

    def _hear_rejected(self, event: OrderRejected) -> None:
        self._sequence += 1
        row = rejected_row(self._run_id, self._market_id, self._sequence, event)
        self._orders[self._sequence] = row

    def _hear_replaced(self, event: OrderReplaced) -> None:
        order = event.order
        self._keep_order(self._open[order.slot_start][order.order_id], order, "replaced")

    def _hear_cancelled(self, event: OrderCancelled) -> None:
        order = event.order
        self._keep_order(self._open[order.slot_start].pop(order.order_id), order, "cancelled")

    def _keep_order(self, sequence: int, order: Order, status: OrderStatus) -> None:
        row = order_row(self._run_id, self._market_id, sequence, order, self._step, status)
        self._orders[sequence] = row

    # ------------------------------------------------------------ taking

    @property
    def _waiting(self) -> int:
        """How many rows wait to be taken."""
        listed = len(self._contracts) + len(self._transactions) + sum(map(len, self._ready.values()))
        listed += sum(map(len, self._beside.values()))
        return listed + len(self._orders) + len(self._readings) + len(self._metrics)

    def _take(self) -> list[Batch]:
        """Turn what waits into batches, one for each table that has rows, and forget it."""
        batches = self._batches()
        self._forget()
        return batches

    def _batches(self) -> list[Batch]:
        rows: dict[Recorded, list[Row]] = {
            "orders": list(self._orders.values()),
            "contracts": contract_rows(self._run_id, self._market_id, self._contracts),
            "meter_readings": list(self._readings.values()),
            "transactions": transaction_rows(self._run_id, self._transactions),
            "metrics": list(self._metrics.values()),
        }
        for name, ready in self._ready.items():
            rows[name] += ready
        batches = [
            Batch(tables.metadata.tables[name], made, replace=name in REPLACED)
            for name, made in rows.items()
            if made
        ]
        beside = [
            Batch(tables.metadata.tables[table], list(made.values()), replace=True)
            for table, made in self._beside.items()
        ]
        return batches + beside

    def _forget(self) -> None:
        self._contracts, self._transactions = [], []
        self._orders, self._readings, self._metrics = {}, {}, {}
        self._ready = {}
        self._beside = {}
