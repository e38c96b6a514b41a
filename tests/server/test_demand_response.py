"""Demand response over Socket.IO and HTTP: who is told what, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.programmes.demand_response.helpers import DAY, HOUR, MONDAY, hold
from tests.server.helpers import Agent, soon
from tests.server.responding import NOON, TEN, Place, place
from trex_market.engine import Engine, replay
from trex_market.programmes.demand_response import DemandResponse, Terms
from trex_market.programmes.demand_response.records import AutoResponse
from trex_market.server.doorkeeper import token_hash


def known(market: Place, power_w: int = 1000) -> None:
    """Let all devices have taken the same power for weeks."""
    for device_id in market.programme.known.devices:
        hold(market.programme, device_id, power_w, MONDAY - 20 * DAY, MONDAY)


async def says_power(agent: Agent, device_id: str, power_w: int) -> None:
    answer = await agent.says("device_power", {"device_id": device_id, "power_w": power_w})
    assert answer["ok"], answer


async def test_an_event_from_invitation_to_result(tmp_path: Path) -> None:
    async with place(tmp_path) as market, Agent(market.server.own_url, "ann") as ann:
        known(market)
        await market.invites(devices=["heater", "pump"])
        invited = await ann.hears("dr_invitation")
        assert (invited["event_id"], invited["status"], invited["load_percent"]) == ("noon", "pending", 20.0)
        assert [(one["device_id"], one["asked_kw"]) for one in invited["devices"]] == [("heater", 0.2)]
        answer = {"event_id": "noon", "device_id": "heater", "accept": True, "reduction_kw": 0.25}
        assert (await ann.says("dr_answer", answer))["ok"]

        await market.clock.set(NOON - 600)
        scheduled = await ann.hears("dr_event_scheduled")
        assert scheduled["devices"][0]["committed_kw"] == 0.25
        await market.clock.set(NOON - 30)
        await says_power(ann, "heater", 1000)
        await market.clock.set(NOON)
        await ann.hears("dr_event_started")
        for time in range(NOON, NOON + HOUR + 1, 60):
            await market.clock.set(time)
            await says_power(ann, "heater", 700)
        told = await ann.hears("dr_progress")
        assert told["devices"][0]["reduction_kw"] == 0.3
        await ann.hears("dr_event_completed")
        await market.clock.set(NOON + HOUR + 60)
        result = (await ann.hears("dr_result"))["devices"][0]
        assert result["baseline_kwh"] == 1.0
        assert result["reduction_kwh"] == 0.3
        assert result["credited_kwh"] == 0.25
        assert result["measured_s"] == HOUR
        assert result["paid"] == pytest.approx(0.05)
        shown = await market.gets("/dr/events/noon")
        assert shown["found"]["status"] == "completed"
        assert {one["device_id"]: one["status"] for one in shown["found"]["devices"]} == {
            "heater": "completed",
            "pump": "expired",
        }


async def test_the_standing_rule_answers_and_tells(tmp_path: Path) -> None:
    rule = AutoResponse(is_on=True)
    async with place(tmp_path, rule=rule) as market, Agent(market.server.own_url, "bob") as bob:
        known(market)
        await market.invites(load_percent=50)
        await bob.hears("dr_invitation")
        lists = await market.gets("/dr/invitations")
        assert (len(lists["unanswered"]), lists["answered"]) == (4, [])
        await market.clock.set(TEN + 300)
        answered = await bob.hears("dr_answered")
        assert answered["devices"][0]["committed_kw"] == 0.2
        assert answered["devices"][0]["automatic"] is True
        lists = await market.gets("/dr/invitations")
        assert (lists["unanswered"], len(lists["answered"])) == ([], 4)


async def test_who_was_away_finds_what_it_missed(tmp_path: Path) -> None:
    async with place(tmp_path) as market:
        known(market)
        await market.invites()
        async with Agent(market.server.own_url, "cat") as watcher:
            seen = await watcher.says("dr_events")
            assert [one["event_id"] for one in seen["events"]] == ["noon"]
            assert [one["device_id"] for one in seen["events"][0]["devices"]] == ["house"]
        status, _ = await market.asks("POST", "/dr/events/noon/cancel")
        assert status == 200
        async with Agent(market.server.own_url, "cat", last_event=1) as cat:
            heard = [event for _, event, _ in cat.joined["missed"]]
            if "dr_event_cancelled" not in heard:
                await cat.hears("dr_event_cancelled")


async def test_a_silent_device_is_told_of(tmp_path: Path) -> None:
    async with place(tmp_path) as market, Agent(market.server.own_url, "ann") as ann:
        known(market)
        await market.invites(devices=["heater"])
        answer = {"event_id": "noon", "device_id": "heater", "accept": True, "reduction_kw": 0.25}
        assert (await ann.says("dr_answer", answer))["ok"]
        for time in (NOON - 30, NOON + 30, NOON + 600):
            await market.clock.set(time)
            await says_power(ann, "heater", 700)
        silent = await ann.hears("dr_silent")
        assert (silent["start"], silent["end"]) == (NOON + 30, NOON + 600)


@pytest.mark.parametrize(
    ("event", "data", "code"),
    [
        ("dr_answer", {"event_id": "other", "device_id": "heater", "accept": True}, "unknown_event"),
        ("dr_answer", {"event_id": "noon", "device_id": "oven", "accept": False}, "unknown_device"),
        ("dr_answer", {"event_id": "noon", "device_id": "pump", "accept": False}, "unauthorised"),
        ("dr_answer", {"event_id": "noon", "device_id": "heater", "accept": True}, "bad_load"),
        ("dr_answer", {"event_id": "noon", "device_id": "heater", "accept": True, "reduction_kw": -1}, "bad_load"),
        ("dr_answer", {"event_id": "noon", "device_id": "heater", "accept": True, "reduction_kw": 1e300}, "bad_load"),
        ("dr_answer", {"event_id": "noon", "device_id": "heater", "accept": False, "reduction_kw": 1}, "bad_load"),
        ("dr_answer", {"event_id": "noon", "device_id": "heater", "accept": "yes"}, "malformed"),
        ("dr_answer", None, "malformed"),
        ("device_power", {"device_id": "oven", "power_w": 1}, "unknown_device"),
        ("device_power", {"device_id": "pump", "power_w": 1}, "unauthorised"),
        ("device_power", {"device_id": "heater", "power_w": 10**12}, "bad_load"),
        ("device_power", {"device_id": "heater", "power_w": 1, "time": TEN + 60}, "bad_time"),
        ("device_power", {"device_id": "heater", "power_w": 1.5}, "malformed"),
        ("device_power", {"device_id": "heater", "power_w": 10**30}, "malformed"),
        ("device_power", {"device_id": "heater", "power_w": 1, "time": 10**30}, "malformed"),
        ("device_power", {"device_id": "heater", "power_w": 1, "time": -1}, "malformed"),
        ("device_power", {"device_id": "x" * 65, "power_w": 1}, "malformed"),
        ("dr_answer", {"event_id": "x" * 65, "device_id": "heater", "accept": False}, "malformed"),
        ("device_power", {"device_id": "heater"}, "malformed"),
        ("device_power", {"samples": []}, "malformed"),
    ],
)  # fmt: skip
async def test_what_participants_are_refused(tmp_path: Path, event: str, data: Any, code: str) -> None:
    async with place(tmp_path) as market, Agent(market.server.own_url, "ann") as ann:
        await market.invites()
        assert await ann.is_refused(event, data) == code
        assert (await ann.says("device_power", {"device_id": "heater", "power_w": 1}))["ok"]


async def test_late_and_repeated_requests_are_refused(tmp_path: Path) -> None:
    async with place(tmp_path) as market, Agent(market.server.own_url, "ann") as ann:
        await market.invites()
        answer = {"event_id": "noon", "device_id": "heater", "accept": True, "reduction_kw": 1}
        assert (await ann.says("dr_answer", answer))["ok"]
        await says_power(ann, "heater", 5)
        assert await ann.is_refused("device_power", {"device_id": "heater", "power_w": 6}) == "bad_time"
        await market.clock.set(NOON - 600)
        assert await ann.is_refused("dr_answer", answer | {"reduction_kw": 2}) == "deadline_passed"
        assert await ann.is_refused("dr_answer", answer | {"device_id": "car"}) == "deadline_passed"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"start": TEN}, 400, "bad_time"),
        ({"start": TEN + 400 * DAY}, 400, "bad_time"),
        ({"duration_s": 9}, 400, "bad_time"),
        ({"duration_s": 86_401}, 400, "bad_time"),
        ({"answer_by": NOON + 1}, 400, "bad_time"),
        ({"load_percent": None}, 400, "bad_load"),
        ({"load_kwh": 1}, 400, "bad_load"),
        ({"load_percent": -1}, 400, "bad_load"),
        ({"load_percent": 101}, 400, "bad_load"),
        ({"load_percent": None, "load_kwh": 1e12}, 400, "bad_load"),
        ({"load_percent": None, "load_kwh": 0}, 400, "bad_load"),
        ({"quorum_percent": 0}, 400, "bad_load"),
        ({"price": -1}, 400, "bad_price"),
        ({"devices": ["oven"]}, 404, "unknown_device"),
        ({"event_id": "first"}, 400, "malformed"),
        ({"start": NOON + 5 * HOUR, "duration_s": 7200}, 409, "overlapping_event"),
        ({"start": "noon"}, 400, "malformed"),
    ],
)
async def test_what_managers_are_refused(
    tmp_path: Path, change: dict[str, Any], status: int, code: str
) -> None:
    async with place(tmp_path) as market:
        await market.invites(event_id="first", start=NOON + 6 * HOUR)
        wanted = {"event_id": "noon", "start": NOON, "duration_s": 3600, "load_percent": 20} | change
        found, answer = await market.asks("POST", "/dr/events", wanted)
        assert (found, answer["code"]) == (status, code), answer
        assert answer["detail"]
        assert [one["event_id"] for one in (await market.gets("/dr/events"))["events"]] == ["first"]


async def test_who_accepted_can_leave_after_the_deadline_once(tmp_path: Path) -> None:
    async with place(tmp_path) as market, Agent(market.server.own_url, "ann") as ann:
        known(market)
        await market.invites()
        answer = {"event_id": "noon", "device_id": "heater", "accept": True, "reduction_kw": 1}
        assert (await ann.says("dr_answer", answer))["ok"]
        await market.clock.set(NOON + 60)
        await ann.hears("dr_event_started")
        leaves = answer | {"accept": False, "reduction_kw": 0}
        assert (await ann.says("dr_answer", leaves))["ok"]
        heater, _ = (await ann.says("dr_events"))["events"][0]["devices"]
        assert (heater["accepts"], heater["committed_kw"], heater["left_at"]) == (True, 1.0, NOON + 60)
        assert await ann.is_refused("dr_answer", leaves) == "deadline_passed"


async def test_the_manager_answers_for_a_device_and_its_participant_is_told(tmp_path: Path) -> None:
    async with place(tmp_path) as market, Agent(market.server.own_url, "ann") as ann:
        known(market)
        await market.invites()
        status, taken = await market.asks(
            "POST", "/dr/events/noon/answer", {"device_id": "heater", "accept": True}
        )
        assert status == 200, taken
        told = {one["device_id"]: one for one in (await ann.hears("dr_answered"))["devices"]}
        assert (told["heater"]["accepts"], told["heater"]["committed_kw"]) == (True, 0.2)
        assert told["car"]["accepts"] is None
        for body, code in (
            ({"device_id": "oven", "accept": True}, "unknown_device"),
            ({"device_id": "car", "accept": True, "reduction_kw": -1}, "bad_load"),
            ({"device_id": "car"}, "malformed"),
        ):
            status, refused = await market.asks("POST", "/dr/events/noon/answer", body)
            assert (status, refused["code"]) == (404 if code == "unknown_device" else 400, code)
        status, refused = await market.asks(
            "POST", "/dr/events/e/answer", {"device_id": "car", "accept": True}
        )
        assert (status, refused["code"]) == (404, "unknown_event")
        own = {"event_id": "noon", "device_id": "car", "accept": False}
        assert (await ann.says("dr_answer", own))["ok"]
        await market.clock.set(NOON - 600)
        await ann.hears("dr_event_scheduled")


async def test_events_that_end_after_a_moment(tmp_path: Path) -> None:
    async with place(tmp_path) as market:
        await market.invites()
        await market.invites(event_id="later", start=NOON + 7200)
        found = await market.gets(f"/dr/events?after={NOON + 3600}")
        assert [one["event_id"] for one in found["events"]] == ["later"]
        assert (await market.asks("GET", "/dr/events?after=noon"))[0] == 400


async def test_devices_rules_instructions_and_flexibility(tmp_path: Path) -> None:
    async with place(tmp_path) as market, Agent(market.server.own_url, "ann") as ann:
        await says_power(ann, "heater", 1500)
        devices = {one["device_id"]: one for one in (await market.gets("/dr/devices"))["devices"]}
        assert devices["heater"]["power_kw"] == 1.5
        assert devices["heater"]["sheddable_kw"] == 0.3
        assert devices["car"]["power_kw"] is None
        hours = ["off"] * 10 + ["participation"] + ["shifting"] * 13
        assert await market.asks("PUT", "/dr/devices/heater/hours", {"hours": hours}) == (200, {"ok": True})
        could = await market.gets("/dr/flexibility")
        assert could["now"]["sheddable_kw"] == 1.5
        await market.asks("POST", "/dr/flexibility")
        history = (await market.gets("/dr/flexibility"))["history"]
        assert history[0]["sheddable_kw"] == 1.5
        rule = {"enabled": True, "max_reduction_percent": 35, "delay_s": 10, "notice_s": 20}
        assert await market.asks("PUT", "/dr/auto-response/bob", rule) == (200, {"ok": True})
        devices = {one["device_id"]: one for one in (await market.gets("/dr/devices"))["devices"]}
        assert devices["pump"]["auto_response"] == rule
        assert devices["heater"]["auto_response"]["enabled"] is False
        status, answer = await market.asks("PUT", "/dr/auto-response/zoe", rule)
        assert (status, answer["code"]) == (404, "unknown_participant")


async def test_only_the_operator_changes_and_only_the_observer_looks(tmp_path: Path) -> None:
    hashes = {name: token_hash(name) for name in ("operator", "observer", "ann")}
    async with place(tmp_path, token_hashes=hashes, is_open=False) as market:
        event = {"start": NOON, "load_percent": 20}
        for token, looks, changes in (
            (None, 401, 401),
            ("ann", 401, 401),
            ("observer", 200, 401),
            ("operator", 200, 200),
        ):
            assert (await market.asks("GET", "/dr/events", token=token))[0] == looks
            assert (await market.asks("POST", "/dr/events", event, token))[0] == changes


async def test_analytics_of_a_period(tmp_path: Path) -> None:
    async with place(tmp_path) as market:
        found = await market.gets(f"/dr/analytics?start={TEN}&end={NOON}")
        assert (found["start"], found["end"], found["events"]) == (TEN, NOON, 0)
        assert found["achievement_percent"] is None
        assert (await market.gets("/dr/analytics"))["start"] == TEN - 30 * DAY
        status, answer = await market.asks("GET", f"/dr/analytics?start={NOON}&end={TEN}")
        assert (status, answer["code"]) == (400, "bad_time")
        status, answer = await market.asks("GET", "/dr/analytics?start=now")
        assert (status, answer["code"]) == (400, "bad_time")


async def test_the_journal_says_all_of_it_again(tmp_path: Path) -> None:
    async with place(tmp_path) as market, Agent(market.server.own_url, "ann") as ann:
        await market.invites()
        answer = {"event_id": "noon", "device_id": "heater", "accept": True, "reduction_kw": 1}
        assert (await ann.says("dr_answer", answer))["ok"]
        await says_power(ann, "heater", 500)
        await market.clock.set(NOON)
        await ann.hears("dr_event_started")
        before = market.programme.state()
    programme = DemandResponse(Terms("UTC", 900))
    for _ in soon_replayed(tmp_path / "journal.jsonl", programme):
        pass
    assert programme.state() == before


def soon_replayed(journal: Path, programme: DemandResponse) -> Any:
    return replay(journal, Engine(programmes=(programme,)))


async def test_a_body_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with place(tmp_path) as market:
        status, answer = await soon(market.asks("POST", "/dr/events", b" " * 1_000_001))
        assert (status, answer["code"]) == (400, "malformed")
