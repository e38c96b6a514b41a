"""The envelope: a message, signed with NaCl's `crypto_sign`, in a `SignedMessage`.

The envelope's own attributes are not signed. They choose the key, so whoever changes them changes the key.
"""

from __future__ import annotations

from typing import Any

import msgspec
from nacl.bindings import crypto_sign, crypto_sign_open
from nacl.exceptions import CryptoError

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.uftp.directory import Party, Role
from trex_market.uftp.library import uftp
from trex_market.uftp.reading import read_signed, write_xml


class Identity(msgspec.Struct, frozen=True):
    """Who we are.

    Args:
        domain: ours.
        role: what we do.
        private_key: 64 bytes.
    """

    domain: str
    role: Role
    private_key: bytes

    def __repr__(self) -> str:
        return f"Identity({self.role} {self.domain})"  # without the key, wherever it may be written


class Envelope(msgspec.Struct, frozen=True):
    """A message that is not verified yet.

    Args:
        domain: of its sender, as it says.
        role: of its sender, as it says.
        body: signature and XML.
    """

    domain: str
    role: Role
    body: bytes


def seal(message: Any, identity: Identity) -> bytes:
    """Return a message in its envelope, as an XML document."""
    body = crypto_sign(write_xml(message), identity.private_key)
    return write_xml(
        uftp.SignedMessage(sender_domain=identity.domain, sender_role=uftp.UsefRole(identity.role), body=body)
    )


def read_envelope(document: bytes) -> Envelope:
    """Read an envelope.

    Raises:
        ProtocolError: malformed.
    """
    signed = read_signed(document)
    return Envelope(signed.sender_domain, Role(signed.sender_role), signed.body)


def unseal(envelope: Envelope, party: Party) -> bytes:
    """Return the XML document in an envelope, if it was signed with a party's key.

    Raises:
        ProtocolError: unauthorised.
    """
    try:
        document: bytes = crypto_sign_open(envelope.body, party.public_key)
    except (CryptoError, ValueError):
        detail = f"the signature is not that of {party}"
        raise ProtocolError(RefusalCode.UNAUTHORISED, detail) from None
    return document
