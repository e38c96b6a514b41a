"""Plots of a run, as Plotly figures. Energy in kWh, prices in $/kWh, money in $, times local."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import plotly.graph_objects as go

from trex_market.analysis.summary import WH_PER_KWH, Summary
from trex_market.core.units import MICRO
from trex_market.storage.rows import OrderRecord

Figure = Any

COLOURS = {
    "delivery": "#2a9d8f",
    "self_consumption": "#8ab17d",
    "feed_in": "#e9c46a",
    "supply": "#577590",
    "grid": "#577590",
    "market": "#2a9d8f",
    "baseline": "#adb5bd",
    "demand": "#e76f51",
}


class SlotFigures(msgspec.Struct, frozen=True):
    """One slot of a run. Energy in Wh; prices in $/kWh.

    Args:
        energy: kind of transaction -> Wh.
        local_price: what buyers paid on average; None if nothing was traded.
        sell_price: what the grid paid; None if it was not recorded.
        buy_price: what the grid charged; None if it was not recorded.
    """

    slot_start: int
    energy: Mapping[str, int]
    local_price: float | None
    sell_price: float | None
    buy_price: float | None


def local_times(times: Sequence[int], timezone: str) -> list[datetime]:
    """Return UNIX times as local times without an offset, as they are to be shown."""
    zone = ZoneInfo(timezone)
    return [datetime.fromtimestamp(time, zone).replace(tzinfo=None) for time in times]


def _styled(figure: Figure, title: str, x: str, y: str) -> Figure:
    figure.update_layout(
        title=title,
        xaxis_title=x,
        yaxis_title=y,
        template="plotly_white",
        margin={"l": 60, "r": 30, "t": 60, "b": 50},
        height=430,
        legend={"orientation": "h", "y": -0.2},
        hovermode="x unified",
    )
    return figure


def prices_figure(slots: Sequence[SlotFigures], timezone: str) -> Figure:
    """Plot the grid's prices and the local average price per slot, and the energy traded."""
    times = local_times([slot.slot_start for slot in slots], timezone)
    figure = go.Figure()
    figure.add_bar(
        x=times,
        y=[slot.energy.get("delivery", 0) / WH_PER_KWH for slot in slots],
        name="traded (kWh)",
        marker_color="#dfe7e5",
    )
    lines = [
        ("grid charges", [slot.buy_price for slot in slots], COLOURS["grid"], "dot"),
        ("grid pays", [slot.sell_price for slot in slots], COLOURS["feed_in"], "dot"),
    ]
    for name, values, colour, dash in lines:
        line = {"color": colour, "dash": dash, "shape": "hv"}
        figure.add_scatter(x=times, y=values, name=name, mode="lines", line=line, yaxis="y2")
    figure.add_scatter(
        x=times,
        y=[slot.local_price for slot in slots],
        name="local average",
        mode="markers",
        marker={"color": COLOURS["market"], "size": 5},
        yaxis="y2",
    )
    # Prices are drawn over the bars.
    styled = _styled(figure, "Prices per slot", "local time", "kWh")
    return styled.update_layout(
        yaxis={"side": "right", "showgrid": False},
        yaxis2={"overlaying": "y", "side": "left", "title": "$/kWh"},
    )


def flows_figure(slots: Sequence[SlotFigures], timezone: str) -> Figure:
    """Plot where energy came from and went to, per slot."""
    times = local_times([slot.slot_start for slot in slots], timezone)
    figure = go.Figure()
    for kind, name, sign in (
        ("self_consumption", "own use", 1),
        ("delivery", "traded with neighbours", 1),
        ("supply", "from the grid", 1),
        ("feed_in", "to the grid", -1),
    ):
        figure.add_scatter(
            x=times,
            y=[sign * slot.energy.get(kind, 0) / WH_PER_KWH for slot in slots],
            name=name,
            mode="lines",
            line={"width": 0.5, "color": COLOURS[kind]},
            stackgroup="in" if sign > 0 else "out",
        )
    return _styled(figure, "Energy flows per slot", "local time", "kWh")


