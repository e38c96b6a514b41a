"""A programme: a pure machine beside the market, commands in, events out, that hears what the market does.

It is journaled and replayed with the market, so what it answers follows from
what it was told and what it heard alone. Time comes with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec

from trex_market.core.messages import Event, ProgrammeCommand


class Programme(Protocol):
    """A machine beside the market."""

    @property
    def name(self) -> str:
        """As the config and the registry have it."""

    @property
    def commands(self) -> tuple[type[ProgrammeCommand], ...]:
        """The kinds of command that it handles."""

    def handle(self, command: ProgrammeCommand) -> list[Event]:
        """Handle a command; a refusal is an event, and changes nothing."""

    def hear(self, events: Sequence[Event]) -> list[Event]:
        """Hear what the market did, and return what follows of it: `Paid`, events of its own."""

    def state(self) -> msgspec.Struct:
        """Return all that it knows, as a record that JSON can hold."""

    def resume(self, state: bytes) -> None:
        """Go on from what `state` returned, as JSON."""


@runtime_checkable
class Opened(Protocol):
    """A programme that is told its terms by commands, so that they are in the journal."""

    def opening(self) -> tuple[ProgrammeCommand, ...]:
        """Return the commands that give it the terms that it shall have; none if it has them."""
