"""Plays episodes to their end, records them, and tells how far they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from trex_market.core.messages import GRID, Event, OpenMarket, RoundStarted
from trex_market.core.units import dollars_from_price
from trex_market.engine import Engine
from trex_market.participant import EpisodeStart, MarketInfo, Participant
from trex_market.simulation.local import LocalDriver

ROUNDS_PER_BREATH = 16
"""Rounds between two looks at the outside: recording, progress, interrupts."""


class EpisodePlan(msgspec.Struct, frozen=True):
    """One run through the study's time range.

    Args:
        simulation: "baseline", "training" or "validation".
        episode: its number, from 0.
        start: start of the first round, UNIX seconds.
        rounds: how many.
        parameters: what the curriculum sets.
    """

    simulation: str
    episode: int
    start: int
    rounds: int
    parameters: dict[str, object] = {}


class Listener(Protocol):
    """Hears the events of an episode."""

    def hear(self, events: Sequence[Event]) -> None:
        """Take in what has happened since the last time."""


class Recorder(Listener, Protocol):
    """A listener that keeps what it hears outside of this process."""

    async def keep_up(self) -> None:
        """Write what has come; waits only if too much is waiting."""

    def metric(self, participant_id: str, time: int, name: str, value: float) -> None:
        """Keep a figure of a participant."""


Progress = Callable[[int], None]
"""Is told how many rounds were played since the last time."""


async def play_episode(
    plan: EpisodePlan,
    terms: OpenMarket,
    participants: Mapping[str, Participant],
    *,
    default_source: str,
    listeners: Sequence[Listener] = (),
    recorder: Recorder | None = None,
    progress: Progress | None = None,
) -> None:
    """Play an episode in-process.

    Args:
        plan: the episode.
        terms: the market's terms.
        participants: id -> participant.
        default_source: the pool of a bid that names no source.
        listeners: hear all events.
        recorder: hears all events, and what participants measure.
        progress: is told of rounds played.

    Raises:
        StrategyError: if a participant's strategy fails.
        StorageError: if the recorder gives up.
    """
    market = MarketInfo(terms.market_id, terms.step, terms.close_steps, terms.timezone)
    for participant in participants.values():
        participant.start_episode(EpisodeStart(plan.episode, plan.simulation, market, plan.parameters))
    engine = Engine()
    outbox = engine.listen()
    driver = LocalDriver(engine, terms, participants.values(), plan.start, default_source)
    metering = [participant for participant in participants.values() if recorder and participant.metrics()]
    hearing = [*listeners, *([recorder] if recorder else [])]
    for number in range(plan.rounds):
        time = plan.start + number * terms.step
        driver.play(time)
        events = outbox.take()
        for listener in hearing:
            listener.hear(events)
        if recorder is not None:
            _record_metrics(recorder, metering, time, events)
        if number % ROUNDS_PER_BREATH == ROUNDS_PER_BREATH - 1 or number == plan.rounds - 1:
            await (asyncio.sleep(0) if recorder is None else recorder.keep_up())
            if progress is not None:
                progress(number % ROUNDS_PER_BREATH + 1)
    for participant in participants.values():
        participant.end_episode()


def _record_metrics(
    recorder: Recorder, metering: Sequence[Participant], time: int, events: Sequence[Event]
) -> None:
    """Keep the grid's prices, and what participants measured besides the ledger."""
    for event in events:
        if type(event) is RoundStarted:
            recorder.metric(GRID, time, "sell_price", dollars_from_price(event.sell_price))
            recorder.metric(GRID, time, "buy_price", dollars_from_price(event.buy_price))
    for participant in metering:
        for name, value in participant.metrics().items():
            recorder.metric(participant.participant_id, time, name, value)
