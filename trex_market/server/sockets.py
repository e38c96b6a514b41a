"""Socket.IO: three namespaces, one catch-all handler each; no handler raises.

/market      participants
/simulation  operators and observers
/            participants of TREX-Core 3.7.5
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import msgspec
import socketio

from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.protocol import wire
from trex_market.protocol.requests import decoded
from trex_market.protocol.wire import WireJson
from trex_market.server.audit import Audit, Visitor
from trex_market.server.closing import Underway
from trex_market.server.desk import Desk, refusal
from trex_market.server.doorkeeper import Doorkeeper, Role
from trex_market.server.lobby import Lobby
from trex_market.server.trex import JoinMarket, TrexConnection, TrexDesk
from trex_market.server.web import Origins, address_of

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
        doorkeeper: checks operators' and observers' tokens.
        audit: takes refusals.
        origins: which pages may connect.
        database: where TREX-Core's participants may write tables of their own.
    """

    def __init__(
        self, desk: Desk, doorkeeper: Doorkeeper, audit: Audit, origins: Origins, database: str
    ) -> None:
        self.server = socketio.AsyncServer(
            async_mode="aiohttp",
            namespaces=[TREX, MARKET, SIMULATION],
            json=WireJson,
            serializer=_Packet,
            async_handlers=False,
            max_http_buffer_size=MAX_MESSAGE_BYTES,
            cors_allowed_origins=lambda origin, environment: _may_connect(origins, origin, environment),
            cors_credentials=False,  # there are no cookies
        )
        self._desk = desk
        self._trex = TrexDesk(desk)
        self._doorkeeper = doorkeeper
        self._audit = audit
        self._database = database
        self._lobby = Lobby(self._hang_up)
        self._watchers: dict[str, Role] = {}
        """Operators and observers."""
        self._namespaces: dict[str, str] = {}
        self._packed: set[str] = set()
        self.controls: dict[str, Callable[[], None]] = {}
        self.status: Callable[[], wire.Status] = _nothing_yet
        self.answered_in: Callable[[float], None] = lambda _seconds: None
        """Is told how long each answer to a participant took."""
        self._underway = Underway()
        self.server.on("*", self._on_market, namespace=MARKET)
        self.server.on("*", self._on_simulation, namespace=SIMULATION)
        self.server.on("*", self._on_trex, namespace=TREX)
        for namespace in (MARKET, SIMULATION, TREX):
            self.server.on("connect", self._welcome(namespace), namespace=namespace)
            self.server.on("disconnect", self._on_disconnect, namespace=namespace)

    def _welcome(self, namespace: str) -> Callable[..., Awaitable[None]]:
        async def welcome(sid: str, environment: dict[str, Any], _credentials: object = None) -> None:
            """Let a connection in; who it is will be said when it joins."""
            self._namespaces[sid] = namespace
            self._lobby.enter(sid, address_of(environment["aiohttp.request"]))

        return welcome

    async def _on_disconnect(self, sid: str, *_reason: object) -> None:
        self._watchers.pop(sid, None)
        self._packed.discard(sid)
        self._namespaces.pop(sid, None)
        self._lobby.leave(sid)
        await self._desk.seats.leave(sid)

    async def _hang_up(self, sid: str) -> None:
        namespace = self._namespaces.get(sid)
        if namespace is not None:
            await self.server.disconnect(sid, namespace=namespace)

    async def drain(self) -> None:
        """Answer what was taken, and nothing else."""
        await self._underway.close()

    def close(self) -> None:
        """Wait for nobody any more who has not joined."""
        self._lobby.close()

    def _who(self, sid: str, claim: str | None = None) -> Visitor:
        """Return who is behind a connection, as far as that is known."""
        seat, role = self._desk.seats.of(sid), self._watchers.get(sid)
        address = self._lobby.address(sid)
        if seat is not None:
            return Visitor(address, seat.participant_id, known=True)
        return Visitor(address, claim) if role is None else Visitor(address, role.value, known=True)

    # ------------------------------------------------------------ /market

    async def _on_market(self, event: str, sid: str, *arguments: Any) -> object:
        packed = sid in self._packed
        claim = None
        try:
            if self._desk.seats.of(sid) is None:
                self._lobby.knock(sid)
            data = _unpacked(arguments)
            if event == "join":
                request = decoded(wire.Join, data)
                packed, claim = request.encoding == "msgpack", request.participant_id
                connection = NativeConnection(self.server, sid, packed=packed)
                joined = await self._desk.join(request, connection, self._lobby.address(sid))
                self._lobby.joined(sid)
                (self._packed.add if packed else self._packed.discard)(sid)
                return _packed(joined, packed=packed)
            began = monotonic()
            with self._underway.one():
                answer = self._desk.answer(event, sid, data)
                await self._desk.pace.safe()
            self.answered_in(monotonic() - began)
        except ProtocolError as error:
            answer = refusal(error)
        self._audit.answered(self._who(sid, claim), event, answer)
        return _packed(answer, packed=packed)

    # ------------------------------------------------------------ /simulation

    async def _on_simulation(self, event: str, sid: str, *arguments: Any) -> object:
        role = self._watchers.get(sid)
        try:
            if role is not Role.OPERATOR:
                self._lobby.knock(sid)
            data = _unpacked(arguments)
            if event == "register":
                token = decoded(wire.Register, data or {}).token
                address = self._lobby.address(sid)
                self._watchers[sid] = self._doorkeeper.admit(Role.OBSERVER, token, address=address)
                self._lobby.joined(sid)
            elif event != "status" and event not in self.controls:
                known = ", ".join(["register", "status", *self.controls])
                raise ProtocolError(RefusalCode.MALFORMED, f"unknown event {event!r}; there are: {known}")
            elif role is None:
                raise ProtocolError(RefusalCode.UNAUTHORISED, "register first")
            elif event != "status":
                if role is not Role.OPERATOR:
                    raise ProtocolError(RefusalCode.UNAUTHORISED, f"{event!r} needs the operator's token")
                self.controls[event]()
                await self.tell_status(self.status())
            return self.status()
        except ProtocolError as error:
            answer = refusal(error)
        self._audit.answered(self._who(sid), event, answer)
        return answer

    async def tell_status(self, status: wire.Status) -> None:
        """Tell all operators and observers how the market stands."""
        for sid in list(self._watchers):
            await self.server.emit("status", status, to=sid, namespace=SIMULATION)

    # ------------------------------------------------------------ / (TREX-Core 3.7.5)

    async def _on_trex(self, event: str, sid: str, *arguments: Any) -> object:
        async def emit(name: str, data: Any) -> None:
            await self.server.emit(name, data, to=sid, namespace=TREX)

        async def hang_up() -> None:
            await self.server.disconnect(sid, namespace=TREX)

        claim = None
        try:
            if self._desk.seats.of(sid) is None:
                self._lobby.knock(sid)
            data = _unpacked(arguments)
            if event != "join_market":
                with self._underway.one():
                    answer = await self._trex.answer(event, sid, data, emit)
                self._audit.answered(self._who(sid), event, answer)
                return None
            request = decoded(JoinMarket, data)
            claim = request.id
            seat = self._trex.check_join(request, sid, self._lobby.address(sid))
        except ProtocolError as error:
            self._audit.refused(self._who(sid, claim), event, error)
            if event == "join_market":
                return False
            await emit("refused", refusal(error))
            return None
        self._lobby.joined(sid)
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


def _may_connect(origins: Origins, origin: str | None, environment: dict[str, Any]) -> bool:
    """Say whether a page may connect; the same that holds for all other requests."""
    request = environment["aiohttp.request"]
    return origins.allows(origin, request.scheme, request.host)


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
