"""The clearing rules that there are, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from trex_market.core.clearing.pairwise import crossing, equal_price, k_priced, own_priced
from trex_market.core.clearing.truthful import mcafee, trade_reduction
from trex_market.core.clearing.types import Matching, RuleOptions
from trex_market.core.clearing.uniform import uniform
from trex_market.core.errors import InputError, unknown_name

Pools = Literal["by_source", "single"]


class Rule(msgspec.Struct, frozen=True):
    """A clearing rule, ready for use.

    Args:
        name: its name.
        pools: whether bids name a source and meet asks of that source alone, or all meet all.
        match: the function that clears a pool.
    """

    name: str
    pools: Pools
    match: Matching


class _Kind(msgspec.Struct, frozen=True):
    make: Callable[[RuleOptions], Matching]
    pools: Pools = "by_source"


RULES: dict[str, _Kind] = {
    "MicroTE": _Kind(lambda options: k_priced(crossing, options.k)),
    "MicroTE2": _Kind(lambda options: k_priced(equal_price, options.k)),
    "MicroTE3": _Kind(lambda _options: own_priced(crossing)),
    "MicroTE3B": _Kind(lambda _options: own_priced(crossing), pools="single"),
    "k_pricing": _Kind(lambda options: k_priced(crossing, options.k)),
    "uniform": _Kind(uniform),
    "mcafee": _Kind(mcafee),
    "trade_reduction": _Kind(trade_reduction),
}


def make_rule(name: str, options: RuleOptions | None = None, pools: Pools | None = None) -> Rule:
    """Make a clearing rule.

    Args:
        name: one of `RULES`.
        options: what it depends on besides the orders.
        pools: instead of the rule's own.

    Raises:
        InputError: if there is no such rule.
    """
    kind = RULES.get(name)
    if kind is None:
        raise InputError(unknown_name("clearing rule", name, RULES))
    return Rule(name, pools or kind.pools, kind.make(options or RuleOptions()))
