"""Rows of demand response, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from sqlalchemy import select

from trex_market.core.messages import ProgrammeEvent
from trex_market.core.units import MICRO
from trex_market.programmes.demand_response.messages import (
    DrAnswered,
    DrCancelled,
    DrCompleted,
    DrExpired,
    DrInvited,
    DrScheduled,
    DrSettled,
    DrStarted,
    FlexibilityTaken,
    PowerTaken,
)
from trex_market.programmes.demand_response.records import MILLION, DrEvent, Invitation, Outcome, Status
from trex_market.storage import tables
from trex_market.storage.database import Database
from trex_market.storage.rows import Row

TableRow = tuple[str, Row]
"""Name of the table, and the row."""

EVENTS, INVITATIONS = "demand_response_events", "demand_response_invitations"
SAMPLES, FLEXIBILITY = "demand_response_samples", "demand_response_flexibility"

NO_OUTCOME = (None,) * 12


class EventRecord(msgspec.Struct, frozen=True):
    """An event as it is in the database; see `records.DrEvent`.

    Args:
        end: when it ended, or will end.
        share: 0 to 1.
        price: $/kWh.
        status: as the programme last said it.
    """

    event_id: str
    start: int
    end: int
    energy: int | None
    share: float | None
    price: float
    penalty: float
    status: str


# ---------------------------------------------------------------- events -> rows


def _event_row(run_id: str, event: DrEvent, status: Status) -> TableRow:
    row = (
        run_id,
        event.event_id,
        event.start,
        event.end,
        event.energy,
        None if event.share is None else event.share / MILLION,
        event.invited_at,
        event.answer_by,
        event.accept,
        event.quorum / MILLION,
        event.price / MICRO,
        event.penalty / MICRO,
        status,
    )
    return EVENTS, row


def _invitation_row(run_id: str, one: Invitation) -> TableRow:
    outcome = NO_OUTCOME if one.outcome is None else msgspec.structs.astuple(one.outcome)
    row = (
        run_id,
        one.event_id,
        one.device_id,
        one.participant_id,
        one.expected_w,
        one.asked_w,
        one.accepts,
        one.committed_w,
        one.answered_at,
        one.is_automatic,
        *outcome,
    )
    return INVITATIONS, row


def _both(
    run_id: str, event: DrEvent, invitations: Iterable[Invitation], status: Status
) -> Iterator[TableRow]:
    yield _event_row(run_id, event, status)
    for invitation in invitations:
        yield _invitation_row(run_id, invitation)


def _settled(run_id: str, event: DrSettled) -> Iterator[TableRow]:
    status: Status = "completed" if event.event.cancelled_at is None else "cancelled"
    return _both(run_id, event.event, event.invitations, status)


def _samples(run_id: str, event: PowerTaken) -> Iterator[TableRow]:
    for event_id, sample in event.samples:
        yield SAMPLES, (run_id, event_id, sample.device_id, sample.time, sample.power_w)


def _flexibility(run_id: str, event: FlexibilityTaken) -> Iterator[TableRow]:
    for device in event.flexibility.devices:
        who = (run_id, event.flexibility.time, device.device_id, device.participant_id)
        yield FLEXIBILITY, (*who, device.power_w, device.mode, device.sheddable_w)


_MAKERS: dict[type, Callable[[str, Any], Iterable[TableRow]]] = {
    DrInvited: lambda run_id, event: _both(run_id, event.event, event.invitations, "pending"),
    DrAnswered: lambda run_id, event: [_invitation_row(run_id, event.invitation)],
    DrScheduled: lambda run_id, event: _both(run_id, event.event, event.invitations, "scheduled"),
    DrExpired: lambda run_id, event: [_event_row(run_id, event.event, "expired")],
    DrStarted: lambda run_id, event: [_event_row(run_id, event.event, "active")],
    DrCompleted: lambda run_id, event: [_event_row(run_id, event.event, "completed")],
    DrCancelled: lambda run_id, event: [_event_row(run_id, event.event, "cancelled")],
    DrSettled: _settled,
    PowerTaken: _samples,
    FlexibilityTaken: _flexibility,
}

DR_EVENTS = tuple(_MAKERS)
"""The kinds of event that make rows."""


def demand_response_rows(run_id: str, event: ProgrammeEvent) -> Iterable[TableRow]:
    """Make the rows of an event; each is complete, and takes the place of an earlier one with its key."""
    return _MAKERS[type(event)](run_id, event)


# ---------------------------------------------------------------- rows -> structs


async def events_of(database: Database, run_id: str) -> list[EventRecord]:
    """Return a run's events, in order of their start.

    Raises:
        StorageError: if they cannot be read.
    """
    table = tables.demand_response_events
    query = select(table).where(table.c.run_id == run_id).order_by(table.c.time_start, table.c.id)
    return [
        EventRecord(
            row.id,
            row.time_start,
            row.time_end,
            row.energy,
            row.share,
            row.price,
            row.penalty,
            row.status,
        )
        for row in await database.fetch(query)
    ]


async def invitations_of(database: Database, run_id: str) -> list[Invitation]:
    """Return a run's invitations, in order of event and device.

    Raises:
        StorageError: if they cannot be read.
    """
    table = tables.demand_response_invitations
    query = select(table).where(table.c.run_id == run_id).order_by(table.c.event_id, table.c.device_id)
    return [_invitation(row) for row in await database.fetch(query)]


def _invitation(row: Any) -> Invitation:
    outcome: list[Any] = list(row)[-len(NO_OUTCOME) :]
    return Invitation(
        row.event_id,
        row.device_id,
        row.participant_id,
        row.expected_w,
        row.asked_w,
        row.accepts,
        row.committed_w,
        row.time_answered,
        row.automatic,
        None if row.duration_s is None else Outcome(*outcome),
    )
