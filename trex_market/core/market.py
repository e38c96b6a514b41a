"""The market: `Market.handle(command) -> events`, synchronous and deterministic.

    closed ──OpenMarket──> between ──StartRound──> round ──EndRound──> between

What is refused (an order with a closed gate) is an event; what the phase does
not allow raises `PhaseError`. Either way nothing is changed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from trex_market.core.areas import Amounts, Areas
from trex_market.core.book import Book
from trex_market.core.clearing.slot import SlotClearing
from trex_market.core.errors import InputError, PhaseError, RefusalCode
from trex_market.core.messages import (
    GRID,
    AdvanceClock,
    CancelOrder,
    ClearOpenSlots,
    Contract,
    Contracted,
    EndRound,
    EndTurn,
    Event,
    GridFeeRejected,
    GridFeeSet,
    Join,
    Joined,
    MarketCommand,
    MarketOpened,
    MeterRejected,
    OpenMarket,
    Order,
    ReadRegisters,
    RegistersRead,
    ReplaceOrder,
    ReportMeter,
    RoundEnded,
    RoundStarted,
    SetGridFee,
    StartRound,
    SubmitOrder,
    TurnsEnded,
)
from trex_market.core.orders import Orders
from trex_market.core.registers import Registers
from trex_market.core.settlement import Settlement
from trex_market.core.state import MarketState
from trex_market.core.tariff import Tariff
from trex_market.core.units import MICRO


class Phase(StrEnum):
    """Where the market stands."""

    CLOSED = "closed"
    BETWEEN = "between rounds"
    ROUND = "in a round"


ANY_TIME: frozenset[type] = frozenset(
    {Join, SubmitOrder, CancelOrder, ReplaceOrder, ClearOpenSlots, SetGridFee, ReportMeter, ReadRegisters}
    | {AdvanceClock}
)
"""Commands that an open market always takes."""

ALLOWED: dict[Phase, frozenset[type]] = {
    Phase.CLOSED: frozenset({OpenMarket}),
    Phase.BETWEEN: ANY_TIME | {StartRound},
    Phase.ROUND: ANY_TIME | {EndTurn, EndRound},
}
"""Phase -> the commands that it allows."""

RESERVED = frozenset({"", GRID, "operator"})
"""Ids that no participant can have: they stand for others in the ledger."""


class Market:
    """A market, closed until it is told `OpenMarket`."""

    terms: OpenMarket

    def __init__(self) -> None:
        self.phase = Phase.CLOSED
        self.current: int | None = None
        self.round: RoundStarted | None = None
        self._members: set[str] = set()
        self._acting: set[str] = set()
        self._book = Book()

    @property
    def members(self) -> frozenset[str]:
        """Ids of all that ever joined."""
        return frozenset(self._members)

    def open_orders(self, participant_id: str) -> list[Order]:
        """Return a participant's open orders, in order of submission."""
        return self._book.open_orders(participant_id)

    def contracts_of(self, participant_id: str) -> list[Contract]:
        """Return a participant's contracts for slots that are not delivered yet, in order of slots."""
        return self._settlement.contracts_of(participant_id)

    def registers_of(self, participant_id: str) -> frozenset[str]:
        """Return the names of a participant's registers that were ever read."""
        return self._registers.of(participant_id)

    def contracts_for(self, slot_start: int) -> tuple[Contract, ...]:
        """Return all contracts for a slot so far, as long as it is not delivered."""
        return self._settlement.contracts_for(slot_start)

    def area_of(self, participant_id: str) -> str | None:
        """Return the name of a participant's area; None in a market without areas."""
        return None if self._areas is None else self._areas.of(participant_id)

    def grid_fees(self, slot_start: int | None = None) -> dict[str, Amounts]:
        """Return each area's fee (micro-dollars per kWh) and its share (millionths of what the seller gets).

        Args:
            slot_start: for which slot; None for those that have no contracts yet.
        """
        return {} if self._areas is None else dict(self._areas.fees(slot_start).amounts)

    @property
    def acting(self) -> frozenset[str]:
        """Ids of those who have not ended their turn in this round."""
        return frozenset(self._acting)

    def open_slots(self) -> dict[int, list[Order]]:
        """Return all open orders by slot, in order of submission."""
        return self._book.slots()

    def check(self, command: MarketCommand) -> None:
        """Check that the phase allows a command.

        Raises:
            PhaseError: if it does not.
        """
        if type(command) not in ALLOWED[self.phase]:
            raise PhaseError(f"{type(command).__name__} is not possible: the market is {self.phase}")

    def handle(self, command: MarketCommand) -> list[Event]:  # noqa: C901, PLR0911, PLR0912 - a case for each command
        """Change the market as told.

        Returns:
            what came of it, in order.

        Raises:
            PhaseError: if the phase does not allow the command; nothing was changed.
            InputError: if a market is opened with terms that cannot be, or a reserved id joins.
        """
        self.check(command)
        match command:
            case SubmitOrder():
                return [self._orders.submit(command, self.current)]
            case ReportMeter():
                return self._report(command)
            case EndTurn():
                return self._end_turn(command.participant_id)
            case StartRound():
                return self._start_round(command)
            case EndRound():
                return self._end_round()
            case CancelOrder():
                return [self._orders.cancel(command)]
            case ReplaceOrder():
                return [self._orders.replace(command)]
            case ReadRegisters():
                return self._read_registers(command)
            case AdvanceClock():
                return self._advance(command.time)
            case ClearOpenSlots():
                return self._clear_open(command)
            case SetGridFee():
                return [self._set_fee(command)]
            case Join():
                return [self._join(command)]
            case OpenMarket():
                return self._open(command)
            case _:
                assert_never(command)

    # ------------------------------------------------------------ state

    def state(self) -> MarketState:
        """Return all that the market knows, to go on from there at another time."""
        return MarketState(
            terms=self.terms,
            phase=self.phase.value,
            round=self.round,
            members=sorted(self._members),
            acting=sorted(self._acting),
            sequence=self._orders.sequence,
            book=self._book.state(),
            settlement=self._settlement.state(),
            registers=self._registers.state(),
            areas=None if self._areas is None else self._areas.state(),
        )

    @classmethod
    def restored(cls, state: MarketState) -> Market:
        """Return the market that a state was taken of."""
        market = cls()
        market.handle(state.terms)
        market.phase = Phase(state.phase)
        market.round = state.round
        market.current = None if state.round is None else state.round.time
        market._members.update(state.members)
        market._acting = set(state.acting)
        market._orders.sequence = state.sequence
        market._book.restore(state.book)
        market._settlement.restore(state.settlement)
        market._registers.restore(state.registers)
        if market._areas is not None and state.areas is not None:
            market._areas.restore(state.areas)
        return market

    # ------------------------------------------------------------ opening

    def _join(self, command: Join) -> Joined:
        participant_id = command.participant_id
        if participant_id in RESERVED:
            raise InputError(f"{participant_id!r} cannot be a participant's id")
        if command.area is not None:
            if self._areas is None:
                raise InputError(
                    f"{participant_id!r} is in area {command.area!r}, but the market has no areas"
                )
            self._areas.place(participant_id, command.area)
        self._members.add(participant_id)
        return Joined(participant_id)

    def _open(self, terms: OpenMarket) -> list[Event]:
        if terms.close_steps < 2 or terms.step < 1 or not 0 <= (terms.k or 0) <= MICRO:
            raise InputError(
                "a market needs close_steps of at least 2, a step of at least 1 s and k from 0 to 1; found "
                f"{terms.close_steps}, {terms.step} and {(terms.k or 0) / MICRO}"
            )
        self._areas = Areas(terms.areas, terms.places) if terms.areas else None
        self._clearing = SlotClearing(terms, self._areas)
        self._tariff = Tariff(terms.grid, terms.timezone)
        self._settlement = Settlement(terms, self._tariff)
        self._registers = Registers(terms.step, terms.sources)
        self._book = Book(remembers=terms.mode == "simulation")
        self._orders = Orders(terms, self._book, self._clearing, self._members)
        self.terms = terms
        self.phase = Phase.BETWEEN
        return [MarketOpened(terms)]

    # ------------------------------------------------------------ meters

    def _report(self, command: ReportMeter) -> list[Event]:
        participant_id, meter = command.participant_id, command.meter
        if participant_id not in self._members:
            detail = f"{participant_id!r} has not joined this market"
            return [MeterRejected(participant_id, RefusalCode.UNKNOWN_PARTICIPANT, detail)]
        current = self.current if self.phase is Phase.ROUND else None
        refusal = self._settlement.refusal(participant_id, meter, current, command.time)
        if refusal:
            return [MeterRejected(participant_id, *refusal)]
        return self._settlement.report(participant_id, meter)

    def _read_registers(self, command: ReadRegisters) -> list[Event]:
        if self.terms.mode != "realtime":
            raise PhaseError("in a simulation there are no registers to be read, only readings of slots")
        participant_id = command.participant_id
        if participant_id not in self._members:
            detail = f"{participant_id!r} has not joined this market"
            return [MeterRejected(participant_id, RefusalCode.UNKNOWN_PARTICIPANT, detail)]
        refusal = self._registers.refusal(command)
        if refusal:
            return [MeterRejected(participant_id, *refusal)]
        troubles, readings = self._registers.read(command)
        events: list[Event] = [RegistersRead(participant_id, command.read_at), *troubles]
        for meter in readings:
            events += self._report(ReportMeter(participant_id, meter, command.time))
        return events

    # ------------------------------------------------------------ rounds

    def _start_round(self, command: StartRound) -> list[Event]:
        time, step = command.time, self.terms.step
        if command.duration != step or time % step:
            raise PhaseError(f"a round lasts {step} s and starts at a multiple of it, found {time}")
        if self.current is not None and time <= self.current:
            raise PhaseError(f"the round at {time} cannot start after the one at {self.current}")
        simulated = self.terms.mode == "simulation"
        events = self._settlement.deliver_before(time, self._members) if simulated else []
        self.current = time
        self._acting = set(self._members)
        last_settle = time + step * (self.terms.close_steps - 1)
        next_settle = last_settle + step
        events.append(self._clear(last_settle, time + step))
        prices, next_prices = self._tariff.at(time), self._tariff.at(next_settle)
        self.round = RoundStarted(time, step, last_settle, next_settle, *prices, *next_prices)
        events.append(self.round)
        self.phase = Phase.ROUND
        return events

    # ------------------------------------------------------------ clearing

    def _clear(self, slot_start: int, round_end: int) -> Contracted:
        """Close a slot's gate and turn its orders into contracts."""
        demanding = self._book.is_demanding(slot_start)
        orders = self._book.close(slot_start)
        contracts: tuple[Contract, ...] = ()
        if orders:
            first = len(self._settlement.contracts_for(slot_start))
            contracts = self._clearing.clear(orders, slot_start, round_end, first, demanding=demanding)
        if self._areas is not None:
            self._areas.forget(slot_start)
        self._settlement.add_contracts(slot_start, contracts)
        return Contracted(slot_start, contracts)

    def _clear_open(self, command: ClearOpenSlots) -> list[Event]:
        """Clear slots whose gates are open."""
        time_purchase = command.time if self.current is None else self.current + self.terms.step
        starts = self._book.starts() if command.slot_start is None else [command.slot_start]
        cleared = [Contracted(start, self._clear_early(start, time_purchase)) for start in starts]
        return [event for event in cleared if event.contracts]

    def _clear_early(self, slot_start: int, time_purchase: int) -> tuple[Contract, ...]:
        book = self._book
        first = len(self._settlement.contracts_for(slot_start))
        contracts, rest = self._clearing.clear_early(
            book.orders(slot_start), slot_start, time_purchase, first, demanding=book.is_demanding(slot_start)
        )
        for order_id, order in rest.items():
            book.leave(order_id, order)
        if contracts:
            if self._areas is not None:
                self._areas.keep(slot_start)
            self._settlement.add_contracts(slot_start, contracts)
        return contracts

    def _set_fee(self, command: SetGridFee) -> Event:
        if self._areas is None:
            return GridFeeRejected(command.area, RefusalCode.UNKNOWN_AREA, "this market has no areas")
        refusal = self._areas.refusal(command)
        if refusal is None and (command.fee or command.fee_share) and self._clearing.no_pairs:
            refusal = RefusalCode.BAD_PRICE, f"areas cannot have fees: {self._clearing.no_pairs}"
        if refusal:
            return GridFeeRejected(command.area, *refusal)
        self._areas.change(command)
        return GridFeeSet(command.area, command.fee, command.fee_share)

    # ------------------------------------------------------------ turns

    def _end_turn(self, participant_id: str) -> list[Event]:
        if participant_id not in self._acting:
            return []
        self._acting.remove(participant_id)
        assert self.current is not None
        return [] if self._acting else [TurnsEnded(self.current)]

    def _advance(self, time: int) -> list[Event]:
        if self.terms.mode != "realtime":
            raise PhaseError("in a simulation the rounds are the clock")
        return self._settlement.advance(time, self._members)

    def _end_round(self) -> list[Event]:
        assert self.current is not None
        events: list[Event] = []
        if self.terms.mode == "simulation":
            events = self._settlement.deliver_before(self.current + self.terms.step, self._members)
        events.append(RoundEnded(self.current))
        self.phase = Phase.BETWEEN
        return events
