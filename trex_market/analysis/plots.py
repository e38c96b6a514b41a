"""Plots of a run as Plotly traces and layouts, in plain data.

Energy in kWh, power in kW, prices in $/kWh, money in $, times local. Colours
suit a light page and a dark one; all else that depends on the page is set by its
script. `x` of a trace may name a series of the figure's `shared`, which several
traces show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from trex_market.analysis.frames import BillFrame, EnergyFrame, FlowFrame, TradeFrame
from trex_market.analysis.kpis.grid import net_exchange
from trex_market.analysis.kpis.measures import WH_PER_KWH
from trex_market.analysis.sampling import Bins, bins, thinned
from trex_market.core.units import MICRO, NANO

TEAL, AMBER, BLUE, CORAL, GREY, GREEN, VIOLET = (
    "#2a9d8f",
    "#e0a030",
    "#4f83b5",
    "#e76f51",
    "#8d99a6",
    "#7fa66a",
    "#9478bd",
)

RUN_COLOURS = (TEAL, CORAL, BLUE, AMBER, VIOLET, GREEN)
"""Of runs that are shown in one figure."""

CURVE_POINTS = 400
"""So many points of a load duration curve are shown."""

NAMES_SHOWN = 60
"""Bars of more participants than this go without names below them."""

Trace = dict[str, Any]


class Figure(msgspec.Struct, frozen=True):
    """A figure.

    Args:
        title: above it; empty where its section's says it.
        data: Plotly's traces.
        layout: Plotly's layout, as far as it does not depend on the page.
        shared: series that traces name.
        note: below it.
    """

    title: str
    data: list[Trace]
    layout: dict[str, Any]
    shared: dict[str, list[Any]] = msgspec.field(default_factory=dict)
    note: str = ""


def local_times(times: Sequence[int], timezone: str) -> list[str]:
    """Return UNIX times as local times without an offset, as they are to be shown."""
    zone = ZoneInfo(timezone)
    return [f"{datetime.fromtimestamp(time, zone):%Y-%m-%d %H:%M}" for time in times]


def prices_figure(trade: TradeFrame, period: int, timezone: str) -> Figure:
    """Plot the grid's prices and the mean local price over time, and the energy traded.

    Args:
        trade: of the run.
        period: length of a slot, in seconds.
        timezone: of the times shown.
    """
    shown = bins(trade.start, period)
    quantity = shown.sums(trade.quantity)
    local = [
        _rounded(paid / energy / MICRO, 5) if energy > 0 else None
        for paid, energy in zip(shown.sums(trade.paid), quantity, strict=True)
    ]
    data: list[Trace] = [
        _line("grid charges", "time", _dollars(shown.means(trade.buy_price)), BLUE, dash="dot", shape="hv"),
        _line("grid pays", "time", _dollars(shown.means(trade.sell_price)), AMBER, dash="dot", shape="hv"),
        {
            "type": "scatter",
            "name": "local, mean",
            "x": "time",
            "y": local,
            "mode": "lines+markers",
            "line": {"color": TEAL, "width": 1},
            "marker": {"size": 3},
            "connectgaps": False,
        },
        {
            "type": "bar",
            "name": "traded",
            "x": "time",
            "y": _kwh(quantity),
            "marker": {"color": TEAL, "line": {"width": 0}},
            "yaxis": "y2",
            "showlegend": False,
        },
    ]
    layout = {
        "yaxis": {"title": {"text": "$/kWh"}, "domain": [0.36, 1], "rangemode": "tozero"},
        "yaxis2": {"title": {"text": f"kWh per {duration(shown.period)}"}, "domain": [0, 0.28]},
        "xaxis": {"anchor": "y2", "type": "date"},
        "bargap": 0.05,
    }
    times = {"time": local_times(shown.starts, timezone)}
    return Figure("", data, layout, times, _binned(shown, period))


def flows_figure(energy: EnergyFrame, timezone: str) -> Figure:
    """Plot where energy came from and went to over time, as mean power."""
    shown = bins(energy.start, energy.period)
    hours = [rows * energy.period / 3600 for rows in shown.rows]
    data: list[Trace] = []
    for name, column, colour, sign in (
        ("own use", energy.own_use, GREEN, 1),
        ("from neighbours", energy.delivered, TEAL, 1),
        ("from the grid", energy.supplied, BLUE, 1),
        ("to the grid", [a + b for a, b in zip(energy.fed_in, energy.spilled, strict=True)], AMBER, -1),
    ):
        values = zip(shown.sums(column), hours, strict=True)
        data.append(
            {
                "type": "scatter",
                "name": name,
                "x": "time",
                "y": [_rounded(sign * quantity / WH_PER_KWH / hour) for quantity, hour in values],
                "mode": "lines",
                "line": {"width": 0.5, "color": colour, "shape": "hv"},
                "stackgroup": "in" if sign > 0 else "out",
            }
        )
    layout = {"yaxis": {"title": {"text": "kW"}}, "xaxis": {"type": "date"}}
    times = {"time": local_times(shown.starts, timezone)}
    return Figure("Energy over time", data, layout, times, _binned(shown, energy.period))


def sankey_figure(flows: FlowFrame) -> Figure:
    """Plot the ways that energy took over the whole run."""
    origins, targets = sorted(set(flows.origin)), sorted(set(flows.target))
    colours = {"grid": BLUE, "solar": AMBER, "bess": VIOLET, "wind": GREEN}
    targets_coloured = {
        "grid": BLUE,
        "homes": CORAL,
        "neighbours": TEAL,
        "own use": GREEN,
        "own battery": VIOLET,
    }
    named = {"grid": "from the grid", "bess": "battery"}
    labels = [named.get(name, name) for name in origins] + [_target_label(name) for name in targets]
    shown = [
        (origins.index(origin), len(origins) + targets.index(target), quantity, origin)
        for origin, target, quantity in zip(flows.origin, flows.target, flows.quantity, strict=True)
        if quantity > 0
    ]
    trace: Trace = {
        "type": "sankey",
        "node": {
            "label": labels,
            "color": [colours.get(name, GREY) for name in origins]
            + [targets_coloured.get(name, GREY) for name in targets],
            "pad": 18,
            "thickness": 16,
            "line": {"width": 0},
        },
        "link": {
            "source": [source for source, _, _, _ in shown],
            "target": [target for _, target, _, _ in shown],
            "value": [quantity / WH_PER_KWH for _, _, quantity, _ in shown],
            "color": [_faded(colours.get(origin, GREY)) for _, _, _, origin in shown],
        },
        "valueformat": ",.1f",
        "valuesuffix": " kWh",
    }
    return Figure("Energy flows", [trace], {})


def _target_label(name: str) -> str:
    return {"grid": "to the grid", "homes": "homes, from the grid"}.get(name, name)


def bills_figure(bills: Sequence[tuple[str, Mapping[str, int]]]) -> Figure:
    """Plot participants' bills beside each other, those who pay most first.

    Args:
        bills: of each case its name, and participant id -> nano-dollars.
    """
    first = bills[0][1]
    everybody = {name for _, each in bills for name in each}
    names = sorted(everybody, key=lambda name: (-first.get(name, 0), name))
    colours = {"net billing": GREY, "time of use": AMBER}
    data: list[Trace] = [
        {
            "type": "bar",
            "name": case,
            "x": "participant",
            "y": [_rounded(each[name] / NANO) if name in each else None for name in names],
            "marker": {
                "color": colours.get(case, RUN_COLOURS[place % len(RUN_COLOURS)]),
                "line": {"width": 0},
            },
        }
        for place, (case, each) in enumerate(bills)
    ]
    layout = {
        "yaxis": {"title": {"text": "$ (below 0: income)"}},
        "xaxis": {"type": "category", "showticklabels": len(names) <= NAMES_SHOWN, "tickangle": -60},
        "barmode": "group",
        "bargap": 0.2,
    }
    return Figure("", data, layout, {"participant": names})


def batteries_figure(
    charges: Mapping[str, Sequence[tuple[int, float]]], batteries: int, timezone: str, period: int
) -> Figure:
    """Plot the state of charge of batteries.

    Args:
        charges: participant id -> (time, Wh).
        batteries: how many there are in all.
        timezone: of the times shown.
        period: length of a slot, in seconds.
    """
    data: list[Trace] = []
    shared: dict[str, list[Any]] = {}
    note = ""
    for place, (name, series) in enumerate(charges.items()):
        shown = bins([time for time, _ in series], period)
        times = local_times(shown.starts, timezone)
        key = next((key for key, known in shared.items() if known == times), f"time {place}")
        shared[key] = times
        values = shown.means([charge for _, charge in series])
        energy = [None if value is None else _rounded(value / WH_PER_KWH) for value in values]
        data.append(_line(name, key, energy, RUN_COLOURS[place % len(RUN_COLOURS)], width=1.2))
        note = _binned(shown, period)
    if batteries > len(charges):
        note = f"{len(charges)} of {batteries} batteries are shown. {note}"
    layout = {"yaxis": {"title": {"text": "kWh"}, "rangemode": "tozero"}, "xaxis": {"type": "date"}}
    return Figure("", data, layout, shared, note.strip())


def duration_figure(energies: Sequence[tuple[str, EnergyFrame]]) -> Figure:
    """Plot for what share of the time the community's exchange with the grid is above a power.

    Args:
        energies: of each case its name and its energy by slot.
    """
    data: list[Trace] = []
    shared: dict[str, list[Any]] = {}
    for place, (case, energy) in enumerate(energies):
        hours = energy.period / 3600
        powers = sorted((net / WH_PER_KWH / hours for net in net_exchange(energy)), reverse=True)
        shown = thinned(powers, CURVE_POINTS)
        last = max(1, len(shown) - 1)
        shared[f"share {place}"] = [_rounded(100 * number / last) for number in range(len(shown))]
        colour = GREY if case == "net billing" else RUN_COLOURS[place % len(RUN_COLOURS)]
        dash = "dot" if case == "net billing" else "solid"
        data.append(
            _line(case, f"share {place}", [_rounded(power) for power in shown], colour, width=2, dash=dash)
        )
    layout = {
        "yaxis": {"title": {"text": "kW from the grid (below 0: to it)"}},
        "xaxis": {"title": {"text": "% of the time"}},
    }
    return Figure("Load duration", data, layout, shared)


def case_bills(name: str, frame: BillFrame) -> tuple[str, dict[str, int]]:
    """Return the other bills of a frame, as `bills_figure` takes them."""
    return name, dict(zip(frame.participant_id, frame.other, strict=True))


def duration(seconds: int) -> str:
    """Return a length of time as people say it."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _line(
    name: str,
    x: str,
    y: Sequence[float | None],
    colour: str,
    *,
    width: float = 1.5,
    dash: str = "solid",
    shape: str = "linear",
) -> Trace:
    line = {"color": colour, "width": width, "dash": dash, "shape": shape}
    return {"type": "scatter", "name": name, "x": x, "y": list(y), "mode": "lines", "line": line}


def _binned(shown: Bins, period: int) -> str:
    if shown.period == period:
        return ""
    return f"There are too many slots for a page: each point is the mean or sum of {duration(shown.period)}."


def _kwh(quantities: Sequence[int]) -> list[float]:
    return [_rounded(quantity / WH_PER_KWH) for quantity in quantities]


def _dollars(prices: Sequence[float | None]) -> list[float | None]:
    return [None if price is None else _rounded(price / MICRO, 6) for price in prices]


def _rounded(value: float, digits: int = 3) -> float:
    return round(value, digits)


def _faded(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.55)"
