"""The SDK's WebSockets: one for each aggregator, and for each asset or area that asks for itself.

Agents send nothing; they are sent one JSON object in each frame, and frames are
binary: a text frame makes an agent hang up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiohttp import WSCloseCode, web

from trex_market.gateway.core import Gateway
from trex_market.gateway.mailboxes import Outgoing
from trex_market.gateway.rest import Rest

SOCKETS = "/external-ws/{simulation}"

LARGEST_HEARD = 4_096
"""Agents have nothing to say."""

Greet = Callable[[Outgoing], None]
"""Lets a connection that has just opened listen."""

HEARTBEAT_S = 30.0
"""Who does not answer a ping in time is gone, in seconds."""


class WebSockets:
    """Sends what comes into mailboxes.

    Args:
        gateway: whose mailboxes.
        rest: knows users, assets and areas.
    """

    def __init__(self, gateway: Gateway, rest: Rest) -> None:
        self._gateway = gateway
        self._rest = rest
        self._open: set[web.WebSocketResponse] = set()
        self._sending: set[Outgoing] = set()

    def add_to(self, application: web.Application) -> None:
        """Serve the routes."""
        application.router.add_get(f"{SOCKETS}/aggregator/{{uuid}}/", self._aggregator)
        application.router.add_get(f"{SOCKETS}/{{uuid}}/", self._device)
        application.on_shutdown.append(self._close)

    async def _aggregator(self, request: web.Request) -> web.WebSocketResponse:
        user = self._rest.user(request)
        aggregator = self._rest.aggregator(request.match_info["uuid"], user)

        def greet(line: Outgoing) -> None:
            self._gateway.welcome(aggregator, line)

        return await self._serve(request, aggregator.uuid, greet)

    async def _device(self, request: web.Request) -> web.WebSocketResponse:
        user = self._rest.user(request)
        node = self._rest.device(request.match_info["uuid"], user)
        return await self._serve(
            request, node.uuid, lambda line: self._gateway.mailboxes.come(node.uuid, line)
        )

    async def _serve(self, request: web.Request, uuid: str, greet: Greet) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=LARGEST_HEARD, heartbeat=HEARTBEAT_S)
        await socket.prepare(request)
        closing: set[asyncio.Task[bool]] = set()

        def give_up() -> None:
            if not closing:
                closing.add(asyncio.ensure_future(socket.close(code=WSCloseCode.TRY_AGAIN_LATER)))

        outgoing = Outgoing(give_up)
        sending = asyncio.create_task(_send(socket, outgoing))
        self._open.add(socket)
        self._sending.add(outgoing)
        greet(outgoing)
        try:
            async for _ in socket:
                pass  # agents have nothing to say
        finally:
            self._open.discard(socket)
            self._sending.discard(outgoing)
            self._gateway.mailboxes.go(uuid, outgoing)
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
        return socket

    async def flushed(self) -> None:
        """Wait until all was sent to those who are there."""
        await asyncio.gather(*(outgoing.flushed() for outgoing in self._sending))

    async def _close(self, _application: web.Application) -> None:
        for socket in list(self._open):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the market stops")


async def _send(socket: web.WebSocketResponse, outgoing: Outgoing) -> None:
    """Send what is pushed, one after the other, until the connection ends."""
    while True:
        message = await outgoing.next()
        try:
            await socket.send_bytes(message)
        except (ConnectionError, RuntimeError):
            return  # it has ended, and whoever reads from it knows
        finally:
            outgoing.sent()
