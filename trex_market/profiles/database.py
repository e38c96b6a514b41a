"""TREX profile databases: a table per participant, in SQLite or PostgreSQL.

    time     end of the slot, UNIX seconds
    grid     Wh from the grid in the slot; below 0 for what went to the grid
    solar+   Wh that the panels made in the slot

So generation is ``solar+`` and the load is ``grid + solar+``. Meters that do
not quite agree can make the load a little negative; down to -1 Wh counts as 0.
Other columns are left alone. Databases are only ever read, and of a long table
only the rows around the range that is asked for.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from trex_market.core.errors import ProfileError, unknown_name
from trex_market.profiles.cells import EXACT, Number, energy, moment
from trex_market.profiles.profile import Fill, Profile
from trex_market.profiles.series import DAY, Series, check_request, is_whole, profile_from

COLUMNS = ("time", "grid", "solar+")

MARGIN = 2 * DAY
"""How far around the range rows are fetched at first, to see how long a slot is, in seconds."""

Answer = TypeVar("Answer")
Question = Callable[[sa.Connection], Answer]


class DatabaseSource:
    """A TREX profile database.

    Args:
        place: the database, for messages; without a password.
        ask: connects, asks a question and returns its answer.
    """

    def __init__(self, place: str, ask: Callable[[Question[Any]], Any]) -> None:
        self.place = place
        self._ask = ask

    def participants(self) -> list[str]:
        """List the ids that have a table with the needed columns, sorted."""
        return sorted(_profile_tables(self._answer(_all_tables)))

    def read(self, name: str, *, start: int, end: int, step: int, fill: Fill | None = None) -> Profile:
        """Read one participant's profile, see `ProfileSource.read`."""
        return self.read_table(name, name, start=start, end=end, step=step, fill=fill)

    def read_table(
        self, table: str, name: str, *, start: int, end: int, step: int, fill: Fill | None
    ) -> Profile:
        """Read a profile from a table; the other arguments are those of `ProfileSource.read`.

        Args:
            table: the table's name.
            name: the participant's id.
        """
        check_request(self.place, start, end, step)
        series = self._answer(lambda connection: self._series(connection, table, start, end))
        return profile_from(series, name, start=start, end=end, step=step, fill=fill)

    def series(self, name: str) -> Series:
        """Read all data of one participant, see `DataSource.series`."""
        return self.series_of_table(name)

    def series_of_table(self, table: str) -> Series:
        """Read all rows of a table.

        Args:
            table: the table's name.
        """
        return self._answer(lambda connection: self._all_rows(connection, table))

    def _answer(self, question: Question[Answer]) -> Answer:
        try:
            answer: Answer = self._ask(question)
        except (SQLAlchemyError, OSError) as error:
            cause = getattr(error, "orig", None) or error
            raise ProfileError(f"{self.place}: the database cannot be read: {cause}") from error
        return answer

    def _series(self, connection: sa.Connection, name: str, start: int, end: int) -> Series:
        """Fetch the rows around a range, or all rows if these do not cover it."""
        self._check_table(connection, name)
        place = f"{self.place}, table {name!r}"
        time, rows = _TIME, _rows_of(name)
        first, last = connection.execute(
            sa.select(sa.func.min(time), sa.func.max(time)).select_from(sa.table(name))
        ).one()
        if first is None:
            raise ProfileError(f"{place}: it has no rows")
        near = connection.execute(rows.where(time > start - MARGIN, time <= end + MARGIN)).all()
        if len(near) > 1:
            series = _series_from(place, near, (_time(place, first), _time(place, last)))
            if is_whole(series, start, end):
                return series
        return _series_from(place, connection.execute(rows).all())

    def _all_rows(self, connection: sa.Connection, name: str) -> Series:
        self._check_table(connection, name)
        return _series_from(f"{self.place}, table {name!r}", connection.execute(_rows_of(name)).all())

    def _check_table(self, connection: sa.Connection, name: str) -> None:
        tables = _all_tables(connection)
        if name not in tables:
            raise ProfileError(f"{self.place}: {unknown_name('participant', name, _profile_tables(tables))}")
        for column in COLUMNS:
            if column not in tables[name]:
                raise ProfileError(
                    f"{self.place}, table {name!r}: no column {column!r}; there are: {', '.join(tables[name])}"
                )