def sankey_figure(slots: Sequence[SlotFigures]) -> Figure:
    """Plot the run's energy from where it was made to where it was used."""
    total: dict[str, float] = {}
    for slot in slots:
        for kind, energy in slot.energy.items():
            total[kind] = total.get(kind, 0) + energy / WH_PER_KWH
    nodes = ["home's own energy", "grid", "own use", "neighbours", "grid (fed in)", "homes (supplied)"]
    links = [
        (0, 2, "self_consumption"),
        (0, 3, "delivery"),
        (0, 4, "feed_in"),
        (0, 4, "spill"),
        (1, 5, "supply"),
    ]
    figure = go.Figure(
        go.Sankey(
            node={"label": nodes, "pad": 20, "color": "#577590"},
            link={
                "source": [source for source, _, _ in links],
                "target": [target for _, target, _ in links],
                "value": [total.get(kind, 0) for _, _, kind in links],
                "label": [kind for _, _, kind in links],
            },
            valueformat=".1f",
            valuesuffix=" kWh",
        )
    )
    return _styled(figure, "Energy flows of the run", "", "")


def bills_figure(summary: Summary) -> Figure:
    """Plot each participant's bill in the market beside the one under net billing."""
    names = [figures.participant_id for figures in summary.participants]
    figure = go.Figure()
    if summary.baseline_bill is not None:
        figure.add_bar(
            x=names,
            y=[figures.baseline_bill for figures in summary.participants],
            name="net billing (baseline)",
            marker_color=COLOURS["baseline"],
        )
    figure.add_bar(
        x=names,
        y=[figures.bill for figures in summary.participants],
        name="market",
        marker_color=COLOURS["market"],
    )
    return _styled(figure, "Bills", "", "$ (negative: income)")


def batteries_figure(charges: Mapping[str, Sequence[tuple[int, float]]], timezone: str) -> Figure:
    """Plot the state of charge of each battery.

    Args:
        charges: participant id -> (time, Wh).
        timezone: of the times shown.
    """
    figure = go.Figure()
    for name, series in charges.items():
        times = local_times([time for time, _ in series], timezone)
        energy = [charge / WH_PER_KWH for _, charge in series]
        figure.add_scatter(x=times, y=energy, name=name, mode="lines", line={"width": 1})
    return _styled(figure, "State of charge of the batteries", "local time", "kWh")


def depth_figure(orders_by_slot: Mapping[int, Sequence[OrderRecord]], timezone: str, shown: int) -> Figure:
    """Plot supply and demand of a slot that is chosen from a menu.

    Args:
        orders_by_slot: slot start -> its orders.
        timezone: of the times shown.
        shown: the slot that is shown at first.
    """
    figure = go.Figure()
    slots = list(orders_by_slot)
    for slot_start in slots:
        orders = orders_by_slot[slot_start]
        for side, name in (("bid", "demand"), ("ask", "supply")):
            x, y = _staircase([order for order in orders if order.side == side], descending=side == "bid")
            line = {"shape": "hv", "color": COLOURS["demand" if side == "bid" else "market"]}
            figure.add_scatter(x=x, y=y, name=name, mode="lines", line=line, visible=slot_start == shown)
    buttons = []
    for place, time in enumerate(local_times(slots, timezone)):
        visible = [trace // 2 == place for trace in range(2 * len(slots))]
        buttons.append(
            {"label": f"{time:%a %d %b %H:%M}", "method": "update", "args": [{"visible": visible}]}
        )
    menu = {"buttons": buttons, "active": slots.index(shown), "x": 1, "y": 1.15, "xanchor": "right"}
    figure.update_layout(updatemenus=[menu])
    styled = _styled(figure, "Supply and demand of a slot", "kWh", "$/kWh")
    return styled.update_layout(hovermode="closest")


def _staircase(orders: Sequence[OrderRecord], *, descending: bool) -> tuple[list[float], list[float]]:
    """Return quantities (kWh) and prices ($/kWh) of the orders laid side by side, the best first."""
    x, y, reached = [0.0], [], 0
    for price, quantity in sorted(
        ((order.price or 0, order.quantity or 0) for order in orders), reverse=descending
    ):
        reached += quantity
        x.append(reached / WH_PER_KWH)
        y.append(price / MICRO)
    return (x, [*y, y[-1]]) if y else ([], [])
