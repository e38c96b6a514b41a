"""What the database drivers raise, turned into `StorageError`s of one sentence.

An `OutageError` is one that may be over when it is tried again: a locked file, a full disk, a server that
is away. Everything else is a mistake, and trying again does not help.
"""

from __future__ import annotations

import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from trex_market.core.errors import StorageError

PASSING_SQLITE_CODES = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
)
"""SQLite's primary result codes of what may be over when it is tried again."""

PASSING_STATE_CLASSES = ("08", "40", "53", "57")
"""PostgreSQL's classes of the same: connection, rolled back, resources, operator intervention."""

CAUSES = (sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


class OutageError(StorageError):
    """The database cannot be used at the moment."""


@contextmanager
def storage_errors(name: str) -> Iterator[None]:
    """Raise `StorageError` or `OutageError` for whatever the drivers raise in the block.

    Args:
        name: the database, as it is shown.
    """
    try:
        yield
    except (SQLAlchemyError, *CAUSES) as error:
        raise _explained(name, _cause(error)) from error


def _cause(error: BaseException) -> BaseException:
    """Find what the driver itself raised, below SQLAlchemy's wrappings."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, CAUSES):
        found = found.orig if isinstance(found, DBAPIError) else found.__cause__
    return error if found is None else found


def _explained(name: str, cause: BaseException) -> StorageError:
    reason = (str(cause).splitlines() or [type(cause).__name__])[0]
    match cause:
        case asyncpg.InvalidAuthorizationSpecificationError():  # the wrong password is one of these
            return StorageError(f"the database {name} does not let this user in: {reason}")
        case asyncpg.InvalidCatalogNameError():
            return StorageError(f"the database {name} does not exist: create it first ({reason})")
        case ssl.SSLCertVerificationError():
            return StorageError(
                f"the database {name} cannot be trusted: {cause.verify_message} (see sslmode and sslrootcert)"
            )
        case sqlite3.OperationalError() if _primary_code(cause) == sqlite3.SQLITE_CANTOPEN:
            return StorageError(f"the database {name} cannot be opened: is its folder writable? ({reason})")
    if _is_passing(cause):
        return OutageError(f"the database {name} cannot be used at the moment: {reason}")
    return StorageError(f"the database {name} refused: {reason}")


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_passing(cause: BaseException) -> bool:
    if isinstance(cause, sqlite3.Error):
        return _primary_code(cause) in PASSING_SQLITE_CODES
    if isinstance(cause, asyncpg.PostgresError):
        return str(cause.sqlstate or "").startswith(PASSING_STATE_CLASSES)
    if isinstance(cause, asyncpg.InterfaceError):
        return "closed" in str(cause)  # asyncpg has no class of its own for a connection that is gone
    # The second: the driver lost track of its connection, for the server went in the middle of a command.
    return isinstance(cause, OSError | asyncpg.InternalClientError)
