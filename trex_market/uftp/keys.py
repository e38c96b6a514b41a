"""Pairs of keys (Ed25519): the private one in a file that nobody else can read, the public one for the others."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from pathlib import Path
from stat import S_IMODE

import msgspec
from nacl.bindings import crypto_sign_keypair
from nacl.bindings import crypto_sign_PUBLICKEYBYTES as PUBLIC_BYTES
from nacl.bindings import crypto_sign_SECRETKEYBYTES as PRIVATE_BYTES

from trex_market.core.errors import InputError
from trex_market.uftp.directory import Role

VARIABLE = "TREX_MARKET_UFTP_KEY"
"""The environment variable that may hold a private key."""

OTHERS = 0o077
"""Rights of group and others."""


class MadePair(msgspec.Struct, frozen=True):
    """A pair that was made.

    Args:
        private: where the private key is.
        public: where the public key is.
        text: the public key, base64, for a config.
    """

    private: Path
    public: Path
    text: str


def private_path(directory: Path, domain: str, role: Role) -> Path:
    """Return where somebody's private key is kept."""
    return directory / f"{domain}.{role.lower()}.key"


def public_path(directory: Path, domain: str, role: Role) -> Path:
    """Return where somebody's public key is kept."""
    return directory / f"{domain}.{role.lower()}.pub"


def make_pair(directory: Path, domain: str, role: Role) -> MadePair:
    """Make a pair of keys, which replaces none.

    Args:
        directory: made if it is not there.
        domain: whose.
        role: in which role.

    Raises:
        InputError: if there is one, or none can be written.
    """
    private, public = private_path(directory, domain, role), public_path(directory, domain, role)
    public_key, private_key = crypto_sign_keypair()
    text = b64encode(public_key).decode()
    if private.exists():
        raise InputError(f"{private} is there already; remove it first if it shall be replaced")
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_new(private, b64encode(private_key), 0o600)
        public.unlink(missing_ok=True)  # of a private key that is gone
        _write_new(public, text.encode(), 0o644)
    except OSError as error:
        raise InputError(f"{error.filename or directory}: cannot be written: {error.strerror}") from None
    return MadePair(private, public, text)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content + b"\n")


def read_private(path: Path) -> bytes:
    """Read a private key.

    Raises:
        InputError: if there is none, or others may read it.
    """
    try:
        mode = S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: no private key can be read ({error}); `trex-market uftp keys` makes one"
        ) from None
    if mode & OTHERS:
        raise InputError(f"{path}: others may read this private key (mode {mode:o}); use chmod 600")
    return private_key(text, str(path))


def read_public(path: Path) -> bytes:
    """Read a public key.

    Raises:
        InputError: if there is none.
    """
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no public key can be read ({error})") from None
    return public_key(text, str(path))


def private_key(text: str, where: str) -> bytes:
    """Return the private key of a text.

    Args:
        text: base64.
        where: it comes from, for the message.

    Raises:
        InputError: if it is none; the text is not told.
    """
    return _key(text, where, PRIVATE_BYTES, "private")


def public_key(text: str, where: str) -> bytes:
    """Return the public key of a text; see `private_key`.

    Raises:
        InputError: if it is none.
    """
    return _key(text, where, PUBLIC_BYTES, "public")


def _key(text: str, where: str, size: int, kind: str) -> bytes:
    try:
        key = b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != size:
        raise InputError(f"{where}: a {kind} key is {size} bytes in base64; this is none")
    return key
