"""Our DSO: the pure machine `GridOperator` on the network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from xsdata.models.datatype import XmlDate

from trex_market.core.errors import DeliveryError
from trex_market.programmes.flexibility.grid_operator import GridOperator
from trex_market.programmes.flexibility.messages import (
    CongestionPoint,
    FlexOrder,
    FlexRequest,
    IspPower,
    OrderVerdict,
    ToAggregator,
)
from trex_market.uftp.answers import answer_of
from trex_market.uftp.changes import Changes
from trex_market.uftp.directory import Directory, Party
from trex_market.uftp.from_wire import from_wire, meter_number, metering_rejections
from trex_market.uftp.library import uftp
from trex_market.uftp.machines import asked, judged, learnt
from trex_market.uftp.memory import Memory
from trex_market.uftp.responses import Verdict, reasons_of, rejected
from trex_market.uftp.roles import DsoService
from trex_market.uftp.sealing import Identity
from trex_market.uftp.service import ServiceSettings


class GridOperatorService(DsoService):
    """A DSO that does what its machine says.

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
        machine: GridOperator,
        identity: Identity,
        directory: Directory,
        settings: ServiceSettings | None = None,
        clock: Callable[[], float] = time.time,
        memory: Memory | None = None,
    ) -> None:
        super().__init__(identity, directory, settings, clock, memory)
        self.machine = machine
        self.changes = Changes()
        """Is told of every message that was accepted."""
        self._meters = {
            meter_number(connection): connection
            for point in machine.terms.points
            for connection in point.connections
        }

    def state(self) -> msgspec.Struct:
        """Return what the machine knows."""
        return self.machine.state()

    # ------------------------------------------------------------ what comes in

    def pre_process_d_prognosis(self, message: Any, sender: Party) -> Verdict:
        """Judge what an aggregator's connections are going to take."""
        return self._judge_it(message)

    def pre_process_flex_offer(self, message: Any, sender: Party) -> Verdict:
        """Judge an offer."""
        return self._judge_it(message)

    def pre_process_flex_offer_revocation(self, message: Any, sender: Party) -> Verdict:
        """Judge an offer that is taken back."""
        return self._judge_it(message)

    def pre_process_metering(self, message: Any, sender: Party) -> Verdict:
        """Judge what a connection took."""
        wrong = metering_rejections(message)
        return rejected(*(rejection.text for rejection in wrong)) if wrong else self._judge_it(message)

    def pre_process_flex_request_response(self, message: Any, sender: Party) -> Verdict:
        """Take the response to a request."""
        return self._learn(message)

    def pre_process_flex_order_response(self, message: Any, sender: Party) -> Verdict:
        """Take the response to an order."""
        return self._learn(message)

    def pre_process_flex_reservation_update_response(self, message: Any, sender: Party) -> Verdict:
        """Take the response to a reservation update."""
        return self._learn(message)

    def pre_process_flex_settlement_response(self, message: Any, sender: Party) -> Verdict:
        """Take what an aggregator says of a settlement."""
        return self._learn(message)

    def _judge_it(self, message: Any) -> Verdict:
        known: Any = from_wire(message, self._meters, self.machine.terms.time_zone)
        return judged(self.machine, known, int(self.clock()), self.changes)

    def _learn(self, message: Any) -> Verdict:
        return learnt(self.machine, message, int(self.clock()), self.changes)

    # ------------------------------------------------------------ what goes out

    async def register(self, cro: str, since: str) -> None:
        """Register the congestion points with a CRO, and compare who is active there with what we know.

        Args:
            cro: domain.
            since: the first day, "yyyy-mm-dd".

        Raises:
            DeliveryError: if the CRO cannot be reached, or refuses.
        """
        client = self.cro_client(cro)
        points = [_portfolio(point, XmlDate.from_string(since)) for point in self.machine.terms.points]
        zone = self.machine.terms.time_zone
        _check(await client.ask(uftp.DsoPortfolioUpdate(congestion_points=points, time_zone=zone)), cro)

    async def active_at(self, cro: str, point: str, period: str) -> dict[str, str | None]:
        """Ask a CRO who speaks for the connections at a congestion point.

        Args:
            cro: domain.
            point: entity address.
            period: the day.

        Returns:
            entity address of a connection -> domain of its aggregator, None for nobody.

        Raises:
            DeliveryError: if the CRO cannot be reached, or refuses.
        """
        query = uftp.DsoPortfolioQuery(
            time_zone=self.machine.terms.time_zone,
            period=XmlDate.from_string(period),
            entity_address=point,
        )
        answer = _check(await self.cro_client(cro).ask(query), cro)
        connections = answer.congestion_point.connections if answer.congestion_point else []
        return {connection.entity_address: connection.agr_domain for connection in connections}

    async def request(self, point: str, period: str) -> list[tuple[FlexRequest, bool]]:
        """Ask all aggregators at a point for the flexibility that it lacks on a day.

        Returns:
            the requests, and whether each was accepted; none if nothing is lacking.
        """
        requests: list[FlexRequest] = self.machine.requests(point, period, int(self.clock()))
        answers = await asyncio.gather(*(self._ask(request) for request in requests))
        return [
            (request, answer is not None and not reasons_of(answer))
            for request, answer in zip(requests, answers, strict=True)
        ]

    async def order(self, point: str, period: str) -> list[FlexOrder]:
        """Order what is worth it of the offers for a point and a day.

        Returns:
            the orders that were accepted; what came of the others the machine knows.
        """
        orders: list[FlexOrder] = self.machine.orders(point, period, int(self.clock()))
        answers = await asyncio.gather(*(self._ask(order) for order in orders))
        return [
            order
            for order, answer in zip(orders, answers, strict=True)
            if answer is not None and not reasons_of(answer)
        ]

    async def release(self, contract_id: str, period: str, isps: tuple[IspPower, ...]) -> bool:
        """Tell an aggregator what of a reservation stays reserved; return whether it accepted that."""
        update = self.machine.release(contract_id, period, isps, int(self.clock()))
        answer = await self._ask(update)
        return answer is not None and not reasons_of(answer)

    async def settle(self, period_start: str, period_end: str) -> dict[str, Sequence[OrderVerdict]]:
        """Settle the orders of some days with all aggregators.

        Returns:
            domain -> what it says of its orders; those that could not be reached are left out.
        """
        verdicts: dict[str, Sequence[OrderVerdict]] = {}
        domains = {domain for point in self.machine.terms.points for domain in point.aggregators()}
        for domain in sorted(domains):
            settlement = self.machine.settle(domain, period_start, period_end, int(self.clock()))
            answer = None if settlement is None else await self._ask(settlement)
            if answer is not None:
                verdicts[domain] = answer_of(answer).verdicts
        return verdicts

    async def _ask(self, message: ToAggregator) -> Any:
        """Send a message and return its response; None if there was none, which is logged."""
        return await asked(self.agr_client(message.recipient), message)


def _portfolio(point: CongestionPoint, since: XmlDate) -> Any:
    return uftp.DsoPortfolioUpdateCongestionPoint(
        entity_address=point.address,
        start_period=since,
        mutex_offers_supported=point.mutex_offers,
        day_ahead_redispatch_by=uftp.RedispatchBy.AGR,
        intraday_redispatch_by=uftp.RedispatchBy.AGR,
        connections=[
            uftp.DsoPortfolioUpdateConnection(entity_address=connection, start_period=since)
            for connection in point.connections
        ],
    )


def _check(response: Any, cro: str) -> Any:
    if reasons := reasons_of(response):
        raise DeliveryError(f"CRO {cro} refused: {'; '.join(reasons)}")
    return response
