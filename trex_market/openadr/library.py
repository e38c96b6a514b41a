"""The library that speaks OpenADR, and what is done to it before it is used.

Its parser dies, and the interpreter with it, of an entity that a message defines and uses; so it resolves none.
Its templates put text into XML as it is; so they quote it. Its own queue of events is not used: it tells VENs
of an event once, and shows one that is running as far away.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

from aiohttp import web

from trex_market.core.errors import MissingExtraError

try:
    from lxml import etree
    from openleadr import OpenADRServer, errors, messaging
except ImportError:
    raise MissingExtraError("speaking OpenADR", "openadr") from None

# It tells every message, and sets its own level when it is imported.
logging.getLogger("openleadr").setLevel(logging.WARNING)

ENVELOPE = "oadrPayload.xml"
"""The template around all others, which are XML already when they are put into it."""


def make_safe() -> None:
    """Let the library resolve no entities, and quote what it writes."""
    messaging.XML_PARSER = etree.XMLParser(
        schema=messaging.XML_SCHEMA, resolve_entities=False, load_dtd=False, no_network=True
    )
    messaging.TEMPLATES.autoescape = _quotes


def _quotes(template: str | None) -> bool:
    return template != ENVELOPE


def make_server(vtn_id: str, **options: Any) -> Any:
    """Make the library's server, safe to use; its application is served by whoever asks for it."""
    make_safe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", web.NotAppKeyWarning
        )  # it keeps itself in its application under a plain name
        return OpenADRServer(vtn_id, show_fingerprint=False, **options)


__all__ = ["errors", "make_safe", "make_server"]
