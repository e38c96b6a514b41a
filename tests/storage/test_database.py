"""Opening a database, and a run's beginning and end."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from trex_market.core.errors import StorageError
from trex_market.storage.database import Database
from trex_market.storage.reader import runs
from trex_market.storage.schema import VERSION_TABLE
from trex_market.storage.tables import metadata

from .helpers import RUN
from .postgres import PostgresServer, execute


@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite+aiosqlite:///{}", "{}"])
async def test_a_file_is_made_with_its_folder_and_opened_again(form: str, tmp_path: Path) -> None:
    file = tmp_path / "some" / "where" / "market.db"
    for _ in range(2):
        async with await Database.open(form.format(file)) as database:
            assert database.name == str(file)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE sql <> ''")}
    assert names == {*metadata.tables, VERSION_TABLE}


async def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file/market\.db"):
        await Database.open(str(tmp_path / "file" / "market.db"))
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(StorageError, match=r"folder\.db cannot be opened: is its folder writable\?"):
        await Database.open(str(tmp_path / "folder.db"))


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "notes.db"
    file.write_text("Not a database at all. " * 100, encoding="utf-8")
    with pytest.raises(StorageError, match=r"notes\.db refused: file is not a database"):
        await Database.open(str(file))


async def test_tables_with_other_columns_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE metrics (run_id, participant_id, time, name, amount)")
    sentence = r"its table 'metrics' has no column 'value', an unknown column 'amount'; name another"
    with pytest.raises(StorageError, match=sentence):
        await Database.open(str(file))
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (1,)


async def test_a_server_that_does_not_answer_is_named(unused_tcp_port: int) -> None:
    address = f"postgresql://me:secret@127.0.0.1:{unused_tcp_port}/market"
    with pytest.raises(StorageError, match=f"127.0.0.1:{unused_tcp_port}/market cannot be used") as caught:
        await Database.open(address)
    assert "secret" not in str(caught.value)


@pytest.mark.slow
async def test_what_a_server_refuses_is_named(server: PostgresServer, postgres: str) -> None:
    await execute(server, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN PASSWORD 'right'")
    access = server.pgdata / "pg_hba.conf"
    access.write_text(f"local all guest scram-sha-256\n{access.read_text()}", encoding="utf-8")
    await execute(server, "SELECT pg_reload_conf()")
    with pytest.raises(StorageError, match="does not let this user in: password") as caught:
        await Database.open(postgres.replace("postgres:@", "guest:wrong@"))
    assert "wrong" not in str(caught.value)
    with pytest.raises(StorageError, match="does not let this user in"):
        await Database.open(postgres.replace("postgres:@", "stranger@"))
    with pytest.raises(StorageError, match="does not exist: create it first"):
        await Database.open(server.get_uri(database="nowhere"))


async def test_processes_can_open_it_at_once(any_address: str) -> None:
    databases = await asyncio.gather(*[Database.open(any_address) for _ in range(4)])
    names = await asyncio.gather(*[database.start_run(RUN) for database in databases])
    assert sorted(names) == [RUN.id, *[f"{RUN.id}-{number}" for number in (2, 3, 4)]]
    for database in databases:
        await database.close()


async def test_a_taken_run_id_gets_a_number(database: Database) -> None:
    wanted = ["run", "run-3", "run%", "run", "run", "run%", "other"]
    given = [await database.start_run(msgspec.structs.replace(RUN, id=name)) for name in wanted]
    assert given == ["run", "run-3", "run%", "run-2", "run-4", "run%-2", "other"]


async def test_a_run_ends_as_it_ended(database: Database) -> None:
    run_id = await database.start_run(RUN)
    assert await runs(database) == [RUN]
    await database.finish_run(run_id, "interrupted", RUN.started_at + 60)
    ended = msgspec.structs.replace(RUN, status="interrupted", finished_at=RUN.started_at + 60)
    assert await runs(database) == [ended]
    assert await database.resume_run(run_id)
    assert await runs(database) == [RUN]


async def test_a_run_that_there_is_not_is_named(database: Database) -> None:
    with pytest.raises(StorageError, match="has no run 'nobody'"):
        await database.finish_run("nobody", "finished", 0)
    assert not await database.resume_run("nobody")
