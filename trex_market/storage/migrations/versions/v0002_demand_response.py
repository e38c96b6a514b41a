"""Demand response: events, invitations, samples, and what could have been shed."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Double, MetaData, Table, Text
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

_TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _text(name: str, *, key: bool = False, optional: bool = False) -> Column[str]:
    return Column(name, _TEXT, primary_key=key, nullable=optional)


def _whole(name: str, *, key: bool = False, optional: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, nullable=optional, autoincrement=False)


def _decimal(name: str, *, optional: bool = False) -> Column[float]:
    return Column(name, Double, nullable=optional)


metadata = MetaData()

Table(
    "demand_response_events",
    metadata,
    _text("run_id", key=True),
    _text("id", key=True),
    _whole("time_start"),
    _whole("time_end"),
    _whole("energy", optional=True),
    _decimal("share", optional=True),
    _whole("time_invited"),
    _whole("time_answer_by"),
    _text("accept"),
    _decimal("quorum"),
    _decimal("price"),
    _decimal("penalty"),
    _text("status"),
    sqlite_with_rowid=False,
)

Table(
    "demand_response_invitations",
    metadata,
    _text("run_id", key=True),
    _text("event_id", key=True),
    _text("device_id", key=True),
    _text("participant_id"),
    _whole("expected_w"),
    _whole("asked_w"),
    Column("accepts", Boolean, nullable=True),
    _whole("committed_w"),
    _whole("time_answered", optional=True),
    Column("automatic", Boolean, nullable=False),
    _whole("duration_s", optional=True),
    _whole("measured_s", optional=True),
    _whole("baseline_ws", optional=True),
    _whole("metered_ws", optional=True),
    _whole("committed_ws", optional=True),
    _whole("credited_ws", optional=True),
    _text("quality", optional=True),
    Column("adjusted", Boolean, nullable=True),
    _whole("paid", optional=True),
    _whole("amount", optional=True),
    _whole("rebound_ws", optional=True),
    _whole("rebound_s", optional=True),
    sqlite_with_rowid=False,
)

Table(
    "demand_response_samples",
    metadata,
    _text("run_id", key=True),
    _text("event_id", key=True),
    _text("device_id", key=True),
    _whole("time", key=True),
    _whole("power_w"),
    sqlite_with_rowid=False,
)

Table(
    "demand_response_flexibility",
    metadata,
    _text("run_id", key=True),
    _whole("time", key=True),
    _text("device_id", key=True),
    _text("participant_id"),
    _whole("power_w", optional=True),
    _text("mode"),
    _whole("sheddable_w"),
    sqlite_with_rowid=False,
)


def upgrade() -> None:
    """Make the tables."""
    metadata.create_all(op.get_bind(), checkfirst=False)
