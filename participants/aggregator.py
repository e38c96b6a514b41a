"""An aggregator: one program that trades for several homes, in batches, over Socket.IO.

    class Mine(Aggregator):
        async def on_round(self, rounds):
            for name, round in rounds.items():
                self.bid(name, 500, price_from_dollars(0.2), round.next_settle)
            answers = await self.execute()

    asyncio.run(Mine("http://127.0.0.1:3100", {"home_01": None, "home_02": None}).run())

Commands are collected, and sent together by `execute`, those of a home in their
order; that one is refused changes nothing for the others. Each home has a
connection of its own; one that is lost is made again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import socketio

from participants.trust import trusting
from trex_market.core.errors import ParticipantError
from trex_market.core.messages import Contract, MeterReading, RoundStarted
from trex_market.participant import NewOrder, Series, ask, bid
from trex_market.protocol import wire
from trex_market.protocol.answers import contract_of, meter_message, round_of, sided_order
from trex_market.protocol.wire import WireJson

NAMESPACE = "/market"

ANSWER_S = 60.0
"""No answer takes so long, in seconds, unless the connection is lost."""


class Aggregator:
    """Trades for several homes; what it does in a round is for those who inherit it.

    Args:
        url: of the server.
        tokens: participant id -> its token; None where the server is open.
        ca_cert: file of the only authority whose certificates are trusted, see `participants.client.Client`.

    Raises:
        InputError: if that file is no good.
    """

    def __init__(
        self, url: str, tokens: Mapping[str, str | None], *, ca_cert: str | Path | None = None
    ) -> None:
        self._url = url
        self._news = asyncio.Event()
        self._members = {
            name: _Member(name, token, self._news, ca_cert) for name, token in sorted(tokens.items())
        }
        self._batch: dict[str, list[tuple[str, Any]]] = {}
        self.step = 0
        """Length of a slot, in seconds."""

    # ------------------------------------------------------------ what to inherit

    async def on_round(self, rounds: Mapping[str, RoundStarted]) -> None:
        """Act in a round; when it returns, the homes' turns have ended.

        Args:
            rounds: participant id -> the round, of those who heard of it.
        """

    async def on_contracts(self, contracts: Mapping[str, list[Contract]]) -> None:
        """Hear what was contracted for the slot that was just cleared, by participant id."""

    async def on_finish(self) -> None:
        """Hear that it is over."""

    def profile(self, participant_id: str) -> Series | None:
        """Return a home's load and generation, if the server has told them."""
        return self._members[participant_id].profile

    # ------------------------------------------------------------ commands

    def bid(
        self, participant_id: str, quantity: int, price: int, slot_start: int, source: str | None = None
    ) -> None:
        """Put a bid into the batch; see `trex_market.participant.bid`."""
        self.order(participant_id, bid(quantity, price, slot_start, source))

    def ask(
        self, participant_id: str, quantity: int, price: int, slot_start: int, source: str = "solar"
    ) -> None:
        """Put an ask into the batch; see `trex_market.participant.ask`."""
        self.order(participant_id, ask(quantity, price, slot_start, source))

    def order(self, participant_id: str, order: NewOrder) -> None:
        """Put any order into the batch."""
        self._add(participant_id, "orders", [sided_order(order, self.step)])

    def cancel(self, participant_id: str, order_id: str) -> None:
        """Put the cancellation of an order into the batch."""
        self._add(participant_id, "cancel", wire.Cancel(order_id=order_id))

    def meter(self, participant_id: str, reading: MeterReading) -> None:
        """Put a meter reading into the batch."""
        self._add(participant_id, "meter_data", meter_message(reading))

    def _add(self, participant_id: str, event: str, message: Any) -> None:
        if participant_id not in self._members:
            raise ParticipantError(f"{participant_id!r} is not one of this aggregator's homes")
        self._batch.setdefault(participant_id, []).append((event, message))

    async def execute(self) -> dict[str, list[wire.Result]]:
        """Send the batch, and return participant id -> what became of its commands, in their order.

        Raises:
            ParticipantError: if a connection is lost before the answers came.
        """
        batch, self._batch = self._batch, {}
        answers = await asyncio.gather(
            *(self._members[name].send(commands) for name, commands in batch.items())
        )
        return dict(zip(batch, answers, strict=True))

    # ------------------------------------------------------------ at work

    async def run(self) -> None:
        """Take part until the simulation ends.

        Raises:
            ParticipantError: if the server cannot be reached, or refuses a participant.
        """
        members = list(self._members.values())
        try:
            await asyncio.gather(*(member.connect(self._url) for member in members))
            while not all(member.over for member in members):
                await self._news.wait()
                self._news.clear()
                await self._play(members)
            await self.on_finish()
        finally:
            await asyncio.gather(*(member.close() for member in members))

    async def _play(self, members: list[_Member]) -> None:
        """Play a round, as soon as all who are connected have heard of it."""
        for member in members:
            if member.refusal is not None:
                raise ParticipantError(member.refusal)
        waiting = [member for member in members if member.round is not None]
        if not waiting or any(member.round is None and member.connected for member in members):
            return
        messages = {member.name: member.round for member in waiting if member.round is not None}
        for member in waiting:
            self.step = member.step
            member.round = None
        contracts = {
            name: [contract_of(one) for one in message.contracts]
            for name, message in messages.items()
            if message.contracts
        }
        if contracts:
            await self.on_contracts(contracts)
        await self.on_round({name: round_of(message) for name, message in messages.items()})
        await self.execute()
        await asyncio.gather(*(member.end_turn() for member in waiting))


