"""Totals from columns: `trex_market.totals` over arrays, equal to it to the last unit."""

from __future__ import annotations

import numpy as np

from trex_market.kernels.compiled import compiled, inner
from trex_market.kernels.records import (
    DELIVERY,
    FEED_IN,
    NOBODY,
    SELF_CONSUMPTION,
    SHORTFALL,
    SPILL,
    SUPPLY,
    TAKE_OR_PAY,
    Records,
)


@compiled
def add_meters(participants: Records, channels: Records, battery: int, parties: Records) -> None:
    """Add what was metered in a slot: loads, and generation apart from batteries.

    Args:
        participants: with their readings.
        channels: with theirs.
        battery: number of the source `bess`.
        parties: of type `PARTY`, one for each participant.
    """
    for who in range(len(parties)):
        load = participants[who].load_outside
        generated = 0
        first = participants[who].channel
        for place in range(first, first + participants[who].channels):
            channel = channels[place]
            load += channel.used
            if channel.source != battery:
                generated += channel.used + channel.stored + channel.exported
        parties[who].load += load
        parties[who].generated += generated


@compiled
def add_transactions(rows: Records, parties: Records, market: Records) -> None:
    """Add what was delivered.

    Args:
        rows: transactions, in order.
        parties: of type `PARTY`, one for each participant.
        market: one of type `MARKET`.
    """
    whole = market[0]
    whole.transactions += len(rows)
    for place in range(len(rows)):
        row = rows[place]
        quantity, seller, buyer = row.quantity, row.seller, row.buyer
        if row.kind == SELF_CONSUMPTION:
            parties[seller].self_consumed += quantity
            continue
        whole.moved += np.float64(quantity) * max(abs(row.price_buy), abs(row.price_sell))
        paid, received = quantity * row.price_buy, quantity * row.price_sell
        whole.operator_income += paid - received
        if buyer == NOBODY:
            whole.grid_income -= paid
        else:
            parties[buyer].bill += paid
        if seller == NOBODY:
            whole.grid_income += received
        else:
            parties[seller].bill -= received
        if row.kind == SUPPLY:
            parties[buyer].supplied += quantity
        elif row.kind == FEED_IN:
            parties[seller].fed_in += quantity
        elif row.kind == DELIVERY:
            parties[buyer].bought += quantity
            parties[buyer].bought_cost += paid
            parties[seller].sold += quantity
            parties[seller].sold_income += received
            whole.delivered += 1
            whole.last_price = row.price_buy
        else:
            _add_rest(row.kind, quantity, seller, buyer, parties)


@inner
def _add_rest(kind: int, quantity: int, seller: int, buyer: int, parties: Records) -> None:
    """Add what became of the rest of a contract."""
    if kind == SPILL:
        parties[seller].spilled += quantity
    elif kind == TAKE_OR_PAY:
        parties[buyer].unused += quantity
    elif kind == SHORTFALL:
        parties[seller].compensated += quantity
