"""Junk below the events of Socket.IO, and anything at all in them: the market goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from participants.client import Client
from tests.server.helpers import Agent, bid, hall, home
from tests.server.test_junk import a_market

UNREADABLE = ["", "x"]
"""After these the place stays taken until the connection's ping has timed out."""

RAW = [
    "9",
    "4",
    "4x",
    "42",
    "42/market",
    "42/market,",
    "42/market,[",
    "42/market,{}",
    "42/market,[]",
    "42/market,5",
    '42/market,[["bid"],{}]',
    '42/market,[{"a":1},{}]',
    "42/market,[null]",
    '42/market,["connect"]',
    '42/market,["disconnect"]',
    '42/market,1["bid",' + "[" * 100_000 + "]" * 100_000 + "]",
    '42/market,1["bid",' + "9" * 5_000 + "]",
    '42/nowhere,["bid",{}]',
    '45/market,1-["bid"]',
    '451-/market,1["bid",{"_placeholder":true,"num":7}]',
    '459999999-/market,1["bid",{"_placeholder":true,"num":0}]',
    '45-1-/market,["bid"]',
    "43/market,99[]",
    "43/market,[]",
    "44/market,{}",
    "40/nowhere,",
    "41/market,",
    "6",
    "1",
    b"\x00\xff\xfe",
    b"",
]
"""What nobody's Socket.IO client sends."""


async def test_junk_below_the_events_harms_nobody_else() -> None:
    async def mischief(cat: Agent) -> None:
        address = f"{cat.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket"
        async with aiohttp.ClientSession() as session:
            for raw in [*RAW, *UNREADABLE]:
                async with session.ws_connect(address) as stranger:
                    await stranger.receive()
                    await stranger.send_str("40/market,")
                    await stranger.receive()
                    await (stranger.send_bytes(raw) if isinstance(raw, bytes) else stranger.send_str(raw))

    assert (await a_market(mischief)).same() == (await a_market(None)).same()


@pytest.mark.parametrize("data", ["[" * 900 + "]" * 900, "[" * 100_000, "9" * 5_000, "{", "NaN5", "\x00"])
@pytest.mark.parametrize("namespace", ["/market", "/simulation"])
async def test_what_cannot_be_read_is_answered(namespace: str, data: str) -> None:
    async with hall(["ann"]) as place, aiohttp.ClientSession() as session:
        address = f"{place.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket"
        async with session.ws_connect(address) as stranger:
            await stranger.receive()
            await stranger.send_str(f"40{namespace},")
            await stranger.receive()
            await stranger.send_str(f'42{namespace},17["register",{data}]')
            answer = (await stranger.receive(timeout=5)).data
            assert answer.startswith(f'43{namespace},17[{{"ok":false,"code":"malformed"')


@pytest.mark.parametrize("raw", RAW)
async def test_who_sends_junk_below_the_events_can_come_back(raw: str | bytes) -> None:
    async with hall(["ann"]) as place:
        address = f"{place.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket"
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(address) as ann:
                await ann.receive()
                await ann.send_str("40/market,")
                await ann.receive()
                await ann.send_str('42/market,7["join",{"participant_id":"ann"}]')
                await ann.receive()
                await (ann.send_bytes(raw) if isinstance(raw, bytes) else ann.send_str(raw))
        seats = place.server._sockets._desk.seats
        async with asyncio.timeout(5), seats.changed:
            await seats.changed.wait_for(lambda: seats.missing)
        async with Agent(place.url, "ann") as ann_again:
            assert ann_again.joined["ok"]


# ---------------------------------------------------------------- anything at all

EVENTS = (
    "join", "bid", "ask", "orders", "cancel", "replace", "meter_data", "end_turn", "turn", "subscribe",
    "join_market", "participant_ready", "participant_weights_loaded", "ping", "status", "pause", "nothing",
)  # fmt: skip

WORDS = st.sampled_from(
    ["participant_id", "quantity", "price", "time_delivery", "source", "side", "order_id", "meter", "orders"]
    + [
        "time_interval",
        "generation",
        "consumption",
        "cancel",
        "metrics",
        "id",
        "market_id",
        "ann",
        "cat",
        "solar",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries(
    {}, optional={"quantity": JSON, "price": JSON, "time_delivery": JSON, "source": JSON, "side": JSON}
).map(lambda changes: bid() | changes)
TURNS = st.fixed_dictionaries(
    {}, optional={"orders": st.lists(NEARLY, max_size=3), "meter": JSON, "cancel": JSON}
)
DATA = JSON | NEARLY | TURNS | st.binary(max_size=20)
NAMESPACES = ("/market", "/", "/simulation")


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.sampled_from(EVENTS), st.sampled_from(NAMESPACES), DATA), min_size=5, max_size=25)
)
def test_the_market_goes_on_whatever_is_said(said: list[tuple[str, str, Any]]) -> None:
    async def anything() -> None:
        async with hall(rounds=3) as place:
            playing = place.start()
            for name in ("ann", "bob"):
                place.joins(Client(home(name), place.url))
            async with Agent(place.url, "cat") as cat:
                await cat.socket.disconnect()
                await cat.socket.connect(place.url, namespaces=list(NAMESPACES), transports=["websocket"])
                await cat.says("join", {"participant_id": "cat"})
                await cat.hears("start_round")
                for event, namespace, data in said:
                    if namespace == "/simulation" and event == "pause":
                        continue
                    answer = await cat.socket.call(event, data, namespace=namespace, timeout=5)
                    assert namespace == "/" or isinstance(answer, dict | bytes), (event, answer)
                again = await cat.says("join", {"participant_id": "cat"})
                if isinstance(again, dict):  # it may have asked for MessagePack
                    assert again["ok"]
                while not playing.done():
                    await cat.sends("end_turn")
                    await asyncio.wait({playing}, timeout=0.01)
                await playing
            assert place.ledger.transactions

    asyncio.run(anything())
