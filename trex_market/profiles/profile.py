"""What a source of profiles offers, and the profile that it gives."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

Fill = Literal["zero", "previous", "day_before"]
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
    load: list[int]
    generation: dict[str, list[int]]

    @property
    def end(self) -> int:
        """The end of the last slot, UNIX seconds."""
        return self.start + self.step * len(self.load)


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
