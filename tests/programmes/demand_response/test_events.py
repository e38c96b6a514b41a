from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.programmes.demand_response.helpers import (
    DAY,
    HOUR,
    MONDAY,
    PLAIN,
    STEP,
    held,
    hold,
    invite,
    of,
    opened,
    report,
    restarted,
)
from trex_market.core.messages import EXTERNAL, Event, MeterAccepted, MeterReading, Paid, RoundStarted
from trex_market.programmes.demand_response import DemandResponse
from trex_market.programmes.demand_response.messages import (
    AdvanceDr,
    AnswerDr,
    CancelDr,
    DrAnswered,
    DrCancelled,
    DrCompleted,
    DrExpired,
    DrProgressed,
    DrRefused,
    DrScheduled,
    DrSettled,
    DrSilent,
    DrStarted,
    InviteDr,
)
from trex_market.programmes.demand_response.records import AutoResponse, BaselineTerms, Device, Outcome

NOON = MONDAY + 12 * HOUR
TEN = MONDAY + 10 * HOUR


def answered(programme: DemandResponse, reduction_w: int = 300, time: int = TEN + 60) -> list[Event]:
    return programme.handle(AnswerDr("noon", "heater", "home", True, time, reduction_w))


def result(events: list[Event]) -> Outcome:
    (settled,) = of(events, DrSettled)
    outcome = settled.invitations[0].outcome
    assert isinstance(outcome, Outcome)
    return outcome


def with_history(programme: DemandResponse, power_w: int = 1000, days: int = 20) -> None:
    for device_id in programme.known.devices:
        hold(programme, device_id, power_w, MONDAY - days * DAY, MONDAY)


# ---------------------------------------------------------------- the worked event


LEVELS = (10, 11, 12, 9, 13, 8, 14, 10, 12, 11)


def worked() -> DemandResponse:
    """A meter of ten working days at the worked levels, 8 kW before, and 8.8 kW before the event."""
    rules = BaselineTerms(weekdays="high_5_of_10")
    programme = opened(Device("site", "home", "meter"), baseline=rules, penalty=100_000)
    working = [day for day in range(1, 15) if (7 - day) % 7 not in (5, 6)]
    for level, back in reversed(list(zip(LEVELS, working, strict=True))):
        noon = NOON - back * DAY
        hold(programme, "site", 8000, noon - 5 * HOUR, noon)
        hold(programme, "site", level * 1000, noon, noon + 3 * HOUR)
        hold(programme, "site", level * 1000, noon + 3 * HOUR, noon + 6 * HOUR)
    hold(programme, "site", 8800, NOON - 5 * HOUR, NOON)
    return programme


def meter(programme: DemandResponse, slot_start: int, energy: int) -> list[Event]:
    reading = MeterReading(slot_start, slot_start + STEP, {}, {"other": {EXTERNAL: energy}})
    return programme.hear([MeterAccepted("home", reading)])


def round_at(time: int) -> RoundStarted:
    return RoundStarted(time, STEP, time, time, 0, 0, 0, 0)


def test_worked_event_to_the_digit() -> None:
    programme = worked()
    programme.handle(InviteDr("noon", NOON, TEN, 3 * HOUR, energy=12_000))
    programme.handle(AnswerDr("noon", "site", "home", True, TEN + 1, 4000))
    events: list[Event] = []
    for number, power in enumerate((9, 10, 12)):
        for quarter in range(4):
            slot_start = NOON + number * HOUR + quarter * STEP
            events += programme.hear([round_at(slot_start)])
            events += meter(programme, slot_start, power * 250)
    events += programme.hear([round_at(NOON + 3 * HOUR)])
    outcome = result(events)
    assert outcome.baseline_ws == 3 * 13_640 * 3600
    assert outcome.reduction_ws == 9920 * 3600
    assert outcome.committed_ws == 12_000 * 3600
    assert round(outcome.reduction_ws / outcome.committed_ws, 3) == 0.827
    assert round(outcome.credited_ws / outcome.committed_ws, 3) == 0.773
    assert outcome.shortfall_ws == 2720 * 3600
    assert outcome.paid == 9280
    (paid,) = of(events, Paid)
    (line,) = paid.transactions
    assert (line.id, line.kind, line.quantity) == (f"d{NOON}-1", "demand_response", 9280)
    assert (line.seller_id, line.buyer_id) == ("home", "demand_response")
    assert line.amount == 9280 * 200_000 - 2720 * 100_000


