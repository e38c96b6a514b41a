"""Where energy came from and went to.

Shares are drawn at a boundary: around each home, or around the community of all
participants. What crosses it is outside energy; batteries count as neither load
nor generation, so that what they lose is consumed, and what they charge from
outside comes from outside.
"""

from __future__ import annotations

from trex_market.analysis.frames import PartyFrame
from trex_market.analysis.kpis.measures import WH_PER_KWH, percent
from trex_market.analysis.kpis.registry import kpi


@kpi("Load", "energy")
def load(parties: PartyFrame) -> float:
    """What loads took, batteries apart.

    Formula: Σ load
    Unit: kWh
    Source: meter readings
    """
    return sum(parties.load) / WH_PER_KWH


@kpi("Generation", "energy")
def generation(parties: PartyFrame) -> float:
    """What was generated, batteries apart.

    Formula: Σ generation
    Unit: kWh
    Source: meter readings
    """
    return sum(parties.generated) / WH_PER_KWH


@kpi("Energy traded locally", "energy", better="higher")
def traded(parties: PartyFrame) -> float:
    """What was delivered from one participant to another.

    Formula: Σ delivery
    Unit: kWh
    Source: the ledger
    """
    return sum(parties.bought) / WH_PER_KWH


@kpi("Self-sufficiency", "energy", better="higher")
def self_sufficiency(parties: PartyFrame) -> float | None:
    """Share of the community's load that did not come from the grid.

    Formula: max(0, 1 - Σ supply / Σ load)
    Unit: %
    Source: gridsingularity.github.io/gsy-e/self-sufficiency-self-consumption
    """
    return _kept(sum(parties.supplied), sum(parties.load))


@kpi("Self-consumption", "energy", better="higher")
def self_consumption(parties: PartyFrame) -> float | None:
    """Share of the community's generation that did not go to the grid.

    Formula: max(0, 1 - Σ (feed_in + spill) / Σ generation)
    Unit: %
    Source: gridsingularity.github.io/gsy-e/self-sufficiency-self-consumption
    """
    return _kept(sum(parties.fed_in) + sum(parties.spilled), sum(parties.generated))


@kpi("Self-sufficiency of homes", "energy")
def home_self_sufficiency(parties: PartyFrame) -> float | None:
    """Share of the load that homes met with energy of their own, neighbours' not counted.

    Formula: max(0, 1 - Σ (delivery + supply to it) / Σ load)
    Unit: %
    Source: gridsingularity.github.io/gsy-e/self-sufficiency-self-consumption
    """
    return _kept(sum(parties.bought) + sum(parties.supplied), sum(parties.load))


@kpi("Self-consumption of homes", "energy")
def home_self_consumption(parties: PartyFrame) -> float | None:
    """Share of the generation that homes used themselves, neighbours' use not counted.

    Formula: max(0, 1 - Σ (delivery + feed_in + spill from it) / Σ generation)
    Unit: %
    Source: gridsingularity.github.io/gsy-e/self-sufficiency-self-consumption
    """
    left = sum(parties.sold) + sum(parties.fed_in) + sum(parties.spilled)
    return _kept(left, sum(parties.generated))


@kpi("Local share of demand", "energy", better="higher")
def local_share_of_demand(parties: PartyFrame) -> float | None:
    """Share of the energy that homes took from outside that came from other participants.

    Formula: Σ delivery / Σ (delivery + supply)
    Unit: %
    Source: CityLearn 3, community_local_share_of_demand
    """
    return percent(sum(parties.bought), sum(parties.bought) + sum(parties.supplied))


@kpi("Local share of export", "energy", better="higher")
def local_share_of_export(parties: PartyFrame) -> float | None:
    """Share of the energy that left homes that went to other participants.

    Formula: Σ delivery / Σ (delivery + feed_in + spill)
    Unit: %
    Source: CityLearn 3, community_local_share_of_export
    """
    sold = sum(parties.sold)
    return percent(sold, sold + sum(parties.fed_in) + sum(parties.spilled))


def home_shares(parties: PartyFrame) -> tuple[list[float | None], list[float | None]]:
    """Return each participant's self-sufficiency and self-consumption, in %; see `home_self_sufficiency`."""
    sufficiency = [
        _kept(bought + supplied, load)
        for bought, supplied, load in zip(parties.bought, parties.supplied, parties.load, strict=True)
    ]
    outflows = zip(parties.sold, parties.fed_in, parties.spilled, parties.generated, strict=True)
    consumption = [_kept(sold + fed_in + spilled, made) for sold, fed_in, spilled, made in outflows]
    return sufficiency, consumption


def _kept(outside: int, whole: int) -> float | None:
    return max(0.0, 100 * (1 - outside / whole)) if whole else None
