"""The `demand_response` section: devices that may be asked to shed load, standing rules, baselines, events."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from trex_market.config.study import local_time
from trex_market.config.values import (
    Name,
    ParticipantId,
    Power,
    Price,
    Section,
    Share,
    default_if_empty,
    found,
    listed,
    number,
    whole,
    wrong,
    wrong_at,
)
from trex_market.core.errors import unknown_name
from trex_market.programmes.demand_response.baselines import METHODS

Mistake = tuple[tuple[str | int, ...], str]

DAY = 86_400


def _check_method(name: str) -> str:
    if name not in METHODS:
        raise wrong(unknown_name("baseline method", name, METHODS))
    return name


def _check_date(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise wrong(f"must be a date such as 2016-07-18, found {found(text)}") from None
    return text


Method = Annotated[str, AfterValidator(_check_method)]
"""How days are chosen, see `trex_market.programmes.demand_response.baselines`."""

Date = Annotated[str, AfterValidator(_check_date)]

Seconds = Annotated[int, whole("s", least=0, most=DAY)]

PositiveShare = Annotated[float, number(least=0, most=1, above=True)]

Percent = Annotated[float, number("%", least=0, most=100, above=True)]


class BaselineConfig(Section):
    """How baselines are made.

    Args:
        weekdays: the method on weekdays.
        weekends: the method on weekends and holidays.
        adjustment: how the day's own load corrects them.
        cap: the factor lies at most so far from 1.
        cap_w: what is added is at most so much either way, W; None for any.
        adjust_from_s: the time that corrects them begins so long before the event, seconds.
        adjust_until_s: and ends so long before it, seconds.
        look_back_days: earlier days do not count.
        holidays: dates that count as weekends.
    """

    weekdays: Method = "high_5_of_10"
    weekends: Method = "high_3_of_5"
    adjustment: Literal["ratio", "additive", "none"] = "ratio"
    cap: Share = 0.2
    cap_w: Power | None = None
    adjust_from_s: Seconds = 14_400
    adjust_until_s: Seconds = 3600
    look_back_days: Annotated[int, whole("days", least=1, most=366)] = 45
    holidays: Annotated[tuple[Date, ...], BeforeValidator(listed), default_if_empty(())] = ()

    @model_validator(mode="after")
    def _check_window(self) -> BaselineConfig:
        if self.adjust_until_s >= self.adjust_from_s:
            message = f"must be less than adjust_from_s, {self.adjust_from_s} s, found {self.adjust_until_s}"
            raise wrong_at([(("adjust_until_s",), message)])
        return self


class AutoResponseConfig(Section):
    """A standing rule that answers for participants that do not.

    Args:
        enabled: whether it answers.
        max_reduction: of a device's load it commits at most this share.
        delay_s: it answers so long after the invitation, seconds.
        notice_s: and only if so much time is left until the event, seconds.
    """

    enabled: bool = False
    max_reduction: PositiveShare = 0.2
    delay_s: Seconds = 300
    notice_s: Seconds = 3600


class DeviceConfig(Section):
    """A device.

    Args:
        participant: whose it is.
        measured: `power` if it reports its power itself, `meter` for the meter readings of its participant.
        hours: for each of the 24 hours of the day what can be shed of it: `off`, `shifting`, `participation`.
    """

    participant: ParticipantId
    measured: Literal["power", "meter"] = "power"
    hours: Annotated[
        tuple[Literal["off", "shifting", "participation"], ...],
        BeforeValidator(listed),
        default_if_empty(()),
    ] = ()

    @model_validator(mode="after")
    def _check_hours(self) -> DeviceConfig:
        if self.hours and len(self.hours) != 24:
            raise wrong_at([(("hours",), f"must have 24 entries, found {len(self.hours)}")])
        return self


class EventConfig(Section):
    """An event to which the programme itself invites.

    Args:
        start: in local time.
        duration_s: its length, seconds.
        load_kwh: energy to be shed by all together; either this or load_percent.
        load_percent: of each device's load.
        invite_s: devices are invited so long before the start, seconds.
        devices: ids of devices; none for all.
    """

    start: str
    duration_s: Annotated[int, whole("s", least=10, most=DAY)] = 3540
    load_kwh: Annotated[float, number("kWh", least=0, most=1_000_000, above=True)] | None = None
    load_percent: Percent | None = None
    invite_s: Annotated[int, whole("s", least=1, most=366 * DAY)] = 7200
    devices: Annotated[tuple[Name, ...], BeforeValidator(listed), default_if_empty(())] = ()

    @model_validator(mode="after")
    def _check(self) -> EventConfig:
        mistakes: list[Mistake] = []
        try:
            local_time(self.start, "UTC")
        except ValueError as error:
            mistakes.append((("start",), f"{error}, found {found(self.start)}"))
        if (self.load_kwh is None) == (self.load_percent is None):
            mistakes.append((("load_kwh",), "either load_kwh or load_percent must say what is to be shed"))
        if mistakes:
            raise wrong_at(mistakes)
        return self


class DemandResponseConfig(Section):
    """Demand response.

    Args:
        price: for what was committed and shed, $/kWh.
        penalty: for what was committed and not shed, $/kWh.
        accept: whether an event takes place if `any` device accepts, only if `all` do, or from a `quorum` on.
        quorum: the share of the load asked for that must be committed.
        answer_lead_s: answers are taken until so long before an event, seconds.
        sample_s: progress is told so often, seconds.
        silence_s: the time between two samples that are further apart is not measured, seconds.
        interval_s: load is kept in intervals of this length, seconds; None for a quarter of an hour or a slot.
        rebound_s: so long after an event devices are still compared with their baselines, seconds.
        baseline: how baselines are made.
        auto_response: of participants of which nothing else is said.
        participants: participant id -> its own standing rule.
        devices: id -> device; none for the connection of each participant, by its meter readings.
        events: id -> event to which the programme itself invites.
    """

    price: Price = 0.0
    penalty: Price = 0.0
    accept: Literal["any", "all", "quorum"] = "any"
    quorum: PositiveShare = 0.5
    answer_lead_s: Seconds = 600
    sample_s: Annotated[int, whole("s", least=1, most=3600)] = 5
    silence_s: Annotated[int, whole("s", least=1, most=3600)] = 60
    interval_s: Annotated[int, whole("s", least=1, most=DAY)] | None = None
    rebound_s: Seconds = 7200
    baseline: Annotated[BaselineConfig, default_if_empty({})] = BaselineConfig()
    auto_response: Annotated[AutoResponseConfig, default_if_empty({})] = AutoResponseConfig()
    participants: Annotated[dict[ParticipantId, AutoResponseConfig], default_if_empty({})] = Field(
        default_factory=dict
    )
    devices: Annotated[dict[Name, DeviceConfig], default_if_empty({})] = Field(default_factory=dict)
    events: Annotated[dict[Name, EventConfig], default_if_empty({})] = Field(default_factory=dict)

    def interval(self, step: int) -> int:
        """Return the length of the intervals in which load is kept, in seconds."""
        return self.interval_s or -(-900 // step) * step

    def mistakes(self, participants: Collection[str], step: int) -> Iterator[Mistake]:
        """Find what does not fit the rest of the config.

        Args:
            participants: ids of those that there are.
            step: length of a slot, in seconds.

        Yields:
            the path below the section, and what is wrong.
        """
        if self.interval(step) % step:
            yield ("interval_s",), f"must be a whole number of slots of {step} s, found {self.interval_s}"
        for name in self.participants:
            if name not in participants:
                yield ("participants", name), unknown_name("participant", name, participants)
        for name, device in self.devices.items():
            if device.participant not in participants:
                message = unknown_name("participant", device.participant, participants)
                yield ("devices", name, "participant"), message
        known = self.devices or participants
        for name, event in self.events.items():
            for place, device_id in enumerate(event.devices):
                if device_id not in known:
                    yield ("events", name, "devices", place), unknown_name("device", device_id, known)
