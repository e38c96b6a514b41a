"""The dashboard in a real browser: what people see, how they get around in it, and what it does not let happen."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.helpers import STEP, slot
from tests.server.helpers import PATIENCE_S, Agent, Wire, hall, meter, soon
from tests.server.looking import CLOSED, GRACE, Place, Sat, place

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PHONE = {"width": 360, "height": 740}

HOSTILE = '<img src=x onerror="document.title=1">&amp;\'"/>'

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

CUT_OFF = """
[...document.querySelectorAll('.card *')]
  .filter((one) => !one.closest('.chart') && one.checkVisibility() && getComputedStyle(one).position !== 'absolute'
    && !one.closest('.cards > thead')
    && one.getBoundingClientRect().right > one.closest('.card').getBoundingClientRect().right + 0.5)
  .map((one) => one.outerHTML.slice(0, 80))
"""
"""What ends outside of its card."""

expect.set_options(timeout=1000 * PATIENCE_S)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A browser, for all tests."""
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        await found.close()


class Looking:
    """A page of the dashboard, and all that went wrong with it.

    Args:
        page: the browser's.
        url: of the server.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self._request(request.url))
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _request(self, url: str) -> None:
        if not url.startswith(self.url + "/"):
            self.elsewhere.append(url)

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def text(self, where: str) -> Any:
        """Return what is expected of an element, by its id."""
        return expect(self.page.locator(f"#{where}"))

    def row(self, name: str) -> Any:
        """Return the row of a participant."""
        return self.page.locator("#people-rows tr:not(.days)").filter(has_text=name)

    async def focused(self) -> str:
        """Say what has the focus."""
        return str(
            await self.page.evaluate(
                "(document.activeElement.id || document.activeElement.textContent.trim() || document.activeElement.className)"
            )
        )


@asynccontextmanager
async def looks(browser: Browser, url: str, **context: Any) -> AsyncIterator[Looking]:
    """Open the dashboard in a window of its own."""
    window = await browser.new_context(**context)
    try:
        looking = Looking(await window.new_page(), url)
        await looking.page.goto(url)
        yield looking
    finally:
        await window.close()


def trade(found: Place) -> None:
    """Let there be something to see."""
    found.trades(0, 6)
    found.starts_round(6)
    found.offers("ann", "ask", 300, 120_000, 8)
    found.offers("bob", "bid", 200, 160_000, 8)


# ---------------------------------------------------------------- what is seen


async def test_it_loads_from_here_alone_and_without_complaint(browser: Browser, tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        trade(found)
        async with looks(browser, found.server.url) as looking:
            await looking.text("live-text").to_have_text("Live")
            await looking.text("name").to_have_text("m")
            await looking.text("gate").to_contain_text("10:00\N{EN DASH}10:15")
            await looking.text("prices-readout").to_contain_text("0.1600 $/kWh")
            await looking.text("depth-readout").to_have_text("10:00\N{EN DASH}10:15: 2 orders, prices cross")
            await expect(looking.row("bob")).to_contain_text("0.600.000.780.000.25")
            await expect(looking.page.locator("#flow-rows tr").first).to_contain_text("200")
            await expect(looking.page.locator("#figures")).to_contain_text("0 of 2")
            assert await looking.page.locator("#price-chart svg .volume").count() == 6
            await looking.page.get_by_text("As a table").click()
            await expect(looking.page.locator("#price-rows tr").first).to_contain_text("0.1600")
            assert looking.elsewhere == []
            assert looking.complaints == []


async def test_a_round_that_is_played_is_seen_at_once(browser: Browser) -> None:
    async with hall(["ann", "bob"], rounds=3) as found, looks(browser, found.url) as looking:
        await looking.text("live-text").to_have_text("Live")
        await expect(looking.row("ann")).to_contain_text("offline")
        await looking.text("people-count").to_have_text("0 of 2 online")
        await expect(looking.page.locator("#alarm-list")).to_contain_text("Waiting for: ann, bob.")
        playing = found.start()
        async with Agent(found.url, "ann") as ann:
            await expect(looking.row("ann")).to_contain_text("online")
            await looking.text("people-count").to_have_text("1 of 2 online")
            async with Agent(found.url, "bob") as bob:
                await looking.text("people-count").to_have_text("2 of 2 online")
                for number in range(3):
                    for agent in (ann, bob):
                        await agent.hears("start_round")
                    await looking.text("countdown").to_have_text(f"08:{15 * number:02}")
                    for agent in (ann, bob):
                        turn = {"meter": meter(slot(number), solar=100 * number)}
                        assert (await agent.says("turn", turn))["ok"]
                await soon(playing)
                await looking.text("gate").to_contain_text("3 of 3 rounds")
                await expect(looking.row("ann")).to_contain_text("0.30")
                await looking.text("round-title").to_contain_text("Ended")
            await looking.text("people-count").to_have_text("1 of 2 online")
            await expect(looking.row("bob")).to_contain_text("offline")
        assert looking.complaints == []


async def test_the_countdown_is_on_the_servers_time(browser: Browser, tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        found.starts_round(0)
        found.clock.time += (
            STEP - 7200
        )  # it is nearly nine years ago on this clock, and two hours before the end
        async with looks(browser, found.server.url) as looking:
            await looking.text("countdown").to_have_text(re.compile(r"2:00:00|1:59:5\d"))


async def test_alarms_are_shown_only_when_there_are_any(browser: Browser, tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        seats = found.server.desk.seats
        for seat in seats:
            await seats.take(seat, Sat(seat.participant_id))
        found.trades(0, 3)
        async with looks(browser, found.server.url) as looking:
            await looking.text("live-text").to_have_text("Live")
            region = looking.page.locator("#alarms")
            await expect(looking.page.locator("#market")).to_be_visible()
            assert await region.evaluate("(one) => one.getBoundingClientRect().height") == 0
            found.starts_round(3)
            found.passes(1)
            found.reads("ann", 2)
            found.passes(GRACE)
            await expect(region).to_contain_text("Warning")
            await expect(region).to_contain_text("bob (slots: 1)")
            assert await region.get_attribute("aria-live") == "polite"
            await expect(looking.row("bob")).to_contain_text("1 missing")
            await expect(looking.page).to_have_title("(1) m")
            await seats.leave("ann")
            await expect(region).to_contain_text("Offline: ann.")
            await expect(looking.page).to_have_title("(2) m")
            found.reads("bob", 2, need=230)
            await expect(region).not_to_contain_text("bob")


async def test_it_says_when_it_is_not_live_and_comes_back_by_itself(browser: Browser, tmp_path: Path) -> None:
    async with place(tmp_path) as found, Wire(found.server.url) as wire:
        found.starts_round(0)
        async with looks(browser, wire.url) as looking:
            await looking.text("live-text").to_have_text("Live")
            wire.cut()
            await looking.text("live-text").to_have_text("Not live")
            await looking.text("live-detail").to_contain_text("trying again in")
            found.starts_round(1)
            await looking.text("live-text").to_have_text("Live")
            await looking.text("live-detail").to_have_text("")
            await looking.text("gate").to_contain_text("08:45\N{EN DASH}09:00")


async def test_a_name_opens_the_days_before(browser: Browser, tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        found.trades(0, 110)
        async with looks(browser, found.server.url) as looking:
            name = looking.page.get_by_role("button", name="bob")
            await expect(name).to_have_attribute("aria-expanded", "false")
            await name.click()
            await expect(name).to_have_attribute("aria-expanded", "true")
            days = looking.page.locator("tr.days")
            await expect(days.locator("tbody tr")).to_have_count(7)
            # 64 slots of the first day, of which the first two have no contracts; 200 Wh in each.
            await expect(days.locator("tbody tr").first).to_contain_text("12.40")
            found.starts_round(110)
            await looking.text("gate").to_contain_text("12:00\N{EN DASH}12:15")
            await expect(name).to_be_focused()
            await name.press("Enter")
            await expect(days).to_have_count(0)


# ---------------------------------------------------------------- getting around


async def test_the_keyboard_reaches_everything(browser: Browser, tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        trade(found)
        async with looks(browser, found.server.url) as looking:
            page = looking.page
            await looking.text("live-text").to_have_text("Live")
            await expect(looking.row("bob")).to_be_visible()
            reached: list[str] = []
            for _ in range(40):
                await page.keyboard.press("Tab")
                focused = await looking.focused()
                if await page.evaluate("document.activeElement === document.body"):
                    break  # it has gone round
                reached.append(focused)
                outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", focused
            assert reached[:4] == ["Skip to the market", "Stop …", "sign", "theme"]
            for expected in ("As a table", "ann", "bob"):
                assert expected in reached, reached
            interactive = await page.evaluate(
                "[...document.querySelectorAll('a[href], button, input, summary, [tabindex=\"0\"]')]"
                ".filter((one) => one.checkVisibility() && !one.closest('details:not([open]) > :not(summary)')).length"
            )
            assert len(reached) == interactive

            await page.keyboard.press("Tab")
            await page.locator(".skip").press("Enter")
            assert await looking.focused() == "main" or "main" in page.url
            await page.locator("#price-chart svg").focus()
            await page.keyboard.press("Home")
            await looking.text("prices-readout").to_contain_text("08:15\N{EN DASH}08:30: nothing contracted")
            await page.keyboard.press("ArrowRight")
            await looking.text("prices-readout").to_contain_text("08:30\N{EN DASH}08:45")
            found.starts_round(7)
            await looking.text("gate").to_contain_text("10:15\N{EN DASH}10:30")
            await looking.text("prices-readout").to_contain_text("08:30\N{EN DASH}08:45")
            assert await page.evaluate("document.activeElement.tagName") == "svg"


async def test_tables_charts_and_fields_have_names(browser: Browser, tmp_path: Path) -> None:
    async with place(tmp_path) as found:
        trade(found)
        async with looks(browser, found.server.url) as looking:
            page = looking.page
            await looking.text("live-text").to_have_text("Live")
            for table in await page.locator("table").all():
                assert await table.locator("> caption").text_content()
                assert await table.locator("th[scope]").count()
            for chart in await page.locator(".chart svg").all():
                assert await chart.get_attribute("aria-label")
            assert await page.locator("h1").count() == 1
            assert await page.locator("input:not([id=token])").count() == 0
            assert await page.locator("label[for=token]").count() == 1
            assert await page.locator("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_is_as_dark_as_the_reader_wants(browser: Browser, tmp_path: Path, scheme: str) -> None:
    brightness = (
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((sum, part) => sum + +part, 0)"
    )
    other = {"light": "dark", "dark": "light"}[scheme]
    async with place(tmp_path) as found:
        async with looks(browser, found.server.url, color_scheme=scheme) as looking:
            page, button = looking.page, looking.page.locator("#theme")
            own = await page.evaluate(brightness)
            assert (own > 3 * 128) is (scheme == "light")
            while await button.text_content() != f"Theme: {other}":
                await button.click()
            assert (await page.evaluate(brightness) > 3 * 128) is (other == "light")
            await page.reload()
            await expect(button).to_have_text(f"Theme: {other}")
            assert (await page.evaluate(brightness) > 3 * 128) is (other == "light")
            while await button.text_content() != "Theme: auto":
                await button.click()
            assert await page.evaluate(brightness) == own


async def test_nothing_is_wider_than_the_screen(browser: Browser, tmp_path: Path) -> None:
    names = ["ann", "bob", "a-participant-with-a-name-that-does-not-end-where-it-should", HOSTILE]
    async with place(tmp_path, names) as found:
        trade(found)
        for number in range(9, 30):
            found.offers(names[2], "bid", 9_456_789, 160_000, number)
        found.watch.alarms.tell("test", "serious", "an-alarm-of-one-word" * 10)
        async with looks(browser, found.server.url, viewport=PHONE) as looking:
            page = looking.page
            await looking.text("live-text").to_have_text("Live")
            await page.get_by_role("button", name="bob").click()
            await expect(page.locator("tr.days")).to_be_visible()
            await page.get_by_text("As a table").click()
            for width in (PHONE["width"], 480, 640, 720, 800, 1024, 1180, 1300, 1360, 1920):
                await page.set_viewport_size({"width": width, "height": 740})
                widths = await page.evaluate(
                    "[document.documentElement.scrollWidth, document.body.scrollWidth]"
                )
                assert max(widths) <= width
                assert await page.evaluate(CUT_OFF) == [], width
            await page.set_viewport_size(PHONE)
            for button in await page.get_by_role("button").all():
                box = await button.bounding_box()
                assert box is not None
                assert box["height"] >= 32


async def test_nothing_moves_for_those_who_do_not_want_it(browser: Browser, tmp_path: Path) -> None:
    moving = "document.getAnimations().length + parseFloat(getComputedStyle(document.getElementById('progress')).transitionDuration)"
    async with place(tmp_path) as found:
        found.starts_round(0)
        for preference, expected in (("reduce", 0), ("no-preference", 0.3)):
            async with looks(browser, found.server.url, reduced_motion=preference) as looking:
                await looking.text("live-text").to_have_text("Live")
                duration = await looking.page.evaluate(moving)
                assert (duration >= expected) if expected else duration == 0


# ---------------------------------------------------------------- who may do what


async def test_a_token_is_asked_for_and_kept_for_this_tab(browser: Browser, tmp_path: Path) -> None:
    async with place(tmp_path, **CLOSED) as found:
        found.starts_round(0)
        async with looks(browser, found.server.url) as looking:
            page = looking.page
            await expect(page.locator("#market")).to_be_hidden()
            assert looking.complaints == []  # no request was refused: the page knows that it needs a token
            await page.get_by_label("Token").fill("wrong")
            await page.keyboard.press("Enter")
            await looking.text("token-error").to_contain_text("not the token of the observer")
            await expect(page.locator("#market")).to_be_hidden()
            await page.get_by_label("Token").fill("ob")
            await page.get_by_role("button", name="Look").click()
            await expect(page.locator("#market")).to_be_visible()
            await looking.text("sign").to_have_text("Sign out (observer)")
            await expect(page.locator("#controls")).to_be_hidden()
            assert (
                await page.evaluate("sessionStorage.token"),
                await page.evaluate("localStorage.length"),
            ) == ("ob", 0)
            assert "ob" not in page.url.removeprefix(found.server.url)
            await page.reload()
            await expect(page.locator("#market")).to_be_visible()
            await page.locator("#sign").click()
            await expect(page.get_by_label("Token")).to_be_focused()
            assert await page.evaluate("sessionStorage.length") == 0


async def test_stopping_is_for_the_operator_and_asked_for_twice(browser: Browser, tmp_path: Path) -> None:
    async with place(tmp_path, **CLOSED) as found:
        found.starts_round(0)
        async with looks(browser, found.server.url) as looking:
            page = looking.page
            await page.get_by_label("Token").fill("op")
            await page.keyboard.press("Enter")
            await page.get_by_role("button", name="Stop …").click()
            await expect(page.get_by_role("dialog")).to_be_visible()
            await expect(page.get_by_role("button", name="Keep it running")).to_be_focused()
            await page.keyboard.press("Escape")
            await expect(page.get_by_role("dialog")).to_be_hidden()
            await page.get_by_role("button", name="Stop …").click()
            await page.get_by_role("button", name="Keep it running").click()
            assert not found.stopped.is_set()
            await page.get_by_role("button", name="Stop …").click()
            await page.get_by_role("button", name="Stop the market").click()
            await soon(found.stopped.wait())
            assert looking.complaints == []


async def test_an_operator_pauses_steps_and_goes_on(browser: Browser) -> None:
    async with hall(["ann"], rounds=40) as found, looks(browser, found.url) as looking:
        page = looking.page
        button = page.get_by_role("button", name="Pause")
        await button.click()
        resume = page.get_by_role("button", name="Resume")
        await expect(resume).to_be_focused()
        found.start()
        async with Agent(found.url, "ann") as ann:
            await looking.text("round-title").to_contain_text("Paused")
            assert "start_round" not in ann.has_heard()
            await page.get_by_role("button", name="One round").click()
            assert (await ann.hears("start_round"))["current_round"][0] == slot(0)
            assert (await ann.says("end_turn"))["ok"]
            await looking.text("gate").to_contain_text("1 of 40")
            await resume.click()
            assert (await ann.hears("start_round"))["current_round"][0] == slot(1)
            await expect(button).to_be_visible()
        assert looking.complaints == []


async def test_an_action_that_is_refused_says_why(browser: Browser, tmp_path: Path) -> None:
    async with place(tmp_path, **CLOSED) as found:
        found.starts_round(0)
        async with looks(browser, found.server.url) as looking:
            page = looking.page
            await page.get_by_label("Token").fill("op")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("button", name="Stop …")).to_be_visible()
            await page.evaluate("sessionStorage.setItem('token', 'ob')")
            await page.get_by_role("button", name="Stop …").click()
            await page.get_by_role("button", name="Stop the market").click()
            await looking.text("control-error").to_contain_text(
                "Not done: this is not the token of the operator"
            )
            assert not found.stopped.is_set()


# ---------------------------------------------------------------- hostile names


async def test_a_hostile_name_is_a_name(browser: Browser, tmp_path: Path) -> None:
    market = f"</title><script>document.title=1</script>{HOSTILE}"
    async with place(tmp_path, [HOSTILE, "bob"]) as found:
        found.watch.terms = msgspec.structs.replace(found.watch.terms, market_id=market)
        found.starts_round(0)
        found.offers(HOSTILE, "ask", 300, 120_000, 2)
        found.offers("bob", "bid", 300, 160_000, 2)
        found.starts_round(1)
        found.starts_round(2)
        found.passes(STEP + GRACE)
        found.watch.alarms.tell("test", "serious", HOSTILE)
        async with looks(browser, found.server.url) as looking:
            page = looking.page
            await looking.text("live-text").to_have_text("Live")
            await expect(page.get_by_role("button", name=HOSTILE)).to_have_text(HOSTILE)
            await page.get_by_role("button", name=HOSTILE).click()
            await expect(page.locator("tr.days caption")).to_contain_text(HOSTILE)
            await expect(page.locator("#alarm-list")).to_contain_text(HOSTILE)
            await expect(page.locator("#flow-rows")).to_contain_text(HOSTILE)
            await looking.text("name").to_have_text(market)
            assert await page.locator("img, main script").count() == 0
            assert (await page.title()).endswith(market)
            assert looking.elsewhere == []
            assert looking.complaints == []


async def test_what_is_not_the_pages_own_does_not_run(browser: Browser, tmp_path: Path) -> None:
    async with place(tmp_path) as found, looks(browser, found.server.url) as looking:
        await looking.text("live-text").to_have_text("Live")
        await looking.page.evaluate(
            "const script = document.createElement('script');"
            "try { script.textContent = 'window.injected = 1'; } catch {}"
            "document.body.append(script);"
        )
        assert await looking.page.evaluate("window.injected") is None
        assert looking.complaints
        image = await looking.page.evaluate(
            "new Promise((done) => { const image = new Image(); image.onload = () => done('loaded');"
            "image.onerror = () => done('blocked'); image.src = 'https://127.0.0.1:9/x.png'; })"
        )
        assert image == "blocked"
