"""Flexibility in a simulation: in each round members are asked what they expect and what they can do, in their process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trex_market.core.messages import Event
from trex_market.core.units import MAX_QUANTITY
from trex_market.engine import Engine
from trex_market.grid import PointGrid
from trex_market.participant import Flexible, Participant, blamed
from trex_market.programmes.flexibility.commands import (
    FlexAsk,
    FlexibilityActivated,
    FlexibilityAsked,
    FlexLimit,
    FlexPlan,
    FlexPotential,
    FlexTrade,
)
from trex_market.programmes.flexibility.programme import Flexibility


class FlexibilityRounds:
    """Carries what participants of this process say to the programme, and its orders to them.

    Args:
        engine: of the market; with the programme beside it.
        programme: the programme.
        participants: who takes part.
        grids: address of a congestion point -> the grid behind it, of those that have one.
    """

    def __init__(
        self,
        engine: Engine,
        programme: Flexibility,
        participants: Sequence[Participant],
        grids: Mapping[str, PointGrid],
    ) -> None:
        self._grids = grids
        self._limited_until: dict[str, int] = {}
        self._expected: dict[str, dict[int, int]] = {}
        self._engine = engine
        self._programme = programme
        self._members = {
            participant.participant_id: participant
            for participant in participants
            if isinstance(participant, Flexible)
        }
        self._activated: dict[str, dict[int, int]] = {name: {} for name in self._members}

    def play(self, time: int) -> None:
        """Let plans, prognoses, requests, offers and orders of a round take place.

        Raises:
            StrategyError: if a participant fails.
        """
        for name, member in self._members.items():
            with blamed(name, f"flexibility in the round at {time}"):
                self._tell_plan(name, member, time)
        for address, behind in self._grids.items():
            self._tell_limits(address, behind, time)
        potentials = [
            self._potential(event, time)
            for event in self._engine.submit(FlexAsk(time))
            if isinstance(event, FlexibilityAsked)
        ]
        for potential in potentials:
            self._engine.submit(potential)
        self._note(self._engine.submit(FlexTrade(time)))
        for slots in self._activated.values():
            for slot in [slot for slot in slots if slot < time]:
                del slots[slot]

    def activated(self, participant_id: str) -> Mapping[int, int]:
        """Return slot start -> Wh by which a participant shall change what it takes."""
        return dict(self._activated.get(participant_id, {}))

    def _tell_plan(self, name: str, member: Flexible, time: int) -> None:
        """Say what a member expects, where that is not what it has said before."""
        step, until = self._programme.calendar.duration, self._programme.horizon(time)
        expected = dict(
            zip(range(time, until, step), member.expected(time, (until - time) // step, step), strict=True)
        )
        before = self._expected.get(name)
        self._expected[name] = expected
        if before is None or any(before.get(slot) != energy for slot, energy in expected.items()):
            power = member.flexible_power()
            self._engine.submit(FlexPlan(name, time, time, tuple(expected.values()), power))

    def _tell_limits(self, address: str, behind: PointGrid, time: int) -> None:
        """Say what the grid behind a point bears, once for each slot, where more than that is expected."""
        step, until = self._programme.calendar.duration, self._programme.horizon(time)
        limits: dict[int, tuple[int, int]] = {}
        for slot in range(max(time, self._limited_until.get(address, time)), until, step):
            powers = {name: slots.get(slot, 0) * 3600 // step for name, slots in self._expected.items()}
            limit = behind.grid.limit(powers, behind.max_loading)
            if limit is not None:
                limits[slot] = (limit, MAX_QUANTITY) if sum(powers.values()) > 0 else (MAX_QUANTITY, limit)
        self._limited_until[address] = until
        if limits:
            self._engine.submit(FlexLimit(address, time, limits))

    def _potential(self, event: FlexibilityAsked, time: int) -> FlexPotential:
        name = event.participant_id
        with blamed(name, f"flexibility in the round at {time}"):
            return FlexPotential(name, time, dict(self._members[name].bearable(event.wanted)))

    def _note(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, FlexibilityActivated):
                self._activated[event.participant_id].update(event.changes)


def flexibility_beside(
    engine: Engine, participants: Sequence[Participant], grids: Mapping[str, PointGrid]
) -> FlexibilityRounds | None:
    """Return what carries flexibility in a market's rounds; None if there is no such programme beside it."""
    for programme in engine.programmes:
        if isinstance(programme, Flexibility):
            return FlexibilityRounds(engine, programme, participants, grids)
    return None
