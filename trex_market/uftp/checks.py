"""What holds for every message, whatever it says: its sender, its recipient, its kind, its age.

A message that cannot be trusted is refused by HTTP (`ProtocolError`); of one that
can, the sender is told the reason in an answer (`Reason`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.programmes.flexibility.reasons import Reason
from trex_market.uftp.directory import Directory, Party, Role
from trex_market.uftp.library import uftp
from trex_market.uftp.reading import read_message
from trex_market.uftp.sealing import Envelope, unseal

VERSIONS = ("3.0.", "3.1.")
"""How the versions begin that are spoken here."""


class Letter(msgspec.Struct, frozen=True):
    """A message whose signature was verified.

    Args:
        message: the library's.
        document: its XML.
        party: whose key signed it.
        reason: why it is rejected all the same; None if it is not.
    """

    message: Any
    document: bytes
    party: Party
    reason: Reason | None = None


def open_letter(envelope: Envelope, directory: Directory) -> Letter:
    """Verify an envelope and read what is in it.

    Raises:
        ProtocolError: unknown_participant, unauthorised, malformed.
    """
    party = directory.find(envelope.domain, envelope.role)
    if party is not None:
        document = unseal(envelope, party)
        return Letter(read_message(document), document, party)
    # A domain in another role has a key of its own, with which it can be told of its mistake.
    for known in directory.of_domain(envelope.domain):
        try:
            document = unseal(envelope, known)
        except ProtocolError:
            continue
        return Letter(read_message(document), document, known, Reason.INVALID_ROLE)
    detail = f"{Reason.UNKNOWN_SENDER}: no key of {envelope.role} {envelope.domain} is known here"
    raise ProtocolError(RefusalCode.UNKNOWN_PARTICIPANT, detail)


def objection(letter: Letter, domain: str, role: Role, age_s: float, skew_s: float | None) -> Reason | None:
    """Return why a message is rejected whatever it says; None if it is not.

    Args:
        letter: with the message.
        domain: ours.
        role: ours.
        age_s: how long ago it was stamped, by our clock, in seconds.
        skew_s: how old, or how far ahead, it may be; None for any.
    """
    message = letter.message
    if message.sender_domain != letter.party.domain:
        return Reason.MISMATCH_SENDER
    if letter.reason is not None:
        return letter.reason
    if letter.party.barred:
        return Reason.BARRED_SENDER
    if message.recipient_domain != domain:
        return Reason.UNKNOWN_RECIPIENT
    route = uftp.routing_map.get(type(message))
    if route is not None and route[1] != role:
        return Reason.INVALID_MESSAGE
    if route is not None and route[0] != letter.party.role:
        return Reason.INVALID_SENDER
    is_spoken = message.version.startswith(VERSIONS)
    is_timely = skew_s is None or abs(age_s) <= skew_s
    return None if is_spoken and is_timely else Reason.INVALID_MESSAGE


def time_of(text: str) -> float:
    """Return a time stamp in UNIX seconds.

    Args:
        text: ISO 8601, with its zone.

    Raises:
        ProtocolError: malformed.
    """
    whole, _, rest = text.partition(".")
    digits = rest.rstrip("Z").partition("+")[0].partition("-")[0]
    zone = rest[len(digits) :]
    # Nanoseconds are allowed, and none of Python's business.
    plain = f"{whole}.{digits[:6]:0<6}{zone}" if rest else text
    try:
        return datetime.fromisoformat(plain).astimezone(UTC).timestamp()
    except (ValueError, OverflowError) as error:
        detail = f"the time stamp {text!r} is no time: {error}"
        raise ProtocolError(RefusalCode.MALFORMED, detail) from None


def stamp(time: float) -> str:
    """Return a time in UNIX seconds as a time stamp."""
    return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")
