"""The DSO's service: it leads the time, and waits for its aggregators."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Iterable
from typing import Any
from uuid import uuid4

from trex_market.core.errors import DeliveryError
from trex_market.programmes.flexibility.grid_operator import GridOperator
from trex_market.programmes.flexibility.messages import ToAggregator
from trex_market.trading.aggregating import StudyClock
from trex_market.trading.parties import Pace
from trex_market.uftp.directory import Directory, Party, Role
from trex_market.uftp.dso import GridOperatorService
from trex_market.uftp.library import uftp
from trex_market.uftp.responses import ACCEPTED, Verdict, reasons_of
from trex_market.uftp.sealing import Identity
from trex_market.uftp.service import ServiceSettings, logger
from trex_market.uftp.to_wire import to_wire


class LeadingService(GridOperatorService):
    """A DSO that says how late it is, and waits until its aggregators are ready.

    Args:
        machine: the DSO.
        clock: the study's time.
        identity: who it is.
        directory: all others.
        settings: of the service.
        pace: how long others are waited for.
    """

    def __init__(
        self,
        machine: GridOperator,
        clock: StudyClock,
        identity: Identity,
        directory: Directory,
        settings: ServiceSettings,
        pace: Pace,
    ) -> None:
        super().__init__(machine, identity, directory, settings, clock)
        self._pace = pace
        self._there: set[str] = set()
        self._done: set[str] = set()
        self.silent: set[str] = set()
        """Aggregators that are not waited for, until they speak."""
        self._hurries = False

    def pre_process_test_message(self, message: Any, sender: Party) -> Verdict:
        """Hear that an aggregator is there, and has done what follows of what it was sent."""
        if sender.role is Role.AGR:
            self._there.add(sender.domain)
            self._done.add(message.conversation_id.lower())
            self.silent.discard(sender.domain)
            self.changes.tell()
        return ACCEPTED

    def hurry(self) -> None:
        """Wait for nobody any more."""
        self._hurries = True
        self.changes.tell()

    async def until_there(self, domains: Iterable[str]) -> None:
        """Wait until aggregators have spoken for the first time."""
        wanted = set(domains)
        if not await self.changes.until(lambda: self._hurries or wanted <= self._there, self._pace.start_s):
            self._give_up(wanted - self._there)

    async def until_ready(self, work: Awaitable[Collection[tuple[str, str]]]) -> None:
        """Send something, and wait until those whom it concerns have done what follows of it.

        Args:
            work: sends it, and returns domain and id of each message that was accepted.
        """
        self._done.clear()
        sent = await work

        def late() -> set[str]:
            return {domain for domain, message_id in sent if message_id not in self._done} - self.silent

        if not await self.changes.until(lambda: self._hurries or not late(), self._pace.turn_s):
            self._give_up(late())

    def _give_up(self, domains: Iterable[str]) -> None:
        for domain in sorted(domains):
            logger.warning("%s is silent, and is not waited for any more", domain)
            self.silent.add(domain)

    async def tell_time(self, domains: Iterable[str]) -> list[tuple[str, str]]:
        """Tell aggregators how late it is; of those that are silent, nobody waits for an answer.

        Returns:
            domain and message id for each that has heard it.
        """
        heard = await asyncio.gather(*(self._tell_time(domain) for domain in domains))
        return [found for found in heard if found is not None]

    async def _tell_time(self, domain: str) -> tuple[str, str] | None:
        message = uftp.TestMessage(message_id=str(uuid4()))
        answer = await self._ask_patiently(message, domain)
        return None if answer is None else (domain, message.message_id)

    async def _ask(self, message: ToAggregator) -> Any:
        """Send a message and return its response; None if there was none."""
        response = await self._ask_patiently(to_wire(message), message.recipient)
        if response is not None and (reasons := reasons_of(response)):
            logger.warning(
                "%s rejected %s: %s", message.recipient, type(message).__name__, "; ".join(reasons)
            )
        return response

    async def _ask_patiently(self, message: Any, domain: str) -> Any:
        """Ask an aggregator once; whoever is silent is told all the same, but not waited for."""
        client = self.agr_client(domain)
        if domain in self.silent:
            self.send_soon(message, client.party)
            return None
        try:
            return await client.ask(message)
        except DeliveryError as error:
            logger.warning("%s", error)
            self._give_up([domain])
            return None
