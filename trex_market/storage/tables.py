"""Names and columns of the tables.

Ids are text, times UNIX seconds, quantities Wh, prices floats in $/kWh with at most 6 decimals, `amount`
nano-dollars. On SQLite a table is stored in the order of its primary key, which is nearly the order of
writing: as fast to write as with row ids, and a quarter smaller.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, MetaData, Table, Text
from sqlalchemy.dialects import postgresql

metadata = MetaData()

# Sorted by code point, as SQLite and Python do, whatever the server's language is.
_TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _text(name: str, *, key: bool = False, optional: bool = False) -> Column[str]:
    return Column(name, _TEXT, primary_key=key, nullable=optional)


def _whole(name: str, *, key: bool = False, optional: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, nullable=optional, autoincrement=False)


def _decimal(name: str, *, optional: bool = False) -> Column[float]:
    return Column(name, Double, nullable=optional)


runs = Table(
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

contracts = Table(
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

transactions = Table(
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

# One row for each order that was submitted. Its id is no key: a rejected order may name one that is in use.
orders = Table(
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

meter_readings = Table(
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

metrics = Table(
    "metrics",
    metadata,
    _text("run_id", key=True),
    _text("participant_id", key=True),
    _whole("time", key=True),
    _text("name", key=True),
    _decimal("value", optional=True),
    sqlite_with_rowid=False,
)

# What a programme adds: one row each for an event, a device's part in it, a sample of its power, and what it
# could have shed at a full hour. Energy that is a sum of samples is in W*s, power in W, shares are 0 to 1.
demand_response_events = Table(
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

demand_response_invitations = Table(
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

demand_response_samples = Table(
    "demand_response_samples",
    metadata,
    _text("run_id", key=True),
    _text("event_id", key=True),
    _text("device_id", key=True),
    _whole("time", key=True),
    _whole("power_w"),
    sqlite_with_rowid=False,
)

demand_response_flexibility = Table(
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