def test_what_comes_afterwards_is_the_rebound() -> None:
    programme = worked()
    programme.handle(InviteDr("noon", NOON, TEN, 3 * HOUR, energy=12_000))
    programme.handle(AnswerDr("noon", "site", "home", True, TEN + 1, 4000))
    events: list[Event] = []
    for slot_start in range(NOON, NOON + 6 * HOUR, STEP):
        events += programme.hear([round_at(slot_start)])
        events += meter(programme, slot_start, 2500 if slot_start < NOON + 3 * HOUR else 3910)
    settled = of(events, DrSettled)
    assert len(settled) == 2
    first, last = (one.invitations[0].outcome for one in settled)
    assert first.rebound_ws is None
    assert last.rebound_ws == 2 * (15_640 - 13_640) * 3600
    assert last.rebound_s == 2 * HOUR
    assert last.amount == first.amount
    assert len(of(events, Paid)) == 1


def test_a_later_reading_takes_the_place_of_an_earlier_one() -> None:
    programme = worked()
    programme.handle(InviteDr("noon", NOON, TEN, HOUR, energy=4000))
    programme.handle(AnswerDr("noon", "site", "home", True, TEN + 1, 4000))
    programme.hear([round_at(NOON)])
    for slot_start in range(NOON, NOON + HOUR, STEP):
        meter(programme, slot_start, 9999)
        meter(programme, slot_start, 2500)
    outcome = result(programme.hear([round_at(NOON + HOUR)]))
    assert outcome.metered_ws == 10_000 * 3600
    assert outcome.measured_s == HOUR


# ---------------------------------------------------------------- devices that report power


def test_an_event_from_samples() -> None:
    programme = opened()
    with_history(programme)
    invite(programme)
    answered(programme, 200)
    events = held(programme, "heater", 1000, NOON - 300, NOON - 30)
    events += held(programme, "heater", 700, NOON, NOON + HOUR + 120)
    assert len(of(events, DrScheduled)) == len(of(events, DrStarted)) == len(of(events, DrCompleted)) == 1
    assert not of(events, DrSilent)
    outcome = result(events)
    assert outcome.measured_s == outcome.duration_s == HOUR
    assert outcome.baseline_ws == 1000 * HOUR
    assert outcome.reduction_ws == 300 * HOUR
    assert outcome.credited_ws == 200 * HOUR
    assert outcome.paid == 200
    assert outcome.quality == "full"


def test_progress_is_energy_and_not_power() -> None:
    programme = opened()
    with_history(programme)
    invite(programme)
    answered(programme, 200)
    held(programme, "heater", 700, NOON - 30, NOON + 600)
    told = of(programme.handle(AdvanceDr(NOON + 606)), DrProgressed)[-1]
    (device,) = told.devices
    assert device.baseline_w == 1000
    assert device.power_w == 700
    assert device.reduction_w == 300
    assert device.reduced_ws == 300 * 600
    assert device.measured_s == 600


def test_a_silent_meter_is_not_measured_and_is_told_of() -> None:
    programme = opened()
    with_history(programme)
    invite(programme)
    answered(programme, 200)
    held(programme, "heater", 500, NOON - 30, NOON + 600)
    events = held(programme, "heater", 500, NOON + 1800, NOON + HOUR + 120)
    (silent,) = of(events, DrSilent)
    assert (silent.start, silent.end) == (NOON + 600, NOON + 1800)
    outcome = result(events)
    assert outcome.measured_s == HOUR - 1200
    assert outcome.reduction_ws == 500 * (HOUR - 1200)
    assert outcome.credited_ws == 200 * (HOUR - 1200)
    assert outcome.committed_ws == 200 * HOUR


def test_a_meter_that_never_speaks_again_is_told_of_at_the_end() -> None:
    programme = opened()
    with_history(programme)
    invite(programme)
    answered(programme, 200)
    held(programme, "heater", 500, NOON - 30, NOON + 600)
    events = programme.handle(AdvanceDr(NOON + 2 * HOUR))
    (silent,) = of(events, DrSilent)
    assert (silent.start, silent.end) == (NOON + 600, NOON + HOUR)
    assert result(events).measured_s == 600


