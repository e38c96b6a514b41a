"""Meters over MQTT: the same reports as over HTTP, each participant's on a topic of its own.

The broker says who may write to which topic; whose report it is, the topic says. The answer goes to the
topic `answer` below it. A connection that is lost is made anew; a report that cannot be read changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from types import ModuleType
from typing import TYPE_CHECKING

import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from trex_market.core.errors import InputError, MissingExtraError, ProtocolError, RefusalCode
from trex_market.protocol import wire
from trex_market.server.audit import Audit, Visitor
from trex_market.server.desk import refusal
from trex_market.server.meters import MAX_BODY_BYTES, Meters

if TYPE_CHECKING:
    import aiomqtt

logger = logging.getLogger(__name__)

QUEUE = 10_000
"""So many messages wait to be looked at; what comes then is lost, and its sender gets no answer."""

ANSWERS_AT_ONCE = 32
"""So many answers wait for the journal or the broker; meanwhile no further report is taken."""

REST_S = 1.0
"""How long a connection that was lost stays so."""

LONGEST_WAIT_S = 60.0


class MqttSettings(msgspec.Struct, frozen=True):
    """Where the broker is, and who the market is there.

    Args:
        host: name or address.
        port: 1 to 65535.
        topic: of a participant's reports; `{market_id}` and `{participant_id}` stand for the ids.
        username: None for nobody.
        password: None for none.
        tls: whether the connection is encrypted.
        ca_file: of the authority that signed the broker's certificate; None for those that the machine trusts.
    """

    host: str
    port: int
    topic: str
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: str | None = None


class MqttMeters:
    """Takes meters' reports from a broker.

    Args:
        settings: where it is.
        market_id: of the market.
        meters: handles reports.
        audit: takes refusals.

    Raises:
        MissingExtraError: if aiomqtt is not installed.
        InputError: if the authority's file cannot be read.
    """

    def __init__(self, settings: MqttSettings, market_id: str, meters: Meters, audit: Audit) -> None:
        self._library = _library()
        self._settings = settings
        self._meters = meters
        self._audit = audit
        self._context = _tls_context(settings)
        before, after = settings.topic.replace("{market_id}", market_id).split("{participant_id}")
        self._wildcard = f"{before}+{after}"
        self._pattern = re.compile(f"{re.escape(before)}([^/]+){re.escape(after)}")
        self.trouble: str | None = None
        """Why no reports come; None if all is well."""
        self.listening = asyncio.Event()
        """Is set while they can come."""

    async def run(self) -> None:
        """Take reports until cancelled."""
        while True:
            async for attempt in AsyncRetrying(
                # UnicodeError: a host that is no name
                retry=retry_if_exception_type((self._library.MqttError, UnicodeError)),
                wait=wait_random_exponential(max=LONGEST_WAIT_S),
                before_sleep=self._tell,
            ):
                with attempt:
                    await self._connect()
            await asyncio.sleep(REST_S)

    def _tell(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._is_lost(f"cannot be reached: {error}")

    def _is_lost(self, why: str) -> None:
        self.listening.clear()
        told = self.trouble is not None
        self.trouble = f"the MQTT broker at {self._settings.host}:{self._settings.port} {why}"
        if not told:
            logger.warning(self.trouble)

    async def _connect(self) -> None:
        """Connect, and take reports until the connection is lost.

        Raises:
            MqttError: if there is no connection.
        """
        settings = self._settings
        client: aiomqtt.Client = self._library.Client(
            settings.host,
            settings.port,
            username=settings.username,
            password=settings.password,
            tls_context=self._context,
            max_queued_incoming_messages=QUEUE,
        )
        client.pending_calls_threshold = ANSWERS_AT_ONCE
        async with client:
            granted = await client.subscribe(self._wildcard, qos=1)
            if any(getattr(code, "is_failure", False) for code in granted):
                raise self._library.MqttError(f"it does not let the market read {self._wildcard}")
            self.trouble = None
            self.listening.set()
            logger.info("meters report to %s at %s:%d", self._wildcard, settings.host, settings.port)
            try:
                await self._listen(client)
            except* self._library.MqttError as lost:
                self._is_lost(f"is gone: {lost.exceptions[0]}")

    async def _listen(self, client: aiomqtt.Client) -> None:
        free = asyncio.Semaphore(ANSWERS_AT_ONCE)
        async with asyncio.TaskGroup() as answering:
            async for message in client.messages:
                # Taken in the order in which they come; many answers wait for one sync of the journal.
                answer = self._take(message)
                if answer is not None:
                    await free.acquire()
                    answering.create_task(self._answer(client, message, answer, free))

    def _take(self, message: aiomqtt.Message) -> wire.Result | None:
        """Take a report and return the answer; None if it is nobody's."""
        topic = message.topic.value
        match = self._pattern.fullmatch(topic)
        if match is None:
            return None
        participant_id, body = match.group(1), message.payload
        try:
            if len(body) > MAX_BODY_BYTES:
                detail = f"a report may have {MAX_BODY_BYTES} bytes, found {len(body)}"
                raise ProtocolError(RefusalCode.MALFORMED, detail)
            self._meters.sender(body, participant_id)
            return self._meters.take(participant_id, body, is_fresh=not message.retain)
        except ProtocolError as error:
            known = error.code is not RefusalCode.UNKNOWN_PARTICIPANT
            visitor = Visitor(self._settings.host, participant_id, known=known)
            self._audit.refused(visitor, f"MQTT {topic}", error)
            return refusal(error)

    async def _answer(
        self, client: aiomqtt.Client, message: aiomqtt.Message, answer: wire.Result, free: asyncio.Semaphore
    ) -> None:
        """Send an answer, when what it acknowledges is safe."""
        try:
            try:
                await self._meters.safe()
            except ProtocolError as error:
                answer = refusal(error)
            await client.publish(
                f"{message.topic.value}/answer", msgspec.json.encode(answer), qos=message.qos
            )
        except self._library.MqttError as error:
            logger.debug("an answer could not be sent: %s", error)
        finally:
            free.release()


def _library() -> ModuleType:
    try:
        import aiomqtt  # noqa: PLC0415 - optional
    except ImportError:
        raise MissingExtraError("taking meters' reports over MQTT", "mqtt") from None
    return aiomqtt


def _tls_context(settings: MqttSettings) -> ssl.SSLContext | None:
    if not settings.tls:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise InputError(f"server.mqtt.ca_file: {settings.ca_file} cannot be read: {error}") from error
