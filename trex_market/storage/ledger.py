"""Sums and audits of a run's transactions by SQL, in whole units.

Prices are turned back into whole micro-dollars before anything is multiplied or summed, so that every sum
is exact to the nano-dollar.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    select,
    union_all,
)

from trex_market.core.units import MICRO
from trex_market.storage.database import Database
from trex_market.storage.tables import contracts, transactions


class KindTotal(msgspec.Struct, frozen=True):
    """All transactions of a kind.

    Args:
        kind: see `core.messages.TransactionKind`.
        rows: how many.
        quantity: Wh.
        paid: by the buyers, nano-dollars.
        received: by the sellers, nano-dollars.
    """

    kind: str
    rows: int
    quantity: int
    paid: int
    received: int


class ParticipantTotal(msgspec.Struct, frozen=True):
    """All transactions of a kind that a participant, or the grid, was a party to.

    Args:
        sold: Wh as seller.
        bought: Wh as buyer.
        received: as seller, nano-dollars.
        paid: as buyer, nano-dollars.
    """

    participant_id: str
    kind: str
    sold: int
    bought: int
    received: int
    paid: int


class SlotTotal(msgspec.Struct, frozen=True):
    """All transactions of a kind in a slot.

    Args:
        slot_start: the slot's start.
        quantity: Wh.
        paid: by the buyers, nano-dollars.
        received: by the sellers, nano-dollars.
    """

    slot_start: int
    kind: str
    quantity: int
    paid: int
    received: int


class Balance(msgspec.Struct, frozen=True):
    """Whether the money of a run adds up.

    Args:
        slots: how many slots have transactions.
        unbalanced: how many of them do not sum to 0.
        largest_deviation: from 0 in a slot, nano-dollars.
        operator: what the operator keeps in all, nano-dollars.
    """

    slots: int
    unbalanced: int
    largest_deviation: int
    operator: int


def _micro(dollars: ColumnElement[float]) -> ColumnElement[int]:
    return cast(func.round(dollars * float(MICRO)), BigInteger)


_row = transactions.c
_MARGIN = _row.quantity * (_micro(_row.settlement_price_buy) - _micro(_row.settlement_price_sell))
_FEES = _row.quantity * (_micro(_row.fee_bid) + _micro(_row.fee_ask))
_IS_PROGRAMME = _row.amount.is_not(None)
_PAID: ColumnElement[int] = case(
    (_IS_PROGRAMME, _row.amount),
    else_=_row.quantity * (_micro(_row.settlement_price_buy) + _micro(_row.fee_bid)),
)
_RECEIVED: ColumnElement[int] = case(
    (_IS_PROGRAMME, _row.amount),
    else_=_row.quantity * (_micro(_row.settlement_price_sell) - _micro(_row.fee_ask)),
)


def _whole(sums: Iterable[Any]) -> list[int]:
    """Read sums, which are decimals on PostgreSQL and None where there is nothing to sum."""
    return [int(amount or 0) for amount in sums]


async def totals_by_kind(database: Database, run_id: str) -> list[KindTotal]:
    """Sum a run's transactions by kind, in order of the kinds' names.

    Raises:
        StorageError: if the database cannot be read.
    """
    sums = (func.count(), func.sum(_row.quantity), func.sum(_PAID), func.sum(_RECEIVED))
    query = select(_row.kind, *sums).where(_row.run_id == run_id).group_by(_row.kind).order_by(_row.kind)
    found = await database.fetch(query)
    return [KindTotal(row.kind, *_whole(list(row)[1:])) for row in found]


async def totals_by_participant(database: Database, run_id: str) -> list[ParticipantTotal]:
    """Sum a run's transactions by party and kind, in order of both.

    Raises:
        StorageError: if the database cannot be read.
    """
    nothing = literal(0, BigInteger)
    of_run = _row.run_id == run_id
    as_seller = select(
        _row.seller_id.label("participant_id"),
        _row.kind,
        _row.quantity.label("sold"),
        nothing.label("bought"),
        _RECEIVED.label("received"),
        nothing.label("paid"),
    ).where(of_run)
    as_buyer = select(_row.buyer_id, _row.kind, nothing, _row.quantity, nothing, _PAID).where(of_run)
    legs = union_all(as_seller, as_buyer).subquery()
    names = (legs.c.participant_id, legs.c.kind)
    sums = [func.sum(legs.c[name]) for name in ("sold", "bought", "received", "paid")]
    query = select(*names, *sums).group_by(*names).order_by(*names)
    found = await database.fetch(query)
    return [ParticipantTotal(row.participant_id, row.kind, *_whole(list(row)[2:])) for row in found]


async def totals_by_slot(database: Database, run_id: str) -> list[SlotTotal]:
    """Sum a run's transactions by slot and kind, in order of both.

    Raises:
        StorageError: if the database cannot be read.
    """
    names = (_row.time_creation, _row.kind)
    sums = (func.sum(_row.quantity), func.sum(_PAID), func.sum(_RECEIVED))
    query = select(*names, *sums).where(_row.run_id == run_id).group_by(*names).order_by(*names)
    found = await database.fetch(query)
    return [SlotTotal(row.time_creation, row.kind, *_whole(list(row)[2:])) for row in found]


async def balance(database: Database, run_id: str) -> Balance:
    """Check that in each slot the money of all participants, the grid and the operator sums to 0.

    What the operator keeps is taken from the contracts and fees, not from what is missing: the difference of
    a contract's two prices for energy under it, and nothing but fees for all other rows. A run that did not
    record its contracts is checked for the rest alone.

    Raises:
        StorageError: if the database cannot be read.
    """
    slots = _money_by_slot(run_id).subquery()
    deviation = slots.c.received - slots.c.paid + slots.c.kept
    wrong = func.sum(case((deviation != 0, 1), else_=0))
    query = select(func.count(), wrong, func.max(func.abs(deviation)), func.sum(slots.c.kept))
    return Balance(*_whole((await database.fetch(query))[0]))


def _money_by_slot(run_id: str) -> Select[tuple[int, int, int, int]]:
    contract_margin = _row.quantity * (
        _micro(contracts.c.settlement_price_buy) - _micro(contracts.c.settlement_price_sell)
    )
    kept = case(
        (_IS_PROGRAMME, 0),
        (_row.kind.in_(("delivery", "take_or_pay")), _FEES + func.coalesce(contract_margin, _MARGIN)),
        else_=_FEES,
    )
    of_contract = and_(contracts.c.run_id == _row.run_id, contracts.c.id == _row.contract_id)
    return (
        select(
            _row.time_creation,
            func.sum(_RECEIVED).label("received"),
            func.sum(_PAID).label("paid"),
            func.sum(kept).label("kept"),
        )
        .select_from(transactions.outerjoin(contracts, of_contract))
        .where(_row.run_id == run_id)
        .group_by(_row.time_creation)
    )
