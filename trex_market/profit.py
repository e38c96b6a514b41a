"""What the market brought a participant in a slot, against what the grid alone would have."""

from __future__ import annotations

from collections.abc import Iterable

from trex_market.core.messages import Transaction


def money(row: Transaction, participant_id: str) -> int:
    """Return what a transaction brings a participant, in nano-dollars; negative is what it pays."""
    if row.amount is not None:
        paid = received = row.amount
    else:
        paid = row.quantity * (row.settlement_price_buy + row.fee_bid)
        received = row.quantity * (row.settlement_price_sell - row.fee_ask)
    return (received if row.seller_id == participant_id else 0) - (
        paid if row.buyer_id == participant_id else 0
    )


def net_profit(
    transactions: Iterable[Transaction], participant_id: str, sell_price: int, buy_price: int
) -> int:
    """Return what a participant has gained by the market, with the same meter reading, in nano-dollars.

    The grid alone would have charged `buy_price` for all that the meter consumed from outside, which the
    ledger has as deliveries and supply, and paid `sell_price` for all that left the home, which it has as
    deliveries, spill and feed-in.

    Args:
        transactions: of one slot; those of others are passed over.
        participant_id: whose gain.
        sell_price: what the grid paid in the slot, micro-dollars per kWh.
        buy_price: what it charged.
    """
    gain = 0
    for row in transactions:
        gain += money(row, participant_id)
        if row.buyer_id == participant_id and row.kind in ("delivery", "supply"):
            gain += row.quantity * buy_price
        if row.seller_id == participant_id and row.kind in ("delivery", "spill", "feed_in"):
            gain -= row.quantity * sell_price
    return gain
