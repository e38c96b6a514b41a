"""What was recorded of a slot, all tables together: what frames and comparisons are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from trex_market.core.messages import GRID, Contract, MeterReading, Order, Transaction
from trex_market.core.tariff import GridPrices


class SlotRecords(msgspec.Struct, frozen=True):
    """A slot.

    Args:
        start: the slot's start.
        orders: that stood when its gate closed.
        contracts: that were made of them.
        readings: participant id -> reading.
        transactions: of its delivery, corrections included.
        prices: the grid's; None if they are not known.
    """

    start: int
    orders: tuple[Order, ...] = ()
    contracts: tuple[Contract, ...] = ()
    readings: Mapping[str, MeterReading] = msgspec.field(default_factory=dict)
    transactions: tuple[Transaction, ...] = ()
    prices: GridPrices | None = None


def metered_exchange(transactions: Iterable[Transaction]) -> Counter[str]:
    """Return what each participant took from outside less what it gave, in Wh, as the ledger says it.

    The ledger accounts for every reading to the last Wh, and for those that were deemed, too.
    """
    exchange: Counter[str] = Counter()
    for row in transactions:
        if row.kind == "delivery":
            exchange[row.buyer_id] += row.quantity
            exchange[row.seller_id] -= row.quantity
        elif row.kind == "supply":
            exchange[row.buyer_id] += row.quantity
        elif row.kind in ("feed_in", "spill"):
            exchange[row.seller_id] -= row.quantity
    return exchange


def contracted_exchange(contracts: Iterable[Contract]) -> Counter[str]:
    """Return what each participant bought less what it sold, in Wh."""
    exchange: Counter[str] = Counter()
    for contract in contracts:
        exchange[contract.buyer_id] += contract.quantity
        exchange[contract.seller_id] -= contract.quantity
    return exchange


def paid_and_received(row: Transaction) -> tuple[int, int]:
    """Return what the buyer of a row pays and what the seller gets, in nano-dollars."""
    if row.amount is not None:
        return row.amount, row.amount
    paid = row.quantity * (row.settlement_price_buy + row.fee_bid)
    return paid, row.quantity * (row.settlement_price_sell - row.fee_ask)


def net_bill(net: int, prices: GridPrices) -> int:
    """Return what a net exchange of a slot costs at the grid's prices, in nano-dollars.

    Args:
        net: what was taken less what was given, in Wh.
        prices: the grid's.
    """
    return net * (prices.buy_price if net > 0 else prices.sell_price)


def prices_of(transactions: Iterable[Transaction]) -> GridPrices | None:
    """Return the grid's prices as the rows with the grid say them; None if not both are there."""
    sell_price = buy_price = None
    for row in transactions:
        if row.kind == "feed_in":
            sell_price = row.settlement_price_sell
        elif row.kind == "supply" and row.seller_id == GRID:
            buy_price = row.settlement_price_buy
    return None if sell_price is None or buy_price is None else GridPrices(sell_price, buy_price)
