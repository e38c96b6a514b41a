"""The desk: answers what participants ask for. Nothing here waits for the network."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec

from trex_market.core.errors import PhaseError, ProtocolError, RefusalCode
from trex_market.core.market import Phase
from trex_market.core.messages import (
    CancelOrder,
    ChangeRejected,
    Command,
    EndTurn,
    Event,
    MeterRejected,
    OpenMarket,
    OrderAccepted,
    OrderRejected,
    ReplaceOrder,
    ReportMeter,
    TurnsEnded,
)
from trex_market.engine import Engine
from trex_market.participant import MarketInfo
from trex_market.protocol import wire
from trex_market.protocol.answers import contract_message, market_terms, open_order
from trex_market.protocol.requests import decoded, dollars, meter_reading, submit_order
from trex_market.server.doorkeeper import Doorkeeper, Role
from trex_market.server.pace import Pace, SimulatedPace
from trex_market.server.seats import Connection, Seat, Seats
from trex_market.throttle import Bucket, Rate

logger = logging.getLogger(__name__)

ENDING = ("end_turn", "turn")
"""Requests that end a turn; they do not count themselves, so that who asks for too much still can end it."""


class Limits(msgspec.Struct, frozen=True):
    """How much a participant may ask for.

    Args:
        requests_per_round: orders count one each.
        open_orders: at one time.
        rate: requests in real time, whatever the rounds; None for any number.
        connections_per_address: at one time.
        takes_over: whether a second connection with the same id takes the first one's place, or is refused.
    """

    requests_per_round: int = 1_000
    open_orders: int = 1_000
    takes_over: bool = False
    rate: Rate | None = None
    connections_per_address: int = 1_000


class Desk:
    """Answers requests.

    Args:
        terms: the market's terms.
        seats: the participants' places.
        doorkeeper: checks tokens.
        limits: how much a participant may ask for.
        default_source: the pool of a bid that names no source.
        pace: tells the time, names orders, and makes safe what was taken.
    """

    def __init__(
        self,
        terms: OpenMarket,
        seats: Seats,
        doorkeeper: Doorkeeper,
        limits: Limits,
        default_source: str,
        pace: Pace | None = None,
    ) -> None:
        self.pace: Pace = pace or SimulatedPace()
        self.seats = seats
        self.terms = terms
        self.engine: Engine | None = None
        self.turns_ended: Callable[[], None] = lambda: None
        self.faulty: Callable[[BaseException], None] = lambda _error: None
        self.newcomer: Callable[[Seat], None] = lambda _seat: None
        """Is told of those who join and know nothing of what was sent before."""
        self.opened: Callable[[Engine], None] = lambda _engine: None
        self._doorkeeper = doorkeeper
        self._limits = limits
        self._buckets: dict[str, Bucket] = {}
        self._default_source = default_source
        self._handlers: dict[str, Callable[[Seat, Any], wire.Message]] = {
            "bid": lambda seat, data: self._order(seat, decoded(wire.OrderRequest, data), "bid"),
            "ask": lambda seat, data: self._order(seat, decoded(wire.OrderRequest, data), "ask"),
            "orders": self._orders,
            "cancel": self._cancel,
            "replace": self._replace,
            "meter_data": self._meter,
            "end_turn": self._end_turn,
            "turn": self._turn,
            "subscribe": self._subscribe,
        }

    def serve(self, event: str, handler: Callable[[Seat, Any], wire.Message]) -> None:
        """Answer another request from now on, of those who have joined.

        Args:
            event: its name.
            handler: answers it; it may raise `ProtocolError`.
        """
        self._handlers[event] = handler

    def open(self, engine: Engine) -> None:
        """Answer for an engine from now on."""
        self.engine = engine
        self.opened(engine)

    # ------------------------------------------------------------ coming in

    def check_join(self, request: wire.Join, sid: str, address: str) -> Seat:
        """Check that somebody may take part, and return the place.

        Args:
            request: as whom, and with which token.
            sid: the connection's id.
            address: where it comes from.

        Raises:
            ProtocolError: malformed (another version), unauthorised, unknown_participant, rate_limited.
        """
        if request.version.split(".", maxsplit=1)[0] != wire.VERSION.split(".", maxsplit=1)[0]:
            detail = f"this server speaks version {wire.VERSION}, found {request.version}"
            raise ProtocolError(RefusalCode.MALFORMED, detail)
        if request.market_id not in (None, "", self.terms.market_id):
            detail = f"this is the market {self.terms.market_id!r}, found {request.market_id!r}"
            raise ProtocolError(RefusalCode.MALFORMED, detail)
        self._doorkeeper.admit(Role.PARTICIPANT, request.token, request.participant_id, address)
        seat = self.seats.find(request.participant_id)
        if seat is None:
            detail = f"{request.participant_id!r} is none of this market's participants"
            raise ProtocolError(RefusalCode.UNKNOWN_PARTICIPANT, detail)
        seated = self.seats.of(sid)
        if seated is not None and seated is not seat:
            detail = f"this connection is {seated.participant_id!r} already"
            raise ProtocolError(RefusalCode.UNAUTHORISED, detail)
        other = seat.connection is not None and seat.connection.sid != sid
        if other and not self._limits.takes_over:
            detail = f"{request.participant_id!r} is connected already"
            raise ProtocolError(RefusalCode.UNAUTHORISED, detail)
        return seat

    async def join(self, request: wire.Join, connection: Connection, address: str) -> wire.Joined:
        """Give somebody a place, and tell where the market stands.

        Raises:
            ProtocolError: see `check_join`.
        """
        seat = self.check_join(request, connection.sid, address)
        seat.wants_profile = request.profile
        if request.last_event == 0:
            self.newcomer(seat)
        await self.seats.take(seat, connection)
        orders, contracts = [], []
        if self.engine is not None:
            orders = self.engine.market.open_orders(seat.participant_id)
            contracts = self.engine.market.contracts_of(seat.participant_id)
        terms, server_time = self.terms, self.pace.server_time
        return wire.Joined(
            version=wire.VERSION,
            server_time=time.time() if server_time is None else server_time,
            market=market_terms(MarketInfo.of(terms)),
            round=seat.round,
            open_orders=[open_order(order, terms.step) for order in orders],
            contracts=[contract_message(one) for one in contracts],
            missed=seat.missed(request.last_event),
            last_event=seat.last_event,
        )

    def take_back(self, seat: Seat) -> None:
        """Cancel what a participant ordered in the current round, because it will play that round anew."""
        if self.engine is None:
            return
        now = self._now
        for order in self.engine.market.open_orders(seat.participant_id):
            if order.time == now:
                self.engine.submit(CancelOrder(order.order_id, seat.participant_id, now))

    # ------------------------------------------------------------ requests

    def answer(self, event: str, sid: str, data: object) -> wire.Message:
        """Answer a request of a participant that has joined; a refusal is an answer, too.

        Args:
            event: the request.
            sid: the connection that it came from.
            data: as it came.
        """
        try:
            handler = self._handlers.get(event)
            if handler is None:
                known = ", ".join(["join", *self._handlers])
                raise ProtocolError(RefusalCode.MALFORMED, f"unknown event {event!r}; there are: {known}")
            seat = self.seats.of(sid)
            if seat is None:
                raise ProtocolError(RefusalCode.UNAUTHORISED, "join first")
            if event not in ENDING:
                self.check_rate(seat.participant_id)
                self._count(seat, 1)
            elif seat.round is None:  # its turn has ended already
                self.check_rate(seat.participant_id)
            return handler(seat, data)
        except ProtocolError as error:
            return refusal(error)
        except PhaseError as error:
            return wire.Result(ok=False, code=RefusalCode.WRONG_PHASE, detail=str(error))
        except Exception as error:
            # A fault of ours: the sender is told, and the market is stopped rather than left half changed.
            logger.exception("a request could not be handled")
            self.faulty(error)
            return wire.Result(
                ok=False, code=RefusalCode.WRONG_PHASE, detail="the market has a fault and stops"
            )

    def check_rate(self, participant_id: str) -> None:
        """Count a request, or an order of several, in real time.

        Args:
            participant_id: a member's.

        Raises:
            ProtocolError: rate_limited.
        """
        rate = self._limits.rate
        if rate is None:
            return
        bucket = self._buckets.get(participant_id)
        if bucket is None:
            bucket = self._buckets[participant_id] = Bucket(rate)
        if not bucket.take():
            detail = f"more than {rate.burst} requests at once, or {rate.per_second:g} a second"
            raise ProtocolError(RefusalCode.RATE_LIMITED, detail)

    def _count(self, seat: Seat, requests: int) -> None:
        seat.requests += requests
        if seat.requests > self._limits.requests_per_round:
            detail = f"more than {self._limits.requests_per_round} requests in a round"
            raise ProtocolError(RefusalCode.RATE_LIMITED, detail)

    def _submit(self, command: Command) -> list[Event]:
        if self.engine is None:
            raise ProtocolError(RefusalCode.WRONG_PHASE, "no episode is running")
        return self.engine.submit(command)

    @property
    def _now(self) -> int:
        return self.pace.now(self.engine)

    def _order(self, seat: Seat, request: wire.OrderRequest, side: wire.Side) -> wire.OrderResult:
        engine = self.engine
        if engine is None:
            raise ProtocolError(RefusalCode.WRONG_PHASE, "no episode is running")
        name = seat.participant_id
        command = submit_order(request, side, name, "", self._now, self._default_source)
        if seat.open_orders >= self._limits.open_orders:
            seat.open_orders = len(engine.market.open_orders(name))
            if seat.open_orders >= self._limits.open_orders:
                detail = f"more than {self._limits.open_orders} open orders"
                raise ProtocolError(RefusalCode.RATE_LIMITED, detail)
        order_id = self.pace.order_id(engine, name)
        outcome = engine.submit(msgspec.structs.replace(command, order_id=order_id))[0]
        if isinstance(outcome, OrderRejected):
            return wire.OrderResult(ok=False, code=outcome.code, detail=outcome.detail, order_id=order_id)
        assert isinstance(outcome, OrderAccepted)
        seat.open_orders += 1
        return wire.OrderResult(order_id=order_id, time_submission=outcome.order.time)

    def _batched(self, seat: Seat, data: object) -> wire.OrderResult:
        """Answer one order of several; that one is refused changes nothing for the others."""
        try:
            self.check_rate(seat.participant_id)
            self._count(seat, 1)
            request = decoded(wire.SidedOrder, data)
            return self._order(seat, request, request.side)
        except ProtocolError as error:
            return wire.OrderResult(ok=False, code=error.code, detail=error.detail)

    def _cancelled(self, seat: Seat, order_id: str) -> wire.Result:
        """Answer one cancellation of several."""
        try:
            self.check_rate(seat.participant_id)
            self._count(seat, 1)
            return self._cancel_one(seat, order_id)
        except ProtocolError as error:
            return refusal(error)

    def _orders(self, seat: Seat, data: object) -> wire.Answers:
        return wire.Answers(results=[self._batched(seat, order) for order in decoded(list[Any], data)])

    def _cancel(self, seat: Seat, data: object) -> wire.Result:
        return self._cancel_one(seat, decoded(wire.Cancel, data).order_id)

    def _cancel_one(self, seat: Seat, order_id: str) -> wire.Result:
        return changed(self._submit(CancelOrder(order_id, seat.participant_id, self._now))[0])

    def _replace(self, seat: Seat, data: object) -> wire.Result:
        request = decoded(wire.Replace, data)
        price = dollars(request.price)
        command = ReplaceOrder(request.order_id, seat.participant_id, request.quantity, price, self._now)
        return changed(self._submit(command)[0])

    def _meter(self, seat: Seat, data: object) -> wire.Result:
        reading = meter_reading(decoded(wire.Meter, data))
        time = reading.slot_end if self.terms.mode == "simulation" else self._now
        outcome = self._submit(ReportMeter(seat.participant_id, reading, time))[0]
        if isinstance(outcome, MeterRejected):
            now = self._now
            seat.late = reading.slot_start < now != seat.metered
            return wire.Result(ok=False, code=outcome.code, detail=outcome.detail)
        seat.metered, seat.late = reading.slot_start, False
        return wire.Result()

    def _end_turn(self, seat: Seat, _data: object) -> wire.Result:
        seat.absent = False
        seat.round = None
        events = self._submit(EndTurn(seat.participant_id))
        if events and isinstance(events[0], TurnsEnded):
            self.turns_ended()
        return wire.Result()

    def _turn(self, seat: Seat, data: object) -> wire.TurnTaken:
        turn = decoded(wire.Turn, data)
        if self.engine is None or self.engine.market.phase is not Phase.ROUND:
            raise ProtocolError(RefusalCode.WRONG_PHASE, "no round is running")
        cancelled = [self._cancelled(seat, order_id) for order_id in turn.cancel]
        orders = [self._batched(seat, order) for order in turn.orders]
        meter = None
        if turn.meter is not None:
            try:
                meter = self._meter(seat, turn.meter)
            except ProtocolError as error:
                meter = refusal(error)
        if meter is not None and seat.late:
            seat.absent = False  # it belongs to a round that is over, and cannot end this one
        else:
            seat.metrics = turn.metrics
            self._end_turn(seat, None)
        return wire.TurnTaken(
            cancelled=cancelled, orders=orders, meter=meter, server_time=self.pace.server_time
        )

    def _subscribe(self, seat: Seat, data: object) -> wire.Result:
        wanted = decoded(wire.Subscribe, data)
        seat.trades, seat.depth = wanted.trades, wanted.depth
        return wire.Result()


def refusal(error: ProtocolError) -> wire.Result:
    """Return the answer to a request that cannot be taken."""
    return wire.Result(ok=False, code=error.code, detail=error.detail)


def changed(outcome: Event) -> wire.Result:
    """Return the answer to a cancellation or replacement."""
    if isinstance(outcome, ChangeRejected):
        return wire.Result(ok=False, code=outcome.code, detail=outcome.detail)
    return wire.Result()
