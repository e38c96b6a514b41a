"""Participants of TREX-Core 3.7.5 that come, go, come back, lag behind, or say what cannot be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.helpers import START, STEP
from tests.server.helpers import PATIENT, Agent, Hall, Wire, bid, hall, meter, soon
from tests.server.test_trex import assert_every_slot_balances, generations, trex
from tests.server.trex_client import TrexParticipant
from trex_market.server.conductor import Patience
from trex_market.server.doorkeeper import token_hash


async def test_who_is_refused_tries_again_until_it_is_let_in() -> None:
    """Here the place is taken at first."""
    async with hall(["ann"], rounds=1) as place:
        ann = trex("ann")
        async with Agent(place.url, "ann"):
            joining = place._task(ann.run(place.url))
            for _ in range(3):
                await soon(ann.tries.get())
            assert not ann.joined.is_set()
        await soon(place.start())
        await soon(joining)
    answers = ann.heard("join_market")
    assert answers == [False] * (len(answers) - 1) + [True]


@pytest.mark.parametrize("join", [{"market_id": "other"}, {"id": "zoe"}, {"id": None}, {"token": "wrong"}])
async def test_strangers_are_answered_false(join: dict[str, Any]) -> None:
    hashes = {"ann": token_hash("a")}
    async with hall(["ann"], token_hashes=hashes) as place, Agent(place.url, namespace="/") as stranger:
        right = {"type": ["participant", "Residential"], "id": "ann", "market_id": "m", "token": "a"}
        assert await stranger.says("join_market", right | join) is False
        assert stranger.has_heard() == []
        assert await stranger.says("join_market", right) is True
        assert await stranger.hears("update_market_info") == "m"


async def test_joining_twice_starts_no_round_twice() -> None:
    async with hall(["ann"], rounds=2) as place, Agent(place.url, namespace="/") as ann:
        join = {"id": "ann", "market_id": "m"}
        for _ in range(2):
            assert await ann.says("join_market", join) is True
            assert await ann.hears("update_market_info") == "m"
        playing = place.start()
        assert (await ann.hears("start_round"))["time"] == START
        assert await ann.says("join_market", join) is True
        await ann.sends("meter_data", meter())
        await ann.sends("end_turn")
        assert (await ann.hears("start_round"))["time"] == START + STEP
        await ann.sends("end_turn")
        await soon(playing)


async def test_events_that_expect_no_answer_get_none() -> None:
    async with hall(["ann"], rounds=1) as place, Agent(place.url, namespace="/") as ann:
        assert await ann.says("join_market", {"id": "ann", "market_id": "m"}) is True
        playing = place.start()
        await ann.hears("start_round")
        for event, data in (("ping", None), ("bid", bid()), ("ask", bid()), ("meter_data", meter())):
            assert await ann.says(event, data) is None
        assert await ann.says("participant_weights_loaded", {"ann": True}) is None
        assert await ann.says("end_turn") is None
        await soon(playing)


@pytest.mark.parametrize(
    "broken", [{"price": "0.1"}, {"price": None}, {"quantity": float("inf")}, {"participant_id": "bob"}]
)
async def test_a_refused_order_is_told_and_harms_nobody(broken: dict[str, Any]) -> None:
    async with hall(["ann"], rounds=1) as place, Agent(place.url, namespace="/") as ann:
        await ann.says("join_market", {"id": "ann", "market_id": "m"})
        playing = place.start()
        await ann.hears("start_round")
        await ann.sends("ask", bid() | broken)
        assert (await ann.hears("order_refused"))["ok"] is False
        await ann.sends("meter_data", {"time_interval": [START, START + STEP]})
        assert (await ann.hears("refused"))["code"] == "bad_quantity"
        await ann.sends("end_turn")
        await soon(playing)
        assert place.ledger.orders == []


async def broken(cuts: set[int]) -> tuple[Hall, TrexParticipant]:
    """Play two episodes in which one participant's connection breaks at the end of its turns."""
    async with hall(["ann", "bob"], rounds=9) as place, Wire(place.url) as wire:
        ann, bob = trex("ann"), trex("bob")

        async def cut(time: int) -> None:
            await soon(bob.confirmed.get())
            if time in cuts:
                cuts.remove(time)
                wire.cut()

        bob.before_end_turn = cut
        playing = place.start(episodes=2)
        tasks = [place._task(ann.run(place.url)), place._task(bob.run(wire.url))]
        await soon(playing)
        await soon(asyncio.gather(*tasks))
    assert not cuts
    assert_every_slot_balances(place, ann, bob)
    return place, bob


