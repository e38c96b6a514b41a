"""What participants pay, and what they would pay without the market.

*Net billing* is the baseline simulation: the same homes with nobody trading.
Where a run has none, its own readings are billed at the grid's prices instead,
as they are for the other tariffs: what a participant took less what it gave, in
each slot.
"""

from __future__ import annotations

from trex_market.analysis.frames import BillFrame, PartyFrame, TradeFrame
from trex_market.analysis.kpis.measures import percent
from trex_market.analysis.kpis.registry import kpi
from trex_market.core.units import NANO


@kpi("Total bill", "bills", better="lower", decimals=2)
def bill(parties: PartyFrame) -> float:
    """What all participants paid, less what they got.

    Formula: Σ (paid - received)
    Unit: $
    Source: the ledger
    """
    return sum(parties.bill) / NANO


@kpi("Total bill under net billing", "bills", decimals=2)
def net_billing_bill(net_billing: BillFrame) -> float:
    """What all participants would pay with nobody trading.

    Formula: Σ bill in the baseline simulation, else Σ over slots of the readings at the grid's prices
    Unit: $
    Source: gsy-e, bills and savings (grid only)
    """
    return sum(net_billing.other) / NANO


@kpi("Total saving", "bills", better="higher", decimals=2)
def saving(net_billing: BillFrame) -> float:
    """What the market saves all participants against net billing.

    Formula: Σ S, S = bill under net billing - bill in the market
    Unit: $
    Source: gsy-e, bills and savings; CityLearn 3, community_market_savings_total
    """
    return sum(savings(net_billing)) / NANO


@kpi("Saving, share of the bill", "bills", better="higher")
def saving_share(net_billing: BillFrame) -> float | None:
    """The saving beside the bill under net billing.

    Formula: Σ S / |Σ bill under net billing|
    Unit: %
    Source: gsy-e, bills and savings
    """
    return percent(sum(savings(net_billing)), abs(sum(net_billing.other)))


@kpi("Total bill at the base price", "bills", decimals=2)
def flat_bill(flat: BillFrame) -> float:
    """What the same readings cost at the tariff's base price, without time of use and without a market.

    Formula: Σ over slots and participants of max(net, 0) · buy price + min(net, 0) · sell price, net what was
    taken less what was given
    Unit: $
    Source: the config's market.grid
    """
    return sum(flat.other) / NANO


@kpi("Total bill at time of use", "bills", decimals=2)
def time_of_use_bill(time_of_use: BillFrame) -> float:
    """What the same readings cost at the tariff's time of use, without a market.

    Formula: as for the base price, at market.grid.tou
    Unit: $
    Source: the config's market.grid
    """
    return sum(time_of_use.other) / NANO


@kpi("Saving against time of use", "bills", better="higher", decimals=2)
def saving_against_time_of_use(time_of_use: BillFrame) -> float:
    """What the market saves against the same readings at the tariff's time of use.

    Formula: Σ (bill at time of use - bill in the market)
    Unit: $
    Source: gsy-e, bills and savings
    """
    return sum(savings(time_of_use)) / NANO


@kpi("Operator's income", "bills", decimals=2)
def operator_income(trade: TradeFrame) -> float:
    """What buyers paid and sellers did not get.

    Formula: Σ (paid - received) over all transactions
    Unit: $
    Source: the ledger
    """
    return sum(trade.operator) / NANO


def savings(bills: BillFrame) -> list[int]:
    """Return each participant's other bill less its bill in the market, in nano-dollars."""
    return [other - market for market, other in zip(bills.market, bills.other, strict=True)]


def saving_shares(bills: BillFrame) -> list[float | None]:
    """Return each participant's part of what all save, in %.

    Formula: S_i / Σ S
    Source: gsy-e, bills and savings
    """
    each = savings(bills)
    return [percent(one, sum(each)) for one in each]
