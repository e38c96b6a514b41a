"""An aggregator that trades for several homes, in a real market."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from participants.aggregator import Aggregator
from tests.server.helpers import hall, soon
from trex_market.core.errors import ParticipantError, RefusalCode
from trex_market.core.messages import Contract, MeterReading, RoundStarted
from trex_market.protocol import wire

CENT = 10_000


class Trader(Aggregator):
    """Sells what ann has to bob."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.answers: list[dict[str, list[wire.Result]]] = []
        self.contracts: list[Contract] = []
        self.finished = False

    async def on_round(self, rounds: Mapping[str, RoundStarted]) -> None:
        assert set(rounds) == {"ann", "bob"}
        slot = rounds["ann"].next_settle
        now = rounds["ann"].time
        self.ask("ann", 300, 10 * CENT, slot)
        self.bid("bob", 300, 20 * CENT, slot)
        self.bid("bob", -5, 20 * CENT, slot)
        self.cancel("bob", "nothing")
        self.meter("ann", MeterReading(now, now + self.step, {"solar": 300}, {}))
        self.meter("bob", MeterReading(now, now + self.step, {}, {"other": {"external": 300}}))
        self.answers.append(await self.execute())

    async def on_contracts(self, contracts: Mapping[str, list[Contract]]) -> None:
        self.contracts += contracts.get("ann", [])
        assert contracts.get("ann") == contracts.get("bob")

    async def on_finish(self) -> None:
        self.finished = True


async def test_it_trades_for_its_homes_in_batches() -> None:
    async with hall(["ann", "bob"], rounds=5) as place:
        place.start()
        trader = Trader(place.url, {"ann": None, "bob": None})
        await soon(trader.run())
        ledger = place.ledger
    assert trader.finished
    assert len(trader.answers) == 5
    for answers in trader.answers:
        assert [answer.ok for answer in answers["ann"]] == [True, True]
        assert [answer.ok for answer in answers["bob"]] == [True, False, False, True]
        assert [answer.code for answer in answers["bob"][1:3]] == [
            RefusalCode.BAD_QUANTITY,
            RefusalCode.UNKNOWN_ORDER,
        ]
        first = answers["ann"][0]
        assert isinstance(first, wire.OrderResult)
        assert first.order_id
    assert trader.contracts == [
        one for one in ledger.contracts if one.slot_start <= trader.contracts[-1].slot_start
    ]
    assert {one.kind for one in ledger.transactions} >= {"delivery"}
    assert not ledger.estimated


async def test_only_for_its_own_homes() -> None:
    trader = Trader("http://127.0.0.1:9", {"ann": None})
    with pytest.raises(ParticipantError, match="'bob' is not one of"):
        trader.bid("bob", 1, 1, 0)
    with pytest.raises(ParticipantError, match="cannot reach"):
        await soon(trader.run())


async def test_one_who_is_refused_ends_it() -> None:
    async with hall(["ann"]) as place:
        trader = Trader(place.url, {"ann": None, "eve": None})
        with pytest.raises(ParticipantError, match="'eve'"):
            await soon(trader.run())
