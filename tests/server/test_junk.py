"""What is junk gets its code, changes nothing, and the market goes on for the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import socketio

from participants.client import Client
from tests.helpers import START, STEP
from tests.server.helpers import Agent, Hall, Ledger, bid, hall, home, meter, soon
from trex_market.server.desk import Limits
from trex_market.server.sockets import MAX_MESSAGE_BYTES

SLOT = START + 2 * STEP

HUGE = 10**400
FAR = START + STEP * 10**6
NAN, INFINITY = float("nan"), float("inf")

Mischief = Callable[[Agent], Awaitable[None]]


def nested(depth: int) -> Any:
    """Return a list in a list in a list."""
    deep: Any = []
    for _ in range(depth):
        deep = [deep]
    return deep


def without(message: dict[str, Any], field: str) -> dict[str, Any]:
    """Return a message that lacks a field."""
    return {key: value for key, value in message.items() if key != field}


def order(**others: Any) -> dict[str, Any]:
    """Return an order with other fields than it should have."""
    return bid() | others


def requiring(**changes: Any) -> dict[str, Any]:
    """Return an order with a requirement that cannot be."""
    return order(requirements=[{}, changes])


def slot(*moments: Any) -> dict[str, Any]:
    """Return an order for other moments than it should be for."""
    return bid() | {"time_delivery": list(moments)}


def reading(**others: Any) -> dict[str, Any]:
    """Return a meter reading with other fields than it should have."""
    return meter() | others


ORDERS: list[tuple[Any, str]] = [
    (None, "malformed"),
    ([], "malformed"),
    ("bid", "malformed"),
    ({}, "bad_quantity"),
    (without(bid(), "quantity"), "bad_quantity"),
    (without(bid(), "price"), "bad_price"),
    (without(bid(), "time_delivery"), "bad_slot"),
    *(
        (order(quantity=wrong), "bad_quantity")
        for wrong in ("5", 5.0, 5.5, None, True, [5], {}, NAN, INFINITY)
    ),
    *((order(quantity=wrong), "bad_quantity") for wrong in (0, -1, -HUGE, HUGE, 2**63, 10**15)),
    *(
        (order(price=wrong), "bad_price")
        for wrong in ("0.1", None, True, [0.1], {}, NAN, INFINITY, -INFINITY)
    ),
    *((order(price=wrong), "bad_price") for wrong in (-0.01, -1e-9, 1e9, 1e308, -1e308, HUGE, -HUGE)),
    *(
        (order(source=wrong), "unknown_source")
        for wrong in ("coal", "", "sol\u00e4r", 5, ["solar"], {}, "grid")
    ),
    *((order(time_delivery=wrong), "bad_slot") for wrong in (None, "now", START, {}, [], [SLOT], [SLOT] * 3)),
    (slot(SLOT, SLOT), "bad_slot"),
    (slot(SLOT, SLOT + 2 * STEP), "bad_slot"),
    (slot(SLOT + STEP, SLOT), "bad_slot"),
    (slot(SLOT + 1, SLOT + 1 + STEP), "bad_slot"),
    (slot(str(SLOT), str(SLOT + STEP)), "bad_slot"),
    (slot(float(SLOT), float(SLOT + STEP)), "bad_slot"),
    (slot(SLOT, NAN), "bad_slot"),
    (slot(SLOT, HUGE), "bad_slot"),
    (slot(HUGE, HUGE + STEP), "bad_slot"),
    (slot(-HUGE, STEP - HUGE), "bad_slot"),
    (slot(SLOT - STEP, SLOT), "gate_closed"),
    (slot(START, START + STEP), "gate_closed"),
    (slot(0, STEP), "gate_closed"),
    (slot(-STEP * 10, -STEP * 9), "gate_closed"),
    (slot(FAR, FAR + STEP), "beyond_horizon"),
    (order(participant_id="ann"), "unauthorised"),
    (order(participant_id=""), "unauthorised"),
    (order(participant_id=5), "malformed"),
    (order(note="\ud800"), "malformed"),
    (order(note="\0"), "malformed"),
    (order(source="\udfff"), "malformed"),
    *((order(attributes=wrong), "bad_requirement") for wrong in (5, [], "green", {"energy_type": 5})),
    *((order(attributes={"energy_type": wrong}), "bad_requirement") for wrong in ("", "x" * 65)),
    *(
        (order(requirements=wrong), "bad_requirement")
        for wrong in (None, 5, {}, "any", [None], [[]], [{}] * 21)
    ),
    *((requiring(energy=wrong), "bad_requirement") for wrong in (0, -1, 5.5, "5", HUGE, -HUGE, 2**63, True)),
    *((requiring(price=wrong), "bad_requirement") for wrong in (-1, NAN, INFINITY, "5", HUGE, 1e9)),
    *((requiring(trading_partners=wrong), "bad_requirement") for wrong in ("ann", [5], ["ann"] * 101, [""])),
    *((requiring(energy_type=wrong), "bad_requirement") for wrong in ("solar", [None], ["x" * 65])),
    (requiring(trading_partners=["\ud800"]), "malformed"),
    (requiring(energy_type=["\0"]), "malformed"),
]

READINGS: list[tuple[Any, str]] = [
    (None, "malformed"),
    ([], "malformed"),
    ({}, "bad_slot"),
    (without(meter(), "time_interval"), "bad_slot"),
    (without(meter(), "generation"), "bad_quantity"),
    (without(meter(), "consumption"), "bad_quantity"),
    *(
        (reading(generation=wrong), "bad_quantity")
        for wrong in (None, 5, [], "solar", {"solar": "5"}, {"solar": -1})
    ),
    *(
        (reading(generation={"solar": wrong}), "bad_quantity")
        for wrong in (5.0, NAN, INFINITY, None, True, HUGE, {})
    ),
    (reading(generation={"solar": 10**4299 * 9, "Solar": 10**4299 * 9}), "bad_quantity"),
    (reading(generation={"\ud800": 5}), "malformed"),
    (reading(generation={"so\0lar": 5}), "malformed"),
    *(
        (reading(consumption=wrong), "bad_quantity")
        for wrong in (None, 5, {"other": 5}, {"other": {"external": -1}})
    ),
    (reading(consumption={"other": {"external": NAN}}), "bad_quantity"),
    (reading(consumption={"other": {"external": 10**18}}), "bad_quantity"),
    (meter(START - STEP), "bad_slot"),
    (meter(START + STEP), "bad_slot"),
    (meter(START + 1), "bad_slot"),
    (meter(time_interval=[START, START + 2 * STEP]), "bad_slot"),
    (meter(time_interval=[START, HUGE]), "bad_slot"),
    (meter(time_interval="now"), "bad_slot"),
]

OTHERS: list[tuple[str, Any, str]] = [
    ("cancel", None, "malformed"),
    ("cancel", {"order_id": 5}, "malformed"),
    ("cancel", {"order_id": "ann-1"}, "unknown_order"),
    ("cancel", {"order_id": ""}, "unknown_order"),
    ("replace", {"order_id": "ann-1", "quantity": 5, "price": 0.1}, "unknown_order"),
    ("replace", {"order_id": "ann-1"}, "bad_quantity"),
    ("replace", {"order_id": "ann-1", "quantity": 5, "price": INFINITY}, "bad_price"),
    ("orders", bid(), "malformed"),
    ("orders", None, "malformed"),
    ("orders", "a long list", "malformed"),
    ("subscribe", {"trades": 1}, "malformed"),
    ("subscribe", [], "malformed"),
    ("turn", None, "malformed"),
    ("turn", [], "malformed"),
    ("turn", {"orders": 5}, "malformed"),
    ("turn", {"cancel": [5]}, "malformed"),
    ("turn", {"metrics": {"mood": "good"}}, "malformed"),
    ("turn", {"metrics": {"mood": HUGE}}, "malformed"),
    ("turn", {"metrics": {"\ud800": 1}}, "malformed"),
    ("turn", {"meter": meter(generation={"\ud800": 1})}, "malformed"),
    ("join", {"participant_id": "ann"}, "unauthorised"),
    ("join", {"participant_id": "cat", "token": "\ud800"}, "malformed"),
    ("join", {"participant_id": "cat", "last_event": "1"}, "malformed"),
    ("join", {"participant_id": "cat", "encoding": "xml"}, "malformed"),
    ("join", {"participant_id": ["cat"]}, "malformed"),
    ("join", None, "malformed"),
    ("sell_everything", {"now": True}, "malformed"),
    ("", {}, "malformed"),
    ("bid", nested(300), "malformed"),
    ("bid", b"\xc1\xff\x00", "malformed"),
    ("bid", b"", "malformed"),
    ("bid", b"\x91" * 50_000 + b"\x00", "malformed"),
    ("bid", order(source=b"solar"), "unknown_source"),
]

JUNK = [
    *((event, data, code) for data, code in ORDERS for event in ("bid", "ask")),
    *(("meter_data", data, code) for data, code in READINGS),
    *OTHERS,
]


async def plays(cat: Agent, place: Hall, mischief: Mischief | None) -> None:
    """Play the third home by hand; in each round there is mischief first."""
    for number in range(place.rounds):
        told = await cat.hears("start_round")
        if mischief is not None:
            await mischief(cat)
        slot_start = told["next_settle"][0]
        orders = [bid(130 + number, 0.19, slot_start, side="bid"), bid(90, 0.11, slot_start, side="ask")]
        reading = meter(told["time"], solar=80, need=120)
        answer = await cat.says("turn", {"orders": orders, "meter": reading})
        assert answer["ok"]
        assert answer["meter"] == {"ok": True}
        assert [one["ok"] for one in answer["orders"]] == [True, True]


async def a_market(mischief: Mischief | None, **others: Any) -> Ledger:
    """Run a market in which one of three participants is up to mischief; return what came of it."""
    market = {"horizon_steps": 96}
    async with hall(rule="MicroTE", market=market, rounds=4, **others) as place:
        playing = place.start()
        for name in ("ann", "bob"):
            place.joins(Client(home(name), place.url))
        async with Agent(place.url, "cat") as cat:
            await soon(plays(cat, place, mischief))
            await soon(playing)
    assert place.ledger.contracts
    return place.ledger


@pytest.fixture(scope="module")
def honest() -> Ledger:
    """The ledger of the market without mischief."""
    return asyncio.run(a_market(None))


async def test_junk_gets_its_code_and_changes_nothing(honest: Ledger) -> None:
    async def mischief(cat: Agent) -> None:
        for event, data, code in JUNK:
            answer = await cat.says(event, data)
            assert answer.get("code") == code, (event, str(data)[:200], answer)
            assert answer["detail"]
        assert await cat.is_refused("bid", bid(), bid()) == "malformed"
        assert await cat.is_refused("bid", bid(), b"bytes", 3) == "malformed"

    async def first_round_only(cat: Agent) -> None:
        nonlocal done
        if not done:
            done = True
            await mischief(cat)

    done = False
    ledger = await a_market(first_round_only, limits=Limits(requests_per_round=10_000))
    assert ledger.same(numbers=False) == honest.same(numbers=False)


async def test_batches_of_junk_are_answered_one_by_one(honest: Ledger) -> None:
    async def mischief(cat: Agent) -> None:
        plain = [(data, code) for data, code in ORDERS if isinstance(data, dict) and code != "malformed"]
        results = (await cat.says("orders", [data | {"side": "ask"} for data, _ in plain]))["results"]
        assert [result["code"] for result in results] == [code for _, code in plain]
        # What no text can hold spoils the whole message.
        assert await cat.is_refused("orders", [bid(side="ask"), order(note="\ud800")]) == "malformed"

    ledger = await a_market(mischief)
    assert ledger.same(numbers=False) == honest.same(numbers=False)


async def test_strangers_are_told_to_join_first(honest: Ledger) -> None:
    async def mischief(cat: Agent) -> None:
        async with Agent(cat.url) as stranger:
            for event in (
                "bid",
                "ask",
                "cancel",
                "replace",
                "orders",
                "meter_data",
                "turn",
                "end_turn",
                "subscribe",
            ):
                assert await stranger.is_refused(event, {}) == "unauthorised"
            assert await stranger.is_refused("join", {"participant_id": "ann"}) == "unauthorised"
            assert await stranger.is_refused("end_round", {}) == "malformed"

    assert (await a_market(mischief)).same() == honest.same()


async def test_a_flood_is_limited_but_its_sender_can_end_its_turn() -> None:
    async def floods(cat: Agent) -> None:
        flood = [cat.says("bid", order(quantity=-1)) for _ in range(100)]
        answers = await asyncio.gather(
            *flood, *(cat.says("meter_data", meter(START + 99)) for _ in range(400))
        )
        codes = [answer["code"] for answer in answers]
        assert codes.count("rate_limited") == 500 - 50
        assert await cat.is_refused("orders", [order(side="bid")] * 3) == "rate_limited"
        async with Agent(cat.url) as stranger:
            await asyncio.gather(*(stranger.says("join", {"participant_id": "ann"}) for _ in range(300)))

    async with hall(rule="MicroTE", rounds=4, limits=Limits(requests_per_round=50)) as place:
        playing = place.start()
        for name in ("ann", "bob"):
            place.joins(Client(home(name), place.url))
        async with Agent(place.url, "cat") as cat:
            await cat.hears("start_round")
            await floods(cat)
            refused = await cat.says("turn", {"orders": [order(side="bid")] * 2, "meter": meter()})
            assert [one["code"] for one in refused["orders"]] == ["rate_limited"] * 2
            assert refused["meter"] == {"ok": True}
            await cat.hears("start_round")
            assert (await cat.says("bid", bid(slot_start=SLOT + STEP)))["ok"]
            await cat.says("turn", {"meter": meter(START + STEP)})
            for number in (2, 3):
                await cat.hears("start_round")
                await cat.says("turn", {"meter": meter(START + number * STEP)})
            await soon(playing)
    assert {row.kind for row in place.ledger.transactions} >= {"delivery", "supply"}


async def test_open_orders_are_limited() -> None:
    async with hall(["ann"], limits=Limits(open_orders=5)) as place, Agent(place.url, "ann") as ann:
        place.start()
        await ann.hears("start_round")
        taken = [await ann.says("bid", bid(slot_start=SLOT + number * STEP)) for number in range(5)]
        assert all(answer["ok"] for answer in taken)
        assert await ann.is_refused("bid", bid()) == "rate_limited"
        assert (await ann.says("orders", [order(side="bid")]))["results"][0]["code"] == "rate_limited"
        assert (await ann.says("cancel", {"order_id": "ann-3"}))["ok"]
        assert (await ann.says("bid", bid()))["order_id"] == "ann-6"
        assert await ann.is_refused("bid", bid()) == "rate_limited"


async def test_a_message_that_is_too_long_costs_its_sender_the_connection(honest: Ledger) -> None:
    async def mischief(cat: Agent) -> None:
        async with Agent(cat.url) as stranger:
            await stranger.sends("join", {"participant_id": "x" * 10_000_000})
            await soon(stranger.gone.wait())

    assert (await a_market(mischief)).same() == honest.same()


async def test_a_message_that_is_just_not_too_long_is_answered() -> None:
    async with hall(["ann"]) as place, Agent(place.url, "ann") as ann:
        long = "x" * (MAX_MESSAGE_BYTES - 1_000)
        assert await ann.is_refused("cancel", {"order_id": [long]}) == "malformed"
        assert await ann.is_refused("join", {"participant_id": long}) == "unknown_participant"


async def test_the_default_namespace_refuses_junk_and_goes_on(honest: Ledger) -> None:
    async def mischief(cat: Agent) -> None:
        async with Agent(cat.url, namespace="/") as stranger:
            for data in (
                None,
                5,
                {},
                {"id": "ann"},
                {"id": "nobody", "market_id": "m"},
                {"id": "ann", "market_id": "m"},
            ):
                assert await stranger.says("join_market", data) is False
            for event in ("bid", "ask"):
                await stranger.sends(event, bid())
                assert (await stranger.hears("order_refused"))["code"] == "unauthorised"
            await stranger.sends("meter_data", meter())
            assert (await stranger.hears("refused"))["code"] == "unauthorised"
            await stranger.sends("participant_ready", {"ann": True})
            await stranger.sends("end_turn", 1, 2)
            assert (await stranger.hears("refused"))["code"] == "malformed"
            await stranger.sends("destroy", {})
            assert (await stranger.hears("refused"))["code"] == "malformed"

    assert (await a_market(mischief)).same() == honest.same()
    with pytest.raises(socketio.exceptions.ConnectionError):
        async with hall() as place, Agent(place.url, namespace="/elsewhere"):
            pass
