"""What several strategies do alike: a home's residual, and the orders that follow from it."""

from __future__ import annotations

from trex_market.core.messages import BATTERY
from trex_market.participant import NewOrder, View, ask, bid


def residual(view: View, slot_start: int) -> int:
    """Return what a home needs in a slot beyond its own generation, in Wh; negative is surplus."""
    return view.load(slot_start) - sum(view.generation(slot_start).values())


def residual_orders(view: View, slot_start: int, bid_price: int, ask_price: int) -> list[NewOrder]:
    """Bid for all that a home lacks in a slot, or ask for all that it has too much.

    Args:
        view: the round.
        slot_start: the slot's start.
        bid_price: micro-dollars per kWh.
        ask_price: micro-dollars per kWh.
    """
    load = view.load(slot_start)
    asks = []
    for source, made in view.generation(slot_start).items():
        surplus = made - load
        if surplus > 0:
            asks.append(ask(surplus, ask_price, slot_start, source))
            load = 0
        else:
            load = -surplus
    if load:
        return [bid(load, bid_price, slot_start)]
    return asks


def balancing_energy(view: View, slot_start: int) -> int:
    """Return what the battery must take (positive) or give so that contracts and own use come out even, in Wh."""
    traded = view.bought(slot_start) - sum(view.sold(slot_start).values())
    return traded - residual(view, slot_start)


def sold_from_battery(view: View, slot_start: int) -> int:
    """Return what was sold from the battery for a slot, in Wh."""
    return view.sold(slot_start).get(BATTERY, 0)
