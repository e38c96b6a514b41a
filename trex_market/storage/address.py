"""Database URLs: what people write, and how it is shown without its secrets.

A PostgreSQL URL has libpq's form, as `psql` takes it, and goes to asyncpg as it is: hosts and ports, unix
sockets (``postgresql:///market``, ``?host=/run/postgresql``, ``postgresql://%2Frun%2Fpostgresql/market``),
`sslmode` and certificates. What a URL leaves out comes from PGHOST, PGPASSWORD, ~/.pgpass and the like.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

import msgspec
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from trex_market.core.errors import InputError, MissingExtraError, unknown_name

SQLITE, POSTGRESQL, PARQUET = "sqlite+aiosqlite", "postgresql+asyncpg", "parquet"

SCHEMES = {
    "sqlite": SQLITE,
    "sqlite+aiosqlite": SQLITE,
    "postgresql": POSTGRESQL,
    "postgres": POSTGRESQL,
    "postgresql+asyncpg": POSTGRESQL,
    "parquet": PARQUET,
}
"""What people write -> the driver that is meant."""

FILE_ENDINGS = (".db", ".sqlite", ".sqlite3")
"""How a bare path ends that is taken for an SQLite file."""

FOLDER_ENDING = ".parquet"
"""How a bare path ends, but for a slash, that is taken for a folder of Parquet files."""

MARK_FILE = "trex_market.json"
"""By this file a folder of Parquet files is known as a database."""

EXAMPLES = "sqlite:///runs/market.db, postgresql://user:password@host/database or parquet:///runs/rows"

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

FILE_OPTIONS = ("passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl")

OPTIONS = (
    *FILE_OPTIONS,
    *("host", "port", "user", "password", "dbname", "connect_timeout", "target_session_attrs", "service"),
    *("sslmode", "sslpassword", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version"),
    *("krbsrvname", "gsslib", "application_name", "options"),
)
"""Of libpq's, those that asyncpg or the server understands."""

CONNECT_TIMEOUT = 10.0
"""How long PostgreSQL has to answer, in seconds, where the URL does not say."""


class Address(msgspec.Struct, frozen=True):
    """Where a database is.

    Args:
        name: as people know it, without password and options.
        url: SQLAlchemy's; of PostgreSQL the driver alone, of Parquet the folder.
        dsn: PostgreSQL's URL with all its secrets, for asyncpg alone; empty for SQLite.
        connect_timeout: how long PostgreSQL has to answer, in seconds.
    """

    name: str
    url: URL
    dsn: str = ""
    connect_timeout: float = CONNECT_TIMEOUT

    def __repr__(self) -> str:
        """Show no secrets, wherever it comes to be printed."""
        return f"Address({self.name!r})"

    @property
    def file(self) -> Path | None:
        """SQLite's file; None for all others."""
        return Path(str(self.url.database)) if self.url.drivername == SQLITE else None

    @property
    def here(self) -> str | None:
        """A URL that finds its files from any directory; None if they are not on this machine."""
        if self.file is None and self.folder is None:
            return None
        return f"{self.url.drivername.partition('+')[0]}:///{Path(str(self.url.database)).resolve()}"

    @property
    def folder(self) -> Path | None:
        """The folder of Parquet files; None for all others."""
        return Path(str(self.url.database)) if self.url.drivername == PARQUET else None


def parse_address(text: str) -> Address:
    """Read a database URL, or the bare path of an SQLite file or of a folder of Parquet files.

    Raises:
        InputError: if it is none of these; the message shows no password.
        MissingExtraError: if it is Parquet, and PyArrow is not installed.
    """
    if "://" not in text:
        if text.rstrip("/").endswith(FOLDER_ENDING):
            return _parquet(text)
        if not text.endswith(FILE_ENDINGS):
            raise InputError(f"{text!r} is not a database; there are, for example: {EXAMPLES}")
        return Address(text, URL.create(SQLITE, database=text))
    scheme, _, rest = text.partition("://")
    if scheme.lower() not in SCHEMES:
        raise InputError(
            f"{unknown_name('kind of database', scheme.lower(), SCHEMES)} For example: {EXAMPLES}"
        )
    if SCHEMES[scheme.lower()] == SQLITE:
        return _sqlite(text)
    if SCHEMES[scheme.lower()] == PARQUET:
        host, _, folder = rest.partition("/")
        if host or not folder or "?" in folder:
            raise InputError(f"{text!r} names no folder alone; for example: {EXAMPLES}")
        return _parquet(folder)
    try:
        return _postgresql(urlsplit(f"postgresql://{rest}"))
    except ValueError as error:
        raise _not_a_url(text, "") from error


