"""Who is asked for how much, and what the standing rule answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from trex_market.core.units import rounded
from trex_market.programmes.demand_response.messages import InviteDr
from trex_market.programmes.demand_response.records import (
    MILLION,
    WS_PER_WH,
    AutoResponse,
    DrEvent,
    Invitation,
    Terms,
)


def event_of(command: InviteDr, terms: Terms) -> DrEvent:
    """Make the event of an invitation; what it does not say follows from the terms."""
    lead = max(command.time + 1, command.start - terms.answer_lead_s)
    return DrEvent(
        event_id=command.event_id,
        start=command.start,
        duration_s=command.duration_s,
        energy=command.energy,
        share=command.share,
        invited_at=command.time,
        answer_by=min(lead, command.start) if command.answer_by is None else command.answer_by,
        accept=command.accept or terms.accept,
        quorum=terms.quorum if command.quorum is None else command.quorum,
        price=terms.price if command.price is None else command.price,
        penalty=terms.penalty if command.penalty is None else command.penalty,
    )


def invitations_of(
    event: DrEvent, owners: Mapping[str, str], expected: Mapping[str, int]
) -> dict[str, Invitation]:
    """Make the invitations to an event.

    Args:
        event: the event.
        owners: device id -> its participant.
        expected: device id -> W that it is expected to take.

    Returns:
        by device id; an energy is shared out as the loads are, or evenly if none is known.
    """
    asked = _asked(event, [expected[device_id] for device_id in owners])
    return {
        device_id: Invitation(event.event_id, device_id, owner, expected[device_id], asked_w)
        for (device_id, owner), asked_w in zip(owners.items(), asked, strict=True)
    }


def _asked(event: DrEvent, expected: Sequence[int]) -> list[int]:
    if event.share is not None:
        return [rounded(power * event.share, MILLION) for power in expected]
    assert event.energy is not None
    power = rounded(event.energy * WS_PER_WH, event.duration_s)
    weights = list(expected) if any(expected) else [1] * len(expected)
    total, so_far, asked = sum(weights), 0, []
    for weight in weights:  # adds up to the whole
        asked.append(power * (so_far + weight) // total - power * so_far // total)
        so_far += weight
    return asked


def automatic_answer(
    invitation: Invitation, event: DrEvent, rule: AutoResponse, time: int
) -> Invitation | None:
    """Return what the standing rule answers at a moment; None if it does not."""
    if not rule.is_on or invitation.answered_at is not None:
        return None
    if event.start - time < rule.notice_s or time >= event.answer_by:
        return None
    committed = min(invitation.asked_w, rounded(invitation.expected_w * rule.most, MILLION))
    if committed <= 0:
        return None
    return msgspec.structs.replace(
        invitation, accepts=True, committed_w=committed, answered_at=time, is_automatic=True
    )
