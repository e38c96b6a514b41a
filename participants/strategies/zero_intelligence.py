"""Zero intelligence, constrained (ZI-C): random prices that never lose against the grid.

Source: D. K. Gode and S. Sunder, Journal of Political Economy 101 (1993). A
buyer's value is what the grid charges, a seller's cost what the grid pays.
"""

from __future__ import annotations

from typing import Any

from participants.strategies.common import residual_orders
from trex_market.participant import Decision, View


class ZeroIntelligence:
    """Bid and ask at prices drawn evenly between what the grid pays and what it charges."""

    def decide(self, view: View) -> Decision:
        """Bid or ask for the next slot to be cleared."""
        round = view.round
        low, high = sorted((round.next_sell_price, round.next_buy_price))
        low = max(0, low)
        price = low + int(view.chance() * (max(low, high) - low + 1))
        return Decision(residual_orders(view, round.next_settle, price, price))

    @staticmethod
    def array_form() -> Any:
        """Return the class that decides for many homes at once; see `participants.columns`."""
        from participants.strategies.zero_intelligence_kernel import ZeroIntelligenceColumns  # noqa: PLC0415 - needs the extra `fast`

        return ZeroIntelligenceColumns
