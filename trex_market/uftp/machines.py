"""What our DSO and our AGR have in common: a pure machine judges what comes, and learns what others say."""

from __future__ import annotations

from typing import Any, Protocol

from trex_market.core.errors import DeliveryError
from trex_market.programmes.flexibility.messages import Answer, Sent
from trex_market.uftp.answers import answer_of, verdict_of
from trex_market.uftp.changes import Changes
from trex_market.uftp.clients import Client
from trex_market.uftp.responses import ACCEPTED, Verdict, reasons_of
from trex_market.uftp.service import logger
from trex_market.uftp.to_wire import to_wire


class Machine(Protocol):
    """A side of the trade: `GridOperator` or `Aggregator`."""

    def receive(self, message: Any, time: int) -> Answer:
        """Take a message, or reject it."""

    def answered(self, answer: Answer, time: int) -> None:
        """Hear what the other side says of one of ours."""


def judged(machine: Machine, message: Any, time: int, changes: Changes) -> Verdict:
    """Let a machine take or reject a message, and tell of the change if it took it.

    Args:
        machine: whose it is.
        message: as the machine knows it, see `from_wire`.
        time: the market's, UNIX seconds.
        changes: are told.
    """
    answer = machine.receive(message, time)
    for rejection in answer.rejections:
        logger.info("%s: %s", rejection.text, rejection.detail)
    if answer.accepted:
        changes.tell()
    return verdict_of(answer)


def learnt(machine: Machine, response: Any, time: int, changes: Changes) -> Verdict:
    """Let a machine hear a response to a message of its own, and tell of the change."""
    machine.answered(answer_of(response), time)
    changes.tell()
    return ACCEPTED


async def asked(client: Client, message: Sent) -> Any:
    """Send a machine's message and return the response; None if there was none, which is logged."""
    try:
        response = await client.ask(to_wire(message))
    except DeliveryError as error:
        logger.warning("%s", error)
        return None
    if reasons := reasons_of(response):
        logger.warning("%s rejected %s: %s", message.recipient, type(message).__name__, "; ".join(reasons))
    return response
