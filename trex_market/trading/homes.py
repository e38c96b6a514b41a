"""The homes for which a party speaks, played slot by slot in its process, in a market among themselves.

Each is the very participant of the config, battery and strategy included. What they meter is what the grid sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from trex_market.build import TRAINING, Study
from trex_market.core.errors import ConfigError
from trex_market.core.messages import EXTERNAL, MeterAccepted, MeterReading, OpenMarket
from trex_market.engine import Engine
from trex_market.participant import (
    Announcement,
    EpisodeStart,
    Flexible,
    MarketInfo,
    Participant,
    blamed,
)
from trex_market.rounds import EpisodePlan
from trex_market.simulation.local import LocalRounds

_HOUR = 3_600


class _Rounds(LocalRounds):
    """Rounds in which homes are told what was sold of their flexibility."""

    def __init__(
        self,
        engine: Engine,
        terms: OpenMarket,
        participants: Iterable[Participant],
        start: int,
        default_source: str,
        activated: Callable[[str], Mapping[int, int]],
    ) -> None:
        super().__init__(engine, terms, participants, start, default_source)
        self._activated = activated

    def announcement(self, participant_id: str) -> Announcement:
        """Return what a participant is told of the round that was started."""
        told = super().announcement(participant_id)
        return Announcement(told.round, told.contracts, told.transactions, self._activated(participant_id))


class Homes:
    """Some of a study's participants, played.

    Args:
        study: the config's.
        names: ids of the participants.
    """

    def __init__(self, study: Study, names: Iterable[str]) -> None:
        self.plan: EpisodePlan = study.episodes(TRAINING)[0]
        self._participants = {name: study.participant(name, TRAINING) for name in names}
        self._activated: dict[str, dict[int, int]] = {name: {} for name in self._participants}
        self._begin(study)
        engine = Engine()
        self._heard = engine.listen()
        self._rounds = _Rounds(
            engine,
            study.terms,
            self._participants.values(),
            self.plan.start,
            study.config.market.default_bid_source,
            self._activated.__getitem__,
        )
        self._time: int | None = None

    def _begin(self, study: Study) -> None:
        plan, market = self.plan, MarketInfo.of(study.terms)
        for name, participant in self._participants.items():
            profile = plan.profiles.get(name)
            if profile is None:
                raise ConfigError(f"{study.config.source}: {name!r} has no profile to be played with")
            start = EpisodeStart(
                plan.episode, plan.simulation, market, plan.parameters, plan.start, plan.rounds, profile
            )
            with blamed(name, "start of the day"):
                participant.start_episode(start)

    def start(self, time: int) -> None:
        """Start the slot at a moment; the one before must have been finished."""
        self._time = time
        self._rounds.start(time)

    def finish(self) -> tuple[int, dict[str, int]] | None:
        """Let all act in the slot that was started.

        Returns:
            start of the slot, and participant id -> W as metered; None if none was started.
        """
        if self._time is None:
            return None
        slot, self._time = self._time, None
        self._heard.take()
        self._rounds.finish()
        for slots in self._activated.values():
            slots.pop(slot, None)
        readings = {
            event.participant_id: self._power(event.meter)
            for event in self._heard.take()
            if isinstance(event, MeterAccepted)
        }
        return slot, readings

    def _power(self, meter: MeterReading) -> int:
        taken = sum(sources.get(EXTERNAL, 0) for sources in meter.consumption.values())
        return self._watts(taken - sum(meter.generation.values()))

    def _watts(self, energy: int) -> int:
        return energy * (_HOUR // self.plan.step)

    def expected(self, start: int, slots: int) -> dict[str, list[int]]:
        """Return what they are going to take without any flexibility: participant id -> W for each slot.

        Args:
            start: the first slot.
            slots: how many.
        """
        powers: dict[str, list[int]] = {}
        for name, participant in self._participants.items():
            if not isinstance(participant, Flexible):
                raise ConfigError(f"{name!r} cannot say what it is going to take")
            with blamed(name, f"expectation of the slots from {start} on"):
                energies = participant.expected(start, slots, self.plan.step)
            powers[name] = [self._watts(energy) for energy in energies]
        return powers

    def powers(self) -> dict[str, int]:
        """Return by how much each could change what it takes, in W; those that cannot are left out."""
        flexible = {name: one for name, one in self._participants.items() if isinstance(one, Flexible)}
        found = {name: participant.flexible_power() for name, participant in flexible.items()}
        return {name: power for name, power in found.items() if power > 0}

    def bearable(self, name: str, wanted: Mapping[int, int]) -> dict[int, int]:
        """Return what one could do of what is wanted: slot -> W.

        Args:
            name: participant id.
            wanted: slot -> Wh by which it should change what it takes, at most.
        """
        participant = self._participants[name]
        if not isinstance(participant, Flexible):
            return {}
        with blamed(name, "flexibility"):
            changes = participant.bearable(wanted)
        return {slot: self._watts(energy) for slot, energy in changes.items()}

    def activate(self, name: str, slot: int, power: int) -> None:
        """Tell one by how much it shall change what it takes in a slot, in W, by all orders together."""
        self._activated[name][slot] = power * self.plan.step // _HOUR
