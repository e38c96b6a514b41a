"""The homes for which a party speaks: played in its process, in the one market, which each joins over a socket.

Each is the very participant of the config, battery and strategy included. What
they meter is what the grid sees.
"""

from __future__ import annotations

import os
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from trex_market.build import TRAINING, Study
from trex_market.core.errors import ConfigError
from trex_market.core.messages import EXTERNAL, Event, MeterReading
from trex_market.participant import Announcement, EpisodeStart, Flexible, Participant, Turn, blamed
from trex_market.plugins import CLIENTS, find
from trex_market.rounds import EpisodePlan
from trex_market.serving import TOKEN_VARIABLE
from trex_market.uftp.changes import Changes

_HOUR = 3_600


class Member:
    """A participant that is told what was sold of its flexibility, and of whom one knows how far it is.

    Args:
        participant: decides, trades and meters.
        step: length of a slot, in seconds.
        changes: is told when it has gone on.
    """

    def __init__(self, participant: Participant, step: int, changes: Changes) -> None:
        self.participant = participant
        self.participant_id = participant.participant_id
        self.until: int | None = None
        """Start of the first slot in which it has not acted; None before the day."""
        self.activated: dict[int, int] = {}
        """Slot start -> Wh by which it shall change what it takes, by all orders together."""
        self.meter: MeterReading | None = None
        """Of the slot in which it acted last."""
        self._step = step
        self._changes = changes
        self._time: int | None = None

    def start_episode(self, start: EpisodeStart) -> None:
        """Begin the day."""
        self.participant.start_episode(start)
        self._go_to(start.start)

    def turn(self, announcement: Announcement) -> Turn:
        """Answer to a round."""
        self._time = announcement.round.time
        self.activated = {slot: energy for slot, energy in self.activated.items() if slot >= self._time}
        changes = dict(announcement.flexibility)
        for slot, energy in self.activated.items():
            changes[slot] = changes.get(slot, 0) + energy
        turn = self.participant.turn(msgspec.structs.replace(announcement, flexibility=changes))
        self.meter = turn.meter
        return turn

    def answered(self, answers: Sequence[Event]) -> None:
        """Hear what became of the turn's orders."""
        self.participant.answered(answers)
        if self._time is not None:
            self._go_to(self._time + self._step)

    def end_episode(self) -> None:
        """End the day."""
        self.participant.end_episode()

    def metrics(self) -> Mapping[str, float]:
        """Return what should be recorded of this round besides the ledger."""
        return self.participant.metrics()

    def _go_to(self, time: int) -> None:
        self.until = time
        self._changes.tell()


class Homes:
    """Some of a study's participants.

    Args:
        study: the config's.
        names: ids of the participants.
    """

    def __init__(self, study: Study, names: Iterable[str]) -> None:
        self.plan: EpisodePlan = study.episodes(TRAINING)[0]
        self._study = study
        self._changes = Changes()
        self._members: dict[str, Member] = {}
        for name in names:
            participant = study.participant(name, TRAINING)
            if self.plan.profiles.get(name) is None:
                raise ConfigError(f"{study.config.source}: {name!r} has no profile to be played with")
            if not isinstance(participant, Flexible):
                raise ConfigError(f"{name!r} cannot say what it is going to take")
            self._members[name] = Member(participant, self.plan.step, self._changes)

    def clients(self, url: str) -> list[Coroutine[Any, Any, None]]:
        """Return what plays each in the market at an URL, until that ends."""
        client = find(CLIENTS, "socketio", self._study.base)
        return [
            client(member, url, token=os.environ.get(TOKEN_VARIABLE + name)).run()
            for name, member in self._members.items()
        ]

    async def until(self, time: int, timeout_s: float) -> bool:
        """Wait until all have acted in all slots before a moment; return whether it came to that."""

        def have_acted() -> bool:
            return all(member.until is not None and member.until >= time for member in self._members.values())

        return await self._changes.until(have_acted, timeout_s)

    def metered(self, slot: int) -> dict[str, int]:
        """Return what they took in the slot in which they acted last: participant id -> W."""
        return {
            name: power_of(member.meter, self.plan.step)
            for name, member in self._members.items()
            if member.meter is not None and member.meter.slot_start == slot
        }

    def expected(self, start: int, slots: int) -> dict[str, list[int]]:
        """Return what they are going to take without any flexibility: participant id -> W for each slot.

        Args:
            start: the first slot.
            slots: how many.
        """
        powers: dict[str, list[int]] = {}
        for name, participant in self._playing():
            with blamed(name, f"expectation of the slots from {start} on"):
                energies = participant.expected(start, slots, self.plan.step)
            powers[name] = [_watts(energy, self.plan.step) for energy in energies]
        return powers

    def powers(self) -> dict[str, int]:
        """Return by how much each could change what it takes, in W; those that cannot are left out."""
        found = {name: participant.flexible_power() for name, participant in self._playing()}
        return {name: power for name, power in found.items() if power > 0}

    def _playing(self) -> Iterable[tuple[str, Flexible]]:
        """Yield those for whom the day has begun."""
        for name, member in self._members.items():
            if member.until is not None and isinstance(member.participant, Flexible):
                yield name, member.participant

    def bearable(self, name: str, wanted: Mapping[int, int]) -> dict[int, int]:
        """Return what one could do of what is wanted: slot -> W.

        Args:
            name: participant id.
            wanted: slot -> Wh by which it should change what it takes, at most.
        """
        participant = self._members[name].participant
        if not isinstance(participant, Flexible):
            return {}
        with blamed(name, "flexibility"):
            changes = participant.bearable(wanted)
        return {slot: _watts(energy, self.plan.step) for slot, energy in changes.items()}

    def activate(self, name: str, slot: int, power: int) -> None:
        """Tell one by how much it shall change what it takes in a slot, in W, by all orders together."""
        self._members[name].activated[slot] = power * self.plan.step // _HOUR


def power_of(meter: MeterReading, step: int) -> int:
    """Return the mean power that was taken from the grid in a slot, in W; exact, since slots fill an hour."""
    taken = sum(sources.get(EXTERNAL, 0) for sources in meter.consumption.values())
    return _watts(taken - sum(meter.generation.values()), step)


def _watts(energy: int, step: int) -> int:
    return energy * (_HOUR // step)
