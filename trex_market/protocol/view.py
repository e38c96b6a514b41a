"""What the server says over HTTP to people who look at the market: `/state` whole, `/events` card by card.

Energy in Wh, prices in $/kWh, money in $, times in UNIX seconds.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from trex_market.protocol.wire import Dollars, Message, Seconds, Status, Wh

Money = Annotated[float, Meta(description="$")]

Level = Literal["serious", "warning", "note"]


class Access(Message, frozen=True, kw_only=True):
    """What whoever asks may do.

    Args:
        role: as what it looks.
        controls: the actions of `/control/{action}` that it may take.
    """

    role: Literal["operator", "observer"]
    controls: list[str]


class MarketCard(Message, frozen=True, kw_only=True):
    """What does not change: the market's terms.

    Args:
        rule: how slots are cleared.
        timezone: whose days bills are of.
        close_steps: orders for a slot are taken until so many steps before its end.
        version: of the server.
    """

    market_id: str
    mode: Literal["simulation", "realtime"]
    rule: str
    step: Seconds
    timezone: str
    close_steps: int
    version: str


class RoundCard(Message, frozen=True, kw_only=True):
    """The round and its clock.

    Args:
        state: as in `Status`.
        time: start of the current slot; None before the first round.
        end: its end, when the next gate closes in a market on the wall clock.
        gate: start of the slot for which orders are taken until the end of the round.
        cleared: start of the slot that was cleared at the start of the round.
        round: how many were played in this episode, or since the server was started.
        rounds: of an episode; 0 if there is no last one.
        sell_price: what the grid pays in the current slot.
        buy_price: what the grid charges in the current slot.
        missed: rounds that went by without the market, or turns that did not come.
    """

    state: str
    simulation: str
    episode: int
    time: Seconds | None
    end: Seconds | None
    gate: Seconds | None
    cleared: Seconds | None
    round: int
    rounds: int
    rounds_per_second: float
    sell_price: Dollars | None
    buy_price: Dollars | None
    missed: int


class Alarm(Message, frozen=True, kw_only=True):
    """Something that a person should know.

    Args:
        code: what kind it is of.
        level: "serious" if the market or its data are in danger, "warning" if somebody should look, else "note".
        since: on the server's clock.
    """

    code: str
    level: Level
    text: str
    since: Seconds


class DayBill(Message, frozen=True, kw_only=True):
    """What a participant traded on one day, and what it came to.

    Args:
        bought: from other participants.
        sold: to other participants.
        supplied: from the grid.
        fed_in: to the grid.
        self_consumed: its own energy, used by itself.
        bill: what it paid, less what it got.
    """

    bought: Wh
    sold: Wh
    supplied: Wh
    fed_in: Wh
    self_consumed: Wh
    bill: Money


class ParticipantCard(Message, frozen=True, kw_only=True):
    """A participant.

    Args:
        online: whether its agent is connected.
        last_reading: start of the slot of its latest reading.
        missing: so many delivered slots wait for its reading.
        today: None if nothing of today was delivered yet.
    """

    participant_id: str
    online: bool
    last_reading: Seconds | None
    missing: int
    today: DayBill | None


class BillsCard(Message, frozen=True, kw_only=True):
    """Bills of the days before today, newest first.

    Args:
        today: when today began, in the market's time zone.
        days: when each day before began.
        bills: participant id -> what it came to on each of these days; None where nothing was delivered.
    """

    today: Seconds
    days: list[Seconds]
    bills: dict[str, list[DayBill | None]]


Ladder = list[tuple[float, int]]


class OpenSlot(Message, frozen=True, kw_only=True):
    """The open orders of a slot.

    Args:
        start: of the slot.
        orders: how many there are.
        bids: what is asked for in all.
        asks: what is offered in all.
        best_bid: the highest price that is bid.
        best_ask: the lowest price that is asked.
    """

    start: Seconds
    orders: int
    bids: Wh
    asks: Wh
    best_bid: Dollars | None
    best_ask: Dollars | None


class DepthCard(Message, frozen=True, kw_only=True):
    """The order book, without names.

    Args:
        slots: the first open slots that have orders, the next to be cleared first.
        more: so many further slots have orders.
        bids: of the first of `slots`: price in $/kWh and Wh, highest price first.
        asks: of the first of `slots`: price in $/kWh and Wh, lowest price first.
    """

    slots: list[OpenSlot]
    more: int
    bids: Ladder
    asks: Ladder


class ClearedSlot(Message, frozen=True, kw_only=True):
    """What was traded for a slot.

    Args:
        start: of the slot.
        quantity: in all contracts.
        price: what buyers pay on average; None if there are no contracts.
        low: the lowest that a buyer pays.
        high: the highest that a buyer pays.
        sell_price: what the grid pays then.
        buy_price: what the grid charges then.
    """

    start: Seconds
    quantity: Wh
    contracts: int
    price: Dollars | None
    low: Dollars | None
    high: Dollars | None
    sell_price: Dollars | None
    buy_price: Dollars | None


class Flow(Message, frozen=True, kw_only=True):
    """Where a participant's energy came from and went to in a slot.

    Args:
        supplied: from the grid.
        bought: from other participants.
        self_consumed: its own, used by itself.
        sold: to other participants.
        fed_in: to the grid, whether it was paid for or not.
        estimated: its reading is missing, and deemed.
    """

    participant_id: str
    supplied: Wh
    bought: Wh
    self_consumed: Wh
    sold: Wh
    fed_in: Wh
    estimated: bool


class FlowsCard(Message, frozen=True, kw_only=True):
    """The energy of the slot that was delivered last.

    Args:
        slot: its start; None if there is none yet.
    """

    slot: Seconds | None
    flows: list[Flow]


class State(Message, frozen=True, kw_only=True):
    """`/state`: all that the page shows; each field but the first two is an event of `/events`, too.

    Args:
        participants: in order of their ids.
        prices: of the slots that were cleared last, oldest first.
    """

    server_time: Annotated[float, Meta(description="UNIX seconds")]
    access: Access
    market: MarketCard
    round: RoundCard
    alarms: list[Alarm]
    participants: list[ParticipantCard]
    bills: BillsCard
    depth: DepthCard
    prices: list[ClearedSlot]
    flows: FlowsCard


CARDS = tuple(name for name in State.__struct_fields__ if name not in ("server_time", "access"))
"""Names of the parts of a state that are the same for all who look; each is an event of `/events`."""


class Health(Message, frozen=True, kw_only=True):
    """`/healthz`: the process answers."""

    ok: bool = True


class Readiness(Message, frozen=True, kw_only=True):
    """`/readyz`: whether the market does its work.

    Args:
        ok: whether it does; else the status is 503.
        reasons: what is wrong: name of a check -> a sentence.
    """

    ok: bool
    reasons: dict[str, str]


class Route(msgspec.Struct, frozen=True):
    """What the server answers over HTTP, for people and for those who look after it.

    Args:
        method: of HTTP.
        path: a part in braces stands for a name.
        token: whose token it needs, where the market has tokens; None for nobody's.
        answer: what is answered: a message, or in words.
        meaning: what it is for.
    """

    method: Literal["GET", "POST"]
    path: str
    token: Literal["observer", "operator"] | None
    answer: type[Message] | str
    meaning: str


ROUTES = (
    Route("GET", "/", None, "a page", "The dashboard. It holds no figures itself."),
    Route("GET", "/static/{name}", None, "a file", "What belongs to the page."),
    Route("GET", "/state", "observer", State, "All that the dashboard shows, at most a second old."),
    Route(
        "GET",
        "/events",
        "observer",
        "server-sent events",
        "The same, live: at first `access`, `time` and each card, then the cards that change. `time` is the server's, and comes every 5 s.",
    ),
    Route("POST", "/control/{action}", "operator", Status, "Does one of the actions that `access` names."),
    Route("GET", "/healthz", None, Health, "Whether the process answers."),
    Route(
        "GET",
        "/readyz",
        None,
        Readiness,
        "Whether rounds are on time, the journal can be written and the database is not away for more than 15 minutes.",
    ),
    Route(
        "GET", "/metrics", "observer", "figures", "For Prometheus, without figures of single participants."
    ),
)
"""Every route besides Socket.IO's and the meters'."""


def encoded_state(server_time: float, access: Access, cards: dict[str, msgspec.Raw]) -> bytes:
    """Return a state as JSON, its cards encoded already."""
    return msgspec.json.encode({"server_time": server_time, "access": access, **cards})
