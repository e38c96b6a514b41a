"""Sums by SQL are exact, and what does not add up is found."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from sqlalchemy import select

from trex_market.core.messages import Delivered, Transaction
from trex_market.storage.bulk import Batch
from trex_market.storage.database import Database
from trex_market.storage.ledger import (
    Balance,
    balance,
    totals_by_kind,
    totals_by_participant,
    totals_by_slot,
)
from trex_market.storage.tables import contracts
from trex_market.storage.writer import Writer

from .helpers import T0, a_transaction, market_events


async def recorded(database: Database, rule: str = "MicroTE3") -> list[Transaction]:
    """Record a market and some rows with fees and amounts; return all transactions."""
    events = market_events(rule)
    fees = msgspec.structs.replace(a_transaction(50), fee_ask=3_000, fee_bid=5_000)
    programme = msgspec.structs.replace(a_transaction(51), kind="flexibility", amount=123_456_789)
    events.append(Delivered(T0, (fees, programme), ()))
    writer = Writer(database, "run", "street-market")
    writer.hear(events)
    await writer.close()
    return [row for event in events if isinstance(event, Delivered) for row in event.transactions]


def paid(row: Transaction) -> int:
    return row.quantity * (row.settlement_price_buy + row.fee_bid) if row.amount is None else row.amount


def received(row: Transaction) -> int:
    return row.quantity * (row.settlement_price_sell - row.fee_ask) if row.amount is None else row.amount


async def test_sums_are_exact(database: Database) -> None:
    rows = await recorded(database)
    kinds = sorted({row.kind for row in rows})
    assert len(kinds) == 8
    assert [
        (total.kind, total.rows, total.quantity, total.paid, total.received)
        for total in await totals_by_kind(database, "run")
    ] == [
        (
            kind,
            len(of_kind),
            sum(row.quantity for row in of_kind),
            sum(map(paid, of_kind)),
            sum(map(received, of_kind)),
        )
        for kind in kinds
        for of_kind in [[row for row in rows if row.kind == kind]]
    ]


async def test_sums_by_participant_are_exact(database: Database) -> None:
    rows = await recorded(database)
    expected: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        expected[row.seller_id, row.kind, "sold"] += row.quantity
        expected[row.buyer_id, row.kind, "bought"] += row.quantity
        expected[row.seller_id, row.kind, "received"] += received(row)
        expected[row.buyer_id, row.kind, "paid"] += paid(row)
    totals = await totals_by_participant(database, "run")
    assert len(totals) == len({(name, kind) for name, kind, _ in expected})
    for total in totals:
        for figure in ("sold", "bought", "received", "paid"):
            assert getattr(total, figure) == expected[total.participant_id, total.kind, figure]


async def test_sums_by_slot_are_exact(database: Database) -> None:
    rows = await recorded(database)
    expected: Counter[tuple[int, str]] = Counter()
    for row in rows:
        expected[row.time_creation, row.kind] += paid(row)
    totals = await totals_by_slot(database, "run")
    assert [((total.slot_start, total.kind), total.paid) for total in totals] == sorted(expected.items())


@pytest.mark.parametrize("rule", ["MicroTE", "MicroTE3"])
async def test_the_money_of_a_market_adds_up(database: Database, rule: str) -> None:
    rows = await recorded(database, rule)
    kept = sum(map(paid, rows)) - sum(map(received, rows))
    assert (kept > 500 * 8_000) == (rule == "MicroTE3")
    slots = len({row.time_creation for row in rows})
    assert await balance(database, "run") == Balance(slots, 0, 0, kept)


async def test_a_forged_price_is_found(database: Database) -> None:
    rows = await recorded(database)
    row = next(row for row in rows if row.kind == "delivery" and row.contract_id)
    ((*contract,),) = await database.fetch(select(contracts).where(contracts.c.id == row.contract_id))
    contract[contracts.columns.keys().index("settlement_price_buy")] += 0.000001
    await database.insert([Batch(contracts, [tuple(contract)], replace=True)])
    found = await balance(database, "run")
    assert found.unbalanced == 1
    of_contract = [r for r in rows if r.contract_id == row.contract_id]
    assert found.largest_deviation == sum(
        r.quantity for r in of_contract if r.kind in {"delivery", "take_or_pay"}
    )


async def test_of_no_run_there_is_nothing(database: Database) -> None:
    assert await balance(database, "nothing") == Balance(0, 0, 0, 0)
    assert await totals_by_kind(database, "nothing") == []
    assert await totals_by_participant(database, "nothing") == []
    assert await totals_by_slot(database, "nothing") == []
