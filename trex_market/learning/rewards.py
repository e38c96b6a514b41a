"""Rewards: what a slot was worth to an agent. A reward is a function from a `SlotResult` to a number.

    net_profit  what the market gained it, with the same meter reading (as in TREX)
    saving      what market and battery gained it, with the same load and generation
    bill        what it got, less what it paid

`net_profit` knows no battery: what it stores and what it gives back are metered either way, so of moving energy
in time only its trade counts. `saving` and `bill` differ by what no decision changes. All are in dollars. Others
are named as "module:function", or by an entry point of the group `trex_market.rewards`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from trex_market.core.messages import MeterReading, Transaction
from trex_market.core.units import dollars_from_money
from trex_market.profit import money
from trex_market.profit import net_profit as gain_of_market


class SlotResult(msgspec.Struct, frozen=True):
    """What became of a slot for one agent. Energy in Wh, prices in micro-dollars per kWh.

    Args:
        participant_id: the agent.
        slot_start: UNIX seconds.
        sell_price: what the grid paid in the slot.
        buy_price: what it charged.
        load: what the home used, its battery apart.
        generation: source -> what it made, its battery apart.
        meter: the reading; None if there was none.
        transactions: its rows of the ledger.
    """

    participant_id: str
    slot_start: int
    sell_price: int
    buy_price: int
    load: int
    generation: Mapping[str, int]
    meter: MeterReading | None
    transactions: Sequence[Transaction]


Reward = Callable[[SlotResult], float]
"""What a slot was worth."""


def net_profit(result: SlotResult) -> float:
    """Return what the agent gained by the market, with the same meter reading, in dollars."""
    gain = gain_of_market(result.transactions, result.participant_id, result.sell_price, result.buy_price)
    return dollars_from_money(gain)


def saving(result: SlotResult) -> float:
    """Return what it saved against the grid alone, without a battery, in dollars."""
    residual = result.load - sum(result.generation.values())
    alone = residual * (result.buy_price if residual > 0 else result.sell_price)
    return dollars_from_money(alone + _income(result))


def bill(result: SlotResult) -> float:
    """Return what it got, less what it paid, in dollars: the negative of its bill."""
    return dollars_from_money(_income(result))


def _income(result: SlotResult) -> int:
    return sum(money(row, result.participant_id) for row in result.transactions)