def _sqlite(text: str) -> Address:
    try:
        url = make_url(text).set(drivername=SQLITE)
    except (ArgumentError, ValueError) as error:
        raise _not_a_url(text, "") from error
    if url.database in (None, "", ":memory:"):
        raise InputError(f"{text!r} names no file; for example: {EXAMPLES}")
    return Address(str(url.database), url)


def _parquet(folder: str) -> Address:
    if find_spec("pyarrow") is None:
        raise MissingExtraError("recording to Parquet", "parquet")
    name = folder if folder == "/" else folder.rstrip("/")
    if Path(name).exists() and not Path(name).is_dir():
        raise InputError(f"{name} is a file; rows go to Parquet files in a folder: parquet:///FOLDER")
    return Address(name, URL.create(PARQUET, database=name))


def _not_a_url(text: str, reason: str) -> InputError:
    # Up to the last @, and of the rest no more than host and database: a password with a / or # ends up there.
    shown = re.sub(r"//.*@", "//***@", text, flags=re.DOTALL).partition("?")[0]
    if "@" not in shown:
        shown = text.partition("://")[0] + "://***"
    return InputError(f"{shown!r} is not a database URL{reason}; for example: {EXAMPLES}")


def _postgresql(parts: SplitResult) -> Address:
    """Check what asyncpg would trip over later, or fall silent about.

    Raises:
        ValueError: if it cannot be read; the message may show the password.
    """
    user_info, _, hosts = parts.netloc.rpartition("@")
    # One that is not written %40 and so on would be taken for a part of host or database, and shown as such.
    if "@" in user_info + parts.path + parts.query or parts.fragment:
        raise _not_a_url(
            parts.geturl(), " (@, /, ? and # in a user's name or password are written %40, %2F, %3F and %23)"
        )
    for host in hosts.split(","):
        _, colon, port = host.rpartition(":")
        if colon and not host.endswith("]") and port:
            int(port)
    options = _options(parts.query)
    timeout = float(options.pop("connect_timeout", CONNECT_TIMEOUT)) or CONNECT_TIMEOUT
    path = "" if parts.path == "/" else parts.path  # asyncpg would take it for a name of no letters
    dsn = f"postgresql://{parts.netloc}{path}"
    if options:
        dsn += f"?{urlencode(options, quote_via=quote)}"
    return Address(_shown(user_info, hosts, path, options), URL.create(POSTGRESQL), dsn, timeout)


def _options(query: str) -> dict[str, str]:
    given = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    options = {"sslmode" if key == "ssl" else key: value for key, value in given}
    _check_options(options)
    return options


def _check_options(options: dict[str, str]) -> None:
    for key, value in options.items():
        if key not in OPTIONS:
            raise InputError(unknown_name("option of a database's URL", key, OPTIONS))
        if key in FILE_OPTIONS and not Path(value).is_file():
            raise InputError(f"the database's URL names the file {value!r} as its {key}, and there is none")
    mode = options.get("sslmode", "prefer")
    if mode not in SSL_MODES:
        raise InputError(unknown_name("sslmode", mode, SSL_MODES))


def _shown(user_info: str, hosts: str, path: str, options: dict[str, str]) -> str:
    user = user_info.partition(":")[0] or quote(options.get("user", ""))
    database = path or "/" + options.get("dbname", "")
    place = hosts or options.get("host", "")
    if place.startswith("/"):  # a socket's folder; it cannot stand where a host does
        return f"postgresql://{user}{'@' if user else ''}{database}?host={place}"
    return f"postgresql://{user}{'@' if user else ''}{place}{database}"
