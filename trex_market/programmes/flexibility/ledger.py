"""Flexibility that is traded elsewhere, in a market's ledger: loads of congestion points, settlements, payments."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from trex_market.core.messages import Event, Paid, ProgrammeCommand
from trex_market.programmes.flexibility.commands import FeederMetered, FlexibilitySettled
from trex_market.programmes.flexibility.payments import Payment, transactions


class FlexBook(ProgrammeCommand, frozen=True, tag="flex_book"):
    """Those who trade flexibility say what came of it.

    Args:
        metered: what flowed at congestion points.
        settled: orders that were settled.
        payments: for them; all those for a slot come at once, and there are no others later.
    """

    metered: tuple[FeederMetered, ...] = ()
    settled: tuple[FlexibilitySettled, ...] = ()
    payments: tuple[Payment, ...] = ()


class LedgerState(msgspec.Struct):
    """All that is known; nothing has to be."""


class FlexibilityLedger:
    """Beside a market whose DSO and aggregators trade elsewhere: books what they say.

    Args:
        step: length of a slot, in seconds.
    """

    name = "flexibility"
    commands: tuple[type[ProgrammeCommand], ...] = (FlexBook,)

    def __init__(self, step: int) -> None:
        self._step = step

    def handle(self, command: ProgrammeCommand) -> list[Event]:
        """Book what is said."""
        if not isinstance(command, FlexBook):
            raise TypeError(f"{command!r} is no command of {self.name}")
        by_slot: dict[int, list[Payment]] = {}
        for payment in command.payments:
            by_slot.setdefault(payment.slot_start, []).append(payment)
        paid = [Paid(slot, transactions(slot, self._step, by_slot[slot])) for slot in sorted(by_slot)]
        return [*command.metered, *command.settled, *paid]

    def hear(self, events: Sequence[Event]) -> list[Event]:  # noqa: ARG002 - a programme's
        """Hear what the market did; nothing follows of it here."""
        return []

    def state(self) -> LedgerState:
        """Return all that it knows."""
        return LedgerState()

    def resume(self, state: bytes) -> None:
        """Go on from what `state` returned: from nothing."""
