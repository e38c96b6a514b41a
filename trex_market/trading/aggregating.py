"""An aggregator's process: it plays its members, sends prognoses and offers, and passes orders on to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from trex_market.build import Study
from trex_market.core.errors import DeliveryError
from trex_market.flexible import aggregator_terms, calendar_of, section_of
from trex_market.programmes.flexibility.aggregator import Aggregator
from trex_market.programmes.flexibility.dividing import divided, wanted_of
from trex_market.programmes.flexibility.isps import powers_by_isp
from trex_market.programmes.flexibility.messages import FlexRequest, FlexSettlement
from trex_market.programmes.flexibility.payments import Parties, Payment, member_payments
from trex_market.trading.homes import Homes
from trex_market.trading.parties import Pace, directory_of, identity_of, market_url, parties_to, settings_of
from trex_market.trading.paying import Payout, hand_on
from trex_market.uftp.agr import AggregatorService
from trex_market.uftp.checks import time_of
from trex_market.uftp.directory import Directory, Party, Role
from trex_market.uftp.from_wire import from_wire
from trex_market.uftp.library import uftp
from trex_market.uftp.responses import ACCEPTED, Verdict, rejected
from trex_market.uftp.sealing import Identity
from trex_market.uftp.service import ServiceSettings, logger


class StudyClock:
    """The study's time, as far as it has come."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return it, UNIX seconds."""
        return self.now


class MemberService(AggregatorService):
    """An aggregator that plays its members, at the pace of its DSO.

    Args:
        machine: the aggregator.
        homes: its members.
        parties: who is paid for its orders.
        market: URL of the market in which its members trade.
        pace: how long others are waited for.
        clock: the study's time.
        identity: who it is.
        directory: all others.
        settings: of the service.
    """

    def __init__(
        self,
        machine: Aggregator,
        homes: Homes,
        parties: Parties,
        market: str,
        pace: Pace,
        clock: StudyClock,
        identity: Identity,
        directory: Directory,
        settings: ServiceSettings,
    ) -> None:
        super().__init__(machine, identity, directory, settings, clock)
        self._homes = homes
        self._parties = parties
        self._names = parties.members
        self._connections = {name: connection for connection, name in parties.members.items()}
        self._market = market
        self._pace = pace
        self._study_clock = clock
        self._joined = False
        self._end = homes.plan.start + homes.plan.rounds * homes.plan.step
        self.finished = asyncio.Event()
        """Is set when the DSO has said that all is over."""

    # ------------------------------------------------------------ the time

    def pre_process_test_message(self, message: Any, sender: Party) -> Verdict:
        """Let the DSO, and nobody else, say how late it is."""
        if sender.role is not Role.DSO:
            return ACCEPTED
        time = int(time_of(message.time_stamp))
        if time < self._study_clock.now:
            return rejected("Invalid Message")
        self._study_clock.now = time
        return ACCEPTED

    async def process_test_message(self, message: Any, sender: Party) -> None:
        """Do what is due at that time."""
        if sender.role is not Role.DSO:
            return
        await self._go_to(int(time_of(message.time_stamp)))
        if not self.finished.is_set():
            await self.tell_ready(message)

    async def tell_ready(self, message: Any = None) -> None:
        """Tell the DSO that all was done that follows of a message of its own.

        Args:
            message: which one; None to say that one is there.
        """
        concerned = None if message is None else message.message_id
        try:
            client = self.dso_client(self.machine.terms.operator)
            await client.send(uftp.TestMessage(conversation_id=concerned))
        except DeliveryError as error:
            logger.warning("%s", error)

    async def _go_to(self, time: int) -> None:
        if time > self._end:
            self.finished.set()
            return
        if not self._joined:
            self._joined = True
            for client in self._homes.clients(self._market):
                self.start(client)
        if time < self._homes.plan.start:
            return
        # Less than the DSO waits for us: whoever of them is late is left out.
        await self._homes.until(time, self._pace.turn_s / 2)
        await self._finish_slot(time - self._homes.plan.step)
        self.machine.cannot()
        if time == self._end:
            return
        period, isp = self.machine.calendar.locate(time)
        slots = self.machine.calendar.count(period) - isp + 1
        for name, powers in self._homes.expected(time, slots).items():
            for place, power in enumerate(powers, isp):
                self.machine.expect(self._connections[name], period, place, power)
        await self._forecast_changes(period)

    async def _finish_slot(self, slot: int) -> None:
        """Meter the slot that is over; with the last one of a day, tell what all took."""
        if slot < self._homes.plan.start:
            return
        period, isp = self.machine.calendar.locate(slot)
        for name, power in self._homes.metered(slot).items():
            self.machine.metered(self._connections[name], period, isp, power)
        if isp == self.machine.calendar.count(period):
            await self.meter(period)

    async def _forecast_changes(self, period: str) -> None:
        """Send a prognosis for each point for which the one in force is none any more."""
        state = self.machine.state()
        for point in self.machine.terms.connections:
            accepted = state.accepted.get(point, {}).get(period)
            told = state.prognoses.get(accepted or "")
            if told is None or list(told.values()) != self.machine.powers(point, period):
                await self.forecast(point, period)

    # ------------------------------------------------------------ requests and orders

    async def process_flex_request(self, message: Any, sender: Party) -> None:
        """Ask the members what they could do, and offer that."""
        self._ask_members(self.machine.state().requests[message.message_id.lower()])
        await super().process_flex_request(message, sender)
        await self.tell_ready(message)

    def _ask_members(self, request: FlexRequest) -> None:
        """Divide what is requested among the members that can change anything, by their power."""
        calendar = self.machine.calendar
        here = self.machine.terms.connections[request.congestion_point]
        powers = {self._connections[name]: power for name, power in self._homes.powers().items()}
        able = {connection: powers.get(connection, 0) for connection in here}
        for connection, isps in divided(wanted_of(request), able, calendar.duration).items():
            slots = {calendar.start_of(request.period, isp): energy for isp, energy in isps.items()}
            for slot, power in self._homes.bearable(self._names[connection], slots).items():
                self.machine.can(connection, *calendar.locate(slot), power)

    async def process_flex_order(self, message: Any, sender: Party) -> None:
        """Pass an order on to the members, and tell what they are going to take now."""
        calendar, period = self.machine.calendar, str(message.period)
        own = self.machine.orders()[message.order_reference]
        for connection in own.parts:
            for isp in powers_by_isp(own.order.isps):
                power = self.machine.activation(connection, period, isp)
                self._homes.activate(self._names[connection], calendar.start_of(period, isp), power)
        await super().process_flex_order(message, sender)
        await self.tell_ready(message)

    # ------------------------------------------------------------ settlements

    async def process_flex_settlement(self, message: Any, sender: Party) -> None:
        """Hand on to the members what orders came to, in the ledger of their market."""
        machine = self.machine
        settlement: Any = from_wire(message, {}, machine.terms.time_zone)
        payout = Payout(settlement.period_start, tuple(self._handed_on(settlement)))
        try:
            await hand_on(payout, self.identity, self._market, self._pace.turn_s)
        except DeliveryError as error:
            logger.warning("%s", error)

    def _handed_on(self, settlement: FlexSettlement) -> Iterator[Payment]:
        machine = self.machine
        own, meters = machine.orders(), machine.state().meters
        for item in settlement.orders:
            order = own.get(item.order_reference)
            if order is not None:
                yield from member_payments(
                    item, order, self._parties, meters, machine.terms.penalty, machine.calendar
                )


