"""The schema's version: databases of today, of before, of later, and of somebody else."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.shell_helpers import Shell
from trex_market.core.errors import InputError, StorageError
from trex_market.storage import migrations, schema
from trex_market.storage.database import Database
from trex_market.storage.migrations.versions import v0001_first as first
from trex_market.storage.reader import runs
from trex_market.storage.schema import VERSION, VERSION_TABLE
from trex_market.storage.tables import metadata

from .helpers import RUN, everything
from .postgres import PostgresServer

OPEN = """
import asyncio, sys
from trex_market.storage.database import Database

async def main():
    async with await Database.open(sys.argv[1]):
        pass

asyncio.run(main())
assert not [name for name in sys.modules if name.startswith("alembic")], "alembic costs time"
"""

SECOND = '''
"""Invented: readings get a unit, and there are assets."""
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

def upgrade():
    with op.batch_alter_table("metrics", table_kwargs={"sqlite_with_rowid": False}) as metrics:
        metrics.add_column(sa.Column("unit", sa.Text, nullable=False, server_default="Wh"))
        metrics.alter_column("value", new_column_name="figure")
    op.create_table("assets", sa.Column("id", sa.Text, primary_key=True))
    op.execute("INSERT INTO assets VALUES ('one')")
    op.execute("UPDATE runs SET study = 'renamed'")
'''

UPGRADE = """
import asyncio, pathlib, sys
from trex_market.storage import migrations, schema
from trex_market.storage.database import Database

migrations.SCRIPTS = pathlib.Path(sys.argv[2])
schema.VERSION = "0003"

async def main():
    async with await Database.open(sys.argv[1], upgrade=True):
        pass

asyncio.run(main())
"""


@pytest_asyncio.fixture
async def database(address: str) -> AsyncIterator[Database]:
    """An empty database that speaks SQL, open."""
    async with await Database.open(address) as database:
        yield database


async def run_sync(database: Database, work: Any) -> Any:
    """Do something with a plain connection, and commit it."""
    engine: AsyncEngine = database._engine
    async with engine.begin() as connection:
        return await connection.run_sync(work)


def contents(connection: Connection) -> dict[str, Any]:
    """Columns, keys and indexes of all tables, as the database itself tells them."""
    inspector = inspect(connection)
    return {
        name: (
            {
                column["name"]: (
                    str(column["type"]),
                    getattr(column["type"], "collation", None),
                    column["nullable"],
                )
                for column in inspector.get_columns(name)
            },
            inspector.get_pk_constraint(name)["constrained_columns"],
            inspector.get_indexes(name),
            inspector.get_table_options(name).get("sqlite_with_rowid"),
        )
        for name in inspector.get_table_names()
    }


async def versions(database: Database) -> list[str]:
    """What the database says of its version."""
    return [row[0] for row in await database.fetch(text(f"SELECT version_num FROM {VERSION_TABLE}"))]


async def made_today(address: str) -> None:
    """Leave a database of today, with a run in it."""
    async with await Database.open(address) as database:
        await database.start_run(RUN)


async def made_before_versions(address: str) -> None:
    """Leave a database as the release before versions did, with a run in it."""
    async with await Database.open(address) as database:
        await run_sync(database, lambda connection: connection.execute(text(f"DROP TABLE {VERSION_TABLE}")))
        await run_sync(database, metadata.drop_all)
        await run_sync(database, first.metadata.create_all)
        await database.start_run(RUN)


def made_empty(file: Path) -> None:
    """Leave a file of no bytes, which is an SQLite database without tables."""
    file.parent.mkdir()
    file.touch()


@pytest.fixture
def invented(tmp_path: Path) -> Path:
    """Migrations with a second version, of which today's databases are the older."""
    scripts = tmp_path / "100% migrations"
    shutil.copytree(migrations.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "v0003_invented.py").write_text(SECOND, encoding="utf-8")
    return scripts