class _Member:
    """One home's connection.

    Args:
        name: the participant's id.
        token: proves who it is.
        news: is set when something was heard.
        ca_cert: the authority to trust.
    """

    def __init__(self, name: str, token: str | None, news: asyncio.Event, ca_cert: str | Path | None) -> None:
        self.name = name
        self.round: wire.RoundMessage | None = None
        self.profile: Series | None = None
        self.over = False
        self.refusal: str | None = None
        self.step = 0
        self._token = token
        self._news = news
        self._last_event = 0
        trusted = trusting(ca_cert)
        options: dict[str, Any] = {"max_msg_size": 0}
        if trusted is not None:
            options["ssl"] = trusted
        self._socket = socketio.AsyncClient(
            json=WireJson, reconnection_delay_max=5, websocket_extra_options=options, handle_sigint=False
        )
        self._socket.on("connect", self._on_connect, namespace=NAMESPACE)
        self._socket.on("*", self._on_event, namespace=NAMESPACE)

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return not self.over and NAMESPACE in self._socket.namespaces

    async def connect(self, url: str) -> None:
        """Connect for the first time.

        Raises:
            ParticipantError: if the server cannot be reached.
        """
        try:
            await self._socket.connect(url, namespaces=[NAMESPACE], transports=["websocket"])
        except socketio.exceptions.ConnectionError as error:
            raise ParticipantError(f"cannot reach {url}: {error}") from error

    async def close(self) -> None:
        """End the connection."""
        await self._socket.shutdown()
        await self._socket.eio.disconnect()

    async def _on_connect(self) -> None:
        request = wire.Join(
            participant_id=self.name, token=self._token, last_event=self._last_event, profile=True
        )
        await self._socket.emit("join", request, namespace=NAMESPACE, callback=self._joined)

    def _joined(self, data: Any = None) -> None:
        if not isinstance(data, dict) or not data.get("ok"):
            detail = data.get("detail") if isinstance(data, dict) else data
            self.refusal = f"the server refuses {self.name!r}: {detail}"
        else:
            joined = msgspec.convert(data, wire.Joined)
            self.step = joined.market.step
            for _, event, missed in joined.missed:
                if event != "start_round":
                    self._hear(event, missed)
            if joined.round is not None:
                self._begin(joined.round)
        self._news.set()

    async def _on_event(self, event: str, data: Any = None) -> None:
        self._hear(event, data)
        self._news.set()

    def _hear(self, event: str, data: Any) -> None:
        match event:
            case "start_round":
                self._begin(msgspec.convert(data, wire.RoundMessage))
            case "start_episode":
                message = msgspec.convert(data, wire.EpisodeMessage)
                self._last_event = max(self._last_event, message.event)
                self.step = message.market.step
                self.profile = message.profile or self.profile
            case "end_simulation":
                self.over = True

    def _begin(self, message: wire.RoundMessage) -> None:
        if message.event > self._last_event:
            self._last_event = message.event
            self.round = message

    async def send(self, commands: list[tuple[str, Any]]) -> list[wire.Result]:
        """Send commands, and return the answers, in order.

        Raises:
            ParticipantError: if the connection is lost.
        """
        return [await self._ask(event, message) for event, message in commands]

    async def _ask(self, event: str, message: Any) -> wire.Result:
        try:
            data = await self._socket.call(event, message, namespace=NAMESPACE, timeout=ANSWER_S)
        except (socketio.exceptions.SocketIOError, TimeoutError) as error:
            raise ParticipantError(f"{self.name!r} was not answered: {error}") from error
        if event == "orders" and data.get("ok"):
            return msgspec.convert(data["results"][0], wire.OrderResult)
        return msgspec.convert(data, wire.Result, strict=False)

    async def end_turn(self) -> None:
        """Say that this home has nothing more to say in the round."""
        with suppress(socketio.exceptions.SocketIOError):
            await self._socket.emit("end_turn", None, namespace=NAMESPACE)
