"""Flexibility in a report: load at each congestion point with and without it, what was ordered and done, and paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import msgspec

from trex_market.analysis.plots import AMBER, CORAL, GREY, TEAL, Figure, local_times
from trex_market.analysis.sampling import bins
from trex_market.analysis.slots import SlotRecords
from trex_market.core.units import NANO
from trex_market.programmes.flexibility.commands import FEEDER_METRICS

FLEXIBILITY = "flexibility"
"""Kind of the rows that are paid for it."""

_HOUR = 3600
_KILO = 1000

Feeders = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Address of a congestion point -> slot -> name of a figure of `FEEDER_METRICS` -> W."""


class PointFrame(msgspec.Struct, frozen=True):
    """One row a slot of a congestion point, in W.

    Args:
        address: of the point.
        start: of each slot.
        load: as metered.
        without: what it would have been without flexibility.
        import_limit: most that may flow towards the participants.
        export_limit: most that may flow towards the grid.
        ordered: the size of all changes that were ordered.
        delivered: what of them was done.
    """

    address: str
    start: list[int]
    load: list[int]
    without: list[int]
    import_limit: list[int]
    export_limit: list[int]
    ordered: list[int]
    delivered: list[int]


class PaymentSum(msgspec.Struct, frozen=True):
    """What one party paid another for flexibility: Wh delivered, and nano-dollars."""

    buyer_id: str
    seller_id: str
    quantity: int
    amount: int


class PointSum(msgspec.Struct, frozen=True):
    """A congestion point over the whole run, energy in Wh.

    Args:
        address: of the point.
        peak: largest load beyond nothing, in either direction, in W.
        peak_without: the same without flexibility.
        beyond: energy beyond the limits.
        beyond_without: the same without flexibility.
        ordered: energy.
        delivered: energy.
        missed: energy that was ordered and not delivered.
    """

    address: str
    peak: int
    peak_without: int
    beyond: float
    beyond_without: float
    ordered: float
    delivered: float
    missed: float


class FlexibilityFrames(msgspec.Struct, frozen=True):
    """All that is told of flexibility.

    Args:
        period: length of a slot, in seconds.
        points: by address.
        payments: in order of the parties.
    """

    period: int
    points: list[PointFrame]
    payments: list[PaymentSum]

    def sums(self) -> list[PointSum]:
        """Return each point over the whole run."""
        return [_sum(point, self.period / _HOUR) for point in self.points]


class FlexibilityPayments:
    """Adds up what is paid for flexibility, slot by slot."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], tuple[int, int]] = {}

    def hear(self, slot: SlotRecords) -> None:
        """Take in a slot."""
        for row in slot.transactions:
            if row.kind == FLEXIBILITY and row.amount is not None:
                parties = (row.buyer_id, row.seller_id)
                quantity, amount = self._sums.get(parties, (0, 0))
                self._sums[parties] = (quantity + row.quantity, amount + row.amount)

    def frames(self, feeders: Feeders, period: int) -> FlexibilityFrames | None:
        """Return all that is told; None if there was no flexibility.

        Args:
            feeders: as recorded.
            period: length of a slot, in seconds.
        """
        if not feeders:
            return None
        payments = [PaymentSum(*parties, *sums) for parties, sums in sorted(self._sums.items())]
        points = [_frame(address, slots) for address, slots in sorted(feeders.items())]
        return FlexibilityFrames(period, points, payments)


def _frame(address: str, slots: Mapping[int, Mapping[str, float]]) -> PointFrame:
    starts = sorted(slots)
    columns = {
        column: [int(slots[start].get(name, 0)) for start in starts]
        for name, column in FEEDER_METRICS.items()
    }
    return PointFrame(address, starts, **columns)


def _sum(point: PointFrame, hours: float) -> PointSum:
    limits = list(zip(point.import_limit, point.export_limit, strict=True))
    ordered, delivered = sum(point.ordered) * hours, sum(point.delivered) * hours
    return PointSum(
        point.address,
        max(map(abs, point.load), default=0),
        max(map(abs, point.without), default=0),
        _beyond(point.load, limits) * hours,
        _beyond(point.without, limits) * hours,
        ordered,
        delivered,
        ordered - delivered,
    )


def _beyond(loads: Sequence[int], limits: Sequence[tuple[int, int]]) -> int:
    return sum(max(0, load - most, -least - load) for load, (most, least) in zip(loads, limits, strict=True))


# ---------------------------------------------------------------- shown


def point_figure(point: PointFrame, period: int, timezone: str) -> Figure:
    """Plot the load of a congestion point with and without flexibility, and its limits.

    Args:
        point: the point.
        period: length of a slot, in seconds.
        timezone: of the times shown.
    """
    shown = bins(point.start, period)

    def line(name: str, column: Sequence[int], colour: str, dash: str = "solid") -> dict[str, Any]:
        values = [None if value is None else round(value / _KILO, 3) for value in shown.means(column)]
        style = {"color": colour, "width": 1.5, "dash": dash, "shape": "hv"}
        return {"type": "scatter", "name": name, "x": "time", "y": values, "mode": "lines", "line": style}

    data = [
        line("without flexibility", point.without, CORAL, "dot"),
        line("load", point.load, TEAL),
        line("limit", point.import_limit, AMBER, "dash"),
        line("limit towards the grid", [-limit for limit in point.export_limit], AMBER, "dash"),
        line("ordered", point.ordered, GREY, "dot"),
    ]
    layout = {
        "yaxis": {"title": {"text": "kW towards the homes (below 0: back)"}},
        "xaxis": {"type": "date"},
    }
    return Figure(point.address, data, layout, {"time": local_times(shown.starts, timezone)})


POINT_HEADER = (
    "congestion point",
    "peak, kW",
    "peak without, kW",
    "beyond the limits, kWh",
    "beyond without, kWh",
    "ordered, kWh",
    "delivered, kWh",
    "missed, kWh",
)
PAYMENT_HEADER = ("paid by", "to", "delivered, kWh", "$")


def point_rows(frames: FlexibilityFrames) -> list[tuple[str, ...]]:
    """Return a table's rows: the points, see `POINT_HEADER`."""
    return [
        (one.address, *(f"{value / _KILO:,.3f}" for value in msgspec.structs.astuple(one)[1:]))
        for one in frames.sums()
    ]


def payment_rows(frames: FlexibilityFrames) -> list[tuple[str, ...]]:
    """Return a table's rows: who paid whom, see `PAYMENT_HEADER`."""
    return [
        (one.buyer_id, one.seller_id, f"{one.quantity / _KILO:,.3f}", f"{one.amount / NANO:,.4f}")
        for one in frames.payments
    ]


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of a page; the first columns are names."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def as_plain(frames: FlexibilityFrames) -> dict[str, Any]:
    """Return all that is told, for JSON: energy in Wh, power in W, money in nano-dollars."""
    return {
        "points": [msgspec.structs.asdict(one) for one in frames.sums()],
        "payments": [msgspec.structs.asdict(one) for one in frames.payments],
        "slots": [msgspec.structs.asdict(point) for point in frames.points],
    }
