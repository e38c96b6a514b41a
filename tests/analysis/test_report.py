"""A report and its twins say the same, need no network, and nobody's name breaks out of the page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from tests.analysis.helpers import SLOTS, ListedRun
from tests.helpers import START, STEP, terms
from trex_market.analysis.kpis import KPIS
from trex_market.analysis.page import report_page
from trex_market.analysis.report import RunReport, Wishes, check_comparable, make_report, readable_config
from trex_market.analysis.slots import SlotRecords
from trex_market.analysis.twins import as_json, as_markdown, signed, written
from trex_market.core.errors import InputError


async def report(*slots: SlotRecords, label: str = "street", **others: Any) -> RunReport:
    return await make_report(ListedRun(slots or SLOTS, **others), None, label)


class Reader(HTMLParser):
    """Keeps a page's tags, and what it would fetch from elsewhere."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] not in (["script"], ["style"]):
            self.text.append(data)


def drawn(page: str) -> dict[str, Any]:
    """Return what the page's script draws."""
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    data: dict[str, Any] = json.loads(found)
    return data


# ---------------------------------------------------------------- the page


async def test_the_page_needs_no_network() -> None:
    page = report_page("my street", [await report()])
    read = Reader(page)
    assert all(source.startswith("#") for source in read.sources)
    assert "link" not in read.tags
    assert "@import" not in page.partition("</style>")[0]
    assert "url(" not in page.partition("</style>")[0]


async def test_the_page_has_every_section_and_every_figure_its_place() -> None:
    charges = {"s": [(START, 500.0), (START + STEP, 750.0)]}
    page = report_page("my street", [await report(charges=charges)])
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == [
        "What was run",
        "Figures",
        "Prices and volume",
        "Supply and demand",
        "Energy",
        "Bills",
        "Batteries",
        "Participants",
    ]
    data = drawn(page)
    assert len(data["figures"]) == page.count('id="plot-') == 6
    assert len(data["books"]) == page.count('id="depth-') == page.count('id="chooser-') == 1


async def test_any_cleared_slot_can_be_chosen_and_the_busiest_is_shown_first() -> None:
    (books,) = drawn(report_page("t", [await report()]))["books"]
    assert [slot["time"] for slot in books["slots"]] == ["2016-09-04 10:00", "2016-09-04 10:15"]
    assert books["shown"] == 0
    assert books["slots"][0]["demand"] == [280_000, 1000, 200_000, 500]
    assert books["slots"][1]["traded"] == [200_000, 400]


async def test_the_page_says_what_was_run() -> None:
    text = Reader(report_page("t", [await report()])).text
    for said in ("7", "c0ffeec0ffee", "0.1.0", "MicroTE, pools by source, cleared 1 step before delivery"):
        assert said in text
    assert "2016-09-04 10:00 to 2016-09-04 10:30 (Europe/Berlin), 2 x 15 min" in text


async def test_a_balance_that_is_off_stands_out() -> None:
    rows = (msgspec.structs.replace(SLOTS[0].transactions[0], quantity=999), *SLOTS[0].transactions[1:])
    fine = report_page("t", [await report(SLOTS[0])])
    broken = report_page("t", [await report(msgspec.structs.replace(SLOTS[0], transactions=rows))])
    assert '<td class="wrong">2</td>' in broken
    assert 'class="wrong"' not in fine


async def test_names_cannot_break_out_of_the_page() -> None:
    evil = "</script><img src='http://evil.example/x'>"
    slot = SLOTS[0]
    renamed = msgspec.structs.replace(
        slot,
        transactions=tuple(
            msgspec.structs.replace(
                one, **{side: evil for side in ("seller_id", "buyer_id") if getattr(one, side) == "b"}
            )
            for one in slot.transactions
        ),
        readings={evil if name == "b" else name: meter for name, meter in slot.readings.items()},
    )
    for page in (
        report_page(evil, [await report(renamed, label=evil)]),
        report_page(evil, [await report(renamed, label=evil), await report(renamed, label="b")]),
    ):
        assert "<img" not in page.partition("<body>")[2]
        assert not [source for source in Reader(page).sources if not source.startswith("#")]
        assert evil in drawn(page)["figures"][-1]["shared"]["participant"]


# ---------------------------------------------------------------- side by side


async def test_runs_stand_side_by_side() -> None:
    reports = [await report(label="one"), await report(label="two")]
    page = report_page("one / two", reports)
    assert "<th>one</th><th>two</th>" in page
    data = drawn(page)
    assert len(data["books"]) == 2
    bills = next(figure for figure in data["figures"] if "participant" in figure["shared"])
    assert [trace["name"] for trace in bills["data"]] == ["one", "two", "net billing"]
    durations = next(figure for figure in data["figures"] if "share 0" in figure["shared"])
    assert [trace["name"] for trace in durations["data"]] == ["one", "two"]


