"""Where a limit is exceeded, and what is asked for: a sum of powers against a limit, without load flow."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from trex_market.programmes.flexibility.messages import RequestIsp


class Limits(msgspec.Struct, frozen=True):
    """Limits of a point, margin taken off; both in W, above 0."""

    import_w: int
    export_w: int


class Congestion(msgspec.Struct, frozen=True):
    """An ISP of a point, in W.

    Args:
        load: what is expected to flow, above 0 towards the prosumers.
        need: by how much load must change; 0 if no limit is exceeded.
        up: room for more load.
        down: room for less.
    """

    load: int
    need: int
    up: int
    down: int


def congestion(load: int, limits: Limits) -> Congestion:
    """Compare a load in W with the limits."""
    if load > limits.import_w:
        need = limits.import_w - load
    elif load < -limits.export_w:
        need = -limits.export_w - load
    else:
        need = 0
    return Congestion(load, need, max(0, limits.import_w - load), max(0, load + limits.export_w))


def request_isps(day: Sequence[Congestion], first: int = 1) -> tuple[RequestIsp, ...]:
    """Return what to ask for, equal neighbours in one element; none if nothing is congested.

    Args:
        day: the ISPs of a day, all of them.
        first: number of the first ISP that can still be changed.
    """
    isps: list[RequestIsp] = []
    for isp in range(first, len(day) + 1):
        asked = _request(isp, day[isp - 1])
        before = isps[-1] if isps else None
        if (
            before is not None
            and msgspec.structs.replace(asked, start=before.start, duration=before.duration) == before
        ):
            isps[-1] = msgspec.structs.replace(before, duration=before.duration + 1)
        else:
            isps.append(asked)
    return tuple(isps) if any(isp.requested for isp in isps) else ()


def _request(isp: int, at: Congestion) -> RequestIsp:
    if at.need:
        return RequestIsp(isp, requested=True, min_power=min(at.need, 0), max_power=max(at.need, 0))
    return RequestIsp(isp, requested=False, min_power=-at.down, max_power=at.up)
