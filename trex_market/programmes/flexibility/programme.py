"""The programme beside the market: a DSO and its aggregators in one process, on the market's clock and meters.

In each round members say what they expect to take (`FlexPlan`), the
aggregators send prognoses and the DSO asks (`FlexAsk`), members say what they
can do (`FlexPotential`), and the DSO orders (`FlexTrade`). When the last slot of
a day was delivered, the day is settled from the market's own meter readings.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from trex_market.core.errors import unknown_name
from trex_market.core.messages import (
    EXTERNAL,
    Contract,
    Contracted,
    Delivered,
    Event,
    MeterAccepted,
    MeterReading,
    ProgrammeCommand,
)
from trex_market.programmes.flexibility.aggregator import Aggregator
from trex_market.programmes.flexibility.commands import (
    FLEX_COMMANDS,
    FlexAsk,
    FlexLimit,
    FlexPlan,
    FlexPotential,
    FlexRefused,
    FlexTrade,
    ProgrammeTerms,
)
from trex_market.programmes.flexibility.congestion import Limits
from trex_market.programmes.flexibility.grid_operator import GridOperator
from trex_market.programmes.flexibility.isps import Calendar
from trex_market.programmes.flexibility.records import (
    AggregatorState,
    AggregatorTerms,
    OperatorState,
    OperatorTerms,
)
from trex_market.programmes.flexibility.settling import feeder_metered, settle_day
from trex_market.programmes.flexibility.trading import Table

_HOUR = 3600


class ProgrammeState(msgspec.Struct):
    """All that the programme knows.

    Args:
        operator: the DSO.
        aggregators: domain -> aggregator.
        expected: connection -> slot -> W that it says it is going to take.
        powers: connection -> most by which it could change that, in W.
        contracted: connection -> slot -> Wh bought less sold.
        cleared: the last slot that was cleared; 0 before.
        asked: message ids of the requests of this round.
    """

    operator: OperatorState
    aggregators: dict[str, AggregatorState]
    expected: dict[str, dict[int, int]] = {}
    powers: dict[str, int] = {}
    contracted: dict[str, dict[int, int]] = {}
    cleared: int = 0
    asked: list[str] = []


class Flexibility:
    """Trading of flexibility beside the market.

    Args:
        operator: what the DSO goes by.
        aggregators: what each aggregator goes by.
        terms: who the members are, and what they get.
    """

    name = "flexibility"
    commands = FLEX_COMMANDS

    def __init__(
        self, operator: OperatorTerms, aggregators: Sequence[AggregatorTerms], terms: ProgrammeTerms
    ) -> None:
        self.terms = terms
        self._operator_terms = operator
        self._aggregator_terms = tuple(aggregators)
        self._participants = {connection: name for name, connection in terms.members.items()}
        self.calendar = Calendar(operator.time_zone, operator.isp_duration_s)
        self._take_up(ProgrammeState(OperatorState(), {one.domain: AggregatorState() for one in aggregators}))

    def _take_up(self, state: ProgrammeState) -> None:
        self._state = state
        self.operator = GridOperator(self._operator_terms, state.operator)
        self.aggregators = {
            terms.domain: Aggregator(terms, state.aggregators[terms.domain])
            for terms in self._aggregator_terms
        }
        self._table = Table(self.operator, self.aggregators, self.calendar)

    def state(self) -> ProgrammeState:
        """Return all that it knows, as a record that JSON can hold."""
        return self._state

    def resume(self, state: bytes) -> None:
        """Go on from what `state` returned, as JSON."""
        self._take_up(msgspec.json.decode(state, type=ProgrammeState))

    # ------------------------------------------------------------ commands

    def handle(self, command: ProgrammeCommand) -> list[Event]:
        """Handle a command; a refusal is an event, and changes nothing."""
        match command:
            case FlexPlan():
                return self._plan(command)
            case FlexPotential():
                return self._potential(command)
            case FlexAsk():
                return self._ask(command.time)
            case FlexLimit():
                return self._limit(command)
            case FlexTrade():
                asked, self._state.asked = self._state.asked, []
                return self._table.trade(asked, command.time, self._participants)
        raise TypeError(f"{command!r} is no command of {self.name}")

    def _plan(self, command: FlexPlan) -> list[Event]:
        connection = self.terms.members.get(command.participant_id)
        if connection is None:
            return [_stranger(command.participant_id)]
        if command.start % self.calendar.duration:
            detail = f"slots start at multiples of {self.calendar.duration} s, found {command.start}"
            return [FlexRefused(command.participant_id, detail)]
        self._state.powers[connection] = command.power
        expected = self._state.expected.setdefault(connection, {})
        for place, energy in enumerate(command.expected):
            slot = command.start + place * self.calendar.duration
            expected[slot] = self._watts(energy)
        return []

    def _potential(self, command: FlexPotential) -> list[Event]:
        connection = self.terms.members.get(command.participant_id)
        aggregator = self._speaker(connection)
        if connection is None or aggregator is None:
            return [_stranger(command.participant_id)]
        for slot, energy in command.changes.items():
            aggregator.can(connection, *self.calendar.locate(slot), self._watts(energy))
        return []

    def _limit(self, command: FlexLimit) -> list[Event]:
        addresses = [point.address for point in self.operator.terms.points]
        if command.congestion_point not in addresses:
            detail = unknown_name("congestion point", command.congestion_point, addresses)
            return [FlexRefused(self.operator.terms.domain, detail)]
        for slot, limits in command.limits.items():
            self.operator.limit(command.congestion_point, *self.calendar.locate(slot), Limits(*limits))
        return []

    def _ask(self, time: int) -> list[Event]:
        """Let the aggregators send prognoses and the DSO ask; the members are told what is wanted of them."""
        self._forget(time)
        periods = self._periods(time)
        for period in periods:
            self._expect(period, time)
            self._table.prognose(period, time)
        self._state.asked, wanted = self._table.ask(periods, time)
        return self._table.asked_members(wanted, time, self._state.powers, self._participants)

    def _periods(self, time: int) -> list[str]:
        """Return the days that can be traded at a moment."""
        today, _ = self.calendar.locate(time)
        hour = self.terms.day_ahead_hour
        if hour is None or time < self.calendar.bounds(today)[0] + hour * _HOUR:
            return [today]
        return [today, self.calendar.day_after(today)]

    def horizon(self, time: int) -> int:
        """Return until when slots can be traded at a moment."""
        return self.calendar.bounds(self._periods(time)[-1])[1]

    def _speaker(self, connection: str | None) -> Aggregator | None:
        """Return the aggregator that speaks for a connection, if there is one."""
        for aggregator in self.aggregators.values():
            if any(connection in names for names in aggregator.terms.connections.values()):
                return aggregator
        return None

    # ------------------------------------------------------------ expectations

    def _expect(self, period: str, time: int) -> None:
        """Tell aggregators and DSO what their connections are going to take on a day."""
        count = self.calendar.count(period)
        slots = [self.calendar.start_of(period, isp) for isp in range(1, count + 1)]
        for aggregator in self.aggregators.values():
            for connection in {name for names in aggregator.terms.connections.values() for name in names}:
                for isp, slot in enumerate(slots, 1):
                    if slot >= time:
                        aggregator.expect(connection, period, isp, self._expected(connection, slot))
        for point in self.operator.terms.points:
            unclaimed = [name for name, owner in point.connections.items() if owner is None]
            powers = [sum(self._expected(name, slot) for name in unclaimed) for slot in slots]
            self.operator.forecast_others(point.address, period, powers)

    def _expected(self, connection: str, slot: int) -> int:
        """Return what a connection is going to take in a slot, in W.

        Its own plan says so; else what it has bought and sold, once the slot is cleared; else its meter, a day before.
        """
        told = self._state.expected.get(connection, {}).get(slot)
        if told is not None:
            return told
        if slot <= self._state.cleared:
            return self._watts(self._state.contracted.get(connection, {}).get(slot, 0))
        period, isp = self.calendar.locate(slot - 24 * _HOUR)
        return self._state.operator.meters.get(connection, {}).get(period, {}).get(isp, 0)

    def _watts(self, energy: int) -> int:
        """Return the mean power of an energy (Wh) in a slot; exact, since slots fill an hour."""
        return energy * (_HOUR // self.calendar.duration)

    # ------------------------------------------------------------ the market

    def hear(self, events: Sequence[Event]) -> list[Event]:
        """Hear what the market did, and return what follows of it: loads, settlements, payments."""
        answers: list[Event] = []
        for event in events:
            if type(event) is MeterAccepted:
                self._meter(event.participant_id, event.meter)
            elif type(event) is Contracted:
                self._contracted(event.slot_start, event.contracts)
            elif type(event) is Delivered:
                answers += self._delivered(event.slot_start)
        return answers

    def _meter(self, participant_id: str, meter: MeterReading) -> None:
        connection = self.terms.members.get(participant_id)
        if connection is None:
            return
        taken = sum(sources.get(EXTERNAL, 0) for sources in meter.consumption.values())
        power = self._watts(taken - sum(meter.generation.values()))
        period, isp = self.calendar.locate(meter.slot_start)
        self.operator.metered(connection, period, isp, power)
        speaker = self._speaker(connection)
        if speaker is not None:
            speaker.metered(connection, period, isp, power)

    def _contracted(self, slot_start: int, contracts: Sequence[Contract]) -> None:
        self._state.cleared = max(self._state.cleared, slot_start)
        for contract in contracts:
            for participant_id, sign in ((contract.buyer_id, 1), (contract.seller_id, -1)):
                connection = self.terms.members.get(participant_id)
                if connection is not None:
                    slots = self._state.contracted.setdefault(connection, {})
                    slots[slot_start] = slots.get(slot_start, 0) + sign * contract.quantity

    def _delivered(self, slot_start: int) -> list[Event]:
        period, isp = self.calendar.locate(slot_start)
        events: list[Event] = list(feeder_metered(self.operator, period, isp, slot_start))
        if isp == self.calendar.count(period):
            time = slot_start + self.calendar.duration
            settled, paid = settle_day(
                self.operator, self.aggregators, self.terms, self._participants, period, time
            )
            events += [*settled, *paid]
        return events

    def _forget(self, time: int) -> None:
        """Forget slots that are over, and days that were settled; a day is kept for the forecast of the next."""
        today, _ = self.calendar.locate(time)
        for slots in (*self._state.expected.values(), *self._state.contracted.values()):
            for slot in [slot for slot in slots if slot < time]:
                del slots[slot]
        self.operator.forget(today)
        for aggregator in self.aggregators.values():
            aggregator.forget(today)


def _stranger(participant_id: str) -> FlexRefused:
    return FlexRefused(participant_id, f"nobody speaks for {participant_id!r}")
