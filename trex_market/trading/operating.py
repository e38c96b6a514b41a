"""The DSO's process: it leads the time, watches its congestion points, buys flexibility and settles each day."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

from trex_market.build import Study
from trex_market.core.errors import DeliveryError
from trex_market.flexible import connection_address, operator_terms, section_of
from trex_market.programmes.flexibility.commands import FeederMetered
from trex_market.programmes.flexibility.grid_operator import GridOperator
from trex_market.programmes.flexibility.messages import ToAggregator
from trex_market.programmes.flexibility.settling import feeder_metered
from trex_market.trading.aggregating import StudyClock
from trex_market.trading.homes import Homes
from trex_market.trading.outcome import FlexibilityOutcome, outcome_of
from trex_market.trading.parties import Pace, directory_of, identity_of, settings_of
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


class OperatorProcess:
    """Trades for all days of a study.

    Args:
        study: the config's.
        keys: folder of keys.
        say: tells a person something.
        listen: "host:port" instead of the config's.
        pace: how long others are waited for.
    """

    def __init__(
        self,
        study: Study,
        keys: Path,
        say: Callable[[str], None],
        listen: str | None = None,
        pace: Pace | None = None,
    ) -> None:
        config = study.config
        section = section_of(config)
        domain = section.operator.domain
        directory = directory_of(config, keys)
        self._domains = [name for name, one in section.aggregators.items() if one.url is not None]
        spoken_for = {member for name in self._domains for member in section.aggregators[name].members}
        self._homes = Homes(study, [name for name in config.participants if name not in spoken_for])
        self._connections = {name: connection_address(domain, name) for name in config.participants}
        self._clock = StudyClock(self._homes.plan.start)
        pace = pace or Pace()
        self._service = LeadingService(
            GridOperator(operator_terms(config, str(uuid4()))),
            self._clock,
            identity_of(domain, Role.DSO, keys),
            directory,
            settings_of(directory.get(domain, Role.DSO), pace.turn_s, pace, listen),
            pace,
        )
        self._registry = None if section.registry is None or not section.registry.url else section.registry
        self._say = say
        self._metered: list[FeederMetered] = []
        self._stopped = False

    def stop(self) -> None:
        """Come to an end with the slot that is traded."""
        self._stopped = True
        self._service.hurry()

    @property
    def metered(self) -> list[FeederMetered]:
        """The loads of all points and slots that are over."""
        return self._metered

    async def run(self) -> FlexibilityOutcome:
        """Trade, and return what came of it."""
        async with self._service as service:
            self._say(f"DSO {service.identity.domain} listens at {service.url}")
            await service.guard(self._trade(service))
            return outcome_of(service.machine, self._metered, sorted(service.silent))

    async def _trade(self, service: LeadingService) -> None:
        plan, calendar = self._homes.plan, service.machine.calendar
        first_day, _ = calendar.locate(plan.start)
        await self._register(service, first_day)
        await service.until_there(self._domains)
        end = plan.start + plan.rounds * plan.step
        for time in range(plan.start, end, plan.step):
            await self._start_slot(service, time)
            await self._buy(service, calendar.locate(time)[0])
            if self._stopped:
                break
        else:
            await self._start_slot(service, end)
        self._clock.now = end + plan.step
        await service.tell_time(self._domains)

    async def _register(self, service: LeadingService, day: str) -> None:
        if self._registry is None:
            return
        try:
            await service.register(self._registry.domain, day)
        except DeliveryError as error:
            logger.warning("the congestion points were not registered: %s", error)

    async def _start_slot(self, service: LeadingService, time: int) -> None:
        """Finish the slot before, settle a day that is over, and let all say what they expect from now on."""
        self._clock.now = time
        finished = self._meter_others(service.machine)
        await service.until_ready(service.tell_time(self._domains))
        if finished is not None:
            await self._close_slot(service, finished)
        if time < self._homes.plan.start + self._homes.plan.rounds * self._homes.plan.step:
            self._homes.start(time)
            self._forecast_others(service.machine, time)

    def _meter_others(self, machine: GridOperator) -> int | None:
        """Meter what those took for whom nobody speaks; return the slot."""
        finished = self._homes.finish()
        if finished is None:
            return None
        slot, readings = finished
        period, isp = machine.calendar.locate(slot)
        for name, power in readings.items():
            machine.metered(self._connections[name], period, isp, power)
        return slot

    async def _close_slot(self, service: LeadingService, slot: int) -> None:
        """With the last slot of a day, settle it: the aggregators have sent what they metered."""
        calendar = service.machine.calendar
        period, isp = calendar.locate(slot)
        if isp < calendar.count(period):
            return
        for place in range(1, isp + 1):
            start = calendar.start_of(period, place)
            if start >= self._homes.plan.start:
                self._metered += feeder_metered(service.machine, period, place, start)
        await service.settle(period, period)

    def _forecast_others(self, machine: GridOperator, time: int) -> None:
        calendar = machine.calendar
        period, isp = calendar.locate(time)
        count = calendar.count(period)
        expected = self._homes.expected(time, count - isp + 1)
        for point in machine.terms.points:
            powers = [0] * (isp - 1)
            behind = [
                powers for name, powers in expected.items() if self._connections[name] in point.connections
            ]
            machine.forecast_others(point.address, period, [*powers, *map(sum, zip(*behind, strict=True))])

    async def _buy(self, service: LeadingService, period: str) -> None:
        """Ask at the lowest congested points, take offers, and order; those above wait."""
        waiting: set[str] = set()
        for point in service.machine.book.points:
            lacks = point.address in waiting or await self._ask(service, point.address, period)
            if lacks and point.parent is not None:
                waiting.add(point.parent)

    async def _ask(self, service: LeadingService, point: str, period: str) -> bool:
        """Ask at a point and order; return whether anything was lacking."""
        lacking = False

        async def request() -> list[tuple[str, str]]:
            nonlocal lacking
            requests = await service.request(point, period)
            lacking = bool(requests)
            return [(one.recipient, one.message_id) for one, is_accepted in requests if is_accepted]

        async def order() -> list[tuple[str, str]]:
            return [(one.recipient, one.message_id) for one in await service.order(point, period)]

        await service.until_ready(request())
        if lacking:
            await service.until_ready(order())
        return lacking
