"""Server-sent events: encoded once, sent when they have changed, and never queued."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.helpers import slot
from tests.server.helpers import PATIENCE_S, soon
from tests.server.looking import CLOSED, Place, place
from trex_market.core.errors import InputError
from trex_market.protocol import view
from trex_market.server import dashboard
from trex_market.server.publishing import Publisher


def note(text: str) -> view.Alarm:
    """Return a card of its own."""
    return view.Alarm(code="c", level="note", text=text, since=1)


def events(data: bytes) -> list[tuple[str, Any]]:
    """Read server-sent events."""
    read = []
    for block in data.decode().split("\n\n")[:-1]:
        name, content = block.split("\n")
        assert name.startswith("event: ")
        assert content.startswith("data: ")
        read.append((name[7:], json.loads(content[6:])))
    return read


class Viewer:
    """Somebody who listens to /events.

    Args:
        found: the market.
        token: that is shown.
    """

    def __init__(self, found: Place, token: str | None = None) -> None:
        self._found = found
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        self._response = await self._session.get(self._found.server.url + "/events", headers=self._headers)
        self.status = self._response.status
        self._rest = b""
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._response.close()
        await self._session.close()

    async def hears(self, name: str) -> Any:
        """Wait for an event, and return its data."""
        while True:
            while b"\n\n" in self._rest:
                block, self._rest = self._rest.split(b"\n\n", 1)
                ((heard, data),) = events(block + b"\n\n")
                if heard == name:
                    return data
            async with asyncio.timeout(PATIENCE_S):
                self._rest += await self._response.content.readany()


async def test_what_has_not_changed_is_not_sent_again() -> None:
    publisher = Publisher()
    publisher.publish({"a": note("1"), "b": note("2")})
    assert [name for name, _ in events(publisher.since(0))] == ["a", "b"]
    first = publisher.version
    publisher.publish({"a": note("1"), "b": note("2")})
    assert (publisher.version, publisher.since(first)) == (first, b"")
    publisher.publish({"a": note("1"), "b": note("3")})
    assert events(publisher.since(first)) == [("b", {"code": "c", "level": "note", "text": "3", "since": 1})]
    assert [name for name, _ in events(publisher.since(0))] == ["a", "b"]


async def test_who_was_slow_gets_the_latest_state_alone() -> None:
    publisher = Publisher()
    for number in range(1000):
        publisher.publish({"a": note("same"), "b": note(str(number))})
    assert [data["text"] for _, data in events(publisher.since(1))] == ["999"]
    assert len(publisher.contents()) == 2


async def test_a_change_wakes_all_who_wait() -> None:
    publisher = Publisher()
    publisher.publish({"a": note("1")})
    waiting = [asyncio.create_task(publisher.changed(1, PATIENCE_S)) for _ in range(3)]
    assert await publisher.changed(0, 0) is True
    await asyncio.sleep(0)
    publisher.publish({"a": note("1")})
    assert await publisher.changed(1, 0) is False
    publisher.publish({"a": note("2")})
    assert await soon(asyncio.gather(*waiting)) == [True] * 3


# ---------------------------------------------------------------- over HTTP


async def test_viewers_hear_all_at_first_and_then_what_changes(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        found.starts_round(0)
        async with Viewer(found) as viewer:
            assert (await viewer.hears("access")) == {"role": "operator", "controls": ["stop"]}
            assert await viewer.hears("time") == found.clock.time
            assert (await viewer.hears("round"))["time"] == slot(0)
            found.starts_round(1)
            assert (await viewer.hears("round"))["time"] == slot(1)
            found.offers("ann", "ask", 70, 120_000, 3)
            assert (await viewer.hears("depth"))["asks"] == [[0.12, 70]]


async def test_a_state_is_made_once_for_all_viewers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    cards = dashboard.cards

    def counted(watch: Any) -> Any:
        nonlocal made
        made += 1
        return cards(watch)

    monkeypatch.setattr(dashboard, "cards", counted)
    async with place(tmp_path) as found:
        viewers = [Viewer(found) for _ in range(20)]
        for viewer in viewers:
            await viewer.__aenter__()
        assert found.server.dashboard.viewers == 20
        first = made
        assert first < 20
        found.starts_round(0)
        for viewer in viewers:
            while (await viewer.hears("round"))["time"] != slot(0):
                pass
        assert made - first < 20
        for viewer in viewers:
            await viewer.__aexit__()


async def test_nothing_is_made_while_nobody_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unwanted(_watch: Any) -> Any:
        raise InputError("nobody looks")

    monkeypatch.setattr(dashboard, "cards", unwanted)
    async with place(tmp_path) as found:
        ticked = asyncio.Event()
        found.server.dashboard.ticked = lambda _late: ticked.set()
        await soon(ticked.wait())
        ticked.clear()
        await soon(ticked.wait())


async def test_a_fault_in_what_watches_ends_the_market(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with place(tmp_path) as found:
        faults: asyncio.Queue[BaseException] = asyncio.Queue()
        found.server.desk.faulty = faults.put_nowait

        def broken(_events: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(found.watch.tally, "hear", broken)
        found.starts_round(0)
        assert isinstance(await soon(faults.get()), ZeroDivisionError)
        found.watch._outbox = None


async def test_a_viewer_that_takes_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "STALLED_S", 2.0)
    monkeypatch.setattr(dashboard, "HEARTBEAT_S", 0.1)
    loop = asyncio.get_running_loop()
    async with place(tmp_path) as found:
        found.watch.alarms.tell("long", "note", "more than fits between two sockets " * 200_000)
        url = urlsplit(found.server.url)
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            await loop.sock_connect(deaf, (url.hostname, url.port))
            await loop.sock_sendall(deaf, b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            async with Viewer(found) as other:
                async with asyncio.timeout(2 * PATIENCE_S):
                    while found.server.dashboard.viewers != 2:
                        await other.hears("time")
                    while found.server.dashboard.viewers != 1:
                        await other.hears("time")
                found.starts_round(0)
                while (await other.hears("round"))["time"] != slot(0):
                    pass


async def test_there_are_not_too_many_viewers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "MOST_VIEWERS", 2)
    monkeypatch.setattr(dashboard, "HEARTBEAT_S", 0.05)
    async with place(tmp_path) as found:
        async with Viewer(found), Viewer(found) as second:
            async with Viewer(found) as third:
                assert third.status == 429
            assert second.status == 200
            assert (await found.asks("/state"))[0] == 200
        async with asyncio.timeout(PATIENCE_S):
            while True:
                async with Viewer(found) as another:
                    if another.status == 200:
                        break


@pytest.mark.parametrize(
    ("token", "expected"), [(None, 401), ("a", 401), ("wrong", 401), ("ob", 200), ("op", 200)]
)
@pytest.mark.parametrize("path", ["/state", "/events"])
async def test_looking_needs_a_token_where_there_are_tokens(
    tmp_path: Path, path: str, token: str | None, expected: int
) -> None:
    async with place(tmp_path, **CLOSED) as found:
        if path == "/events":
            async with Viewer(found, token) as viewer:
                assert viewer.status == expected
        else:
            assert (await found.asks(path, token))[0] == expected


async def test_an_observer_is_told_that_it_cannot_act(tmp_path: Path) -> None:
    async with place(tmp_path, **CLOSED) as found:
        assert (await found.state_now("ob")).access == view.Access(role="observer", controls=[])
        assert (await found.state_now("op")).access == view.Access(role="operator", controls=["stop"])


# ---------------------------------------------------------------- acting


@pytest.mark.parametrize(("token", "expected"), [(None, 401), ("ob", 401), ("a", 401), ("op", 200)])
async def test_acting_needs_the_operators_token(tmp_path: Path, token: str | None, expected: int) -> None:
    async with place(tmp_path, **CLOSED) as found:
        status, _, body = await found.asks("/control/stop", token, "POST")
        assert status == expected
        assert found.stopped.is_set() is (expected == 200)
        assert json.loads(body)["ok"] is (expected == 200)


async def test_an_action_is_one_that_there_is(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        status, _, body = await found.asks("/control/explode", method="POST")
        assert status == 400
        assert "there are: stop" in json.loads(body)["detail"]
        assert (await found.asks("/control/stop", method="GET"))[0] == 405
        assert not found.stopped.is_set()


async def test_other_pages_cannot_act_nor_look(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        for method, path in (("POST", "/control/stop"), ("GET", "/state"), ("GET", "/events")):
            status, headers, _ = await found.asks(path, method=method, Origin="https://elsewhere.example")
            assert status == 403
            assert "Access-Control-Allow-Origin" not in headers
        assert not found.stopped.is_set()
        assert (await found.asks("/control/stop", method="POST", Origin=found.server.url))[0] == 200
        assert found.stopped.is_set()


# ---------------------------------------------------------------- the files


async def test_the_page_is_open_to_all_and_strict_with_itself(tmp_path: Path) -> None:
    async with place(tmp_path, ["ann", "<i>bob</i>"], **CLOSED) as found:
        found.starts_round(0)
        status, headers, page = await found.asks("/")
    assert status == 200
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert b'data-token="needed"' in page
    assert b"bob" not in page
    assert not re.search(rb"\s(on\w+|style)\s*=|javascript:|https?:", page)
    assert re.findall(rb"<script[^>]*>(.*?)</script>", page) == [b"", b""]


async def test_files_are_sent_once(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        status, headers, body = await found.asks("/static/main.js")
        assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
        assert body
        again, _, empty = await found.asks("/static/main.js", **{"If-None-Match": headers["ETag"]})
        assert (again, empty) == (304, b"")
        for path in (
            "/static/nothing.js",
            "/static/../dashboard.py",
            "/static/..%2fdashboard.py",
            "/static/index.html",
        ):
            assert (await found.asks(path))[0] == 404
        assert b'data-token="none"' in (await found.asks("/"))[2]


async def test_every_route_is_described(tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        routes = {
            (route.method, route.resource.canonical)
            for route in found.server.application.router.routes()
            if route.resource is not None and not route.resource.canonical.startswith("/socket.io")
        }
    served = {(method, path) for method, path in routes if method not in ("HEAD", "OPTIONS")}
    assert served == {(route.method, route.path) for route in view.ROUTES}
