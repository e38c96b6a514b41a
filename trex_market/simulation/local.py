"""The in-process driver: plays rounds with participants that live in the same process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trex_market.core.messages import (
    CancelOrder,
    Contract,
    Contracted,
    Delivered,
    EndRound,
    EndTurn,
    Event,
    Join,
    OpenMarket,
    ReportMeter,
    RoundStarted,
    StartRound,
    Transaction,
)
from trex_market.engine import Engine, order_command
from trex_market.participant import Announcement, NewOrder, Participant


class LocalDriver:
    """Plays the rounds of one episode.

    Args:
        engine: a new one, its market still closed.
        terms: the market's terms.
        participants: who takes part; asked in the order of their ids.
        start: start of the first round, UNIX seconds.
        default_source: the pool of a bid that names no source.
    """

    def __init__(
        self,
        engine: Engine,
        terms: OpenMarket,
        participants: Iterable[Participant],
        start: int,
        default_source: str,
    ) -> None:
        self._engine = engine
        self._terms = terms
        self._participants = sorted(participants, key=lambda participant: participant.participant_id)
        self._default_source = default_source
        self._delivered: dict[str, list[Transaction]] = {}
        engine.submit(terms)
        for participant in self._participants:
            engine.submit(Join(participant.participant_id, start))

    def play(self, time: int) -> None:
        """Play the round that starts at a moment.

        Raises:
            StrategyError: if a participant's strategy fails.
        """
        engine = self._engine
        end = time + self._terms.step
        contracts: dict[str, list[Contract]] = {}
        for event in engine.submit(StartRound(time, self._terms.step)):
            if isinstance(event, Contracted):
                contracts = _by_party(event.contracts)
            elif isinstance(event, RoundStarted):
                round = event
        delivered = self._delivered
        for participant in self._participants:
            name = participant.participant_id
            announcement = Announcement(round, contracts.get(name, ()), delivered.get(name, ()))
            turn = participant.turn(announcement)
            answers = (
                self._ordered(name, turn.cancel, turn.orders, time) if turn.orders or turn.cancel else ()
            )
            participant.answered(answers)
            if turn.meter is not None:
                engine.submit(ReportMeter(name, turn.meter, end))
            engine.submit(EndTurn(name))
        self._delivered = _delivered_by_party(engine.submit(EndRound(end)))

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


def _by_party(contracts: Sequence[Contract]) -> dict[str, list[Contract]]:
    """Sort contracts by those whom they concern."""
    parties: dict[str, list[Contract]] = {}
    for contract in contracts:
        parties.setdefault(contract.seller_id, []).append(contract)
        parties.setdefault(contract.buyer_id, []).append(contract)
    return parties


def _delivered_by_party(events: Sequence[Event]) -> dict[str, list[Transaction]]:
    """Sort transactions by those whom they concern."""
    parties: dict[str, list[Transaction]] = {}
    for event in events:
        if isinstance(event, Delivered):
            for transaction in event.transactions:
                seller_id, buyer_id = transaction.seller_id, transaction.buyer_id
                parties.setdefault(seller_id, []).append(transaction)
                if buyer_id != seller_id:
                    parties.setdefault(buyer_id, []).append(transaction)
    return parties
