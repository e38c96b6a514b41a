"""Any participant, or any strategy, in a market far away, over Socket.IO.

    asyncio.run(join("http://127.0.0.1:3100", "home_02", MyStrategy()))

The client joins again whenever the connection was lost, is sent what it
missed, and goes on where it was.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import socketio

from participants.asked import AskedEnergy
from participants.clock_offset import ClockOffset
from participants.home import Home
from participants.outstanding import OutstandingReadings
from participants.trust import CA_VARIABLE, distrust, trusting
from trex_market.core.errors import ParticipantError, RefusalCode
from trex_market.core.messages import (
    ChangeRejected,
    Contracted,
    Event,
    MeterReading,
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
from trex_market.protocol.dr_wire import DR_NEWS, DrNews
from trex_market.protocol.wire import WireJson

NAMESPACE = "/market"
RETRY_SECONDS = 1.0

REALTIME = "realtime"
"""What a server on the wall clock calls its only episode."""


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
        ca_cert: file of the only authority whose certificates are trusted; None for the one that the variable
            `TREX_MARKET_CA` names, or else those that the system trusts.

    Raises:
        InputError: if that file is no good.
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
        ca_cert: str | Path | None = None,
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
        self._due: list[MeterReading] = []
        """Readings to be sent before the turn."""
        self._sent = 0
        """Number of the round whose turn was sent over this connection."""
        self._over = False
        self.clock_offset = ClockOffset()
        """How far the server's clock is ahead of this machine's."""
        self._live: str | None = None
        """Name of the market on the wall clock in which it takes part."""
        self._contracts: dict[str, int] = {}
        """Id of each contract that was heard of -> end of its slot."""
        self._asked = AskedEnergy()
        self._readings = OutstandingReadings()
        self._inbox: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        options: dict[str, Any] = {"max_msg_size": 0}  # a year's profile has several megabytes
        trusted = trusting(ca_cert) if ssl_verify else None
        if trusted is not None:
            options["ssl"] = trusted
        self._socket = socketio.AsyncClient(
            json=WireJson,
            reconnection_delay_max=5,
            ssl_verify=ssl_verify,
            websocket_extra_options=options,
            handle_sigint=False,  # it would take Ctrl-C from the process that it is in
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
                self._check_trusted(error)
                if loop.time() > give_up:
                    raise ParticipantError(f"cannot reach {self._url}: {error}") from error
                await asyncio.sleep(min(RETRY_SECONDS, self._patience))
            else:
                return

    def _check_trusted(self, error: socketio.exceptions.ConnectionError) -> None:
        """Give up if the server's certificate is the reason: it will be the same the next time."""
        reason = distrust(error)
        if reason is not None:
            raise ParticipantError(
                f"the certificate of {self._url} is not trusted: {reason}; name the authority that signed it with "
                f"--ca-cert FILE, or in the variable {CA_VARIABLE}"
            ) from error

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

    async def _emit(self, event: str, message: wire.Message, answer: str, about: Any = None) -> None:
        """Send a request; its answer comes to the inbox under a name of its own, as data or as what it is about."""
        sent = time.time()

        def take(data: Any = None) -> None:
            self._note_time(data, sent)
            self._inbox.put_nowait((answer, data if about is None else about))

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
            case _:
                if event in DR_NEWS:
                    self._asked.hear(msgspec.convert(data, DrNews))
                else:
                    await self._handle_answer(event, data)

    async def _handle_answer(self, answer: str, data: Any) -> None:
        match answer:
            case "joined":
                await self._joined(data)
            case "turn_taken":
                self._turn_taken(data)
            case "metered":
                self._readings.taken(data)

    def _note_time(self, data: Any, sent: float) -> None:
        """Compare the clocks, if an answer says what time it was at the server."""
        received = time.time()
        answer = msgspec.msgpack.decode(data) if isinstance(data, bytes) else data
        if isinstance(answer, dict) and answer.get("server_time") is not None:
            self.clock_offset.note(answer["server_time"], sent, received)

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
        self._learn(joined.contracts, [] if waiting is None else waiting.contracts)
        if waiting is not None:
            self._act(waiting)
            if self._sent < waiting.event == self._last_event:
                await self._send_turn()

    def _learn(
        self, contracts: Sequence[wire.ContractMessage], announced: Sequence[wire.ContractMessage]
    ) -> None:
        """Tell the participant of contracts that it has not heard of, but for those that a round will announce."""
        known = {*self._contracts, *(message.id for message in announced)}
        for message in contracts:
            if message.id not in known:
                contract = contract_of(message)
                self._contracts[contract.id] = contract.slot_end
                self._answered([Contracted(contract.slot_start, (contract,))])

    def _start_episode(self, message: wire.EpisodeMessage) -> None:
        if not self._is_news(message.event):
            return
        live = message.market.market_id if message.simulation == REALTIME else None
        if live is not None and live == self._live:
            return  # the server was started again; the market goes on
        self._live = live
        self._contracts.clear()
        self._asked.clear()
        self._readings.clear()
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
            # Of those made before the gate it may have heard when it joined again.
            [contract_of(contract) for contract in message.contracts if contract.id not in self._contracts],
            [transaction_of(row) for row in message.transactions],
            self._asked.at(message.time, message.duration),
        )
        now = announcement.round.time
        self._contracts = {name: end for name, end in self._contracts.items() if end > now}
        self._contracts |= {contract.id: contract.slot_end for contract in announcement.contracts}
        self._turn = take_turn(self.participant, announcement)
        if self._live is not None:
            # On the wall clock a reading counts when its slot is over: this one goes with the next turn.
            if self._turn.meter is not None:
                self._readings.hold(self._turn.meter)
            self._due = self._readings.due(now)
            last = self._due.pop() if self._due else None
            self._turn = msgspec.structs.replace(self._turn, meter=last)
        return True

    async def _send_turn(self) -> None:
        """Send the turn of the last round; before it, readings of earlier slots that were not taken yet."""
        self._sent = self._last_event
        for reading in self._due:
            await self._emit("meter_data", meter_message(reading), "metered", reading.slot_start)
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
        if self._turn.meter is not None:
            self._readings.taken(self._turn.meter.slot_start)
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
    url: str,
    participant_id: str,
    strategy: Strategy,
    *,
    seed: int = 0,
    token: str | None = None,
    ca_cert: str | Path | None = None,
) -> None:
    """Let a strategy play a home in the market at an URL, until the simulation ends.

    Args:
        url: of the server.
        participant_id: whom it plays.
        strategy: decides; load and generation come from the server.
        seed: of its chance.
        token: proves who it is, unless the server is open.
        ca_cert: file of the only authority whose certificates are trusted, see `Client`.

    Raises:
        ParticipantError: if the server cannot be reached, or refuses the participant.
        StrategyError: if the strategy fails.
    """
    home = Home(participant_id, strategy, seed=seed)
    await Client(home, url, token=token, ca_cert=ca_cert).run()
