"""The library that messages come from, and what is done to it before it is used.

Its services and clients are not used here: they check neither recipients nor
repetitions, and read whatever looks like XML.
"""

from __future__ import annotations

import logging
from typing import Any

from trex_market.core.errors import MissingExtraError

try:
    from shapeshifter_uftp import uftp
    from shapeshifter_uftp.uftp.enums import AcceptedDisputed
except ImportError:
    raise MissingExtraError("speaking UFTP", "uftp") from None

# It writes every message, prices included, to standard error.
logging.getLogger("shapeshifter-uftp").setLevel(logging.ERROR)


def _element_name(cls: Any) -> str:
    """Return what the XML element of a class is called."""
    name: str = getattr(vars(cls).get("Meta"), "name", cls.__name__)
    return name


NAMES: dict[type, str] = {
    cls: _element_name(cls) for cls in (*uftp.routing_map, uftp.TestMessage, uftp.TestMessageResponse)
}
"""Class of a message -> name of its XML element."""

MESSAGES: dict[str, type] = {name: cls for cls, name in NAMES.items()}
"""Name of the XML element -> class."""

__all__ = ["MESSAGES", "NAMES", "AcceptedDisputed", "uftp"]
