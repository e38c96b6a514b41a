"""One participant's data as they were found, and how a profile is taken from them.

Here the data are judged: the order and spacing of their times, whether they
cover what is asked for, and what stands in for slots that are missing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from itertools import pairwise

import msgspec

from trex_market.core.errors import ProfileError
from trex_market.profiles.cells import Number, utc
from trex_market.profiles.profile import Fill, Profile
from trex_market.profiles.resample import resample

DAY = 86_400
WEEK = 7 * DAY


class Series(msgspec.Struct, frozen=True):
    """One participant's rows.

    Args:
        place: where they are, for messages.
        ends: the end of each slot, UNIX seconds, in the order found.
        load: Wh used in each slot.
        generation: source -> Wh generated in each slot.
        lines: the number of each row in its file; empty if rows have none.
        word: what a row is called in messages, "line" or "row".
        extent: the ends of the first and last slot that there are, if `ends` is only a part of them.
    """

    place: str
    ends: list[int]
    load: list[Number]
    generation: dict[str, list[Number]]
    lines: list[int] = []
    word: str = "row"
    extent: tuple[int, int] | None = None

    def at(self, index: int) -> str:
        """Say where a row is."""
        return f"{self.place}, {self.word} {self.lines[index]}" if self.lines else self.place


def spacing(series: Series) -> int:
    """Find the length of the data's slots, in seconds: the most frequent difference of their times.

    Raises:
        ProfileError: if there are too few rows to tell, or their times are not in order or not regular.
    """
    ends = series.ends
    if len(ends) < 2:
        raise ProfileError(
            f"{series.place}: found {len(ends)} row(s), and it takes two to tell how long a slot is"
        )
    differences = [later - earlier for earlier, later in pairwise(ends)]
    if min(differences) <= 0:
        _refuse_order(series, next(i for i, difference in enumerate(differences, 1) if difference <= 0))
    counts = Counter(differences)
    native = min(counts, key=lambda difference: (-counts[difference], difference))
    for index, difference in enumerate(differences, 1):
        if difference % native:
            raise ProfileError(
                f"{series.at(index)}: irregular times: {utc(ends[index])} comes {difference} s after the row "
                f"before it, but this participant's slots are {native} s long"
            )
    return native


def _refuse_order(series: Series, index: int) -> None:
    time, before = series.ends[index], series.ends[index - 1]
    if time == before:
        raise ProfileError(f"{series.at(index)}: the time {utc(time)} is there twice")
    raise ProfileError(
        f"{series.at(index)}: times are not in order: {utc(time)} comes after {utc(before)}; "
        f"sort each participant's rows by time"
    )


class _Window(msgspec.Struct, frozen=True):
    """The slots of the data that a range needs: their first start, their length and their number."""

    start: int
    native: int
    count: int

    def ends(self) -> range:
        return range(self.start + self.native, self.start + self.native * self.count + 1, self.native)


def _window(series: Series, start: int, end: int) -> _Window:
    native = spacing(series)
    first_end, last = series.extent or (series.ends[0], series.ends[-1])
    first, edge = first_end - native, series.ends[0] - native
    if start < first or end > last:
        raise ProfileError(
            f"{series.place}: asked for {utc(start)} to {utc(end)}, but there are data from {utc(first)} "
            f"to {utc(last)} only"
        )
    skipped = (start - edge) // native
    count = -(-(end - edge) // native) - skipped
    return _Window(edge + skipped * native, native, count)


def _found(series: Series, window: _Window) -> slice:
    ends = window.ends()
    return slice(bisect_left(series.ends, ends[0]), bisect_right(series.ends, ends[-1]))


def is_whole(series: Series, start: int, end: int) -> bool:
    """Tell whether every slot of a range is there.

    Args:
        series: the data.
        start: UNIX seconds.
        end: UNIX seconds.

    Raises:
        ProfileError: if the data are wrong, or end before the range does.
    """
    window = _window(series, start, end)
    return len(series.load[_found(series, window)]) == window.count


def profile_from(series: Series, name: str, *, start: int, end: int, step: int, fill: Fill | None) -> Profile:
    """Take a profile from the data; the arguments are those of `ProfileSource.read`.

    Raises:
        ProfileError: if the data are wrong or do not cover the range.
    """
    window = _window(series, start, end)
    found = _found(series, window)
    load = series.load[found]
    generation = {source: amounts[found] for source, amounts in series.generation.items()}
    if len(load) != window.count:
        rows = _filled(series, window, fill)
        load = _pick(series.load, rows)
        generation = {source: _pick(amounts, rows) for source, amounts in series.generation.items()}

    def slots(amounts: list[Number]) -> list[int]:
        return resample(
            amounts,
            native=window.native,
            offset=start - window.start,
            step=step,
            count=(end - start) // step,
        )

    return Profile(
        name, start, step, slots(load), {source: slots(generation[source]) for source in generation}
    )


def _pick(amounts: list[Number], rows: list[int | None]) -> list[Number]:
    return [0 if row is None else amounts[row] for row in rows]


def _filled(series: Series, window: _Window, fill: Fill | None) -> list[int | None]:
    """Find the row that stands for each slot; None for no energy."""
    rows: list[int | None] = []
    for end in window.ends():
        index = bisect_left(series.ends, end)
        if series.ends[index] == end:
            rows.append(index)
        elif fill is None:
            raise _gap(series, window, end)
        elif fill == "zero":
            rows.append(None)
        elif fill == "previous":
            rows.append(index - 1)
        else:
            rows.append(_before(series, window, end, fill))
    return rows


def _before(series: Series, window: _Window, end: int, fill: Fill) -> int:
    back, same_time = (DAY, "time of day on any day") if fill == "day_before" else (WEEK, "time of any week")
    earlier = end
    while earlier > series.ends[0]:
        earlier -= back
        index = bisect_left(series.ends, earlier)
        if series.ends[index] == earlier:
            return index
    raise ProfileError(
        f"{series.place}: the slot from {utc(end - window.native)} to {utc(end)} is missing, and fill "
        f"{fill!r} finds no data at that {same_time} before it"
    )


def _gap(series: Series, window: _Window, end: int) -> ProfileError:
    index = bisect_left(series.ends, end)
    before, after = series.ends[index - 1], series.ends[index] - window.native
    start, stop = max(before, window.start), min(after, window.ends()[-1])
    return ProfileError(
        f"{series.place}: {(stop - start) // window.native} slot(s) of {window.native} s are missing from "
        f"{utc(start)} to {utc(stop)} (data end at {utc(before)} and go on at {utc(after)}); choose "
        f"another range, or set fill to 'zero', 'previous', 'day_before' or 'week_before'"
    )


def check_request(place: str, start: int, end: int, step: int) -> None:
    """Check the range that is asked for.

    Raises:
        ProfileError: if it is not a whole number of slots, at least one.
    """
    if step <= 0 or end <= start or (end - start) % step:
        raise ProfileError(
            f"{place}: asked for {utc(start)} to {utc(end)} in slots of {step} s, which is not a whole number "
            f"of slots"
        )
