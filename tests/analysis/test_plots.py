"""Figures hold the run's numbers, and are such as Plotly knows."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pytest

from tests.analysis.helpers import SLOTS, frames_of
from tests.helpers import START, STEP
from trex_market.analysis import plots
from trex_market.analysis.frames import EnergyFrame, FlowFrame, RunFrames, TradeFrame
from trex_market.analysis.plots import Figure


@pytest.fixture
def frames() -> RunFrames:
    return frames_of(SLOTS)


def checked(figure: Figure) -> dict[str, Any]:
    """Check that Plotly takes a figure as the page's script hands it over; return its values by name."""
    data = []
    for trace in figure.data:
        given = dict(trace)
        if isinstance(given.get("x"), str):
            given["x"] = figure.shared[given["x"]]
            assert len(given["x"]) == len(given["y"])
        data.append(given)
    go.Figure({"data": data, "layout": figure.layout})  # raises if it does not know something
    return {trace["name"]: trace["y"] for trace in data if "name" in trace}


def trade_of(frames: RunFrames) -> TradeFrame:
    assert frames.trade is not None
    return frames.trade


def energy_of(frames: RunFrames) -> EnergyFrame:
    assert frames.energy is not None
    return frames.energy


def test_prices_are_those_of_each_slot(frames: RunFrames) -> None:
    figure = plots.prices_figure(trade_of(frames), STEP, "UTC")
    assert checked(figure) == {
        "grid charges": [0.3, 0.3],
        "grid pays": [0.1, 0.1],
        "local, mean": [0.19636, 0.2],
        "traded": [1.1, 0.3],
    }
    assert figure.shared["time"] == ["2016-09-04 08:00", "2016-09-04 08:15"]
    assert figure.note == ""


def test_times_are_local(frames: RunFrames) -> None:
    figure = plots.flows_figure(energy_of(frames), "Europe/Berlin")
    assert figure.shared["time"] == ["2016-09-04 10:00", "2016-09-04 10:15"]


def test_flows_are_mean_power_in_upwards_and_out_downwards(frames: RunFrames) -> None:
    assert checked(plots.flows_figure(energy_of(frames), "UTC")) == {
        "own use": [0.2, 0.16],
        "from neighbours": [4.4, 1.2],
        "from the grid": [2.0, 0.4],
        "to the grid": [0.0, -1.2],
    }


def test_ways_of_energy_lead_from_sources_to_where_it_went(frames: RunFrames) -> None:
    assert frames.flows is not None
    figure = plots.sankey_figure(frames.flows)
    checked(figure)
    (trace,) = figure.data
    labels, link = trace["node"]["label"], trace["link"]
    ways = {
        (labels[source], labels[target]): value
        for source, target, value in zip(link["source"], link["target"], link["value"], strict=True)
    }
    assert ways == {
        ("from the grid", "homes, from the grid"): 0.6,
        ("solar", "to the grid"): 0.3,
        ("solar", "neighbours"): 1.4,
        ("solar", "own use"): 0.09,
    }
    assert plots.sankey_figure(FlowFrame([], [], [])).data[0]["link"]["value"] == []


def test_bills_stand_beside_each_other_and_the_highest_comes_first(frames: RunFrames) -> None:
    assert frames.net_billing is not None
    market = dict(zip(frames.parties.participant_id, frames.parties.bill, strict=True))
    bills = [("market", market), plots.case_bills("net billing", frames.net_billing)]
    figure = plots.bills_figure(bills)
    assert checked(figure) == {"market": [0.28, 0.166, -0.286], "net billing": [0.39, 0.21, -0.17]}
    assert figure.shared["participant"] == ["b", "c", "s"]
    many = plots.bills_figure([("market", {f"home {n}": n for n in range(61)})])
    assert many.layout["xaxis"]["showticklabels"] is False


def test_batteries_share_their_times_and_say_how_many_there_are() -> None:
    charges = {"a": [(START, 500.0), (START + STEP, 1000.0)], "b": [(START, 0.0), (START + STEP, 250.0)]}
    figure = plots.batteries_figure(charges, 5, "UTC", STEP)
    assert checked(figure) == {"a": [0.5, 1.0], "b": [0.0, 0.25]}
    assert list(figure.shared) == ["time 0"]
    assert figure.note == "2 of 5 batteries are shown."


def test_load_duration_falls_from_the_peak_to_the_highest_export(frames: RunFrames) -> None:
    figure = plots.duration_figure([("market", energy_of(frames)), ("net billing", energy_of(frames))])
    assert checked(figure) == {"market": [2.0, -0.8], "net billing": [2.0, -0.8]}
    assert figure.shared["share 0"] == [0, 100]


def test_a_year_is_put_into_bins_and_the_page_says_so() -> None:
    count = 365 * 96
    starts = [START + STEP * n for n in range(count)]
    column, priced = [1000] * count, [100_000] * count
    energy = EnergyFrame(STEP, starts, *([column] * 7))
    trade = TradeFrame(
        starts, column, [200_000_000] * count, [200_000_000] * count, [0] * count, priced, priced
    )
    flows = plots.flows_figure(energy, "UTC")
    values = checked(flows)
    assert len(values["own use"]) <= 1001
    assert set(values["own use"]) == {4.0}  # a kWh in each quarter of an hour
    assert flows.note.endswith("each point is the mean or sum of 12 h.")
    prices = checked(plots.prices_figure(trade, STEP, "UTC"))
    assert set(prices["local, mean"]) == {0.2}
    assert set(prices["grid pays"]) == {0.1}
    assert sum(prices["traded"]) == count
    assert len(checked(plots.duration_figure([("market", energy)]))["market"]) == plots.CURVE_POINTS


@pytest.mark.parametrize(
    ("seconds", "said"), [(900, "15 min"), (3600, "1 h"), (86_400, "1 d"), (5400, "90 min"), (61, "61 s")]
)
def test_lengths_of_time_are_said_as_people_do(seconds: int, said: str) -> None:
    assert plots.duration(seconds) == said
