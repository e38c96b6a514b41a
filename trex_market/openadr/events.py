"""The market's events in OpenADR's words: what each VEN is told of those that concern its devices.

| an event is | a VEN is told |
|---|---|
| pending | far |
| scheduled | near: the time between the deadline and the start is its ramp-up |
| active | active |
| completed | completed |
| cancelled, expired, or goes on without any of its devices | cancelled |

Only a cancellation modifies an event; that it comes nearer does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from trex_market.protocol.dr_wire import DrDevice, DrEventState, Status

OpenAdrStatus = Literal["far", "near", "active", "completed", "cancelled"]

STATUS: dict[Status, OpenAdrStatus] = {
    "pending": "far",
    "scheduled": "near",
    "active": "active",
    "completed": "completed",
    "cancelled": "cancelled",
    "expired": "cancelled",
}

MARKET_CONTEXT = "urn:trex-market:demand-response"

SHED = 1.0
"""SIMPLE's level of an event; 0 is that of no event."""


class Part(msgspec.Struct, frozen=True):
    """A participant's part in an event.

    Args:
        event: as the market tells it.
        devices: the participant's.
    """

    event: DrEventState
    devices: Sequence[DrDevice]

    @property
    def status(self) -> OpenAdrStatus:
        """How the event stands for the participant's VEN."""
        if all(device.status == "expired" for device in self.devices):
            return "cancelled"
        return STATUS[self.event.status]

    @property
    def is_over(self) -> bool:
        """Whether nothing is to be answered any more."""
        return self.status in ("completed", "cancelled")

    def unlike(self, *, accept: bool) -> list[str]:
        """Return the ids of devices that have not been answered for in this way yet."""
        return [one.device_id for one in self.devices if _accepts(one) is not accept]


def _accepts(device: DrDevice) -> bool | None:
    return False if device.left_at is not None else device.accepts


def parts_of(events: Sequence[DrEventState], participant_id: str) -> list[Part]:
    """Return a participant's parts in events, the first to begin first."""
    found = [
        Part(event, [one for one in event.devices if one.participant_id == participant_id])
        for event in events
    ]
    return sorted((part for part in found if part.devices), key=lambda part: part.event.start)


def openadr_event(part: Part, ven_id: str) -> dict[str, Any]:
    """Return a part in an event as the library sends it.

    Args:
        part: what is told.
        ven_id: to whom.
    """
    event, status = part.event, part.status
    start = datetime.fromtimestamp(event.start, UTC)
    # What was cancelled before its start has no length left, which would mean without an end.
    length = timedelta(seconds=max(1, event.end - event.start))
    resources = [{"resource_id": device.device_id} for device in part.devices]
    return {
        "event_descriptor": {
            "event_id": event.event_id,
            "modification_number": 1 if status == "cancelled" else 0,
            "market_context": MARKET_CONTEXT,
            "event_status": status,
            "created_date_time": datetime.fromtimestamp(event.invited_at, UTC),
            "modification_date_time": None,
            "priority": 0,
            "test_event": False,
        },
        "active_period": {
            "dtstart": start,
            "duration": length,
            "ramp_up_period": timedelta(seconds=event.start - event.answer_by),
        },
        "event_signals": _signals(part, start, length),
        "targets": [*resources, {"ven_id": ven_id}],
        "response_required": "never" if status == "completed" else "always",
    }


def _signals(part: Part, start: datetime, length: timedelta) -> list[dict[str, Any]]:
    """Return the level for simple VENs, and what is to be shed, if that is known, for all others."""
    # The library lets no other current value of SIMPLE through, whatever the event's state.
    signals = [_signal("SIMPLE", "level", SHED, 0.0, start, length)]
    asked_w = sum(device.asked_kw for device in part.devices) * 1000
    if asked_w > 0:
        change = -round(asked_w, 3)
        current = change if part.status == "active" else 0.0
        dispatch = _signal("LOAD_DISPATCH", "delta", change, current, start, length)
        signals.append(dispatch | {"measurement": WATTS})
    return signals


WATTS = {
    "name": "powerReal",
    "description": "RealPower",
    "unit": "W",
    "scale": "none",
    "power_attributes": {"hertz": 50, "voltage": 230, "ac": True},
}


def _signal(
    name: str, kind: str, value: float, current: float, start: datetime, length: timedelta
) -> dict[str, Any]:
    return {
        "signal_name": name,
        "signal_type": kind,
        "signal_id": name.lower(),
        "intervals": [{"dtstart": start, "duration": length, "signal_payload": value}],
        "current_value": current,
    }
