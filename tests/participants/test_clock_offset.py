"""How far the server's clock is ahead: the quickest answer tells most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.clock_offset import SAMPLES, ClockOffset
from participants.outstanding import KEPT, OutstandingReadings
from trex_market.core.messages import MeterReading

STEP = 900


def test_nothing_is_known_before_the_first_answer() -> None:
    offset = ClockOffset()
    assert (offset.seconds, offset.error) == (None, None)


def test_worked_by_hand() -> None:
    offset = ClockOffset()
    offset.note(1_010.0, sent=1_000.0, received=1_004.0)
    assert (offset.seconds, offset.error) == (8.0, 2.0)
    offset.note(1_015.5, sent=1_005.0, received=1_006.0)
    assert (offset.seconds, offset.error) == (10.0, 0.5)
    offset.note(1_100.0, sent=1_010.0, received=1_020.0)
    assert offset.seconds == 10.0, "a slow answer tells less"


def test_old_answers_are_forgotten() -> None:
    offset = ClockOffset()
    offset.note(5.0, sent=0.0, received=0.0)
    for moment in range(SAMPLES):
        offset.note(moment + 0.5, sent=moment, received=moment + 1.0)
    assert offset.seconds == 0.0


@given(
    ahead=st.floats(-1e4, 1e4),
    trips=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), min_size=1, max_size=SAMPLES),
)
def test_the_truth_is_within_the_error(ahead: float, trips: list[tuple[float, float]]) -> None:
    offset, now = ClockOffset(), 1_000.0
    for there, back in trips:
        offset.note(now + there + ahead, sent=now, received=now + there + back)
        now += 10
    assert offset.seconds is not None
    assert offset.error is not None
    assert abs(offset.seconds - ahead) <= offset.error + 1e-6


def reading(slot: int) -> MeterReading:
    return MeterReading(slot * STEP, (slot + 1) * STEP, {}, {})


def test_a_reading_is_due_when_its_slot_is_over_until_it_is_taken() -> None:
    readings = OutstandingReadings()
    for slot in (3, 1, 2):
        readings.hold(reading(slot))
    assert readings.due(2 * STEP) == [reading(1)]
    assert readings.due(3 * STEP) == [reading(1), reading(2)]
    readings.taken(1 * STEP)
    readings.taken(1 * STEP)
    assert readings.due(9 * STEP) == [reading(2), reading(3)]
    readings.clear()
    assert readings.due(9 * STEP) == []


def test_the_oldest_readings_are_given_up_rather_than_the_memory() -> None:
    readings = OutstandingReadings()
    for slot in range(KEPT + 3):
        readings.hold(reading(slot))
    due = readings.due(10**9)
    assert len(due) == KEPT
    assert due[0] == reading(3)


def test_a_sum_of_zero_trips_is_exact() -> None:
    offset = ClockOffset()
    offset.note(12.5, sent=10.0, received=10.0)
    assert offset.seconds == pytest.approx(2.5)
