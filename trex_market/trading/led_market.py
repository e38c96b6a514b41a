"""The one market of a day over UFTP: rounds over sockets, in which the DSO and its aggregators trade as well.

Between the start of a round and its announcement the aggregators are told the
time and send prognoses, and the DSO asks and orders; so homes act on what was
sold. When the last slot of a day was delivered, the day is settled from the
market's own meter readings, and all payments go to the market's ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence

from trex_market.core.messages import MeterAccepted
from trex_market.engine import Engine, Outbox
from trex_market.programmes.flexibility.commands import FeederMetered, FlexibilitySettled
from trex_market.programmes.flexibility.ledger import FlexBook
from trex_market.programmes.flexibility.messages import FlexSettlement, OrderVerdict
from trex_market.programmes.flexibility.payments import (
    Parties,
    Payment,
    member_shares,
    operator_payments,
)
from trex_market.programmes.flexibility.records import HeldOrder
from trex_market.programmes.flexibility.settling import feeder_metered
from trex_market.rounds import EpisodePlan
from trex_market.server.conductor import Conductor
from trex_market.trading.aggregating import StudyClock
from trex_market.trading.homes import Homes, power_of
from trex_market.trading.leading import LeadingService
from trex_market.trading.parties import Pace
from trex_market.trading.paying import PayDesk, objection
from trex_market.uftp.service import logger


class LedMarket:
    """Plays rounds at the DSO's pace; a `simulation.run.Driver`.

    Args:
        conductor: of the market's server.
        service: the DSO on the network.
        homes: those for whom nobody speaks, played in this process.
        parties: aggregator -> who is paid for its orders.
        connections: participant id -> entity address of its connection, of all.
        clock: the study's time.
        desk: takes what aggregators hand on.
        pace: how long others are waited for.
    """

    def __init__(
        self,
        conductor: Conductor,
        service: LeadingService,
        homes: Homes,
        parties: Mapping[str, Parties],
        connections: Mapping[str, str],
        clock: StudyClock,
        desk: PayDesk,
        pace: Pace,
    ) -> None:
        self._conductor = conductor
        self._service = service
        self._homes = homes
        self._parties = parties
        self._connections = connections
        self._clock = clock
        self._desk = desk
        self._pace = pace
        self._told: int | None = None
        self._readings: dict[int, dict[str, int]] = {}
        self.metered: list[FeederMetered] = []
        """The loads of all points and slots that are over."""
        conductor.prepare = self._trade

    # ------------------------------------------------------------ a driver

    async def begin(self, plan: EpisodePlan, engine: Engine) -> None:
        """Have all homes join, and open the market."""
        self._plan, self._engine = plan, engine
        self._heard: Outbox = engine.listen()
        before = plan.start - plan.step
        await asyncio.gather(self._tell(before), self._conductor.begin(plan, engine))

    async def play(self, time: int) -> None:
        """Play the round that starts at a moment, and settle a day that is over with it."""
        await self._conductor.play(time)
        machine = self._service.machine
        period, isp = machine.calendar.locate(time)
        self._read_meters(time)
        loads = tuple(feeder_metered(machine, period, isp, time))
        self.metered += loads
        self._engine.submit(FlexBook(loads))
        if isp == machine.calendar.count(period):
            await self._settle(period, time + self._plan.step)

    async def end(self, plan: EpisodePlan) -> None:
        """End the episode with all homes."""
        await self._conductor.end(plan)

    def metrics(self) -> Iterator[tuple[str, str, float]]:
        """Return what homes measured in the last round: id, name, value."""
        return self._conductor.metrics()

    async def finish(self) -> None:
        """Tell homes and aggregators that all is over."""
        await self._conductor.finish()

    # ------------------------------------------------------------ a round

    async def _tell(self, time: int) -> None:
        """Tell the aggregators how late it is, once, and wait until they have done what follows."""
        if self._told == time:
            return
        self._told = self._clock.now = time
        await self._service.until_ready(self._service.tell_time(self._parties))

    async def _trade(self, time: int) -> None:
        """Let all say what they expect from now on, and buy what is lacking."""
        await self._tell(time)
        await self._homes.until(time, self._pace.turn_s)
        self._forecast_others(time)
        waiting: set[str] = set()
        period, _ = self._service.machine.calendar.locate(time)
        # At the lowest congested points; those above wait.
        for point in self._service.machine.book.points:
            lacks = point.address in waiting or await self._buy(point.address, period)
            if lacks and point.parent is not None:
                waiting.add(point.parent)

    async def _buy(self, point: str, period: str) -> bool:
        """Ask at a point, take offers, and order; return whether anything was lacking."""
        lacking = False
        service = self._service

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

    def _forecast_others(self, time: int) -> None:
        machine = self._service.machine
        period, isp = machine.calendar.locate(time)
        count = machine.calendar.count(period)
        expected = self._homes.expected(time, count - isp + 1)
        for point in machine.terms.points:
            behind = [
                powers for name, powers in expected.items() if self._connections[name] in point.connections
            ]
            others = [sum(powers) for powers in zip(*behind, strict=True)] or [0] * (count - isp + 1)
            machine.forecast_others(point.address, period, [*[0] * (isp - 1), *others])

    def _read_meters(self, slot: int) -> None:
        """Take the market's readings of a slot."""
        readings = {
            event.participant_id: power_of(event.meter, self._plan.step)
            for event in self._heard.take()
            if isinstance(event, MeterAccepted) and event.meter.slot_start == slot
        }
        self._readings[slot] = readings
        self._tell_machine(slot, readings)

    def _tell_machine(self, slot: int, readings: Mapping[str, int]) -> None:
        machine = self._service.machine
        period, isp = machine.calendar.locate(slot)
        for name, power in readings.items():
            machine.metered(self._connections[name], period, isp, power)

    # ------------------------------------------------------------ a settlement

    async def _settle(self, period: str, time: int) -> None:
        """Settle a day, and book what is paid for it."""
        service = self._service
        await self._tell(time)
        # What aggregators have metered, the market knows better.
        for slot, readings in self._readings.items():
            self._tell_machine(slot, readings)
        self._readings.clear()
        verdicts = await service.settle(period, period)
        settlements = {
            one.recipient: one
            for one in service.machine.state().settlements.values()
            if one.period_start == period and one.orders
        }
        domains = [domain for domain in settlements if domain in verdicts]
        handed_on = await self._desk.collect(period, domains, self._pace.turn_s)
        payments: list[Payment] = []
        for domain, settlement in settlements.items():
            payments += self._payments(settlement, handed_on.get(domain))
        settled = [
            line for domain, one in settlements.items() for line in _settled(one, verdicts.get(domain, ()))
        ]
        self._engine.submit(FlexBook((), tuple(settled), tuple(payments)))

    def _payments(self, settlement: FlexSettlement, handed_on: Sequence[Payment] | None) -> Iterator[Payment]:
        """Yield what is paid for an aggregator's orders, by the DSO and by itself."""
        machine, parties = self._service.machine, self._parties[settlement.recipient]
        penalty, calendar = machine.terms.penalty, machine.calendar
        held = {order.order.order_reference: order for order in self._held(settlement)}
        due: dict[tuple[str, int], int] = {}
        for item in settlement.orders:
            order = held[item.order_reference]
            yield from operator_payments(item, order, parties, penalty, calendar)
            for slot, amount in member_shares(item, order, parties.share, penalty, calendar).items():
                due[item.order_reference, slot] = amount
        if handed_on is None:
            logger.warning("%s has not told what it hands on to its members", settlement.recipient)
            return
        wrong = objection(handed_on, settlement.recipient, parties.members.values(), due)
        if wrong is not None:
            logger.warning("what %s hands on to its members is not booked: %s", settlement.recipient, wrong)
            return
        yield from handed_on

    def _held(self, settlement: FlexSettlement) -> Iterator[HeldOrder]:
        book = self._service.machine.book
        places: Iterable[tuple[str, str]] = {
            (item.congestion_point, item.period): None for item in settlement.orders
        }
        for address, period in places:
            yield from book.held_orders(settlement.recipient, address, period)


def _settled(settlement: FlexSettlement, verdicts: Sequence[OrderVerdict]) -> Iterator[FlexibilitySettled]:
    accepted = {verdict.order_reference: verdict.accepted for verdict in verdicts}
    for item in settlement.orders:
        said = accepted.get(item.order_reference)
        yield FlexibilitySettled(
            item.order_reference,
            settlement.recipient,
            item.price,
            item.penalty,
            item.net,
            "unanswered" if said is None else "accepted" if said else "disputed",
        )