def test_cancellation_in_the_middle() -> None:
    programme = opened()
    with_history(programme)
    invite(programme)
    answered(programme, 200)
    held(programme, "heater", 700, NOON - 30, NOON + 1000)
    (cancelled,) = of(programme.handle(CancelDr("noon", NOON + 1015)), DrCancelled)
    assert cancelled.participants == ("home",)
    running = programme.known.events["noon"]
    assert running.status(NOON + 1015) == "cancelled"
    events = report(programme, "heater", 700, NOON + 1030)
    events += held(programme, "heater", 1500, NOON + 1060, NOON + 1200)
    outcome = result(events)
    assert outcome.duration_s == outcome.measured_s == 1015
    assert outcome.reduction_ws == 300 * 1015
    assert outcome.committed_ws == outcome.credited_ws == 200 * 1015
    assert len(of(events, Paid)) == 1


def test_cancellation_before_the_start_measures_and_pays_nothing() -> None:
    programme = opened()
    with_history(programme)
    invite(programme)
    answered(programme)
    programme.handle(CancelDr("noon", TEN + 600))
    events = held(programme, "heater", 700, NOON - 30, NOON + HOUR + 120)
    assert not of(events, DrStarted)
    assert not of(events, Paid)


# ---------------------------------------------------------------- answers


def statuses(programme: DemandResponse, *moments: int) -> list[str]:
    running = programme.known.events["noon"]
    return [running.status(moment) for moment in moments]


@pytest.mark.parametrize("restarts", [False, True])
def test_who_leaves_an_event_is_credited_nothing_from_then_on(restarts: bool) -> None:
    programme = opened(Device("heater", "home"), Device("pump", "other"), penalty=100_000)
    with_history(programme)
    invite(programme, share=300_000)
    for device_id, owner in (("heater", "home"), ("pump", "other")):
        programme.handle(AnswerDr("noon", device_id, owner, True, TEN + 60, 300))
    events: list[Event] = []
    for time in range(NOON - 30, NOON + HOUR + 91, 30):
        if time == NOON + 1200:  # in the middle of an interval
            left = programme.handle(AnswerDr("noon", "heater", "home", False, time))
            assert of(left, DrAnswered)[0].invitation.left_at == time
            again = programme.handle(AnswerDr("noon", "heater", "home", False, time + 1))
            assert of(again, DrRefused)[0].code == "deadline_passed"
            back = programme.handle(AnswerDr("noon", "heater", "home", True, time + 2, 300))
            assert of(back, DrRefused)[0].code == "deadline_passed"
            if restarts:
                programme = restarted(programme)
        # Within an interval the pump sheds nothing, then twice as much: that counts together.
        events += report(programme, "heater", 700, time)
        events += report(programme, "pump", 1000 if time - NOON < 1200 else 400, time)
    (settled,) = of(events, DrSettled)
    heater, pump = (one.outcome for one in settled.invitations)
    assert (heater.measured_s, heater.reduction_ws) == (HOUR, 300 * HOUR)
    assert (heater.committed_ws, heater.credited_ws) == (300 * HOUR, 300 * 1200)
    assert heater.amount == 100 * 200_000 - 200 * 100_000
    assert pump.credited_ws == 3 * 300 * 900


def test_who_leaves_before_the_event_is_credited_nothing() -> None:
    programme = opened(penalty=100_000)
    with_history(programme)
    invite(programme)
    answered(programme)
    (left,) = of(programme.handle(AnswerDr("noon", "heater", "home", False, NOON - 300)), DrAnswered)
    assert (left.invitation.accepts, left.invitation.committed_w) == (True, 300)
    events = held(programme, "heater", 700, NOON - 30, NOON + HOUR + 90)
    assert of(events, DrStarted)
    outcome = result(of(events, DrSettled))
    assert (outcome.reduction_ws, outcome.credited_ws) == (300 * HOUR, 0)
    assert outcome.amount == -300 * 100_000


