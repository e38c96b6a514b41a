"""Where messages come in: HTTP, with a limit for size and rate before anything is read.

Answers are HTTP's alone: 200 taken, 400 not readable, 401 wrong signature, 411 without a length, 413 too large,
419 sender not known, 429 too many. Whether a message is accepted is told in a message of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec
from aiohttp import hdrs, web

from trex_market.core.errors import InputError, ProtocolError, RefusalCode
from trex_market.throttle import Bucket, Rate, Recent, network_of

logger = logging.getLogger(__name__)

STATUS = {
    RefusalCode.MALFORMED: 400,
    RefusalCode.UNAUTHORISED: 401,
    RefusalCode.UNKNOWN_PARTICIPANT: 419,
    RefusalCode.RATE_LIMITED: 429,
}

TYPES = frozenset({"text/xml", "application/xml"})

LINES = Rate(per_second=1.0, burst=60)
"""Refusals that are written down; a flood of them shall not fill the disk."""

CLOSING_S = 2.0
"""How long a request that is being answered may take when the entrance closes."""


class EntranceSettings(msgspec.Struct, frozen=True):
    """Where messages come in, and how many.

    Args:
        host: to listen at.
        port: 0 for any that is free.
        path: of the URL.
        largest: bytes of a body; a message on a day of 96 ISPs has 7,000.
        rate: of requests from one address.
    """

    host: str = "127.0.0.1"
    port: int = 0
    path: str = "/shapeshifter/api/v3/message"
    largest: int = 256 * 1024
    rate: Rate = Rate(per_second=200.0, burst=1_000)


class Entrance:
    """Listens, between `open` and `close`.

    Args:
        settings: where, and how much.
        take: takes a body, and returns at once; may raise ProtocolError.
    """

    def __init__(self, settings: EntranceSettings, take: Callable[[bytes], None]) -> None:
        self._settings = settings
        self._take = take
        self._rates: Recent[Bucket] = Recent(lambda: Bucket(settings.rate))
        self._lines = Bucket(LINES)
        self._left_out = 0
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Listen.

        Raises:
            InputError: if that is not possible at this address.
        """
        application = web.Application(client_max_size=self._settings.largest)
        application.router.add_post(self._settings.path, self._receive)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=CLOSING_S)
        await self._runner.setup()
        host, port = self._settings.host, self._settings.port
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.close()
            raise InputError(f"cannot listen at {host}:{port}: {error.strerror or error}") from None

    async def close(self) -> None:
        """Take nothing more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def url(self) -> str:
        """Where messages are sent to."""
        assert self._runner is not None, "nobody listens"
        host, port = self._runner.addresses[0][:2]
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{port}{self._settings.path}"

    async def _receive(self, request: web.Request) -> web.Response:
        try:
            return await self._answer(request)
        except ProtocolError as error:
            self._write_down(request, error)
            return web.Response(status=STATUS.get(error.code, 400), text=error.detail)
        except web.HTTPRequestEntityTooLarge:
            self._write_down(request, "more than its length, or too large")
            raise

    async def _answer(self, request: web.Request) -> web.Response:
        if not self._rates.of(network_of(request.remote or "")).take():
            raise ProtocolError(RefusalCode.RATE_LIMITED, "too many messages from this address; later again")
        if request.content_length is None:
            return web.Response(status=411, text="a message needs a Content-Length")
        if request.content_length > self._settings.largest:
            self._write_down(request, f"{request.content_length} bytes")
            detail = f"a message may have {self._settings.largest} bytes, found {request.content_length}"
            return web.Response(status=413, text=detail, headers={hdrs.CONNECTION: "close"})
        charset = (request.charset or "utf-8").lower()
        if request.content_type not in TYPES or charset not in {"utf-8", "utf8"}:
            detail = (
                f"a message is text/xml in UTF-8, found {request.headers.get(hdrs.CONTENT_TYPE, '')[:100]!r}"
            )
            raise ProtocolError(RefusalCode.MALFORMED, detail)
        self._take(await request.read())
        return web.Response(status=200)

    def _write_down(self, request: web.Request, why: object) -> None:
        if not self._lines.take():
            self._left_out += 1
            return
        if self._left_out:
            logger.warning("%d refusals were left out", self._left_out)
            self._left_out = 0
        logger.warning("refused a message from %s: %s", request.remote, why)
