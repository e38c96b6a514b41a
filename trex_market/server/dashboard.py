"""The dashboard: a page at `/`, its state at `/state` and live at `/events`, an operator's actions at `/control/...`.

The page itself holds no figures and is open to all; what it shows needs the
observer's token, and what it does the operator's. All viewers share one state,
which is made at most once a second, and not at all while nobody looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from importlib.resources import files
from time import monotonic

import msgspec
from aiohttp import hdrs, web

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.protocol import view, wire
from trex_market.server.cards import cards, current_status
from trex_market.server.doorkeeper import Role
from trex_market.server.publishing import Publisher, event
from trex_market.server.watching import Watch
from trex_market.server.web import bearer_token

PERIOD_S = 1.0
"""The state is made anew so often, at most."""

REST = 19
"""After making a state, this many times as long is left to the market."""

HEARTBEAT_S = 5.0
"""A viewer hears the time at least this often."""

STALLED_S = 20.0
"""A viewer that takes nothing for so long is let go."""

MOST_VIEWERS = 200

PAGE, DR_PAGE = "index.html", "dr.html"

TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "html": "text/html"}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""What the page may load and do: its own files, and talking to its own server."""

Admit = Callable[[web.Request, Role], Role]
"""Checks a request's token; raises `ProtocolError`."""


class Dashboard:
    """Serves people who look at the market.

    Args:
        watch: what they see.
        admit: checks a request's token.
        tell_status: is told how the market stands after an operator's action.
    """

    def __init__(
        self, watch: Watch, admit: Admit, tell_status: Callable[[wire.Status], Awaitable[None]]
    ) -> None:
        self.controls: Mapping[str, Callable[[], None]] = {}
        """Action -> what it does."""
        self.ticked: Callable[[float], None] = lambda _late: None
        """Is told, about once a second, by how many seconds the event loop was late."""
        self.has_demand_response = False
        """Whether there is a page of demand response at `/dr`."""
        self._watch = watch
        self._admit = admit
        self._tell_status = tell_status
        self._publisher = Publisher()
        self._published = -PERIOD_S
        self.viewers = 0
        self._files = {
            file.name: file.read_bytes()
            for file in files("trex_market.server").joinpath("static").iterdir()
            if file.name.rpartition(".")[2] in TYPES
        }

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve the dashboard's routes."""
        router.add_get("/", self._page)
        router.add_get("/static/{name}", self._file)
        router.add_get("/state", self._state)
        router.add_get("/events", self._events, allow_head=False)
        router.add_post("/control/{action}", self._control)

    async def run(self) -> None:
        """Keep what is watched up to date, and viewers too, until cancelled."""
        pause = PERIOD_S
        while True:
            due = monotonic() + pause
            await asyncio.sleep(pause)
            began = monotonic()
            self.ticked(began - due)
            self._watch.refresh()
            self._watch.alarms.current()  # so that each knows since when
            if self.viewers:
                self._publish()
            pause = max(PERIOD_S, REST * (monotonic() - began))

    def _publish(self) -> None:
        self._watch.refresh()
        self._publisher.publish(cards(self._watch))
        self._published = monotonic()

    def _catch_up(self) -> None:
        """Make the state anew, if that was long ago."""
        if monotonic() - self._published >= PERIOD_S:
            self._publish()

    # ------------------------------------------------------------ the page

    async def _page(self, request: web.Request) -> web.Response:
        page = self._files[PAGE]
        try:
            self._admit(request, Role.OBSERVER)
        except ProtocolError:
            page = page.replace(b'data-token="none"', b'data-token="needed"', 1)
        if self.has_demand_response:
            page = page.replace(b'<p id="beside" hidden>', b'<p id="beside">', 1)
        return _answer(request, page, TYPES["html"])

    async def demand_response_page(self, request: web.Request) -> web.Response:
        """Answer with the page of demand response, which shows nothing without a token where one is needed."""
        return _answer(request, self._files[DR_PAGE], TYPES["html"])

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        content = self._files.get(name)
        if content is None or name in (PAGE, DR_PAGE):
            raise web.HTTPNotFound
        return _answer(request, content, TYPES[name.rpartition(".")[2]])

    # ------------------------------------------------------------ the state

    def _access(self, request: web.Request) -> view.Access:
        """Say what whoever asks may do.

        Raises:
            ProtocolError: unauthorised, rate_limited.
        """
        role = self._admit(request, Role.OBSERVER)
        if role is not Role.OPERATOR and bearer_token(request) is None:
            # Where no token is needed, whoever sits at this machine may operate.
            with suppress(ProtocolError):
                role = self._admit(request, Role.OPERATOR)
        if role is Role.OPERATOR:
            return view.Access(role="operator", controls=[*self.controls])
        return view.Access(role="observer", controls=[])

    async def _state(self, request: web.Request) -> web.Response:
        access = self._access(request)
        self._catch_up()
        body = view.encoded_state(self._watch.now(), access, self._publisher.contents())
        return _json(body)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        access = self._access(request)
        if self.viewers >= MOST_VIEWERS:
            raise ProtocolError(RefusalCode.RATE_LIMITED, f"{MOST_VIEWERS} are looking already")
        headers = {
            hdrs.CONTENT_TYPE: "text/event-stream",
            hdrs.CACHE_CONTROL: "no-store",
            "X-Accel-Buffering": "no",
        }
        response = web.StreamResponse(headers=headers)
        self.viewers += 1
        try:
            await response.prepare(request)
            self._catch_up()
            await self._stream(response, access)
        except (ConnectionError, TimeoutError):  # it went away, or takes nothing
            if request.transport is not None:
                request.transport.abort()
        finally:
            self.viewers -= 1
        return response

    async def _stream(self, response: web.StreamResponse, access: view.Access) -> None:
        """Tell a viewer what changes, until it goes away.

        Raises:
            ConnectionError: when it does.
            TimeoutError: if it takes nothing.
        """
        seen = 0
        first = event("access", msgspec.json.encode(access))
        while True:
            version = self._publisher.version
            data = first + event("time", b"%.3f" % self._watch.now()) + self._publisher.since(seen)
            async with asyncio.timeout(STALLED_S):
                await response.write(data)
            seen, first = version, b""
            await self._publisher.changed(seen, HEARTBEAT_S)

    # ------------------------------------------------------------ control

    async def _control(self, request: web.Request) -> web.Response:
        self._admit(request, Role.OPERATOR)
        action = request.match_info["action"]
        control = self.controls.get(action)
        if control is None:
            known = ", ".join(self.controls) or "none yet"
            raise ProtocolError(RefusalCode.MALFORMED, f"unknown action {action!r}; there are: {known}")
        control()
        status = current_status(self._watch)
        assert status is not None, "what can be controlled tells how it stands"
        await self._tell_status(status)
        return _json(msgspec.json.encode(status))


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", headers={hdrs.CACHE_CONTROL: "no-store"})


def _answer(request: web.Request, content: bytes, content_type: str) -> web.Response:
    """Return a file, or say that the browser has it already."""
    tag = sha256(content).hexdigest()[:16]
    response = web.Response(body=content, content_type=content_type, charset="utf-8")
    response.headers[hdrs.CACHE_CONTROL] = "no-cache"
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.etag = tag
    if any(known.value == tag for known in request.if_none_match or ()):
        response.set_status(304)
        response.body = None
    return response