def test_an_event_that_was_left_can_be_cancelled() -> None:
    programme = opened()
    with_history(programme)
    invite(programme)
    answered(programme)
    events = held(programme, "heater", 700, NOON - 30, NOON + 600)
    programme.handle(AnswerDr("noon", "heater", "home", False, NOON + 600))
    events += held(programme, "heater", 700, NOON + 630, NOON + 1200)
    programme.handle(CancelDr("noon", NOON + 1200))
    events += held(programme, "heater", 700, NOON + 1230, NOON + 1350)
    outcome = result(of(events, DrSettled))
    assert (outcome.duration_s, outcome.measured_s, outcome.credited_ws) == (1200, 1200, 300 * 600)


def test_who_declined_or_said_nothing_cannot_leave() -> None:
    programme = opened(Device("heater", "home"), Device("pump", "other"), Device("car", "third"))
    with_history(programme)
    invite(programme)
    answered(programme)
    programme.handle(AnswerDr("noon", "car", "third", False, TEN + 60))
    for device_id, owner in (("pump", "other"), ("car", "third")):
        (refused,) = of(programme.handle(AnswerDr("noon", device_id, owner, False, NOON + 60)), DrRefused)
        assert refused.code == "deadline_passed"
    held(programme, "heater", 700, NOON + 60, NOON + HOUR)
    (refused,) = of(programme.handle(AnswerDr("noon", "heater", "home", False, NOON + HOUR)), DrRefused)
    assert refused.code == "deadline_passed"


def test_status_follows_from_the_clock() -> None:
    programme = opened()
    invite(programme)
    answered(programme)
    moments = (TEN, NOON - 601, NOON - 600, NOON - 1, NOON, NOON + HOUR - 1, NOON + HOUR)
    assert statuses(programme, *moments) == [
        "pending",
        "pending",
        "scheduled",
        "scheduled",
        "active",
        "active",
        "completed",
    ]


def test_nobody_answers_and_it_expires() -> None:
    programme = opened()
    invite(programme)
    events = programme.handle(AdvanceDr(NOON))
    (expired,) = of(events, DrExpired)
    assert expired.detail == "nobody accepted"
    assert statuses(programme, NOON) == ["expired"]
    assert not of(events, DrStarted)


def test_the_last_answer_before_the_deadline_counts() -> None:
    programme = opened()
    invite(programme)
    answered(programme, 100)
    programme.handle(AnswerDr("noon", "heater", "home", False, TEN + 70))
    answered(programme, 250, TEN + 80)
    (started,) = of(programme.handle(AdvanceDr(NOON)), DrStarted)
    assert [one.committed_w for one in started.invitations] == [250]


@pytest.mark.parametrize(
    ("accept", "quorum", "answers", "takes_place"),
    [
        ("any", 1, (True, False, None), True),
        ("all", 1, (True, True, False), False),
        ("all", 1, (True, True, None), False),
        ("all", 1, (True, True, True), True),
        ("quorum", 660_000, (True, True, None), True),
        ("quorum", 670_000, (True, True, None), False),
    ],
)
def test_how_many_must_accept(
    accept: str, quorum: int, answers: tuple[bool | None, ...], takes_place: bool
) -> None:
    devices = [Device(name, f"home_{name}") for name in "abc"]
    programme = opened(*devices)
    with_history(programme)
    invite(programme, accept=accept, quorum=quorum)
    for device, accepts in zip(devices, answers, strict=True):
        if accepts is not None:
            reduction = 200 if accepts else 0
            command = AnswerDr("noon", device.device_id, device.participant_id, accepts, TEN + 5, reduction)
            assert of(programme.handle(command), DrAnswered)
    events = programme.handle(AdvanceDr(NOON))
    assert len(of(events, DrStarted)) == takes_place
    assert len(of(events, DrExpired)) == (not takes_place)


def refusals(events: list[Event]) -> list[str]:
    return [refused.code.value for refused in of(events, DrRefused)]


def test_events_of_one_device_touch_but_do_not_overlap() -> None:
    programme = opened()
    assert refusals(invite(programme)) == []
    assert refusals(invite(programme, event_id="next", start=NOON + HOUR)) == []
    assert refusals(invite(programme, event_id="before", start=NOON - HOUR)) == []
    assert refusals(invite(programme, event_id="amid", start=NOON + 60)) == ["overlapping_event"]
    programme.handle(CancelDr("noon", TEN))
    assert refusals(invite(programme, event_id="instead")) == []
    programme.handle(AnswerDr("instead", "heater", "home", False, TEN))
    assert refusals(invite(programme, event_id="after all")) == []


