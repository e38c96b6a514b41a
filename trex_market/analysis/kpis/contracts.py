"""Contracts against meters."""

from __future__ import annotations

from trex_market.analysis.frames import ContractFrame
from trex_market.analysis.kpis.measures import WH_PER_KWH, percent
from trex_market.analysis.kpis.registry import kpi


@kpi("Energy contracted", "contracts")
def contracted(contracts: ContractFrame) -> float:
    """What was contracted for the slots that were delivered.

    Formula: Σ q over contracts
    Unit: kWh
    Source: the contracts
    """
    return sum(contracts.contracted) / WH_PER_KWH


@kpi("Contracts kept", "contracts", better="higher")
def contracts_kept(contracts: ContractFrame) -> float | None:
    """Share of the contracted energy that was delivered.

    Formula: Σ delivery / Σ q over contracts
    Unit: %
    Source: the ledger
    """
    return percent(sum(contracts.delivered), sum(contracts.contracted))


@kpi("Imbalance", "contracts", better="lower")
def imbalance(contracts: ContractFrame) -> float:
    """How far participants' metered exchange lies from their contracted one.

    Formula: Σ over participants and slots of |metered - contracted|, metered what was taken from outside less
    what was given, contracted what was bought less what was sold
    Unit: kWh
    Source: lemlab, settlement
    """
    return sum(contracts.imbalance) / WH_PER_KWH


@kpi("Cost of imbalance", "contracts", better="lower", decimals=2)
def imbalance_cost(contracts: ContractFrame) -> float | None:
    """What was paid for energy that did not flow as contracted, beside what buyers paid for contracts.

    Formula: Σ (take_or_pay paid + shortfall paid) / Σ (delivery paid + take_or_pay paid)
    Unit: %
    Source: lemlab, settlement
    """
    return percent(sum(contracts.penalties), sum(contracts.turnover))
