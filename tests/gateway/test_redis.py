"""Agents over a real Redis."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.gateway.redis_server import redis_server
from tests.gateway.serving import served
from trex_market.core.errors import InputError

redis = pytest.importorskip("redis.asyncio")

pytestmark = pytest.mark.slow

WITHIN_S = 60.0


class Agent:
    """An aggregator in the SDK's Redis mode: publishes, and subscribes with patterns.

    Args:
        url: of the Redis.
    """

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url)
        self._pubsub = self._redis.pubsub()
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._more = asyncio.Condition()
        self.uuid = ""

    @asynccontextmanager
    async def listening(self, *patterns: str) -> AsyncIterator[Agent]:
        await self._pubsub.psubscribe("aggregator-response", *patterns)
        task = asyncio.create_task(self._listen())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._pubsub.aclose()
            await self._redis.aclose()

    async def _listen(self) -> None:
        async for message in self._pubsub.listen():
            if message["type"] == "pmessage":
                async with self._more:
                    self.heard.append((message["channel"].decode(), json.loads(message["data"])))
                    self._more.notify_all()

    async def follow(self) -> None:
        """Hear events and batch answers from now on."""
        base = f"external-aggregator//{self.uuid}"
        await self._pubsub.psubscribe(f"{base}/events/all", f"{base}/response/batch_commands")

    async def says(self, channel: str, **body: Any) -> str:
        transaction_id = str(uuid4())
        await self._redis.publish(channel, json.dumps({"transaction_id": transaction_id, **body}))
        return transaction_id

    async def says_until_heard(self, channel: str, answer: str, **body: Any) -> dict[str, Any]:
        """Say something again and again until it is answered: nobody listens before the market does."""
        for _ in range(200):
            transaction_id = await self.says(channel, **body)
            try:
                async with asyncio.timeout(0.3):
                    return await self.hears(answer, transaction_id)
            except TimeoutError:
                continue
        raise AssertionError(f"nobody answers on {channel}")

    async def hears(self, channel: str, transaction_id: str) -> dict[str, Any]:
        return await self.hears_any(
            lambda where, body: where == channel and body.get("transaction_id") == transaction_id
        )

    async def hears_any(self, wanted: Any) -> dict[str, Any]:
        async with asyncio.timeout(WITHIN_S), self._more:
            while True:
                for where, body in self.heard:
                    if wanted(where, body):
                        return body
                await self._more.wait()

    async def asks(self, channel: str, **body: Any) -> dict[str, Any]:
        return await self.hears("aggregator-response", await self.says(channel, **body))


async def test_an_aggregator_over_redis(tmp_path: Path) -> None:
    with redis_server(tmp_path) as port:
        url = f"redis://127.0.0.1:{port}"
        with served(
            tmp_path, gateway__gsy__redis={"url": url}, gateway__gsy__tick_s=0.06, study__days=0.0625
        ) as market:
            async with Agent(url).listening("*/response/register_participant") as agent:
                created = await agent.says_until_heard(
                    "aggregator-commands", "aggregator-response", type="CREATE", name="redis"
                )
                assert (created["status"], created["name"]) == ("ready", "redis")
                agent.uuid = created["transaction_id"]
                await agent.follow()
                await _select(agent)
                requests = await _trade(agent)
            market.wait()
    assert requests
    with sqlite3.connect(market.database) as database:
        bids = database.execute("SELECT COUNT(*) FROM contracts WHERE bid_id LIKE '%.load'").fetchone()
    assert bids[0] > 0


async def _select(agent: Agent) -> None:
    for name, channel in (("Load 1", "Load 1"), ("PV 2", "PV 2"), ("House 2", "house-2")):
        transaction_id = await agent.says(f"{channel}/register_participant", name=name)
        registered = await agent.hears(f"{channel}/response/register_participant", transaction_id)
        assert registered["registered"] is True
        answer = await agent.asks(
            "aggregator-commands",
            type="SELECT",
            aggregator_uuid=agent.uuid,
            device_uuid=registered["device_uuid"],
        )
        assert answer["status"] == "SELECTED"
    for changes in (
        {"device_uuid": "nothing"},
        {"type": "DANCE", "device_uuid": registered["device_uuid"]},
        {"aggregator_uuid": "nobody", "device_uuid": registered["device_uuid"]},
    ):
        wrong = {"type": "SELECT", "aggregator_uuid": agent.uuid, **changes}
        answer = await agent.asks("aggregator-commands", **wrong)
        assert answer["status"] == "error"
        assert answer["msg"]
    another = await agent.asks("aggregator-commands", type="CREATE", name="another")
    answer = await agent.asks(
        "aggregator-commands",
        type="SELECT",
        aggregator_uuid=another["transaction_id"],
        device_uuid=registered["device_uuid"],
    )
    assert answer["status"] == "error"
    transaction_id = await agent.says("nothing/register_participant", name="nothing")
    assert (await agent.hears("nothing/response/register_participant", transaction_id))["status"] == "error"


async def _trade(agent: Agent) -> list[str]:
    """Bid and offer in each slot, until it is over."""
    sent: list[str] = []
    seen: set[str] = set()
    while True:
        event = await agent.hears_any(
            lambda _where, body: (
                body.get("event") == "finish"
                or (body.get("event") == "market" and body["market_slot"] not in seen)
            )
        )
        if event["event"] == "finish":
            return sent
        seen.add(event["market_slot"])
        batch: dict[str, list[dict[str, Any]]] = {}

        def walk(nodes: dict[str, Any], batch: dict[str, list[dict[str, Any]]]) -> None:
            for uuid, node in nodes.items():
                info = node.get("asset_info", {})
                if info.get("energy_requirement_kWh"):
                    energy = info["energy_requirement_kWh"]
                    batch[uuid] = [{"type": "bid", "energy": energy, "price": 29 * energy}]
                if info.get("available_energy_kWh"):
                    energy = info["available_energy_kWh"]
                    batch[uuid] = [{"type": "offer", "energy": energy, "price": 9 * energy}]
                walk(node.get("children", {}), batch)

        walk(event["grid_tree"], batch)
        transaction_id = await agent.says(
            "external-aggregator//batch_commands",
            type="BATCHED",
            aggregator_uuid=agent.uuid,
            batch_commands=batch,
        )
        answer = await agent.hears(
            f"external-aggregator//{agent.uuid}/response/batch_commands", transaction_id
        )
        for responses in answer["responses"].values():
            assert {response["status"] for response in responses} == {"ready"}, responses
        sent.append(transaction_id)


async def test_nonsense_over_redis_stops_nothing(tmp_path: Path) -> None:
    with redis_server(tmp_path) as port:
        url = f"redis://127.0.0.1:{port}"
        with served(tmp_path, gateway__gsy__redis={"url": url}):
            async with Agent(url).listening() as agent:
                await agent.says_until_heard(
                    "aggregator-commands", "aggregator-response", type="CREATE", name="a"
                )
                for channel in (
                    "aggregator-commands",
                    "external-aggregator//batch_commands",
                    "x/register_participant",
                ):
                    for body in ("{", "[]", "[" * 20_000, "{}", '{"type": 7, "transaction_id": 7}'):
                        await agent._redis.publish(channel, body)
                answer = await agent.asks("aggregator-commands", type="CREATE", name="still there")
                assert answer["status"] == "ready"


async def test_a_redis_that_comes_later(tmp_path: Path) -> None:
    from tests.gateway.serving import free_port

    port = free_port()
    url = f"redis://127.0.0.1:{port}"
    with served(tmp_path, gateway__gsy__redis={"url": url}) as market:
        with redis_server(tmp_path, port):
            async with Agent(url).listening() as agent:
                answer = await agent.says_until_heard(
                    "aggregator-commands", "aggregator-response", type="CREATE", name="late"
                )
                assert answer["status"] == "ready"
        assert market.process.poll() is None


def test_an_address_that_is_none() -> None:
    from trex_market.gateway.redis_mode import RedisMode, slug

    with pytest.raises(InputError, match=r"gateway\.gsy\.redis\.url"):
        RedisMode(object(), "http://localhost")  # type: ignore[arg-type]
    assert slug("House 2") == "house-2"
