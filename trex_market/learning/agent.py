"""An agent: a participant whose decisions come from outside, an action a round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from trex_market.core.errors import InputError
from trex_market.core.messages import Event, MeterReading, RoundStarted, Transaction
from trex_market.learning.actions import Actor
from trex_market.learning.features import Observer
from trex_market.learning.rewards import SlotResult
from trex_market.participant import (
    Announcement,
    Decision,
    EpisodeStart,
    Participant,
    Steerable,
    Turn,
    View,
)


class Elsewhere:
    """Stands for the strategy of an agent, and is never asked."""

    def decide(self, view: View) -> NoReturn:
        """Refuse: the decision is made outside."""
        raise InputError(f"the decisions of {view.participant_id!r} are made outside, by an action a round")


class Agent:
    """A participant that does what it is told from outside.

    Args:
        participant: with its profile and battery.
        observer: makes its observations.

    Raises:
        InputError: if a participant of this kind cannot be steered.
    """

    def __init__(self, participant: Participant, observer: Observer) -> None:
        self.participant_id = participant.participant_id
        if not isinstance(participant, Steerable):
            raise InputError(
                f"{self.participant_id!r} cannot be an agent: the participant type {type(participant).__name__} "
                "has no methods hear(announcement) and act(decision)"
            )
        self._steered: Steerable = participant
        self._participant: Participant = participant
        self._observer = observer
        self._actor = Actor()
        self._decision = Decision()
        self._view: View
        self._slot: tuple[RoundStarted, int, Mapping[str, int], MeterReading | None]

    def start_episode(self, start: EpisodeStart) -> None:
        """Begin an episode."""
        self._observer.begin()
        self._actor.begin()
        self._participant.start_episode(start)

    def observe(self, announcement: Announcement) -> list[float]:
        """Take in a round, and return the observation of it."""
        self._view = self._steered.hear(announcement)
        return self._observer.observe(self._view)

    def choose(self, action: Sequence[float]) -> None:
        """Settle what it does in the round that it has observed.

        Raises:
            InputError: if that is no action.
        """
        self._decision = self._actor.decide(self._view, action)

    def turn(self, announcement: Announcement) -> Turn:
        """Do what was chosen."""
        now, view = announcement.round.time, self._view
        expected = view.load(now), view.generation(now)
        turn = self._steered.act(self._decision)
        self._slot = (announcement.round, *expected, turn.meter)
        return turn

    def result(self, transactions: Sequence[Transaction]) -> SlotResult:
        """Return what became of the slot of the round that it played last.

        Args:
            transactions: its rows of the ledger.
        """
        round, load, generation, meter = self._slot
        return SlotResult(
            self.participant_id,
            round.time,
            round.sell_price,
            round.buy_price,
            load,
            generation,
            meter,
            transactions,
        )

    def answered(self, answers: Sequence[Event]) -> None:
        """Hear what became of its orders."""
        self._participant.answered(answers)

    def end_episode(self) -> None:
        """End the episode."""
        self._participant.end_episode()

    def metrics(self) -> Mapping[str, float]:
        """Return what should be recorded of this round besides the ledger."""
        return self._participant.metrics()
