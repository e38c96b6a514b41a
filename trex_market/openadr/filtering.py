"""Which requests the library gets to see: XML in UTF-8 without a document type, while the market can be asked."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Collection
from urllib.parse import urlsplit

from aiohttp import web

from trex_market.core.errors import TrexError

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Middleware = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]

_DECLARATION = re.compile(r"\ufeff?\s*<\?xml(?P<said>[^>]*)")
_ENCODING = re.compile(r"""encoding\s*=\s*["']([^"']*)""")

ENCODINGS = ("utf-8", "us-ascii")
"""In which bytes mean what they seem to mean."""

FORBIDDEN = ("<!DOCTYPE", "<!ENTITY")


def objection(body: bytes) -> str | None:
    """Say in a sentence why a message is not read; None if it is."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return "a message is in UTF-8"
    if "\0" in text:
        return "text must not hold the character 0"
    declaration = _DECLARATION.match(text)
    said = None if declaration is None else _ENCODING.search(declaration["said"])
    if said is not None and said[1].lower() not in ENCODINGS:
        return f"a message is in UTF-8, found {said[1][:40]!r}"
    if any(word in text for word in FORBIDDEN):
        return "a message defines no document type and no entities"
    return None


def _name_of(request: web.Request) -> str | None:
    """Return the name by which a request asks for this server; None if that is none."""
    try:
        return urlsplit(f"//{request.host}").hostname
    except ValueError:
        return None


def filtered(prepare: Callable[[], Awaitable[None]], hosts: Collection[str] | None = None) -> Middleware:
    """Make the filter.

    Args:
        prepare: is waited for before a request is handled; 503 is the answer if it fails.
        hosts: by which names it may be asked for, so that no page in a browser can let a name of its own mean it;
            None for any.
    """

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        if hosts is not None and _name_of(request) not in hosts:
            return web.Response(status=403, text="this is asked for by another name than its own\n")
        try:
            reason = objection(await request.read())
        except web.HTTPRequestEntityTooLarge as error:
            return web.Response(status=413, text=f"{error.text}\n")
        if reason is not None:
            logger.warning("a message of %s was not read: %s", request.remote, reason)
            return web.Response(status=400, text=f"{reason}\n")
        try:
            await prepare()
        except TrexError as error:
            logger.warning("%s", error)
            return web.Response(status=503, text="the market cannot be asked; come again later\n")
        return await handler(request)

    return handle
