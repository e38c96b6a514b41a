from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.config.helpers import SMALL, config, only_mistake
from trex_market.config.study import local_time

NOVEMBER_3 = 1_604_361_600
"""2020-11-03 00:00 UTC."""

DAY = 86_400


@pytest.mark.parametrize(
    ("text", "zone", "seconds"),
    [
        ("2020-11-03 0:0:0", "UTC", NOVEMBER_3),
        ("2020-11-03", "UTC", NOVEMBER_3),
        ("2020-11-3 00:00", "UTC", NOVEMBER_3),
        (" 2020-11-03T00:00:00 ", "UTC", NOVEMBER_3),
        ("2020-11-03 0:0:0", "America/Vancouver", NOVEMBER_3 + 8 * 3600),
        ("2020-11-03 0:0:0", "Asia/Kolkata", NOVEMBER_3 - 19_800),
        ("2020-11-03T00:00:00Z", "America/Vancouver", NOVEMBER_3),
        ("2020-11-03T00:00:00-08:00", "UTC", NOVEMBER_3 + 8 * 3600),
        ("2020-11-03 00:00:00 +0530", "UTC", NOVEMBER_3 - 19_800),
        ("2020-10-25 02:30:00", "Europe/Berlin", 1_603_585_800),  # comes twice; the first, in summer time
    ],
)
def test_moments_are_local_time(text: str, zone: str, seconds: int) -> None:
    assert local_time(text, zone) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "x", "2020", "2020-13-01", "2020-02-30", "2020-11-03 24:00", "20-11-03", "1969-12-31", "9999-01-01",
     "2020-11-03 1", "2020-11-03 0:0:0.5", "2020-11-03T00:00+99:00", "٢٠٢٠-11-03"],
)  # fmt: skip
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        local_time(text, "UTC")
    line = only_mistake(SMALL, start_datetime=text)
    assert line.startswith(
        f"--start-datetime: must be a date and time such as '2020-11-03 0:0:0', or a list of them, found {text!r}"
    )


def test_one_start_is_repeated() -> None:
    assert config(generations=3).study.start_times() == [NOVEMBER_3] * 3


def test_a_range_is_divided_evenly_and_aligned_down() -> None:
    study = config(start_datetime=["2020-11-03", "2020-11-04"], generations=7, time_step_size=900).study
    interval = DAY // 7 // 900 * 900
    assert study.start_times() == [NOVEMBER_3 + episode * interval for episode in range(7)]


def test_a_list_is_repeated_or_cut() -> None:
    days = ["2020-11-03", "2020-11-05", "2020-11-04"]
    times = [NOVEMBER_3, NOVEMBER_3 + 2 * DAY, NOVEMBER_3 + DAY]
    assert config(start_datetime=days, generations=5).study.start_times() == [*times, *times[:2]]
    assert config(start_datetime=days, generations=2).study.start_times() == times[:2]
    assert config(start_datetime=days[1:2], generations=2).study.start_times() == [times[1]] * 2


def test_shuffled_is_the_same_set_and_the_same_each_time() -> None:
    given_range = {"start_datetime": ["2020-11-03", "2020-12-03"], "generations": 30}
    in_turn = config(**given_range).study.start_times()
    shuffled = config(**given_range, start_datetime_sequence="shuffled").study.start_times()
    assert shuffled != in_turn
    assert sorted(shuffled) == in_turn
    assert shuffled == config(**given_range, start_datetime_sequence="shuffled").study.start_times()
    assert shuffled != config(**given_range, start_datetime_sequence="shuffled", seed=2).study.start_times()


