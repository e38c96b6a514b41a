"""Participants of TREX-Core 3.7.5, unmodified, in whole simulations."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import pytest

from participants.client import Client
from tests.helpers import START, STEP, assert_balanced
from tests.server.helpers import Agent, Hall, bid, hall, home, meter, soon
from tests.server.trex_client import Trader, TrexParticipant
from trex_market.core.messages import MeterReading

DATABASE = "sqlite:///weights.db"

TRADERS = {
    "ann": Trader([100, 300, 200], [700, 900, 0], 0.17, 0.12),
    "bob": Trader([500, 450, 700], [0, 0, 0], 0.19, 0.14),
}

ROUND_KEYS = {
    "time",
    "duration",
    "timezone",
    "last_round",
    "current_round",
    "last_settle",
    "next_settle",
    "market_info",
}


def trex(name: str, **others: Any) -> TrexParticipant:
    """Return a participant that waits for nothing longer than it must."""
    waits = {"join_wait_s": 0.02, "ping_wait_s": 0.05, "leave_wait_s": 0.0}
    return TrexParticipant(name, "m", TRADERS[name], **(waits | others))


async def run(
    place: Hall, *everyone: TrexParticipant, own: tuple[str, ...] = (), episodes: int = 1, **others: Any
) -> None:
    """Play a whole simulation with TREX's participants and, by name, some of our own."""
    playing = place.start(episodes, **others)
    tasks = [place._task(one.run(place.url)) for one in everyone]
    tasks += [place.joins(Client(home(name), place.url)) for name in own]
    await soon(playing)
    await soon(asyncio.gather(*tasks))


def generations(participant: TrexParticipant) -> list[list[tuple[str, Any]]]:
    """Return what a participant heard, from one `start_generation` to the next."""
    parts: list[list[tuple[str, Any]]] = [[]]
    for event, data in participant.log:
        if event == "start_generation":
            parts.append([])
        parts[-1].append((event, data))
    return parts[1:]


def assert_round(message: dict[str, Any], close_steps: int = 2) -> None:
    """Check a `start_round` to the last key."""
    assert message.keys() == ROUND_KEYS
    time = message["time"]
    assert type(time) is type(message["duration"]) is int
    assert (message["duration"], message["timezone"]) == (STEP, "UTC")
    assert message["last_round"] == [time - STEP, time]
    assert message["current_round"] == [time, time + STEP]
    settle = time + close_steps * STEP
    assert message["last_settle"] == [settle - STEP, settle]
    assert message["next_settle"] == [settle, settle + STEP]
    price = {"grid": {"buy_price": 0.2, "sell_price": 0.1}}
    assert message["market_info"] == {
        f"({time}, {time + STEP})": price,
        f"({settle}, {settle + STEP})": price,
    }


def assert_in_order(log: list[tuple[str, Any]], rounds: int, close_steps: int = 2) -> None:
    """Check the order of a generation's events."""
    events = [event for event, _ in log]
    first_round = events.index("start_round")
    assert events[0] == "start_generation"
    assert set(events[1:first_round]) <= {"update_curriculum", "load_weights"}
    assert "end_generation" in events[-2:]
    started: list[int] = []
    delivered: list[int] = []
    confirmed: set[str] = set()
    for event, data in log:
        match event:
            case "start_round":
                assert_round(data, close_steps)
                started.append(data["time"])
                assert delivered == started[:-1]  # of round n before `start_round` of n + 1
            case "return_extra_transactions":
                delivered.append(data["time_delivery"][0])
                assert data["time_delivery"] == [delivered[-1], delivered[-1] + STEP]
            case "bid_success" | "ask_success":
                assert data["time_submission"] == started[-1]
                assert ("source" in data) == (event == "ask_success")
                confirmed.add(data["uuid"])
            case "settled":
                assert confirmed & {data["bid_id"], data["ask_id"]}
                assert data["time_delivery"][0] == started[-1] + close_steps * STEP
    assert started == [START + number * STEP for number in range(rounds)]


def assert_ledger_agrees(place: Hall, *everyone: TrexParticipant) -> None:
    """Check that participants know of all that concerns them, and that every slot balances."""
    for participant in everyone:
        name = participant.participant_id
        for ledger, known in zip(place.ledgers, participant.ledgers, strict=True):
            own = [one for one in ledger.contracts if name in (one.seller_id, one.buyer_id)]
            assert [one["commit_id"] for one in known.settled] == [one.id for one in own]
            assert not known.ignored
            for contract, heard in zip(own, known.settled, strict=True):
                assert heard["quantity"] == contract.quantity
                price = (
                    contract.settlement_price_sell
                    if name == contract.seller_id
                    else contract.settlement_price_buy
                )
                assert heard["price"] == price / 1_000_000
                assert (heard["seller_id"], heard["buyer_id"]) == (contract.seller_id, contract.buyer_id)
            grid = {
                (side, row["quantity"])
                for extra in known.extra.values()
                for side in ("buy", "sell")
                for row in extra["grid"][side]
            }
            last = START + (place.rounds - 1) * STEP
            expected = {
                ("buy" if row.buyer_id == name else "sell", row.quantity)
                for row in ledger.transactions
                if "grid" in (row.buyer_id, row.seller_id)
                and name in (row.buyer_id, row.seller_id)
                and row.time_creation < last
            }
            assert grid == expected


