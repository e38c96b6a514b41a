"""The columns that kernels take and give, what their limits are, and room to work in.

All columns are one-dimensional arrays of int64 without gaps, an element for each order or contract.
Prices are micro-dollars per kWh, quantities Wh.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trex_market.core.clearing import RuleOptions
from trex_market.core.errors import InputError, unknown_name
from trex_market.core.units import MAX_PRICE, MAX_QUANTITY, MICRO

Column = NDArray[np.int64]

PLACE_BITS = 20
"""Bits of an order's place in its column, inside a key."""

MAX_ORDERS = 1 << PLACE_BITS
"""The most bids, and the most asks, of one slot."""

MAX_PARTICIPANTS = 1 << PLACE_BITS
"""The most participants."""

MAX_POOLS = 1 << 12
"""The most pools."""

MAX_BOUND = 1_000 * MAX_PRICE
"""The furthest from 0 that a price floor or cap may lie: the middle between two is still exact in 64 bits."""

NO_CAP = np.iinfo(np.int64).max
"""Stands for no price cap."""

DIGIT_BITS = 11
"""Bits by which keys are sorted at once: so many that their histogram stays near the processor."""

(
    BAD_LENGTHS,
    BAD_ORDERS,
    BAD_CONTRACTS,
    BAD_PRICES,
    BAD_QUANTITIES,
    BAD_PARTICIPANTS,
    BAD_POOLS,
) = range(1, 8)

LIMITS = {
    BAD_LENGTHS: "columns of one length on each side",
    BAD_ORDERS: f"at most {MAX_ORDERS:,} bids and as many asks in a slot, and room for them",
    BAD_CONTRACTS: "room for as many contracts as there are bids and asks together",
    BAD_PRICES: f"prices from -{MAX_PRICE:,} to {MAX_PRICE:,} micro-$/kWh",
    BAD_QUANTITIES: f"quantities from 1 to {MAX_QUANTITY:,} Wh",
    BAD_PARTICIPANTS: f"participants numbered from 0, at most {MAX_PARTICIPANTS:,}, and room for them",
    BAD_POOLS: f"pools numbered from 0, at most {MAX_POOLS:,}, and room for them",
}
"""What clearing needs, by the number that it answers with, below 0, where that is not so."""


class Orders(NamedTuple):
    """One side of a slot, in any order.

    Args:
        participant: number of the owner; the numbers follow the order of the ids.
        pool: place of the source among the pools; all 0 where the pool is single.
        price: micro-dollars per kWh.
        quantity: Wh.
        rank: the lowest comes first among equal prices; among equal ranks, who stands first in the columns.
    """

    participant: Column
    pool: Column
    price: Column
    quantity: Column
    rank: Column


class Contracts(NamedTuple):
    """What clearing makes, in the order of the market's contracts.

    Args:
        bid: place in the columns of the bids.
        ask: place in the columns of the asks.
        quantity: Wh.
        price_sell: what the seller gets, micro-dollars per kWh.
        price_buy: what the buyer pays, micro-dollars per kWh.
    """

    bid: Column
    ask: Column
    quantity: Column
    price_sell: Column
    price_buy: Column


class RuleTerms(NamedTuple):
    """A rule and its options as numbers; see `rule_terms`.

    Args:
        code: which rule; one of `RULE_CODES`.
        k: millionths of the way from the lower price to the higher.
        price_floor: micro-dollars per kWh.
        price_cap: micro-dollars per kWh, or `NO_CAP`.
    """

    code: int
    k: int
    price_floor: int
    price_cap: int


class Scratch(NamedTuple):
    """Room to work in; what it holds between two calls means nothing. See `make_scratch`.

    Args:
        keys: side, row, order; see `sorting`.
        numbers: side, row, order; see `lines`.
        owners: three numbers of each participant, and two more.
        starts: side, pool; where a pool's orders start, and where the last one's end.
    """

    keys: NDArray[np.uint64]
    numbers: NDArray[np.int64]
    owners: Column
    starts: NDArray[np.int64]


class Room(NamedTuple):
    """All that clearing needs besides orders; see `make_room`."""

    contracts: Contracts
    scratch: Scratch


CROSSING, EQUAL_PRICE, OWN_PRICED, UNIFORM, MCAFEE, TRADE_REDUCTION = range(6)

RULE_CODES = {
    "MicroTE": CROSSING,
    "MicroTE2": EQUAL_PRICE,
    "MicroTE3": OWN_PRICED,
    "MicroTE3B": OWN_PRICED,
    "k_pricing": CROSSING,
    "uniform": UNIFORM,
    "mcafee": MCAFEE,
    "trade_reduction": TRADE_REDUCTION,
}
"""The rules by name; whether pools are by source or single, the columns tell."""


def rule_terms(rule: str, options: RuleOptions | None = None) -> RuleTerms:
    """Make a rule's terms.

    Args:
        rule: one of `RULE_CODES`.
        options: what it depends on besides the orders.

    Raises:
        InputError: if there is no such rule, or an option is beyond its limit.
    """
    if rule not in RULE_CODES:
        raise InputError(unknown_name("clearing rule", rule, RULE_CODES))
    options = options or RuleOptions()
    if not 0 <= options.k <= MICRO:
        raise InputError(f"k must be 0 to {MICRO:,} millionths, found {options.k:,}")
    for bound in (options.price_floor, options.price_cap or 0):
        if abs(bound) > MAX_BOUND:
            raise InputError(
                f"a price floor or cap must be -{MAX_BOUND:,} to {MAX_BOUND:,} micro-$/kWh, found {bound:,}"
            )
    cap = NO_CAP if options.price_cap is None else options.price_cap
    return RuleTerms(RULE_CODES[rule], options.k, options.price_floor, cap)


def make_scratch(orders: int, participants: int, pools: int) -> Scratch:
    """Make room to clear slots in, one after the other.

    Args:
        orders: the most bids, or asks, of a slot.
        participants: how many there are.
        pools: how many there are.

    Raises:
        InputError: if one is beyond its limit.
    """
    for what, number, least, most in (
        ("bids or asks in a slot", orders, 0, MAX_ORDERS),
        ("participants", participants, 0, MAX_PARTICIPANTS),
        ("pools", pools, 1, MAX_POOLS),
    ):
        if not least <= number <= most:
            raise InputError(f"there can be {least} to {most:,} {what}, found {number:,}")
    room = orders + 2  # lines are read one place further than they go
    return Scratch(
        keys=np.zeros((2, 6, max(room, 1 << DIGIT_BITS)), np.uint64),
        numbers=np.zeros((2, 6, room), np.int64),
        owners=np.zeros(3 * participants + 2, np.int64),
        starts=np.zeros((2, pools + 1), np.int64),
    )


def make_contracts(orders: int) -> Contracts:
    """Make room for all contracts that so many bids and asks together can give."""
    return Contracts(*np.zeros((5, orders), np.int64))


def make_room(orders: int, participants: int, pools: int) -> Room:
    """Make all room that is needed to clear slots, one after the other; see `make_scratch`."""
    return Room(make_contracts(2 * orders), make_scratch(orders, participants, pools))
