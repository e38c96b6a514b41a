"""The clearing rules that there are, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from trex_market.core.clearing.pairwise import crossing, equal_price, k_priced, own_priced
from trex_market.core.clearing.truthful import mcafee, trade_reduction
from trex_market.core.clearing.types import Matching, PairPricing, RuleOptions
from trex_market.core.clearing.uniform import uniform
from trex_market.core.errors import InputError, unknown_name

Pools = Literal["by_source", "single"]


class Rule(msgspec.Struct, frozen=True):
    """A clearing rule, ready for use.

    Args:
        name: its name.
        pools: whether bids name a source and meet asks of that source alone, or all meet all.
        match: the function that clears a pool.
        pricing: of pairs that meet on terms of their own (fees, requirements); None if the rule cannot have any.
    """

    name: str
    pools: Pools
    match: Matching
    pricing: PairPricing | None = None


class _Kind(msgspec.Struct, frozen=True):
    make: Callable[[RuleOptions], Matching]
    pools: Pools = "by_source"
    pricing: Callable[[RuleOptions], PairPricing | None] = lambda _options: None


def _k_pricing(options: RuleOptions) -> PairPricing:
    return PairPricing(options.k)


def _equal_pricing(options: RuleOptions) -> PairPricing:
    return PairPricing(options.k, equal=True)


def _own_pricing(_options: RuleOptions) -> PairPricing:
    return PairPricing(None)


RULES: dict[str, _Kind] = {
    "MicroTE": _Kind(lambda options: k_priced(crossing, options.k), pricing=_k_pricing),
    "MicroTE2": _Kind(lambda options: k_priced(equal_price, options.k), pricing=_equal_pricing),
    "MicroTE3": _Kind(lambda _options: own_priced(crossing), pricing=_own_pricing),
    "MicroTE3B": _Kind(lambda _options: own_priced(crossing), pools="single", pricing=_own_pricing),
    "k_pricing": _Kind(lambda options: k_priced(crossing, options.k), pricing=_k_pricing),
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
    options = options or RuleOptions()
    return Rule(name, pools or kind.pools, kind.make(options), kind.pricing(options))
