"""A fresh database for each test: an SQLite file, Parquet files, and one on a PostgreSQL server without root."""

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
def address(request: pytest.FixtureRequest) -> str:
    """The address of an empty database, of each kind that speaks SQL."""
    return address_of(request.param, request)


@pytest.fixture(params=["sqlite", "parquet", pytest.param("postgres", marks=pytest.mark.slow)])
def any_address(request: pytest.FixtureRequest) -> str:
    """The address of an empty database, of each kind."""
    return address_of(request.param, request)


def address_of(kind: str, request: pytest.FixtureRequest) -> str:
    if kind == "postgres":
        address: str = request.getfixturevalue("postgres")
        return address
    folder: Path = request.getfixturevalue("tmp_path") / "run"
    return f"parquet:///{folder / 'rows'}" if kind == "parquet" else f"sqlite:///{folder / 'market.db'}"


@pytest_asyncio.fixture
async def database(any_address: str) -> AsyncIterator[Database]:
    """An empty database, open."""
    async with await Database.open(any_address) as database:
        yield database
