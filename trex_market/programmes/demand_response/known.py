"""All that the programme knows, and how it is kept."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from trex_market.programmes.demand_response.calendar import Calendar
from trex_market.programmes.demand_response.devices import DeviceState, MeasuredDevice
from trex_market.programmes.demand_response.expecting import Expectation
from trex_market.programmes.demand_response.records import (
    AutoResponse,
    DeviceProgress,
    DrEvent,
    Flexibility,
    Mode,
    Terms,
)
from trex_market.programmes.demand_response.running import RunningEvent, Stage
from trex_market.programmes.demand_response.settling import progress


class DrState(msgspec.Struct, frozen=True):
    """What is kept.

    Args:
        terms: None before the programme was opened.
        now: the latest time that it was told.
        events: all that are known, as invited.
        devices: device id -> what was measured of it.
        rules: participant id -> its standing rule, where it was changed.
        rule: of all others, if it was changed.
        hours: device id -> its instructions, where they were changed.
        planned: ids of events of the plan to which it has invited.
        numbers: start of a slot -> number of its next line in the ledger.
        flexibility_hour: for which hour flexibility was written down last, counted from 1970.
    """

    terms: Terms | None
    now: int
    events: list[RunningEvent]
    devices: dict[str, DeviceState]
    rules: dict[str, AutoResponse]
    rule: AutoResponse | None
    hours: dict[str, tuple[Mode, ...]]
    planned: list[str]
    numbers: dict[int, int]
    flexibility_hour: int


class Known:
    """What the programme knows.

    Args:
        wanted: terms that it shall have.
    """

    def __init__(self, wanted: Terms) -> None:
        self.wanted = wanted
        self.is_open = False
        self.terms = wanted
        self.now = 0
        self.events: dict[str, RunningEvent] = {}
        """All that are known, in the order in which devices were invited."""
        self.live: dict[str, RunningEvent] = {}
        """Those about which something is still to be done."""
        self.devices: dict[str, MeasuredDevice] = {}
        self.metered: dict[str, list[MeasuredDevice]] = {}
        """Participant id -> its devices that are measured by its meter readings."""
        self.rules: dict[str, AutoResponse] = {}
        self.rule: AutoResponse | None = None
        self.hours: dict[str, tuple[Mode, ...]] = {}
        self.planned: dict[str, None] = {}
        self.numbers: dict[int, int] = {}
        self.flexibility_hour = 0
        self.calendar = Calendar("UTC", ())

    def state(self) -> DrState:
        """Return all of it."""
        return DrState(
            self.terms if self.is_open else None,
            self.now,
            list(self.events.values()),
            {name: device.state() for name, device in self.devices.items()},
            self.rules,
            self.rule,
            self.hours,
            list(self.planned),
            self.numbers,
            self.flexibility_hour,
        )

    def resume(self, state: DrState) -> None:
        """Know what another one knew."""
        self.now = state.now
        self.events = {running.event.event_id: running for running in state.events}
        self.live = {name: running for name, running in self.events.items() if running.stage < Stage.DONE}
        self.rules, self.rule, self.hours = dict(state.rules), state.rule, dict(state.hours)
        self.planned = dict.fromkeys(state.planned)
        self.numbers = dict(state.numbers)
        self.flexibility_hour = state.flexibility_hour
        if state.terms is not None:
            self.take(state.terms)
            for name, device in state.devices.items():
                self.devices[name].resume(device)

    def take(self, terms: Terms) -> None:
        """Have these terms from now on; what was measured of devices that stay is kept."""
        kept = self.devices if self.terms.interval_s == terms.interval_s else {}
        self.terms, self.is_open = terms, True
        self.calendar = Calendar(terms.timezone, terms.baseline.holidays)
        most = (terms.baseline.look_back_days + 2) * 86_400 // terms.interval_s
        self.devices, self.metered = {}, {}
        for configured in terms.devices:
            name = configured.device_id
            hours = self.hours.get(name, configured.hours)
            device = msgspec.structs.replace(configured, hours=hours)
            measured = kept.get(name) or MeasuredDevice(device, terms.interval_s, most, terms.silence_s)
            measured.device, measured.silence_s = device, terms.silence_s
            self.devices[name] = measured
            if device.measured == "meter":
                self.metered.setdefault(device.participant_id, []).append(measured)

    def add(self, running: RunningEvent) -> None:
        """Know of an event."""
        self.events[running.event.event_id] = self.live[running.event.event_id] = running

    def is_done(self, running: RunningEvent) -> None:
        """Let an event rest."""
        running.stage = Stage.DONE
        running.automatic, running.segments, running.expected = [], [], {}
        running.own_segments = {}
        self.live.pop(running.event.event_id, None)

    def expectation(self, event: DrEvent) -> Expectation:
        """Return what makes the baselines of an event."""
        return Expectation(event.start, event.planned_end, self.terms, self.calendar)

    def rule_of(self, participant_id: str) -> AutoResponse:
        """Return a participant's standing rule."""
        configured = self.terms.participants.get(participant_id)
        default = self.rule or self.terms.auto_response
        return self.rules.get(participant_id) or configured or default

    def measured_in(self, device_id: str) -> Iterable[RunningEvent]:
        """Yield the events whose time is being measured, and in which a device takes part."""
        for running in self.live.values():
            if running.stage >= Stage.STARTED:
                invitation = running.invitations.get(device_id)
                if invitation is not None and invitation.accepts:
                    yield running

    def flexibility(self, time: int) -> Flexibility:
        """Return what could be shed at a moment."""
        hour, step = self.calendar.hour(time), self.terms.step
        return Flexibility(
            time, tuple(device.flexibility(time, hour, step) for device in self.devices.values())
        )

    def progress(self, running: RunningEvent, time: int) -> tuple[DeviceProgress, ...]:
        """Return how the devices of a running event do."""
        return tuple(
            progress(running, one, self._power(one.device_id, time), time, self.terms.interval_s)
            for one in running.accepted
        )

    def _power(self, device_id: str, time: int) -> int | None:
        device = self.devices.get(device_id)
        return None if device is None else device.power_at(time, self.terms.step)
