"""What holds for every HTTP request, Socket.IO's included: its origin, its refusals, its headers."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec
from aiohttp import hdrs, web

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.protocol.wire import Result
from trex_market.server.audit import Audit, Visitor
from trex_market.server.doorkeeper import Doorkeeper, Role
from trex_market.throttle import network_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATUS = {
    RefusalCode.UNAUTHORISED: 401,
    RefusalCode.UNKNOWN_PARTICIPANT: 404,
    RefusalCode.UNKNOWN_ORDER: 404,
    RefusalCode.UNKNOWN_DEVICE: 404,
    RefusalCode.UNKNOWN_EVENT: 404,
    RefusalCode.GATE_CLOSED: 409,
    RefusalCode.OVERLAPPING_EVENT: 409,
    RefusalCode.DEADLINE_PASSED: 409,
    RefusalCode.WRONG_PHASE: 409,
    RefusalCode.RATE_LIMITED: 429,
}
"""HTTP's words for a refusal; all others are 400."""

OWN_DOMAINS = (".local", ".localhost", ".localdomain", ".lan", ".home", ".internal", ".home.arpa")
"""Names below these belong to a local network: nobody far away can make one of them mean this machine."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
"""Every answer has these."""


def bearer_token(request: web.Request) -> str | None:
    """Return the token of `Authorization: Bearer TOKEN`; None if there is none."""
    kind, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() or None if kind.lower() == "bearer" else None


def address_of(request: web.BaseRequest) -> str:
    """Return where a request comes from: the peer's address, whatever its headers say."""
    return request.remote or ""


def refusal_response(error: ProtocolError) -> web.Response:
    """Return the answer to a request that was refused."""
    return _json(STATUS.get(error.code, 400), error)


def _json(status: int, error: ProtocolError) -> web.Response:
    body = msgspec.json.encode(Result(ok=False, code=error.code, detail=error.detail))
    headers = {hdrs.WWW_AUTHENTICATE: "Bearer"} if status == 401 else None
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


class Origins:
    """Which pages a browser may show that talk to this server.

    A page of another origin may not, unless it is named. In a market that asks for no tokens the request
    must name this machine besides, or another page's owner could let its own name mean this machine.

    Args:
        allowed: origins, such as "https://example.org"; "*" for all.
        host: where the server listens.
        check_host: whether requests must name this machine.
    """

    def __init__(self, allowed: Iterable[str], host: str, *, check_host: bool) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)
        self._check_host = check_host and "*" not in self._allowed
        named = {urlsplit(origin).hostname or "" for origin in self._allowed}
        self._hosts = {host.lower(), socket.gethostname().lower(), *named}

    def allows(self, origin: str | None, scheme: str, host: str) -> bool:
        """Say whether a page may talk to this server.

        Args:
            origin: the page's; None if the request comes from no page.
            scheme: of the request: "http" or "https".
            host: that the request names, with its port.
        """
        if origin is None or "*" in self._allowed:
            return True
        origin = origin.lower()
        return origin in self._allowed or origin == f"{scheme}://{host}".lower()

    def is_named(self, origin: str) -> bool:
        """Say whether an origin is one of those that are named."""
        return "*" in self._allowed or origin.lower() in self._allowed

    def knows(self, host: str) -> bool:
        """Say whether a request's host (with its port) is this machine."""
        if not self._check_host or not host:
            return True
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        if "." not in name or name in self._hosts or name.endswith(OWN_DOMAINS):
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True

    def check(self, request: web.Request) -> None:
        """Check where a request comes from.

        Raises:
            ProtocolError: unauthorised.
        """
        origin = request.headers.get(hdrs.ORIGIN)
        if not self.allows(origin, request.scheme, request.host):
            detail = f"pages of {origin!r} may not talk to this server; server.allowed_origins names those that may"
            raise ProtocolError(RefusalCode.UNAUTHORISED, detail)
        try:
            known = self.knows(request.headers.get(hdrs.HOST, ""))
        except ValueError:  # brackets without an address
            known = False
        if not known:
            detail = f"{request.host!r} is not this server's name; if it is, put its origin into server.allowed_origins"
            raise ProtocolError(RefusalCode.UNAUTHORISED, detail)


class Crowd:
    """Counts the requests that are being answered, which a connection of Socket.IO is for as long as it lasts.

    Args:
        most: from one address at one time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()

    @contextmanager
    def one(self, address: str) -> Iterator[None]:
        """Count a request for as long as the context lasts.

        Raises:
            ProtocolError: rate_limited.
        """
        network = network_of(address)
        if self._counts[network] >= self._most:
            detail = f"more than {self._most} connections from one address"
            raise ProtocolError(RefusalCode.RATE_LIMITED, detail)
        self._counts[network] += 1
        try:
            yield
        finally:
            self._counts[network] -= 1
            if not self._counts[network]:
                del self._counts[network]


class Gate:
    """Stands before every HTTP request: it checks where it comes from, and answers and writes down each refusal.

    Args:
        doorkeeper: checks tokens.
        origins: which pages may talk to the server.
        audit: takes refusals.
        connections_per_address: at one time.
    """

    def __init__(
        self, doorkeeper: Doorkeeper, origins: Origins, audit: Audit, connections_per_address: int
    ) -> None:
        self._doorkeeper = doorkeeper
        self._origins = origins
        self._audit = audit
        self._crowd = Crowd(connections_per_address)
        self._visitors: dict[int, Visitor] = {}
        """By the identity of requests that are being answered: who sent them, where that was proven."""

    def application(self) -> web.Application:
        """Return a new application behind this gate."""
        application = web.Application(middlewares=[self._guard])
        application.on_response_prepare.append(self._add_headers)
        return application

    def admit(self, request: web.Request, role: Role, participant_id: str | None = None) -> Role:
        """Check that a request shows the right token; see `Doorkeeper.admit`.

        Raises:
            ProtocolError: unauthorised, rate_limited.
        """
        address = address_of(request)
        admitted = self._doorkeeper.admit(role, bearer_token(request), participant_id, address)
        self._visitors[id(request)] = Visitor(address, participant_id or admitted.value, known=True)
        return admitted

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        what, address = f"{request.method} {request.path}", address_of(request)
        try:
            self._origins.check(request)
        except ProtocolError as error:
            self._audit.refused(Visitor(address), what, error)
            return _json(403, error)
        if _is_preflight(request):
            return web.Response(status=204)
        try:
            with self._crowd.one(address):
                return await handler(request)
        except ProtocolError as error:
            self._audit.refused(self._visitors.get(id(request), Visitor(address)), what, error)
            return refusal_response(error)
        finally:
            self._visitors.pop(id(request), None)

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers[hdrs.SERVER] = "trex_market"  # whose version is nobody's business
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and self._origins.is_named(origin):
            response.headers.setdefault(hdrs.ACCESS_CONTROL_ALLOW_ORIGIN, origin)
            response.headers.setdefault(hdrs.ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type")
            response.headers.setdefault(hdrs.ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS")
            response.headers.setdefault(hdrs.VARY, hdrs.ORIGIN)


def _is_preflight(request: web.Request) -> bool:
    """Say whether a browser asks whether it may ask."""
    return request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
