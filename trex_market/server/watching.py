"""What people see of the market: kept up to date from its events, and bounded whatever happens.

Figures of money and energy are exact; `cards` shows them. In a market on the wall
clock `state` and `resume` carry over what events of before a restart came to.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from trex_market.core.messages import (
    Contracted,
    Corrected,
    Delivered,
    Event,
    MeterAccepted,
    RegisterTrouble,
    RoundStarted,
)
from trex_market.core.units import dollars_from_price, rounded
from trex_market.engine import Engine, Outbox
from trex_market.protocol import wire
from trex_market.protocol.view import ClearedSlot
from trex_market.server.alarms import Alarms
from trex_market.server.desk import Desk
from trex_market.server.tally import Tally
from trex_market.totals import DailyTotals, Totals

logger = logging.getLogger(__name__)

SLOTS_KEPT = 200
LONGEST_S = 2 * 86_400
"""Prices are shown of so many slots, and of so long a time, at most."""

DAYS_KEPT = 8
"""Bills are shown of so many days, today included."""

MISSING_KEPT = 1_000
"""So many slots without a reading are remembered of each participant."""

NAMES_TOLD = 6
"""An alarm names so many participants; the others are counted."""

FORMAT = 1
"""Of a `WatchState`; one of another format is not read."""


class WatchState(msgspec.Struct, frozen=True):
    """What is carried over a restart.

    Args:
        days: start of a day -> participant id -> figure -> value.
        prices: of the slots cleared last.
        grid: slot -> what the grid pays and charges, for slots that are not cleared yet.
        readings: participant id -> start of the slot of its latest reading.
        missing: participant id -> starts of delivered slots that wait for its reading.
        delivered: start of the slot delivered last.
        flows: its figures by participant id.
        estimated: whose readings of it were deemed.
        format: of all this.
    """

    days: dict[int, dict[str, dict[str, int]]]
    prices: list[ClearedSlot]
    grid: dict[int, tuple[int, int]]
    readings: dict[str, int]
    missing: dict[str, list[int]]
    delivered: int | None
    flows: dict[str, dict[str, int]]
    estimated: list[str]
    format: int = FORMAT


class Watch:
    """Watches a market.

    Args:
        desk: its desk; whatever engine is behind it is listened to.
    """

    def __init__(self, desk: Desk) -> None:
        terms = desk.terms
        self.desk = desk
        self.terms = terms
        self.zone = ZoneInfo(terms.timezone)
        self.tally = Tally()
        self.alarms = Alarms(self.now)
        self.status: Callable[[], wire.Status] | None = None
        """Tells how what drives the rounds stands, once something does."""
        self._realtime = terms.mode == "realtime"
        self._slots_kept = max(2, min(SLOTS_KEPT, LONGEST_S // terms.step))
        self._outbox: Outbox | None = None
        self._handlers: dict[type, Callable[[Any], None]] = {
            RoundStarted: self._hear_round,
            Contracted: self._hear_contracted,
            Delivered: self._hear_delivered,
            Corrected: self._hear_corrected,
            MeterAccepted: self._hear_meter,
        }
        self._corrections = 0
        self._forget()
        self.alarms.watch("missing_readings", "warning", self._missing_readings)
        self.alarms.watch("absent", "warning", self._absent)
        desk.opened = self.attend

    def _forget(self) -> None:
        """Begin anew."""
        self.round: RoundStarted | None = None
        self.prices: deque[ClearedSlot] = deque(maxlen=self._slots_kept)
        self.days = DailyTotals(self.terms.timezone, DAYS_KEPT)
        self.readings: dict[str, int] = {}
        self.missing: dict[str, dict[int, None]] = {}
        self.delivered: int | None = None
        self.estimated: frozenset[str] = frozenset()
        self._grid: dict[int, tuple[int, int]] = {}
        self._flows_before: dict[str, dict[str, int]] = {}
        self._flow_events: list[Delivered | Corrected] = []

    @property
    def flows(self) -> Totals:
        """What the slot delivered last comes to; added up only when somebody looks."""
        flows = Totals()
        flows.resume(self._flows_before)
        flows.hear(self._flow_events)
        return flows

    def now(self) -> float:
        """Return the time of the server, UNIX seconds."""
        wall = self.desk.pace.server_time
        return time.time() if wall is None else wall

    @property
    def market_time(self) -> int:
        """The market's own time, UNIX seconds; 0 before the first round of a simulation."""
        if self._realtime:
            return int(self.now())
        return 0 if self.round is None else self.round.time

    # ------------------------------------------------------------ hearing

    def attend(self, engine: Engine) -> None:
        """Listen to an engine, and no longer to the one before; a simulation's next episode begins anew."""
        self.refresh()
        self._outbox = engine.listen()
        if not self._realtime:
            self._forget()
        elif engine.market.round is not None:
            self._hear_round(engine.market.round)

    def refresh(self) -> None:
        """Take in what has happened since the last time."""
        if self._outbox is not None:
            events = self._outbox.take()
            self.tally.hear(events)
            self.hear(events)
            self._tell(events)

    def hear(self, events: Sequence[Event]) -> None:
        """Take in events of the market that is shown, perhaps of long ago."""
        handlers = self._handlers
        for event in events:
            handler = handlers.get(type(event))
            if handler is not None:
                handler(event)

    def _hear_round(self, event: RoundStarted) -> None:
        self.round = event
        self._grid = {start: prices for start, prices in self._grid.items() if start > event.last_settle}
        self._grid[event.next_settle] = (event.next_sell_price, event.next_buy_price)

    def _hear_contracted(self, event: Contracted) -> None:
        contracts = event.contracts
        quantity = sum([contract.quantity for contract in contracts])
        prices = [contract.settlement_price_buy + contract.fee_bid for contract in contracts]
        paid = sum([contract.quantity * price for contract, price in zip(contracts, prices, strict=True)])
        sell_price, buy_price = self._grid.get(event.slot_start, (None, None))
        slot = ClearedSlot(
            start=event.slot_start,
            quantity=quantity,
            contracts=len(contracts),
            price=_dollars(rounded(paid, quantity) if quantity else None),
            low=_dollars(min(prices, default=None)),
            high=_dollars(max(prices, default=None)),
            sell_price=_dollars(sell_price),
            buy_price=_dollars(buy_price),
        )
        for place, known in enumerate(self.prices):
            if known.start == slot.start:  # cleared in part before its gate closed
                self.prices[place] = _together(known, slot)
                return
        self.prices.append(slot)

    def _hear_delivered(self, event: Delivered) -> None:
        self.days.hear((event,))
        self.delivered = event.slot_start
        self.estimated = frozenset(event.estimated)
        self._flows_before, self._flow_events = {}, [event]
        if not self._realtime:
            self.missing.clear()  # nobody can bring them any more
        for name in event.estimated:
            slots = self.missing.setdefault(name, {})
            slots[event.slot_start] = None
            if len(slots) > MISSING_KEPT:
                del slots[next(iter(slots))]
        self._forget_closed()

    def _forget_closed(self) -> None:
        """Forget slots whose readings cannot come any more."""
        if self.round is None or not self._realtime:
            return
        first = self.round.time - self.terms.reconciliation_window_s - self.terms.step
        for name, slots in list(self.missing.items()):
            while slots and next(iter(slots)) < first:
                del slots[next(iter(slots))]
            if not slots:
                del self.missing[name]

    def _hear_corrected(self, event: Corrected) -> None:
        self.days.hear((event,))
        if event.slot_start == self.delivered:
            self._flow_events.append(event)

    def _hear_meter(self, event: MeterAccepted) -> None:
        name, start = event.participant_id, event.meter.slot_start
        self.readings[name] = max(start, self.readings.get(name, start))
        if start == self.delivered:
            self.estimated -= {name}
        slots = self.missing.get(name)
        if slots is not None:
            slots.pop(start, None)
            if not slots:
                del self.missing[name]

    # ------------------------------------------------------------ alarms

    def _tell(self, events: Sequence[Event]) -> None:
        """Raise alarms for what has just happened."""
        for event in events:
            if type(event) is Corrected:
                self._corrections += 1
                text = (
                    f"Delivered slots corrected since the start: {self._corrections}, "
                    f"the last that of {self.clock(event.slot_start)}"
                )
                self.alarms.tell("corrected", "note", text)
            elif type(event) is RegisterTrouble:
                text = f"Meter of {event.participant_id}: {event.detail}"
                self.alarms.tell("register", "warning", text, event.participant_id)

    def clock(self, moment: int) -> str:
        """Return a moment as a person reads it, in the market's time zone."""
        return datetime.fromtimestamp(moment, self.zone).strftime("%-d %b %H:%M")

    def _missing_readings(self) -> str | None:
        if not self.missing:
            return None
        told = [f"{name} (slots: {len(slots)})" for name, slots in sorted(self.missing.items())]
        return f"Readings are missing, and deemed{' until they come' * self._realtime}: {_names(told)}"

    def _absent(self) -> str | None:
        if not self._realtime:
            told = [] if self.status is None else self.status().alarms
            return "; ".join(told) or None
        missing = self.desk.seats.missing
        return f"Offline: {_names(missing)}" if missing else None

    # ------------------------------------------------------------ over a restart

    def state(self) -> bytes:
        """Return what a later server has to know to show the same, as JSON."""
        self.refresh()
        return msgspec.json.encode(
            WatchState(
                self.days.state(),
                list(self.prices),
                self._grid,
                dict(self.readings),
                {name: list(slots) for name, slots in self.missing.items()},
                self.delivered,
                self.flows.state(),
                sorted(self.estimated),
            )
        )

    def resume(self, state: bytes | msgspec.Raw) -> None:
        """Go on from what `state` returned; what cannot be read is told, and left out."""
        try:
            kept = msgspec.json.decode(state, type=WatchState)
        except msgspec.DecodeError as error:
            logger.warning("the bills of the days before cannot be shown: %s", error)
            return
        if kept.format != FORMAT:
            logger.warning("the bills of the days before cannot be shown: they were kept by another version")
            return
        self.days.resume(kept.days)
        self.prices.extend(kept.prices)
        self._grid = kept.grid
        self.readings |= kept.readings
        self.missing = {name: dict.fromkeys(slots) for name, slots in kept.missing.items()}
        self.delivered = kept.delivered
        self._flows_before = kept.flows
        self.estimated = frozenset(kept.estimated)


def _names(names: Sequence[str]) -> str:
    """List names, the first of many."""
    rest = len(names) - NAMES_TOLD
    return f"{', '.join(names[:NAMES_TOLD])} and {rest} more" if rest > 0 else ", ".join(names)


def _together(first: ClearedSlot, then: ClearedSlot) -> ClearedSlot:
    """Return what was traded for a slot that was cleared twice."""
    if first.price is None or then.price is None:
        traded = then if first.price is None else first
        return msgspec.structs.replace(traded, sell_price=then.sell_price, buy_price=then.buy_price)
    quantity = first.quantity + then.quantity
    return msgspec.structs.replace(
        then,
        quantity=quantity,
        contracts=first.contracts + then.contracts,
        price=round((first.price * first.quantity + then.price * then.quantity) / quantity, 6),
        low=min(price for price in (first.low, then.low) if price is not None),
        high=max(price for price in (first.high, then.high) if price is not None),
    )


def _dollars(price: int | None) -> float | None:
    return None if price is None else dollars_from_price(price)
