"""Places that depend on the machine: an environment variable in the location of data."""

from __future__ import annotations

import os
import re

from trex_market.core.errors import ProfileError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def expanded(location: str) -> str:
    """Put the values of environment variables in place of their names, as in ``${CITYLEARN_2022}/profiles.parquet``.

    A config keeps the name, so that its hash, and with it a run's id, is the same on every machine.

    Args:
        location: a path or URL; without ``${NAME}`` it is returned as it is.

    Raises:
        ProfileError: if a variable is not set, or empty.
    """

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1], "")
        if not found:
            raise ProfileError(
                f"{location}: the environment variable {match[1]} is not set; it says where the data are, "
                f"as in: {match[1]}=/path/to/the/folder trex-market ..."
            )
        return found

    return _VARIABLE.sub(value, location)
