"""How much a participant may ask for in real time, whatever the rounds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import START, STEP
from tests.server.helpers import Agent, bid, hall, meter
from tests.shell_helpers import study
from trex_market.config import load_config
from trex_market.core.errors import ProtocolError
from trex_market.server.desk import Limits
from trex_market.serving import server_settings
from trex_market.throttle import Rate

SLOW = Limits(rate=Rate(per_second=1e-9, burst=5))


def codes(results: list[dict[str, Any]]) -> list[str | None]:
    return [result.get("code") for result in results]


async def test_orders_of_all_kinds_count() -> None:
    async with hall(["ann"], limits=SLOW) as place, Agent(place.url, "ann") as ann:
        place.start()
        await ann.hears("start_round")
        orders = [bid(side="bid") for _ in range(3)]
        answer = await ann.says("orders", orders)  # one, and three in it
        assert codes(answer["results"]) == [None] * 3
        assert (await ann.says("cancel", {"order_id": "ann-1"}))["ok"]
        for event, data in (
            ("bid", bid()),
            ("meter_data", meter()),
            ("subscribe", {}),
            ("cancel", {"order_id": "ann-2"}),
        ):
            assert await ann.is_refused(event, data) == "rate_limited"


async def test_a_turn_can_always_be_ended_but_only_once_a_round() -> None:
    async with hall(["ann"], rounds=3, limits=SLOW) as place, Agent(place.url, "ann") as ann:
        place.start()
        await ann.hears("start_round")
        too_many = {
            "orders": [bid(side="bid") for _ in range(4)],
            "cancel": ["x", "y"],
            "meter": meter(need=100),
        }
        answer = await ann.says("turn", too_many)
        assert codes(answer["cancelled"]) == ["unknown_order"] * 2
        assert codes(answer["orders"]) == [None, None, None, "rate_limited"]
        assert answer["meter"]["ok"], "the reading is always taken"
        await ann.hears("start_round")
        assert (await ann.says("turn", {"meter": meter(START + STEP)}))["meter"]["ok"]


async def test_ending_a_turn_again_and_again_counts() -> None:
    async with (
        hall(["ann", "bob"], limits=SLOW) as place,
        Agent(place.url, "ann") as ann,
        Agent(place.url, "bob"),
    ):
        place.start()
        await ann.hears("start_round")
        answers = [await ann.says("end_turn") for _ in range(7)]
        assert codes(answers) == [None] * 6 + ["rate_limited"]
        assert await ann.is_refused("turn", {}) == "rate_limited"


async def test_who_connects_again_has_no_more() -> None:
    limits = Limits(rate=SLOW.rate, takes_over=True)
    async with hall(["ann", "bob"], limits=limits) as place, Agent(place.url, "bob") as bob:
        for _ in range(3):
            async with Agent(place.url, "ann") as ann:
                found = Counter([await ann.is_refused("bid", bid()) for _ in range(4)])
        assert found == {"rate_limited": 4}
        assert await bob.is_refused("bid", bid()) == "wrong_phase", "others are not concerned"


async def test_readings_that_come_another_way_count_as_well() -> None:
    async with hall(["ann"], limits=SLOW) as place, Agent(place.url, "ann") as ann:
        for _ in range(5):
            place.server.desk.check_rate("ann")
        with pytest.raises(ProtocolError, match="more than 5 requests at once, or 1e-09 a second"):
            place.server.desk.check_rate("ann")
        assert await ann.is_refused("bid", bid()) == "rate_limited"


def test_the_config_says_how_much_in_real_time_and_simulations_have_no_such_limit(tmp_path: Path) -> None:
    overrides: dict[str, object] = {"server.max_requests_per_second": 2, "server.request_burst": 7}
    path = study(tmp_path)
    limits = server_settings(load_config(path, overrides | {"market.mode": "realtime"}), None).limits
    assert limits.rate == Rate(2.0, 7)
    assert server_settings(load_config(path, overrides), None).limits.rate is None
    usual = server_settings(load_config(path, {"market.mode": "realtime"}), None).limits
    assert usual.rate == Rate(50.0, 1_000)
    assert usual.connections_per_address == 1_000
    fewer = load_config(path, {"server.max_connections_per_address": 3})
    assert server_settings(fewer, None).limits.connections_per_address == 3
