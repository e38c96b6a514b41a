"""Every message of the Socket.IO protocol. Energy in Wh, prices in $/kWh, times in UNIX seconds.

An interval is ``[start, end]``. A request that is refused is answered with
``{"ok": false, "code": ..., "detail": ...}``, see `Result`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from trex_market.core.errors import RefusalCode

VERSION = "1.0"
"""Of the protocol; a client with another number before the point is refused."""

Interval = tuple[int, int]
Side = Literal["bid", "ask"]
Energies = dict[str, int]

Wh = Annotated[int, Meta(description="Wh")]
Dollars = Annotated[float, Meta(description="$/kWh")]
Seconds = Annotated[int, Meta(description="UNIX seconds")]
SlotInterval = Annotated[Interval, Meta(description="a slot: [start, end], UNIX seconds")]


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What all messages have in common: unknown keys are passed over."""


# ---------------------------------------------------------------- requests on /market


class Join(Message, frozen=True, kw_only=True):
    """Take part as a participant.

    Args:
        participant_id: as whom.
        market_id: which market; any if left out.
        token: proves the id, unless the server is open.
        version: of this protocol.
        last_event: number of the last event that was received; later ones are sent again.
        encoding: of all further messages to this client, and of the answers to its own.
        profile: whether `start_episode` shall bring load and generation.
    """

    participant_id: str
    market_id: str | None = None
    token: str | None = None
    version: str = VERSION
    last_event: int | None = None
    encoding: Literal["json", "msgpack"] = "json"
    profile: bool = False


class AttributesMessage(Message, frozen=True, kw_only=True):
    """What an order says of itself, for the requirements of others.

    Args:
        energy_type: a name for its energy besides its source, such as "green".
    """

    energy_type: str | None = None


