"""Who may come in: tokens, of which only hashes are kept."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

from trex_market.core.errors import ProtocolError, RefusalCode

OPERATOR = "operator"


def token_hash(token: str) -> str:
    """Return what is kept of a token: SHA-256, in hexadecimal."""
    return sha256(token.encode()).hexdigest()


class Doorkeeper:
    """Checks tokens in constant time.

    Args:
        hashes: participant id, or `OPERATOR`, -> hash of the token.
        is_open: whether those without a hash of their own may come in without a token.
    """

    def __init__(self, hashes: Mapping[str, str], *, is_open: bool) -> None:
        self._hashes = dict(hashes)
        self._is_open = is_open

    def check(self, name: str, token: str | None) -> None:
        """Check that a token is the one of a participant, or of the operator.

        Raises:
            ProtocolError: unauthorised.
        """
        known = self._hashes.get(name)
        if known is None:
            if self._is_open:
                return
            raise ProtocolError(RefusalCode.UNAUTHORISED, f"there is no token for {name!r}")
        if not hmac.compare_digest(known, token_hash(token or "")):
            raise ProtocolError(RefusalCode.UNAUTHORISED, f"this is not the token of {name!r}")