async def test_runs_of_different_lengths_are_refused() -> None:
    long, short = await report(label="long"), await report(SLOTS[0], label="short")
    with pytest.raises(
        InputError, match="cannot be compared, in slots: long has 2 of 15 min; short has 1 of 15"
    ):
        check_comparable([long, short])
    check_comparable([long, long])


async def test_a_baseline_stands_beside_a_run_alone() -> None:
    baseline = [msgspec.structs.replace(slot, orders=(), contracts=()) for slot in SLOTS]
    found = await make_report(ListedRun(SLOTS), ListedRun(baseline), "street")
    page = report_page("t", [found])
    assert "<th>market</th><th>net billing</th>" in page
    assert found.notes == ()
    (only,) = (await report()).notes
    assert only.startswith("There is no baseline simulation")


# ---------------------------------------------------------------- twins


async def test_json_has_every_figure_with_its_definition() -> None:
    document = json.loads(as_json([await report()]))
    assert document["format"] == 1
    assert list(document["kpis"]) == list(KPIS)
    assert document["kpis"]["self_sufficiency"]["formula"] == "max(0, 1 - Σ supply / Σ load)"
    (run,) = document["runs"]
    assert run["about"]["seed"] == "7"
    assert run["kpis"]["saving"]["value"] == pytest.approx(0.27)
    assert run["kpis"]["money_imbalance"] == {"value": 0}
    assert run["kpis"]["time_of_use_bill"]["value"] is None
    assert "no time of use" in run["kpis"]["time_of_use_bill"]["missing"]
    assert [person["participant_id"] for person in run["participants"]] == ["b", "c", "s"]
    assert run["participants"][0]["saving"] == pytest.approx(0.11)
    assert run["units"]["saving"] == "$"


async def test_markdown_has_the_same_numbers() -> None:
    text = as_markdown("my street", [await report()])
    assert "| Total saving | 0.27 | $ |" in text
    assert "| s | 0.1 | 1.8 | 0.0 | 1.4 |" in text
    assert re.search(r"Not shown of street \(the tariff has no time of use", text)
    assert "(`saving`, version 1)" in text
    assert all(line.count("|") >= 2 for line in text.splitlines() if line.startswith("|"))


async def test_markdown_tables_survive_what_is_in_them() -> None:
    text = as_markdown("t", [await report(name="a|b\nc")])
    assert "| study | a\\|b c |" in text


async def test_figures_can_be_chosen_and_unknown_ones_are_told() -> None:
    chosen = await make_report(ListedRun(SLOTS), None, "t", Wishes(("saving",)))
    assert list(json.loads(as_json([chosen]))["runs"][0]["kpis"]) == ["saving"]
    with pytest.raises(InputError, match="unknown KPI 'savings'"):
        await make_report(ListedRun(SLOTS), None, "t", Wishes(("savings",)))


async def test_a_long_run_says_that_some_books_are_left_out() -> None:
    class Huge(ListedRun):
        async def orders(self) -> int:
            return 120_000

    slots = [
        SlotRecords(START + STEP * n, SLOTS[0].orders, (), SLOTS[0].readings, SLOTS[0].transactions)
        for n in range(10)
    ]
    found = await make_report(Huge(slots), None, "t", Wishes(slots=(START + STEP,)))
    assert [book.start for book in found.books] == [START + STEP * n for n in (0, 1, 2, 4, 6, 8)]
    assert any("The orders of 6 of 10 slots are in this page" in note for note in found.notes)


async def test_many_participants_are_left_to_json() -> None:
    meter = SLOTS[0].readings["b"]
    readings = {f"home {number:03d}": meter for number in range(501)}
    page = report_page("t", [await report(SlotRecords(START, readings=readings))])
    assert "500 participants are shown; all 501 are in report.json." in page
    assert "home 499" in Reader(page).text
    assert "home 500" not in Reader(page).text


async def test_a_market_on_other_terms_says_so() -> None:
    found = await report(opened=terms("MicroTE3B", close_steps=4))
    assert found.about["market"] == "MicroTE3B, one pool, cleared 3 steps before delivery"


# ---------------------------------------------------------------- how things are written


def test_figures_are_written_without_minus_0() -> None:
    assert [written(value, 2) for value in (1234.567, -0.001, None)] == ["1,234.57", "0.00", "-"]
    assert [signed(value, 1) for value in (1.26, -0.01, -2.0)] == ["+1.3", "+0.0", "-2.0"]


def test_configs_are_shown_as_yaml() -> None:
    assert readable_config('{"study": {"name": "x"}}') == "study:\n  name: x\n"
    assert readable_config("not JSON") == "not JSON"
