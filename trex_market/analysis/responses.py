"""Demand response in a report: each event's baseline, metered load, reduction, payments and rebound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from trex_market.analysis.plots import AMBER, GREY, TEAL, Figure, local_times
from trex_market.core.units import NANO
from trex_market.programmes.demand_response.records import WS_PER_WH, Invitation
from trex_market.storage.demand_response import EventRecord

_WS_PER_KWH = WS_PER_WH * 1000


class ResponseSum(msgspec.Struct, frozen=True):
    """What some devices did, energy in W*s.

    Args:
        invited: devices, each once for each event.
        accepted: of them.
        unmeasured_s: of the events' time, over all who accepted.
        baseline_ws: what would have been taken.
        metered_ws: what was taken.
        committed_ws: what was to be shed.
        credited_ws: of that, what was shed, interval by interval.
        rebound_ws: what was taken above the baseline afterwards.
        paid: Wh.
        amount: nano-dollars.
    """

    invited: int
    accepted: int
    unmeasured_s: int
    baseline_ws: int
    metered_ws: int
    committed_ws: int
    credited_ws: int
    rebound_ws: int
    paid: int
    amount: int

    @property
    def reduction_ws(self) -> int:
        """What was shed."""
        return self.baseline_ws - self.metered_ws


class Responses(msgspec.Struct, frozen=True):
    """All that is told of demand response.

    Args:
        events: in order of their start.
        by_event: what all devices did, in the same order.
        by_participant: participant id -> what its devices did.
    """

    events: list[EventRecord]
    by_event: list[ResponseSum]
    by_participant: dict[str, ResponseSum]


def responses(events: Sequence[EventRecord], invitations: Sequence[Invitation]) -> Responses | None:
    """Add up what was recorded; None if there was no event."""
    if not events:
        return None
    by_event = [_sum([one for one in invitations if one.event_id == event.event_id]) for event in events]
    names = sorted({one.participant_id for one in invitations})
    by_participant = {
        name: _sum([one for one in invitations if one.participant_id == name]) for name in names
    }
    return Responses(list(events), by_event, by_participant)


def _sum(invitations: Sequence[Invitation]) -> ResponseSum:
    outcomes = [one.outcome for one in invitations if one.outcome is not None]
    return ResponseSum(
        invited=len(invitations),
        accepted=sum(bool(one.accepts) for one in invitations),
        unmeasured_s=sum(one.duration_s - one.measured_s for one in outcomes),
        baseline_ws=sum(one.baseline_ws for one in outcomes),
        metered_ws=sum(one.metered_ws for one in outcomes),
        committed_ws=sum(one.committed_ws for one in outcomes),
        credited_ws=sum(one.credited_ws for one in outcomes),
        rebound_ws=sum(one.rebound_ws or 0 for one in outcomes),
        paid=sum(one.paid for one in outcomes),
        amount=sum(one.amount for one in outcomes),
    )


# ---------------------------------------------------------------- shown

_SUMS = (
    "accepted",
    "baseline, kWh",
    "metered, kWh",
    "reduction, kWh",
    "committed, kWh",
    "credited, kWh",
    "rebound, kWh",
    "not measured, h",
    "paid, $",
)
EVENT_HEADER = ("event", "begins", "status", *_SUMS)
RESPONDENT_HEADER = ("participant", *_SUMS)


def event_rows(found: Responses, timezone: str) -> list[tuple[str, ...]]:
    """Return a table's rows: the events, see `EVENT_HEADER`."""
    times = local_times([event.start for event in found.events], timezone)
    return [
        (event.event_id, time, event.status, *_cells(total))
        for event, time, total in zip(found.events, times, found.by_event, strict=True)
    ]


def respondent_rows(found: Responses) -> list[tuple[str, ...]]:
    """Return a table's rows: the participants, see `RESPONDENT_HEADER`."""
    return [(name, *_cells(total)) for name, total in found.by_participant.items()]


def _cells(total: ResponseSum) -> tuple[str, ...]:
    energies = (
        total.baseline_ws,
        total.metered_ws,
        total.reduction_ws,
        total.committed_ws,
        total.credited_ws,
        total.rebound_ws,
    )
    return (
        f"{total.accepted} of {total.invited}",
        *(f"{energy / _WS_PER_KWH:,.3f}" for energy in energies),
        f"{total.unmeasured_s / 3600:,.2f}",
        f"{total.amount / NANO:,.4f}",
    )


def response_figure(found: Responses) -> Figure:
    """Plot each event's baseline, metered load and what was committed."""

    def bars(name: str, energies: Sequence[int], colour: str) -> dict[str, Any]:
        values = [round(energy / _WS_PER_KWH, 3) for energy in energies]
        return {"type": "bar", "name": name, "x": "event", "y": values, "marker": {"color": colour}}

    sums = found.by_event
    data = [
        bars("baseline", [one.baseline_ws for one in sums], GREY),
        bars("metered", [one.metered_ws for one in sums], TEAL),
        bars("committed to shed", [one.committed_ws for one in sums], AMBER),
    ]
    layout = {"yaxis": {"title": {"text": "kWh in the event"}}, "xaxis": {"type": "category"}}
    return Figure("Events", data, layout, {"event": [event.event_id for event in found.events]})


def as_plain_responses(found: Responses) -> dict[str, Any]:
    """Return all that is told, for JSON: energy in W*s and Wh, money in nano-dollars."""
    events = [
        {**msgspec.structs.asdict(event), **msgspec.structs.asdict(total), "reduction_ws": total.reduction_ws}
        for event, total in zip(found.events, found.by_event, strict=True)
    ]
    participants = {name: msgspec.structs.asdict(total) for name, total in found.by_participant.items()}
    return {"events": events, "participants": participants}
