"""A line for each refusal: who, what, why; never a token, and no flood."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.helpers import terms
from tests.server.helpers import Agent, bid, hall, meter, soon
from trex_market.core.errors import ProtocolError, RefusalCode
from trex_market.protocol import wire
from trex_market.server import audit as module
from trex_market.server.app import ServerSettings, SimulationServer
from trex_market.server.audit import LINES_EACH, LINES_IN_ALL, Audit, Visitor
from trex_market.server.desk import Limits
from trex_market.server.doorkeeper import OBSERVER, OPERATOR, Role, token_hash
from trex_market.throttle import Rate

TOKENS = {"ann": "token-of-ann", OPERATOR: "token-of-boss", OBSERVER: "token-of-eye"}
HASHES = {name: token_hash(token) for name, token in TOKENS.items()}
CLOSED: dict[str, Any] = {"token_hashes": HASHES, "is_open": False}


@pytest.fixture(autouse=True)
def _all_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="trex_market.audit")


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, bool, str, str]]:
    """Return who, whether that was proven, what, code."""
    found = []
    for record in caplog.records:
        if record.name == "trex_market.audit" and hasattr(record, "code"):
            fields = vars(record)
            assert fields["address"] == "127.0.0.1"
            assert fields["detail"]
            found.append((fields["who"], fields["known"], fields["what"], fields["code"]))
    return found


async def test_refusals_of_participants_are_written_down(caplog: pytest.LogCaptureFixture) -> None:
    async with hall(["ann"], rounds=2, **CLOSED) as place:
        async with Agent(place.url) as agent:
            await agent.is_refused("bid", bid())
            await agent.is_refused("join", {"participant_id": "ann", "token": "wrong"})
            await agent.is_refused("join", {"participant_id": "ann"})
            await agent.is_refused("join", {"participant_id": "zoe", "token": "wrong"})
            await agent.is_refused("join", 5)
            assert (await agent.says("join", {"participant_id": "ann", "token": TOKENS["ann"]}))["ok"]
            place.start()
            await agent.hears("start_round")
            await agent.is_refused("bid", bid(price=-1))
            await agent.is_refused("cancel", {"order_id": "none"})
            await agent.is_refused("what is this", {})
            assert (await agent.says("bid", bid()))["ok"]
            orders = [bid(side="bid"), bid(side="bid", quantity=0), bid(side="bid", quantity=-5)]
            turn = {"orders": orders, "cancel": ["none"], "meter": meter(solar=-1)}
            assert (await agent.says("turn", turn))["ok"]
    assert lines(caplog) == [
        ("", False, "bid", "unauthorised"),
        ("ann", False, "join", "unauthorised"),
        ("ann", False, "join", "unauthorised"),
        ("zoe", False, "join", "unauthorised"),
        ("", False, "join", "malformed"),
        ("ann", True, "bid", "bad_price"),
        ("ann", True, "cancel", "unknown_order"),
        ("ann", True, "what is this", "malformed"),
        ("ann", True, "turn", "unknown_order"),
        ("ann", True, "turn", "bad_quantity"),
        ("ann", True, "turn", "bad_quantity"),
        ("ann", True, "turn", "bad_quantity"),
    ]


async def test_refusals_on_the_other_namespaces_are_written_down(caplog: pytest.LogCaptureFixture) -> None:
    async with hall(["ann"], **CLOSED) as place:
        async with Agent(place.url, namespace="/simulation") as watcher:
            await watcher.is_refused("stop")
            await watcher.is_refused("register", {"token": TOKENS["ann"]})
            assert (await watcher.says("register", {"token": TOKENS[OBSERVER]}))["ok"]
            assert (await watcher.says("status"))["ok"]
            await watcher.is_refused("stop")
        async with Agent(place.url, namespace="/") as trex:
            assert await trex.says("join_market", {"id": "ann", "market_id": "m"}) is False
            assert await trex.says("join_market", {"id": "ann", "market_id": "m", "token": "wrong"}) is False
            await trex.sends("bid", bid())
            assert (await trex.hears("order_refused"))["code"] == "unauthorised"
            welcome = {"id": "ann", "market_id": "m", "token": TOKENS["ann"]}
            assert await trex.says("join_market", welcome) is True
            await trex.sends("bid", bid())
            assert (await trex.hears("order_refused"))["code"] == "wrong_phase"
    assert lines(caplog) == [
        ("", False, "stop", "unauthorised"),
        ("", False, "register", "unauthorised"),
        ("observer", True, "stop", "unauthorised"),
        ("ann", False, "join_market", "unauthorised"),
        ("ann", False, "join_market", "unauthorised"),
        ("", False, "bid", "unauthorised"),
        ("ann", True, "bid", "wrong_phase"),
    ]


async def test_an_observer_looks_and_does_nothing() -> None:
    async with hall(["ann"], **CLOSED) as place, Agent(place.url, namespace="/simulation") as watcher:
        assert (await watcher.says("register", {"token": TOKENS[OBSERVER]}))["state"] == "waiting"
        for control in ("pause", "resume", "step", "stop"):
            assert await watcher.is_refused(control) == "unauthorised"
        await place.conductor._tell_status()
        assert (await watcher.hears("status"))["state"] == "waiting"
        assert (await watcher.says("register", {"token": TOKENS[OPERATOR]}))["ok"]
        assert (await watcher.says("pause"))["state"] == "paused"


async def test_refusals_over_http_are_answered_and_written_down(caplog: pytest.LogCaptureFixture) -> None:
    server = SimulationServer(terms(), ["ann"], ServerSettings(**CLOSED))

    async def act(request: web.Request) -> web.Response:
        role = server.admit(request, Role.METER, "ann")
        if request.query:
            raise ProtocolError(RefusalCode.BAD_QUANTITY, "must be a number")
        return web.Response(text=role.value)

    server.application.router.add_get("/act", act)
    answers = []
    async with server, aiohttp.ClientSession(server.url) as session:
        for token, query in (
            (None, ""),
            ("Basic xyz", ""),
            ("Bearer wrong", ""),
            ("Bearer \xff\xfe", ""),
            (f"Bearer {TOKENS['ann']}", "?x=1"),
            (f"bearer  {TOKENS['ann']}", ""),
        ):
            headers = {"Authorization": token} if token else {}
            async with session.get(f"/act{query}", headers=headers) as answer:
                body = await answer.text()
                answers.append((answer.status, body if answer.ok else json.loads(body)["code"]))
                assert (answer.headers.get("WWW-Authenticate") == "Bearer") is (answer.status == 401)
    assert not server._gate._visitors
    assert answers == [(401, "unauthorised")] * 4 + [(400, "bad_quantity"), (200, "participant")]
    assert lines(caplog) == [("", False, "GET /act", "unauthorised")] * 4 + [
        ("ann", True, "GET /act", "bad_quantity")
    ]


async def test_serious_refusals_are_warnings(caplog: pytest.LogCaptureFixture) -> None:
    audit = Audit()
    for code in RefusalCode:
        audit.refused(Visitor("192.0.2.7", "ann"), "bid", ProtocolError(code, "no"))
    audit.close()
    serious = {record.code for record in caplog.records if record.levelno == logging.WARNING}
    assert serious == {"unauthorised", "unknown_participant", "rate_limited"}
    assert len(caplog.records) == len(RefusalCode)


# ---------------------------------------------------------------- floods


async def test_a_flood_is_cut_short_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    limits = Limits(requests_per_round=1_000_000, rate=Rate(0.001, 5))
    async with hall(["ann"], limits=limits) as place, Agent(place.url, "ann") as ann:
        codes = Counter([(await ann.says("bid", bid()))["code"] for _ in range(3 * LINES_EACH)])
    assert codes == {"wrong_phase": 5, "rate_limited": 3 * LINES_EACH - 5}
    assert len(lines(caplog)) == LINES_EACH
    assert caplog.messages[-1] == (
        f"{2 * LINES_EACH} further refusals to 'ann' at 127.0.0.1 in the last 60 s were left out"
    )
    assert caplog.records[-1].left_out == 2 * LINES_EACH


async def test_after_a_while_there_are_lines_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PERIOD_S", 0.01)
    audit = Audit()
    refusal = wire.Result(ok=False, code=RefusalCode.BAD_PRICE, detail="no")
    for _ in range(LINES_EACH + 3):
        audit.refused(Visitor("192.0.2.7", "ann", known=True), "bid", refusal)

    told = asyncio.Event()
    listener = logging.Handler()
    listener.emit = lambda _record: told.set()  # type: ignore[method-assign]
    logging.getLogger("trex_market.audit").addHandler(listener)
    await soon(told.wait())
    logging.getLogger("trex_market.audit").removeHandler(listener)
    assert caplog.messages[-1].startswith("3 further refusals to 'ann'")
    audit.refused(Visitor("192.0.2.7", "ann", known=True), "bid", refusal)
    assert caplog.messages[-1] == "refused bid to 'ann' at 192.0.2.7: bad_price: no"
    audit.close()


async def test_names_that_are_made_up_give_no_further_lines(caplog: pytest.LogCaptureFixture) -> None:
    audit = Audit()
    error = ProtocolError(RefusalCode.UNAUTHORISED, "no")
    for number in range(100):
        audit.refused(Visitor(f"2001:db8::{number:x}", f"name-{number}"), "join", error)
    assert len(caplog.records) == LINES_EACH
    audit.refused(Visitor("2001:db8:0:1::1", "other"), "join", error)
    audit.refused(Visitor("2001:db8::1", "ann", known=True), "bid", error)
    assert len(caplog.records) == LINES_EACH + 2
    audit.close()


async def test_all_floods_together_have_an_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PERIOD_S", 0.01)
    audit = Audit()
    error = ProtocolError(RefusalCode.UNAUTHORISED, "no")
    addresses = 3 * module.VISITORS_TOLD_APART
    for number in range(addresses):
        audit.refused(Visitor(f"198.18.{number // 250}.{number % 250}"), "join", error)
    assert len(caplog.records) <= LINES_IN_ALL
    assert len(audit._periods) <= module.VISITORS_TOLD_APART + 1
    ended = asyncio.Event()
    asyncio.get_running_loop().call_at(audit._all_end.when() + 0.05, ended.set)  # type: ignore[union-attr]
    await soon(ended.wait())
    told = sum(vars(record).get("left_out", 1) for record in caplog.records)
    assert told == addresses
    before = len(caplog.records)
    audit.refused(Visitor("192.0.2.7"), "join", error)
    assert len(caplog.records) == before + 1
    audit.close()


async def test_what_is_long_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    audit = Audit()
    audit.refused(
        Visitor("192.0.2.7", "n" * 10_000), "e" * 10_000, ProtocolError(RefusalCode.MALFORMED, "d" * 10_000)
    )
    audit.close()
    assert len(caplog.messages[0]) < 1_000
    assert all(len(str(value)) < 1_000 for value in vars(caplog.records[0]).values())
