"""Meter data as power: given as such, as energies in each ISP, or as what the counters showed."""

from __future__ import annotations

from collections.abc import Sequence

from trex_market.core.units import rounded
from trex_market.programmes.flexibility.messages import MeterProfile

_ENERGY_SIGNS = {"import_energy": 1, "export_energy": -1}


def power_by_isp(profiles: Sequence[MeterProfile], isp_duration_s: int) -> dict[int, int]:
    """Return ISP -> W, half to even; energies count where no power is given.

    Args:
        profiles: of one connection, W or Wh.
        isp_duration_s: length of an ISP, in seconds.
    """
    energies: dict[int, int] = {}
    powers: dict[int, int] = {}
    for profile in profiles:
        sign = _ENERGY_SIGNS.get(profile.kind)
        for isp, value in enumerate(profile.values, profile.start):
            if profile.kind == "power":
                powers[isp] = value
            elif sign is not None:
                energies[isp] = energies.get(isp, 0) + sign * value
    derived = {isp: rounded(energy * 3600, isp_duration_s) for isp, energy in energies.items()}
    return derived | powers
