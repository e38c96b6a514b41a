"""Every request on /market, and what is answered."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.helpers import START, STEP
from tests.server.helpers import Agent, Hall, bid, hall, meter, soon
from trex_market.core.messages import Area
from trex_market.protocol import wire
from trex_market.server.seats import EVENTS_KEPT

TERMS = {"market_id": "m", "step": STEP, "close_steps": 2, "timezone": "UTC"}

SLOT = START + 2 * STEP


async def first_round(place: Hall, *agents: Agent) -> list[Any]:
    """Start an episode and return what each was told at the start of its first round."""
    place.start()
    return [await agent.hears("start_round") for agent in agents]


async def test_join_tells_where_the_market_stands() -> None:
    async with hall(["ann"]) as place, Agent(place.url, "ann", market_id="m", version="1.3") as ann:
        assert ann.joined.pop("server_time") > START
        assert ann.joined == {
            "ok": True,
            "version": wire.VERSION,
            "market": TERMS,
            "round": None,
            "open_orders": [],
            "contracts": [],
            "missed": [],
            "last_event": 0,
        }


async def test_join_is_refused_with_a_code() -> None:
    async with hall(["ann"]) as place, Agent(place.url) as nobody:
        assert await nobody.is_refused("join", {"participant_id": "zoe"}) == "unknown_participant"
        assert await nobody.is_refused("join", {"participant_id": "ann", "version": "2.0"}) == "malformed"
        assert await nobody.is_refused("join", {"participant_id": "ann", "market_id": "other"}) == "malformed"
        assert await nobody.is_refused("join", {}) == "malformed"
        assert (await nobody.says("join", {"participant_id": "ann"}))["ok"]


async def test_requirements_are_honoured_and_fees_are_told() -> None:
    areas = {"areas": (Area("grid", fee=10_000),)}
    async with hall(["ann", "bob", "cat"], rounds=3, market=areas) as place:
        async with (
            Agent(place.url, "ann") as ann,
            Agent(place.url, "bob") as bob,
            Agent(place.url, "cat") as cat,
        ):
            await first_round(place, ann, bob, cat)
            green = [{"energy_type": ["green"], "energy": 150}, {"trading_partners": ["zoe"]}]
            assert (await bob.says("bid", bid(200, 0.15, SLOT, requirements=green)))["ok"]
            assert (await ann.says("ask", bid(300, 0.01, SLOT)))["ok"]
            answers = await cat.says(
                "orders", [bid(300, 0.11, SLOT, side="ask", attributes={"energy_type": "Green"})]
            )
            assert answers["results"][0]["ok"]
            refused = await bob.says("bid", bid(200, 0.15, SLOT, requirements=[{"energy": 0}]))
            assert (refused["ok"], refused["code"]) == (False, "bad_requirement")
            for agent in (ann, bob, cat):
                assert (await agent.says("turn", {}))["ok"]
            told = await bob.hears("start_round")
            (contract,) = told["contracts"]
            assert (contract["seller_id"], contract["quantity"], contract["fee_bid"]) == ("cat", 150, 0.01)
            assert "fee_ask" not in contract


async def test_orders_are_taken_and_become_contracts() -> None:
    async with hall(["ann", "bob"], rounds=3) as place:
        async with Agent(place.url, "ann") as ann, Agent(place.url, "bob") as bob:
            await first_round(place, ann, bob)

            sold = await ann.says("ask", bid(300, 0.11, SLOT))
            bought = await bob.says("bid", bid(200, 0.15, SLOT, source=None))
            assert sold == {"ok": True, "order_id": "ann-1", "time_submission": START}
            assert bought == {"ok": True, "order_id": "bob-1", "time_submission": START}
            for agent in (ann, bob):
                assert await agent.says("meter_data", meter(START)) == {"ok": True}
                assert await agent.says("end_turn") == {"ok": True}

            told = [await agent.hears("start_round") for agent in (ann, bob)]
            (contract,) = told[0]["contracts"]
            assert told[1]["contracts"] == [contract]
            assert contract["time_delivery"] == [SLOT, SLOT + STEP] == told[0]["last_settle"]
            assert (contract["bid_id"], contract["ask_id"]) == ("bob-1", "ann-1")
            assert (contract["settlement_price_buy"], contract["settlement_price_sell"]) == (0.15, 0.11)
            for agent in (ann, bob):
                await agent.says("turn", {"meter": meter(START + STEP)})
            for agent in (ann, bob):
                await agent.hears("start_round")
            await ann.says("turn", {"meter": meter(SLOT, solar=300)})
            await bob.says("turn", {"meter": meter(SLOT, need=200)})
            await ann.hears("end_simulation")

        kinds = [(row.kind, row.quantity, row.seller_id, row.buyer_id) for row in place.ledger.transactions]
        assert kinds == [("delivery", 200, "ann", "bob"), ("feed_in", 100, "ann", "grid")]


async def test_a_batch_is_answered_one_by_one() -> None:
    async with hall(["ann"]) as place, Agent(place.url, "ann") as ann:
        await first_round(place, ann)

        answer = await ann.says(
            "orders",
            [
                bid(10, side="ask"),
                bid(-1, side="bid"),
                {"side": "bid"},
                bid(10),
                "junk",
                bid(20, side="bid"),
            ],
        )

        assert answer["ok"]
        codes = [result.get("code") for result in answer["results"]]
        assert codes == [None, "bad_quantity", "bad_quantity", "malformed", "malformed", None]
        assert await ann.is_refused("orders", {"side": "bid"}) == "malformed"
        assert (await ann.says("orders", [])) == {"ok": True, "results": []}


async def test_orders_are_cancelled_and_replaced_until_the_gate() -> None:
    async with hall(["ann", "bob"]) as place:
        async with Agent(place.url, "ann") as ann, Agent(place.url, "bob") as bob:
            await first_round(place, ann, bob)
            taken = (await ann.says("ask", bid(100, 0.1)))["order_id"]
            kept = (await ann.says("ask", bid(100, 0.1)))["order_id"]

            assert await ann.says("cancel", {"order_id": taken}) == {"ok": True}
            assert await ann.is_refused("cancel", {"order_id": taken}) == "unknown_order"
            assert await bob.is_refused("cancel", {"order_id": kept}) == "unknown_order"
            change = {"order_id": kept, "quantity": 40, "price": 0.12}
            assert await ann.says("replace", change) == {"ok": True}
            assert await bob.is_refused("replace", change) == "unknown_order"
            assert await ann.is_refused("replace", change | {"quantity": 0}) == "bad_quantity"
            assert await ann.is_refused("replace", change | {"price": float("nan")}) == "bad_price"
            await bob.says("bid", bid(100, 0.2))
            await bob.says("end_turn")
            await ann.says("end_turn")

            told = await ann.hears("start_round")
            assert [(one["quantity"], one["settlement_price_sell"]) for one in told["contracts"]] == [
                (40, 0.12)
            ]
            assert await ann.is_refused("cancel", {"order_id": kept}) == "unknown_order"
            assert await ann.is_refused("replace", change) == "unknown_order"


async def test_a_turn_does_it_all_and_answers_each() -> None:
    async with hall(["ann"], rounds=2) as place, Agent(place.url, "ann") as ann:
        await first_round(place, ann)
        order_id = (await ann.says("bid", bid()))["order_id"]

        answer = await ann.says(
            "turn",
            {
                "cancel": [order_id, "nobody-1"],
                "orders": [bid(side="bid"), bid(0, side="ask"), 17],
                "meter": meter(START + 77 * STEP),
                "metrics": {"mood": 0.5},
            },
        )

        assert answer["ok"]
        assert [one.get("code") for one in answer["cancelled"]] == [None, "unknown_order"]
        assert [one.get("code") for one in answer["orders"]] == [None, "bad_quantity", "malformed"]
        assert answer["meter"]["code"] == "bad_slot"
        assert (await ann.hears("start_round"))["time"] == START + STEP
        assert await ann.says("turn") == {
            "ok": False,
            "code": "malformed",
            "detail": "Expected `object`, got `null`",
        }
        assert (await ann.says("turn", {}))["meter"] is None
        await ann.hears("end_simulation")


async def test_between_episodes_requests_are_out_of_phase_and_change_nothing() -> None:
    async with hall(["ann"], rounds=1) as place, Agent(place.url, "ann") as ann:
        for request in ("bid", "ask"):
            assert await ann.is_refused(request, bid()) == "wrong_phase"
        assert await ann.is_refused("cancel", {"order_id": "ann-1"}) == "wrong_phase"
        assert await ann.is_refused("meter_data", meter()) == "wrong_phase"
        assert await ann.is_refused("end_turn") == "wrong_phase"
        assert await ann.is_refused("turn", {"orders": [bid(side="bid")]}) == "wrong_phase"
        assert await ann.says("subscribe", {"trades": True}) == {"ok": True}


async def test_between_rounds_a_turn_changes_nothing() -> None:
    async with hall(["ann"], rounds=1) as place, Agent(place.url, "ann") as ann:
        place.conductor.pause()
        playing = place.start()
        await ann.hears("start_episode")
        assert await ann.is_refused("turn", {"orders": [bid(side="bid")]}) == "wrong_phase"
        assert await ann.is_refused("end_turn") == "wrong_phase"
        assert await ann.is_refused("meter_data", meter()) == "bad_slot"
        assert (await ann.says("bid", bid()))["order_id"] == "ann-1"  # this is allowed before the first round
        place.conductor.resume()
        await ann.hears("start_round")
        await ann.says("end_turn")
        await soon(playing)


async def test_a_turn_of_a_round_that_is_over_does_not_end_another() -> None:
    async with hall(["ann", "bob"], rounds=3) as place:
        async with Agent(place.url, "ann") as ann, Agent(place.url, "bob") as bob:
            await first_round(place, ann, bob)
            await bob.says("turn", {"meter": meter(START)})
            await ann.says("turn", {"meter": meter(START)})
            await ann.hears("start_round")

            late = await ann.says("turn", {"meter": meter(START, need=9), "orders": [bid(side="bid")]})
            assert late["meter"]["code"] == "bad_slot"
            assert late["orders"][0]["code"] == "gate_closed"
            await bob.says("turn", {"meter": meter(START + STEP)})
            assert (await ann.says("turn", {"meter": meter(START + STEP, need=5)}))["meter"] == {"ok": True}

            assert (await ann.hears("start_round"))["time"] == SLOT
            await ann.says("turn", {"meter": meter(SLOT)})
            await bob.says("turn", {"meter": meter(SLOT)})
            await bob.hears("end_simulation")
        assert [(row.kind, row.quantity) for row in place.ledger.transactions] == [("supply", 5)]


async def test_subscribers_get_market_data_without_names() -> None:
    async with hall(["ann", "bob"], rounds=2) as place:
        async with Agent(place.url, "ann") as ann, Agent(place.url, "bob") as bob:
            await first_round(place, ann, bob)
            assert await ann.says("subscribe", {"trades": True, "depth": True}) == {"ok": True}
            later = SLOT + STEP
            await ann.says("ask", bid(300, 0.11, SLOT))
            for quantity, price in ((50, 0.3), (60, 0.3), (70, 0.2)):
                await ann.says("ask", bid(quantity, price, later))
            await bob.says("bid", bid(200, 0.15, SLOT))
            await bob.says("bid", bid(10, 0.1, later))
            for agent in (ann, bob):
                await agent.says("end_turn")

            data = await ann.hears("market_data")
            assert data == {
                "time_delivery": [SLOT, SLOT + STEP],
                "trades": [{"quantity": 200, "price": 0.15, "energy_source": "solar"}],
                "depth": [
                    {
                        "time_delivery": [later, later + STEP],
                        "bids": [[0.1, 10]],
                        "asks": [[0.2, 70], [0.3, 110]],
                    }
                ],
            }
            assert not any(name in str(data) for name in ("ann", "bob"))
            for agent in (ann, bob):
                await agent.says("end_turn")
            await bob.hears("end_simulation")
            assert "market_data" not in bob.has_heard()


async def test_subscriptions_of_half_and_of_nothing() -> None:
    async with hall(["ann"], rounds=3) as place, Agent(place.url, "ann") as ann:
        await first_round(place, ann)
        await ann.says("subscribe", {"trades": True})
        await ann.says("end_turn")
        data = await ann.hears("market_data")
        assert (data["trades"], data["depth"]) == ([], None)
        assert (await ann.says("subscribe", {})) == {"ok": True}
        await ann.says("end_turn")
        await ann.hears("start_round")
        await ann.says("end_turn")
        await ann.hears("end_simulation")
        assert ann.has_heard() == []


async def test_who_comes_back_is_told_what_it_missed() -> None:
    async with hall(["ann", "bob"], rounds=3) as place:
        async with Agent(place.url, "bob") as bob:
            async with Agent(place.url, "ann") as ann:
                (told,) = await first_round(place, ann)
                await ann.says("ask", bid(300, 0.11))
                order_id = (await ann.says("ask", bid(30, 0.11, SLOT + STEP)))["order_id"]
                await ann.says("end_turn")
                await bob.says("bid", bid(200, 0.15))
            await bob.says("end_turn")
            await bob.hears("start_round")
            again = await bob.hears("start_round")

            async with Agent(place.url, "ann", last_event=told["event"]) as ann:
                joined = ann.joined
                assert joined["round"]["time"] == again["time"] == START + STEP
                assert [one["order_id"] for one in joined["open_orders"]] == [order_id]
                assert [one["quantity"] for one in joined["contracts"]] == [200]
                assert [[number, event] for number, event, _ in joined["missed"]] == [
                    [told["event"] + 1, "start_round"]
                ]
                assert joined["missed"][0][2] == joined["round"]
                assert joined["last_event"] == told["event"] + 1
            async with Agent(place.url, "ann", last_event=0) as ann:
                events = [event for _, event, _ in ann.joined["missed"]]
                assert events == ["start_episode", "start_round", "start_round"]


async def test_who_comes_late_is_told_how_the_episode_began_and_what_is_kept_of_it() -> None:
    rounds = EVENTS_KEPT + 5
    async with hall(["ann"], rounds=rounds) as place:
        async with Agent(place.url, "ann") as ann:
            place.start()
            for _ in range(rounds - 1):
                await ann.hears("start_round")
                await ann.says("end_turn")
            await ann.hears("start_round")
        async with Agent(place.url, "ann", last_event=0) as ann:
            numbers = [number for number, _, _ in ann.joined["missed"]]
            assert numbers == [1, *range(rounds + 2 - EVENTS_KEPT, rounds + 2)]
            assert ann.joined["missed"][0][1] == "start_episode"


async def test_message_pack_in_both_directions() -> None:
    async with hall(["ann"], rounds=1) as place, Agent(place.url) as ann:
        pack, unpack = msgspec.msgpack.encode, msgspec.msgpack.decode
        joined = unpack(await ann.says("join", pack({"participant_id": "ann", "encoding": "msgpack"})))
        assert joined["ok"]
        place.start()
        assert unpack(await ann.hears("start_episode"))["episode"] == 0
        assert unpack(await ann.hears("start_round"))["time"] == START
        assert unpack(await ann.says("bid", pack(bid())))["order_id"] == "ann-1"
        assert unpack(await ann.says("bid", bid()))["order_id"] == "ann-2"
        assert unpack(await ann.says("bid", b"\xc1"))["code"] == "malformed"
        assert unpack(await ann.says("join", {"participant_id": "bob", "encoding": "msgpack"}))["ok"] is False
        assert (await ann.says("join", {"participant_id": "ann"}))["ok"]
        assert await ann.says("end_turn") == {"ok": True}
        assert (await ann.hears("end_simulation"))["episode"] == 0


async def test_the_profile_is_sent_to_who_asks_for_it() -> None:
    profile = {"ann": _Profile(), "bob": _Profile()}
    async with hall(["ann", "bob"], rounds=1) as place:
        async with Agent(place.url, "ann", profile=True) as ann, Agent(place.url, "bob") as bob:
            playing = place.start(profiles=profile, parameters={"greed": 2})
            begun = await ann.hears("start_episode")
            assert begun["profile"] == {
                "start": START,
                "step": STEP,
                "load": [5, 6],
                "generation": {"solar": [7, 8]},
            }
            assert begun["parameters"] == {"greed": 2}
            assert (begun["simulation"], begun["start"], begun["rounds"]) == ("training", START, 1)
            assert begun["market"] == TERMS
            assert (await bob.hears("start_episode"))["profile"] is None
            await bob.hears("start_round")
            await ann.says("end_turn")
            await bob.says("end_turn")
            await soon(playing)


class _Profile:
    start, step = START, STEP
    load, generation = (5, 6), {"solar": (7, 8)}
