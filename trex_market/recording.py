"""How much of a run is kept: `full` every row, `participant` a row per participant and day, `none`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Literal
from zoneinfo import ZoneInfo

from trex_market.core.messages import Corrected, Delivered, Event, MeterAccepted
from trex_market.core.units import dollars_from_money
from trex_market.simulation.run import Recorder
from trex_market.storage.database import Database
from trex_market.storage.writer import Recorded, Writer
from trex_market.totals import PartyTotals, Totals

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
        self._writer: Writer | None = None
        self._days: DailyRecorder | None = None
        if level == "full":
            self._writer = Writer(database, run_id, market_id, on_trouble=on_trouble)
        elif level == "participant":
            self._writer = Writer(database, run_id, market_id, DAILY, on_trouble)
            self._days = DailyRecorder(self._writer, timezone)

    async def __aenter__(self) -> Recorder | None:
        return self._days or self._writer

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._days is not None:
            self._days.end_day()
        if self._writer is not None:
            await self._writer.close()


class DailyRecorder:
    """Adds up each participant's day and keeps it as metrics; energy in Wh, the bill in $.

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
            elif type(event) is Delivered or type(event) is Corrected:
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
        local = datetime.fromtimestamp(time, self._zone).replace(hour=0, minute=0, second=0)
        self._day_start = int(local.timestamp())
        # The next midnight, also on days of 23 and 25 hours.
        tomorrow = datetime.fromtimestamp(self._day_start + 30 * 3600, self._zone)
        self._day_end = int(tomorrow.replace(hour=0, minute=0, second=0).timestamp())


def _figures(party: PartyTotals) -> dict[str, float]:
    return {
        "load": party.load,
        "generated": party.generated,
        "bought": party.bought,
        "sold": party.sold,
        "supplied": party.supplied,
        "fed_in": party.fed_in,
        "self_consumed": party.self_consumed,
        "bill": dollars_from_money(party.bill),
    }