_TIME = sa.column("time", sa.BigInteger)


def _rows_of(table: str) -> sa.Select[Any, Any, Any]:
    columns: sa.Select[Any, Any, Any] = sa.select(_TIME, sa.column("grid"), sa.column("solar+"))
    return columns.select_from(sa.table(table)).order_by(_TIME)


def _all_tables(connection: sa.Connection) -> dict[str, list[str]]:
    """List tables and views with their columns."""
    found = sa.inspect(connection).get_multi_columns(kind=ObjectKind.ANY)
    return {name: [column["name"] for column in columns] for (_, name), columns in found.items()}


def _profile_tables(tables: dict[str, list[str]]) -> list[str]:
    return [name for name, columns in tables.items() if set(COLUMNS) <= set(columns)]


def _time(place: str, cell: object) -> int:
    try:
        return moment(cell)
    except ValueError as error:
        raise ProfileError(f"{place}, column 'time': {error}") from None


def _series_from(place: str, rows: Sequence[Any], extent: tuple[int, int] | None = None) -> Series:
    ends: list[int] = []
    load: list[Number] = []
    solar: list[Number] = []
    for time, grid, panels in rows:
        ends.append(_time(place, time))
        try:
            column = "solar+"
            solar.append(energy(panels))
            column = "grid"
            load.append(_load(energy(grid, signed=True), solar[-1]))
        except ValueError as error:
            raise ProfileError(f"{place}, row with time {time}, column {column!r}: {error}") from None
    return Series(place, ends, load, {"solar": solar}, extent=extent)


def _load(grid: Number, solar: Number) -> Number:
    if isinstance(grid, int) and isinstance(solar, int):
        load: Number = grid + solar
    else:
        load = EXACT.add(grid, solar)
    if load <= -1:
        raise ValueError(f"grid {grid} + solar+ {solar} makes a negative load of {load} Wh")
    return max(load, 0)


def sqlite_source(file: Path) -> DatabaseSource:
    """Open a SQLite file, for reading only.

    Args:
        file: the database.
    """

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)

    def ask(question: Question[Answer]) -> Answer:
        if not file.is_file():
            raise ProfileError(f"{file}: there is no such file")
        engine = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)
        with engine.connect() as connection:
            return question(connection)

    return DatabaseSource(str(file), ask)


def postgresql_source(url: sa.URL) -> DatabaseSource:
    """Open a PostgreSQL database.

    Args:
        url: where it is; the driver is always asyncpg.
    """
    engine = create_async_engine(url.set(drivername="postgresql+asyncpg"), poolclass=NullPool)

    async def ask_async(question: Question[Answer]) -> Answer:
        async with engine.connect() as connection:
            return await connection.run_sync(question)

    def ask(question: Question[Answer]) -> Answer:
        # In a thread of its own, so that it also works where a loop is running already.
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(asyncio.run, ask_async(question)).result()

    return DatabaseSource(url.render_as_string(hide_password=True), ask)


class FolderSource:
    """A folder of SQLite files, one per participant, named after it (TREX's old form).

    The file's table is named after the participant too, or is the only one that fits.

    Args:
        folder: where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def participants(self) -> list[str]:
        """List the ids that have a file, sorted."""
        if not self.folder.is_dir():
            raise ProfileError(f"{self.folder}: there is no such folder")
        return sorted(file.stem for file in self.folder.glob("*.db"))

    def read(self, name: str, *, start: int, end: int, step: int, fill: Fill | None = None) -> Profile:
        """Read one participant's profile, see `ProfileSource.read`."""
        source, table = self._find(name)
        return source.read_table(table, name, start=start, end=end, step=step, fill=fill)

    def series(self, name: str) -> Series:
        """Read all data of one participant, see `DataSource.series`."""
        source, table = self._find(name)
        return source.series_of_table(table)

    def _find(self, name: str) -> tuple[DatabaseSource, str]:
        """Return a participant's database, and its table in there."""
        known = self.participants()
        if name not in known:
            raise ProfileError(f"{self.folder}: {unknown_name('participant', name, known)}")
        source = sqlite_source(self.folder / f"{name}.db")
        tables = source.participants()
        return source, tables[0] if len(tables) == 1 else name
