"""The SDK's Redis mode: aggregators create themselves, select assets and send batches over channels.

There are no passwords: whoever can publish on that Redis can trade for all assets
that nobody else has. Answers to `aggregator-commands` are heard by all; so it is
the server that keeps aggregators from each other's assets.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from trex_market.core.errors import InputError, MissingExtraError, ProtocolError
from trex_market.gateway.core import Gateway
from trex_market.gateway.registrations import Aggregator
from trex_market.gateway.ticks import Batch
from trex_market.gateway.translate import malformed
from trex_market.gateway.tree import Node

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

USER = "redis"
"""Whose the aggregators are that come over Redis."""

COMMANDS = "aggregator-commands"
RESPONSES = "aggregator-response"
BATCHES = "external-aggregator/*/batch_commands"
REGISTER = "*/register_participant"
UNREGISTER = "*/unregister_participant"

ANSWERED = "/response/"
"""What channels of answers have in them."""

RETRY_S = 1.0
"""Pause before Redis is tried again, in seconds."""


def slug(name: str) -> str:
    """Return a name as channels of areas have it: "House 2" is "house-2"."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


class _Kind(msgspec.Struct):
    """What of a message decides on its channel."""

    event: str | None = None
    command: str | None = None


class RedisMode:
    """Serves aggregators over Redis.

    Args:
        gateway: what they talk to.
        url: of the Redis server.
        password: its password; None for none.

    Raises:
        MissingExtraError: without the redis client.
    """

    def __init__(self, gateway: Gateway, url: str, password: str | None = None) -> None:
        try:
            from redis.asyncio import Redis  # noqa: PLC0415 - optional
        except ImportError as error:
            raise MissingExtraError("agents over Redis", "redis") from error
        try:
            self._redis: Redis = Redis.from_url(url, password=password)
        except ValueError as error:
            raise InputError(f"gateway.gsy.redis.url: {error}") from error
        self._gateway = gateway
        self._registrations = gateway.registrations
        self._names = {
            name: node
            for node in gateway.tree.nodes.values()
            for name in {node.name, slug(node.name)}
            if node.registered
        }
        self._outgoing: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._lines: dict[str, _RedisLine] = {}
        self.listening = asyncio.Event()
        """Whether commands are heard."""

    @asynccontextmanager
    async def serving(self, ended: Callable[[asyncio.Task[None]], None]) -> AsyncIterator[None]:
        """Serve while the context lasts.

        Args:
            ended: is told when a part of it ends.
        """
        for aggregator in self._registrations.of_user(USER):
            self._attach(aggregator, "")
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._publish())]
        for task in tasks:
            task.add_done_callback(ended)
        try:
            yield
            await self._outgoing.join()
        finally:
            for line in self._lines.values():
                self._gateway.mailboxes.go(line.aggregator.uuid, line)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._redis.aclose()

    # ------------------------------------------------------------ channels

    async def _listen(self) -> None:
        """Hear commands; after a fault of the connection anew."""
        from redis.exceptions import RedisError  # noqa: PLC0415 - optional

        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.psubscribe(COMMANDS, BATCHES, REGISTER, UNREGISTER)
                    self.listening.set()
                    async for message in pubsub.listen():
                        if message["type"] == "pmessage":
                            self._hear(message["channel"].decode(errors="replace"), message["data"])
            except (RedisError, OSError) as error:
                self.listening.clear()
                logger.warning("Redis cannot be heard: %s", error)
                await asyncio.sleep(RETRY_S)

    async def _publish(self) -> None:
        from redis.exceptions import RedisError  # noqa: PLC0415 - optional

        while True:
            channel, body = await self._outgoing.get()
            try:
                await self._redis.publish(channel, body)
            except (RedisError, OSError) as error:
                logger.warning("a message for %s is lost: %s", channel, error)
            finally:
                self._outgoing.task_done()

    def send(self, channel: str, message: Mapping[str, Any]) -> None:
        """Publish a message."""
        self._outgoing.put_nowait((channel, msgspec.json.encode(message)))

    def push(self, channel: str, body: bytes) -> None:
        """Publish what is encoded already."""
        self._outgoing.put_nowait((channel, body))

    def _hear(self, channel: str, data: bytes) -> None:
        """Handle a message; one that is no good is written down and passed over."""
        if ANSWERED in channel:
            return  # patterns reach over slashes: it is an answer of ours
        self._gateway.busy()
        try:
            body = msgspec.json.decode(data)
            if not isinstance(body, dict):
                malformed("a message is an object")
            if channel == COMMANDS:
                self._command(body)
            elif channel.endswith("/batch_commands"):
                self._batch(channel.removeprefix("external-aggregator/").removesuffix("batch_commands"), body)
            else:
                name, _, what = channel.rpartition("/")
                self._register(name, what.removesuffix("_participant"), body)
        except (msgspec.DecodeError, ProtocolError, RecursionError) as error:
            logger.warning("a message on %s is refused: %s", channel[:100], error)

    # ------------------------------------------------------------ commands

    def _command(self, body: Mapping[str, Any]) -> None:
        kind, transaction_id = body.get("type"), body.get("transaction_id")
        if not isinstance(transaction_id, str):
            malformed("there is no transaction_id")
        base: dict[str, Any] = {"transaction_id": transaction_id}
        if kind == "CREATE":
            self._create(body.get("name"), base)
            return
        aggregator = self._registrations.find(body.get("aggregator_uuid"))
        node = self._gateway.tree.find(str(body.get("device_uuid")))
        base = {
            **base,
            "aggregator_uuid": body.get("aggregator_uuid"),
            "device_uuid": body.get("device_uuid"),
        }
        if aggregator is None or aggregator.user != USER:
            self._refuse(base, "there is no such aggregator")
        elif kind == "DELETE":
            self._gateway.forget(aggregator)
            line = self._lines.pop(aggregator.uuid, None)
            if line is not None:
                self._gateway.mailboxes.go(aggregator.uuid, line)
            self.send(RESPONSES, {**base, "status": "deleted"})
        elif node is None or not node.registered:
            self._refuse(base, "there is no such asset or area")
        elif kind == "SELECT":
            self._select(aggregator, node, base)
        elif kind == "UNSELECT":
            self._gateway.unselect(aggregator, node)
            self.send(RESPONSES, {**base, "status": "UNSELECTED"})
        else:
            self._refuse(base, f"there are CREATE, DELETE, SELECT and UNSELECT, found {kind!r:.40}")

    def _create(self, name: object, base: Mapping[str, Any]) -> None:
        transaction_id = base["transaction_id"]
        if not isinstance(name, str) or not 0 < len(name) <= 200 or self._registrations.find(transaction_id):
            self.send(RESPONSES, {**base, "status": "error", "aggregator_uuid": transaction_id})
            return
        aggregator = self._registrations.create(name, USER, uuid=transaction_id)
        self._attach(aggregator, "")
        self.send(RESPONSES, {**base, "status": "ready", "name": name})

    def _attach(self, aggregator: Aggregator, configuration: str) -> None:
        line = self._lines[aggregator.uuid] = _RedisLine(self, aggregator, configuration)
        self._gateway.mailboxes.come(aggregator.uuid, line)

    def _select(self, aggregator: Aggregator, node: Node, base: Mapping[str, Any]) -> None:
        try:
            self._gateway.select(aggregator, node)
        except ProtocolError as error:
            self._refuse(base, error.detail)
            return
        self.send(RESPONSES, {**base, "status": "SELECTED"})

    def _refuse(self, base: Mapping[str, Any], detail: str) -> None:
        self.send(RESPONSES, {**base, "status": "error", "msg": detail})

    def _batch(self, configuration: str, body: Mapping[str, Any]) -> None:
        aggregator = self._registrations.find(body.get("aggregator_uuid"))
        transaction_id = body.get("transaction_id")
        line = None if aggregator is None else self._lines.get(aggregator.uuid)
        if aggregator is None or line is None or not isinstance(transaction_id, str):
            malformed("a batch needs a transaction_id, and the aggregator_uuid of one that was created")
        line.configuration = configuration.rstrip("/")
        self._gateway.ticker.add(Batch(aggregator, transaction_id, body.get("batch_commands")))

    def _register(self, name: str, what: str, body: Mapping[str, Any]) -> None:
        node = self._names.get(name)
        answer: dict[str, Any] = {"command": what, "transaction_id": body.get("transaction_id")}
        channel = f"{name}/response/{what}_participant"
        if node is None:
            detail = f"there is no asset or area {name!r:.80}"
            self.send(channel, {**answer, "status": "error", "error_message": detail})
            return
        self._registrations.register(node.uuid, registered=what == "register")
        done = {f"{what}ed": True, "response": "success", "device_uuid": node.uuid}
        self.send(channel, {**answer, "status": "ready", **done})


class _RedisLine:
    """An aggregator that listens on channels.

    Args:
        mode: publishes.
        aggregator: who listens.
        configuration: what the SDK calls the market in channels; "" in its local mode.
    """

    def __init__(self, mode: RedisMode, aggregator: Aggregator, configuration: str) -> None:
        self._mode = mode
        self.aggregator = aggregator
        self.configuration = configuration

    def push(self, message: bytes) -> None:
        """Publish a message on the channel of its kind."""
        kind = msgspec.json.decode(message, type=_Kind)
        if kind.event in ("selected_by_device", "unselected_by_device"):
            return  # that is told on another channel
        base = f"external-aggregator/{self.configuration}/{self.aggregator.uuid}"
        what = "events/all" if kind.event is not None else f"response/{kind.command}"
        self._mode.push(f"{base}/{what}", message)
