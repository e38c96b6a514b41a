"""Plays an episode of the vector driver to its end: `trex_market.simulation.run` with chunks for events."""

from __future__ import annotations

import asyncio
from typing import Protocol
from zoneinfo import ZoneInfo

from trex_market.rounds import EpisodePlan
from trex_market.simulation.run import Progress
from trex_market.simulation.vector import VectorDriver
from trex_market.simulation.vector_chunks import Chunk, Sums
from trex_market.totals import Totals, local_day

CHUNK = 1 << 21
"""At most about so many rounds times participants between two looks at the outside: some tenths of a second."""

LEDGER_CHUNK = 1 << 13
"""As `CHUNK`, if every row is kept: so many rows of a kind wait at most."""


class ChunkRecorder(Protocol):
    """Keeps what the vector driver hands on."""

    ledger: bool
    """Whether it wants every row, or only what rounds came to."""

    def take(self, chunk: Chunk) -> None:
        """Take in a chunk; it never goes beyond the end of a local day."""

    async def keep_up(self) -> None:
        """Write what has come; waits only if too much is waiting."""

    def finish(self) -> None:
        """Keep what is not complete; nothing may be taken afterwards."""


class ChunkDriver:
    """Plays episodes in chunks; see `trex_market.simulation.run.EpisodeDriver`.

    Args:
        driver: plays their rounds.
    """

    def __init__(self, driver: VectorDriver) -> None:
        self._driver = driver

    async def play_episode(
        self,
        plan: EpisodePlan,
        totals: Totals,
        recorder: ChunkRecorder | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Play an episode.

        Args:
            plan: the episode.
            totals: of the run; filled at the end, their `last_price` as it goes.
            recorder: takes each chunk.
            progress: is told of rounds played.

        Raises:
            InputError: if something is beyond what arrays take.
            StorageError: if the recorder gives up.
        """
        ledger = recorder is not None and recorder.ledger
        episode = self._driver.begin(plan, ledger=ledger)
        sums = Sums(episode.names)
        most = max(1, (LEDGER_CHUNK if ledger else CHUNK) // len(episode.names.participants))
        while episode.rounds_left:
            rounds = min(most, episode.rounds_left, self._rounds_of_day(episode.time, plan.step))
            chunk = episode.play(rounds)
            sums.add(chunk)
            totals.last_price = sums.last_price
            if recorder is not None:
                recorder.take(chunk)
                await recorder.keep_up()
            await asyncio.sleep(0)  # lets a signal in
            if progress is not None:
                progress(rounds)
        episode.end()
        sums.into(totals)

    def _rounds_of_day(self, time: int, step: int) -> int:
        """Return how many rounds are left of a local day."""
        _, end = local_day(time, ZoneInfo(self._driver.terms.timezone))
        return -(-(end - time) // step)
