"""Days that are laid over another time."""

from __future__ import annotations

import pytest

from trex_market.core.errors import ProfileError
from trex_market.profiles.profile import Profile
from trex_market.profiles.repeated import DAY, repeated

STEP = 21_600
MEASURED = 1_468_792_800 // DAY * DAY
PROFILE = Profile("home", MEASURED + STEP, STEP, list(range(10)), {"solar": [10 * n for n in range(10)]})
"""Two days and a half, from 6 o'clock on."""


def test_the_time_of_the_day_is_kept_and_whole_days_are_repeated() -> None:
    now = 1_767_225_600
    assert now % DAY == 0
    laid = repeated(PROFILE, now + STEP, 20)
    assert (laid.start, laid.step, laid.end) == (now + STEP, STEP, now + 21 * STEP)
    assert set(laid.load[:8]) == set(range(8))
    assert laid.load[8:16] == laid.load[:8]
    assert laid.load[0] % 4 == 0, "6 o'clock"
    assert laid.generation["solar"] == [10 * n for n in laid.load]


def test_each_moment_gets_the_same_value_whenever_it_is_asked_for() -> None:
    now = 1_767_225_600
    early, late = repeated(PROFILE, now, 40), repeated(PROFILE, now + 3 * STEP, 37)
    assert early.load[3:] == late.load


def test_less_than_a_day_is_refused() -> None:
    short = Profile("home", MEASURED, STEP, [1, 2, 3], {})
    with pytest.raises(ProfileError, match="covers 64800 s, less than a day"):
        repeated(short, MEASURED, 5)