class RequirementMessage(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Terms under which an order may meet another; all that it names must hold.

    Args:
        trading_partners: ids of participants, one of whom the other must be; empty for anybody.
        energy_type: sources and energy types, one of which the other order must have; empty for any.
        energy: no more than this is traded under these terms.
        price: the order's limit for pairs that meet under these terms, instead of its own price.
    """

    trading_partners: list[str] = []
    energy_type: list[str] = []
    energy: Wh | None = None
    price: Dollars | None = None


class OrderRequest(Message, frozen=True, kw_only=True, omit_defaults=True):
    """`bid` and `ask`: offer a quantity for a slot.

    Args:
        source: where the energy comes from; a bid may leave it out.
        participant_id: the connection's own, if it is there at all.
        attributes: what it says of itself.
        requirements: it meets others only under one of these; empty for any terms.
    """

    quantity: Wh
    price: Dollars
    time_delivery: SlotInterval
    source: str | None = None
    participant_id: str | None = None
    attributes: AttributesMessage | None = None
    requirements: list[RequirementMessage] = []


class SidedOrder(OrderRequest, frozen=True, kw_only=True, omit_defaults=True):
    """One of `orders`, and of a `turn`."""

    side: Side


class Cancel(Message, frozen=True, kw_only=True):
    """`cancel`: take an open order back."""

    order_id: str


class Replace(Message, frozen=True, kw_only=True):
    """`replace`: give an open order another quantity and price."""

    order_id: str
    quantity: Wh
    price: Dollars


class Meter(Message, frozen=True, kw_only=True):
    """`meter_data`: what was generated (net of own use) and consumed in a slot.

    Args:
        generation: source -> Wh.
        consumption: load -> source -> Wh; the source `external` is energy from outside.
    """

    time_interval: SlotInterval
    generation: Energies
    consumption: dict[str, Energies]


class PostedMeter(Meter, frozen=True, kw_only=True):
    """What a meter sends: energy in a slot that is over.

    Args:
        participant_id: whose it is; over MQTT the topic says it.
    """

    participant_id: str | None = None


class PostedRegisters(Message, frozen=True, kw_only=True):
    """What a meter sends: what its counters show; the market makes readings of slots of it.

    Args:
        registers: name -> what it shows, a number (or one in text) with all its decimals; parts of a Wh are left out.
        time: when they were read, all at once; now, if left out. They must be sent in the order of their times.
        participant_id: whose they are; over MQTT the topic says it.
    """

    registers: Annotated[dict[str, Decimal], Meta(description="kWh")]
    time: Annotated[float | None, Meta(description="UNIX seconds")] = None
    participant_id: str | None = None


class Turn(Message, frozen=True, kw_only=True):
    """`turn`: all that a participant does in a round, and the end of its turn.

    Args:
        cancel: ids of open orders, taken back before `orders` are submitted.
        orders: as `SidedOrder`.
        meter: as `Meter`.
        metrics: figures to be recorded: name -> value.
    """

    cancel: list[str] = []
    orders: list[Any] = []
    meter: Any = None
    metrics: dict[str, float] = {}


class Subscribe(Message, frozen=True, kw_only=True):
    """`subscribe`: get `market_data` in each round."""

    trades: bool = False
    depth: bool = False


# ---------------------------------------------------------------- answers


class Result(Message, frozen=True, kw_only=True):
    """The answer to a request that needs no other; refused, it changed nothing.

    Args:
        code: why it was refused.
        detail: the same in a sentence.
    """

    ok: bool = True
    code: RefusalCode | UnsetType = UNSET
    detail: str | UnsetType = UNSET


class RegistersTaken(Result, frozen=True, kw_only=True):
    """The answer to `PostedRegisters`.

    Args:
        slots: those whose readings are complete now.
        troubles: why there are slots that will have no reading: a sentence each.
    """

    slots: list[SlotInterval] = []
    troubles: list[str] = []


class OrderResult(Result, frozen=True, kw_only=True):
    """The answer to an order; taken, it stands in the book."""

    order_id: str | UnsetType = UNSET
    time_submission: Seconds | UnsetType = UNSET


class Answers(Message, frozen=True, kw_only=True):
    """The answer to `orders`: one for each, in order."""

    results: list[OrderResult]
    ok: bool = True


class TurnTaken(Message, frozen=True, kw_only=True):
    """The answer to a `turn`: one for each cancellation and order, in order, and for the meter reading.

    Args:
        server_time: on the wall clock: when this was sent, UNIX seconds. With the times of request and answer it
            tells how far the participant's clock is off.
    """

    cancelled: list[Result]
    orders: list[OrderResult]
    meter: Result | None = None
    server_time: float | None = None
    ok: bool = True


class OpenOrder(Message, frozen=True, kw_only=True):
    """An order whose gate is open."""

    order_id: str
    side: Side
    quantity: Wh
    price: Dollars
    time_delivery: SlotInterval
    source: str | None


class ContractMessage(Message, frozen=True, kw_only=True):
    """A contract, as both its parties see it.

    Args:
        fee_ask: the seller gets so much less than its price; left out if 0.
        fee_bid: the buyer pays so much more than its price; left out if 0.
    """

    id: str
    time_delivery: SlotInterval
    seller_id: str
    buyer_id: str
    energy_source: str
    quantity: Wh
    settlement_price_sell: Dollars
    settlement_price_buy: Dollars
    bid_id: str
    ask_id: str
    time_purchase: Seconds
    fee_ask: Dollars | UnsetType = UNSET
    fee_bid: Dollars | UnsetType = UNSET


class TransactionMessage(Message, frozen=True, kw_only=True):
    """A line of the ledger, with the columns of the table `transactions`."""

    id: str
    kind: str
    contract_id: str | None
    quantity: Wh
    seller_id: str
    buyer_id: str
    energy_source: str
    settlement_price_sell: Dollars
    settlement_price_buy: Dollars
    fee_ask: Dollars
    fee_bid: Dollars
    amount: int | None
    estimated: bool
    reverses: str | None
    time_creation: Seconds
    time_purchase: Seconds
    time_consumption: Seconds


class MarketTerms(Message, frozen=True, kw_only=True):
    """What a participant must know of the market before the first round."""

    market_id: str
    step: Annotated[int, Meta(description="length of a slot, seconds")]
    close_steps: int
    timezone: str


class Joined(Message, frozen=True, kw_only=True):
    """The answer to `join`.

    Args:
        round: the current round's `start_round`, if there is one that this participant has yet to answer.
        open_orders: own.
        contracts: own, of slots that are not delivered yet.
        missed: [number, event, data] of all events after `last_event` that are still known.
        last_event: number of the last event sent to this participant.
    """

    version: str
    server_time: float
    market: MarketTerms
    round: RoundMessage | None
    open_orders: list[OpenOrder]
    contracts: list[ContractMessage]
    missed: list[tuple[int, str, Any]]
    last_event: int
    ok: bool = True


# ---------------------------------------------------------------- events on /market


class ProfileMessage(Message, frozen=True, kw_only=True):
    """Load and generation per slot, from `start` on."""

    start: Seconds
    step: int
    load: list[Wh]
    generation: dict[str, list[Wh]]


class EpisodeMessage(Message, frozen=True, kw_only=True):
    """`start_episode`.

    Args:
        event: running number of the events sent to this participant.
        episode: its number, from 0.
        simulation: "training" or "validation"; "realtime" on the wall clock.
        start: of the first round.
        rounds: how many; None in real time.
        parameters: what holds in this episode by the curriculum.
        lesson: what the curriculum changes in this episode, in TREX's form.
        profile: if the participant asked for it and the server has one.
    """

    event: int
    episode: int
    simulation: str
    market: MarketTerms
    start: Seconds
    rounds: int | None
    parameters: dict[str, Any] = {}
    lesson: dict[str, Any] = {}
    profile: ProfileMessage | None = None


class EpisodeEnd(Message, frozen=True, kw_only=True):
    """`end_episode`, `end_simulation`."""

    event: int
    episode: int


class RoundMessage(Message, frozen=True, kw_only=True):
    """`start_round`: TREX's eight keys, and what concerns the participant alone.

    Args:
        event: running number of the events sent to this participant.
        market_info: "(start, end)" of a slot -> {"grid": {"buy_price": $/kWh, "sell_price": $/kWh}}, for the
            current round and `next_settle`.
        contracts: own, of the slot that was just cleared.
        transactions: own, of the slot that was just delivered.
        server_time: on the wall clock: when this was sent, UNIX seconds.
    """

    event: int
    time: Seconds
    duration: int
    timezone: str
    last_round: Interval
    current_round: Interval
    last_settle: Interval
    next_settle: Interval
    market_info: dict[str, dict[str, dict[str, float]]]
    contracts: list[ContractMessage]
    transactions: list[TransactionMessage]
    server_time: float | None = None


class Notice(Message, frozen=True, kw_only=True):
    """`notice`: something that the participant should know.

    Args:
        code: `turn_timeout`: a round went on without the participant's turn. `stopping`: the server stops. On the
            wall clock it goes on when it is started again: stay, connect again, and go on from `last_event`.
        detail: a sentence.
    """

    code: str
    detail: str


class Trade(Message, frozen=True, kw_only=True):
    """Energy that changed hands, without names."""

    quantity: Wh
    price: Dollars
    energy_source: str


class Depth(Message, frozen=True, kw_only=True):
    """Open orders of a slot, without names: [price, quantity] from the best on."""

    time_delivery: SlotInterval
    bids: list[tuple[float, int]]
    asks: list[tuple[float, int]]


class MarketData(Message, frozen=True, kw_only=True):
    """`market_data`: what was traded for the slot just cleared, and the depth of the open slots."""

    time_delivery: SlotInterval
    trades: list[Trade] | None = None
    depth: list[Depth] | None = None


# ---------------------------------------------------------------- /simulation


class Register(Message, frozen=True, kw_only=True):
    """`register`: watch and control the simulation."""

    token: str | None = None


class Status(Message, frozen=True, kw_only=True):
    """`status`: the answer to every request on /simulation, and an event whenever it changes.

    Args:
        state: "waiting" (for participants), "running", "paused", "ended".
        time: start of the current round; None before the first.
        round: how many were played in this episode.
        silent: how often a round went on without a participant's turn.
    """

    state: Literal["waiting", "running", "paused", "ended"]
    simulation: str
    episode: int
    time: Seconds | None
    round: int
    rounds: int
    rounds_per_second: float
    participants: int
    connected: int
    silent: int
    alarms: list[str]
    ok: bool = True


REQUESTS: dict[str, type[Message]] = {
    "join": Join,
    "bid": OrderRequest,
    "ask": OrderRequest,
    "orders": SidedOrder,
    "cancel": Cancel,
    "replace": Replace,
    "meter_data": Meter,
    "turn": Turn,
    "subscribe": Subscribe,
    "register": Register,
}
"""Request -> its data (of `orders`: of each); `end_turn`, and all but `register` on /simulation have none."""

EVENTS: dict[str, type[Message]] = {
    "start_episode": EpisodeMessage,
    "start_round": RoundMessage,
    "end_episode": EpisodeEnd,
    "end_simulation": EpisodeEnd,
    "notice": Notice,
    "market_data": MarketData,
    "status": Status,
}
"""Event -> its data."""

ANSWERS: dict[str, type[Message]] = {
    "join": Joined,
    "bid": OrderResult,
    "ask": OrderResult,
    "orders": Answers,
    "cancel": Result,
    "replace": Result,
    "meter_data": Result,
    "end_turn": Result,
    "turn": TurnTaken,
    "subscribe": Result,
}
"""Request -> the answer to it."""


REPORTS: dict[type[Message], type[Message]] = {PostedMeter: Result, PostedRegisters: RegistersTaken}
"""What meters send over HTTP and MQTT -> the answer to it."""


class WireJson:
    """JSON for Socket.IO: structs are encoded as they are; NaN and infinities are read, to be refused by name."""

    @staticmethod
    def dumps(value: object, **_options: object) -> str:
        """Encode."""
        return msgspec.json.encode(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_options: object) -> Any:
        """Decode."""
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("too deep") from None
