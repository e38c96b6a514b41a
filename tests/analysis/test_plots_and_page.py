"""The page needs no network and shows what was recorded; figures hold the run's numbers."""

from __future__ import annotations

from datetime import datetime
from html.parser import HTMLParser

import pytest

from tests.analysis.helpers import NET_BILLING, totals
from tests.helpers import START, STEP
from trex_market.analysis import plots
from trex_market.analysis.page import html_page
from trex_market.analysis.plots import SlotFigures
from trex_market.analysis.summary import Summary, summarise
from trex_market.storage.rows import OrderRecord

SLOTS = [
    SlotFigures(
        START, {"delivery": 1100, "supply": 500, "feed_in": 300, "self_consumption": 70}, 0.12, 0.1, 0.2
    ),
    SlotFigures(START + STEP, {"supply": 200}, None, 0.1, 0.3),
]


@pytest.fixture
def summary() -> Summary:
    return summarise(totals(), totals(NET_BILLING))


def traces(figure: plots.Figure) -> dict[str, list[float]]:
    """Return the values of each trace that has a name."""
    return {trace.name: list(trace.y) for trace in figure.data}


def test_prices_are_those_of_each_slot() -> None:
    assert traces(plots.prices_figure(SLOTS, "UTC")) == {
        "traded (kWh)": [1.1, 0],
        "grid charges": [0.2, 0.3],
        "grid pays": [0.1, 0.1],
        "local average": [0.12, None],
    }


def test_flows_go_in_upwards_and_out_downwards() -> None:
    assert traces(plots.flows_figure(SLOTS, "UTC")) == {
        "own use": [0.07, 0],
        "traded with neighbours": [1.1, 0],
        "from the grid": [0.5, 0.2],
        "to the grid": [-0.3, 0],
    }


def test_the_runs_flows_are_the_sums_of_its_slots() -> None:
    (sankey,) = plots.sankey_figure(SLOTS).data
    flows = dict(zip(sankey.link.label, sankey.link.value, strict=True))
    assert flows == {"self_consumption": 0.07, "delivery": 1.1, "feed_in": 0.3, "spill": 0, "supply": 0.7}


def test_bills_stand_beside_those_of_net_billing(summary: Summary) -> None:
    bars = traces(plots.bills_figure(summary))
    assert bars["market"] == pytest.approx([0.2342, -0.1369])
    assert bars["net billing (baseline)"] == pytest.approx([0.32, -0.116])
    assert list(traces(plots.bills_figure(summarise(totals())))) == ["market"]


def test_batteries_are_shown_in_kwh_at_local_times() -> None:
    figure = plots.batteries_figure({"a": [(START, 500.0), (START + STEP, 1000.0)]}, "Europe/Berlin")
    assert traces(figure) == {"a": [0.5, 1.0]}
    assert list(figure.data[0].x) == [datetime(2016, 9, 4, 10), datetime(2016, 9, 4, 10, 15)]  # noqa: DTZ001


def order(side: str, price: int | None, quantity: int | None) -> OrderRecord:
    return OrderRecord(1, "o", "a", "accepted", None, side, quantity, price, None, START, START + STEP, START)  # type: ignore[arg-type]


def test_supply_and_demand_are_staircases_of_the_chosen_slot() -> None:
    orders = [
        order("bid", 100_000, 200),
        order("bid", 300_000, 100),
        order("ask", 250_000, 50),
        order("ask", 50_000, 70),
    ]
    figure = plots.depth_figure({START: orders, START + STEP: []}, "UTC", shown=START)
    demand, supply, *others = figure.data
    assert (list(demand.x), list(demand.y)) == ([0, 0.1, 0.3], [0.3, 0.1, 0.1])
    assert (list(supply.x), list(supply.y)) == ([0, 0.07, 0.12], [0.05, 0.25, 0.25])
    assert [trace.visible for trace in figure.data] == [True, True, False, False]
    assert all(len(trace.x) == 0 for trace in others)
    (menu,) = figure.layout.updatemenus
    assert [button.label for button in menu.buttons] == ["Sun 04 Sep 08:00", "Sun 04 Sep 08:15"]
    assert list(menu.buttons[1].args[0]["visible"]) == [False, False, True, True]


class Reader(HTMLParser):
    """Keeps a page's tags and the text that is outside of scripts and styles."""

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


def test_the_page_needs_no_network(summary: Summary) -> None:
    figures = [plots.prices_figure(SLOTS, "UTC"), plots.sankey_figure(SLOTS), plots.bills_figure(summary)]
    page = html_page("my street", {"seed": "7"}, summary, figures)
    read = Reader(page)
    assert read.sources == []
    assert "link" not in read.tags
    assert "@import" not in page.partition("</style>")[0]
    assert (read.tags.count("table"), read.tags.count("figure")) == (2, 3)
    assert "my street" in read.text
    assert "seed 7" in read.text
    for number in (1, 2, 3):
        assert f'id="plot-{number}"' in page
    for name, value, _ in [("Total bill", "0.10", "$"), ("Total saving", "0.11", "$")]:
        assert f"<td>{name}</td><td>{value}</td>" in page


def test_names_cannot_break_out_of_the_page() -> None:
    evil = "</script><img src='http://evil.example/x'>"
    added = totals()
    added.parties[evil] = added.parties.pop("b")
    summary = summarise(added)
    page = html_page(evil, {evil: evil}, summary, [plots.bills_figure(summary)])
    assert "<img" not in page.partition("<body>")[2]
    assert Reader(page).sources == []
