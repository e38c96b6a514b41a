"""Foreign pages stay out, whatever they try: polling, a WebSocket, plain requests; real requests all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.helpers import terms
from tests.server.helpers import Agent, hall, soon
from trex_market.core.errors import ProtocolError
from trex_market.server.app import ServerSettings, SimulationServer
from trex_market.server.desk import Limits
from trex_market.server.doorkeeper import token_hash
from trex_market.server.web import Crowd, Origins

FOREIGN = "https://evil.example"
FRIEND = "https://friend.example"
POLLING = "/socket.io/?EIO=4&transport=polling"
SOCKET = "/socket.io/?EIO=4&transport=websocket"


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """Serve a market with a page of its own; return a session, and the market's URL."""
    server = SimulationServer(terms(), ["ann"], ServerSettings(**settings))
    server.application.router.add_get("/page", _page)
    server.application.router.add_post("/page", _page)
    async with server, aiohttp.ClientSession(server.url) as session:
        yield session, server.url


async def _page(_request: web.Request) -> web.Response:
    return web.Response(text="page")


async def reached(session: aiohttp.ClientSession, **headers: str) -> dict[str, int]:
    """Return the status of each way to reach a market."""
    found = {}
    async with session.get(POLLING, headers=headers) as answer:
        found["polling"] = answer.status
    try:
        async with session.ws_connect(SOCKET, headers=headers) as socket:
            assert (await soon(socket.receive())).data.startswith("0{")
            found["websocket"] = 101
    except aiohttp.WSServerHandshakeError as error:
        found["websocket"] = error.status
    async with session.get("/page", headers=headers) as answer:
        found["get"] = answer.status
    async with session.post("/page", headers=headers) as answer:
        found["post"] = answer.status
    async with session.get("/nothing", headers=headers) as answer:
        found["nothing"] = answer.status
    return found


WELCOME = {"polling": 200, "websocket": 101, "get": 200, "post": 200, "nothing": 404}
REFUSED = dict.fromkeys(WELCOME, 403)


@pytest.mark.parametrize("is_open", [True, False])
async def test_foreign_pages_stay_out(is_open: bool) -> None:
    async with served(token_hashes={} if is_open else {"ann": token_hash("a")}, is_open=is_open) as (
        session,
        url,
    ):
        assert await reached(session) == WELCOME, "no page at all"
        assert await reached(session, Origin=url) == WELCOME, "its own page"
        for origin in (
            FOREIGN,
            "null",
            "file://",
            url + "0",
            url.replace("http", "https"),
            "http://127.0.0.1",
            "*",
        ):
            assert await reached(session, Origin=origin) == REFUSED, origin


async def test_a_page_cannot_say_that_it_was_forwarded() -> None:
    async with served() as (session, url):
        host = url.removeprefix("http://")
        spoofed = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Host": host}
        assert await reached(session, Origin=FOREIGN, **spoofed) == REFUSED


async def test_pages_that_are_named_come_in() -> None:
    async with served(allowed_origins=(FRIEND + "/",)) as (session, url):
        assert await reached(session, Origin=FRIEND) == WELCOME
        assert await reached(session, Origin=url) == WELCOME
        assert await reached(session, Origin=FOREIGN) == REFUSED


async def test_all_pages_come_in_where_the_config_says_so() -> None:
    async with served(allowed_origins=("*",)) as (session, _):
        for origin in (FOREIGN, "null"):
            assert await reached(session, Origin=origin, Host="market.example") == WELCOME


async def test_browsers_are_told_what_they_may_show() -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with served(allowed_origins=(FRIEND,)) as (session, url):
        for path in ("/page", POLLING):
            async with session.options(path, headers={"Origin": FRIEND, **asks}) as answer:
                assert answer.ok
                assert answer.headers["Access-Control-Allow-Origin"] == FRIEND
                assert "authorization" in answer.headers["Access-Control-Allow-Headers"].lower()
                assert "Access-Control-Allow-Credentials" not in answer.headers
            async with session.get(path, headers={"Origin": FRIEND}) as answer:
                assert answer.headers["Access-Control-Allow-Origin"] == FRIEND
                assert "Access-Control-Allow-Credentials" not in answer.headers
            async with session.options(path, headers={"Origin": FOREIGN, **asks}) as answer:
                assert answer.status == 403
                assert "Access-Control-Allow-Origin" not in answer.headers
            async with session.get(path, headers={"Origin": FOREIGN}) as answer:
                assert "Access-Control-Allow-Origin" not in answer.headers
        async with session.get("/page", headers={"Origin": url}) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_every_answer_has_headers_that_keep_it_where_it_belongs() -> None:
    async with served() as (session, _):
        for path in ("/page", POLLING, "/nothing"):
            async with session.get(path) as answer:
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["X-Frame-Options"] == "DENY"
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                assert answer.headers["Server"] == "trex_market"


