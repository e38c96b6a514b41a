"""A programme with devices whose load is known, told the time by hand."""

from __future__ import annotations

from typing import Any

import msgspec

from trex_market.core.messages import Event, ProgrammeCommand
from trex_market.programmes.demand_response import DemandResponse, Terms
from trex_market.programmes.demand_response.messages import InviteDr, ReportPower
from trex_market.programmes.demand_response.records import BaselineTerms, Device, PowerSample

DAY = 86_400
HOUR = 3600
MONDAY = 1_468_800_000  # 2016-07-18 00:00 UTC, a Monday
STEP = 900

PLAIN = BaselineTerms(weekdays="10_of_10", weekends="10_of_10", adjustment="none")


def terms(*devices: Device, **changes: Any) -> Terms:
    """Return terms of a programme in UTC, with a device of 'home' by default."""
    chosen = devices or (Device("heater", "home"),)
    return msgspec.structs.replace(
        Terms("UTC", STEP, price=200_000, baseline=PLAIN, devices=chosen), **changes
    )


def opened(*devices: Device, **changes: Any) -> DemandResponse:
    """Return an open programme."""
    programme = DemandResponse(terms(*devices, **changes))
    for command in programme.opening():
        programme.handle(command)
    return programme


def hold(programme: DemandResponse, device_id: str, power_w: int, start: int, end: int) -> None:
    """Let a device take the same power for some time, in the past as it may be: its history alone hears it."""
    programme.known.devices[device_id].history.add(start, end, power_w * (end - start), end - start)


def report(programme: DemandResponse, device_id: str, power_w: int, time: int) -> list[Event]:
    """Let a device report its power."""
    owner = programme.known.devices[device_id].device.participant_id
    return programme.handle(ReportPower(owner, (PowerSample(device_id, power_w, time),), time))


def held(programme: DemandResponse, device_id: str, power_w: int, start: int, end: int) -> list[Event]:
    """Let a device report the same power each half minute, from a moment on until another one, both included."""
    events: list[Event] = []
    for time in range(start, end + 1, 30):
        events += report(programme, device_id, power_w, time)
    return events


def invite(programme: DemandResponse, **changes: Any) -> list[Event]:
    """Invite all devices to an hour from noon on Monday, at ten."""
    command = InviteDr("noon", MONDAY + 12 * HOUR, MONDAY + 10 * HOUR, HOUR, share=200_000)
    return programme.handle(msgspec.structs.replace(command, **changes))


def of(events: list[Event], kind: type) -> list[Any]:
    """Return the events of a kind."""
    return [event for event in events if type(event) is kind]


def restarted(programme: DemandResponse) -> DemandResponse:
    """Return another one that knows what this one knows."""
    other = DemandResponse(programme.known.wanted)
    other.resume(msgspec.json.encode(programme.state()))
    return other


def told(programme: DemandResponse, commands: list[ProgrammeCommand]) -> list[Event]:
    """Return what commands lead to."""
    return [event for command in commands for event in programme.handle(command)]
