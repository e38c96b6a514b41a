"""Plays episodes to their end, records them, and tells how far they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from trex_market.core.messages import GRID, Event, RoundStarted
from trex_market.core.units import dollars_from_price
from trex_market.engine import Engine
from trex_market.programmes import Programme
from trex_market.programmes.flexibility.commands import FEEDER_METRICS, FeederMetered
from trex_market.rounds import EpisodePlan
from trex_market.totals import Totals

if TYPE_CHECKING:
    from trex_market.simulation.vector_play import ChunkRecorder

ROUNDS_PER_BREATH = 16
"""At most so many rounds between two looks at the outside: recording, progress, interrupts."""

BREATH = 0.1
"""And at most about so many seconds, where rounds take long."""


class Driver(Protocol):
    """Plays rounds with participants, wherever they are."""

    async def begin(self, plan: EpisodePlan, engine: Engine) -> None:
        """Open the market in a new engine, and begin an episode with all participants."""

    async def play(self, time: int) -> None:
        """Play the round that starts at a moment.

        Raises:
            StrategyError: if a participant fails, and the run cannot go on without it.
        """

    async def end(self, plan: EpisodePlan) -> None:
        """End the episode with all participants."""

    def metrics(self) -> Iterable[tuple[str, str, float]]:
        """Return what participants measured in the last round: id, name, value."""


@runtime_checkable
class EpisodeDriver(Protocol):
    """Plays whole episodes by itself, and hands on chunks of rounds instead of events."""

    async def play_episode(
        self,
        plan: EpisodePlan,
        totals: Totals,
        recorder: ChunkRecorder | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Play an episode; see `trex_market.simulation.vector_play`."""


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
    driver: Driver,
    *,
    listeners: Sequence[Listener] = (),
    recorder: Recorder | None = None,
    progress: Progress | None = None,
    programmes: Sequence[Programme] = (),
) -> None:
    """Play an episode.

    Args:
        plan: the episode.
        driver: plays its rounds.
        listeners: hear all events.
        recorder: hears all events, and what participants measure.
        progress: is told of rounds played.
        programmes: beside the market, new ones.

    Raises:
        StrategyError: if a participant's strategy fails.
        StorageError: if the recorder gives up.
    """
    engine = Engine(programmes=programmes)
    outbox = engine.listen()
    engine.open_programmes()
    await driver.begin(plan, engine)
    hearing = [*listeners, *([recorder] if recorder else [])]
    played, next_breath = 0, monotonic() + BREATH
    for number in range(plan.rounds):
        time = plan.start + number * plan.step
        await driver.play(time)
        events = outbox.take()
        for listener in hearing:
            listener.hear(events)
        if recorder is not None:
            _record_metrics(recorder, driver, time, events)
        played += 1
        if played == ROUNDS_PER_BREATH or number == plan.rounds - 1 or monotonic() > next_breath:
            await asyncio.sleep(0)  # lets a signal in, which a recorder with little to write would not
            if recorder is not None:
                await recorder.keep_up()
            if progress is not None:
                progress(played)
            played, next_breath = 0, monotonic() + BREATH
    await driver.end(plan)


def _record_metrics(recorder: Recorder, driver: Driver, time: int, events: Sequence[Event]) -> None:
    """Keep the grid's prices, loads of congestion points, and what participants measured besides the ledger."""
    for event in events:
        if type(event) is RoundStarted:
            recorder.metric(GRID, time, "sell_price", dollars_from_price(event.sell_price))
            recorder.metric(GRID, time, "buy_price", dollars_from_price(event.buy_price))
        elif type(event) is FeederMetered:
            for name, field in FEEDER_METRICS.items():
                recorder.metric(event.congestion_point, event.slot_start, name, float(getattr(event, field)))
    for participant_id, name, value in driver.metrics():
        recorder.metric(participant_id, time, name, value)
