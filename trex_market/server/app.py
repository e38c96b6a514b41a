"""The server: market, desk, conductor and sockets behind one aiohttp port."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

from trex_market.core.errors import InputError
from trex_market.core.messages import OpenMarket
from trex_market.protocol import wire
from trex_market.server.conductor import Conductor, Patience
from trex_market.server.desk import Desk, Limits
from trex_market.server.doorkeeper import Doorkeeper
from trex_market.server.pace import Pace
from trex_market.server.seats import Seats
from trex_market.server.sockets import Sockets

LOOPBACK = ("127.0.0.1", "localhost", "::1")

CLOSING_S = 0.5
"""How long those who are still connected are given to leave when the server closes."""


class ServerSettings(msgspec.Struct, frozen=True):
    """Where the server listens and whom it lets in.

    Args:
        host: name or address to listen at.
        port: 0 for any that is free.
        token_hashes: participant id, or "operator", -> SHA-256 of the token, in hexadecimal.
        is_open: whether those without a token are let in.
        patience: how long participants are waited for.
        limits: how much a participant may ask for.
        default_source: the pool of a bid that names no source.
        trex_database: where TREX-Core's participants may write tables of their own, an URL.
        certificate: file of the TLS certificate; None for plain HTTP.
        key: file of its key.
    """

    host: str = "127.0.0.1"
    port: int = 0
    token_hashes: Mapping[str, str] = {}
    is_open: bool = True
    patience: Patience = Patience()
    limits: Limits = Limits()
    default_source: str = "solar"
    trex_database: str = ""
    certificate: str | None = None
    key: str | None = None


class MarketServer:
    """A desk behind a port: participants come in over Socket.IO.

    Args:
        terms: the market's terms.
        participant_ids: who may take part.
        settings: where it listens and whom it lets in.
        pace: a simulation's by default.
    """

    def __init__(
        self,
        terms: OpenMarket,
        participant_ids: Iterable[str],
        settings: ServerSettings,
        pace: Pace | None = None,
    ) -> None:
        doorkeeper = Doorkeeper(settings.token_hashes, is_open=settings.is_open)
        self._settings = settings
        self.desk = Desk(
            terms, Seats(participant_ids), doorkeeper, settings.limits, settings.default_source, pace
        )
        self._sockets = Sockets(self.desk, doorkeeper, settings.trex_database)
        self.application = web.Application()
        """What else is served over HTTP is added to it before the server listens."""
        self._sockets.server.attach(self.application)
        self._runner = web.AppRunner(self.application, access_log=None, shutdown_timeout=CLOSING_S)
        self.url = ""

    async def tell_status(self, status: wire.Status) -> None:
        """Tell all operators how the market stands."""
        await self._sockets.tell_status(status)

    def let_control(
        self, controls: Mapping[str, Callable[[], None]], status: Callable[[], wire.Status]
    ) -> None:
        """Let operators control what drives the rounds.

        Args:
            controls: request on /simulation -> what it does.
            status: tells how the market stands.
        """
        self._sockets.controls = dict(controls)
        self._sockets.status = status

    async def __aenter__(self) -> Self:
        """Begin to listen.

        Raises:
            InputError: if the address is taken or not this machine's.
        """
        settings = self._settings
        await self._runner.setup()
        context = None
        if settings.certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(settings.certificate, settings.key)
        listener = _listener(settings.host, settings.port)
        await web.SockSite(self._runner, listener, ssl_context=context).start()
        port = listener.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self.url = f"{'https' if context else 'http'}://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A moment for the last messages to go out: closing drops what is queued.
        await asyncio.sleep(0)
        await self._sockets.server.shutdown()
        await self._runner.cleanup()


class SimulationServer(MarketServer):
    """A market whose rounds are driven by `conductor`, as fast as participants answer.

    Args:
        terms: the market's terms.
        participant_ids: who may take part.
        settings: where it listens, whom it lets in, and how long it waits.
    """

    def __init__(self, terms: OpenMarket, participant_ids: Iterable[str], settings: ServerSettings) -> None:
        super().__init__(terms, participant_ids, settings)
        conductor = self.conductor = Conductor(self.desk, settings.patience, self.tell_status)
        self.controls = {
            "pause": conductor.pause,
            "resume": conductor.resume,
            "step": conductor.step,
            "stop": conductor.stop,
        }
        self.let_control(self.controls, lambda: conductor.status)


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise InputError(f"cannot listen at {host}:{port}: {error.strerror or error}") from error
    return listener
