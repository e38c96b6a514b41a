"""What must be 0, exactly: whole numbers, no tolerance."""

from __future__ import annotations

from trex_market.analysis.frames import BalanceFrame
from trex_market.analysis.kpis.registry import kpi


@kpi("Money out of balance", "balance", better="zero", decimals=0)
def money_imbalance(balance: BalanceFrame) -> int:
    """Money that appeared or vanished, summed over slots; what the operator keeps is taken from contracts and fees.

    Formula: Σ over slots of |Σ received - Σ paid + kept by the operator|
    Unit: nano-$
    Source: invariant: payments of all parties sum to 0
    """
    return sum(map(abs, balance.money))


@kpi("Energy out of balance", "balance", better="zero", decimals=0)
def energy_imbalance(balance: BalanceFrame) -> int:
    """Energy that ledger and meters do not agree on.

    Formula: Σ over slots and participants of |generation - (delivery + spill + feed_in)| + |need - (delivery + supply)|
    Unit: Wh
    Source: invariant: what was metered was accounted for, once
    """
    return sum(balance.energy)


@kpi("Energy beyond orders", "balance", better="zero", decimals=0)
def overfilled(balance: BalanceFrame) -> int:
    """Energy contracted beyond the quantity of an order.

    Formula: Σ over orders of max(0, Σ q contracted - q ordered)
    Unit: Wh
    Source: invariant: no order is over-filled
    """
    return sum(balance.overfilled)
