"""What a DSO and an aggregator need not know any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from trex_market.programmes.flexibility.records import AggregatorState, OperatorState

Value = TypeVar("Value")


def forget(state: OperatorState, before: str) -> None:
    """Forget all of the days before a day; the last of their meter data stays, as a forecast."""
    for prognoses in state.prognoses.values():
        _drop_days(prognoses, before)
    for limits in state.limits.values():
        _drop_days(limits, before)
    for days in (*state.others.values(), *state.released.values()):
        _drop_days(days, before)
    for revisions in (*state.revisions.values(), *state.meter_revisions.values()):
        _drop_days(revisions, before)
    _drop(state.prognosis_days, lambda period: period < before)
    _drop(state.requests, lambda request: request.period < before)
    _drop(state.offers, lambda held: held.offer.period < before)
    _drop(state.orders, lambda held: held.order.period < before)
    _drop(state.settlements, lambda settlement: settlement.period_end < before)
    for name in state.verdicts.keys() - state.settlements.keys():
        del state.verdicts[name]
    for meters in state.meters.values():
        _drop_days(meters, max((day for day in meters if day < before), default=before))


def forget_own(state: AggregatorState, before: str) -> None:
    """Forget all of an aggregator's days before a day."""
    for days in (
        *state.expected.values(),
        *state.bearable.values(),
        *state.meters.values(),
        *state.reserved.values(),
    ):
        _drop_days(days, before)
    for revisions in (
        *state.revisions.values(),
        *state.request_revisions.values(),
        *state.meter_revisions.values(),
    ):
        _drop_days(revisions, before)
    for accepted in state.accepted.values():
        _drop_days(accepted, before)
    _drop(state.sent, lambda place: place[1] < before)
    _drop(state.prognosis_days, lambda period: period < before)
    for message_id in state.prognoses.keys() - state.prognosis_days.keys():
        del state.prognoses[message_id]
    _drop(state.requests, lambda request: request.period < before)
    _drop(state.offers, lambda own: own.offer.period < before)
    _drop(state.orders, lambda own: own.order.period < before)


def _drop_days(days: dict[str, Value], before: str) -> None:
    for day in [day for day in days if day < before]:
        del days[day]


def _drop(records: dict[str, Value], gone: Callable[[Value], bool]) -> None:
    for name in [name for name, record in records.items() if gone(record)]:
        del records[name]
