"""The first schema: the tables as they were when versions began; later ones change them.

A copy of that day's `tables`, on purpose: a version says what databases of its time hold.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Double, MetaData, Table, Text
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

_TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _text(name: str, *, key: bool = False, optional: bool = False) -> Column[str]:
    return Column(name, _TEXT, primary_key=key, nullable=optional)


def _whole(name: str, *, key: bool = False, optional: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, nullable=optional, autoincrement=False)


def _decimal(name: str, *, optional: bool = False) -> Column[float]:
    return Column(name, Double, nullable=optional)


metadata = MetaData()

Table(
    "runs",
    metadata,
    _text("id", key=True),
    _text("study"),
    _text("simulation"),
    _text("market_id"),
    _whole("episode"),
    _whole("seed"),
    _text("config"),
    _text("config_hash"),
    _text("version"),
    _whole("started_at"),
    _whole("finished_at", optional=True),
    _text("status"),
)

Table(
    "contracts",
    metadata,
    _text("run_id", key=True),
    _text("id", key=True),
    _text("market_id"),
    _whole("slot_start"),
    _whole("slot_end"),
    _text("seller_id"),
    _text("buyer_id"),
    _text("energy_source"),
    _whole("quantity"),
    _decimal("settlement_price_sell"),
    _decimal("settlement_price_buy"),
    _text("bid_id"),
    _text("ask_id"),
    _whole("time_purchase"),
    sqlite_with_rowid=False,
)

Table(
    "transactions",
    metadata,
    _text("run_id", key=True),
    _text("id", key=True),
    _text("kind"),
    _text("contract_id", optional=True),
    _whole("quantity"),
    _text("seller_id"),
    _text("buyer_id"),
    _text("energy_source"),
    _decimal("settlement_price_sell"),
    _decimal("settlement_price_buy"),
    _decimal("fee_ask"),
    _decimal("fee_bid"),
    _whole("amount", optional=True),
    Column("estimated", Boolean, nullable=False),
    _text("reverses", optional=True),
    _whole("time_creation"),
    _whole("time_purchase"),
    _whole("time_consumption"),
    sqlite_with_rowid=False,
)

Table(
    "orders",
    metadata,
    _text("run_id", key=True),
    _whole("sequence", key=True),
    _text("id"),
    _text("market_id"),
    _text("participant_id"),
    _text("side", optional=True),
    _whole("quantity", optional=True),
    _decimal("price", optional=True),
    _text("energy_source", optional=True),
    _whole("slot_start", optional=True),
    _whole("slot_end", optional=True),
    _whole("time_submission", optional=True),
    _text("status"),
    _text("code", optional=True),
    sqlite_with_rowid=False,
)

Table(
    "meter_readings",
    metadata,
    _text("run_id", key=True),
    _text("participant_id", key=True),
    _whole("slot_start", key=True),
    _whole("slot_end"),
    _text("generation"),
    _text("consumption"),
    sqlite_with_rowid=False,
)

Table(
    "metrics",
    metadata,
    _text("run_id", key=True),
    _text("participant_id", key=True),
    _whole("time", key=True),
    _text("name", key=True),
    _decimal("value", optional=True),
    sqlite_with_rowid=False,
)


def upgrade() -> None:
    """Make all tables."""
    metadata.create_all(op.get_bind(), checkfirst=False)
