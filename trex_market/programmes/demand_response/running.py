"""An event that goes on: who is invited, what was measured; its status follows from the clock."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from trex_market.programmes.demand_response.measuring import Expected, Segment
from trex_market.programmes.demand_response.records import MILLION, DrEvent, Invitation, Status


class Stage(IntEnum):
    """What was done about an event, so that it is done once."""

    INVITED = 0
    DECIDED = 1
    STARTED = 2
    ENDED = 3
    SETTLED = 4
    DONE = 5


class RunningEvent(msgspec.Struct):
    """An event and all that belongs to it.

    Args:
        event: what it is.
        invitations: device id -> its part.
        automatic: (when, device id) of standing rules that have not answered yet, in order.
        stage: what was done about it.
        segments: its time.
        own_segments: device id -> the same of a device that left it while it ran, cut where it left.
        expected: device id -> its baseline.
        told_at: when progress was told last.
    """

    event: DrEvent
    invitations: dict[str, Invitation]
    automatic: list[tuple[int, str]] = []
    stage: int = Stage.INVITED
    segments: list[Segment] = []
    expected: dict[str, Expected] = {}
    told_at: int = 0
    own_segments: dict[str, list[Segment]] = {}

    @property
    def accepted(self) -> list[Invitation]:
        """The parts of those who accepted."""
        return [invitation for invitation in self.invitations.values() if invitation.accepts]

    @property
    def participants(self) -> tuple[str, ...]:
        """Whose devices are invited."""
        return tuple(dict.fromkeys(one.participant_id for one in self.invitations.values()))

    def segments_of(self, device_id: str) -> list[Segment]:
        """Return the time in which a device is measured."""
        return self.own_segments.get(device_id, self.segments)

    def status(self, now: int) -> Status:
        """Return how the event stands at a moment."""
        event = self.event
        if event.cancelled_at is not None:
            return "cancelled"
        if now < event.answer_by:
            return "pending"
        if why_not(event, self.invitations) is not None:
            return "expired"
        if now < event.start:
            return "scheduled"
        return "active" if now < event.end else "completed"

    def status_of(self, invitation: Invitation, now: int) -> Status:
        """Return how a device's part in it stands: that of an event that goes on without it is expired."""
        status = self.status(now)
        if invitation.accepts or status in ("pending", "cancelled"):
            return status
        return "expired"


def why_not(event: DrEvent, invitations: dict[str, Invitation]) -> str | None:
    """Say in a sentence why an event does not take place with the answers that there are; None if it does."""
    accepted = [invitation for invitation in invitations.values() if invitation.accepts]
    if not accepted:
        return "nobody accepted"
    count = f"{len(accepted)} of {len(invitations)} devices accepted"
    if event.accept == "all":
        return None if len(accepted) == len(invitations) else f"{count}; all must"
    if event.accept == "any":
        return None
    asked = sum(invitation.asked_w for invitation in invitations.values())
    committed = sum(invitation.committed_w for invitation in accepted)
    if asked == 0:  # nothing is known of their load
        enough = len(accepted) * MILLION >= event.quorum * len(invitations)
        return None if enough else f"{count}; the quorum is {event.quorum / 10_000:g} %"
    if committed * MILLION >= event.quorum * asked:
        return None
    return f"{committed} W of {asked} W were committed; the quorum is {event.quorum / 10_000:g} %"
