"""The long table that CSV and Parquet files hold: a row per slot and participant.

    time            end of the slot: UNIX seconds, or ISO 8601 with an offset
    participant_id  whose
    load            Wh used in the slot
    solar, ...      Wh generated in the slot, a column per source; an empty cell is 0

Amounts may be whole or decimal. Each participant's rows are in order of time;
participants may come one after the other or mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from trex_market.core.errors import ProfileError, unknown_name
from trex_market.core.messages import EXTERNAL, GRID
from trex_market.profiles.cells import Number, energy, moment
from trex_market.profiles.profile import Fill, Profile
from trex_market.profiles.series import Series, check_request, profile_from

REQUIRED = ("time", "participant_id", "load")

Row = tuple[int, Sequence[object]]
"""The row's number, and its cells."""


class _Columns(msgspec.Struct, frozen=True):
    """Where the columns of a long table are."""

    time: int
    participant_id: int
    load: int
    sources: dict[str, int]


class _Gatherer:
    """Sorts rows by participant; `column` is the one being read, for messages."""

    def __init__(self, place: str, word: str, columns: _Columns) -> None:
        self.place = place
        self.word = word
        self.columns = columns
        self.series: dict[str, Series] = {}
        self.column = ""
        self._moments: dict[object, int] = {}

    def take(self, line: int, cells: Sequence[object]) -> None:
        columns = self.columns
        self.column = "participant_id"
        series = self._series_of(cells[columns.participant_id])
        self.column = "time"
        time = self._moments.get(cells[columns.time])
        if time is None:
            time = self._moments[cells[columns.time]] = moment(cells[columns.time])
        self.column = "load"
        series.load.append(energy(cells[columns.load]))
        for source, at in columns.sources.items():
            self.column = source
            cell = cells[at]
            series.generation[source].append(0 if cell is None or cell == "" else energy(cell))
        series.ends.append(time)
        series.lines.append(line)

    def _series_of(self, cell: object) -> Series:
        name = "" if cell is None else str(cell).strip()
        series = self.series.get(name)
        if series is None:
            if not name:
                raise ValueError("it is empty")
            generation: dict[str, list[Number]] = {source: [] for source in self.columns.sources}
            series = Series(f"{self.place}, participant {name!r}", [], [], generation, [], self.word)
            self.series[name] = series
        return series


def gather(place: str, word: str, header: Sequence[str], rows: Iterable[Row]) -> dict[str, Series]:
    """Sort the rows of a long table by participant.

    Args:
        place: the file, for messages.
        word: what a row is called in messages, "line" or "row".
        header: the names of the columns.
        rows: each row's number and cells.

    Returns:
        participant id -> its data.

    Raises:
        ProfileError: if a column is missing, a cell is wrong or there are no rows.
    """
    gatherer = _Gatherer(place, word, _columns(place, [name.strip().lower() for name in header]))
    width = len(header)
    for line, cells in rows:
        if len(cells) != width:
            raise ProfileError(f"{place}, {word} {line}: found {len(cells)} cells under {width} columns")
        try:
            gatherer.take(line, cells)
        except ValueError as error:
            raise ProfileError(f"{place}, {word} {line}, column {gatherer.column!r}: {error}") from None
    if not gatherer.series:
        raise ProfileError(f"{place}: found the names of columns but no row under them")
    return gatherer.series


def _columns(place: str, names: list[str]) -> _Columns:
    for name in REQUIRED:
        if name not in names:
            raise ProfileError(
                f"{place}: no column {name!r}; there are: {', '.join(names)} (needed: {', '.join(REQUIRED)})"
            )
    for at, name in enumerate(names):
        if not name:
            raise ProfileError(f"{place}: column {at + 1} has no name")
        if name in names[:at]:
            raise ProfileError(f"{place}: the column {name!r} is there twice")
        if name in (GRID, EXTERNAL):
            raise ProfileError(f"{place}: the column {name!r} cannot be a source of generation")
    sources = {name: at for at, name in enumerate(names) if name not in REQUIRED}
    time, participant_id, load = (names.index(name) for name in REQUIRED)
    return _Columns(time, participant_id, load, sources)


class TableSource:
    """A file with a long table, read when it is first needed and then kept.

    Args:
        place: the file, for messages.
        load: reads it.
    """

    def __init__(self, place: str, load: Callable[[], dict[str, Series]]) -> None:
        self.place = place
        self._load = load
        self._series: dict[str, Series] | None = None

    def _all(self) -> dict[str, Series]:
        if self._series is None:
            self._series = self._load()
        return self._series

    def participants(self) -> list[str]:
        """List the ids that have data, sorted."""
        return sorted(self._all())

    def read(self, name: str, *, start: int, end: int, step: int, fill: Fill | None = None) -> Profile:
        """Read one participant's profile, see `ProfileSource.read`."""
        check_request(self.place, start, end, step)
        return profile_from(self.series(name), name, start=start, end=end, step=step, fill=fill)

    def series(self, name: str) -> Series:
        """Return all data of one participant, see `DataSource.series`."""
        series = self._all()
        if name not in series:
            raise ProfileError(f"{self.place}: {unknown_name('participant', name, series)}")
        return series[name]
