"""What energy between participants cost. Every Wh delivered counts once."""

from __future__ import annotations

from trex_market.analysis.frames import PriceFrame, TradeFrame
from trex_market.analysis.kpis.measures import percent, ratio, weighted_deviation, weighted_quantile
from trex_market.analysis.kpis.registry import kpi
from trex_market.core.units import MICRO


@kpi("Mean price paid", "prices", decimals=4)
def price_paid(trade: TradeFrame) -> float | None:
    """What buyers paid for a kWh of a participant, on average, fees included.

    Formula: Σ paid / Σ q over deliveries
    Unit: $/kWh
    Source: the ledger
    """
    return _dollars(ratio(sum(trade.paid), sum(trade.quantity)))


@kpi("Mean price received", "prices", decimals=4)
def price_received(trade: TradeFrame) -> float | None:
    """What sellers got for a kWh from a participant, on average, fees taken off.

    Formula: Σ received / Σ q over deliveries
    Unit: $/kWh
    Source: the ledger
    """
    return _dollars(ratio(sum(trade.received), sum(trade.quantity)))


@kpi("Median price paid", "prices", decimals=4)
def price_median(prices: PriceFrame) -> float | None:
    """The price at or below which half of the energy was bought, fees apart.

    Formula: smallest p with Σ q at prices <= p at least half of Σ q
    Unit: $/kWh
    Source: textbook
    """
    return _dollars(weighted_quantile(prices.price, prices.quantity, 0.5))


@kpi("Lowest price paid", "prices", decimals=4)
def price_lowest(prices: PriceFrame) -> float | None:
    """The lowest price of a delivery, fees apart.

    Formula: min p
    Unit: $/kWh
    Source: the ledger
    """
    return _dollars(min(_with_energy(prices), default=None))


@kpi("Highest price paid", "prices", decimals=4)
def price_highest(prices: PriceFrame) -> float | None:
    """The highest price of a delivery, fees apart.

    Formula: max p
    Unit: $/kWh
    Source: the ledger
    """
    return _dollars(max(_with_energy(prices), default=None))


@kpi("Standard deviation of prices", "prices", decimals=4)
def price_deviation(prices: PriceFrame) -> float | None:
    """How far prices of deliveries lie from their mean, fees apart, each Wh counting once.

    Formula: √(Σ q (p - mean)² / Σ q)
    Unit: $/kWh
    Source: textbook
    """
    return _dollars(weighted_deviation(prices.price, prices.quantity))


@kpi("Slots with trade", "prices")
def slots_with_trade(trade: TradeFrame) -> float | None:
    """Share of the slots in which energy was delivered between participants.

    Formula: number of slots with delivery / number of slots
    Unit: %
    Source: the ledger
    """
    return percent(sum(quantity > 0 for quantity in trade.quantity), len(trade.quantity))


def _with_energy(prices: PriceFrame) -> list[int]:
    return [price for price, quantity in zip(prices.price, prices.quantity, strict=True) if quantity > 0]


def _dollars(micro: float | None) -> float | None:
    return None if micro is None else micro / MICRO