# ---------------------------------------------------------------- names that mean this machine

LOCAL_NAMES = ["127.0.0.1", "localhost:3100", "[::1]:3100", "192.168.1.5:80", "pi", "pi.local", "PI.Lan:3100"]


async def test_in_an_open_market_a_page_cannot_let_its_own_name_mean_this_machine() -> None:
    async with served() as (session, _):
        for name in LOCAL_NAMES:
            assert await reached(session, Host=name, Origin=f"http://{name}") == WELCOME, name
        for name in (
            "evil.example",
            "evil.example:3100",
            "local.evil.example",
            "127.0.0.1.evil.example",
            "evil.notlocal",
            "[zz",
        ):
            assert await reached(session, Host=name) == REFUSED, name
            assert await reached(session, Host=name, Origin=f"http://{name}") == REFUSED, name


async def test_a_name_that_is_meant_to_is_put_into_the_config() -> None:
    async with served(allowed_origins=("http://market.example",)) as (session, _):
        assert await reached(session, Host="market.example:3100") == WELCOME
        assert await reached(session, Host="evil.example") == REFUSED


async def test_where_tokens_are_asked_for_any_name_will_do() -> None:
    async with served(token_hashes={"ann": token_hash("a")}, is_open=False) as (session, _):
        assert await reached(session, Host="market.example") == WELCOME


def test_where_the_server_listens_is_its_name() -> None:
    origins = Origins((), "market.example", check_host=True)
    assert origins.knows("market.example:3100")
    assert not origins.knows("other.example:3100")


# ---------------------------------------------------------------- how many


async def test_one_address_has_so_many_connections() -> None:
    async with hall(["ann", "bob", "cat"], limits=Limits(connections_per_address=2)) as place:
        async with Agent(place.url, "ann"):
            async with Agent(place.url, "bob") as bob, aiohttp.ClientSession(place.url) as session:
                assert bob.joined["ok"]
                async with session.get("/nothing") as answer:
                    assert answer.status == 429
                with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
                    await session.ws_connect(SOCKET)
            async with asyncio.timeout(20):
                await until_there_is_room(place.url)


async def until_there_is_room(url: str) -> None:
    """Wait until a connection that was closed is forgotten at its server."""
    async with aiohttp.ClientSession(url) as session:
        while True:
            async with session.get("/nothing") as answer:
                if answer.status == 404:
                    return


def test_who_has_left_is_not_counted() -> None:
    crowd = Crowd(1)
    for _ in range(3):
        with crowd.one("192.0.2.7"), crowd.one("192.0.2.8"):
            with pytest.raises(ProtocolError), crowd.one("::ffff:192.0.2.7"):
                pass
    assert not crowd._counts


async def test_who_does_not_join_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trex_market.server.lobby.JOIN_WITHIN_S", 0.05)
    async with hall(["ann"]) as place:
        async with Agent(place.url, "ann") as ann, Agent(place.url, namespace="/simulation") as boss:
            await boss.says("register")
            for namespace in ("/market", "/simulation", "/"):
                async with Agent(place.url, namespace=namespace) as stranger:
                    await soon(stranger.gone.wait())
            assert not ann.gone.is_set()
            assert not boss.gone.is_set()


async def test_who_asks_again_and_again_without_joining_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    from trex_market.server import lobby
    from trex_market.throttle import Rate

    monkeypatch.setattr(lobby, "KNOCKS", Rate(0.001, 5))
    async with hall(["ann"]) as place:
        async with Agent(place.url) as first, Agent(place.url, namespace="/simulation") as second:
            codes = [await first.is_refused("bid", {}) for _ in range(5)]
            codes += [
                await second.is_refused("status"),
                await first.is_refused("join", {"participant_id": "ann"}),
            ]
    assert codes == ["unauthorised"] * 5 + ["rate_limited"] * 2
