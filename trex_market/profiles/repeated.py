"""A profile of some days, laid over another time again and again: a measured week stands for the present one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice

from trex_market.core.errors import ProfileError
from trex_market.profiles.profile import Profile, ScaledProfile

DAY = 86_400


def repeated(profile: Profile | ScaledProfile, start: int, slots: int) -> Profile:
    """Repeat a profile from a moment on, at the same time of the day (UTC).

    Args:
        profile: of a whole number of days; what is left of the last day is not used.
        start: of the first slot, UNIX seconds, a multiple of the profile's step.
        slots: how many.

    Raises:
        ProfileError: if the profile is shorter than a day.
    """
    days = len(profile.load) * profile.step // DAY
    if not days:
        raise ProfileError(
            f"the profile of {profile.participant_id!r} is to be repeated day by day, and covers "
            f"{len(profile.load) * profile.step} s, less than a day"
        )
    period = days * DAY // profile.step
    first = (start - profile.start) // profile.step % period

    def laid(series: Sequence[int]) -> list[int]:
        return list(islice(cycle(series[:period]), first, first + slots))

    generation = {source: laid(series) for source, series in profile.generation.items()}
    return Profile(profile.participant_id, start, profile.step, laid(profile.load), generation)