def test_load_asked_for_in_energy_is_shared_out_as_loads_are() -> None:
    programme = opened(Device("a", "x"), Device("b", "y"))
    hold(programme, "a", 1000, MONDAY - 20 * DAY, MONDAY)
    hold(programme, "b", 3000, MONDAY - 20 * DAY, MONDAY)
    events = invite(programme, share=None, energy=1001)
    asked = [one.asked_w for one in events[-1].invitations]  # type: ignore[union-attr]
    assert asked == [250, 751]


RULE = AutoResponse(is_on=True)


def test_the_standing_rule_answers_after_its_delay_and_once() -> None:
    programme = opened(auto_response=RULE)
    with_history(programme)
    invite(programme, share=500_000)
    assert not of(programme.handle(AdvanceDr(TEN + 299)), DrAnswered)
    (answer,) = of(programme.handle(AdvanceDr(TEN + 5000)), DrAnswered)
    invitation = answer.invitation
    assert invitation.accepts
    assert invitation.is_automatic
    assert invitation.answered_at == TEN + 300
    assert invitation.committed_w == 200  # 20 % of 1000 W, though 50 % were asked for
    assert not of(programme.handle(AdvanceDr(NOON)), DrAnswered)


def test_the_standing_rule_leaves_own_answers_alone() -> None:
    programme = opened(auto_response=RULE)
    with_history(programme)
    invite(programme)
    programme.handle(AnswerDr("noon", "heater", "home", False, TEN + 10))
    assert not of(programme.handle(AdvanceDr(NOON)), DrAnswered)


@pytest.mark.parametrize(("notice_s", "answers"), [(3600, True), (6900, True), (6901, False)])
def test_the_standing_rule_wants_its_notice(notice_s: int, answers: bool) -> None:
    rule = msgspec.structs.replace(RULE, notice_s=notice_s)
    programme = opened(participants={"home": rule})
    with_history(programme)
    invite(programme)
    assert bool(of(programme.handle(AdvanceDr(NOON)), DrAnswered)) is answers


# ---------------------------------------------------------------- baselines over days


def test_event_days_do_not_count_and_weekends_neither() -> None:
    programme = opened(baseline=msgspec.structs.replace(PLAIN, weekdays="low_5_of_10"))
    device = programme.known.devices["heater"]
    with_history(programme, days=30)
    friday = MONDAY - 3 * DAY
    hold(programme, "heater", -900, friday, friday + DAY)  # and so 100 W in all
    hold(programme, "heater", -990, MONDAY - DAY, MONDAY)
    device.event_days.add(programme.known.calendar.date(friday))
    invite(programme, share=1_000_000)
    assert programme.known.events["noon"].invitations["heater"].asked_w == 1000


@pytest.mark.parametrize("accepts", [True, False])
def test_the_day_of_an_event_does_not_count_later(accepts: bool) -> None:
    programme = opened()
    with_history(programme, days=30)
    invite(programme)
    programme.handle(AnswerDr("noon", "heater", "home", accepts, TEN + 60, 100 if accepts else 0))
    programme.handle(AdvanceDr(MONDAY + 20 * HOUR))
    hold(programme, "heater", 0, MONDAY, MONDAY + DAY)
    tuesday = TEN + DAY
    later = InviteDr("later", NOON + DAY, tuesday, HOUR, share=1_000_000)
    programme.handle(later)
    asked = programme.known.events["later"].invitations["heater"].asked_w
    assert asked == (1000 if accepts else 900)


def test_days_with_gaps_do_not_count() -> None:
    programme = opened()
    hold(programme, "heater", 1000, MONDAY - 4 * DAY, MONDAY - 3 * DAY)
    hold(programme, "heater", 5000, MONDAY - 3 * DAY, NOON - 3 * DAY + 60)
    invite(programme, share=1_000_000)
    assert programme.known.events["noon"].invitations["heater"].asked_w == 1000


def test_without_any_day_the_load_before_stands_for_it() -> None:
    programme = opened()
    hold(programme, "heater", 800, NOON - 4 * HOUR, NOON - HOUR)
    invite(programme)
    answered(programme, 100)
    events = held(programme, "heater", 500, NOON - 30, NOON + HOUR + 60)
    outcome = result(events)
    assert outcome.quality == "prognosis"
    assert outcome.baseline_ws == 800 * HOUR