@given(
    st.integers(0, 10_000),
    st.integers(1, 10_000),
    st.integers(1, 50),
    st.sampled_from([60, 300, 900, 1800]),
    st.sampled_from(["UTC", "America/Vancouver", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_all_starts_of_a_range_are_aligned_and_inside(
    start: int, more: int, generations: int, step: int, zone: str
) -> None:
    first, last = (
        f"{2000 + day // 336}-{day // 28 % 12 + 1}-{day % 28 + 1}" for day in (start, start + more)
    )
    study = config(
        start_datetime=[first, last], generations=generations, time_step_size=step, timezone=zone
    ).study
    times = study.start_times()
    assert len(times) == generations
    assert times[0] == local_time(first, zone)
    assert all(
        time % step == 0 and local_time(first, zone) <= time < local_time(last, zone) for time in times
    )
    assert len({later - earlier for earlier, later in pairwise(times)}) <= 1


def test_a_start_lies_at_a_whole_multiple_of_the_step() -> None:
    assert only_mistake(SMALL, start_datetime="2020-11-03 0:10:0", time_step_size=900) == (
        "--start-datetime: must lie at a whole multiple of the step (900 s, counted in UTC); "
        "the nearest are 2020-11-03 00:00:00+00:00 and 2020-11-03 00:15:00+00:00"
    )
    text = SMALL.replace("2020-11-03 0:0:0", '\n  - "2020-11-03"\n  - "2020-11-03 0:0:7"\n  - "2020-11-03"')
    assert only_mistake(text).startswith("x.yaml:4: study.start_datetime[1]: must lie at a whole multiple")


def test_half_hour_zones_need_a_step_that_fits() -> None:
    assert config(timezone="Asia/Kolkata", time_step_size=1800).study.start_times() == [NOVEMBER_3 - 19_800]
    line = only_mistake(SMALL, timezone="Asia/Kolkata", time_step_size=3600)
    assert "must lie at a whole multiple of the step (3600 s" in line
    assert "2020-11-03 00:30:00+05:30" in line


def test_a_range_must_not_end_before_it_starts() -> None:
    for end in ("2020-11-03", "2020-11-02"):
        assert only_mistake(SMALL, start_datetime=["2020-11-03", end]).endswith(
            "the range must end after it starts"
        )


@given(st.integers(1, 40_000), st.integers(1, 7 * DAY))
def test_days_are_a_whole_number_of_steps(rounds: int, step: int) -> None:
    days = rounds * step / DAY
    assume(days <= 36_600)
    study = config(start_datetime="1970-01-01", days=rounds * step // DAY or 1, time_step_size=1).study
    assert study.rounds == (rounds * step // DAY or 1) * DAY
    if days.is_integer():
        assert config(start_datetime="1970-01-01", days=days, time_step_size=step).study.rounds == rounds


@pytest.mark.parametrize(
    ("days", "step", "rounds"), [(0.5, 900, 48), (0.25, 3600, 6), (7, 900, 672), (1.5, 43_200, 3)]
)
def test_days_may_be_parts(days: float, step: int, rounds: int) -> None:
    assert config(days=days, time_step_size=step).study.rounds == rounds


def test_days_that_are_no_whole_number_of_steps_are_refused() -> None:
    assert (
        only_mistake(SMALL, days=0.3, time_step_size=7200)
        == "--days: must be a whole number of steps of 7200 s, found 0.3"
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("time_step_size", 0, "must be at least 1 s, found 0"),
        ("time_step_size", 60.5, "must be a whole number of s, found 60.5"),
        ("time_step_size", "60", "must be a whole number of s, found '60'"),
        ("generations", True, "must be a whole number, found true"),
        ("generations", 0, "must be at least 1, found 0"),
        ("days", -1, "must be above 0 days, found -1"),
        ("days", float("nan"), "must be a finite number, found nan"),
        ("days", 10**400, "must be at most 36600 days, found a number of more than 30 digits"),
        ("timezone", "Europe/Berln", "unknown time zone 'Europe/Berln'. Did you mean 'Europe/Berlin'?"),
        ("timezone", "../etc/passwd", "unknown time zone"),
        ("timezone", "America", "unknown time zone"),
        ("timezone", "\0", "unknown time zone"),
        ("start_datetime", [], "must name at least one start"),
        ("start_datetime", 20201103, "must be a date and time"),
        ("start_datetime_sequence", "random", "must be 'sequential' or 'shuffled', found 'random'"),
        ("record", "all", "must be 'full', 'participant' or 'none', found 'all'"),
        ("fill", "", "must be 'zero', 'previous', 'day_before' or 'week_before', found ''"),
        ("simulations", [], "must name at least one simulation"),
        ("simulations", ["baseline", "baseline"], "must name at least one simulation, and each once"),
        ("simulations", "baseline", "must be a list"),
    ],
)  # fmt: skip
def test_wrong_values_are_told_with_what_may_be(key: str, value: object, message: str) -> None:
    line = only_mistake(SMALL, **{key: value})
    assert line.split(": ", 1)[1].startswith(message)


@pytest.mark.parametrize(
    ("name", "message"),
    [("5", "must be text, found 5; put it in quotes"), ('"a\\nb"', "must not have control")],
)
def test_wrong_names_are_told(name: str, message: str) -> None:
    line = only_mistake(SMALL.replace("days: 1", f"days: 1\n  name: {name}"))
    assert line.startswith(f"x.yaml:4: study.name: {message}")


def test_whole_numbers_may_be_written_as_floats() -> None:
    study = config(time_step_size=9e2, generations=2.0).study
    assert (study.time_step_size, study.generations) == (900, 2)
    assert isinstance(study.time_step_size, int)
