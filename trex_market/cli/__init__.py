"""The command line: ``trex-market``, also ``python -m trex_market``.

Exit status: 0 done, 2 bad input (one message on stderr), 1 failure, 130 interrupted.

    apps        the groups of commands
    options     what several commands ask for
    running     asynchronous work, and its end
    simulating, serving, findings, data, openadr, uftp   the commands
"""

from __future__ import annotations

# isort: off
# The order of the help.
from trex_market.cli import simulating, serving, findings, data, openadr, uftp

# isort: on
from trex_market.cli.apps import app
from trex_market.cli.running import leave
from trex_market.core.errors import ConfigError, InputError, MissingExtraError, TrexError

__all__ = ["app", "data", "findings", "main", "openadr", "serving", "simulating", "uftp"]


def main() -> None:
    """Run the command line."""
    try:
        app()
    except ConfigError as error:
        leave(f"{error}", 2)
    except (InputError, MissingExtraError) as error:
        leave(f"error: {error}", 2)
    except TrexError as error:
        leave(f"failed: {error}", 1)
