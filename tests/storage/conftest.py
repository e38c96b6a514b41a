"""A fresh database for each test: an SQLite file, and one on a PostgreSQL server without root."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import pytest_asyncio

from trex_market.storage.database import Database

from .postgres import PostgresServer, execute, get_server

_numbers = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL server in a folder, reached by a socket file in it."""
    # Not in pytest's folder: as root, the server has a user of its own, and another session of pytest
    # that starts meanwhile would lock that user out.
    with (
        TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder,
        get_server(Path(folder) / "data", cleanup_mode="delete") as server,
    ):
        yield server


@pytest_asyncio.fixture
async def postgres(server: PostgresServer) -> str:
    """The address of an empty PostgreSQL database."""
    name = f"market_{next(_numbers)}"
    await execute(server, f"CREATE DATABASE {name}")
    return server.get_uri(database=name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of each kind."""
    if request.param == "postgres":
        address: str = request.getfixturevalue("postgres")
        return address
    return f"sqlite:///{tmp_path / 'run' / 'market.db'}"


@pytest_asyncio.fixture
async def database(address: str) -> AsyncIterator[Database]:
    """An empty database, open."""
    async with await Database.open(address) as database:
        yield database
