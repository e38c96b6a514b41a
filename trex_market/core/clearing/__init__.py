"""Clearing: the call auction that turns a slot's bids and asks into matches.

A rule is a function ``(bids, asks) -> matches`` over orders sorted by priority.
It owns pairing *and* price. The registry `RULES` names the rules that there are;
`make_rule` makes one from its name and options.

Where there are fees between areas, or orders have requirements, pairs meet on terms of their own: `clearing.meeting`.

    MicroTE          pools by source   crossing      k pricing, k = 0.5
    MicroTE2         pools by source   equal price   k pricing, k = 0.5
    MicroTE3         pools by source   crossing      each at its own price
    MicroTE3B        a single pool     crossing      each at its own price
    k_pricing        pools by source   crossing      k pricing
    uniform          pools by source   one price, k in the competitive interval
    mcafee           pools by source   McAfee's double auction
    trade_reduction  pools by source   the marginal trade is given up
"""

from trex_market.core.clearing.registry import RULES, Rule, make_rule
from trex_market.core.clearing.types import Match, RuleOptions, between

__all__ = ["RULES", "Match", "Rule", "RuleOptions", "between", "make_rule"]
