"""What all messages of a machine begin with."""

from __future__ import annotations

from typing import TypedDict

from trex_market.programmes.flexibility.ids import identifier


class Header(TypedDict):
    """See `messages.Message`."""

    message_id: str
    conversation_id: str
    sender: str
    recipient: str
    time: int


class Day(TypedDict):
    """See `messages.DayMessage`."""

    period: str
    time_zone: str
    isp_duration_s: int
    congestion_point: str


def header(
    seed: str, sender: str, recipient: str, time: int, number: int, conversation_id: str | None = None
) -> Header:
    """Return the header of a message.

    Args:
        seed: of the ids.
        sender: domain.
        recipient: domain.
        time: UNIX seconds.
        number: running, of the sender's messages.
        conversation_id: None to begin a conversation.
    """
    message_id = identifier(seed, sender, 2 * number)
    return Header(
        message_id=message_id,
        conversation_id=conversation_id or identifier(seed, sender, 2 * number + 1),
        sender=sender,
        recipient=recipient,
        time=time,
    )
