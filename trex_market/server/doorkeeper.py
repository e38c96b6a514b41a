"""Who may come in, and as what: tokens, of which only hashes are kept.

An operator may do all that an observer may, and a participant all that its
meter may. Whether a token is wrong, or there is none to compare it with, takes
the same time and has the same answer, so that nobody learns which ids there are.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from enum import StrEnum
from hashlib import sha256
from time import monotonic

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.throttle import Bucket, Lockout, Rate, Recent, is_loopback, network_of

OPERATOR = "operator"
OBSERVER = "observer"

FREE_FAILURES = 10
"""So many wrong tokens for one name, from one address, cost nothing."""

LONGEST_WAIT_S = 60.0

FAILURES = Rate(per_second=0.5, burst=60)
"""Wrong tokens from one address, whatever the names; the network of an IPv6 address counts as one."""

_NO_HASH = "-" * 64
"""Stands where there is no hash; no token has it."""


class Role(StrEnum):
    """As what somebody comes in."""

    PARTICIPANT = "participant"
    METER = "meter"
    OPERATOR = "operator"
    OBSERVER = "observer"


STANDING_FOR: Mapping[Role, tuple[Role, ...]] = {
    Role.PARTICIPANT: (Role.PARTICIPANT,),
    Role.METER: (Role.METER, Role.PARTICIPANT),
    Role.OPERATOR: (Role.OPERATOR,),
    Role.OBSERVER: (Role.OBSERVER, Role.OPERATOR),
}
"""Role -> whose tokens are good for it."""


def token_hash(token: str) -> str:
    """Return what is kept of a token: SHA-256, in hexadecimal."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Doorkeeper:
    """Checks tokens in constant time, and makes those wait who guess.

    Args:
        hashes: participant id, `OPERATOR` or `OBSERVER` -> hash of the token.
        meter_hashes: participant id -> hash of its meter's token.
        is_open: whether those without a hash of their own may come in without a token.
        clock: tells the time, in seconds.
    """

    def __init__(
        self,
        hashes: Mapping[str, str],
        meter_hashes: Mapping[str, str] | None = None,
        *,
        is_open: bool,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._hashes = dict(hashes)
        self._meter_hashes = dict(meter_hashes or {})
        self.is_open = is_open
        self._lockout = Lockout(FREE_FAILURES, LONGEST_WAIT_S, clock)
        self._failures: Recent[Bucket] = Recent(lambda: Bucket(FAILURES, clock))

    def admit(
        self, role: Role, token: str | None, participant_id: str | None = None, address: str = ""
    ) -> Role:
        """Check that somebody may come in, and return as what.

        Args:
            role: what it wants to be.
            token: what it shows; None for nothing.
            participant_id: whose place or meter it is about; None for operators and observers.
            address: where it comes from, as text; "" if that is not known.

        Returns:
            the role whose token it was: perhaps a higher one than the one asked for.

        Raises:
            ProtocolError: unauthorised; rate_limited after too many wrong tokens.
        """
        name = role.value if participant_id is None else participant_id
        known = {one: self._hash(one, participant_id) for one in STANDING_FOR[role]}
        if not any(known.values()) and self._lets_in(role, address):
            operates = role is Role.OBSERVER and self._lets_in(Role.OPERATOR, address)
            return Role.OPERATOR if operates else role
        if not token:
            raise ProtocolError(RefusalCode.UNAUTHORISED, f"{_whose(role, participant_id)} needs a token")
        self._check_patience(name, address)
        shown = token_hash(token)
        # All are compared, come what may: how long it takes must not tell which there are.
        fitting = [one for one, kept in known.items() if hmac.compare_digest(kept or _NO_HASH, shown)]
        if not fitting:
            self._lockout.fail(f"{network_of(address)} {name}")
            self._failures.of(network_of(address)).take()
            whose = _whose(role, participant_id)
            raise ProtocolError(RefusalCode.UNAUTHORISED, f"this is not the token of {whose}")
        self._lockout.forgive(f"{network_of(address)} {name}")
        return fitting[-1]

    def _hash(self, role: Role, participant_id: str | None) -> str | None:
        if participant_id is None:
            return self._hashes.get(role.value)
        if participant_id in (OPERATOR, OBSERVER):
            return None
        return (self._meter_hashes if role is Role.METER else self._hashes).get(participant_id)

    def _lets_in(self, role: Role, address: str) -> bool:
        """Say whether somebody may come in without a token, where there is none to compare."""
        return self.is_open and (role is not Role.OPERATOR or is_loopback(address))

    def _check_patience(self, name: str, address: str) -> None:
        network = network_of(address)
        wait = self._lockout.wait(f"{network} {name}")
        if wait:
            detail = f"too many wrong tokens; wait {wait:.0f} s"
            raise ProtocolError(RefusalCode.RATE_LIMITED, detail)
        failures = self._failures.find(network)
        if failures is not None and failures.is_empty:
            raise ProtocolError(RefusalCode.RATE_LIMITED, "too many wrong tokens; wait a little")


def _whose(role: Role, participant_id: str | None) -> str:
    if participant_id is None:
        return f"the {role.value}"
    return f"the meter of {participant_id!r}" if role is Role.METER else repr(participant_id)
