"""KPIs: pure functions of frames, each with its unit, formula and source, in one registry.

welfare    what the auction made of the orders
energy     where energy came from and went to
bills      what participants pay, here and without the market
fairness   how evenly the advantage falls
grid       what the community asks of the grid
contracts  contracts against meters
prices     what energy between participants cost
balance    what must be 0
"""

# The order of these is the order of tables.
from trex_market.analysis.kpis import welfare  # isort: skip
from trex_market.analysis.kpis import energy  # isort: skip
from trex_market.analysis.kpis import bills  # isort: skip
from trex_market.analysis.kpis import fairness  # isort: skip
from trex_market.analysis.kpis import grid  # isort: skip
from trex_market.analysis.kpis import contracts  # isort: skip
from trex_market.analysis.kpis import prices  # isort: skip
from trex_market.analysis.kpis import balance  # isort: skip
from trex_market.analysis.kpis.registry import KPIS, Kpi, KpiValue, chosen, measure

__all__ = [
    "KPIS",
    "Kpi",
    "KpiValue",
    "balance",
    "bills",
    "chosen",
    "contracts",
    "energy",
    "fairness",
    "grid",
    "measure",
    "prices",
    "welfare",
]
