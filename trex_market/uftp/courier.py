"""Takes messages to other parties: in order for each of them, over connections that stay, again and again until it is there.

A message that came back for good (400, 401, ...) or is not there in time raises
`DeliveryError`. What is sent again is the very same document, so that the other
side can tell that it had it already.
"""

from __future__ import annotations

import asyncio
import logging

import aiohttp
import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from trex_market.core.errors import DeliveryError
from trex_market.uftp.directory import Party

logger = logging.getLogger(__name__)

KEEP_ALIVE_S = 4.0
"""Connections rest no longer: some servers close them after five seconds, just when they are used again."""

TEMPORARY = frozenset({404, 408, 419, 425, 429})
"""Answers after which a message is sent again, besides those of 500 and more."""

MAX_TOLD = 500
"""Bytes of an answer that are read: it says why a message was not taken."""


class Patience(msgspec.Struct, frozen=True):
    """How long is waited, in seconds.

    Args:
        attempt_s: for one attempt.
        deadline_s: for all attempts together; the specification asks for an hour.
        longest_pause_s: between two of them.
        answer_s: for the other side's answer, from when the message is there.
        waiting: most messages for one party that wait at one time.
    """

    attempt_s: float = 30.0
    deadline_s: float = 3_600.0
    longest_pause_s: float = 60.0
    answer_s: float = 60.0
    waiting: int = 1_000


class _NotNowError(Exception):
    """A message is to be sent again."""


class _Lane:
    """The way to one party."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()  # first come, first served
        self.waiting = 0
        self.is_cut = False


class Courier:
    """Takes messages to other parties, while its context lasts.

    Args:
        patience: how long is waited.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._lanes: dict[str, _Lane] = {}
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Get ready."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE_S),
            timeout=aiohttp.ClientTimeout(total=self._patience.attempt_s),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Hang up."""
        if self._session is not None:
            await self._session.close()

    def is_full(self, party: Party) -> bool:
        """Say whether no further message for a party can wait."""
        return self._lane(party).waiting >= self._patience.waiting

    async def deliver(self, document: bytes, party: Party) -> None:
        """Take a message there.

        Args:
            document: in its envelope.
            party: whom to.

        Raises:
            DeliveryError: if it is refused for good, not there in time, or too many wait.
        """
        lane = self._lane(party)
        if self.is_full(party):
            raise DeliveryError(f"{self._patience.waiting} messages for {party} wait already")
        lane.waiting += 1
        try:
            async with asyncio.timeout(self._patience.deadline_s), lane.turn:
                await self._insist(document, party, lane)
        except TimeoutError:
            detail = f"{party} at {party.url} could not be reached within {self._patience.deadline_s:g} s"
            raise DeliveryError(detail) from None
        finally:
            lane.waiting -= 1

    def _lane(self, party: Party) -> _Lane:
        return self._lanes.setdefault(str(party), _Lane())

    async def _insist(self, document: bytes, party: Party, lane: _Lane) -> None:
        def tell(state: RetryCallState) -> None:
            if not lane.is_cut:  # once, however long it lasts
                lane.is_cut = True
                error = state.outcome.exception() if state.outcome else None
                logger.warning("%s at %s cannot be reached: %s", party, party.url, error)

        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(_NotNowError),
            wait=wait_random_exponential(multiplier=0.1, max=self._patience.longest_pause_s),
            before_sleep=tell,
        ):
            with attempt:
                await self._post(document, party)
        if lane.is_cut:
            lane.is_cut = False
            logger.info("%s at %s can be reached again", party, party.url)

    async def _post(self, document: bytes, party: Party) -> None:
        assert self._session is not None, "deliver before open"
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        try:
            async with self._session.post(
                party.url, data=document, headers=headers, allow_redirects=False
            ) as answer:
                if answer.status == 200:
                    return
                told = (await answer.content.read(MAX_TOLD)).decode(errors="replace")
                found = f"{party} at {party.url} answered {answer.status}: {told}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _NotNowError(str(error) or type(error).__name__) from None
        if answer.status in TEMPORARY or answer.status >= 500:
            raise _NotNowError(found)
        raise DeliveryError(found)
