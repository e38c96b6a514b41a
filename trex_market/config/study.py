"""The `study` section: which days are simulated, how often and in which steps.

The start of an episode is local time in the study's time zone, and must lie at
a whole multiple of the step. One start is repeated in every episode; two are
a range, divided evenly among the episodes; more are taken in turn.
"""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta, timezone
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, model_validator

from trex_market.config.values import (
    OptionalText,
    Section,
    Simulation,
    Text,
    TimeZone,
    check_printable,
    found,
    listed,
    number,
    whole,
    wrong,
    wrong_at,
)
from trex_market.core.units import exact

DAY = 86_400
"""Seconds."""

_FIRST_YEAR, _LAST_YEAR = 1970, 2999

_START = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[T ] *(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?)?"
    r" *(?:(Z)|([+-])(\d{2}):?(\d{2}))?",
    re.ASCII,
)


def local_time(text: str, zone: str) -> int:
    """Read a moment as a study has it.

    Args:
        text: such as "2020-11-03 0:0:0", "2020-11-03" or "2020-11-03T00:00:00-08:00".
        zone: IANA name of the time zone, where the text has none of its own. Of a time that comes
            twice, when clocks go back, it is the first.

    Returns:
        UNIX seconds.

    Raises:
        ValueError: if it is no such moment.
    """
    match = _START.fullmatch(text.strip())
    if match is None:
        raise ValueError("not of the form 2020-11-03 0:0:0")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise ValueError(f"the year must be {_FIRST_YEAR} to {_LAST_YEAR}")
    utc, sign, offset_hours, offset_minutes = match.groups()[6:]
    if utc or sign:
        offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
        place = timezone(-offset if sign == "-" else offset)
        return int(datetime(year, month, day, hour, minute, second, tzinfo=place).timestamp())
    return int(datetime(year, month, day, hour, minute, second, tzinfo=ZoneInfo(zone)).timestamp())


def _check_start(value: object) -> object:
    """Check the form of one start, or of each in a list."""
    if isinstance(value, (list, tuple)):
        if not value:
            raise wrong("must name at least one start, found an empty list")
        mistakes = [((position,), message) for position, item in enumerate(value) if (message := _form(item))]
        if mistakes:
            raise wrong_at(mistakes)
        return tuple(value)
    if message := _form(value):
        raise wrong(message)
    return value


def _form(value: object) -> str | None:
    """Say what is wrong with the form of a start."""
    expected = "must be a date and time such as '2020-11-03 0:0:0', or a list of them"
    if not isinstance(value, str):
        return f"{expected}, found {found(value)}"
    try:
        local_time(value, "UTC")
    except ValueError as error:
        return f"{expected}, found {found(value)} ({error})"
    return None


def _check_simulations(value: tuple[Simulation, ...]) -> tuple[Simulation, ...]:
    if not value or len(set(value)) != len(value):
        raise wrong("must name at least one simulation, and each once")
    return value


def _plain(value: float) -> int | float:
    return int(value) if value == int(value) else value


Days = Annotated[int | float, number("days", least=0, most=36_600, above=True), AfterValidator(_plain)]


class StudyConfig(Section):
    """Which time is simulated.

    Args:
        name: of the study; by default its file's.
        start_datetime: local time: a start, a range of two, or a list.
        start_datetime_sequence: whether the starts are taken in turn or shuffled.
        timezone: IANA name.
        time_step_size: length of a slot, in seconds.
        days: length of an episode; a whole number of steps.
        generations: number of episodes.
        profiles_db_location: where load and generation come from.
        output_db_location: where results go; None for a file beside the run's results.
        sim_root: kept for TREX's configs.
        seed: of all chance.
        record: how much of the ledger is recorded.
        fill: what stands for missing profile values; None for an error.
        simulations: which are run, in this order; None for what the command says.
    """

    tied: ClassVar[frozenset[str]] = frozenset({"start_datetime", "timezone", "time_step_size", "days"})

    name: Annotated[str, AfterValidator(check_printable)] = "study"
    description: Text = ""
    start_datetime: Annotated[str | tuple[str, ...], BeforeValidator(_check_start)]
    start_datetime_sequence: Literal["sequential", "shuffled"] = "sequential"
    timezone: TimeZone = "UTC"
    time_step_size: Annotated[int, whole("s", least=1, most=7 * DAY)] = 60
    days: Days
    generations: Annotated[int, whole(least=1, most=1_000_000)] = 1
    profiles_db_location: OptionalText = None
    output_db_location: OptionalText = None
    sim_root: OptionalText = None
    seed: Annotated[int, whole(least=0, most=2**63 - 1)] = 1
    record: Literal["full", "participant", "none"] = "full"
    fill: Literal["zero", "previous", "day_before", "week_before"] | None = None
    simulations: (
        Annotated[tuple[Simulation, ...], BeforeValidator(listed), AfterValidator(_check_simulations)] | None
    ) = None

    @property
    def rounds(self) -> int:
        """Rounds of an episode."""
        return int(exact(self.days) * DAY / self.time_step_size)

    def start_times(self) -> list[int]:
        """Return the start of each episode, in UNIX seconds: as many as `generations`."""
        marks = self._marks()
        if len(marks) == 2:
            start, end = marks
            interval = (end - start) // self.generations // self.time_step_size * self.time_step_size
            times = [start + episode * interval for episode in range(self.generations)]
        else:
            times = [marks[episode % len(marks)] for episode in range(self.generations)]
        if self.start_datetime_sequence == "shuffled":
            random.Random(self.seed).shuffle(times)  # noqa: S311  (seeded, no secret)
        return times

    def _marks(self) -> list[int]:
        """Return the starts as configured, in UNIX seconds."""
        starts = (self.start_datetime,) if isinstance(self.start_datetime, str) else self.start_datetime
        return [local_time(start, self.timezone) for start in starts]

    @model_validator(mode="after")
    def _check_steps(self) -> StudyConfig:
        mistakes: list[tuple[tuple[str | int, ...], str]] = []
        step = self.time_step_size
        if (exact(self.days) * DAY / step).denominator != 1:
            mistakes.append((("days",), f"must be a whole number of steps of {step} s, found {self.days:g}"))
        marks = self._marks()
        single = isinstance(self.start_datetime, str)
        is_range = len(marks) == 2
        if is_range and marks[0] >= marks[1]:
            mistakes.append((("start_datetime",), "the range must end after it starts"))
        for position, mark in enumerate(marks[:1] if is_range else marks):
            if mark % step:
                path: tuple[str | int, ...] = ("start_datetime",) if single else ("start_datetime", position)
                mistakes.append((path, self._misaligned(mark)))
        if mistakes:
            raise wrong_at(mistakes)
        return self

    def _misaligned(self, mark: int) -> str:
        """Say that a start is not at a whole multiple of the step, and which moments near it are."""
        step, zone = self.time_step_size, ZoneInfo(self.timezone)
        before = mark - mark % step
        near = [datetime.fromtimestamp(moment, zone).isoformat(" ") for moment in (before, before + step)]
        return (
            f"must lie at a whole multiple of the step ({step} s, counted in UTC); "
            f"the nearest are {near[0]} and {near[1]}"
        )
