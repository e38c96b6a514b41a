"""Events of a market, as VENs see them and answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.openadr.helpers import Ven, site

HOUR = 3600


async def test_an_event_is_published_and_opt_in_commits_the_devices(tmp_path: Path) -> None:
    async with site(tmp_path) as here, Ven("ann", here.url) as ven:
        assert ven.client.ven_id == "ann"
        assert await ven.states() == {}
        await here.invites()
        await ven.polls()
        (event,) = ven.heard
        descriptor, period = event["event_descriptor"], event["active_period"]
        assert (descriptor["event_id"], descriptor["event_status"]) == ("noon", "far")
        assert descriptor["modification_number"] == 0
        assert period["dtstart"] == datetime.fromtimestamp(here.start, UTC)
        assert period["duration"] == timedelta(seconds=HOUR)
        assert period["ramp_up"] == timedelta(seconds=600)
        simple, dispatch = event["event_signals"]
        assert (simple["signal_name"], simple["intervals"][0]["signal_payload"]) == ("SIMPLE", 1)
        assert (dispatch["signal_name"], dispatch["signal_type"]) == ("LOAD_DISPATCH", "delta")
        assert dispatch["intervals"][0]["signal_payload"] == -600, "two of four devices, 1.2 kW in all"
        assert dispatch["powerReal"]["item_units"] == "W"
        targets = event["targets_by_type"]
        assert (targets["resource_id"], targets["ven_id"]) == (["heater", "car"], ["ann"])

        devices = await here.devices()
        assert {name: one["accepts"] for name, one in devices.items()} == {
            "heater": True,
            "car": True,
            "pump": None,
            "house": None,
        }
        assert devices["heater"]["committed_kw"] == devices["heater"]["asked_kw"] == 0.3
        assert devices["heater"]["automatic"] is False
        await ven.polls()
        assert len(ven.heard) == 1, "nothing is told twice"


async def test_the_states_of_an_event_follow_the_market_s_clock(tmp_path: Path) -> None:
    async with site(tmp_path) as here, Ven("ann", here.url) as ven:
        await here.invites()
        await ven.polls()
        seen = [await ven.states()]
        for moment in (here.start - 600, here.start, here.start + HOUR):
            await here.market.clock.set(moment)
            await ven.polls()
            seen.append(await ven.states())
        assert [states["noon"] for states in seen] == ["far", "near", "active", "completed"]
        assert len(ven.heard) == 1, "it is the same event all the time"
        await here.market.clock.set(here.start + 3 * HOUR)
        assert await ven.states() == {"noon": "completed"}
        assert await ven.states() == {}, "old events are not told of for ever"
        assert (await here.devices())["heater"]["accepts"] is True


async def test_opt_out_declines(tmp_path: Path) -> None:
    async with site(tmp_path) as here, Ven("ann", here.url, "optOut") as ann, Ven("bob", here.url) as bob:
        await here.invites()
        await ann.polls()
        await bob.polls()
        devices = await here.devices()
        assert [devices[name]["accepts"] for name in ("heater", "car", "pump")] == [False, False, True]
        assert await ann.answers("optIn") == 200, "the last answer before the deadline counts"
        assert (await here.devices())["car"]["accepts"] is True
        assert await ann.answers("optOut") == 200
        await here.market.clock.set(here.start - 600)
        assert (await ann.states(), await bob.states()) == ({"noon": "cancelled"}, {"noon": "near"})


async def test_late_answers(tmp_path: Path) -> None:
    async with site(tmp_path) as here, Ven("ann", here.url) as ann, Ven("bob", here.url) as bob:
        await here.invites(devices=["heater", "pump"])
        await ann.polls()
        await here.market.clock.set(here.start + 600)
        assert await ann.states() == {"noon": "active"}
        assert await bob.answers("optIn") == 200, "over for it: nothing is to be answered"
        assert (await here.devices())["pump"]["accepts"] is None
        assert await ann.answers("optIn") == 200, "what was said before is no new answer"
        assert await ann.answers("optOut") == 200
        heater = (await here.devices())["heater"]
        assert (heater["accepts"], heater["left_at"]) == (True, here.start + 600)
        assert await ann.answers("optIn") == 451, "not allowed"
        assert await ann.answers("optIn", "other") == 452, "an id that is none"


async def test_a_cancellation_modifies_the_event(tmp_path: Path) -> None:
    async with site(tmp_path) as here, Ven("ann", here.url) as ven:
        await here.invites()
        await here.invites(event_id="second", start=here.start + 2 * HOUR)
        await ven.polls()
        assert len(ven.heard) == 2
        await here.market.clock.set(here.start + 600)
        assert (await here.market.asks("POST", "/dr/events/noon/cancel"))[0] == 200
        await ven.polls()
        told = ven.heard[-1]["event_descriptor"]
        assert (told["event_id"], told["event_status"], told["modification_number"]) == (
            "noon",
            "cancelled",
            1,
        )
        assert await ven.states() == {"noon": "cancelled", "second": "far"}
        assert len(ven.heard) == 3


async def test_who_did_not_answer_is_told_again(tmp_path: Path) -> None:
    async with site(tmp_path) as here, Ven("ann", here.url) as ven:
        await here.invites()
        assert (await ven.client.poll())[0] == "oadrDistributeEvent"
        assert (await ven.client.poll())[0] == "oadrDistributeEvent"
        await ven.polls()
        assert (await ven.client.poll())[0] == "oadrResponse"


async def test_only_participants_are_vens(tmp_path: Path) -> None:
    async with site(tmp_path, vens={"ann": None}) as here:
        await here.invites()
        for name in ("bob", "zoe"):
            ven = Ven(name, here.url)
            await ven.client.run()
            assert ven.client.registration_id is None
        async with Ven("ann", here.url) as ann:
            assert await ann.states() == {"noon": "far"}
            ann.client.ven_id = "bob"
            assert (await ann.client.poll())[0] == "oadrRequestReregistration"
            assert (await ann.client.request_event())[0] == "oadrRequestReregistration"
            ann.client.ven_id = "ann"


async def test_any_event_s_name_reaches_the_ven_and_comes_back(tmp_path: Path) -> None:
    name = '<e/> & "é" \' %2F'
    async with site(tmp_path) as here, Ven("ann", here.url) as ven:
        await here.invites(event_id=name)
        await ven.polls()
        assert ven.heard[0]["event_descriptor"]["event_id"] == name
        (event,) = (await here.market.gets("/dr/events"))["events"]
        assert event["devices"][0]["accepts"] is True


async def test_a_new_node_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    async with site(tmp_path) as here, Ven("ann", here.url) as ven:
        await here.invites()
        await ven.polls()
        async with Ven("ann", here.url) as again:
            assert [event["event_descriptor"]["event_id"] for event in again.heard] == ["noon"]
        assert (await here.devices())["heater"]["accepts"] is True


async def test_reports_are_offered_in_vain(tmp_path: Path) -> None:
    async def power() -> float:
        raise AssertionError

    async with site(tmp_path) as here:
        ven = Ven("ann", here.url)
        ven.client.add_report(power, "heater", measurement="REAL_POWER", sampling_rate=timedelta(seconds=10))
        async with ven:
            assert ven.client.report_requests == []
            assert await ven.states() == {}


async def test_a_ven_may_leave(tmp_path: Path) -> None:
    async with site(tmp_path) as here, Ven("ann", here.url) as ven:
        kind, payload = await ven.client._perform_request(
            "EiRegisterParty",
            ven.client._create_message(
                "oadrCancelPartyRegistration",
                request_id="1",
                registration_id=ven.client.registration_id,
                ven_id="ann",
            ),
        )
        assert (kind, payload["ven_id"]) == ("oadrCanceledPartyRegistration", "ann")
