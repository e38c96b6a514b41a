"""What all who drive rounds have in common: the plan of an episode, and who is told what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from trex_market.core.market import Market
from trex_market.core.messages import (
    Contract,
    Event,
    RoundStarted,
    Transaction,
    Written,
)
from trex_market.participant import Series


class EpisodePlan(msgspec.Struct, frozen=True):
    """One run through the study's time range.

    Args:
        simulation: "baseline", "training" or "validation".
        episode: its number, from 0.
        start: start of the first round, UNIX seconds.
        rounds: how many.
        step: length of a round, in seconds.
        parameters: what holds by the curriculum.
        lesson: what the curriculum changes in this episode, in TREX's form.
        profiles: participant id -> load and generation.
    """

    simulation: str
    episode: int
    start: int
    rounds: int
    step: int
    parameters: dict[str, object] = {}
    lesson: dict[str, object] = {}
    profiles: Mapping[str, Series] = {}


def announced(events: Sequence[Event], market: Market) -> tuple[RoundStarted, dict[str, list[Contract]]]:
    """Return what a round's start announced, and the contracts of the slot whose gate it closed, by party.

    Args:
        events: that came of the round's start.
        market: whose round it is.
    """
    for event in events:
        if isinstance(event, RoundStarted):
            return event, _by_party(market.contracts_for(event.last_settle))
    raise ValueError("no round was started")


def _by_party(contracts: Sequence[Contract]) -> dict[str, list[Contract]]:
    """Sort contracts by those whom they concern."""
    parties: dict[str, list[Contract]] = {}
    for contract in contracts:
        parties.setdefault(contract.seller_id, []).append(contract)
        parties.setdefault(contract.buyer_id, []).append(contract)
    return parties


def delivered_by_party(events: Sequence[Event]) -> dict[str, list[Transaction]]:
    """Sort transactions by those whom they concern."""
    parties: dict[str, list[Transaction]] = {}
    for event in events:
        if isinstance(event, Written):
            for transaction in event.transactions:
                seller_id, buyer_id = transaction.seller_id, transaction.buyer_id
                parties.setdefault(seller_id, []).append(transaction)
                if buyer_id != seller_id:
                    parties.setdefault(buyer_id, []).append(transaction)
    return parties
