"""Demand response in a simulation whose participants are far away: they are told, may answer, and find it again."""

from __future__ import annotations

import asyncio

from tests.helpers import START, STEP, terms
from tests.server.helpers import PATIENT, Agent, soon
from trex_market.core.messages import Event
from trex_market.programmes.demand_response import DemandResponse, Terms
from trex_market.programmes.demand_response.messages import DrAnswered, DrSettled
from trex_market.programmes.demand_response.records import Device, PlannedEvent
from trex_market.rounds import EpisodePlan
from trex_market.server.app import ServerSettings, SimulationServer
from trex_market.simulation.run import play_episode

NAMES = ("ann", "bob")
ROUNDS = 8
BEGIN = START + 4 * STEP

RULES = Terms(
    "UTC",
    STEP,
    interval_s=STEP,
    answer_lead_s=STEP,
    rebound_s=STEP,
    devices=(
        Device("heater", "ann", "meter"),
        Device("pump", "bob", "meter"),
        Device("oven", "bob", "meter"),
    ),
    plan=(PlannedEvent("e", START + STEP, BEGIN, STEP, energy=300),),
)


class Heard:
    """Keeps the events of an episode."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def hear(self, events: object) -> None:
        """Take in what has happened."""
        self.events += events  # type: ignore[operator, arg-type]


async def starts(agents: list[Agent]) -> list[str]:
    """Let agents hear the start of a round; return what the first one heard until then."""
    told: list[list[str]] = []
    for agent in agents:
        told.append([])
        while "start_round" not in told[-1]:
            told[-1].append((await soon(agent._heard.get()))[0])
    return told[0]


async def ends(agents: list[Agent]) -> None:
    """Let agents end their turns."""
    for agent in agents:
        assert (await agent.says("end_turn"))["ok"]


async def test_who_is_far_away_is_told_and_answers() -> None:
    heard, programme = Heard(), DemandResponse(RULES)
    async with SimulationServer(terms("MicroTE3B"), NAMES, ServerSettings(patience=PATIENT)) as server:
        plan = EpisodePlan("training", 0, START, ROUNDS, STEP)
        playing = asyncio.create_task(
            play_episode(plan, server.conductor, listeners=[heard], programmes=[programme])
        )
        async with Agent(server.url, "ann") as ann, Agent(server.url, "bob") as bob:
            both = [ann, bob]
            assert await starts(both) == ["start_episode", "start_round"]
            await ends(both)
            assert await starts(both) == ["dr_invitation", "start_round"]
            answer = {"event_id": "e", "device_id": "heater", "accept": True, "reduction_kw": 0.4}
            assert (await ann.says("dr_answer", answer))["ok"]
            assert await ann.is_refused("dr_answer", answer | {"device_id": "pump"}) == "unauthorised"
            assert [one["status"] for one in (await ann.says("dr_events"))["events"]] == ["pending"]
            await ends(both)
            assert await starts(both) == ["start_round"], "of its own answer it knows"
            await ends(both)
            assert await starts(both) == ["dr_event_scheduled", "start_round"]
            await bob.socket.disconnect()
            async with Agent(server.url, "bob", last_event=0) as again:
                both = [ann, again]
                missed = [event for _, event, _ in again.joined["missed"]]
                assert missed[0] == "start_episode"
                assert missed[-2:] == ["dr_event_scheduled", "start_round"]
                await ends(both)
                assert await starts(both) == ["dr_event_started", "start_round"]
                rest = []
                for _ in range(ROUNDS - 5):
                    await ends(both)
                    rest += await starts(both)
                await ends(both)
                assert [event for event in rest if event not in ("start_round", "dr_progress")] == [
                    "dr_event_completed",
                    "dr_silent",
                    "dr_result",
                    "dr_result",
                ]
        await soon(playing)
    (answered,) = [event for event in heard.events if isinstance(event, DrAnswered)]
    assert (answered.invitation.device_id, answered.invitation.answered_at) == ("heater", START + STEP)
    settled = [event for event in heard.events if isinstance(event, DrSettled)]
    assert [[one.device_id for one in event.invitations] for event in settled] == [["heater"], ["heater"]]
