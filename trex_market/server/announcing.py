"""Telling all participants of a round: the same on every clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trex_market.core.messages import Contract, RoundStarted, Transaction
from trex_market.engine import Engine
from trex_market.protocol import wire
from trex_market.protocol.answers import RoundSketch
from trex_market.server.market_data import market_data
from trex_market.server.seats import Seats


async def announce(
    engine: Engine,
    seats: Seats,
    round: RoundStarted,
    contracts: Mapping[str, Sequence[Contract]],
    transactions: Mapping[str, Sequence[Transaction]],
    server_time: float | None = None,
) -> None:
    """Tell each participant of a round, and those who subscribed of the market.

    Args:
        engine: whose round it is.
        seats: the participants' places.
        round: the round.
        contracts: of the slot that was just cleared, by party.
        transactions: of the slots that were just delivered or corrected, by party.
        server_time: on the wall clock, UNIX seconds.
    """
    sketch = RoundSketch(round, engine.market.terms.timezone, server_time)
    data: dict[tuple[bool, bool], wire.MarketData] = {}
    for seat in seats:
        name = seat.participant_id
        own = contracts.get(name, ())
        seat.metrics = {}
        await seat.send("start_round", sketch.to(seat.next_event(), own, transactions.get(name, ())))
        if seat.trades or seat.depth:
            wanted = (seat.trades, seat.depth)
            if wanted not in data:
                data[wanted] = market_data(engine, round, contracts, trades=seat.trades, depth=seat.depth)
            await seat.send("market_data", data[wanted])
