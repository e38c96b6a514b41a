"""A scenario or journal to contracts and transactions in a database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from trex_market import __version__
from trex_market.analysis.summary import Summary, summarise
from trex_market.core.messages import (
    Contract,
    Contracted,
    Event,
    MarketOpened,
    OpenMarket,
    OrderRejected,
    Transaction,
    Written,
)
from trex_market.engine import Engine, Outbox, replay
from trex_market.programmes.demand_response import DemandResponse, Terms
from trex_market.protocol import contract_record, transaction_record
from trex_market.run import DATABASE_FILE, new_directory
from trex_market.storage.database import Database
from trex_market.storage.rows import RunRecord, RunStatus
from trex_market.storage.writer import Writer
from trex_market.totals import Totals

LINES_PER_WRITE = 1000


class Replayed(msgspec.Struct, frozen=True):
    """What came of a scenario.

    Args:
        rejected: ids of refused orders, sorted.
    """

    lines: int
    rejected: tuple[str, ...]
    contracts: tuple[Contract, ...]
    transactions: tuple[Transaction, ...]
    summary: Summary
    database: str
    run_id: str

    def as_json(self) -> str:
        """Return rejected orders, contracts and transactions as JSON."""
        answer: dict[str, Any] = {
            "rejected": self.rejected,
            "contracts": [contract_record(contract) for contract in self.contracts],
            "transactions": [transaction_record(transaction) for transaction in self.transactions],
        }
        return msgspec.json.format(msgspec.json.encode(answer)).decode()


class _Collector:
    """Keeps what the answer needs, and hands everything on to a writer."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.terms: OpenMarket | None = None
        self.lines = 0
        self.rejected: list[str] = []
        self.contracts: list[Contract] = []
        self.transactions: list[Transaction] = []
        self.totals = Totals()

    def take(self) -> list[Event]:
        events = self._outbox.take()
        self.totals.hear(events)
        for event in events:
            if isinstance(event, OrderRejected):
                self.rejected.append(event.order_id)
            elif isinstance(event, Contracted):
                self.contracts += event.contracts
            elif isinstance(event, Written):
                self.transactions += event.transactions
            elif isinstance(event, MarketOpened):
                self.terms = event.terms
        return events


async def replay_file(path: Path, database_url: str | None, out: Path | None) -> Replayed:
    """Replay a scenario or journal and record it.

    Args:
        path: the file.
        database_url: instead of a file in the directory.
        out: the directory; made from the file's name and the time if there is none.

    Raises:
        ScenarioError: if a line cannot be handled; the run is marked failed.
        StorageError: if the database cannot be used.
    """
    # Its terms are in the journal, if it has any.
    engine = Engine(programmes=(DemandResponse(Terms("UTC", 900)),))
    collector = _Collector(engine.listen())
    lines = replay(path, engine)
    next(lines)  # a file whose first line is wrong leaves nothing behind
    collector.lines = 1
    if database_url is None:
        database_url = f"sqlite+aiosqlite:///{new_directory(path.stem, out) / DATABASE_FILE}"
    async with await Database.open(database_url) as database:
        opened = collector.take()
        assert collector.terms is not None
        record = _run_record(path, collector.terms)
        run_id = await database.start_run(record)
        status: RunStatus = "failed"
        writer = Writer(database, run_id, collector.terms.market_id)
        writer.hear(opened)
        try:
            try:
                await _record_all(lines, collector, writer)
            finally:
                writer.hear(collector.take())
                await writer.close()
            status = "finished"
        except (asyncio.CancelledError, KeyboardInterrupt):
            status = "interrupted"
            raise
        finally:
            await database.finish_run(run_id, status, int(time.time()))
        return Replayed(
            collector.lines,
            tuple(sorted(set(collector.rejected))),
            tuple(collector.contracts),
            tuple(collector.transactions),
            summarise(collector.totals),
            database.name,
            run_id,
        )


async def _record_all(lines: Iterator[str], collector: _Collector, writer: Writer) -> None:
    for _ in lines:
        collector.lines += 1
        if collector.lines % LINES_PER_WRITE == 0:
            writer.hear(collector.take())
            await writer.keep_up()
            await asyncio.sleep(0)  # lets a signal in


def _run_record(path: Path, terms: OpenMarket) -> RunRecord:
    return RunRecord(
        id=f"replay-{path.stem}",
        study=path.stem,
        simulation="replay",
        market_id=terms.market_id,
        episode=0,
        seed=0,
        config=msgspec.json.encode(terms).decode(),
        config_hash="",
        version=__version__,
        started_at=int(time.time()),
    )