class AggregatorProcess:
    """Speaks for its members until the DSO says that all is over, or it is stopped.

    Args:
        study: the config's.
        domain: of the aggregator.
        keys: folder of keys.
        say: tells a person something.
        listen: "host:port" instead of the config's.
        pace: how long others are waited for.
    """

    def __init__(
        self,
        study: Study,
        domain: str,
        keys: Path,
        say: Callable[[str], None],
        listen: str | None = None,
        pace: Pace | None = None,
    ) -> None:
        config, pace = study.config, pace or Pace()
        # Ids of messages are new with each start: others remember those of before.
        terms = aggregator_terms(config, domain, str(uuid4()))
        section = section_of(config)
        directory = directory_of(config, keys)
        homes = Homes(study, section.aggregators[domain].members)
        self._service = MemberService(
            Aggregator(terms),
            homes,
            parties_to(config, domain),
            market_url(config),
            pace,
            StudyClock(homes.plan.start - homes.plan.step),
            identity_of(domain, Role.AGR, keys),
            directory,
            settings_of(directory.get(domain, Role.AGR), pace.start_s, pace, listen),
        )
        self._first_day, _ = calendar_of(config).locate(homes.plan.start)
        self._registry = None if section.registry is None or not section.registry.url else section.registry
        self._say = say

    def stop(self) -> None:
        """Come to an end."""
        self._service.finished.set()

    async def run(self) -> None:
        """Trade until all is over."""
        async with self._service as service:
            self._say(f"AGR {service.identity.domain} listens at {service.url}")
            await service.guard(self._trade(service))

    async def _trade(self, service: MemberService) -> None:
        service.start(self._greet(service))
        await service.finished.wait()

    async def _greet(self, service: MemberService) -> None:
        if self._registry is not None:
            try:
                await service.register(self._registry.domain, self._first_day)
            except DeliveryError as error:
                logger.warning("the connections were not registered: %s", error)
        await service.tell_ready()
