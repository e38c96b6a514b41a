"""Demand response as people and participants see it: the machine's records to messages, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.core.units import MAX_QUANTITY, dollars_from_money, dollars_from_price, exact, rounded
from trex_market.programmes.demand_response import analytics, messages, records
from trex_market.programmes.demand_response.running import RunningEvent
from trex_market.protocol import dr_wire as wire
from trex_market.protocol.requests import dollars

_WS_PER_KWH = records.WS_PER_WH * 1000
_PER_PERCENT = records.MILLION // 100


def kilowatts(power_w: int) -> float:
    """Return W in kW."""
    return power_w / 1000


def kilowatt_hours(energy_ws: int) -> float:
    """Return W*s in kWh, to six decimals."""
    return round(energy_ws / _WS_PER_KWH, 6)


def watts(power_kw: float) -> int:
    """Return kW in whole W.

    Raises:
        ProtocolError: bad_load, if it is no such power.
    """
    return _whole(power_kw, 1000, "kW")


def millionths(percent: float) -> int:
    """Return percent in millionths.

    Raises:
        ProtocolError: bad_load, if it is no such share.
    """
    return _whole(percent, _PER_PERCENT, "percent")


def _whole(value: float, scale: int, unit: str) -> int:
    if not math.isfinite(value) or abs(value) > MAX_QUANTITY:
        raise ProtocolError(RefusalCode.BAD_LOAD, f"{value} is no number of {unit} that can be")
    scaled = exact(value) * scale
    return rounded(scaled.numerator, scaled.denominator)


# ---------------------------------------------------------------- to people


def device_part(running: RunningEvent, one: records.Invitation, now: int) -> dict[str, Any]:
    """Return the fields of a device's part in an event."""
    known: dict[str, Any] = {}
    if one.outcome is not None:
        outcome = one.outcome
        rebound = outcome.rebound_ws
        known = {
            "baseline_kwh": kilowatt_hours(outcome.baseline_ws),
            "metered_kwh": kilowatt_hours(outcome.metered_ws),
            "reduction_kwh": kilowatt_hours(outcome.reduction_ws),
            "committed_kwh": kilowatt_hours(outcome.committed_ws),
            "credited_kwh": kilowatt_hours(outcome.credited_ws),
            "measured_s": outcome.measured_s,
            "baseline_quality": outcome.quality,
            "paid": dollars_from_money(outcome.amount),
            "rebound_kwh": None if rebound is None else kilowatt_hours(rebound),
        }
    return {
        "device_id": one.device_id,
        "participant_id": one.participant_id,
        "expected_kw": kilowatts(one.expected_w),
        "asked_kw": kilowatts(one.asked_w),
        "accepts": one.accepts,
        "committed_kw": kilowatts(one.committed_w),
        "answered_at": one.answered_at,
        "automatic": one.is_automatic,
        "left_at": one.left_at,
        "status": running.status_of(one, now),
        **known,
    }


def event_fields(running: RunningEvent, now: int, participant_id: str | None = None) -> dict[str, Any]:
    """Return the fields of an event.

    Args:
        running: the event.
        now: UNIX seconds.
        participant_id: whose devices are shown; None for all.
    """
    event = running.event
    shown = [
        one
        for one in running.invitations.values()
        if participant_id is None or one.participant_id == participant_id
    ]
    return {
        "event_id": event.event_id,
        "status": running.status(now),
        "start": event.start,
        "end": event.end,
        "load_kwh": None if event.energy is None else event.energy / 1000,
        "load_percent": None if event.share is None else event.share / _PER_PERCENT,
        "price": dollars_from_price(event.price),
        "penalty": dollars_from_price(event.penalty),
        "invited_at": event.invited_at,
        "answer_by": event.answer_by,
        "devices": [wire.DrDevice(**device_part(running, one, now)) for one in shown],
    }


def event_state(running: RunningEvent, now: int, participant_id: str | None = None) -> wire.DrEventState:
    """Return an event; see `event_fields`."""
    return wire.DrEventState(**event_fields(running, now, participant_id))


def event_device(running: RunningEvent, one: records.Invitation, now: int) -> wire.EventDevice:
    """Return a device's part in an event, and in which."""
    event = running.event
    return wire.EventDevice(
        **device_part(running, one, now), event_id=event.event_id, answer_by=event.answer_by
    )


def progress_message(event_id: str, time: int, devices: Iterable[records.DeviceProgress]) -> wire.DrProgress:
    """Return how devices do in a running event."""
    listed = list(devices)
    return wire.DrProgress(
        event_id=event_id,
        time=time,
        reduction_kw=kilowatts(sum(one.reduction_w or 0 for one in listed)),
        reduced_kwh=kilowatt_hours(sum(one.reduced_ws for one in listed)),
        devices=[
            wire.DrDeviceProgress(
                device_id=one.device_id,
                participant_id=one.participant_id,
                committed_kw=kilowatts(one.committed_w),
                baseline_kw=_optional(one.baseline_w),
                power_kw=_optional(one.power_w),
                reduction_kw=_optional(one.reduction_w),
                reduced_kwh=kilowatt_hours(one.reduced_ws),
                measured_s=one.measured_s,
            )
            for one in listed
        ],
    )


