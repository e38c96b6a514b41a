"""Demand response in a simulation: what participants of this process are asked to take less, slot by slot."""

from __future__ import annotations

from collections.abc import Mapping

from trex_market.engine import Engine
from trex_market.programmes.demand_response import DemandResponse
from trex_market.programmes.demand_response.asking import asked_energy
from trex_market.programmes.demand_response.running import RunningEvent, Stage


class DemandResponseRounds:
    """Tells participants of the events to which they are committed.

    Args:
        programme: beside the market.
    """

    def __init__(self, programme: DemandResponse) -> None:
        self._programme = programme
        self._asked: dict[str, dict[int, int]] = {}

    def play(self, time: int) -> None:
        """Look at the events of a round that starts at a moment."""
        self._asked = {}
        for running in self._programme.known.live.values():
            if running.stage in (Stage.DECIDED, Stage.STARTED):
                self._add(running, time)

    def _add(self, running: RunningEvent, time: int) -> None:
        step, event = self._programme.known.terms.step, running.event
        for invitation in running.accepted:
            if invitation.left_at is not None:
                continue
            asked = self._asked.setdefault(invitation.participant_id, {})
            for slot_start, energy in asked_energy(
                event.start, event.end, invitation.committed_w, step, time
            ):
                asked[slot_start] = asked.get(slot_start, 0) + energy

    def asked(self, participant_id: str) -> Mapping[int, int]:
        """Return slot start -> Wh by which a participant shall take less, below 0."""
        return self._asked.get(participant_id, {})


def demand_response_beside(engine: Engine) -> DemandResponseRounds | None:
    """Return what tells participants of events; None if there is no such programme beside the market."""
    for programme in engine.programmes:
        if isinstance(programme, DemandResponse):
            return DemandResponseRounds(programme)
    return None
