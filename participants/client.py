"""Any participant, or any strategy, in a market far away, over Socket.IO.

    asyncio.run(join("http://127.0.0.1:3100", "home_02", MyStrategy()))

The client joins again whenever the connection was lost, is sent what it
missed, and goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
import socketio

from participants.home import Home
from trex_market.core.errors import ParticipantError, RefusalCode
from trex_market.core.messages import (
    ChangeRejected,
    Event,
    Order,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
)
from trex_market.participant import (
    Announcement,
    EpisodeStart,
    NewOrder,
    Participant,
    Strategy,
    Turn,
    blamed,
    take_turn,
)
from trex_market.protocol import wire
from trex_market.protocol.answers import (
    contract_of,
    market_info,
    meter_message,
    order_of,
    round_of,
    sided_order,
    transaction_of,
)
from trex_market.protocol.wire import WireJson

NAMESPACE = "/market"
RETRY_SECONDS = 1.0


class Client:
    """Lets a participant take part over a connection.

    Messages are handled one after the other, in the order in which they came.

    Args:
        participant: who takes part.
        url: of the server.
        token: proves who it is, unless the server is open.
        profile: whether the server shall send load and generation.
        packed: whether messages go as MessagePack instead of JSON.
        patience: how many seconds to try to reach the server at first.
        ssl_verify: whether the server's certificate is checked.
    """

    def __init__(
        self,
        participant: Participant,
        url: str,
        *,
        token: str | None = None,
        profile: bool = True,
        packed: bool = False,
        patience: float = 30.0,
        ssl_verify: bool = True,
    ) -> None:
        self.participant = participant
        self._url = url
        self._token = token
        self._profile = profile
        self._packed = packed
        self._patience = patience
        self._last_event = 0
        self._step = 0
        self._turn = Turn()
        self._sent = 0
        """Number of the round whose turn was sent over this connection."""
        self._over = False
        self._inbox: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._socket = socketio.AsyncClient(
            json=WireJson,
            reconnection_delay_max=5,
            ssl_verify=ssl_verify,
            websocket_extra_options={"max_msg_size": 0},  # a year's profile has several megabytes
        )
        self._socket.on("connect", self._on_connect, namespace=NAMESPACE)
        self._socket.on("disconnect", self._on_disconnect, namespace=NAMESPACE)
        self._socket.on("*", self._on_event, namespace=NAMESPACE)

    async def run(self) -> None:
        """Take part until the simulation ends.

        Raises:
            ParticipantError: if the server cannot be reached, refuses the participant, or turns it out.
            StrategyError: if the strategy fails.
        """
        try:
            await self._connect()
            while not self._over:
                await self._handle(*await self._inbox.get())
        finally:
            await self._socket.shutdown()
            await self._socket.eio.disconnect()  # what a failed attempt to connect left open

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._patience
        while True:
            try:
                await self._socket.connect(self._url, namespaces=[NAMESPACE], transports=["websocket"])
            except socketio.exceptions.ConnectionError as error:
                if loop.time() > give_up:
                    raise ParticipantError(f"cannot reach {self._url}: {error}") from error
                await asyncio.sleep(min(RETRY_SECONDS, self._patience))
            else:
                return

    async def _on_connect(self) -> None:
        self._sent = 0
        request = wire.Join(
            participant_id=self.participant.participant_id,
            token=self._token,
            last_event=self._last_event,
            encoding="msgpack" if self._packed else "json",
            profile=self._profile,
        )
        await self._emit("join", request, "joined")

    async def _on_disconnect(self, reason: str) -> None:
        """A lost connection is made again; one that the server ended is not."""
        if reason == self._socket.reason.SERVER_DISCONNECT:
            self._inbox.put_nowait(("turned_out", None))

    async def _on_event(self, event: str, data: Any = None) -> None:
        self._inbox.put_nowait((event, data))

    async def _emit(self, event: str, message: wire.Message, answer: str) -> None:
        """Send a request; its answer comes to the inbox under a name of its own."""

        def take(data: Any = None) -> None:
            self._inbox.put_nowait((answer, data))

        data: Any = msgspec.msgpack.encode(message) if self._packed and event != "join" else message
        # Without a connection it is lost; what counts is sent again after the next `join`.
        with suppress(socketio.exceptions.BadNamespaceError):
            await self._socket.emit(event, data, namespace=NAMESPACE, callback=take)

    async def _handle(self, event: str, data: Any) -> None:
        if isinstance(data, bytes):
            data = msgspec.msgpack.decode(data)
        match event:
            case "start_round":
                if self._act(msgspec.convert(data, wire.RoundMessage)):
                    await self._send_turn()
            case "turn_taken":
                self._turn_taken(data)
            case "joined":
                await self._joined(data)
            case "start_episode":
                self._start_episode(msgspec.convert(data, wire.EpisodeMessage))
            case "end_episode" if self._is_news(data["event"]):
                with blamed(self.participant.participant_id, f"end of episode {data['episode']}"):
                    self.participant.end_episode()
            case "end_simulation":
                self._over = True
            case "turned_out":
                raise ParticipantError(
                    f"{self._url} ended the connection of {self.participant.participant_id!r}"
                )

    def _is_news(self, event: int) -> bool:
        """Say whether an event was not heard before, and remember that it was."""
        news = event > self._last_event
        self._last_event = max(event, self._last_event)
        return news

    async def _joined(self, data: Any) -> None:
        """Catch up with what was missed; only the round that still waits for a turn is answered."""
        if not data.get("ok"):
            raise ParticipantError(
                f"{self._url} refuses {self.participant.participant_id!r}: {data.get('detail')} ({data.get('code')})"
            )
        joined = msgspec.convert(data, wire.Joined)
        self._step = joined.market.step
        waiting = joined.round
        for number, event, missed in joined.missed:
            if event != "start_round":
                await self._handle(event, missed)
            elif waiting is None or number < waiting.event:
                self._act(msgspec.convert(missed, wire.RoundMessage))
        name = self.participant.participant_id
        self._answered([OrderAccepted(order_of(order, name)) for order in joined.open_orders])
        if waiting is not None:
            self._act(waiting)
            if self._sent < waiting.event == self._last_event:
                await self._send_turn()

    def _start_episode(self, message: wire.EpisodeMessage) -> None:
        if not self._is_news(message.event):
            return
        self._step = message.market.step
        start = EpisodeStart(
            message.episode,
            message.simulation,
            market_info(message.market),
            message.parameters,
            message.start,
            message.rounds,
            message.profile,
        )
        with blamed(self.participant.participant_id, f"start of episode {message.episode}"):
            self.participant.start_episode(start)

    def _act(self, message: wire.RoundMessage) -> bool:
        """Let the participant play a round, unless it has done so; say whether it did now."""
        if not self._is_news(message.event):
            return False
        announcement = Announcement(
            round_of(message),
            [contract_of(contract) for contract in message.contracts],
            [transaction_of(row) for row in message.transactions],
        )
        self._turn = take_turn(self.participant, announcement)
        return True

    async def _send_turn(self) -> None:
        """Send the turn of the last round."""
        self._sent = self._last_event
        await self._emit("turn", self._message(self._turn), "turn_taken")

    def _message(self, turn: Turn) -> wire.Turn:
        return wire.Turn(
            cancel=list(turn.cancel),
            orders=[sided_order(order, self._step) for order in turn.orders],
            meter=None if turn.meter is None else meter_message(turn.meter),
            metrics=dict(self.participant.metrics()),
        )

    def _turn_taken(self, data: Any) -> None:
        """Tell the participant what became of its orders, as it would hear it in-process."""
        if not data.get("ok"):
            if data.get("code") == RefusalCode.WRONG_PHASE:  # it came too late; the notice says so
                return
            name = self.participant.participant_id
            raise ParticipantError(
                f"the turn of {name!r} was refused: {data.get('detail')} ({data.get('code')})"
            )
        taken = msgspec.convert(data, wire.TurnTaken)
        name = self.participant.participant_id
        answers: list[Event] = [
            _cancellation(order_id, name, result)
            for order_id, result in zip(self._turn.cancel, taken.cancelled, strict=True)
        ]
        answers += [
            _submission(order, name, result)
            for order, result in zip(self._turn.orders, taken.orders, strict=True)
        ]
        self._answered(answers)

    def _answered(self, answers: Sequence[Event]) -> None:
        with blamed(self.participant.participant_id, "answers to its orders"):
            self.participant.answered(answers)


def _cancellation(order_id: str, name: str, result: wire.Result) -> Event:
    if result.ok:
        gone = wire.OpenOrder(
            order_id=order_id, side="bid", quantity=0, price=0, time_delivery=(0, 0), source=None
        )
        return OrderCancelled(order_of(gone, name))
    return ChangeRejected(order_id, name, result.code or RefusalCode.MALFORMED, result.detail or "")


def _submission(order: NewOrder, name: str, result: wire.OrderResult) -> Event:
    order_id = result.order_id or ""
    if not result.ok:
        return OrderRejected(order_id, name, result.code or RefusalCode.MALFORMED, result.detail or "")
    time = result.time_submission or 0
    accepted = Order(
        order_id, name, order.side, order.quantity, order.price, order.source, order.slot_start, time, 0
    )
    return OrderAccepted(accepted)


async def join(
    url: str, participant_id: str, strategy: Strategy, *, seed: int = 0, token: str | None = None
) -> None:
    """Let a strategy play a home in the market at an URL, until the simulation ends.

    Args:
        url: of the server.
        participant_id: whom it plays.
        strategy: decides; load and generation come from the server.
        seed: of its chance.
        token: proves who it is, unless the server is open.

    Raises:
        ParticipantError: if the server cannot be reached, or refuses the participant.
        StrategyError: if the strategy fails.
    """
    await Client(Home(participant_id, strategy, seed=seed), url, token=token).run()
