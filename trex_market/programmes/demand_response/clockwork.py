"""What follows from the clock: the plan's invitations, standing rules' answers, and the stages of events.

All is done in the order in which it was due, and as if it were done then, so that the same happens whether time
comes in steps or in leaps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import msgspec

from trex_market.core.errors import ProtocolError
from trex_market.core.messages import Event, Paid
from trex_market.programmes.demand_response.inviting import automatic_answer
from trex_market.programmes.demand_response.known import Known
from trex_market.programmes.demand_response.measuring import cut
from trex_market.programmes.demand_response.messages import (
    DrAnswered,
    DrCompleted,
    DrExpired,
    DrProgressed,
    DrRefused,
    DrScheduled,
    DrSettled,
    DrSilent,
    DrStarted,
    FlexibilityTaken,
    InviteDr,
)
from trex_market.programmes.demand_response.records import Invitation, PlannedEvent
from trex_market.programmes.demand_response.running import RunningEvent, Stage, why_not
from trex_market.programmes.demand_response.settling import outcome, payments, with_rebound

KEPT_S = 400 * 86_400
"""So long after its end what came of an event is known; the database keeps it for ever."""

HOUR_S = 3600


class Due(NamedTuple):
    """Something to be done at a moment."""

    time: int
    do: Callable[[], list[Event]]


class Clockwork:
    """Does what is due.

    Args:
        known: all that the programme knows.
        invite: handles an invitation.
    """

    def __init__(self, known: Known, invite: Callable[[InviteDr], list[Event]]) -> None:
        self._known = known
        self._invite = invite

    def next_due(self) -> int | None:
        """Return when something is due next, or progress is to be told; None if nothing is planned."""
        moments = [due.time for due in self._all_due()]
        moments += [
            running.told_at + self._known.terms.sample_s
            for running in self._known.live.values()
            if running.stage == Stage.STARTED
        ]
        return min(moments, default=None)

    def advance(self, time: int) -> list[Event]:
        """Do all that is due until a moment."""
        known = self._known
        happened: list[Event] = []
        while True:
            due = min(self._all_due(), key=lambda one: one.time, default=None)
            if due is None or due.time > time:
                break
            known.now = max(known.now, due.time)
            happened += due.do()
        known.now = max(known.now, time)
        for running in known.live.values():
            if running.stage == Stage.STARTED and time >= running.told_at + known.terms.sample_s:
                running.told_at = time
                happened.append(DrProgressed(running.event.event_id, time, known.progress(running, time)))
        hour = time // HOUR_S
        if hour > known.flexibility_hour:
            known.flexibility_hour = hour
            happened.append(FlexibilityTaken(known.flexibility(time)))
        return happened

    def _all_due(self) -> Iterator[Due]:
        for planned in self._known.terms.plan:
            if planned.event_id not in self._known.planned:
                yield Due(planned.invite_at, partial(self._invite_planned, planned))
        for running in self._known.live.values():
            if running.automatic:
                yield Due(running.automatic[0][0], partial(self._answer_for, running))
            yield self._next_stage(running)

    def _next_stage(self, running: RunningEvent) -> Due:
        event, rebound_s = running.event, self._known.terms.rebound_s
        match running.stage:
            case Stage.INVITED:
                return Due(event.answer_by, partial(self._decide, running))
            case Stage.DECIDED:
                return Due(event.start, partial(self._start, running))
            case Stage.STARTED:
                return Due(event.end, partial(self._complete, running))
            case Stage.ENDED:
                time = event.end + self._settles_after(running)
                return Due(time, partial(self._settle, running, time))
            case _:
                time = event.end + rebound_s + self._settles_after(running)
                return Due(time, partial(self._settle_rebound, running))

    def _settles_after(self, running: RunningEvent) -> int:
        """Return how long after its end all is known of an event, in seconds."""
        terms, devices = self._known.terms, self._known.devices
        kinds = {
            devices[one.device_id].device.measured for one in running.accepted if one.device_id in devices
        }
        slot_rest = -running.event.end % terms.step
        by_power = terms.silence_s if "power" in kinds else 0
        return max(by_power, slot_rest + terms.meter_delay_s if "meter" in kinds else 0)

    # ------------------------------------------------------------ before an event

    def _invite_planned(self, planned: PlannedEvent) -> list[Event]:
        self._known.planned[planned.event_id] = None
        command = InviteDr(
            planned.event_id,
            planned.start,
            planned.invite_at,
            planned.duration_s,
            planned.energy,
            planned.share,
            planned.devices,
        )
        try:
            return self._invite(command)
        except ProtocolError as error:
            return [DrRefused(error.code, error.detail, event_id=planned.event_id)]

    def _answer_for(self, running: RunningEvent) -> list[Event]:
        """Let the standing rule answer, once, for a device whose participant did not."""
        time, device_id = running.automatic.pop(0)
        invitation = running.invitations[device_id]
        rule = self._known.rule_of(invitation.participant_id)
        answered = automatic_answer(invitation, running.event, rule, time)
        if answered is None:
            return []
        running.invitations[device_id] = answered
        return [DrAnswered(answered)]

    def _decide(self, running: RunningEvent) -> list[Event]:
        detail = why_not(running.event, running.invitations)
        if detail is not None:
            self._known.is_done(running)
            return [DrExpired(running.event, detail)]
        running.stage = Stage.DECIDED
        running.automatic = []
        return [DrScheduled(running.event, tuple(running.invitations.values()))]

    # ------------------------------------------------------------ the event, and after it

    def _start(self, running: RunningEvent) -> list[Event]:
        event, known = running.event, self._known
        running.stage = Stage.STARTED
        running.told_at = event.start
        running.segments = cut(event, known.terms.rebound_s, known.terms.interval_s)
        expectation = known.expectation(event)
        today = known.calendar.date(event.start)
        for invitation in running.accepted:
            device = known.devices.get(invitation.device_id)
            if device is None:
                continue
            expected = expectation.of(device)
            if expected is not None:
                running.expected[invitation.device_id] = expected
            device.took_part(today, known.terms.baseline.look_back_days)
        return [DrStarted(event, tuple(running.accepted))]

    def _complete(self, running: RunningEvent) -> list[Event]:
        running.stage = Stage.ENDED
        return [DrCompleted(running.event, running.participants)]

    def _settle(self, running: RunningEvent, time: int) -> list[Event]:
        running.stage = Stage.SETTLED
        known, event = self._known, running.event
        happened: list[Event] = []
        for invitation in running.accepted:
            happened += self._silences(running, invitation)
            result = outcome(running, invitation, known.terms.interval_s)
            running.invitations[invitation.device_id] = msgspec.structs.replace(invitation, outcome=result)
        accepted = tuple(running.accepted)
        slot_start = event.start // known.terms.step * known.terms.step
        first = known.numbers.get(slot_start, 1)
        transactions = tuple(payments(event, accepted, time, known.terms.step, first))
        known.numbers = {start: number for start, number in known.numbers.items() if start >= time - KEPT_S}
        known.numbers[slot_start] = first + len(transactions)
        happened.append(DrSettled(event, accepted))
        return [*happened, Paid(slot_start, transactions)] if transactions else happened

    def _silences(self, running: RunningEvent, invitation: Invitation) -> list[Event]:
        """Tell of a device that was silent until the event's end."""
        event, device_id = running.event, invitation.device_id
        device = self._known.devices.get(device_id)
        heard = event.start if device is None or device.sampled_at is None else device.sampled_at
        if heard >= event.end:
            return []
        start = max(event.start, heard)
        return [DrSilent(event.event_id, device_id, invitation.participant_id, start, event.end)]

    def _settle_rebound(self, running: RunningEvent) -> list[Event]:
        known = self._known
        for invitation in running.accepted:
            changed = with_rebound(running, invitation, known.terms.interval_s)
            running.invitations[invitation.device_id] = changed
        known.is_done(running)
        for old in [name for name, one in known.events.items() if one.event.end < known.now - KEPT_S]:
            del known.events[old]
        return [DrSettled(running.event, tuple(running.accepted))]
