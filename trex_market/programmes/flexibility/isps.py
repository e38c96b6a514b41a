"""The ISPs of a local day: how many, when they start, and runs of equal ones.

A day has as many ISPs as fit between its midnight and the next one, counted in
UTC: 96 of a quarter of an hour, 92 or 100 where the clock is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trex_market.core.errors import InputError
from trex_market.programmes.flexibility.messages import IspPower


class Calendar:
    """Counts the ISPs of local days.

    Args:
        time_zone: IANA name.
        isp_duration_s: length of an ISP, in seconds.

    Raises:
        InputError: if there is no such time zone, or ISPs do not fill an hour.
    """

    def __init__(self, time_zone: str, isp_duration_s: int) -> None:
        self.zone = _zone(time_zone)
        self.time_zone = time_zone
        if isp_duration_s <= 0 or 3600 % isp_duration_s or isp_duration_s % 60:
            raise InputError(f"ISPs must be whole minutes that fill an hour, found {isp_duration_s} s")
        self.duration = isp_duration_s

    def bounds(self, period: str) -> tuple[int, int]:
        """Return the start and the end of a day "yyyy-mm-dd".

        Raises:
            InputError: if it is none.
        """
        return _bounds(self.zone, period)

    def count(self, period: str) -> int:
        """Return how many ISPs a day has."""
        start, end = self.bounds(period)
        return (end - start) // self.duration

    def start_of(self, period: str, isp: int) -> int:
        """Return when an ISP (from 1) of a day starts."""
        return self.bounds(period)[0] + (isp - 1) * self.duration

    def locate(self, time: int) -> tuple[str, int]:
        """Return the day and the ISP in which a moment lies."""
        period = datetime.fromtimestamp(time, self.zone).date().isoformat()
        return period, (time - self.bounds(period)[0]) // self.duration + 1

    def day_after(self, period: str) -> str:
        """Return the next day."""
        return (date.fromisoformat(period) + timedelta(days=1)).isoformat()

    def same_offset(self, time_zone: str, period: str) -> bool:
        """Tell whether another time zone has this one's offset from UTC on a day."""
        try:
            return _bounds(_zone(time_zone), period) == self.bounds(period)
        except InputError:
            return False


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(f"there is no time zone {name!r}") from error


@lru_cache(maxsize=1024)
def _bounds(zone: ZoneInfo, period: str) -> tuple[int, int]:
    try:
        day = date.fromisoformat(period)
        start, end = (
            int(datetime(at.year, at.month, at.day, tzinfo=zone).timestamp())
            for at in (day, day + timedelta(days=1))
        )
    except (ValueError, OverflowError) as error:
        raise InputError(f"a day is yyyy-mm-dd, found {period!r}") from error
    if day.isoformat() != period:
        raise InputError(f"a day is yyyy-mm-dd, found {period!r}")
    return start, end


class Run(Protocol):
    """Any element that covers one or several ISPs in a row."""

    @property
    def start(self) -> int:
        """Number of the first."""

    @property
    def duration(self) -> int:
        """How many."""


def covered(runs: Iterable[Run]) -> list[int]:
    """Return the numbers of all ISPs of some elements, in their order."""
    return [isp for run in runs for isp in range(run.start, run.start + run.duration)]


def powers_by_isp(runs: Iterable[IspPower]) -> dict[int, int]:
    """Return ISP -> power in W."""
    return {isp: run.power for run in runs for isp in range(run.start, run.start + run.duration)}


def runs_of(powers: Sequence[int]) -> tuple[IspPower, ...]:
    """Write the powers of a whole day as runs of equal ones."""
    runs: list[IspPower] = []
    start = 0
    for place in range(1, len(powers) + 1):
        if place == len(powers) or powers[place] != powers[start]:
            runs.append(IspPower(start + 1, powers[start], place - start))
            start = place
    return tuple(runs)
