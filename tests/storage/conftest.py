"""A fresh database for each test: an SQLite file, and one on a PostgreSQL server without root."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from trex_market.storage.database import Database

from .postgres import PostgresServer, execute, quick_server

_numbers = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL server."""
    with quick_server() as server:
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
