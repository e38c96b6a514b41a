"""A live market from its journal and back: snapshots, so that a restart needs no more than the journal's end.

journal.jsonl   what the market was told
snapshot.json   all that the market knew at a place in the journal

A snapshot is only ever a shortcut. It is written when all rows up to its place are in the database, or on disk
where they wait for it. It is believed only if the journal up to there has the checksum that it had then;
otherwise the whole journal is replayed, which says where the damage is, if there is any.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec

from trex_market.core.areas import configured_area
from trex_market.core.errors import ConfigError, StorageError
from trex_market.core.market import Market, Phase
from trex_market.core.messages import Event, Join, OpenMarket
from trex_market.core.state import MarketState
from trex_market.engine import Engine, replay
from trex_market.journal import BEGINNING, Journal, Position, leads_to
from trex_market.programmes import Programme
from trex_market.server.watching import Watch
from trex_market.storage.collecting import WriterState
from trex_market.storage.live_writer import LiveWriter

logger = logging.getLogger(__name__)

JOURNAL_FILE = "journal.jsonl"
SNAPSHOT_FILE = "snapshot.json"

FORMAT = 1
"""Of snapshots; one of another format is not read."""

REPLAYED_AT_ONCE = 500
"""Lines whose events are heard together."""


NOTHING = msgspec.Raw(b"null")


class Snapshot(msgspec.Struct, frozen=True):
    """All that a live market knew at a place in its journal.

    Args:
        position: the place.
        market: what the market knew.
        writer: what its writer knew.
        view: what people were shown, see `server.watching`; without it they are shown less, that is all.
        programmes: name -> what each programme beside the market knew.
        format: of the file.
    """

    position: Position
    market: MarketState
    writer: WriterState
    view: msgspec.Raw = NOTHING
    programmes: dict[str, msgspec.Raw] = {}
    format: int = FORMAT


def load_snapshot(directory: Path) -> Snapshot | None:
    """Return the snapshot of a live market's directory, if there is one that can be believed."""
    path = directory / SNAPSHOT_FILE
    if not path.exists():
        return None
    try:
        snapshot = msgspec.json.decode(path.read_bytes(), type=Snapshot)
    except (OSError, msgspec.DecodeError) as error:
        logger.warning("%s cannot be read, the whole journal is replayed: %s", path, error)
        return None
    if snapshot.format != FORMAT or not leads_to(directory / JOURNAL_FILE, snapshot.position):
        logger.warning("%s is not of this journal, which is replayed as a whole", path)
        return None
    return snapshot


class LiveState:
    """The engine of a live market, its journal and its writer, kept together.

    Args:
        directory: where journal and snapshot are.
        terms: the market's; what was opened with others is not gone on with.
        snapshot_lines: so many lines of journal after a snapshot the next one is written.
        programmes: beside the market, new ones.

    Raises:
        ScenarioError: if the journal is damaged.
        StorageError: if it cannot be written.
    """

    def __init__(
        self,
        directory: Path,
        terms: OpenMarket,
        snapshot_lines: int,
        programmes: Sequence[Programme] = (),
    ) -> None:
        self._directory = directory
        self._snapshot_lines = snapshot_lines
        self._terms = terms
        self._snapshot = load_snapshot(directory)
        since = BEGINNING if self._snapshot is None else self._snapshot.position
        self.journal = Journal.open(directory / JOURNAL_FILE, since)
        market = None if self._snapshot is None else Market.restored(self._snapshot.market)
        self.engine = Engine(market, programmes=programmes)
        for programme in programmes:
            if self._snapshot is not None and programme.name in self._snapshot.programmes:
                programme.resume(bytes(self._snapshot.programmes[programme.name]))
        self._kept = since.sequence
        self._keeping: asyncio.Task[None] | None = None
        self.watch: Watch | None = None
        """Hears what the writer hears, and is kept with it."""

    async def recover(self, writer: LiveWriter, members: Sequence[str], now: int) -> None:
        """Bring the market back to where its journal ends, or open it; the writer hears what came of it.

        Args:
            writer: a new one.
            members: who takes part.
            now: UNIX seconds.

        Raises:
            ConfigError: if the journal is one of a market with other terms.
            ScenarioError: if the journal is damaged.
        """
        if self._snapshot is not None:
            writer.resume(self._snapshot.writer)
            if self.watch is not None and self._snapshot.view != NOTHING:
                self.watch.resume(self._snapshot.view)
        async for events in self._replayed():
            writer.hear(events)
            if self.watch is not None:
                self.watch.hear(events)
            await writer.keep_up()
        engine = self.engine
        engine.keep_in(self.journal)
        outbox = engine.listen()
        if engine.market.phase is Phase.CLOSED:
            engine.submit(self._terms)
        elif msgspec.structs.replace(engine.market.terms, places=self._terms.places) != self._terms:
            raise ConfigError(
                f"{self.journal.path}: this market was opened with other terms; name another directory with "
                "--out, or go back to the config that it was opened with"
            )
        for name in members:
            area = configured_area(self._terms, name)
            if name not in engine.market.members or engine.market.area_of(name) != area:
                engine.submit(Join(name, now, area))
        engine.open_programmes()
        engine.dismiss(outbox)
        writer.hear(outbox.take())

    async def _replayed(self) -> AsyncIterator[list[Event]]:
        since = BEGINNING if self._snapshot is None else self._snapshot.position
        if self.journal.position == since:
            return
        outbox = self.engine.listen()
        for number, _ in enumerate(replay(self.journal.path, self.engine, since)):
            if number % REPLAYED_AT_ONCE == 0:
                yield outbox.take()
        self.engine.dismiss(outbox)
        yield outbox.take()

    # ------------------------------------------------------------ snapshots

    def keep(self, writer: LiveWriter) -> None:
        """Write a snapshot in the background, if it is time for one.

        Args:
            writer: has heard all events until now.
        """
        behind = self.journal.position.sequence - self._kept
        if behind < self._snapshot_lines or (self._keeping is not None and not self._keeping.done()):
            return
        view = NOTHING if self.watch is None else msgspec.Raw(self.watch.state())
        programmes = {
            programme.name: msgspec.Raw(msgspec.json.encode(programme.state()))
            for programme in self.engine.programmes
        }
        snapshot = Snapshot(
            self.journal.position, self.engine.market.state(), writer.state(), view, programmes
        )
        self._keeping = asyncio.create_task(self._write(snapshot, writer))

    async def _write(self, snapshot: Snapshot, writer: LiveWriter) -> None:
        try:
            await self.journal.synced()
            await writer.flush()
            await asyncio.to_thread(_replace, self._directory / SNAPSHOT_FILE, snapshot)
        except (OSError, StorageError) as error:
            # Without it a restart takes longer; that is all.
            logger.warning("no snapshot could be written: %s", error)
        else:
            self._kept = snapshot.position.sequence

    async def close(self) -> None:
        """Let a snapshot that is being written go, and close the journal."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self.journal.close()


def _replace(path: Path, snapshot: Snapshot) -> None:
    """Write a file that is there as a whole, or as it was."""
    draft = path.with_suffix(".new")
    with draft.open("wb") as file:
        file.write(msgspec.json.encode(snapshot))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
