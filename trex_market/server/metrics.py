"""Figures for Prometheus, in a registry of each server's own.

Names and units are as Prometheus asks for: seconds, bytes, joules (1 Wh is
3,600 J, so `rate` gives watts); prices are $/kWh. Nothing here is about a single
participant.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from trex_market import __version__
from trex_market.core.units import dollars_from_price
from trex_market.journal import Journal
from trex_market.server.watching import Watch

JOULES_PER_WH = 3_600

QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Limits of what should take milliseconds, in seconds."""

SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)


class RowsSigns(Protocol):
    """What is to be known of what records rows in the database."""

    @property
    def pending(self) -> int:
        """How many rows are not known to be in the database yet."""

    @property
    def trouble(self) -> str | None:
        """Why the database cannot be used, in a sentence; None if it can."""


class Metrics:
    """Keeps what is measured, and shows it together with what is watched.

    Args:
        watch: the market.
        viewers: says how many look at the dashboard.
    """

    def __init__(self, watch: Watch, viewers: Callable[[], int]) -> None:
        self._registry = registry = CollectorRegistry()
        self.journal: Journal | None = None
        self.rows: RowsSigns | None = None
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        registry.register(_Market(watch, viewers))
        registry.register(_Storage(self))
        self.acknowledgement = Histogram(
            "trex_market_acknowledgement_seconds",
            "From a participant's request to its answer, the journal's sync included.",
            buckets=QUICK,
            registry=registry,
        )
        self.round_late = Histogram(
            "trex_market_round_late_seconds",
            "By how much rounds were announced after their start, on the wall clock.",
            buckets=SLOW,
            registry=registry,
        )
        self.loop_late = Histogram(
            "trex_market_event_loop_late_seconds",
            "By how much the event loop woke up too late.",
            buckets=QUICK,
            registry=registry,
        )
        self.journal_sync = Histogram(
            "trex_market_journal_sync_seconds",
            "How long it took to write commands to disk.",
            buckets=QUICK,
            registry=registry,
        )

    def page(self, accept: str) -> tuple[bytes, str]:
        """Return all figures and their content type.

        Args:
            accept: the forms that are asked for, as in the HTTP header.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"trex_market_{name}", text, value=value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"trex_market_{name}", text, value=value)


def _by_label(family: CounterMetricFamily | GaugeMetricFamily, values: Iterable[tuple[str, float]]) -> Metric:
    for label, value in values:
        family.add_metric([label], value)
    return family


class _Market(Collector):
    """Shows what is watched."""

    def __init__(self, watch: Watch, viewers: Callable[[], int]) -> None:
        self._watch = watch
        self._viewers = viewers

    def collect(self) -> Iterator[Metric]:
        self._watch.refresh()
        yield self._info()
        yield from self._rounds()
        yield from self._trade()
        yield from self._readings()
        yield from self._people()

    def _info(self) -> Metric:
        terms = self._watch.terms
        labels = {
            "market_id": terms.market_id,
            "mode": terms.mode,
            "rule": terms.rule,
            "version": __version__,
        }
        return InfoMetricFamily("trex_market", "The market.", value=labels)

    def _rounds(self) -> Iterator[Metric]:
        tally, round = self._watch.tally, self._watch.round
        status = None if self._watch.status is None else self._watch.status()
        missed = 0 if status is None else status.silent
        yield _counter("rounds", "Rounds started.", tally.rounds)
        text = "Rounds that went by without the market; in a simulation, turns that did not come."
        yield _counter("missed_rounds", text, missed)
        if round is not None:
            yield _gauge("slot_start_timestamp_seconds", "Start of the current slot.", round.time)
            prices = (("sell", round.sell_price), ("buy", round.buy_price))
            yield _by_label(
                GaugeMetricFamily(
                    "trex_market_grid_price_dollars_per_kilowatt_hour",
                    "What the grid pays (sell) and charges (buy) in the current slot.",
                    labels=["side"],
                ),
                [(side, dollars_from_price(price)) for side, price in prices],
            )

    def _trade(self) -> Iterator[Metric]:
        tally, engine = self._watch.tally, self._watch.desk.engine
        yield _counter("orders_accepted", "Orders accepted.", tally.accepted_orders)
        yield _counter("orders_replaced", "Open orders changed.", tally.replaced_orders)
        yield _counter("orders_cancelled", "Open orders taken back.", tally.cancelled_orders)
        yield _by_label(
            CounterMetricFamily(
                "trex_market_orders_refused", "Orders and changes of orders refused.", labels=["code"]
            ),
            sorted(tally.refused_orders.items()),
        )
        open_orders = 0 if engine is None else sum(map(len, engine.market.open_slots().values()))
        yield _gauge("open_orders", "Orders in the book.", open_orders)
        yield _counter("contracts", "Contracts made.", tally.contracts)
        joules = tally.contracted * JOULES_PER_WH
        yield _counter("contracted_joules", "Energy contracted.", joules)
        if tally.last_price is not None:
            text = "What the buyer pays in the contract made last."
            yield _gauge("last_price_dollars_per_kilowatt_hour", text, tally.last_price)
        yield _counter("transactions", "Lines of the ledger.", tally.transactions)

    def _readings(self) -> Iterator[Metric]:
        tally = self._watch.tally
        yield _counter("meter_readings", "Meter readings taken.", tally.readings)
        yield _by_label(
            CounterMetricFamily(
                "trex_market_meter_readings_refused", "Meter readings refused.", labels=["code"]
            ),
            sorted(tally.refused_readings.items()),
        )
        yield _counter("estimated_readings", "Readings that were missing, and deemed.", tally.estimated)
        yield _counter("corrections", "Corrections of delivered slots.", tally.corrections)
        missing = sum(map(len, self._watch.missing.values()))
        yield _gauge("missing_readings", "Readings that are deemed until they come.", missing)

    def _people(self) -> Iterator[Metric]:
        seats = self._watch.desk.seats
        yield _gauge("participants", "Participants of the market.", len(seats))
        connected = sum(seat.connected for seat in seats)
        yield _gauge("connected_participants", "Participants whose agents are connected.", connected)
        yield _gauge("dashboard_viewers", "Pages that show the dashboard.", self._viewers())
        levels = [alarm.level for alarm in self._watch.alarms.current()]
        yield _by_label(
            GaugeMetricFamily("trex_market_alarms", "Alarms that the dashboard shows.", labels=["level"]),
            [(level, levels.count(level)) for level in ("serious", "warning", "note")],
        )


class _Storage(Collector):
    """Shows journal and database, where there are any."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        journal, rows = self._metrics.journal, self._metrics.rows
        if journal is not None:
            yield _gauge("journal_bytes", "Length of the journal.", journal.position.offset)
            yield _gauge("journal_lines", "Lines of the journal.", journal.position.sequence)
            yield _gauge("journal_up", "Whether the journal can be written.", journal.trouble is None)
            yield _gauge("disk_free_bytes", "Space left where the journal is.", free_space(journal.path))
        if rows is not None:
            yield _gauge("database_up", "Whether the database takes rows.", rows.trouble is None)
            yield _gauge("database_pending_rows", "Rows not in the database yet.", rows.pending)


def free_space(path: Path) -> int:
    """Return the space that is left on a file's disk, in bytes; 0 if that cannot be told."""
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return 0
