"""What kernels keep of participants, orders, contracts and transactions: arrays of records, all fields int64.

Participants, sources and orders are numbers here; the names are the caller's. Energy is Wh, a price
micro-dollars per kWh, money nano-dollars.

Kernels take arrays and plain numbers, no tuples of arrays: for those, Numba counts references in every loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trex_market.core.errors import RefusalCode
from trex_market.core.messages import TransactionKind

Records = NDArray[Any]
"""An array of records; Numba knows their fields, mypy does not."""


def _record(*fields: str) -> np.dtype[np.void]:
    return np.dtype([(field, np.int64) for field in fields])


NOBODY = -1
"""The grid among participants and sources, no source of a bid, no contract of a transaction."""

PARTICIPANT = _record(
    "channel",
    "channels",
    "battery",
    "order",
    "orders",
    "submitted",
    "bought",
    "load_outside",
    "battery_outside",
    "need",
    "owed",
)
"""A participant: where its things are, and what is known of it in a round.

Its channels are `channels` from `channel` on, its orders of this round `orders` from `order` on; `battery` is
its place among a population's batteries, or `NOBODY`; `submitted` counts its orders in the episode; `bought`
is for the slot that was just cleared; the loads and the battery took `load_outside` and `battery_outside` from
outside of the home in the slot that is delivered; `need` and `owed` are what of that delivery has not met, and
what it has not compensated.
"""

CHANNEL = _record("source", "sold", "due", "exported", "used", "stored", "left")
"""A source of energy of a participant.

`sold` is for the slot that was just cleared, `due` for the one that is delivered; of that `exported` left the
home, `used` went to its loads and `stored` to its battery; `left` is what delivery has not accounted for.
"""

ORDER = _record("bid", "quantity", "price", "source", "ahead", "number", "status")
"""An order in its owner's place.

`bid` is 1 for a bid, 0 for an ask; it is for the slot `ahead` slots after the next one to be cleared; `number`
counts its owner's orders from 1; `status` is `ACCEPTED`, `TAKEN_BACK` or a place in `REFUSALS`.
"""

CONTRACT = _record("seller", "buyer", "source", "quantity", "price_sell", "price_buy", "bid", "ask")
"""A contract; `bid` and `ask` are the numbers that their owners' orders have."""

TRANSACTION = _record("kind", "contract", "quantity", "seller", "buyer", "source", "price_sell", "price_buy")
"""A transaction; `kind` is a place in `KINDS`, `contract` one among the slot's contracts."""

PARTY = _record(
    "load",
    "generated",
    "bought",
    "bought_cost",
    "sold",
    "sold_income",
    "supplied",
    "fed_in",
    "spilled",
    "self_consumed",
    "unused",
    "compensated",
    "bill",
)
"""What one participant traded, used and paid; the fields are those of `trex_market.totals.PartyTotals`."""

MARKET = np.dtype(
    [
        ("grid_income", np.int64),
        ("operator_income", np.int64),
        ("transactions", np.int64),
        ("delivered", np.int64),
        ("last_price", np.int64),
        ("moved", np.float64),
    ]
)
"""What all came to.

`last_price` is valid once there is something in `delivered` (rows of that kind). `moved` is roughly the money
of all rows, debts not set off against each other: below `MONEY_BOUND` no sum has left 64 bits.
"""

MONEY_BOUND = 2.0**62
"""Nano-dollars."""

KINDS: tuple[TransactionKind, ...] = (
    "delivery",
    "take_or_pay",
    "spill",
    "shortfall",
    "self_consumption",
    "feed_in",
    "supply",
)
"""The kinds of transactions that delivery makes."""

DELIVERY, TAKE_OR_PAY, SPILL, SHORTFALL, SELF_CONSUMPTION, FEED_IN, SUPPLY = range(len(KINDS))

REFUSALS = (
    None,
    None,
    RefusalCode.BAD_QUANTITY,
    RefusalCode.BAD_PRICE,
    RefusalCode.UNKNOWN_SOURCE,
    RefusalCode.BEYOND_HORIZON,
    RefusalCode.BAD_SLOT,
    RefusalCode.GATE_CLOSED,
)
"""Why an order of a status was refused; the last two are for orders that are not made by kernels."""

ACCEPTED, TAKEN_BACK, BAD_QUANTITY, BAD_PRICE, UNKNOWN_SOURCE, BEYOND_HORIZON = range(6)


def records(kind: np.dtype[np.void], count: int) -> Records:
    """Make room for records."""
    return np.zeros(count, dtype=kind)
