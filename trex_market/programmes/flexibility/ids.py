"""Identifiers in the form of UUIDs, made of a seed and a running number: a replay makes the same ones."""

from __future__ import annotations

from hashlib import sha256


def identifier(seed: str, owner: str, number: int) -> str:
    """Return an identifier.

    Args:
        seed: another one for each life of a machine that does not go on from its state.
        owner: domain of whoever makes it.
        number: running.
    """
    digest = sha256(f"{seed}\n{owner}\n{number}".encode()).hexdigest()
    # Version 8 of RFC 9562 (made by a rule of one's own), variant 10.
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