def _optional(power_w: int | None) -> float | None:
    return None if power_w is None else kilowatts(power_w)


def snapshot(flexibility: records.Flexibility) -> wire.Snapshot:
    """Return what could be shed at a moment."""
    return wire.Snapshot(
        time=flexibility.time,
        sheddable_kw=kilowatts(flexibility.sheddable_w),
        devices=[
            wire.DeviceShed(
                device_id=one.device_id,
                participant_id=one.participant_id,
                power_kw=_optional(one.power_w),
                mode=one.mode,
                sheddable_kw=kilowatts(one.sheddable_w),
            )
            for one in flexibility.devices
        ],
    )


def rule_message(rule: records.AutoResponse) -> wire.AutoResponse:
    """Return a standing rule."""
    return wire.AutoResponse(
        enabled=rule.is_on,
        max_reduction_percent=rule.most / _PER_PERCENT,
        delay_s=rule.delay_s,
        notice_s=rule.notice_s,
    )


def analytics_message(found: analytics.Analytics) -> wire.Analytics:
    """Return what the events of a period came to."""
    return wire.Analytics(
        start=found.start,
        end=found.end,
        events=found.events,
        cancelled=found.cancelled,
        expired=found.expired,
        invited=found.invited,
        target_kwh=kilowatt_hours(found.target_ws),
        committed_kwh=kilowatt_hours(found.committed_ws),
        reduction_kwh=kilowatt_hours(found.reduction_ws),
        credited_kwh=kilowatt_hours(found.credited_ws),
        rebound_kwh=kilowatt_hours(found.rebound_ws),
        achievement_percent=_percent(found.achievement),
        performance_percent=_percent(found.performance),
        credited_percent=_percent(found.credited_performance),
        response_percent=_percent(found.answered / found.invited if found.invited else None),
        participation_percent=_percent(found.accepted / found.invited if found.invited else None),
        median_answer_s=found.median_answer_s,
        mean_duration_s=found.mean_duration_s,
        paid=dollars_from_money(found.amount),
        devices=[
            wire.DeviceAnalytics(
                device_id=one.device_id,
                participant_id=one.participant_id,
                invited=one.invited,
                accepted=one.accepted,
                committed_kwh=kilowatt_hours(one.committed_ws),
                reduction_kwh=kilowatt_hours(one.reduction_ws),
                credited_kwh=kilowatt_hours(one.credited_ws),
                unmeasured_s=one.unmeasured_s,
                paid=dollars_from_money(one.amount),
            )
            for one in found.devices
        ],
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else round(share * 100, 3)


# ---------------------------------------------------------------- from people


def invitation(request: wire.NewEvent, event_id: str, now: int) -> messages.InviteDr:
    """Make the command that invites devices.

    Raises:
        ProtocolError: bad_load, bad_price.
    """
    return messages.InviteDr(
        event_id=request.event_id or event_id,
        start=request.start,
        time=now,
        duration_s=request.duration_s,
        energy=None if request.load_kwh is None else watts(request.load_kwh),
        share=None if request.load_percent is None else millionths(request.load_percent),
        devices=request.devices,
        answer_by=request.answer_by,
        accept=request.accept,
        quorum=None if request.quorum_percent is None else millionths(request.quorum_percent),
        price=None if request.price is None else _price(request.price),
        penalty=None if request.penalty is None else _price(request.penalty),
    )


def _price(price: float) -> int:
    micro = dollars(price)
    if not 0 <= micro <= 1_000 * records.MILLION:
        raise ProtocolError(RefusalCode.BAD_PRICE, f"a price is 0 to 1000 $/kWh, found {price}")
    return micro


def auto_response(request: wire.AutoResponse) -> records.AutoResponse:
    """Make a standing rule.

    Raises:
        ProtocolError: bad_load.
    """
    most = millionths(request.max_reduction_percent)
    return records.AutoResponse(request.enabled, most, request.delay_s, request.notice_s)


def reported(request: wire.DevicePower, now: int) -> tuple[records.PowerSample, ...]:
    """Return the samples of a report.

    Raises:
        ProtocolError: malformed, if there is none, or one and several.
    """
    alone = request.device_id is not None and request.power_w is not None
    if alone == bool(request.samples):
        detail = "a report has either device_id and power_w, or samples"
        raise ProtocolError(RefusalCode.MALFORMED, detail)
    if request.samples:
        return tuple(
            records.PowerSample(one.device_id, one.power_w, now if one.time is None else one.time)
            for one in request.samples
        )
    assert request.device_id is not None
    assert request.power_w is not None
    time = now if request.time is None else request.time
    return (records.PowerSample(request.device_id, request.power_w, time),)
