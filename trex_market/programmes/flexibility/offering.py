"""Small parts of what an aggregator sends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from trex_market.programmes.flexibility.isps import covered
from trex_market.programmes.flexibility.messages import FlexRequest, MeterProfile


def requested(request: FlexRequest) -> list[int]:
    """Return the ISPs in which a change is asked for, in their order."""
    return sorted(covered([run for run in request.isps if run.requested]))


def added_up(parts: Mapping[str, Mapping[int, int]]) -> dict[int, int]:
    """Return ISP -> the sum of all connections' powers."""
    powers: dict[int, int] = {}
    for isps in parts.values():
        for isp, power in isps.items():
            powers[isp] = powers.get(isp, 0) + power
    return powers


def in_pieces(isps: Sequence[int], most: int) -> Iterator[list[int]]:
    """Yield ISPs in a row, at most so many together."""
    piece: list[int] = []
    for isp in isps:
        if piece and (isp != piece[-1] + 1 or len(piece) == most):
            yield piece
            piece = []
        piece.append(isp)
    if piece:
        yield piece


def profiles_of(powers: Mapping[int, int]) -> tuple[MeterProfile, ...]:
    """Return metered powers as profiles of ISPs in a row."""
    profiles: list[MeterProfile] = []
    for isp, power in sorted(powers.items()):
        last = profiles[-1] if profiles else None
        if last is not None and last.start + len(last.values) == isp:
            profiles[-1] = msgspec.structs.replace(last, values=(*last.values, power))
        else:
            profiles.append(MeterProfile("power", (power,), isp))
    return tuple(profiles)
