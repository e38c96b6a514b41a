"""Which certificates a client trusts."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from trex_market.core.errors import InputError

CA_VARIABLE = "TREX_MARKET_CA"
"""An environment variable of this name holds the file of the authority that is trusted."""


def trusting(ca_cert: str | Path | None) -> ssl.SSLContext | None:
    """Return what trusts one authority and no other.

    Args:
        ca_cert: file of its certificate, PEM; None for the one that the environment names.

    Returns:
        None if none is named: then those are trusted that the system trusts.

    Raises:
        InputError: if the file cannot be read, or is no certificate.
    """
    path = ca_cert or os.environ.get(CA_VARIABLE)
    if not path:
        return None
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise InputError(f"{path} is not the certificate of an authority, in PEM") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def distrust(error: BaseException) -> str | None:
    """Return why a server's certificate was not trusted; None if that is not why a connection failed."""
    reason = None
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = getattr(cause, "verify_message", None) or str(cause)  # aiohttp's own kind has none
        cause = cause.__cause__ or cause.__context__
    return reason
