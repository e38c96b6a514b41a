"""Load and generation of all participants, read a stretch of slots at a time into arrays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from trex_market.core.errors import InputError
from trex_market.core.messages import BATTERY
from trex_market.core.units import MAX_QUANTITY
from trex_market.kernels.layout import Layout
from trex_market.participant import Series
from trex_market.population import Energy, Rows
from trex_market.profiles.profile import ScaledProfile
from trex_market.simulation.vector_market import Member


class ProfileReader:
    """Reads the profiles of an episode.

    Args:
        members: all participants, in the order of their numbers.
        layout: their channels.
        start: of the first slot, UNIX seconds.
        rounds: how many slots are delivered.
        step: length of a slot, in seconds.
        timezone: IANA name, whose hours are told.

    Raises:
        InputError: if a profile has slots of another length, or ends too early.
    """

    def __init__(
        self, members: Sequence[Member], layout: Layout, start: int, rounds: int, step: int, timezone: str
    ) -> None:
        self._members = members
        self._layout = layout
        self._start, self._step = start, step
        self._zone = ZoneInfo(timezone)
        nothing = np.empty((0, 0), dtype=np.int32)
        # Of load and of generation: as it is read, a row per participant, and turned, a row per slot.
        self._room = (nothing, nothing), (nothing, nothing)
        for member in members:
            profile = member.profile
            if profile is None:
                continue
            end = profile.start + profile.step * len(_base(profile).load)
            if profile.step != step or profile.start > start or end < start + rounds * step:
                raise InputError(
                    f"arrays take profiles in slots of {step} s from {start} to {start + rounds * step}; that of "
                    f"{member.participant_id!r} has slots of {profile.step} s from {profile.start} to {end}"
                )

    def read(self, first: int, count: int) -> Energy:
        """Read slots.

        Args:
            first: number of the first slot.
            count: how many.

        Raises:
            InputError: if an amount is none that a slot can have.
        """
        self._make_room(count)
        (load, load_turned), (made, made_turned) = self._room
        load.fill(0)
        made.fill(0)
        known: dict[tuple[int, int, float], Rows] = {}
        for number, member in enumerate(self._members):
            if member.profile is None:
                continue
            profile, load_scale, generation_scale = _base(member.profile), 1.0, 1.0
            if isinstance(member.profile, ScaledProfile):
                load_scale, generation_scale = member.profile.load_scale, member.profile.generation_scale
            window = _window(profile, self._start + first * self._step, count)
            _fill(load[number], profile.load, window, load_scale, member, known)
            channel = int(self._layout.participants[number]["channel"])
            for source in member.sources:
                if source != BATTERY:
                    series = profile.generation[source]
                    _fill(made[channel], series, window, generation_scale, member, known)
                channel += 1
        for rows in (load, made):
            if rows.size and not 0 <= rows.min() <= rows.max() <= MAX_QUANTITY:
                raise _bad_amounts("one of the profiles", rows.min(), rows.max())
        load_turned[:], made_turned[:] = load.T, made.T
        return Energy(load_turned[:count], made_turned[:count], self._ending_hours(first, count))

    def _make_room(self, count: int) -> None:
        """Make room for so many slots, if there is none: the same is used again and again."""
        if self._room[0][0].shape[1] < count:
            heights = (len(self._members), len(self._layout.channels))
            first, second = [
                (np.empty((height, count), dtype=np.int32), np.empty((count, height), dtype=np.int32))
                for height in heights
            ]
            self._room = first, second

    def _ending_hours(self, first: int, count: int) -> NDArray[np.int64]:
        ends = range(self._start + (first + 1) * self._step, 2**62, self._step)[:count]
        return np.array([datetime.fromtimestamp(end, self._zone).hour for end in ends], dtype=np.int64)


def _base(profile: Series) -> Series:
    """Return a profile as it was read."""
    return profile.base if isinstance(profile, ScaledProfile) else profile


def _window(profile: Series, start: int, count: int) -> tuple[int, int, int]:
    """Return which slots of a profile are wanted, and after how many others the first of them comes."""
    place = (start - profile.start) // profile.step
    begin, end = max(0, place), max(0, min(place + count, len(profile.load)))
    return begin, max(begin, end), begin - place


def _fill(
    into: Rows,
    series: Sequence[int],
    window: tuple[int, int, int],
    scale: float,
    member: Member,
    known: dict[tuple[int, int, float], Rows],
) -> None:
    """Copy slots of a series, scaled; those outside of it stay 0. What several homes share is read once."""
    begin, end, before = window
    if begin == end:
        return
    key = (id(series), before - begin, scale)
    amounts = known.get(key)
    if amounts is None:
        amounts = known[key] = _checked(series[begin:end], scale, member)
    into[before : before + end - begin] = amounts


def _checked(amounts: Sequence[int], scale: float, member: Member) -> Rows:
    """Return amounts as an array, scaled and rounded to whole Wh as a profile is."""
    whole = np.asarray(amounts)
    if whole.dtype == np.int32 and scale == 1:
        return whole  # looked at together with all others
    if scale != 1:
        whole = np.rint(whole * scale)
    if not 0 <= whole.min() <= whole.max() <= MAX_QUANTITY:
        raise _bad_amounts(f"the profile of {member.participant_id!r}", whole.min(), whole.max())
    return whole.astype(np.int32, copy=False)


def _bad_amounts(place: str, least: float, most: float) -> InputError:
    return InputError(f"a slot can have 0 to {MAX_QUANTITY:,} Wh; {place} has {least:,} to {most:,} Wh")
