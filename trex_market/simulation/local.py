"""The in-process driver: plays rounds with participants that live in the same process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from trex_market.core.errors import StrategyError
from trex_market.core.messages import (
    CancelOrder,
    ClearOpenSlots,
    EndRound,
    EndTurn,
    Event,
    Join,
    MeterRejected,
    OpenMarket,
    ReportMeter,
    StartRound,
    Transaction,
)
from trex_market.engine import Engine, order_command
from trex_market.grid import PointGrid
from trex_market.participant import (
    Announcement,
    EpisodeStart,
    MarketInfo,
    NewOrder,
    Participant,
    blamed,
    take_turn,
)
from trex_market.rounds import EpisodePlan, announced, delivered_by_party
from trex_market.simulation.demand_response import demand_response_beside
from trex_market.simulation.flexibility import flexibility_beside


class LocalRounds:
    """Plays the rounds of one episode, synchronously.

    Args:
        engine: a new one, its market still closed.
        terms: the market's terms.
        participants: who takes part; asked in the order of their ids.
        start: start of the first round, UNIX seconds.
        default_source: the pool of a bid that names no source.
        grids: behind congestion points, see `trex_market.simulation.flexibility`.
    """

    def __init__(
        self,
        engine: Engine,
        terms: OpenMarket,
        participants: Iterable[Participant],
        start: int,
        default_source: str,
        grids: Mapping[str, PointGrid] | None = None,
    ) -> None:
        self._engine = engine
        self._terms = terms
        self._participants = sorted(participants, key=lambda participant: participant.participant_id)
        self._default_source = default_source
        self._delivered: dict[str, list[Transaction]] = {}
        self._flexibility = flexibility_beside(engine, self._participants, grids or {})
        self._demand_response = demand_response_beside(engine)
        engine.submit(terms)
        for participant in self._participants:
            engine.submit(Join(participant.participant_id, start))

    def play(self, time: int) -> None:
        """Play the round that starts at a moment.

        Raises:
            StrategyError: if a participant's strategy fails.
        """
        self.start(time)
        self.finish()

    def start(self, time: int) -> None:
        """Start the round at a moment; `finish` must follow."""
        events = self._engine.submit(StartRound(time, self._terms.step))
        self._round, self._contracts = announced(events, self._engine.market)
        if self._flexibility is not None:
            self._flexibility.play(time)
        if self._demand_response is not None:
            self._demand_response.play(time)

    def announcement(self, participant_id: str) -> Announcement:
        """Return what a participant is told of the round that was started."""
        contracts, delivered = self._contracts.get(participant_id, ()), self.delivered(participant_id)
        if self._flexibility is None and self._demand_response is None:
            return Announcement(self._round, contracts, delivered)
        return Announcement(self._round, contracts, delivered, self._changes(participant_id))

    def _changes(self, participant_id: str) -> Mapping[int, int]:
        """Return what programmes want of a participant: slot start -> Wh by which it shall change what it takes."""
        changes = {} if self._flexibility is None else dict(self._flexibility.activated(participant_id))
        if self._demand_response is not None:
            for slot_start, energy in self._demand_response.asked(participant_id).items():
                changes[slot_start] = changes.get(slot_start, 0) + energy
        return changes

    def delivered(self, participant_id: str) -> Sequence[Transaction]:
        """Return a participant's transactions of the slot that was delivered last."""
        return self._delivered.get(participant_id, ())

    def finish(self) -> None:
        """Let all participants act in the round that was started, and end it.

        Raises:
            StrategyError: if a participant's strategy fails.
        """
        engine = self._engine
        time = self._round.time
        end = time + self._terms.step
        for participant in self._participants:
            name = participant.participant_id
            turn = take_turn(participant, self.announcement(name))
            answers = (
                self._ordered(name, turn.cancel, turn.orders, time) if turn.orders or turn.cancel else ()
            )
            participant.answered(answers)
            if turn.meter is not None:
                (answer,) = engine.submit(ReportMeter(name, turn.meter, end))
                if type(answer) is MeterRejected:
                    raise StrategyError(
                        f"participant {name!r} metered what cannot be: {answer.detail} (round at {time})"
                    )
            engine.submit(EndTurn(name))
        if self._terms.clearing == "tick":
            engine.submit(ClearOpenSlots(time))
        self._delivered = delivered_by_party(engine.submit(EndRound(end)))

    def _ordered(
        self, name: str, cancel: Sequence[str], orders: Sequence[NewOrder], time: int
    ) -> list[Event]:
        engine = self._engine
        answers: list[Event] = []
        for order_id in cancel:
            answers += engine.submit(CancelOrder(order_id, name, time))
        for order in orders:
            order_id = engine.order_id(name)
            answers += engine.submit(
                order_command(order, name, order_id, time, self._terms, self._default_source)
            )
        return answers


class LocalDriver:
    """Plays episodes with participants of the same process.

    Args:
        terms: the market's terms.
        participants: who takes part.
        default_source: the pool of a bid that names no source.
        grids: behind congestion points, see `trex_market.simulation.flexibility`.
    """

    def __init__(
        self,
        terms: OpenMarket,
        participants: Iterable[Participant],
        default_source: str,
        grids: Mapping[str, PointGrid] | None = None,
    ) -> None:
        self._grids = grids or {}
        self._terms = terms
        self._participants = list(participants)
        self._default_source = default_source

    async def begin(self, plan: EpisodePlan, engine: Engine) -> None:
        """Open the market in a new engine, and begin an episode with all participants."""
        terms = self._terms
        market = MarketInfo.of(terms)
        for participant in self._participants:
            start = EpisodeStart(
                plan.episode,
                plan.simulation,
                market,
                plan.parameters,
                plan.start,
                plan.rounds,
                plan.profiles.get(participant.participant_id),
            )
            with blamed(participant.participant_id, f"start of episode {plan.episode}"):
                participant.start_episode(start)
        self._rounds = LocalRounds(
            engine, terms, self._participants, plan.start, self._default_source, self._grids
        )

    async def play(self, time: int) -> None:
        """Play the round that starts at a moment.

        Raises:
            StrategyError: if a participant's strategy fails.
        """
        self._rounds.play(time)

    async def end(self, plan: EpisodePlan) -> None:
        """End the episode with all participants."""
        for participant in self._participants:
            with blamed(participant.participant_id, f"end of episode {plan.episode}"):
                participant.end_episode()

    def metrics(self) -> Iterator[tuple[str, str, float]]:
        """Return what participants measured in the last round: id, name, value."""
        for participant in self._participants:
            for name, value in participant.metrics().items():
                yield participant.participant_id, name, value
