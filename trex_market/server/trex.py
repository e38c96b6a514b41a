"""The participant's protocol of TREX-Core 3.7.5, in terms of our own.

Facts: default namespace, JSON, no version, no token in its messages, one
argument per event. Bids carry no source; orders are confirmed by events; a
slot's grid and financial transactions come before the next `start_round`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from trex_market.protocol import wire
from trex_market.protocol.requests import decoded
from trex_market.server.desk import Desk
from trex_market.server.seats import Seat

Emit = Callable[[str, Any], Awaitable[None]]
"""Sends an event with its data to one connection."""

GRID_KINDS = ("supply", "feed_in", "spill")
FINANCIAL_KINDS = ("take_or_pay", "shortfall")


class JoinMarket(msgspec.Struct, frozen=True):
    """`join_market`.

    Args:
        id: the participant's.
        market_id: which market.
        token: ours; TREX-Core sends none.
    """

    id: str
    market_id: str
    token: str | None = None


class TrexConnection:
    """Speaks TREX-Core's protocol to one participant.

    Args:
        sid: the connection's id.
        emit: sends an event.
        hang_up: ends the connection.
        seat: whose connection it is.
        database: where the participant may write tables of its own.
    """

    def __init__(
        self, sid: str, emit: Emit, hang_up: Callable[[], Awaitable[None]], seat: Seat, database: str
    ) -> None:
        self.sid = sid
        self._emit = emit
        self._hang_up = hang_up
        self._seat = seat
        self._database = database
        self._market_id = ""
        self._delivers = False
        """Whether a round came before, whose slot is delivered when the next one starts."""

    async def close(self) -> None:
        """End the connection."""
        await self._hang_up()

    async def send(self, event: str, message: wire.Message) -> None:
        """Send an event of ours in TREX-Core's words; what has no words there is left out."""
        if isinstance(message, wire.RoundMessage):
            await self._start_round(message)
        elif isinstance(message, wire.EpisodeMessage):
            await self._start_generation(message)
        elif event == "end_episode" and isinstance(message, wire.EpisodeEnd):
            self._seat.ready.clear()
            data = {"db_path": self._database, "generation": message.episode, "market_id": self._market_id}
            await self._emit("end_generation", data)
        elif event == "end_simulation":
            await self._emit("end_simulation", "")

    async def welcome(self, market_id: str) -> None:
        """Tell a participant that it has joined the market, under the id by which it asked for it."""
        self._market_id = market_id
        await self._emit("update_market_info", market_id)

    async def _start_generation(self, message: wire.EpisodeMessage) -> None:
        generation = {
            "generation": message.episode,
            "db_string": self._database,
            "market_id": self._market_id,
        }
        self._delivers = False
        await self._emit("start_generation", generation)
        if message.simulation == "training" and message.lesson:
            await self._emit("update_curriculum", message.lesson)
        if message.simulation == "validation":
            self._seat.ready.clear()
            weights = {"db_path": self._database, "market_id": self._market_id, "generation": message.episode}
            await self._emit("load_weights", weights)

    async def _start_round(self, message: wire.RoundMessage) -> None:
        if self._delivers or message.transactions:
            await self._emit("return_extra_transactions", self._extra_transactions(message))
        self._delivers = True
        for contract in message.contracts:
            await self._emit("settled", self._settled(contract))
        await self._emit(
            "start_round",
            {
                "time": message.time,
                "duration": message.duration,
                "timezone": message.timezone,
                "last_round": message.last_round,
                "current_round": message.current_round,
                "last_settle": message.last_settle,
                "next_settle": message.next_settle,
                "market_info": message.market_info,
            },
        )

    def _settled(self, contract: wire.ContractMessage) -> dict[str, Any]:
        selling = contract.seller_id == self._seat.participant_id
        return {
            "commit_id": contract.id,
            "bid_id": contract.bid_id,
            "ask_id": contract.ask_id,
            "source": contract.energy_source,
            "quantity": contract.quantity,
            "price": contract.settlement_price_sell if selling else contract.settlement_price_buy,
            "buyer_id": contract.buyer_id,
            "seller_id": contract.seller_id,
            "time_delivery": contract.time_delivery,
        }

    def _extra_transactions(self, message: wire.RoundMessage) -> dict[str, Any]:
        extra: dict[str, Any] = {
            "time_delivery": message.last_round,
            "grid": self._two_sided(message, GRID_KINDS, whole=True),
        }
        financial = self._two_sided(message, FINANCIAL_KINDS, whole=False)
        if financial["buy"] or financial["sell"]:
            extra["financial"] = financial
        return extra

    def _two_sided(
        self, message: wire.RoundMessage, kinds: tuple[str, ...], *, whole: bool
    ) -> dict[str, list[dict[str, Any]]]:
        name = self._seat.participant_id
        rows = [row for row in message.transactions if row.kind in kinds]
        return {
            "buy": [_row(row, whole=whole) for row in rows if row.buyer_id == name],
            "sell": [_row(row, whole=whole) for row in rows if row.seller_id == name],
        }


def _row(row: wire.TransactionMessage, *, whole: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "quantity": row.quantity,
        "energy_source": row.energy_source,
        "settlement_price_sell": row.settlement_price_sell,
        "settlement_price_buy": row.settlement_price_buy,
        "time_creation": row.time_creation,
        "time_purchase": row.time_purchase,
    }
    if whole:
        parties = {"seller_id": row.seller_id, "buyer_id": row.buyer_id}
        record |= {**parties, "time_consumption": row.time_consumption}
    return record


class TrexDesk:
    """Answers TREX-Core's requests with the handlers of the desk.

    Args:
        desk: answers.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def answer(self, event: str, sid: str, data: object, emit: Emit) -> wire.Message:
        """Answer a request of a participant that has joined: most of them by an event, some not at all.

        Returns:
            the answer in our own words.
        """
        seat = self._desk.seats.of(sid)
        if event == "ping":
            return wire.Result()
        if event in ("participant_ready", "participant_weights_loaded"):
            if seat is not None:
                seat.ready.set()
            return wire.Result()
        if event == "end_turn" and seat is not None and seat.late:
            seat.late = seat.absent = False
            return wire.Result()
        result = self._desk.answer(event, sid, data)
        await self._desk.pace.safe()
        if event in ("bid", "ask"):
            await self._confirm(event, data, result, emit)
        elif isinstance(result, wire.Result) and not result.ok:
            await emit("refused", msgspec.to_builtins(result))
        return result

    @staticmethod
    async def _confirm(event: str, data: object, result: wire.Message, emit: Emit) -> None:
        if not isinstance(result, wire.OrderResult) or not result.ok:
            await emit("order_refused", msgspec.to_builtins(result))
            return
        request = decoded(wire.OrderRequest, data)
        confirmed: dict[str, Any] = {
            "uuid": result.order_id,
            "time_submission": result.time_submission,
            "price": request.price,
            "quantity": request.quantity,
            "time_delivery": request.time_delivery,
        }
        if event == "ask":
            confirmed["source"] = request.source
        await emit(f"{event}_success", confirmed)

    def check_join(self, request: JoinMarket, sid: str, address: str) -> Seat:
        """Return the place of a participant that may join.

        Args:
            request: `join_market`.
            sid: the connection's id.
            address: where it comes from.

        Raises:
            ProtocolError: as `Desk.check_join`.
        """
        join = wire.Join(participant_id=request.id, market_id=request.market_id, token=request.token)
        return self._desk.check_join(join, sid, address)
