"""What the auction made of the orders.

An order's price stands for what the energy is worth to its buyer, or costs its
seller. Nobody says so: a strategy that shades its bids, or a demo's that bids a
fixed price, makes these figures those of the orders, not of people's values.
"""

from __future__ import annotations

from math import fsum, sqrt

from trex_market.analysis.frames import AuctionFrame
from trex_market.analysis.kpis.measures import percent
from trex_market.analysis.kpis.registry import kpi
from trex_market.core.units import NANO


@kpi("Welfare", "welfare", better="higher", decimals=2)
def welfare(auction: AuctionFrame) -> float:
    """Gains from trade of all contracts, orders' prices taken for values and costs.

    Formula: Σ (bid price - ask price) · q over all contracts
    Unit: $
    Source: D. K. Gode and S. Sunder, JPE 101(1), 1993
    """
    return sum(auction.gains) / NANO


@kpi("Buyers' surplus", "welfare", better="higher", decimals=2)
def buyer_surplus(auction: AuctionFrame) -> float:
    """What buyers paid less than they had bid.

    Formula: Σ (bid price - price paid) · q over all contracts
    Unit: $
    Source: textbook consumer surplus
    """
    return sum(auction.buyer_surplus) / NANO


@kpi("Sellers' surplus", "welfare", better="higher", decimals=2)
def seller_surplus(auction: AuctionFrame) -> float:
    """What sellers got more than they had asked.

    Formula: Σ (price received - ask price) · q over all contracts
    Unit: $
    Source: textbook producer surplus
    """
    return sum(auction.seller_surplus) / NANO


@kpi("Allocative efficiency", "welfare", better="higher", decimals=2)
def allocative_efficiency(auction: AuctionFrame) -> float | None:
    """Share of the possible gains from trade that the contracts realised, orders' prices taken for values and costs.

    Formula: Σ (bid price - ask price) · q over contracts / the same over the competitive allocation of each
    slot and pool (highest bids with lowest asks)
    Unit: %
    Source: D. K. Gode and S. Sunder, JPE 101(1), 1993
    """
    return percent(sum(auction.gains), sum(auction.most_gains))


@kpi("Volume efficiency", "welfare", decimals=2)
def volume_efficiency(auction: AuctionFrame) -> float | None:
    """Contracted energy beside what the competitive allocation trades; above 100 % if more than that.

    Formula: Σ q contracted / Σ q* competitive
    Unit: %
    Source: pymarket, percentage_traded
    """
    return percent(sum(auction.contracted), sum(auction.competitive))


@kpi("Smith's alpha", "welfare", better="lower", decimals=2)
def smiths_alpha(auction: AuctionFrame) -> float | None:
    """How far contract prices lie from the competitive price P0 of their slot and pool, a contract of q Wh counting as q trades of 1 Wh.

    Formula: 100 · √(Σ q ((p - P0) / P0)² / Σ q), p the mean of what buyer pays and seller gets, P0 the
    middle of the competitive interval
    Unit: %
    Source: V. L. Smith, JPE 70(2), 1962; D. Cliff and J. Bruten, HPL-97-91
    """
    energy = sum(auction.priced)
    return 100 * sqrt(fsum(auction.deviation) / energy) if energy else None


@kpi("Profit dispersion", "welfare", better="lower", decimals=5)
def profit_dispersion(auction: AuctionFrame) -> float | None:
    """How far traders' profits lie from what they would be at the competitive price P0, in a slot.

    Formula: √(Σ (a - π)² / n) over all slots and the n traders in each, a the profit from contracts, π that of the
    competitive allocation at P0
    Unit: $
    Source: D. K. Gode and S. Sunder, JPE 101(1), 1993; D. Cliff and J. Bruten, HPL-97-91
    """
    traders = sum(auction.traders)
    return sqrt(sum(auction.profit_gaps) / traders) / 2 / NANO if traders else None
