"""Where somebody is on the network who trades flexibility over UFTP."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Annotated

from pydantic import AfterValidator

from trex_market.config.values import Section, default_if_empty, found, wrong

_KEY_BYTES = 32


def check_url(text: str) -> str:
    """Refuse what is no address of HTTP."""
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text):
        raise wrong(
            f"must be a URL such as 'http://127.0.0.1:3201/shapeshifter/api/v3/message', found {found(text)}"
        )
    return text


def check_public_key(text: str) -> str:
    """Refuse what is no public key."""
    try:
        size = len(b64decode(text, validate=True))
    except ValueError:
        size = 0
    if size != _KEY_BYTES:
        raise wrong("must be a public key, 32 bytes in base64; `trex-market uftp keys` makes pairs")
    return text


class PartyConfig(Section):
    """Somebody on the network.

    Args:
        url: where it listens; None if it trades in this process alone.
        public_key: proves its messages, base64; None for the one in the folder of keys.
        barred: whether its messages are refused.
    """

    url: Annotated[str | None, default_if_empty(None), AfterValidator(lambda url: url and check_url(url))] = (
        None
    )
    public_key: Annotated[
        str | None, default_if_empty(None), AfterValidator(lambda key: key and check_public_key(key))
    ] = None
    barred: bool = False
