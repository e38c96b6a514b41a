"""The engine: a command goes to the journal, to the market or a programme, and its events to all who listen.

`Engine.submit` is synchronous: nothing can come between journal, market and
outboxes. Each listener has an outbox of its own, so a slow one holds up no
other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from trex_market.core.errors import InputError, PhaseError, ScenarioError
from trex_market.core.market import Market
from trex_market.core.messages import Command, Event, OpenMarket, ProgrammeCommand, Refused, SubmitOrder
from trex_market.journal import BEGINNING, Position, read_commands
from trex_market.participant import NewOrder
from trex_market.programmes import Opened, Programme


class CommandLog(Protocol):
    """Where commands are kept before they are handled."""

    def append(self, command: Command) -> None:
        """Keep a command."""


class Outbox:
    """Events for one listener, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def take(self) -> list[Event]:
        """Return what has come since the last time."""
        events, self.events = self.events, []
        return events


class Engine:
    """A market, the programmes beside it, its journal and its listeners.

    Args:
        market: the market, new or replayed.
        journal: where commands are kept first; None to keep none.
        programmes: as far as the market; they hear it in this order.
    """

    def __init__(
        self,
        market: Market | None = None,
        journal: CommandLog | None = None,
        programmes: Sequence[Programme] = (),
    ) -> None:
        self.market = market or Market()
        self.programmes = tuple(programmes)
        self._handlers = {kind: programme for programme in programmes for kind in programme.commands}
        self._journal = journal
        self._outboxes: list[Outbox] = []
        self._order_numbers: dict[str, int] = {}

    def keep_in(self, journal: CommandLog) -> None:
        """Keep commands in a journal from now on."""
        self._journal = journal

    def listen(self) -> Outbox:
        """Return a new outbox, which gets all events from now on."""
        outbox = Outbox()
        self._outboxes.append(outbox)
        return outbox

    def dismiss(self, outbox: Outbox) -> None:
        """Let go of an outbox; it gets nothing more."""
        self._outboxes.remove(outbox)

    def submit(self, command: Command) -> list[Event]:
        """Keep a command, let the market or its programme handle it, and hand out the events.

        Raises:
            PhaseError: if the market's phase does not allow the command.
            InputError: if it is one of a programme that there is not.
        """
        if isinstance(command, ProgrammeCommand):
            events = self._handle_beside(command)
        else:
            if self._journal is not None:
                self.market.check(command)
                self._journal.append(command)
            events = self.market.handle(command)
            for programme in self.programmes:
                events = [*events, *programme.hear(events)]
        for outbox in self._outboxes:
            outbox.events += events
        return events

    def open_programmes(self) -> None:
        """Tell programmes the terms that they shall have, if they have others."""
        for programme in self.programmes:
            if isinstance(programme, Opened):
                for command in programme.opening():
                    self.submit(command)

    def _handle_beside(self, command: ProgrammeCommand) -> list[Event]:
        programme = self._handlers.get(type(command))
        if programme is None:
            named = command.__struct_config__.tag
            raise InputError(f"no programme of this market handles {named}: the config has no section for it")
        if self._journal is not None:
            self._journal.append(command)
        return programme.handle(command)

    def refuse(self, event: Refused) -> None:
        """Hand out the refusal of a request whose values cannot be a command."""
        for outbox in self._outboxes:
            outbox.events.append(event)

    def order_id(self, participant_id: str) -> str:
        """Return the id for a participant's next order in a simulation."""
        number = self._order_numbers.get(participant_id, 0) + 1
        self._order_numbers[participant_id] = number
        return f"{participant_id}-{number}"


def order_command(
    order: NewOrder, participant_id: str, order_id: str, time: int, terms: OpenMarket, default_source: str
) -> SubmitOrder:
    """Make the command that submits an order.

    Args:
        order: the order.
        participant_id: whose it is.
        order_id: its id.
        time: when it was submitted; in a simulation the start of the round.
        terms: the market's terms.
        default_source: the pool of a bid that names no source, where pools are by source.
    """
    source = order.source
    if source is None and order.side == "bid":
        source = default_source
    return SubmitOrder(
        order_id,
        participant_id,
        order.side,
        order.quantity,
        order.price,
        source,
        order.slot_start,
        order.slot_start + terms.step,
        time,
        order.attributes,
        order.requirements,
    )


def replay(path: Path, engine: Engine, since: Position = BEGINNING) -> Iterator[str]:
    """Replay a scenario or journal.

    Args:
        path: the file.
        engine: a new one, or as it was at `since`; its outboxes get all events.
        since: of a journal, after which place.

    Yields:
        where each line was, after it was handled.

    Raises:
        ScenarioError: if a line cannot be handled; the market is as it was before that line.
    """
    where = ""
    for where, command in read_commands(path, since):
        if isinstance(command, Refused):
            engine.refuse(command)
        else:
            try:
                engine.submit(command)
            except (PhaseError, InputError) as error:
                raise ScenarioError(f"{where}: {error}") from error
        yield where
    if not where and since == BEGINNING:
        raise ScenarioError(f"{path}: holds no commands; the first must be open_market")
