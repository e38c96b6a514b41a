"""The schema's version: which tables a database has, and how it comes to have those of today.

An empty database gets today's tables. One of an older version is brought up to date step by step, in one
transaction (`migrations`). One that is newer, or of another program, is left alone. Databases from before
versions were counted have exactly the first version's tables.
"""

from __future__ import annotations

import logging
from typing import Literal

import msgspec
from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select

from trex_market.core.errors import StorageError
from trex_market.storage.outages import storage_errors
from trex_market.storage.tables import metadata

logger = logging.getLogger(__name__)

VERSION = "0002"
"""Of `tables`; a test holds that the newest migration leads to the same."""

VERSION_TABLE = "trex_market_version"
"""Not alembic's own name: the database may be shared with another program that uses alembic."""

_versions = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))

Age = Literal["empty", "present", "older", "newer", "foreign"]


class Schema(msgspec.Struct, frozen=True):
    """What a database holds.

    Args:
        age: beside `VERSION`; "foreign" tables have our names, and are not ours.
        version: None if it has none.
        difference: what makes it foreign, as part of a sentence.
    """

    age: Age
    version: str | None = None
    difference: str = ""

    def __str__(self) -> str:
        """Say it in a sentence."""
        match self.age:
            case "empty":
                return "holds nothing of a market yet"
            case "present":
                return f"has schema version {self.version}, the newest"
            case "older":
                return f"has schema version {self.version}; the newest is {VERSION}"
            case "newer":
                return (
                    f"was made by a newer trex_market: its schema version is {self.version}, and this one "
                    f"knows no later than {VERSION}"
                )
            case "foreign":
                return f"was made by another program: its table {self.difference}"


def recorded_version(connection: Connection) -> str | None:
    """Return the version that a database says it has; None if it says nothing."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.scalars(select(_versions.c.version_num)).first()


def examine(connection: Connection) -> Schema:
    """Find out what a database holds; nothing is changed."""
    version = recorded_version(connection)
    if version == VERSION:
        return Schema("present", version)
    there = _columns(connection)
    if version is None and not there:
        return Schema("empty")
    from trex_market.storage.migrations import known_versions  # noqa: PLC0415 - costs time, seldom needed
    from trex_market.storage.migrations.versions import v0001_first as first  # noqa: PLC0415

    if version is not None:
        return Schema("older" if version in known_versions() else "newer", version)
    difference = _difference(there, first.metadata)
    if difference:
        return Schema("foreign", difference=difference)
    return Schema("present" if first.revision == VERSION else "older", first.revision)


def bring_up_to_date(connection: Connection, name: str, *, may_upgrade: bool) -> None:
    """See that a database has today's tables.

    Args:
        connection: in a transaction that keeps others from doing the same; it is undone if this raises.
        name: of the database, as it is shown.
        may_upgrade: whether tables of an older version may be changed.

    Raises:
        StorageError: if the database is newer or foreign, or older and may not be changed, or cannot be.
    """
    schema = examine(connection)
    match schema.age:
        case "foreign":
            raise StorageError(f"the database {name} {schema}; name another database")
        case "newer":
            raise StorageError(
                f"the database {name} {schema}; install the newer trex_market, or name another database"
            )
        case "older" if not may_upgrade:
            raise StorageError(
                f"the database {name} {schema}: trex-market database upgrade URL brings it there "
                "(then no older trex_market can use it any more)"
            )
        case "older":
            _upgrade(connection, name, schema)
        case "empty":
            metadata.create_all(connection, checkfirst=False)
            _stamp(connection, VERSION)
        case "present":
            _stamp(connection, VERSION)


def _upgrade(connection: Connection, name: str, schema: Schema) -> None:
    from trex_market.storage.migrations import upgrade  # noqa: PLC0415 - costs time, seldom needed

    assert schema.version is not None
    _stamp(connection, schema.version)
    change = f"from schema version {schema.version} to {VERSION}"
    with storage_errors(f"{name}, on its way {change},"):
        upgrade(connection, VERSION_TABLE, VERSION)
    logger.info("the database %s was brought %s", name, change)


def _stamp(connection: Connection, version: str) -> None:
    """Write down a database's version, if it does not say it already."""
    _versions.create(connection, checkfirst=True)
    if recorded_version(connection) is None:
        connection.execute(insert(_versions).values(version_num=version))


def _columns(connection: Connection) -> dict[str, set[str]]:
    """Return the names of the columns of each of our tables that is there."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names()) & metadata.tables.keys()
    return {name: {column["name"] for column in inspector.get_columns(name)} for name in there}


def _difference(there: dict[str, set[str]], expected: MetaData) -> str:
    """Say how the first table that differs does so; empty if none does."""
    missing = ""
    for table in expected.sorted_tables:
        columns, found = set(table.columns.keys()), there.get(table.name)
        if found is None:
            missing = missing or f"{table.name!r} is missing"
        elif found != columns:
            differences = [f"no column {name!r}" for name in sorted(columns - found)]
            differences += [f"an unknown column {name!r}" for name in sorted(found - columns)]
            return f"{table.name!r} has {', '.join(differences)}"
    return missing
