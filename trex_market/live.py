"""`trex-market serve --mode realtime`: a market on the wall clock, from its journal and back into it.

journal.jsonl  what the market was told; replayed when it is started again
snapshot.json  what it knew at a place in the journal
market.db      the database (unless another one is named)
unwritten.rows  rows that wait for the database; there while there are any
run.json       the id of its run in the database
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from secrets import token_hex

import msgspec

from trex_market import __version__
from trex_market.build import TRAINING, Study
from trex_market.core.errors import InputError, SimulationStoppedError
from trex_market.gatewaying import GatewayService, make_gateway
from trex_market.journal import Journal
from trex_market.metering import metering
from trex_market.played import Played
from trex_market.recovery import LiveState
from trex_market.run import DATABASE_FILE, RUN_FILE, RunFile
from trex_market.server.app import MarketServer, ServerSettings
from trex_market.server.clock import Clock, WallClock
from trex_market.server.demand_response import Responding
from trex_market.server.dr_rest import serve_demand_response
from trex_market.server.keys import terminal_keys
from trex_market.server.pace import WallPace
from trex_market.server.realtime import REALTIME, RealtimeConductor
from trex_market.storage.address import parse_address
from trex_market.storage.live_writer import LiveWriter
from trex_market.storage.rows import RunRecord

BACKLOG_FILE = "unwritten.rows"


class LiveMarket:
    """A market on the wall clock, in a directory of its own.

    Args:
        study: its config; its market's mode is "realtime".
        settings: of the server.
        directory: where journal and database are; one that was used before is gone on with.
        database_url: instead of a file in the directory.
        say: tells a person something.
        clock: tells the time.
        played: ids of participants that the config's own strategies play, here.

    Raises:
        InputError: if the database's URL is none, or of Parquet files.
    """

    def __init__(
        self,
        study: Study,
        settings: ServerSettings,
        directory: Path,
        database_url: str | None,
        say: Callable[[str], None],
        clock: Clock | None = None,
        played: Collection[str] = (),
    ) -> None:
        self._study = study
        self._played = Played(played)
        self._settings = self._played.admitted(settings)
        self._directory = directory
        self._url = database_url or f"sqlite+aiosqlite:///{directory / DATABASE_FILE}"
        if parse_address(self._url).folder is not None:
            raise InputError(
                "a market on the wall clock needs a database that takes rows as they come, sqlite:///PATH or "
                f"postgresql://..., and not Parquet files, found {self._url}"
            )
        self._say = say
        self._clock = clock or WallClock()
        self._conductor: RealtimeConductor | None = None
        self._asked_to_stop = False

    def stop(self) -> None:
        """Come to an end: what was taken is answered and kept, and everybody is told."""
        self._asked_to_stop = True
        if self._conductor is not None:
            self._conductor.stop()

    async def run(self) -> None:
        """Serve until stopped.

        Raises:
            ConfigError: if the directory is that of a market with other terms.
            ScenarioError: if the journal is damaged.
            StorageError: if the database cannot be opened, or the journal not be written.
        """
        names = list(self._study.config.participants)
        snapshot_lines = self._study.config.server.snapshot_lines
        state = LiveState(self._directory, self._study.terms, snapshot_lines, self._study.live_programmes())
        journal = state.journal
        if journal.cut:
            self._say(f"{journal.path}: {journal.cut} bytes of a torn last line were cut off")
        try:
            writer = LiveWriter(
                self._url, self._run_record(journal), self._directory / BACKLOG_FILE, self._say
            )
            try:
                await writer.open()
                server = MarketServer(
                    self._study.terms, names, self._settings, WallPace(self._clock, journal)
                )
                gateway = make_gateway(
                    self._study,
                    server,
                    is_open=self._settings.is_open,
                    played=self._played.participant_ids,
                    clock=self._clock,
                    directory=self._directory,
                )
                state.watch = server.watch
                await state.recover(writer, names, int(self._clock.now()))
                server.desk.open(state.engine)
                server.operations.attend_journal(journal)
                server.operations.attend_rows(writer)
                responding = serve_demand_response(server, self._clock)
                await self._serve(server, state, writer, gateway, responding)
            finally:
                await writer.close()
        finally:
            await state.close()

    def _run_record(self, journal: Journal) -> RunRecord:
        config = self._study.config
        return RunRecord(
            id=self._run_id(journal),
            study=config.study.name,
            simulation=REALTIME,
            market_id=config.market.id,
            episode=0,
            seed=config.study.seed,
            config=msgspec.json.encode(config.recorded()).decode(),
            config_hash=config.hash,
            version=__version__,
            started_at=int(time.time()),
        )

    def _run_id(self, journal: Journal) -> str:
        """Return the run that a journal is of: no two journals may write to one, whatever their markets are called."""
        path, market_id = self._directory / RUN_FILE, self._study.config.market.id
        if not journal.is_new:
            if not path.exists():  # from before runs had names of their own
                return f"{REALTIME}-{market_id}"
            return msgspec.json.decode(path.read_bytes(), type=RunFile).run_ids[0]
        run_id = f"{REALTIME}-{market_id}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{token_hex(2)}"
        path.write_bytes(msgspec.json.encode(RunFile((run_id,), self._study.config.study.timezone)))
        return run_id

    async def _serve(
        self,
        server: MarketServer,
        state: LiveState,
        writer: LiveWriter,
        gateway: GatewayService | None,
        responding: Responding | None,
    ) -> None:
        outbox = state.engine.listen()

        async def record() -> None:
            writer.hear(outbox.take())
            state.keep(writer)
            await writer.keep_up()

        conductor = RealtimeConductor(server.desk, state.journal, self._clock, server.tell_status, record)
        conductor.profile_of = self._study.live_profile
        conductor.alarmed = server.watch.alarms.warn
        conductor.announced_late = server.operations.metrics.round_late.observe
        if responding is not None:
            conductor.also_welcome = responding.welcome
        self._conductor = conductor
        if self._asked_to_stop:
            conductor.stop()
        controls = {"stop": conductor.stop}
        server.let_control(controls, lambda: conductor.status)
        try:
            async with metering(server, self._study.config), server:
                self._say(
                    f"market {self._study.terms.market_id} at {server.url}, a round each {self._study.terms.step} s"
                )
                try:
                    taking_part = nullcontext() if gateway is None else gateway.playing()
                    attending = nullcontext() if responding is None else responding.attended()
                    async with self._playing(server.own_url), taking_part, attending:
                        with terminal_keys(controls, self._say):
                            await conductor.run()
                finally:
                    await server.tell_stopping("the market stops, and goes on when it is started again")
        except SimulationStoppedError as error:
            self._say(str(error))
        finally:
            await state.journal.synced()
            writer.hear(outbox.take())

    @asynccontextmanager
    async def _playing(self, url: str) -> AsyncIterator[None]:
        """Let the config's own strategies play while the context lasts; one that breaks is told of, and is offline."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and task.exception() is not None:
                self._say(str(task.exception()))

        tasks = [asyncio.create_task(client) for client in self._played.clients(self._study, url, TRAINING)]
        for task in tasks:
            task.add_done_callback(ended)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