def test_without_anything_known_nothing_is_credited() -> None:
    programme = opened()
    invite(programme)
    answered(programme, 100)
    programme.handle(AdvanceDr(NOON))
    outcome = result(held(programme, "heater", 500, NOON, NOON + HOUR + 60))
    assert outcome.quality == "none"
    assert outcome.reduction_ws == outcome.paid == 0


# ---------------------------------------------------------------- state, steps and leaps


def whole_day(programme: DemandResponse, moments: list[int], restarts: bool) -> list[Event]:
    """Play a day with samples, told the time at some moments besides, perhaps with a restart at each."""
    events: list[Event] = []
    samples = dict.fromkeys(range(NOON - 30, NOON + 4 * HOUR, 30), 700)
    for time in sorted({*moments, *samples}):
        if restarts and time in moments:
            programme = restarted(programme)
        if time in moments:
            events += programme.handle(AdvanceDr(time))
        if time in samples:
            events += report(programme, "heater", samples[time], time)
    return events


LASTING = (DrAnswered, DrScheduled, DrStarted, DrCompleted, DrSilent, DrSettled, Paid)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(TEN, NOON + 4 * HOUR), max_size=6), st.booleans())
def test_steps_leaps_and_restarts_lead_to_the_same(moments: list[int], restarts: bool) -> None:
    outcomes = []
    for chosen, again in (([], False), (moments, restarts)):
        programme = opened(auto_response=RULE)
        with_history(programme)
        invite(programme)
        events = whole_day(programme, chosen, again)
        outcomes.append([event for event in events if isinstance(event, LASTING)])
    assert outcomes[0] == outcomes[1]
    assert len(of(outcomes[0], Paid)) == 1


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(-2000, 4000)), min_size=1, max_size=80),
    st.integers(60, 3000),
)
def test_energy_is_the_integral_of_measured_power(steps: list[tuple[int, int]], duration_s: int) -> None:
    programme = opened()
    with_history(programme)
    invite(programme, duration_s=duration_s)
    answered(programme)
    time = NOON - 100
    powers: dict[int, int] = {}
    samples = []
    for wait, power in steps:
        time += wait
        samples.append((time, power))
    for (start, power), (end, _) in itertools.pairwise(samples):
        if end - start <= 60:
            powers |= dict.fromkeys(range(start, end), power)
    events: list[Event] = []
    for moment, power in samples:
        events += report(programme, "heater", power, moment)
    if not of(events, DrSettled):
        events += programme.handle(AdvanceDr(max(time, NOON + duration_s) + 100))
    outcome = result([of(events, DrSettled)[0]])
    during = [power for second, power in powers.items() if NOON <= second < NOON + duration_s]
    assert outcome.measured_s == len(during)
    assert abs(outcome.metered_ws - sum(during)) == 0
    assert 0 <= outcome.credited_ws <= outcome.committed_ws


def test_an_overdue_start_happens_once_after_a_restart() -> None:
    programme = opened()
    with_history(programme)
    invite(programme)
    answered(programme)
    programme = restarted(programme)
    assert programme.next_due() == TEN + 300
    events = programme.handle(AdvanceDr(NOON + 300))
    assert len(of(events, DrStarted)) == 1
    programme = restarted(programme)
    assert not of(programme.handle(AdvanceDr(NOON + 310)), DrStarted)
    assert programme.next_due() == NOON + 315


def test_a_thousand_devices() -> None:
    devices = [Device(f"d{number:04}", f"home_{number % 100}") for number in range(1000)]
    programme = opened(*devices, auto_response=RULE)
    for device in devices:
        hold(programme, device.device_id, 1000, MONDAY - 15 * DAY, MONDAY)
    invite(programme)
    events: list[Event] = []
    for time in range(NOON - 30, NOON + HOUR + 91, 30):
        for device in devices:
            events += report(programme, device.device_id, 700, time)
    (settled,) = of(events, DrSettled)
    assert len(settled.invitations) == 1000
    assert {one.outcome.credited_ws for one in settled.invitations} == {200 * HOUR}
    (paid,) = of(events, Paid)
    assert len(paid.transactions) == 100
    assert sum(line.quantity for line in paid.transactions) == 200_000
