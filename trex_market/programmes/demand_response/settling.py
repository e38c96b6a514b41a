"""What a device did in an event, measured against its baseline, and what it gets for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from trex_market.core.messages import GRID, Transaction
from trex_market.core.units import rounded
from trex_market.programmes.demand_response.measuring import Expected, Segment, expected_ws
from trex_market.programmes.demand_response.records import (
    NAME,
    WS_PER_WH,
    DeviceProgress,
    DrEvent,
    Invitation,
    Outcome,
)
from trex_market.programmes.demand_response.running import RunningEvent

NOTHING_EXPECTED = Expected(0, (), "none", is_adjusted=False)


class Sums(msgspec.Struct):
    """What a device did over some segments, in the time that was measured."""

    measured_s: int = 0
    baseline_ws: int = 0
    metered_ws: int = 0
    credited_ws: int = 0


def summed(
    segments: Iterable[Segment],
    device_id: str,
    expected: Expected,
    committed_w: int,
    interval_s: int,
    left_at: int | None = None,
) -> Sums:
    """Add up what a device did; where nothing is known of its baseline, it is taken to have done nothing.

    Args:
        segments: of which time.
        device_id: of the device.
        expected: its baseline.
        committed_w: of what it shed, at most this is credited.
        interval_s: length of the baseline's intervals.
        left_at: nothing is credited from then on; None if it stayed.
    """
    sums = Sums()
    for segment in segments:
        seconds = segment.measured_s.get(device_id, 0)
        metered = segment.energy_ws.get(device_id, 0)
        baseline = expected_ws(expected, segment.start, seconds, interval_s)
        if baseline is None:
            baseline = metered
        sums.measured_s += seconds
        sums.baseline_ws += baseline
        sums.metered_ws += metered
        if left_at is None or segment.end <= left_at:
            sums.credited_ws += min(max(baseline - metered, 0), committed_w * seconds)
    return sums


def outcome(running: RunningEvent, invitation: Invitation, interval_s: int) -> Outcome:
    """Work out what a device did in an event that is over."""
    event, device_id = running.event, invitation.device_id
    expected = running.expected.get(device_id, NOTHING_EXPECTED)
    during = [segment for segment in running.segments_of(device_id) if segment.end <= event.end]
    left_at = invitation.left_at
    sums = summed(during, device_id, expected, invitation.committed_w, interval_s, left_at)
    duration = event.end - event.start
    committed_ws = invitation.committed_w * duration
    paid = rounded(sums.credited_ws, WS_PER_WH)
    missed = rounded(committed_ws - sums.credited_ws, WS_PER_WH)
    return Outcome(
        duration_s=duration,
        measured_s=sums.measured_s,
        baseline_ws=sums.baseline_ws,
        metered_ws=sums.metered_ws,
        committed_ws=committed_ws,
        credited_ws=sums.credited_ws,
        quality=expected.quality,
        is_adjusted=expected.is_adjusted,
        paid=paid,
        amount=paid * event.price - missed * event.penalty,
    )


def with_rebound(running: RunningEvent, invitation: Invitation, interval_s: int) -> Invitation:
    """Return an invitation whose outcome says how much more than its baseline the device took afterwards."""
    assert invitation.outcome is not None
    device_id = invitation.device_id
    expected = running.expected.get(device_id, NOTHING_EXPECTED)
    after = [segment for segment in running.segments_of(device_id) if segment.start >= running.event.end]
    known = [segment for segment in after if expected_ws(expected, segment.start, 0, interval_s) is not None]
    sums = summed(known, device_id, expected, 0, interval_s)
    rebound = sums.metered_ws - sums.baseline_ws if sums.measured_s else None
    changed = msgspec.structs.replace(invitation.outcome, rebound_ws=rebound, rebound_s=sums.measured_s)
    return msgspec.structs.replace(invitation, outcome=changed)


def progress(
    running: RunningEvent, invitation: Invitation, power_w: int | None, now: int, interval_s: int
) -> DeviceProgress:
    """Say how a device does in a running event."""
    device_id = invitation.device_id
    expected = running.expected.get(device_id, NOTHING_EXPECTED)
    during = [segment for segment in running.segments_of(device_id) if segment.end <= running.event.end]
    sums = summed(during, device_id, expected, invitation.committed_w, interval_s)
    baseline_ws = expected_ws(expected, now, interval_s, interval_s)
    return DeviceProgress(
        device_id,
        invitation.participant_id,
        invitation.committed_w,
        None if baseline_ws is None else rounded(baseline_ws, interval_s),
        power_w,
        sums.baseline_ws - sums.metered_ws,
        sums.measured_s,
    )


def payments(
    event: DrEvent, invitations: Iterable[Invitation], time: int, step: int, first: int
) -> Iterator[Transaction]:
    """Make the lines of the ledger for an event: one for each participant that gets or pays something.

    Args:
        event: what is paid for.
        invitations: with outcomes.
        time: now.
        step: length of the market's slots, in seconds.
        first: number of the first line.
    """
    quantities: dict[str, int] = {}
    amounts: dict[str, int] = {}
    for invitation in invitations:
        assert invitation.outcome is not None
        name = invitation.participant_id
        quantities[name] = quantities.get(name, 0) + invitation.outcome.paid
        amounts[name] = amounts.get(name, 0) + invitation.outcome.amount
    slot_start = event.start // step * step
    number = first
    for name, quantity in quantities.items():
        if not quantity and not amounts[name]:
            continue
        yield Transaction(
            id=f"d{slot_start}-{number}",
            kind="demand_response",
            contract_id=None,
            quantity=quantity,
            seller_id=name,
            buyer_id=NAME,
            energy_source=GRID,
            settlement_price_sell=0,
            settlement_price_buy=0,
            time_creation=event.start,
            time_purchase=time,
            time_consumption=event.end,
            amount=amounts[name],
        )
        number += 1
