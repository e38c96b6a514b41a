"""Delivery of a slot from columns: `trex_market.core.delivery` over arrays, equal to it row by row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trex_market.kernels.compiled import compiled, inner
from trex_market.kernels.layout import Layout, Numbers
from trex_market.kernels.records import (
    DELIVERY,
    FEED_IN,
    NOBODY,
    SELF_CONSUMPTION,
    SHORTFALL,
    SPILL,
    SUPPLY,
    TAKE_OR_PAY,
    TRANSACTION,
    Records,
    records,
)

Flags = NDArray[np.bool_]


class DeliveryRoom(NamedTuple):
    """Room to work in; see `make_delivery_room`.

    Args:
        rows: of type `TRANSACTION`.
        rest: number of a contract that is not settled, and how much is left of it.
    """

    rows: Records
    rest: Numbers


def make_delivery_room(layout: Layout, contracts: int) -> DeliveryRoom:
    """Make room for the delivery of a slot.

    Args:
        layout: the participants and their channels.
        contracts: the most that a slot can have.
    """
    # A contract makes a row for each of two sources, and two for each of them that is not taken.
    rows = 6 * contracts + 3 * len(layout.channels) + len(layout.participants)
    return DeliveryRoom(records(TRANSACTION, rows), np.zeros((contracts, 2), dtype=np.int64))


@compiled
def deliver(
    contracts: Records,
    participants: Records,
    channels: Records,
    channel_of: Numbers,
    dispatch: Flags,
    battery: int,
    replacement: bool,  # noqa: FBT001 - compiled code takes arguments by place
    sell_price: int,
    buy_price: int,
    rows: Records,
    rest: Numbers,
) -> int:
    """Deliver a slot: write its transactions into `rows`.

    Args:
        contracts: of the slot, as numbered.
        participants: with their readings; their `need` and `owed` are changed.
        channels: with what was exported; their `left` is changed.
        channel_of: participant, source -> channel.
        dispatch: source -> whether it can be dispatched.
        battery: number of the source `bess`.
        replacement: whether a shortfall costs what the energy costs above the contract's price.
        sell_price: what the grid pays, micro-dollars per kWh.
        buy_price: what it charges.
        rows: room for them.
        rest: room to work in.

    Returns:
        how many rows there are.
    """
    _take_readings(participants, channels)
    count = left_over = 0
    for of_dispatch in (True, False):
        for number in range(len(contracts)):
            if dispatch[contracts[number].source] == of_dispatch:
                second = NOBODY if of_dispatch else battery
                count, quantity = _delivered(
                    number, contracts, second, participants, channels, channel_of, rows, count
                )
                if quantity:
                    rest[left_over, 0], rest[left_over, 1] = number, quantity
                    left_over += 1
    for who in range(len(participants)):
        participants[who].owed = participants[who].need
    for place in range(left_over):
        number, quantity = rest[place, 0], rest[place, 1]
        contract = contracts[number]
        if participants[contract.buyer].need:
            price = -max(0, buy_price - contract.price_buy if replacement else buy_price)
            count = _compensated(number, contracts, quantity, price, participants, rows, count)
        else:
            second = NOBODY if dispatch[contract.source] else battery
            price = min(0, sell_price)
            count = _not_taken(number, contracts, quantity, second, price, channels, channel_of, rows, count)
    return _settle_with_grid(participants, channels, sell_price, buy_price, rows, count)


@inner
def _take_readings(participants: Records, channels: Records) -> None:
    """Begin with all that was exported and needed."""
    for place in range(len(channels)):
        channels[place].left = channels[place].exported
    for who in range(len(participants)):
        participants[who].need = participants[who].load_outside + participants[who].battery_outside


@inner
def _write(
    rows: Records,
    place: int,
    kind: int,
    contract: int,
    quantity: int,
    seller: int,
    buyer: int,
    source: int,
    price_sell: int,
    price_buy: int,
) -> int:
    """Write a row and return the place of the next."""
    row = rows[place]
    row.kind = kind
    row.contract = contract
    row.quantity = quantity
    row.seller = seller
    row.buyer = buyer
    row.source = source
    row.price_sell = price_sell
    row.price_buy = price_buy
    return place + 1


@inner
def _delivered(
    number: int,
    contracts: Records,
    second: int,
    participants: Records,
    channels: Records,
    channel_of: Numbers,
    rows: Records,
    count: int,
) -> tuple[int, int]:
    """Do step 1 for a contract; return the number of rows, and what is left of it.

    Its energy comes from its own source, then from `second`, if there is one.
    """
    contract = contracts[number]
    seller, buyer, quantity = contract.seller, contract.buyer, contract.quantity
    for source in (contract.source, second):
        channel = NOBODY if source == NOBODY else channel_of[seller, source]
        if channel != NOBODY:
            moved = min(quantity, channels[channel].left, participants[buyer].need)
            if moved:
                channels[channel].left -= moved
                participants[buyer].need -= moved
                quantity -= moved
                prices = (contract.price_sell, contract.price_buy)
                count = _write(rows, count, DELIVERY, number, moved, seller, buyer, source, *prices)
    return count, quantity


@inner
def _compensated(
    number: int,
    contracts: Records,
    quantity: int,
    price: int,
    participants: Records,
    rows: Records,
    count: int,
) -> int:
    """Do step 2 for a contract whose buyer still needs the energy; return the number of rows.

    The need itself stays: it is for the grid to meet.
    """
    contract = contracts[number]
    seller, buyer = contract.seller, contract.buyer
    moved = min(quantity, participants[buyer].owed)
    if moved:
        participants[buyer].owed -= moved
        count = _write(rows, count, SHORTFALL, number, moved, seller, buyer, NOBODY, price, price)
    return count


@inner
def _not_taken(
    number: int,
    contracts: Records,
    quantity: int,
    second: int,
    spill_price: int,
    channels: Records,
    channel_of: Numbers,
    rows: Records,
    count: int,
) -> int:
    """Do step 2 for a contract whose buyer has no use for the energy; return the number of rows."""
    contract = contracts[number]
    seller, buyer = contract.seller, contract.buyer
    for source in (contract.source, second):
        channel = NOBODY if source == NOBODY else channel_of[seller, source]
        if channel != NOBODY:
            moved = min(quantity, channels[channel].left)
            if moved:
                channels[channel].left -= moved
                quantity -= moved
                prices = (contract.price_sell, contract.price_buy)
                count = _write(rows, count, TAKE_OR_PAY, number, moved, seller, buyer, source, *prices)
                prices = (spill_price, spill_price)
                count = _write(rows, count, SPILL, number, moved, seller, NOBODY, source, *prices)
    return count


@inner
def _settle_with_grid(
    participants: Records, channels: Records, sell_price: int, buy_price: int, rows: Records, count: int
) -> int:
    """Do step 3, participants in order, and return the number of rows."""
    for who in range(len(participants)):
        first = participants[who].channel
        last = first + participants[who].channels
        for place in range(first, last):
            channel = channels[place]
            if channel.stored:
                stored, source = channel.stored, channel.source
                count = _write(rows, count, SELF_CONSUMPTION, NOBODY, stored, who, who, source, 0, 0)
        for place in range(first, last):
            channel = channels[place]
            if channel.used:
                used, source = channel.used, channel.source
                count = _write(rows, count, SELF_CONSUMPTION, NOBODY, used, who, who, source, 0, 0)
        for place in range(first, last):
            channel = channels[place]
            if channel.left:
                left, source, prices = channel.left, channel.source, (sell_price, sell_price)
                count = _write(rows, count, FEED_IN, NOBODY, left, who, NOBODY, source, *prices)
        need = participants[who].need
        if need:
            prices = (buy_price, buy_price)
            count = _write(rows, count, SUPPLY, NOBODY, need, NOBODY, who, NOBODY, *prices)
    return count
