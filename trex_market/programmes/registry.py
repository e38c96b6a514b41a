"""The commands of all programmes: one line of a journal each, named by their tags."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from trex_market.core.messages import ProgrammeCommand
from trex_market.programmes.demand_response.messages import COMMANDS as DR_COMMANDS
from trex_market.programmes.flexibility.commands import FLEX_COMMANDS
from trex_market.programmes.flexibility.ledger import FlexBook

COMMANDS: tuple[type[ProgrammeCommand], ...] = (*FLEX_COMMANDS, FlexBook, *DR_COMMANDS)
"""Of every programme."""


@cache
def commands_by_name() -> dict[str, type[ProgrammeCommand]]:
    """Return the kinds of command by the names that lines have for them."""
    return {str(kind.__struct_config__.tag): kind for kind in COMMANDS}


def programme_record(command: ProgrammeCommand) -> dict[str, Any]:
    """Return a command as a line has it; `programme_command` reads it back."""
    record: dict[str, Any] = msgspec.to_builtins(command)
    return record


def programme_command(record: Mapping[str, Any]) -> ProgrammeCommand:
    """Make the command of a line that names one of `commands_by_name`.

    Raises:
        msgspec.ValidationError: if its values are none of this command.
    """
    # In JSON the keys of objects are text, those of slots too.
    return msgspec.convert(dict(record), commands_by_name()[record["command"]], str_keys=True)
