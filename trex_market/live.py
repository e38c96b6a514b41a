"""`trex-market serve --mode realtime`: a market on the wall clock, from its journal and back into it.

journal.jsonl  what the market was told; replayed when it is started again
market.db      the database (unless another one is named)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from trex_market import __version__
from trex_market.build import Study
from trex_market.core.errors import SimulationStoppedError
from trex_market.engine import Outbox
from trex_market.journal import Journal
from trex_market.run import DATABASE_FILE
from trex_market.server.app import MarketServer, ServerSettings
from trex_market.server.clock import Clock, WallClock
from trex_market.server.keys import terminal_keys
from trex_market.server.pace import WallPace
from trex_market.server.realtime import REALTIME, RealtimeConductor, recovered_engine
from trex_market.storage.database import Database
from trex_market.storage.rows import RunRecord
from trex_market.storage.writer import Writer

JOURNAL_FILE = "journal.jsonl"


class LiveMarket:
    """A market on the wall clock, in a directory of its own.

    Args:
        study: its config; its market's mode is "realtime".
        settings: of the server.
        directory: where journal and database are; one that was used before is gone on with.
        database_url: instead of a file in the directory.
        say: tells a person something.
        clock: tells the time.
    """

    def __init__(
        self,
        study: Study,
        settings: ServerSettings,
        directory: Path,
        database_url: str | None,
        say: Callable[[str], None],
        clock: Clock | None = None,
    ) -> None:
        self._study = study
        self._settings = settings
        self._directory = directory
        self._url = database_url or f"sqlite+aiosqlite:///{directory / DATABASE_FILE}"
        self._say = say
        self._clock = clock or WallClock()

    async def run(self) -> None:
        """Serve until stopped.

        Raises:
            ConfigError: if the directory is that of a market with other terms.
            ScenarioError: if the journal is damaged.
            StorageError: if the database cannot be opened, or the journal not be written.
        """
        names = list(self._study.config.participants)
        journal = Journal.open(self._directory / JOURNAL_FILE)
        if journal.cut:
            self._say(f"{journal.path}: {journal.cut} bytes of a torn last line were cut off")
        try:
            terms, now = self._study.terms, int(self._clock.now())
            engine, past = recovered_engine(journal, terms, names, now)
            await journal.synced()
            async with await Database.open(self._url) as database:
                run_id = await self._run_id(database)
                writer = Writer(database, run_id, self._study.config.market.id, on_trouble=self._say)
                writer.hear(past)
                server = MarketServer(terms, names, self._settings, WallPace(self._clock, journal))
                server.desk.engine = engine
                try:
                    await self._serve(server, journal, engine.listen(), writer)
                finally:
                    await database.finish_run(run_id, "interrupted", int(time.time()))
        finally:
            await journal.close()

    async def _run_id(self, database: Database) -> str:
        """Return the run that is gone on with, or a new one; what it has recorded of the past does not change."""
        config = self._study.config
        run_id = f"{REALTIME}-{config.market.id}"
        if not await database.resume_run(run_id):
            record = RunRecord(
                id=run_id,
                study=config.study.name,
                simulation=REALTIME,
                market_id=config.market.id,
                episode=0,
                seed=config.study.seed,
                config=msgspec.json.encode(config.resolved()).decode(),
                config_hash=config.hash,
                version=__version__,
                started_at=int(time.time()),
            )
            return await database.start_run(record)
        return run_id

    async def _serve(self, server: MarketServer, journal: Journal, outbox: Outbox, writer: Writer) -> None:
        async def record() -> None:
            writer.hear(outbox.take())
            await writer.keep_up()

        conductor = RealtimeConductor(server.desk, journal, self._clock, server.tell_status, record)
        controls = {"stop": conductor.stop}
        server.let_control(controls, lambda: conductor.status)
        try:
            async with server:
                self._say(
                    f"market {self._study.terms.market_id} at {server.url}, a round each {self._study.terms.step} s"
                )
                with terminal_keys(controls, self._say):
                    await conductor.run()
        except SimulationStoppedError as error:
            self._say(str(error))
        finally:
            await journal.synced()
            writer.hear(outbox.take())
            await writer.close()
