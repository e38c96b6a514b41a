"""What came of trading flexibility: the load of each congestion point with and without it, and what it cost."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from trex_market.programmes.flexibility.commands import FeederMetered
from trex_market.programmes.flexibility.grid_operator import GridOperator
from trex_market.programmes.flexibility.money import decimal_from_nano

LOADS_FILE, OUTCOME_FILE = "loads.csv", "outcome.json"


class PointOutcome(msgspec.Struct, frozen=True):
    """What came of a congestion point.

    Args:
        congestion_point: entity address.
        slots: how many were metered.
        highest_w: load with flexibility.
        lowest_w: load with flexibility.
        highest_without_w: load without flexibility.
        lowest_without_w: load without flexibility.
        over: slots in which a limit was exceeded.
        over_without: slots in which it would have been exceeded without flexibility.
        over_wh: energy beyond the limits.
        over_without_wh: energy that would have been beyond the limits.
        ordered_wh: energy that was ordered.
        delivered_wh: of that, what was delivered.
        missed_wh: of that, what was not.
    """

    congestion_point: str
    slots: int
    highest_w: int
    lowest_w: int
    highest_without_w: int
    lowest_without_w: int
    over: int
    over_without: int
    over_wh: float
    over_without_wh: float
    ordered_wh: float
    delivered_wh: float
    missed_wh: float


class SettledOrder(msgspec.Struct, frozen=True):
    """An order as it was settled; amounts in the DSO's currency.

    Args:
        aggregator: domain.
        reference: of the order.
        congestion_point: entity address.
        price: as ordered.
        penalty: for what was not delivered.
        net: what the DSO pays.
        verdict: what the aggregator said of it: "accepted", "disputed", or "" for nothing.
    """

    aggregator: str
    reference: str
    congestion_point: str
    price: Decimal
    penalty: Decimal
    net: Decimal
    verdict: str


class FlexibilityOutcome(msgspec.Struct, frozen=True):
    """All that came of trading flexibility.

    Args:
        points: each congestion point.
        orders: all of them.
        cost: what the DSO pays in all.
        currency: ISO 4217.
        silent: aggregators that did not answer in the end.
    """

    points: tuple[PointOutcome, ...]
    orders: tuple[SettledOrder, ...]
    cost: Decimal
    currency: str
    silent: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield it in words."""
        for point in self.points:
            yield (
                f"{point.congestion_point}: load {point.lowest_w:,} to {point.highest_w:,} W, without flexibility "
                f"{point.lowest_without_w:,} to {point.highest_without_w:,} W"
            )
            yield (
                f"  over its limits in {point.over} of {point.slots} slots ({point.over_wh:,.0f} Wh), without "
                f"flexibility in {point.over_without} ({point.over_without_wh:,.0f} Wh)"
            )
            yield (
                f"  ordered {point.ordered_wh:,.0f} Wh, delivered {point.delivered_wh:,.0f} Wh, "
                f"missed {point.missed_wh:,.0f} Wh"
            )
        for domain in sorted({order.aggregator for order in self.orders}):
            own = [order for order in self.orders if order.aggregator == domain]
            accepted = sum(order.verdict == "accepted" for order in own)
            yield (
                f"{domain}: {len(own)} orders, {sum(order.net for order in own)} {self.currency} "
                f"({accepted} settlements accepted)"
            )
        yield f"cost {self.cost} {self.currency}"
        for domain in self.silent:
            yield f"{domain} did not answer in the end"


def outcome_of(
    machine: GridOperator, metered: Sequence[FeederMetered], silent: Sequence[str]
) -> FlexibilityOutcome:
    """Return what came of it.

    Args:
        machine: the DSO's.
        metered: of all points and slots.
        silent: aggregators that did not answer in the end.
    """
    hours = machine.terms.isp_duration_s / 3_600
    addresses = [point.address for point in machine.terms.points]
    by_point = {address: [one for one in metered if one.congestion_point == address] for address in addresses}
    orders = tuple(_orders(machine))
    cost = sum((order.net for order in orders), Decimal(0))
    points = tuple(_point(address, found, hours) for address, found in by_point.items() if found)
    return FlexibilityOutcome(points, orders, cost, machine.terms.currency, tuple(silent))


def _point(address: str, metered: Sequence[FeederMetered], hours: float) -> PointOutcome:
    loads, without = [one.load for one in metered], [one.without for one in metered]
    over = [_beyond(one, one.load) for one in metered]
    over_without = [_beyond(one, one.without) for one in metered]
    ordered = sum(one.ordered for one in metered)
    delivered = sum(one.delivered for one in metered)
    return PointOutcome(
        congestion_point=address,
        slots=len(metered),
        highest_w=max(loads),
        lowest_w=min(loads),
        highest_without_w=max(without),
        lowest_without_w=min(without),
        over=sum(power > 0 for power in over),
        over_without=sum(power > 0 for power in over_without),
        over_wh=sum(over) * hours,
        over_without_wh=sum(over_without) * hours,
        ordered_wh=ordered * hours,
        delivered_wh=delivered * hours,
        missed_wh=(ordered - delivered) * hours,
    )


def _beyond(metered: FeederMetered, load: int) -> int:
    return max(0, load - metered.import_limit, -load - metered.export_limit)


def _orders(machine: GridOperator) -> Iterator[SettledOrder]:
    state = machine.state()
    for message_id, settlement in state.settlements.items():
        verdicts = {verdict.order_reference: verdict for verdict in state.verdicts.get(message_id, ())}
        for item in settlement.orders:
            verdict = verdicts.get(item.order_reference)
            said = "" if verdict is None else "accepted" if verdict.accepted else "disputed"
            yield SettledOrder(
                settlement.recipient,
                item.order_reference,
                item.congestion_point,
                decimal_from_nano(item.price),
                decimal_from_nano(item.penalty),
                decimal_from_nano(item.net),
                said,
            )


def write_outcome(outcome: FlexibilityOutcome, metered: Sequence[FeederMetered], directory: Path) -> None:
    """Write it as JSON, and the loads of all slots as CSV.

    Args:
        outcome: what came of it.
        metered: of all points and slots.
        directory: made if it is not there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / OUTCOME_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(outcome)))
    names = FeederMetered.__struct_fields__
    with (directory / LOADS_FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([getattr(one, name) for name in names] for one in metered)
