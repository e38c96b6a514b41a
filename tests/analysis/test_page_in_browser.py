"""The pages in a real browser: every figure is drawn, a slot can be chosen, and nothing is fetched."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.analysis.helpers import SLOTS, ListedRun
from tests.analysis.test_comparison import compared
from tests.helpers import START, STEP
from trex_market.analysis.comparison.output import comparison_page
from trex_market.analysis.page import report_page
from trex_market.analysis.report import make_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

PHONE, DESK = (360, 740), (1280, 900)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

Scheme = Literal["light", "dark"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A browser, for all tests."""
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        yield found
        await found.close()


async def opened(
    browser: Browser, file: Path, size: tuple[int, int] = DESK, scheme: Scheme = "light"
) -> tuple[Page, list[str]]:
    """Open a page, and return it with all that it complained of or fetched."""
    width, height = size
    page = await browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    wrong: list[str] = []
    page.on(
        "console",
        lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith("file:") else wrong.append(request.url))
    await page.goto(file.as_uri())
    return page, wrong


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "page.html"


def keep(file: Path, page: str) -> None:
    file.write_text(page, encoding="utf-8")


async def write_report(file: Path, *labels: str) -> None:
    charges = {"s": [(START, 500.0), (START + STEP, 750.0)]}
    reports = [await make_report(ListedRun(SLOTS, charges=charges), None, label) for label in labels]
    keep(file, report_page("street", reports))


@pytest.mark.parametrize(
    ("labels", "scheme", "size"),
    [
        (("one",), "light", DESK),
        (("one",), "dark", PHONE),
        (("one", "two"), "light", PHONE),
        (("one", "two"), "dark", DESK),
    ],
)
async def test_every_figure_is_drawn_and_nothing_is_fetched(
    browser: Browser, file: Path, labels: tuple[str, ...], scheme: Scheme, size: tuple[int, int]
) -> None:
    await write_report(file, *labels)
    page, wrong = await opened(browser, file, size, scheme)
    places = page.locator(".plot")
    count = await places.count()
    assert count == {1: 7, 2: 12}[len(labels)]
    for number in range(count):
        await expect(places.nth(number).locator(".main-svg").first).to_be_visible()
    assert wrong == []
    assert await page.evaluate("document.documentElement.scrollWidth") == size[0]
    await page.close()


async def test_a_slot_is_chosen_and_its_orders_are_shown(browser: Browser, file: Path) -> None:
    await write_report(file, "one")
    page, wrong = await opened(browser, file)
    chooser = page.locator("#chooser-0")
    await expect(chooser.locator("output")).to_have_text("2016-09-04 10:00")
    await expect(chooser.locator("small")).to_have_text("1.2 kWh contracted")
    await chooser.get_by_label("slot after").click()
    await expect(chooser.locator("output")).to_have_text("2016-09-04 10:15")
    demand = "document.getElementById('depth-0').data[0]"
    assert await page.evaluate(f"[{demand}.x, {demand}.y]") == [[0, 0.4], [0.25, 0.25]]
    await chooser.get_by_label("slot after").click()  # there is none
    await expect(chooser.locator("output")).to_have_text("2016-09-04 10:15")
    await chooser.get_by_text("busiest").click()
    await expect(chooser.locator("output")).to_have_text("2016-09-04 10:00")
    assert wrong == []
    await page.close()


async def test_figures_follow_the_pages_colours(browser: Browser, file: Path) -> None:
    await write_report(file, "one")
    page, _ = await opened(browser, file, scheme="light")
    colour = "document.getElementById('plot-0').layout.font.color"
    light = await page.evaluate(colour)
    await page.emulate_media(color_scheme="dark")
    await page.wait_for_function(f"{colour} !== '{light}'")
    await page.close()


async def test_a_comparison_is_drawn_too(browser: Browser, file: Path) -> None:
    found = compared(["MicroTE", "MicroTE3", "uniform", "mmr"])
    keep(file, comparison_page("street", {"seed": "1"}, found, "UTC"))
    page, wrong = await opened(browser, file, PHONE)
    places = page.locator(".plot")
    assert await places.count() == 7 + 2
    for number in range(9):
        await expect(places.nth(number).locator(".main-svg").first).to_be_visible()
    assert wrong == []
    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    await page.close()
