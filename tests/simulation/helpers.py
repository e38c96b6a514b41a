"""Participants that do as they are told, and a recorder that remembers, for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tests.helpers import STEP, slot, terms
from trex_market.core.messages import Event, MeterReading
from trex_market.participant import Announcement, EpisodeStart, Turn
from trex_market.rounds import EpisodePlan
from trex_market.simulation.local import LocalDriver

Act = Callable[[Announcement], Turn]


class Scripted:
    """Acts as a function says, and keeps all that it is told.

    Args:
        participant_id: its id.
        act: its turn in each round; by default it does nothing but meter.
        need: Wh that it uses in each slot.
        made: Wh of solar energy that it has in each slot.
    """

    def __init__(self, participant_id: str, act: Act | None = None, *, need: int = 0, made: int = 0) -> None:
        self.participant_id = participant_id
        self._act = act
        self._need = need
        self._made = made
        self.told: list[Announcement] = []
        self.answers: list[list[Event]] = []
        self.episodes: list[EpisodeStart] = []
        self.ended = 0

    def start_episode(self, start: EpisodeStart) -> None:
        self.episodes.append(start)

    def turn(self, announcement: Announcement) -> Turn:
        self.told.append(announcement)
        turn = Turn() if self._act is None else self._act(announcement)
        now = announcement.round.time
        meter = MeterReading(now, now + STEP, {"solar": self._made}, {"other": {"external": self._need}})
        return Turn(turn.orders, turn.cancel, turn.meter or meter)

    def answered(self, answers: Sequence[Event]) -> None:
        self.answers.append(list(answers))

    def end_episode(self) -> None:
        self.ended += 1

    def metrics(self) -> Mapping[str, float]:
        return {"rounds": len(self.told)}


class Memory:
    """A recorder that keeps all that it hears, and how much it had heard at each breath."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.metrics: list[tuple[str, int, str, float]] = []
        self.breaths: list[int] = []

    def hear(self, events: Sequence[Event]) -> None:
        self.events += events

    def metric(self, participant_id: str, time: int, name: str, value: float) -> None:
        self.metrics.append((participant_id, time, name, value))

    async def keep_up(self) -> None:
        self.breaths.append(len(self.events))


def plan(rounds: int, **others: object) -> EpisodePlan:
    """Return the plan of an episode that begins at slot 0."""
    values = {
        "simulation": "training",
        "episode": 0,
        "start": slot(0),
        "rounds": rounds,
        "step": STEP,
        **others,
    }
    return EpisodePlan(**values)  # type: ignore[arg-type]


def driver(*participants: Scripted) -> LocalDriver:
    """Return a driver of participants in a market of type MicroTE."""
    return LocalDriver(terms(), participants, "solar")