def assert_every_slot_balances(place: Hall, *everyone: TrexParticipant) -> None:
    """Check the last episode's transactions against the readings."""
    rows = defaultdict(list)
    for row in place.ledger.transactions:
        rows[row.time_creation].append(row)
    readings: dict[int, dict[str, MeterReading]] = defaultdict(dict)
    for participant in everyone:
        for one in participant.meters[-place.rounds :]:
            start, end = one["time_interval"]
            readings[start][participant.participant_id] = MeterReading(
                start, end, one["generation"], one["consumption"]
            )
    assert len(rows) == place.rounds
    for start, transactions in rows.items():
        assert_balanced(readings[start], transactions)


@pytest.mark.parametrize("rule", ["MicroTE3B", "MicroTE"])
async def test_a_whole_simulation_of_several_episodes(rule: str) -> None:
    everyone = [trex("ann"), trex("bob")]
    lesson = {"learning_rate": 0.1, "anneal": {"epsilon": [0.9, "multiply", 0.1]}}
    async with hall(["ann", "bob"], rule=rule, rounds=9, trex_database=DATABASE) as place:
        await run(place, *everyone, episodes=3, lesson=lesson)

    assert place.ledger.contracts
    for participant in everyone:
        count = participant.count()
        assert count["join_market"] == count["end_simulation"] == count["update_market_info"] == 1
        assert participant.heard("update_market_info") == ["m"]
        assert participant.heard("end_simulation") == [""]
        assert participant.heard("update_curriculum") == [lesson] * 3
        for number, log in enumerate(generations(participant)):
            assert log[0][1] == {"generation": number, "db_string": DATABASE, "market_id": "m"}
            assert_in_order(log, 9)
        ends = [{"db_path": DATABASE, "generation": number, "market_id": "m"} for number in range(3)]
        assert participant.heard("end_generation") == ends
    assert_ledger_agrees(place, *everyone)
    assert_every_slot_balances(place, *everyone)
    assert place.conductor.status.silent == 0


async def test_far_gates() -> None:
    everyone = [trex("ann"), trex("bob")]
    async with hall(["ann", "bob"], rounds=8, market={"close_steps": 4}) as place:
        await run(place, *everyone, episodes=2)
    for participant in everyone:
        for log in generations(participant):
            assert_in_order(log, 8, close_steps=4)
    assert place.ledger.contracts
    assert_every_slot_balances(place, *everyone)


async def test_in_a_validation_weights_are_loaded_before_the_first_round() -> None:
    everyone = [trex("ann"), trex("bob")]
    async with hall(["ann", "bob"], rounds=3, trex_database=DATABASE) as place:
        await run(place, *everyone, episodes=2, simulation="validation", lesson={"ignored": 1})
    for participant in everyone:
        for number, log in enumerate(generations(participant)):
            weights = {"db_path": DATABASE, "market_id": "m", "generation": number}
            assert log[1] == ("load_weights", weights)
            assert_in_order(log, 3)
        assert participant.count()["update_curriculum"] == 0


async def test_they_trade_with_participants_of_our_own() -> None:
    everyone = [trex("ann"), trex("bob")]
    async with hall(rounds=9) as place:
        await run(place, *everyone, own=("cat",), episodes=2)
    parties = {(one.seller_id, one.buyer_id) for one in place.ledger.contracts}
    assert {("ann", "bob"), ("cat", "bob")} <= parties
    assert_ledger_agrees(place, *everyone)


@pytest.mark.parametrize(("pool", "trades"), [("solar", True), ("wind", False)])
async def test_bids_without_a_source_go_to_the_pool_of_the_config(pool: str, trades: bool) -> None:
    everyone = [trex("ann"), trex("bob")]
    async with hall(["ann", "bob"], rule="MicroTE", default_source=pool) as place:
        await run(place, *everyone)
    assert bool(place.ledger.contracts) is trades


async def test_take_or_pay_and_shortfall_are_told_as_financial() -> None:
    async with hall(["ann", "bob"], rounds=4) as place:
        async with Agent(place.url, namespace="/") as ann, Agent(place.url, namespace="/") as bob:
            for name, agent in (("ann", ann), ("bob", bob)):
                assert await agent.says("join_market", {"id": name, "market_id": "m"}) is True
            place.start()
            for agent in (ann, bob):
                await agent.hears("start_round")
            await ann.sends("ask", bid(300, 0.11) | {"participant_id": "ann"})
            assert (await ann.hears("ask_success"))["source"] == "solar"
            await bob.sends("bid", {key: value for key, value in bid(300, 0.15).items() if key != "source"})
            confirmed = await bob.hears("bid_success")
            assert confirmed == {
                "uuid": "bob-1",
                "time_submission": START,
                "price": 0.15,
                "quantity": 300,
                "time_delivery": [START + 2 * STEP, START + 3 * STEP],
            }
            for number in range(3):
                readings = (meter(START + number * STEP, solar=0), meter(START + number * STEP, need=200))
                for agent, reading in zip((ann, bob), readings, strict=True):
                    await agent.sends("meter_data", reading)
                    await agent.sends("end_turn")
                extra = await bob.hears("return_extra_transactions")
                for agent in (ann, bob):
                    await agent.hears("start_round")

    (row,) = extra["financial"]["buy"]
    assert extra["financial"]["sell"] == []
    assert row == {
        "quantity": 200,
        "energy_source": "grid",
        "settlement_price_sell": -0.2,
        "settlement_price_buy": -0.2,
        "time_creation": START + 2 * STEP,
        "time_purchase": row["time_purchase"],
    }
    (supply,) = extra["grid"]["buy"]
    assert supply.keys() == row.keys() | {"seller_id", "buyer_id", "time_consumption"}
    assert (supply["quantity"], supply["seller_id"], supply["buyer_id"]) == (200, "grid", "bob")
    assert extra["time_delivery"] == [START + 2 * STEP, START + 3 * STEP]
