"""How much of a run is kept: `full` every row, `participant` a row per participant and day, `none`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from trex_market.core.messages import Event, MeterAccepted, Written
from trex_market.core.units import dollars_from_money
from trex_market.simulation.run import Recorder
from trex_market.storage.collecting import Recorded
from trex_market.storage.database import Database
from trex_market.storage.writer import Writer
from trex_market.totals import DAILY_ENERGY, DAILY_MONEY, PartyTotals, Totals, local_day

if TYPE_CHECKING:
    from trex_market.simulation.vector_play import ChunkRecorder

Level = Literal["full", "participant", "none"]

DAILY: tuple[Recorded, ...] = ("metrics",)
"""The tables of the level `participant`."""


class Recording:
    """Records a run for as long as the context lasts; what was heard is written at its end, come what may.

    Args:
        level: how much is kept.
        database: where.
        run_id: of the run.
        market_id: the market's name.
        timezone: whose days count.
        on_trouble: is told if the database is away.
    """

    def __init__(
        self,
        level: Level,
        database: Database,
        run_id: str,
        market_id: str,
        timezone: str,
        on_trouble: Callable[[str], None],
    ) -> None:
        self._level, self._run_id, self._market_id, self._timezone = level, run_id, market_id, timezone
        self._writer: Writer | None = None
        self._recorder: Recorder | None = None
        self._finish: Callable[[], None] | None = None
        if level == "full":
            self._recorder = self._writer = Writer(database, run_id, market_id, on_trouble=on_trouble)
        elif level == "participant":
            self._writer = Writer(database, run_id, market_id, DAILY, on_trouble)
            self._recorder = days = DailyRecorder(self._writer, timezone)
            self._finish = days.end_day

    async def __aenter__(self) -> Recorder | None:
        return self._recorder

    def in_chunks(self) -> ChunkRecorder | None:
        """Return what takes the vector driver's chunks, in place of what `__aenter__` returned."""
        if self._writer is None:
            return None
        # Needs the extra `fast`, as what makes the chunks does.
        from trex_market.chunk_recording import DailyChunks, LedgerChunks  # noqa: PLC0415

        if self._level == "full":
            recorder: ChunkRecorder = LedgerChunks(self._writer, self._run_id, self._market_id)
        else:
            recorder = DailyChunks(self._writer, self._run_id, self._timezone)
        self._finish = recorder.finish
        return recorder

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._finish is not None:
            self._finish()
        if self._writer is not None:
            await self._writer.close()


class DailyRecorder:
    """Adds up each participant's day and keeps it as metrics; energy in Wh, money in $.

    Args:
        writer: keeps the metrics.
        timezone: whose days count.
    """

    def __init__(self, writer: Writer, timezone: str) -> None:
        self._writer = writer
        self._zone = ZoneInfo(timezone)
        self._day = Totals()
        self._day_start = 0
        self._day_end = 0

    def hear(self, events: Sequence[Event]) -> None:
        """Add what was metered and delivered to the day that it belongs to."""
        for event in events:
            if type(event) is MeterAccepted:
                self._turn_to(event.meter.slot_start)
                self._day.hear((event,))
            elif isinstance(event, Written):
                self._turn_to(event.slot_start)
                self._day.hear((event,))

    def metric(self, participant_id: str, time: int, name: str, value: float) -> None:
        """Figures of single rounds are not kept."""

    async def keep_up(self) -> None:
        """Write what has come; waits only if too much is waiting."""
        await self._writer.keep_up()

    def end_day(self) -> None:
        """Keep what was added up."""
        for participant_id, party in self._day.parties.items():
            for name, value in _figures(party).items():
                self._writer.metric(participant_id, self._day_start, name, value)
        self._day = Totals()

    def _turn_to(self, time: int) -> None:
        if time < self._day_end:
            return
        self.end_day()
        self._day_start, self._day_end = local_day(time, self._zone)


def _figures(party: PartyTotals) -> dict[str, float]:
    energy = {name: float(getattr(party, name)) for name in DAILY_ENERGY}
    return energy | {name: dollars_from_money(getattr(party, name)) for name in DAILY_MONEY}
