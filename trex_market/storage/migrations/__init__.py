"""From one schema version to the next, with alembic.

A version is a module in `versions/` with `revision`, `down_revision` and `upgrade()`, made of
[alembic's operations](https://alembic.sqlalchemy.org/en/latest/ops.html). What SQLite cannot alter in place
needs `op.batch_alter_table`, which copies the table (`table_kwargs={"sqlite_with_rowid": False}` keeps the
way ours are stored).

Imported only for a database that is not of the present version: alembic costs a sixth of a second.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

SCRIPTS = Path(__file__).parent
"""Where `env.py` and `versions/` are."""


def known_versions() -> list[str]:
    """Return all schema versions that there are, the newest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


def upgrade(connection: Connection, version_table: str, target: str) -> None:
    """Bring a database to a version, within the connection's transaction.

    Args:
        connection: its transaction has begun, and is ended by the caller.
        version_table: holds the database's version; without it, or while it is empty, there is none.
        target: a known version that follows the database's.
    """
    config = _config()
    config.attributes.update(connection=connection, version_table=version_table)
    command.upgrade(config, target)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))  # it would be interpolated
    return config
