"""TLS in which both sides show a certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

from trex_market.core.errors import InputError


def mutual_context(certificate: Path, key: Path, authority: Path) -> ssl.SSLContext:
    """Return what a server needs to let in those alone whose certificates an authority has signed.

    Args:
        certificate: file of the server's certificate, PEM.
        key: file of its key.
        authority: file of the authority's certificate.

    Raises:
        InputError: if a file cannot be read, or is something else.
    """
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority))
        # A key that asks for a password gets none, so that nobody is asked at the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"TLS: {certificate}, {key} and {authority} are not a certificate, its key and an authority, in PEM: "
            f"{error.strerror or error}"
        ) from error
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def trusting(authority: Path | None) -> ssl.SSLContext | None:
    """Return what checks a server's certificate; None for what the system trusts.

    Args:
        authority: file of the only authority that is trusted; None for what the system trusts.

    Raises:
        InputError: if the file cannot be read, or is something else.
    """
    if authority is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(authority))
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"TLS: {authority} is no authority's certificate, in PEM: {error.strerror or error}"
        ) from error
