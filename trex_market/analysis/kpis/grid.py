"""What the community asks of the grid: its net exchange, slot by slot."""

from __future__ import annotations

from itertools import pairwise

from trex_market.analysis.frames import EnergyFrame
from trex_market.analysis.kpis.measures import WH_PER_KWH, percent
from trex_market.analysis.kpis.registry import kpi


def net_exchange(energy: EnergyFrame) -> list[int]:
    """Return what came from the grid less what went to it, in Wh, for each row."""
    flows = zip(energy.supplied, energy.fed_in, energy.spilled, strict=True)
    return [supplied - fed_in - spilled for supplied, fed_in, spilled in flows]


@kpi("Peak import", "grid", better="lower", decimals=2)
def peak_import(energy: EnergyFrame) -> float | None:
    """The highest power that the community took from the grid, averaged over a slot.

    Formula: max over slots of (supply - feed_in - spill) / slot length
    Unit: kW
    Source: CityLearn, peak demand
    """
    return _peak(net_exchange(energy), energy.period)


@kpi("Peak export", "grid", better="lower", decimals=2)
def peak_export(energy: EnergyFrame) -> float | None:
    """The highest power that the community gave to the grid, averaged over a slot.

    Formula: max over slots of (feed_in + spill - supply) / slot length
    Unit: kW
    Source: CityLearn, peak demand (of the export)
    """
    return _peak([-net for net in net_exchange(energy)], energy.period)


@kpi("Load factor", "grid", better="higher")
def load_factor(energy: EnergyFrame) -> float | None:
    """Mean import beside peak import; slots of export count as 0.

    Formula: mean of max(net, 0) / max of max(net, 0), net = supply - feed_in - spill
    Unit: %
    Source: CityLearn, load factor
    """
    imports = [max(0, net) for net in net_exchange(energy)]
    return percent(sum(imports), len(imports) * max(imports, default=0))


@kpi("Ramping", "grid", better="lower")
def ramping(energy: EnergyFrame) -> float:
    """How much the community's exchange with the grid changes from slot to slot.

    Formula: Σ |net(t) - net(t-1)|, net = supply - feed_in - spill in a slot
    Unit: kWh
    Source: CityLearn, ramping
    """
    return sum(abs(later - earlier) for earlier, later in pairwise(net_exchange(energy))) / WH_PER_KWH


def _peak(nets: list[int], period: int) -> float | None:
    return max(0, *nets) * 3600 / period / WH_PER_KWH if nets else None
