"""The server: market, desk, conductor and sockets behind one aiohttp port."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

from trex_market.core.errors import InputError
from trex_market.core.messages import OpenMarket
from trex_market.protocol import wire
from trex_market.server.addresses import lan_addresses
from trex_market.server.audit import Audit
from trex_market.server.conductor import Conductor, Patience
from trex_market.server.dashboard import Dashboard
from trex_market.server.desk import Desk, Limits
from trex_market.server.doorkeeper import Doorkeeper, Role
from trex_market.server.metrics import Metrics
from trex_market.server.operations import Operations
from trex_market.server.pace import Pace
from trex_market.server.seats import Seats
from trex_market.server.sockets import Sockets
from trex_market.server.tls import server_context
from trex_market.server.watching import Watch
from trex_market.server.web import Gate, Origins

logger = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "localhost", "::1")

CLOSING_S = 0.5
"""How long those who are still connected are given to leave when the server closes."""


class ServerSettings(msgspec.Struct, frozen=True):
    """Where the server listens and whom it lets in.

    Args:
        host: name or address to listen at.
        port: 0 for any that is free.
        token_hashes: participant id, "operator" or "observer" -> SHA-256 of the token, in hexadecimal.
        meter_token_hashes: participant id -> the same of its meter's token.
        is_open: whether those without a token are let in.
        allowed_origins: pages of which other origins may talk to the server; "*" for all.
        patience: how long participants are waited for.
        limits: how much a participant may ask for.
        default_source: the pool of a bid that names no source.
        trex_database: where TREX-Core's participants may write tables of their own, an URL.
        announce: whether it announces itself on the local network, which needs the extra `discovery`.
        certificate: file of the TLS certificate; None for plain HTTP.
        key: file of its key.
    """

    host: str = "127.0.0.1"
    port: int = 0
    token_hashes: Mapping[str, str] = {}
    meter_token_hashes: Mapping[str, str] = {}
    is_open: bool = True
    allowed_origins: tuple[str, ...] = ()
    patience: Patience = Patience()
    limits: Limits = Limits()
    default_source: str = "solar"
    trex_database: str = ""
    announce: bool = False
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
        self.doorkeeper = Doorkeeper(
            settings.token_hashes, settings.meter_token_hashes, is_open=settings.is_open
        )
        self.audit = Audit()
        self._settings = settings
        self.desk = Desk(
            terms, Seats(participant_ids), self.doorkeeper, settings.limits, settings.default_source, pace
        )
        # Where nobody shows a token, the host that a request names is all that tells a page's tricks.
        origins = Origins(settings.allowed_origins, settings.host, check_host=settings.is_open)
        self._sockets = Sockets(self.desk, self.doorkeeper, self.audit, origins, settings.trex_database)
        self._gate = Gate(self.doorkeeper, origins, self.audit, settings.limits.connections_per_address)
        self.application = self._gate.application()
        """What else is served over HTTP is added to it before the server listens."""
        self._sockets.server.attach(self.application)
        self.watch = Watch(self.desk)
        self.dashboard = Dashboard(self.watch, self.admit, self.tell_status)
        metrics = Metrics(self.watch, lambda: self.dashboard.viewers)
        self.operations = Operations(self.watch, metrics, self.admit)
        self.dashboard.add_to(self.application.router)
        self.operations.add_to(self.application.router)
        self.dashboard.ticked = metrics.loop_late.observe
        self._sockets.answered_in = metrics.acknowledgement.observe
        self._ticking: asyncio.Task[None] | None = None
        # Nobody needs to pack what is small, and what is large could be far larger unpacked.
        self._runner = web.AppRunner(
            self.application, access_log=None, shutdown_timeout=CLOSING_S, auto_decompress=False
        )
        self._announcing: asyncio.Task[None] | None = None
        self.url = ""
        self.own_url = ""
        """For clients in this process."""

    def admit(self, request: web.Request, role: Role, participant_id: str | None = None) -> Role:
        """Check that an HTTP request shows the right token, as `Authorization: Bearer TOKEN`; see `Doorkeeper.admit`.

        Raises:
            ProtocolError: unauthorised, rate_limited; the application answers with it, and writes it down.
        """
        return self._gate.admit(request, role, participant_id)

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
        self._sockets.controls = self.dashboard.controls = dict(controls)
        self._sockets.status = self.watch.status = status

    async def __aenter__(self) -> Self:
        """Begin to listen.

        Raises:
            InputError: if the address is taken or not this machine's, or certificate and key are no good.
        """
        settings = self._settings
        await self._runner.setup()
        context = server_context(settings.certificate, settings.key) if settings.certificate else None
        listener = _listener(settings.host, settings.port)
        await web.SockSite(self._runner, listener, ssl_context=context).start()
        port = listener.getsockname()[1]
        scheme = "https" if context else "http"
        self.own_url = f"{scheme}://{_own_host(settings.host)}:{port}"
        self.url = f"{scheme}://{_host_for_others(settings.host)}:{port}"
        if settings.announce:
            self._announcing = asyncio.create_task(self._announce(port))
        self._ticking = asyncio.create_task(self.dashboard.run())
        self._ticking.add_done_callback(self._check_ticking)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        if self._announcing is not None:
            self._announcing.cancel()
            await asyncio.gather(self._announcing, return_exceptions=True)
        await self._sockets.drain()
        # A moment for the last messages to go out: closing drops what is queued.
        await asyncio.sleep(0)
        await self._sockets.server.shutdown()
        await self._runner.cleanup()
        self._sockets.close()
        self.audit.close()

    async def tell_stopping(self, detail: str) -> None:
        """Tell all participants that the server stops.

        Args:
            detail: why, and what they should do.
        """
        for seat in self.desk.seats:
            await seat.send("notice", wire.Notice(code="stopping", detail=detail))

    async def _announce(self, port: int) -> None:
        from trex_market.server.discovery import (  # noqa: PLC0415 - optional
            Listing,
            announced_addresses,
            keep_announced,
        )

        settings, terms = self._settings, self.desk.terms
        addresses = announced_addresses(settings.host)
        if not addresses:
            logger.warning("the market is not announced: this machine has no address on a network")
            return
        tls = settings.certificate is not None
        await keep_announced(Listing(terms.market_id, terms.mode, tls, addresses, port))

    def _check_ticking(self, task: asyncio.Task[None]) -> None:
        """End the market if what watches it has a fault: one that nobody sees is worse."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("the market cannot be watched", exc_info=error)
            self.desk.faulty(error)


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


def _own_host(host: str) -> str:
    """Return where a server that listens at a host can be reached from its own machine."""
    if host in ("", "0.0.0.0"):  # noqa: S104 - compared, not bound to
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


def _host_for_others(host: str) -> str:
    """Return where a server that listens at a host can be reached, if possible from other machines."""
    addresses = lan_addresses() if host in ("", "0.0.0.0", "::") else []  # noqa: S104 - compared, not bound to
    if not addresses:
        return _own_host(host)
    first = min(addresses, key=lambda address: address.version)
    return f"[{first}]" if first.version == 6 else str(first)


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
