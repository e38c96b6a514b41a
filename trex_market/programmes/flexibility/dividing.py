"""What an aggregator is asked for, divided among its members."""

from __future__ import annotations

from collections.abc import Mapping

from trex_market.programmes.flexibility.messages import FlexRequest
from trex_market.programmes.flexibility.money import split

_HOUR = 3600


def wanted_of(request: FlexRequest) -> dict[int, int]:
    """Return what a request asks for: ISP -> W, of those alone in which anything is requested."""
    return {
        isp: run.min_power or run.max_power
        for run in request.isps
        for isp in (range(run.start, run.start + run.duration) if run.requested else ())
    }


def divided(
    wanted: Mapping[int, int], powers: Mapping[str, int], duration_s: int
) -> dict[str, dict[int, int]]:
    """Divide what is asked for among those that can change anything, by their power.

    Args:
        wanted: slot or ISP -> W that are asked for.
        powers: connection -> most by which it could change what it takes, in W.
        duration_s: length of a slot.

    Returns:
        connection -> slot or ISP -> whole Wh; those of whom nothing is wanted are left out.
    """
    able = sorted(name for name, power in powers.items() if power > 0)
    weights = [powers[name] for name in able]
    parts: dict[str, dict[int, int]] = {name: {} for name in able}
    for place, power in wanted.items():
        # Whole Wh, and rather one too many: what is too much is not offered.
        energy = -(-abs(power) * duration_s // _HOUR) * (1 if power > 0 else -1)
        for name, part in zip(able, split(energy, weights), strict=True):
            if part:
                parts[name][place] = part
    return {name: part for name, part in parts.items() if part}