def use(scripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go on as a release with these migrations."""
    monkeypatch.setattr(migrations, "SCRIPTS", scripts)
    monkeypatch.setattr(schema, "VERSION", "0003")


def test_the_newest_migration_has_todays_version() -> None:
    assert migrations.known_versions()[0] == VERSION


async def test_a_new_database_has_todays_tables_and_version(database: Database) -> None:
    assert await versions(database) == [VERSION]
    assert set(await run_sync(database, contents)) == {*metadata.tables, VERSION_TABLE}


async def test_migrations_lead_to_the_tables(database: Database) -> None:
    fresh = await run_sync(database, contents)

    def from_nothing(connection: Connection) -> None:
        metadata.drop_all(connection)
        connection.execute(text(f"DROP TABLE {VERSION_TABLE}"))
        migrations.upgrade(connection, VERSION_TABLE, VERSION)

    def differences(connection: Connection) -> Any:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return compare_metadata(context, metadata)

    await run_sync(database, from_nothing)
    assert await versions(database) == [VERSION]
    assert await run_sync(database, differences) == []
    assert await run_sync(database, contents) == fresh


def test_opening_a_new_and_a_present_database_does_without_alembic(address: str) -> None:
    for _ in range(2):
        ended = subprocess.run(
            [sys.executable, "-c", OPEN, address], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr


async def test_a_present_database_opens_without_the_right_to_write(tmp_path: Path) -> None:
    file = tmp_path / "market.db"
    await (await Database.open(str(file))).close()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # for as long as it likes
        async with await Database.open(str(file)) as database:
            assert await runs(database) == []


@pytest.mark.slow
async def test_a_present_database_is_not_waited_for(server: PostgresServer, postgres: str) -> None:
    await (await Database.open(postgres)).close()
    async with await Database.open(postgres) as other, other._engine.begin() as connection:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({0x7472_6578})"))
        async with await Database.open(postgres) as database:
            assert await runs(database) == []


async def test_a_database_from_before_versions_is_the_first(address: str) -> None:
    await made_before_versions(address)
    assert "schema version 0001; the newest is" in str(await Database.examine(address))
    async with await Database.open(address, upgrade=True) as database:
        assert await versions(database) == [VERSION]
        assert set(await run_sync(database, contents)) == {*metadata.tables, VERSION_TABLE}
        assert await runs(database) == [RUN]


async def test_a_newer_database_is_left_alone(address: str) -> None:
    async with await Database.open(address) as database:
        change = text(f"UPDATE {VERSION_TABLE} SET version_num = '0999'")
        await run_sync(database, lambda connection: connection.execute(change))
        with pytest.raises(
            StorageError,
            match="by a newer trex_market: its schema version is 0999, and this one knows no later",
        ):
            await Database.open(address, upgrade=True)
        assert await versions(database) == ["0999"]


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        ("ALTER TABLE metrics ADD COLUMN colour TEXT", "'metrics' has an unknown column 'colour'"),
        (
            "ALTER TABLE runs RENAME COLUMN seed TO luck",
            "'runs' has no column 'seed', an unknown column 'luck'",
        ),
        ("DROP TABLE contracts", "'contracts' is missing"),
    ],
)
async def test_tables_that_only_have_our_names_are_left_alone(
    address: str, statement: str, difference: str
) -> None:
    await made_today(address)
    async with await Database.open(address) as database:
        for each in (statement, f"DROP TABLE {VERSION_TABLE}"):
            await run_sync(database, lambda connection, each=each: connection.execute(text(each)))
        before = await run_sync(database, contents)
        with pytest.raises(StorageError, match=f"by another program: its table {difference}; name another"):
            await Database.open(address, upgrade=True)
        assert await run_sync(database, contents) == before


async def test_tables_of_others_are_no_hindrance(address: str) -> None:
    async with await Database.open(address) as database:
        await run_sync(database, metadata.drop_all)
        for statement in (
            f"DROP TABLE {VERSION_TABLE}",
            "CREATE TABLE alembic_version (version_num TEXT)",
            "INSERT INTO alembic_version VALUES ('theirs')",
        ):
            await run_sync(database, lambda connection, each=statement: connection.execute(text(each)))
    async with await Database.open(address) as database:
        assert await versions(database) == [VERSION]


@pytest.mark.parametrize("stamped", [False, True])
async def test_an_older_database_is_brought_up_to_date(
    address: str,
    stamped: bool,
    invented: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await made_before_versions(address)
    if stamped:
        await (await Database.open(address, upgrade=True)).close()
    use(invented, monkeypatch)
    with caplog.at_level(logging.INFO, "trex_market"):
        async with await Database.open(address, upgrade=True) as database:
            assert await versions(database) == ["0003"]
            tables = await run_sync(database, contents)
            assert tables["metrics"][0].keys() >= {"unit", "figure"}
            keys = ["run_id", "participant_id", "time", "name"]
            assert tables["metrics"][1:] == (keys, [], tables["orders"][3])
            assert [row.study for row in await runs(database)] == ["renamed"]
    before = VERSION if stamped else "0001"
    assert f"was brought from schema version {before} to 0003" in caplog.text
    caplog.clear()
    await (await Database.open(address)).close()
    assert caplog.text == ""


async def test_a_file_is_upgraded_as_it_is_opened(
    tmp_path: Path, invented: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(tmp_path / "market.db")
    await made_before_versions(file)
    use(invented, monkeypatch)
    async with await Database.open(file) as database:
        assert await versions(database) == ["0003"]


@pytest.mark.slow
async def test_a_server_is_upgraded_only_when_told_to(
    postgres: str, invented: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made_today(postgres)
    async with await Database.open(postgres) as database:
        use(invented, monkeypatch)
        with pytest.raises(
            StorageError, match=r"schema version 0002; the newest is 0003: .* database upgrade URL"
        ):
            await Database.open(postgres)
        assert await versions(database) == ["0002"]


async def test_a_migration_that_fails_leaves_all_as_it_was(
    address: str, invented: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made_today(address)
    module = invented / "versions" / "v0003_invented.py"
    module.write_text(SECOND + "    op.execute('INSERT INTO nowhere VALUES (1)')\n", encoding="utf-8")
    async with await Database.open(address) as database:
        before = await run_sync(database, contents), await everything(database)
        use(invented, monkeypatch)
        with pytest.raises(StorageError, match=r"on its way from .* 0002 to 0003, refused: .*nowhere"):
            await Database.open(address, upgrade=True)
        assert (await run_sync(database, contents), await everything(database)) == before
        assert await versions(database) == ["0002"]
    module.write_text(SECOND, encoding="utf-8")  # mended
    async with await Database.open(address, upgrade=True) as database:
        assert await versions(database) == ["0003"]


@pytest.mark.slow
@pytest.mark.parametrize("older", [False, True])
async def test_processes_that_open_it_at_once_do_not_meet(
    address: str, older: bool, invented: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if older:
        await made_today(address)
    command = [sys.executable, "-c", UPGRADE if older else OPEN, address, str(invented)]
    processes = [await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE) for _ in range(4)]
    for process in processes:
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
    if older:
        use(invented, monkeypatch)
    async with await Database.open(address) as database:
        assert await versions(database) == ["0003" if older else VERSION]
        if older:
            assert [row[0] for row in await database.fetch(text("SELECT id FROM assets"))] == ["one"]


async def test_a_database_is_examined_without_a_change(
    address: str, invented: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if address.startswith("sqlite"):
        with pytest.raises(InputError, match=r"there is no file .*market\.db"):
            await Database.examine(address)
        made_empty(Path(address.removeprefix("sqlite:///")))
    assert str(await Database.examine(address)) == "holds nothing of a market yet"
    await made_today(address)
    assert str(await Database.examine(address)) == "has schema version 0002, the newest"
    use(invented, monkeypatch)
    assert str(await Database.examine(address)) == "has schema version 0002; the newest is 0003"
    async with await Database.open(address, upgrade=True):
        monkeypatch.undo()
        assert str(await Database.examine(address)).endswith("is 0003, and this one knows no later than 0002")


def test_the_command_line_tells_and_upgrades(
    shell: Shell, tmp_path: Path, invented: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "market.db"
    assert "there is no file" in shell.refuses("database", "info", file)
    assert shell("database", "upgrade", file).out == f"{file} has schema version 0002, the newest\n"
    use(invented, monkeypatch)
    assert shell("database", "info", file).out == f"{file} has schema version 0002; the newest is 0003\n"
    assert shell("database", "upgrade", file).out == f"{file} has schema version 0003, the newest\n"
    monkeypatch.undo()
    assert "schema version is 0003" in shell("database", "info", file).out
    assert "install the newer trex_market" in shell.refuses("database", "upgrade", file, status=1)
