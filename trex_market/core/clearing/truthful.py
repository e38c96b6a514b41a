"""McAfee's double auction and trade reduction: bidding one's value is best, for single orders.

Source: R. P. McAfee, "A dominant strategy double auction", Journal of Economic
Theory 56 (1992). Orders stand for its unit traders: the marginal bid and ask
are the last ones that trade, the next ones those behind them.

A participant's own bids and asks that cross are set off against each other
first, for no rule lets it trade with itself; what is left of it cannot cross.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence

from trex_market.core.clearing.types import Match, Matching, RuleOptions, between
from trex_market.core.messages import Order
from trex_market.core.units import MICRO

Offer = tuple[Order, int]


def mcafee(options: RuleOptions) -> Matching:
    """Make McAfee's rule.

    If the middle between the next bid and the next ask suits both marginal orders, all trade at it;
    else the marginal orders give up their trade and set the prices. Where there is no next order the
    price floor or cap stands for it; without a cap the marginal trade is given up.
    """

    def match(bids: Sequence[Order], asks: Sequence[Order]) -> list[Match]:
        demand, supply = _set_off(bids, asks)
        bid, ask, volume = _marginal(demand, supply)
        if not volume:
            return []
        price = _middle(demand[bid + 1 :], supply[ask + 1 :], options)
        if price is not None and supply[ask][0].price <= price <= demand[bid][0].price:
            return _matches(demand, supply, volume, price_sell=price, price_buy=price)
        return _reduced(demand, supply, bid, ask)

    return match


def trade_reduction(_options: RuleOptions) -> Matching:
    """Make the rule that always gives up the marginal trade, whose orders then set the prices."""

    def match(bids: Sequence[Order], asks: Sequence[Order]) -> list[Match]:
        demand, supply = _set_off(bids, asks)
        bid, ask, volume = _marginal(demand, supply)
        return _reduced(demand, supply, bid, ask) if volume else []

    return match


def _middle(next_bids: Sequence[Offer], next_asks: Sequence[Offer], options: RuleOptions) -> int | None:
    low = next_bids[0][0].price if next_bids else options.price_floor
    high = next_asks[0][0].price if next_asks else options.price_cap
    return None if high is None else between(low, high, MICRO // 2)


def _reduced(demand: Sequence[Offer], supply: Sequence[Offer], bid: int, ask: int) -> list[Match]:
    """Match all orders before the marginal ones, at the marginal ones' prices."""
    volume = min(sum(quantity for _, quantity in demand[:bid]), sum(quantity for _, quantity in supply[:ask]))
    return _matches(demand, supply, volume, price_sell=supply[ask][0].price, price_buy=demand[bid][0].price)


def _set_off(bids: Sequence[Order], asks: Sequence[Order]) -> tuple[list[Offer], list[Offer]]:
    """Set each participant's own crossing bids and asks off against each other."""
    own_asks: defaultdict[str, deque[int]] = defaultdict(deque)
    left = [ask.quantity for ask in asks]
    for place, ask in enumerate(asks):
        own_asks[ask.participant_id].append(place)
    demand: list[Offer] = []
    for bid in bids:
        wanted = bid.quantity
        own = own_asks.get(bid.participant_id)
        while wanted and own and asks[own[0]].price <= bid.price:
            quantity = min(wanted, left[own[0]])
            wanted -= quantity
            left[own[0]] -= quantity
            if not left[own[0]]:
                own.popleft()
        if wanted:
            demand.append((bid, wanted))
    return demand, [(ask, quantity) for ask, quantity in zip(asks, left, strict=True) if quantity]


def _marginal(demand: Sequence[Offer], supply: Sequence[Offer]) -> tuple[int, int, int]:
    """Find the last bid and the last ask that trade in the efficient allocation, and its volume in Wh."""
    bid = ask = volume = 0
    marginal = (0, 0, 0)
    wanted = available = 0
    while (wanted or bid < len(demand)) and (available or ask < len(supply)):
        if not wanted:
            wanted = demand[bid][1]
            bid += 1
        if not available:
            available = supply[ask][1]
            ask += 1
        if demand[bid - 1][0].price < supply[ask - 1][0].price:
            break
        quantity = min(wanted, available)
        volume += quantity
        wanted -= quantity
        available -= quantity
        marginal = (bid - 1, ask - 1, volume)
    return marginal


def _matches(
    demand: Sequence[Offer], supply: Sequence[Offer], volume: int, *, price_sell: int, price_buy: int
) -> list[Match]:
    """Match the first `volume` Wh of both sides, in order."""
    matches: list[Match] = []
    place = 0
    available = supply[0][1]
    for bid, offered in demand:
        wanted = min(offered, volume)
        volume -= wanted
        while wanted:
            while not available:
                place += 1
                available = supply[place][1]
            quantity = min(wanted, available)
            matches.append(Match(bid, supply[place][0], quantity, price_sell, price_buy))
            wanted -= quantity
            available -= quantity
    return matches
