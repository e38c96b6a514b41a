"""How evenly the market's advantage falls to its participants."""

from __future__ import annotations

from math import fsum

from trex_market.analysis.frames import BillFrame, PartyFrame, TradeFrame
from trex_market.analysis.kpis import measures
from trex_market.analysis.kpis.bills import savings
from trex_market.analysis.kpis.registry import kpi
from trex_market.core.units import NANO


@kpi("Losers", "fairness", better="lower")
def losers(net_billing: BillFrame) -> float | None:
    """Share of the participants that pay more than under net billing.

    Formula: number of S < 0 / number of participants, S = bill under net billing - bill in the market
    Unit: %
    Source: CityLearn 3, equity_losers_percent
    """
    each = savings(net_billing)
    return measures.percent(sum(one < 0 for one in each), len(each))


@kpi("Gini of savings", "fairness", better="lower", decimals=3)
def gini_of_savings(net_billing: BillFrame) -> float | None:
    """How unevenly savings are spread: 0 if all save the same, (n-1)/n if one saves all; above 1 it can be where some lose.

    Formula: Σ_i Σ_j |S_i - S_j| / (2 n² mean S), where the mean is above 0
    Unit: 1
    Source: C. Gini, 1912; CityLearn 3, equity_gini_benefit
    """
    return measures.gini([one / NANO for one in savings(net_billing)])


@kpi("Jain's index of savings", "fairness", better="higher", decimals=3)
def jain_of_savings(net_billing: BillFrame) -> float | None:
    """How evenly savings are spread: 1 if all save the same, 1/n if one saves all.

    Formula: (Σ S)² / (n Σ S²)
    Unit: 1
    Source: R. Jain et al., DEC-TR-301, 1984; F. Moret and P. Pinson, IEEE TPWRS 34(5), 2019 (quality of service)
    """
    return measures.jain([one / NANO for one in savings(net_billing)])


@kpi("Least to most saved", "fairness", better="higher", decimals=3)
def least_to_most_saved(net_billing: BillFrame) -> float | None:
    """The smallest saving beside the largest.

    Formula: min S / max S, where the largest is above 0
    Unit: 1
    Source: F. Moret and P. Pinson, IEEE TPWRS 34(5), 2019
    """
    return measures.least_to_most([one / NANO for one in savings(net_billing)])


@kpi("Quality of experience of prices", "fairness", better="higher", decimals=3)
def quality_of_experience(parties: PartyFrame, trade: TradeFrame) -> float | None:
    """How alike the mean prices are that buyers paid locally: 1 if all paid the same.

    Formula: 1 - s / s_max, s the standard deviation of the buyers' mean prices, s_max half of the distance between the grid's mean prices
    Unit: 1
    Source: F. Moret and P. Pinson, IEEE TPWRS 34(5), 2019
    """
    paid = [cost / bought for cost, bought in zip(parties.bought_cost, parties.bought, strict=True) if bought]
    low = [price for price in trade.sell_price if price is not None]
    high = [price for price in trade.buy_price if price is not None]
    if not low or not high:
        return None
    return measures.quality_of_experience(paid, fsum(low) / len(low), fsum(high) / len(high))
