"""Socket.IO: three namespaces, one catch-all handler each; no handler raises.

/market      participants
/simulation  operators and observers
/            participants of TREX-Core 3.7.5
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import msgspec
import socketio

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.protocol import wire
from trex_market.protocol.requests import decoded
from trex_market.protocol.wire import WireJson
from trex_market.server.desk import Desk, refusal
from trex_market.server.doorkeeper import OPERATOR, Doorkeeper
from trex_market.server.trex import TrexConnection, TrexDesk

logger = logging.getLogger(__name__)

MARKET = "/market"
SIMULATION = "/simulation"
TREX = "/"

MAX_MESSAGE_BYTES = 1_000_000


UNREADABLE = "unreadable"


class _Packet(socketio.packet.Packet):  # type: ignore[misc]  # untyped
    """A packet; a request that cannot be read becomes an event that there is not, so that its sender is told."""

    def decode(self, encoded_packet: str) -> int:
        """Decode."""
        try:
            attachments: int = super().decode(encoded_packet)
        except ValueError:
            if self.packet_type != socketio.packet.EVENT or self.id is None:
                raise
            self.data = [UNREADABLE]
            return 0
        return attachments


class NativeConnection:
    """Speaks our own protocol to one participant.

    Args:
        server: of Socket.IO.
        sid: the connection's id.
        packed: whether messages go as MessagePack.
    """

    def __init__(self, server: socketio.AsyncServer, sid: str, *, packed: bool) -> None:
        self.sid = sid
        self.packed = packed
        self._server = server

    async def send(self, event: str, message: wire.Message) -> None:
        """Send an event."""
        data = msgspec.msgpack.encode(message) if self.packed else message
        await self._server.emit(event, data, to=self.sid, namespace=MARKET)

    async def close(self) -> None:
        """End the connection."""
        await self._server.disconnect(self.sid, namespace=MARKET)


class Sockets:
    """The market's Socket.IO server.

    Args:
        desk: answers participants.
        doorkeeper: checks operators' tokens.
        database: where TREX-Core's participants may write tables of their own.
    """

    def __init__(self, desk: Desk, doorkeeper: Doorkeeper, database: str) -> None:
        self.server = socketio.AsyncServer(
            async_mode="aiohttp",
            namespaces=[TREX, MARKET, SIMULATION],
            json=WireJson,
            serializer=_Packet,
            async_handlers=False,
            max_http_buffer_size=MAX_MESSAGE_BYTES,
        )
        self._desk = desk
        self._trex = TrexDesk(desk)
        self._doorkeeper = doorkeeper
        self._database = database
        self._operators: set[str] = set()
        self._packed: set[str] = set()
        self.controls: dict[str, Callable[[], None]] = {}
        self.status: Callable[[], wire.Status] = _nothing_yet
        self.server.on("*", self._on_market, namespace=MARKET)
        self.server.on("*", self._on_simulation, namespace=SIMULATION)
        self.server.on("*", self._on_trex, namespace=TREX)
        for namespace in (MARKET, SIMULATION, TREX):
            self.server.on("connect", _welcome, namespace=namespace)
            self.server.on("disconnect", self._on_disconnect, namespace=namespace)

    async def _on_disconnect(self, sid: str, *_reason: object) -> None:
        self._operators.discard(sid)
        self._packed.discard(sid)
        await self._desk.seats.leave(sid)

    # ------------------------------------------------------------ /market

    async def _on_market(self, event: str, sid: str, *arguments: Any) -> object:
        packed = sid in self._packed
        try:
            data = _unpacked(arguments)
            if event == "join":
                request = decoded(wire.Join, data)
                packed = request.encoding == "msgpack"
                joined = await self._desk.join(request, NativeConnection(self.server, sid, packed=packed))
                (self._packed.add if packed else self._packed.discard)(sid)
                return _packed(joined, packed=packed)
            answer = self._desk.answer(event, sid, data)
            await self._desk.pace.safe()
        except ProtocolError as error:
            answer = refusal(error)
        return _packed(answer, packed=packed)

    # ------------------------------------------------------------ /simulation

    async def _on_simulation(self, event: str, sid: str, *arguments: Any) -> object:
        try:
            data = _unpacked(arguments)
            if event == "register":
                self._doorkeeper.check(OPERATOR, decoded(wire.Register, data or {}).token)
                self._operators.add(sid)
            elif event != "status" and event not in self.controls:
                known = ", ".join(["register", "status", *self.controls])
                raise ProtocolError(RefusalCode.MALFORMED, f"unknown event {event!r}; there are: {known}")
            elif sid not in self._operators:
                raise ProtocolError(RefusalCode.UNAUTHORISED, "register first")
            elif event != "status":
                self.controls[event]()
                await self.tell_status(self.status())
            return self.status()
        except ProtocolError as error:
            return refusal(error)

    async def tell_status(self, status: wire.Status) -> None:
        """Tell all operators how the simulation stands."""
        for sid in list(self._operators):
            await self.server.emit("status", status, to=sid, namespace=SIMULATION)

    # ------------------------------------------------------------ / (TREX-Core 3.7.5)

    async def _on_trex(self, event: str, sid: str, *arguments: Any) -> object:
        async def emit(name: str, data: Any) -> None:
            await self.server.emit(name, data, to=sid, namespace=TREX)

        async def hang_up() -> None:
            await self.server.disconnect(sid, namespace=TREX)

        try:
            data = _unpacked(arguments)
        except ProtocolError as error:
            await emit("refused", refusal(error))
            return None
        if event != "join_market":
            await self._trex.answer(event, sid, data, emit)
            return None
        admitted = self._trex.check_join(data, sid)
        if admitted is None:
            return False
        seat, request = admitted
        again = self._desk.seats.of(sid) is seat
        connection = TrexConnection(sid, emit, hang_up, seat, self._database)
        await connection.welcome(request.market_id)
        await self._desk.seats.take(seat, connection)
        if seat.round is not None and not again:
            self._desk.take_back(seat)
            await connection.send("start_round", seat.round)
        return True


def _nothing_yet() -> wire.Status:
    raise ProtocolError(RefusalCode.WRONG_PHASE, "nothing drives the rounds yet")


async def _welcome(_sid: str, _environment: object, _credentials: object = None) -> None:
    """Let a connection in; who it is will be said when it joins."""


def _unpacked(arguments: tuple[Any, ...]) -> Any:
    """Return a request's data: its one argument, decoded if it is MessagePack.

    Raises:
        ProtocolError: malformed.
    """
    if len(arguments) > 1:
        raise ProtocolError(RefusalCode.MALFORMED, f"a request has one argument, found {len(arguments)}")
    data = arguments[0] if arguments else None
    if isinstance(data, bytes | bytearray):
        try:
            data = msgspec.msgpack.decode(data)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise ProtocolError(RefusalCode.MALFORMED, f"bytes that are not MessagePack: {error}") from error
    _check_plain(data)
    return data


def _check_plain(data: object) -> None:
    """Check that data can be kept and sent on: JSON, in text that is Unicode and has no zeros in it.

    Raises:
        ProtocolError: malformed.
    """
    try:
        try:
            encoded = msgspec.json.encode(data)
        except OverflowError:  # numbers of more than 64 bits are refused by name, where they are
            encoded = json.dumps(data, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ProtocolError(RefusalCode.MALFORMED, f"not plain data: {error}") from error
    if b"\\u0000" in encoded:
        raise ProtocolError(RefusalCode.MALFORMED, "text must not hold the character 0")


def _packed(answer: wire.Message, *, packed: bool) -> object:
    return msgspec.msgpack.encode(answer) if packed else answer
