"""The page of demand response in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.programmes.demand_response.helpers import HOUR
from tests.server.helpers import Agent
from tests.server.responding import NOON, place
from tests.server.test_dashboard import CHROMIUM, CUT_OFF, PHONE, browser, looks
from tests.server.test_demand_response import known, says_power
from trex_market.server.doorkeeper import token_hash

__all__ = ["browser"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


async def test_a_manager_invites_looks_and_cancels(browser: Browser, tmp_path: Path) -> None:
    async with place(tmp_path) as market, Agent(market.server.own_url, "ann") as ann:
        known(market)
        async with looks(browser, market.server.own_url) as main:
            await main.page.get_by_role("link", name="Demand response").click()
            await main.page.wait_for_url("**/dr")
            await main.text("live-text").to_have_text("Live")
            await main.page.get_by_role("spinbutton", name="Begins in").fill("120")
            await main.page.get_by_role("spinbutton", name="lasts").fill("60")
            await main.page.get_by_role("button", name="Invite").click()
            await main.text("event-rows").to_contain_text("pending")
            event = (await ann.hears("dr_invitation"))["event_id"]
            assert abs(market.programme.known.events[event].event.start - NOON) < 5
            answer = {"event_id": event, "device_id": "heater", "accept": True, "reduction_kw": 0.3}
            assert (await ann.says("dr_answer", answer))["ok"]
            start = market.programme.known.events[event].event.start
            await market.clock.set(start)
            for time in range(start, start + 301, 60):
                await market.clock.set(time)
                await says_power(ann, "heater", 700)
            row = main.page.locator("#event-rows tr")
            await main.text("event-rows").to_contain_text("active")
            await main.text("event-rows").to_contain_text("1 of 4")
            await main.text("event-rows").to_contain_text("0.025")
            await main.text("device-rows").to_contain_text("0.700")
            await row.get_by_role("button", name="Cancel").click()
            await main.text("event-rows").to_contain_text("cancelled")
            await ann.hears("dr_event_cancelled")
            await market.clock.set(start + 4 * HOUR)
            await ann.hears("dr_result")
            await main.text("figures").to_contain_text("0.025 kWh")
            assert main.complaints == []
            assert main.elsewhere == []


async def test_what_is_refused_is_said(browser: Browser, tmp_path: Path) -> None:
    async with place(tmp_path) as market:
        async with looks(browser, f"{market.server.own_url}/dr") as main:
            await main.text("live-text").to_have_text("Live")
            for _ in range(2):
                await main.page.get_by_role("button", name="Invite").click()
                await main.text("event-rows").to_contain_text("pending")
            await main.text("error").to_contain_text("Not done: device")


async def test_it_fits_a_phone(browser: Browser, tmp_path: Path) -> None:
    async with place(tmp_path) as market:
        await market.invites(event_id="x" * 60)
        async with looks(browser, f"{market.server.own_url}/dr", viewport=PHONE) as main:
            await main.text("event-rows").to_contain_text("xxx")
            wide = await main.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= PHONE["width"]
            cut_off = CUT_OFF.replace("!one.closest('.chart')", "!one.closest('.scroll')")
            assert await main.page.evaluate(cut_off) == []


async def test_a_token_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    hashes = {name: token_hash(name) for name in ("operator", "observer")}
    async with place(tmp_path, token_hashes=hashes, is_open=False) as market:
        async with looks(browser, f"{market.server.own_url}/dr") as main:
            await main.page.get_by_label("Token").fill("observer")
            await main.page.get_by_role("button", name="Look").click()
            await main.text("live-text").to_have_text("Live")
            await main.page.get_by_role("button", name="Invite").click()
            await main.text("error").to_contain_text("Not done:")
            assert market.programme.known.events == {}
