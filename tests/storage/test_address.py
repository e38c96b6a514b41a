"""Database URLs as people write them, and what is shown of them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from trex_market.core.errors import InputError
from trex_market.storage.address import CONNECT_TIMEOUT, parse_address
from trex_market.storage.database import Database

from .postgres import PostgresServer, execute


@pytest.mark.parametrize(
    ("text", "name", "dsn"),
    [
        (
            "postgresql://me:secret@host:5433/market?sslmode=require",
            "postgresql://me@host:5433/market",
            "postgresql://me:secret@host:5433/market?sslmode=require",
        ),
        ("postgres://host/market", "postgresql://host/market", "postgresql://host/market"),
        ("postgresql+asyncpg://h/m?ssl=allow", "postgresql://h/m", "postgresql://h/m?sslmode=allow"),
        ("PostgreSQL://h/m", "postgresql://h/m", "postgresql://h/m"),
        ("postgresql:///market", "postgresql:///market", "postgresql:///market"),
        (
            "postgresql:///market?host=/run/pg&user=me&password=secret",
            "postgresql://me@/market?host=/run/pg",
            "postgresql:///market?host=%2Frun%2Fpg&user=me&password=secret",
        ),
        ("postgresql://%2Frun%2Fpg/m", "postgresql://%2Frun%2Fpg/m", "postgresql://%2Frun%2Fpg/m"),
        (
            "postgresql://me:p%40%2Fs@[::1]:1/m",
            "postgresql://me@[::1]:1/m",
            "postgresql://me:p%40%2Fs@[::1]:1/m",
        ),
        ("postgresql://a:1,b:2/m", "postgresql://a:1,b:2/m", "postgresql://a:1,b:2/m"),
        (
            "postgresql://?dbname=m&user=me&password=secret&host=h",
            "postgresql://me@h/m",
            "postgresql://?dbname=m&user=me&password=secret&host=h",
        ),
        (
            "postgresql://me:secret@h/m?options=-c%20a%3Db",
            "postgresql://me@h/m",
            "postgresql://me:secret@h/m?options=-c%20a%3Db",
        ),
    ],
)
def test_an_address_is_read_and_shown_without_its_secrets(text: str, name: str, dsn: str) -> None:
    address = parse_address(text)
    assert (address.name, address.dsn, address.file) == (name, dsn, None)
    assert "secret" not in f"{address} {address!r} {address.url!r}"


def test_how_long_a_server_may_take_is_not_its_own_matter() -> None:
    assert parse_address("postgresql://h/m?connect_timeout=3").connect_timeout == 3
    assert parse_address("postgresql://h/m?connect_timeout=3").dsn == "postgresql://h/m"
    assert parse_address("postgresql://h/m?connect_timeout=0").connect_timeout == CONNECT_TIMEOUT


@pytest.mark.parametrize("form", ["{}", "sqlite:///{}", "sqlite+aiosqlite:///{}", "SQLite:///{}"])
def test_a_file_is_named_as_it_is(form: str) -> None:
    address = parse_address(form.format("runs/a/market.db"))
    assert (address.name, address.file, address.dsn) == ("runs/a/market.db", Path("runs/a/market.db"), "")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("mysql://me:secret@host/market", "unknown kind of database 'mysql'"),
        ("postgresq://me:secret@host/market", "Did you mean 'postgresql'"),
        ("market", "'market' is not a database"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        (
            "postgresql://me:secret@host:port/market",
            "'postgresql://\\*\\*\\*@host:port/market' is not a database URL",
        ),
        ("postgresql://host:port/market", "is not a database URL"),
        ("postgresql://me:secret/market", "'postgresql://\\*\\*\\*' is not a database URL"),
        # Passwords with what divides a URL's parts.
        ("postgresql://me:s@secret@host/market", "are written %40"),
        ("postgresql://me:s/secret@host/market", "are written %40"),
        ("postgresql://me:1/secret@host/market", "are written %40"),
        ("postgresql://me:1?secret@host/market", "are written %40"),
        ("postgresql://me:1?secret=1@host/market", "are written %40"),
        ("postgresql://me:s#secret@host/market", "are written %40"),
        ("postgresql://me:s?secret@host/market", "is not a database URL"),
        ("postgresql://me:[secret@host/market", "is not a database URL"),
        ("postgresql://me:secret@host/market?sslmode", "is not a database URL"),
        ("postgresql://me:secret@host/market?sslmod=require", "Did you mean 'sslmode'"),
        ("postgresql://me:secret@host/market?channel_binding=require", "unknown option of a database's URL"),
        ("postgresql://me:secret@host/market?sslmode=verify", "unknown sslmode 'verify'"),
        ("postgresql://me:secret@host/market?connect_timeout=soon", "is not a database URL"),
        (
            "postgresql://me:secret@host/market?sslrootcert=/no/where.pem",
            "'/no/where.pem' as its sslrootcert",
        ),
    ],
)
async def test_a_wrong_address_is_named_without_its_secrets(address: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        await Database.open(address)
    assert "secret" not in str(caught.value)


@pytest.mark.slow
async def test_a_server_is_found_by_every_form(
    server: PostgresServer, postgres: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, name = str(server.get_postmaster_info().socket_dir), urlsplit(postgres).path[1:]
    await execute(server, "CREATE ROLE caller SUPERUSER LOGIN PASSWORD 'p@/?#s'")
    access = server.pgdata / "pg_hba.conf"
    before = access.read_text(encoding="utf-8")
    access.write_text(f"local all caller scram-sha-256\n{before}", encoding="utf-8")
    await execute(server, "SELECT pg_reload_conf()")
    secret = quote("p@/?#s", safe="")
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "passwords"))
    (tmp_path / "passwords").write_text("*:*:*:caller:p@/?#s\n", encoding="utf-8")
    (tmp_path / "passwords").chmod(0o600)
    forms = [
        f"postgresql://caller:{secret}@/{name}?host={folder}",
        f"postgresql://caller:{secret}@{quote(folder, safe='')}/{name}",
        f"postgresql:///{name}?host={quote(folder, safe='')}&user=caller&password={secret}&port=5432",
        f"postgres:///?dbname={name}&host={folder}&user=caller&sslmode=disable",  # ~/.pgpass
        f"postgresql+asyncpg://caller@/{name}?host={folder}&application_name=form&options=-c%20work_mem%3D1MB",
    ]
    try:
        for form in forms:
            async with await Database.open(form) as database:
                assert await database.resume_run("nobody") is False
                assert "s" + secret[-1] not in database.name
        monkeypatch.setenv("PGHOST", folder)
        monkeypatch.setenv("PGUSER", "caller")
        async with await Database.open(f"postgresql:///{name}") as database:
            assert database.name == f"postgresql:///{name}"
    finally:
        access.write_text(before, encoding="utf-8")
        await execute(server, "SELECT pg_reload_conf()")


@pytest.mark.slow
async def test_what_a_url_asks_of_the_session_holds(server: PostgresServer, postgres: str) -> None:
    url = f"{postgres}&application_name=the%20market&options=-c%20work_mem%3D1MB"
    async with await Database.open(url):
        connection = await asyncpg.connect(server.get_uri())
        try:
            names = await connection.fetch("SELECT application_name FROM pg_stat_activity")
        finally:
            await connection.close()
    assert "the market" in {row["application_name"] for row in names}
