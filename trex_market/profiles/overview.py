"""What a source of profiles holds, without choosing a range or a step: extent, gaps, sums."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import msgspec

from trex_market.profiles.cells import EXACT, Number
from trex_market.profiles.series import Series, spacing


class Gap(msgspec.Struct, frozen=True):
    """Slots that are missing, from `start` to `end` in UNIX seconds."""

    start: int
    end: int
    slots: int


class Overview(msgspec.Struct, frozen=True):
    """What there is of a participant.

    Args:
        participant_id: whose.
        start: of the first slot, UNIX seconds.
        end: of the last slot, UNIX seconds.
        step: length of a slot, in seconds.
        slots: how many there are.
        gaps: what is missing between them.
        load: Wh used in all, exact.
        generation: source -> Wh generated in all, exact.
    """

    participant_id: str
    start: int
    end: int
    step: int
    slots: int
    gaps: tuple[Gap, ...]
    load: Number
    generation: dict[str, Number]

    @property
    def missing(self) -> int:
        """How many slots are missing."""
        return sum(gap.slots for gap in self.gaps)


class Month(msgspec.Struct, frozen=True):
    """What there is of a participant in a month of UTC; slots count where they start.

    Args:
        name: like 2016-08.
        slots: how many there are.
        load: Wh used, exact.
        generation: source -> Wh generated, exact.
    """

    name: str
    slots: int
    load: Number
    generation: dict[str, Number]


def overview(participant_id: str, series: Series) -> Overview:
    """Look through a participant's data.

    Args:
        participant_id: whose.
        series: all of them.

    Raises:
        ProfileError: if their times are not in order or not regular.
    """
    step = spacing(series)
    gaps = tuple(
        Gap(earlier, later - step, (later - earlier) // step - 1)
        for earlier, later in pairwise(series.ends)
        if later - earlier > step
    )
    return Overview(
        participant_id,
        series.ends[0] - step,
        series.ends[-1],
        step,
        len(series.ends),
        gaps,
        total(series.load),
        {source: total(amounts) for source, amounts in series.generation.items()},
    )


def months(series: Series) -> list[Month]:
    """Add up a participant's data by month of UTC.

    Raises:
        ProfileError: if their times are not in order or not regular.
    """
    step = spacing(series)
    rows: dict[str, list[int]] = {}
    for row, end in enumerate(series.ends):
        rows.setdefault(datetime.fromtimestamp(end - step, UTC).strftime("%Y-%m"), []).append(row)
    return [
        Month(
            name,
            len(found),
            total(series.load[found[0] : found[-1] + 1]),
            {
                source: total(amounts[found[0] : found[-1] + 1])
                for source, amounts in series.generation.items()
            },
        )
        for name, found in rows.items()
    ]


def total(amounts: Sequence[Number]) -> Number:
    """Add up amounts, exactly."""
    whole = sum(amount for amount in amounts if isinstance(amount, int))
    parts: Number = whole
    for amount in amounts:
        if isinstance(amount, Decimal):
            parts = EXACT.add(parts, amount)
    return parts