async def test_who_lost_its_connection_in_mid_round_plays_the_round_again() -> None:
    """What it ordered at its first try does not count."""
    smooth, _ = await broken(set())
    place, bob = await broken({START + 2 * STEP, START + 6 * STEP})

    assert bob.joins == 3
    assert place.conductor.status.silent == 0
    for log in generations(bob):
        assert len({data["time"] for event, data in log if event == "start_round"}) == 9
    for before, after in zip(smooth.ledgers, place.ledgers, strict=True):
        assert before.contracts
        assert after.same(numbers=False)[:2] == before.same(numbers=False)[:2]


async def test_who_lost_its_connection_between_episodes_is_not_waited_for_in_vain() -> None:
    async with hall(["ann", "bob"], rounds=2) as place, Wire(place.url) as wire:
        ann, bob = trex("ann"), trex("bob")
        bob.before_ready = lambda generation: wire.cut() if generation == 0 else None
        playing = place.start(episodes=3)
        tasks = [place._task(ann.run(place.url)), place._task(bob.run(wire.url))]
        await soon(playing)
        await soon(asyncio.gather(*tasks))
    assert bob.joins == 2
    assert bob.count()["start_round"] == ann.count()["start_round"] == 6


async def test_one_that_lags_behind_does_not_end_rounds_that_are_not_its_own() -> None:
    patience = Patience(turn_timeout_s=1.0, join_timeout_s=20.0, silence="skip")
    async with hall(["ann", "bob"], rounds=3, patience=patience) as place:
        async with Agent(place.url, namespace="/") as ann, Agent(place.url, "bob") as bob:
            await ann.says("join_market", {"id": "ann", "market_id": "m"})
            playing = place.start()
            for number in range(3):
                await bob.hears("start_round")
                if number:  # only now ann comes to what it should have done in the round before
                    await ann.says("meter_data", meter(START + (number - 1) * STEP, need=1))
                    assert (await ann.hears("refused"))["code"] == "bad_slot"
                    await ann.says("end_turn")
                await bob.says("turn", {"meter": meter(START + number * STEP)})
            await ann.says("meter_data", meter(START + 2 * STEP, need=3))
            await ann.says("end_turn")
            await soon(playing)
    assert [(row.buyer_id, row.quantity) for row in place.ledger.transactions] == [("ann", 3)]


async def test_the_next_episode_waits_until_all_are_ready() -> None:
    async with hall(["ann", "bob"], rounds=1, patience=PATIENT) as place:
        async with Agent(place.url, namespace="/") as ann, Agent(place.url, "bob") as bob:
            await ann.says("join_market", {"id": "ann", "market_id": "m"})
            playing = place.start(episodes=2)
            for agent in (ann, bob):
                await agent.hears("start_round")
                await agent.says("end_turn")
            await ann.hears("end_generation")
            await bob.hears("end_episode")
            for _ in range(50):
                assert (await bob.says("subscribe", {}))["ok"]
            assert bob.has_heard() == []
            await ann.sends("participant_ready", {"ann": True})
            for agent in (ann, bob):
                await agent.hears("start_round")
                await agent.says("end_turn")
            await ann.hears("end_generation")
            await ann.hears("end_simulation")
            await soon(playing)
