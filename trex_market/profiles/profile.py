"""What a source of profiles offers, and the profile that it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from trex_market.profiles.series import Series

Fill = Literal["zero", "previous", "day_before", "week_before"]
"""What stands in for missing slots: nothing, the last slot before, or the same time a day earlier."""


class Profile(msgspec.Struct, frozen=True):
    """What a participant uses and generates over a range of time.

    Args:
        participant_id: whose data they are.
        start: start of the first slot, UNIX seconds.
        step: length of a slot, in seconds.
        load: Wh used in each slot.
        generation: source -> Wh generated in each slot, as long as `load`.
    """

    participant_id: str
    start: int
    step: int
    load: Sequence[int]
    generation: Mapping[str, Sequence[int]]

    @property
    def end(self) -> int:
        """The end of the last slot, UNIX seconds."""
        return self.start + self.step * len(self.load)


class ScaledProfile:
    """A profile multiplied by factors, each series rounded to whole Wh when it is first asked for.

    Args:
        base: the profile.
        load_scale: what its load is multiplied by.
        generation_scale: what its generation is multiplied by.
    """

    def __init__(self, base: Profile, load_scale: float, generation_scale: float) -> None:
        self.participant_id = base.participant_id
        self.base = base
        self.load_scale = load_scale
        self.generation_scale = generation_scale
        self.start = base.start
        self.step = base.step
        self.generation: Mapping[str, Sequence[int]] = _Scaled(base.generation, generation_scale)

    @cached_property
    def load(self) -> list[int]:
        """Wh used in each slot."""
        return [round(energy * self.load_scale) for energy in self.base.load]


class _Scaled(Mapping[str, Sequence[int]]):
    """Series multiplied by a factor, each when it is first asked for."""

    def __init__(self, base: Mapping[str, Sequence[int]], scale: float) -> None:
        self._base = base
        self._scale = scale
        self._made: dict[str, list[int]] = {}

    def __getitem__(self, source: str) -> list[int]:
        if source not in self._made:
            self._made[source] = [round(energy * self._scale) for energy in self._base[source]]
        return self._made[source]

    def __iter__(self) -> Iterator[str]:
        return iter(self._base)

    def __len__(self) -> int:
        return len(self._base)


class ProfileSource(Protocol):
    """Where profiles come from."""

    def participants(self) -> list[str]:
        """List the ids that have data, sorted.

        Raises:
            ProfileError: if the data cannot be read.
        """

    def read(self, name: str, *, start: int, end: int, step: int, fill: Fill | None = None) -> Profile:
        """Read one participant's profile.

        Args:
            name: the participant's id in the data.
            start: start of the first slot, UNIX seconds.
            end: end of the last slot, UNIX seconds.
            step: length of a slot, in seconds; ``end - start`` is a multiple of it.
            fill: what stands in for missing slots; None to refuse them.

        Raises:
            ProfileError: if the data are missing or wrong, or do not cover the range.
        """


class DataSource(ProfileSource, Protocol):
    """A source that can also say what it holds, whatever the range and step."""

    def series(self, name: str) -> Series:
        """Read all data of one participant, as they are: nothing resampled, rounded or filled.

        Args:
            name: the participant's id in the data.

        Raises:
            ProfileError: if the data are missing or wrong.
        """
