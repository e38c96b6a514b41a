"""Database URLs: what people write, and how it is shown without its secrets."""

from __future__ import annotations

import re

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from trex_market.core.errors import InputError, unknown_name

SCHEMES = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
"""What people write -> the driver that is meant."""

FILE_ENDINGS = (".db", ".sqlite", ".sqlite3")
"""How a bare path ends that is taken for an SQLite file."""

EXAMPLES = "sqlite:///runs/market.db or postgresql://user:password@host/database"


def parse_address(text: str) -> URL:
    """Read a database URL, or the bare path of an SQLite file.

    Raises:
        InputError: if it is neither; the message shows no password.
    """
    if "://" not in text:
        if not text.endswith(FILE_ENDINGS):
            raise InputError(f"{text!r} is not a database; there are, for example: {EXAMPLES}")
        return URL.create("sqlite+aiosqlite", database=text)
    scheme = text.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise InputError(f"{unknown_name('kind of database', scheme, SCHEMES)} For example: {EXAMPLES}")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        shown = re.sub(r"//.*@", "//***@", text)
        raise InputError(f"{shown!r} is not a database URL; for example: {EXAMPLES}") from error
    url = url.set(drivername=SCHEMES[scheme])
    if is_sqlite(url):
        if url.database in (None, "", ":memory:"):
            raise InputError(f"{text!r} names no file; for example: {EXAMPLES}")
        return url
    if "sslmode" in url.query:  # libpq's name of asyncpg's option
        url = url.update_query_dict({"ssl": url.query["sslmode"]}).difference_update_query(["sslmode"])
    return url


def is_sqlite(url: URL) -> bool:
    """Say whether a URL means an SQLite file; if not, it means PostgreSQL."""
    return url.drivername.startswith("sqlite")


def shown(url: URL) -> str:
    """Name a database as people know it, without password and options."""
    if is_sqlite(url):
        return str(url.database)
    plain = url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
    return plain.replace(":***@", "@")
