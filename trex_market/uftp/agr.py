"""Our AGR: the pure machine `Aggregator` on the network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
from xsdata.models.datatype import XmlDate

from trex_market.core.errors import DeliveryError
from trex_market.programmes.flexibility.aggregator import Aggregator
from trex_market.programmes.flexibility.messages import ToOperator
from trex_market.uftp.changes import Changes
from trex_market.uftp.directory import Directory, Party
from trex_market.uftp.from_wire import from_wire
from trex_market.uftp.library import uftp
from trex_market.uftp.machines import asked, judged, learnt
from trex_market.uftp.memory import Memory
from trex_market.uftp.responses import Verdict, reasons_of
from trex_market.uftp.roles import AgrService
from trex_market.uftp.sealing import Identity
from trex_market.uftp.service import ServiceSettings


class AggregatorService(AgrService):
    """An aggregator that does what its machine says.

    It answers a request with the machine's offers, and an order with a new prognosis.

    Args:
        machine: judges messages, and makes those that are sent.
        identity: its domain is that of the machine.
        directory: all others.
        settings: of the service.
        clock: tells the market's time, UNIX seconds.
        memory: where is kept what must not be forgotten with a restart; the machine has its state of it.
    """

    def __init__(
        self,
        machine: Aggregator,
        identity: Identity,
        directory: Directory,
        settings: ServiceSettings | None = None,
        clock: Callable[[], float] = time.time,
        memory: Memory | None = None,
    ) -> None:
        super().__init__(identity, directory, settings, clock, memory)
        self.machine = machine
        self.changes = Changes()
        """Is told of every message that was accepted, and of what followed of it."""

    def state(self) -> msgspec.Struct:
        """Return what the machine knows."""
        return self.machine.state()

    # ------------------------------------------------------------ what comes in

    def pre_process_flex_request(self, message: Any, sender: Party) -> Verdict:
        """Judge a request."""
        return self._judge_it(message)

    def pre_process_flex_order(self, message: Any, sender: Party) -> Verdict:
        """Judge an order."""
        return self._judge_it(message)

    def pre_process_flex_reservation_update(self, message: Any, sender: Party) -> Verdict:
        """Judge what stays reserved."""
        return self._judge_it(message)

    def pre_process_flex_settlement(self, message: Any, sender: Party) -> Verdict:
        """Compare what orders came to with what we know."""
        return self._judge_it(message)

    def pre_process_d_prognosis_response(self, message: Any, sender: Party) -> Verdict:
        """Take the response to a prognosis."""
        return self._learn(message)

    def pre_process_flex_offer_response(self, message: Any, sender: Party) -> Verdict:
        """Take the response to an offer."""
        return self._learn(message)

    def pre_process_flex_offer_revocation_response(self, message: Any, sender: Party) -> Verdict:
        """Take the response to a revocation."""
        return self._learn(message)

    def pre_process_metering_response(self, message: Any, sender: Party) -> Verdict:
        """Take the response to metered values."""
        return self._learn(message)

    def _judge_it(self, message: Any) -> Verdict:
        known: Any = from_wire(message, {}, self.machine.terms.time_zone)
        return judged(self.machine, known, int(self.clock()), self.changes)

    def _learn(self, message: Any) -> Verdict:
        return learnt(self.machine, message, int(self.clock()), self.changes)

    async def process_flex_request(self, message: Any, sender: Party) -> None:
        """Offer what the members could change."""
        for offer in self.machine.offers(message.message_id.lower(), int(self.clock())):
            await self._ask(offer)
        self.changes.tell()

    async def process_flex_order(self, message: Any, sender: Party) -> None:
        """Tell what the members are going to take now."""
        await self.forecast(message.congestion_point, str(message.period))

    # ------------------------------------------------------------ what goes out

    async def register(self, cro: str, since: str) -> None:
        """Register the connections with a CRO.

        Args:
            cro: domain.
            since: the first day, "yyyy-mm-dd".

        Raises:
            DeliveryError: if the CRO cannot be reached, or refuses.
        """
        connections = [
            uftp.AgrPortfolioUpdateConnection(entity_address=name, start_period=XmlDate.from_string(since))
            for names in self.machine.terms.connections.values()
            for name in names
        ]
        update = uftp.AgrPortfolioUpdate(connections=connections, time_zone=self.machine.terms.time_zone)
        response = await self.cro_client(cro).ask(update)
        if reasons := reasons_of(response):
            raise DeliveryError(f"CRO {cro} refused: {'; '.join(reasons)}")

    async def points_of(self, cro: str, period: str) -> dict[str, tuple[str, ...]]:
        """Ask a CRO at which congestion points we have connections.

        Args:
            cro: domain.
            period: the day.

        Returns:
            entity address of a point -> those of our connections there; none if there is no such point.

        Raises:
            DeliveryError: if the CRO cannot be reached.
        """
        zone = self.machine.terms.time_zone
        query = uftp.AgrPortfolioQuery(time_zone=zone, period=XmlDate.from_string(period))
        response = await self.cro_client(cro).ask(query)
        if reasons_of(response):
            return {}
        return {
            point.entity_address: tuple(connection.entity_address for connection in point.connections)
            for view in response.dso_views
            for portfolio in view.dso_portfolios
            for point in portfolio.congestion_points
        }

    async def forecast(self, point: str, period: str) -> bool:
        """Tell what the members at a point are going to take on a day; return whether that was accepted."""
        response = await self._ask(self.machine.prognosis(point, period, int(self.clock())))
        self.changes.tell()
        return response is not None and not reasons_of(response)

    async def revoke(self, offer_id: str) -> bool:
        """Take an offer back; return whether that was accepted."""
        response = await self._ask(self.machine.revoke(offer_id, int(self.clock())))
        return response is not None and not reasons_of(response)

    async def meter(self, period: str) -> int:
        """Tell what each connection took on a day; return how many of these messages were accepted."""
        messages = self.machine.meterings(period, int(self.clock()))
        responses = await asyncio.gather(*(self._ask(message) for message in messages))
        return sum(response is not None and not reasons_of(response) for response in responses)

    async def _ask(self, message: ToOperator) -> Any:
        """Send a message and return its response; None if there was none, which is logged."""
        return await asked(self.dso_client(message.recipient), message)
