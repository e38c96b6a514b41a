"""One party on the network: what every role does with messages that come and go.

For each kind of message that a role is sent there is a pair of methods:
`pre_process_...` says inside of the request whether it is accepted, and is not
async: nothing comes between two messages. `process_...` does what follows, outside
of the request, in order for each sender. Roles have them in `roles`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar
from uuid import uuid4

import msgspec

from trex_market.core.errors import DeliveryError, InputError, ProtocolError, RefusalCode
from trex_market.programmes.flexibility.reasons import Reason
from trex_market.throttle import Bucket, Rate, Recent
from trex_market.uftp.checks import Letter, objection, open_letter, stamp, time_of
from trex_market.uftp.courier import Courier, Patience
from trex_market.uftp.crew import Crew
from trex_market.uftp.directory import Directory, Party, Role
from trex_market.uftp.entrance import Entrance, EntranceSettings
from trex_market.uftp.inboxes import Inboxes
from trex_market.uftp.library import NAMES, uftp
from trex_market.uftp.memory import KeptMessage, Memory
from trex_market.uftp.reading import read_message, write_xml
from trex_market.uftp.replay import Earlier, ReplayGuard, digest
from trex_market.uftp.responses import (
    ACCEPTED,
    Verdict,
    answered_id,
    question_id,
    rejected,
    response_to,
)
from trex_market.uftp.sealing import Identity, read_envelope, seal

logger = logging.getLogger(__name__)

VERSION = "3.1.0"

Result = TypeVar("Result")


class ServiceSettings(msgspec.Struct, frozen=True):
    """How a service behaves.

    Args:
        entrance: where messages come in.
        patience: how long is waited for others.
        skew_s: how old, or how far ahead, a message may be by our clock; None for any, in simulated time.
            Others send a message again for an hour.
        inbox: most messages of one sender that wait to be processed.
        rate: of the messages of one sender, whatever addresses they come from.
        closing_s: how long a service that stops finishes what it has taken, and delivers.
    """

    entrance: EntranceSettings = EntranceSettings()
    patience: Patience = Patience()
    skew_s: float | None = 3_900.0
    inbox: int = 1_000
    rate: Rate = Rate(per_second=100.0, burst=1_000)
    closing_s: float = 5.0


class _Question(msgspec.Struct):
    """A message of ours that is not answered yet."""

    kind: type
    party: Party
    answer: asyncio.Future[Any]


class Service:
    """A party on the network, while its context lasts.

    Args:
        identity: who we are.
        directory: all others.
        settings: how it behaves.
        clock: tells the market's time, UNIX seconds; time stamps are its.
        memory: where is kept what must not be forgotten with a restart; None to forget it.

    Raises:
        InputError: if it holds what cannot be read.
    """

    role: ClassVar[Role]

    def __init__(
        self,
        identity: Identity,
        directory: Directory,
        settings: ServiceSettings | None = None,
        clock: Callable[[], float] = time.time,
        memory: Memory | None = None,
    ) -> None:
        if identity.role is not self.role:
            raise InputError(f"a {self.role} cannot be {identity.role} {identity.domain}")
        self.identity = identity
        self.directory = directory
        self.clock = clock
        self._settings = settings or ServiceSettings()
        self._guard = ReplayGuard(self._settings.skew_s or 3_600.0, time.monotonic)
        self._rates: Recent[Bucket] = Recent(lambda: Bucket(self._settings.rate))
        self._entrance = Entrance(self._settings.entrance, self._take)
        self._courier = Courier(self._settings.patience)
        self._questions: dict[str, _Question] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._memory = memory
        for message in () if memory is None else memory.messages():
            answer = None if message.answer is None else read_message(message.answer.encode())
            earlier = Earlier(message.digest, 0.0, answer)
            self._guard.restore(message.sender, message.message_id, earlier, message.left_s)

    def state(self) -> msgspec.Struct | None:
        """Return what must not be forgotten with a restart, besides which messages were there."""
        return None

    def _keep(self) -> None:
        """Keep what must not be forgotten, before anything goes out that follows of it."""
        if self._memory is None:
            return
        messages = (
            KeptMessage(
                sender,
                message_id,
                earlier.digest,
                left_s,
                None if earlier.answer is None else write_xml(earlier.answer).decode(),
            )
            for sender, message_id, earlier, left_s in self._guard.remaining()
        )
        self._memory.write(self.state(), messages)

    # ------------------------------------------------------------ life

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            InputError: if that is not possible.
        """
        self._crew = Crew()
        self._inboxes = Inboxes(self._crew, self._settings.inbox)
        await self._courier.open()
        try:
            await self._entrance.open()
        except InputError:
            await self._courier.close()
            raise
        logger.info("%s %s listens at %s", self.role, self.identity.domain, self.url)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take nothing more, finish what was taken, and hang up."""
        await self._entrance.close()
        try:
            if kind is None:
                await self._crew.guard(self._finish())
        finally:
            try:
                await self._crew.close()
            finally:
                await self._courier.close()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start some work that ends with the service; a fault in it is one of the service."""
        self._crew.start(work)

    async def guard(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do some work; a fault in what messages make stops it, and is raised here."""
        return await self._crew.guard(work)

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(self._settings.closing_s):
                await self._inboxes.finish()
                if self._errands:
                    await asyncio.wait(set(self._errands))
        except TimeoutError:
            logger.warning("%d messages were not delivered", len(self._errands))

    @property
    def url(self) -> str:
        """Where messages are sent to."""
        return self._entrance.url

    # ------------------------------------------------------------ what goes out

    async def send(self, message: Any, party: Party) -> Any:
        """Send a message, and return it as it was sent once it is there.

        Args:
            message: the library's; it stays as it is, and may be sent to others as well.
            party: whom to.

        Raises:
            DeliveryError: if it does not get there.
        """
        ready = self._addressed(message, party)
        self._expect(ready, party)
        await self._courier.deliver(self._sealed(ready), party)
        return ready

    def send_soon(self, message: Any, party: Party) -> None:
        """Send a message without waiting until it is there; one that does not get there is logged."""
        ready = self._addressed(message, party)
        self._expect(ready, party)
        self._keep()
        self._errand(ready, party)

    async def ask(self, message: Any, party: Party) -> Any:
        """Send a message and return the response to it, accepted or rejected.

        Args:
            message: the library's, of a kind that is answered.
            party: whom to.

        Raises:
            DeliveryError: if it does not get there, or nobody answers in time.
        """
        ready = self._addressed(message, party)
        question = self._expect(ready, party)
        if question is None:
            raise InputError(f"nobody answers a {type(message).__name__}")
        await self._courier.deliver(self._sealed(ready), party)
        try:
            async with asyncio.timeout(self._settings.patience.answer_s):
                return await asyncio.shield(question.answer)
        except TimeoutError:
            waited = f"{self._settings.patience.answer_s:g} s"
            raise DeliveryError(
                f"{party} did not answer {NAMES[type(message)]} {ready.message_id} within {waited}"
            ) from None

    def _sealed(self, message: Any) -> bytes:
        """Return a message that goes out, in its envelope."""
        self._keep()
        return seal(message, self.identity)

    def _addressed(self, message: Any, party: Party) -> Any:
        """Return a message with its header filled, and leave the given one as it is."""
        return replace(
            message,
            version=message.version or VERSION,
            sender_domain=self.identity.domain,
            recipient_domain=party.domain,
            time_stamp=message.time_stamp or stamp(self.clock()),
            message_id=message.message_id or str(uuid4()),
            conversation_id=message.conversation_id or str(uuid4()),
        )

    def _expect(self, message: Any, party: Party) -> _Question | None:
        """Remember a message, so that its response is known when it comes."""
        if type(message) not in uftp.request_response_map:
            return None
        loop = asyncio.get_running_loop()
        kind = uftp.request_response_map[type(message)]
        question = _Question(kind, party, loop.create_future())
        key = question_id(message)
        self._questions[key] = question
        patience = self._settings.patience
        loop.call_later(patience.deadline_s + patience.answer_s, self._questions.pop, key, None)
        return question

    # ------------------------------------------------------------ what comes in

    def _take(self, document: bytes) -> None:
        """Take a body of HTTP.

        Raises:
            ProtocolError: if it is no message that can be trusted, or there are too many.
        """
        letter = open_letter(read_envelope(document), self.directory)
        sender = str(letter.party)
        if not self._rates.of(sender).take():
            raise ProtocolError(RefusalCode.RATE_LIMITED, f"too many messages of {sender}; later again")
        if self._guard.is_full or self._inboxes.is_full(sender) or self._courier.is_full(letter.party):
            raise ProtocolError(RefusalCode.RATE_LIMITED, "too many messages at the moment; later again")
        age_s = self.clock() - time_of(letter.message.time_stamp)
        reason = objection(letter, self.identity.domain, self.role, age_s, self._settings.skew_s)
        if reason is not None:
            self._answer(letter, rejected(reason))
            return
        message_id = letter.message.message_id
        earlier = self._guard.find(sender, message_id)
        if earlier is not None:
            if earlier.digest != digest(letter.document):
                self._answer(letter, rejected(Reason.DUPLICATE_IDENTIFIER))
            elif earlier.answer is not None:
                logger.info("%s %s: %s", sender, message_id, Reason.ALREADY_SUBMITTED)
                self._keep()  # it may not have been possible when it came first
                self._errand(earlier.answer, letter.party)
            return
        verdict = self._judge(letter)
        response = self._response(letter, verdict)
        self._guard.remember(sender, message_id, letter.document).answer = response
        self._keep()
        if response is not None:
            self._errand(response, letter.party)
        if verdict.accepted:
            name = _method(type(letter.message))
            work = partial(getattr(self, f"process_{name}"), letter.message, letter.party)
            self._inboxes.put(sender, f"{NAMES[type(letter.message)]} of {sender}", work)

    def _judge(self, letter: Letter) -> Verdict:
        message, party = letter.message, letter.party
        if type(message) in _RESPONSES:
            question = self._questions.get(answered_id(message))
            if question is None or question.party is not party or type(message) is not question.kind:
                return rejected(f"Unknown {NAMES[type(message)]} reference")
        verdict: Verdict = getattr(self, f"pre_process_{_method(type(message))}")(message, party)
        if type(message) in _RESPONSES and verdict.accepted:
            answer = self._questions.pop(answered_id(message)).answer
            if not answer.done():
                answer.set_result(message)
        return verdict

    def _answer(self, letter: Letter, verdict: Verdict) -> None:
        """Send the response to a message, if it is of a kind that has one."""
        response = self._response(letter, verdict)
        if response is not None:
            self._errand(response, letter.party)

    def _response(self, letter: Letter, verdict: Verdict) -> Any:
        """Return the response to a message; None if it is of a kind that has none."""
        message, party = letter.message, letter.party
        if not verdict.accepted:
            logger.warning(
                "rejected %s %s of %s: %s",
                NAMES[type(message)],
                message.message_id,
                party,
                "; ".join(verdict.reasons),
            )
        if type(message) not in uftp.request_response_map:
            return None
        return self._addressed(response_to(message, verdict), party)

    def _errand(self, message: Any, party: Party) -> None:
        """Send a message without waiting for it."""
        task = self._crew.start(self._run_errand(seal(message, self.identity), party))
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _run_errand(self, document: bytes, party: Party) -> None:
        try:
            await self._courier.deliver(document, party)
        except DeliveryError as error:
            logger.warning("a message was not delivered: %s", error)

    # ------------------------------------------------------------ what every role is sent

    def pre_process_test_message(self, message: Any, sender: Party) -> Verdict:
        """Say whether a test message is accepted."""
        return ACCEPTED

    async def process_test_message(self, message: Any, sender: Party) -> None:
        """Do what follows of a test message."""

    def pre_process_test_message_response(self, message: Any, sender: Party) -> Verdict:
        """Say whether the response to a test message is taken."""
        return ACCEPTED

    async def process_test_message_response(self, message: Any, sender: Party) -> None:
        """Do what follows of the response to a test message."""


_RESPONSES = frozenset(uftp.request_response_map.values())


def _method(kind: type) -> str:
    """Return how the methods for a kind of message end: `FlexOffer` -> "flex_offer"."""
    return re.sub(r"(.)([A-Z][a-z])", r"\1_\2", kind.__name__).lower()
