"""Analytics against numbers worked out by hand."""

from __future__ import annotations

import pytest

from trex_market.programmes.demand_response.analytics import Analytics, analyse
from trex_market.programmes.demand_response.records import DrEvent, Invitation, Outcome
from trex_market.programmes.demand_response.running import RunningEvent, Stage

KWH = 3_600_000
DAY = 86_400
NOW = 100 * DAY


def outcome(
    duration_s: int, baseline: int, metered: int, committed: int, credited: int, **others: int
) -> Outcome:
    """Return an outcome, energies in kWh."""
    return Outcome(
        duration_s,
        others.get("measured_s", duration_s),
        baseline * KWH,
        metered * KWH,
        committed * KWH,
        credited * KWH,
        "full",
        True,
        credited * 1000,
        credited * 200_000_000,
        others.get("rebound", 0) * KWH,
        7200,
    )


def event(
    event_id: str,
    start: int,
    *parts: Invitation,
    duration_s: int = 7200,
    energy: int | None = None,
    cancelled_at: int | None = None,
    accept: str = "any",
) -> RunningEvent:
    share = 200_000 if energy is None else None
    terms = (energy, share, start - 7200, start - 600, accept, 500_000, 200_000, 0, cancelled_at)
    made = DrEvent(event_id, start, duration_s, *terms)  # type: ignore[arg-type]
    return RunningEvent(made, {one.device_id: one for one in parts}, stage=Stage.DONE)


def part(
    event_id: str, device_id: str, asked_w: int, answered_at: int | None, result: Outcome | None
) -> Invitation:
    accepts = None if answered_at is None else result is not None
    return Invitation(event_id, device_id, "home", asked_w, asked_w, accepts, 0, answered_at, False, result)


FIRST = 90 * DAY
EVENTS = (
    # Two hours, 10 kWh asked for: 7 of 8 kWh shed by one, 2 of 4 by the other, which was silent for a quarter of an hour.
    event(
        "first",
        FIRST,
        part("first", "car", 4000, FIRST - 7200 + 100, outcome(7200, 20, 13, 8, 6, rebound=2)),
        part("first", "heat", 1000, FIRST - 7200 + 300, outcome(7200, 5, 3, 4, 2, measured_s=6300)),
        part("first", "pump", 0, FIRST - 7200 + 1000, None),
        energy=10_000,
    ),
    # An hour of 2 kW asked for, cancelled after half of it: 1 kWh to be shed, 1 kWh more was taken instead.
    event(
        "second",
        FIRST + DAY,
        part("second", "car", 2000, FIRST + DAY - 7200 + 500, outcome(1800, 4, 5, 1, 0, rebound=-1)),
        duration_s=3600,
        cancelled_at=FIRST + DAY + 1800,
    ),
    event("nobody", FIRST + 2 * DAY, part("nobody", "car", 2000, None, None)),
    event("before", FIRST - DAY, part("before", "car", 1, 1, outcome(7200, 9, 9, 9, 9))),
    event("after", FIRST + 5 * DAY, part("after", "car", 1, 1, outcome(7200, 9, 9, 9, 9))),
)


@pytest.fixture
def found() -> Analytics:
    return analyse(EVENTS, FIRST, FIRST + 5 * DAY, NOW)


def test_counts(found: Analytics) -> None:
    assert (found.events, found.cancelled, found.expired) == (2, 1, 1)
    assert (found.invited, found.answered, found.accepted) == (5, 4, 3)


def test_energy_and_rates(found: Analytics) -> None:
    assert found.target_ws == (10 + 1) * KWH
    assert found.committed_ws == 13 * KWH
    assert found.reduction_ws == (7 + 2 - 1) * KWH
    assert found.credited_ws == 8 * KWH
    assert found.rebound_ws == 1 * KWH
    assert found.achievement == pytest.approx(8 / 11)
    assert found.performance == pytest.approx(8 / 13)
    assert found.credited_performance == pytest.approx(8 / 13)
    assert found.amount == 8 * 200_000_000


def test_times(found: Analytics) -> None:
    assert found.mean_duration_s == (7200 + 1800) / 2
    assert found.median_answer_s == (300 + 500) / 2


def test_by_device(found: Analytics) -> None:
    car, heat, pump = found.devices
    assert (car.device_id, car.invited, car.accepted) == ("car", 3, 2)
    assert (car.committed_ws, car.reduction_ws, car.credited_ws) == (9 * KWH, 6 * KWH, 6 * KWH)
    assert (car.unmeasured_s, car.amount) == (0, 6 * 200_000_000)
    assert (heat.device_id, heat.reduction_ws, heat.unmeasured_s) == ("heat", 2 * KWH, 900)
    assert (pump.device_id, pump.invited, pump.accepted, pump.committed_ws) == ("pump", 1, 0, 0)


def test_nothing_is_none_and_not_zero() -> None:
    found = analyse(EVENTS, 0, 1, NOW)
    assert found.devices == ()
    assert (found.achievement, found.performance, found.mean_duration_s, found.median_answer_s) == (None,) * 4


def test_the_target_of_a_cancelled_event_is_that_of_the_time_until_then() -> None:
    start = FIRST + 3 * DAY
    half = outcome(1800, 2, 1, 1, 1)
    cancelled = event(
        "half",
        start,
        part("half", "car", 4000, start - 100, half),
        energy=4000,
        duration_s=7200,
        cancelled_at=start + 1800,
    )
    assert analyse([cancelled], start, start + 1, NOW).target_ws == 1 * KWH
