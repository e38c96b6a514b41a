"""TLS: a server's certificate and key; `certificates` makes them."""

from __future__ import annotations

import ssl
from pathlib import Path

from trex_market.core.errors import InputError


def server_context(certificate: str, key: str | None) -> ssl.SSLContext:
    """Return what a server needs to speak TLS.

    Args:
        certificate: file of the certificate, PEM, with those that have signed it.
        key: file of its key; None if that is in the same file.

    Raises:
        InputError: if a file cannot be read, is something else, or does not fit the other.
    """
    for path in (certificate, key):
        if path is not None:
            _check_readable(path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # A key that asks for a password gets none, so that nobody is asked at the terminal.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise InputError(f"TLS: {_explained(error, certificate, key)}") from error
    return context


def _check_readable(path: str) -> None:
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"TLS: {path} cannot be read: {error.strerror}") from error


def _explained(error: ssl.SSLError, certificate: str, key: str | None) -> str:
    reason = error.reason or ""
    if "MISMATCH" in reason:
        return f"the key {key or certificate} is not that of the certificate {certificate}"
    if key is None:
        return f"{certificate} does not hold a certificate and its key, in PEM; name the key with --tls-key"
    plain = reason.lower().replace("_", " ") or "without a password, at that"
    return f"{certificate} and {key} are not a certificate and its key, in PEM ({plain})"
