"""Local days: which of them are like another one, and when on them it is the same time of day."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

_SATURDAY = 5


class LikeDay(NamedTuple):
    """An earlier day of the same kind.

    Args:
        date: its proleptic ordinal.
        moment: when on it it was the same time of day, UNIX seconds.
    """

    date: int
    moment: int


class Calendar:
    """Days of a time zone.

    Args:
        timezone: IANA name.
        holidays: dates that count as weekends, as "2016-07-18".
    """

    def __init__(self, timezone: str, holidays: tuple[str, ...]) -> None:
        self._zone = ZoneInfo(timezone)
        self._holidays = frozenset(date.fromisoformat(day).toordinal() for day in holidays)

    def date(self, time: int) -> int:
        """Return the date of a moment, as an ordinal."""
        return datetime.fromtimestamp(time, self._zone).toordinal()

    def hour(self, time: int) -> int:
        """Return the hour of the day of a moment."""
        return datetime.fromtimestamp(time, self._zone).hour

    def is_weekend(self, ordinal: int) -> bool:
        """Say whether a date is one of a weekend, or a holiday."""
        return date.fromordinal(ordinal).weekday() >= _SATURDAY or ordinal in self._holidays

    def like_days(self, time: int, look_back_days: int) -> list[LikeDay]:
        """Return the earlier days of the same kind as that of a moment, newest first."""
        local = datetime.fromtimestamp(time, self._zone)
        today = local.toordinal()
        weekend = self.is_weekend(today)
        days = []
        for back in range(1, look_back_days + 1):
            if self.is_weekend(today - back) == weekend:
                # The same time on the wall, whatever the clocks did in between.
                moment = (local - timedelta(days=back)).replace(fold=local.fold)
                days.append(LikeDay(today - back, int(moment.timestamp())))
        return days
