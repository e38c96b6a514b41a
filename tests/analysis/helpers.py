"""Small ledgers whose sums were worked out by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any

from tests.helpers import START, STEP
from trex_market.analysis.building import FrameBuilder, Terms
from trex_market.analysis.congestion import Feeders
from trex_market.analysis.frames import RunFrames
from trex_market.analysis.runs import Charges, Level
from trex_market.analysis.slots import SlotRecords
from trex_market.core.messages import (
    Contract,
    Contracted,
    Delivered,
    Event,
    GridTerms,
    MeterAccepted,
    MeterReading,
    OpenMarket,
    Order,
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
    Transaction,
)
from trex_market.core.tariff import GridPrices
from trex_market.storage.rows import RunRecord
from trex_market.totals import Totals

MILLION = 1_000_000


def row(kind: Any, quantity: int, seller: str, buyer: str, sell: int, buy: int, **others: Any) -> Transaction:
    """Return a transaction of slot `START`; prices in micro-dollars per kWh."""
    values: dict[str, Any] = {"contract_id": None, "energy_source": "solar", **others}
    return Transaction(
        id=f"{kind}-{quantity}",
        kind=kind,
        quantity=quantity,
        seller_id=seller,
        buyer_id=buyer,
        settlement_price_sell=sell,
        settlement_price_buy=buy,
        time_creation=START,
        time_purchase=START + STEP,
        time_consumption=START + STEP,
        **values,
    )


LEDGER = (
    row(
        "delivery", 1000, "s", "b", 100_000, 120_000
    ),  # b pays 120, s gets 100, the operator keeps 20 million
    row("delivery", 100, "s", "b", 100_000, 100_000, fee_ask=1_000, fee_bid=2_000),  # 10.2, 9.9, 0.3
    row("take_or_pay", 50, "s", "b", 100_000, 120_000),  # 6, 5, 1
    row("spill", 50, "s", "grid", 0, 0),
    row("shortfall", 10, "s", "b", -200_000, -200_000),  # s pays b 2
    row("self_consumption", 70, "s", "s", 0, 0),
    row("feed_in", 300, "s", "grid", 80_000, 80_000),  # s gets 24
    row("supply", 500, "grid", "b", 200_000, 200_000),  # b pays 100
)

METERS = {
    "s": MeterReading(
        START,
        START + STEP,
        {"solar": 1450, "bess": 9},
        {"other": {"solar": 70}, "bess": {"solar": 30, "external": 5}},
    ),
    "b": MeterReading(START, START + STEP, {}, {"other": {"external": 1600}}),
}


def events(rows: tuple[Transaction, ...] = LEDGER) -> list[Event]:
    """Return what a market says of a slot with these transactions."""
    readings = [MeterAccepted(name, meter) for name, meter in METERS.items()]
    return [*readings, Delivered(START, rows, ())]


def totals(rows: tuple[Transaction, ...] = LEDGER) -> Totals:
    """Return the totals of a slot with these transactions."""
    added = Totals()
    added.hear(events(rows))
    return added


NET_BILLING = (
    row("feed_in", 1450, "s", "grid", 80_000, 80_000),  # s gets 116 million
    row("supply", 1600, "grid", "b", 200_000, 200_000),  # b pays 320
)
"""What the same slot costs without a market."""


# ---------------------------------------------------------------- two slots, worked out by hand

GRID_PRICES = GridPrices(100_000, 300_000)
"""The grid pays 0.10 and charges 0.30 $/kWh."""


def an_order(side: Any, who: str, quantity: int, price: int, slot_start: int = START) -> Order:
    """Return an order that stood when its gate closed."""
    return Order(f"{side}-{who}-{slot_start}", who, side, quantity, price, "solar", slot_start, START, 0)


def a_contract(bid: Order, ask: Order, quantity: int, price: int, number: int) -> Contract:
    """Return a contract of two orders at one price."""
    start = bid.slot_start
    parties = (ask.participant_id, bid.participant_id)
    return Contract(
        f"c{number}",
        start,
        start + STEP,
        *parties,
        "solar",
        quantity,
        price,
        price,
        bid.order_id,
        ask.order_id,
        start,
    )


def _first_slot() -> SlotRecords:
    """Return a slot in which s sells 1,200 Wh to b and c, and has 1,100."""
    bids = (an_order("bid", "b", 1000, 280_000), an_order("bid", "c", 500, 200_000))
    ask = an_order("ask", "s", 1200, 120_000)
    contracts = (a_contract(bids[0], ask, 1000, 200_000, 0), a_contract(bids[1], ask, 200, 160_000, 1))
    readings = {
        "b": MeterReading(START, START + STEP, {}, {"other": {"external": 1000}}),
        "c": MeterReading(START, START + STEP, {}, {"other": {"external": 600}}),
        "s": MeterReading(START, START + STEP, {"solar": 1100}, {"other": {"solar": 50, "external": 0}}),
    }
    rows = (
        row("delivery", 1000, "s", "b", 200_000, 200_000, contract_id="c0"),
        row("delivery", 100, "s", "c", 160_000, 160_000, contract_id="c1"),
        row("shortfall", 100, "s", "c", -300_000, -300_000, contract_id="c1", energy_source="grid"),
        row("self_consumption", 50, "s", "s", 0, 0),
        row("supply", 500, "grid", "c", 300_000, 300_000, energy_source="grid"),
    )
    return SlotRecords(START, (*bids, ask), contracts, readings, rows, GRID_PRICES)


def _second_slot() -> SlotRecords:
    """Return a slot in which b buys 400 Wh of s and needs 300, and s has 600."""
    start = START + STEP
    bid, ask = an_order("bid", "b", 400, 250_000, start), an_order("ask", "s", 400, 150_000, start)
    readings = {
        "b": MeterReading(start, start + STEP, {}, {"other": {"external": 300}}),
        "c": MeterReading(start, start + STEP, {}, {"other": {"external": 100}}),
        "s": MeterReading(start, start + STEP, {"solar": 600}, {"other": {"solar": 40, "external": 0}}),
    }
    rows = (
        row("delivery", 300, "s", "b", 200_000, 200_000, contract_id="c2"),
        row("take_or_pay", 100, "s", "b", 200_000, 200_000, contract_id="c2"),
        row("spill", 100, "s", "grid", 0, 0, contract_id="c2"),
        row("self_consumption", 40, "s", "s", 0, 0),
        row("feed_in", 200, "s", "grid", 100_000, 100_000),
        row("supply", 100, "grid", "c", 300_000, 300_000, energy_source="grid"),
    )
    contracts = (a_contract(bid, ask, 400, 200_000, 2),)
    return SlotRecords(start, (bid, ask), contracts, readings, rows, GRID_PRICES)


SLOTS = (_first_slot(), _second_slot())


def frames_of(
    slots: Iterable[SlotRecords], terms: Terms | None = None, baseline: dict[str, int] | None = None
) -> RunFrames:
    """Return the frames of slots."""
    builder = FrameBuilder(terms or Terms(STEP))
    for one in slots:
        builder.hear(one)
    return builder.frames(baseline)


# ---------------------------------------------------------------- what a market says, by slot


def slots_of(events: Iterable[Event], prices: GridPrices = GRID_PRICES) -> list[SlotRecords]:
    """Return the slots that a market has delivered, as a recording would hold them."""
    orders: defaultdict[int, dict[str, Order]] = defaultdict(dict)
    contracts: dict[int, tuple[Contract, ...]] = {}
    readings: defaultdict[int, dict[str, MeterReading]] = defaultdict(dict)
    slots = []
    for event in events:
        if isinstance(event, OrderAccepted | OrderReplaced):
            orders[event.order.slot_start][event.order.order_id] = event.order
        elif isinstance(event, OrderCancelled):
            del orders[event.order.slot_start][event.order.order_id]
        elif isinstance(event, Contracted):
            contracts[event.slot_start] = event.contracts
        elif isinstance(event, MeterAccepted):
            readings[event.meter.slot_start][event.participant_id] = event.meter
        elif isinstance(event, Delivered):
            start = event.slot_start
            standing = tuple(orders[start].values())
            made = contracts.get(start, ())
            slots.append(SlotRecords(start, standing, made, readings[start], event.transactions, prices))
    return slots


class ListedRun:
    """A recording that is a list of slots: another source than a database.

    Args:
        slots: of the run.
        name: of its study.
        opened: on what terms.
        charges: of its batteries.
    """

    level: Level = "full"

    def __init__(
        self,
        slots: Iterable[SlotRecords],
        name: str = "street",
        opened: OpenMarket | None = None,
        charges: Charges | None = None,
    ) -> None:
        self._slots = list(slots)
        self._charges = charges or {}
        self.opened = opened or OpenMarket(
            "m", "MicroTE", 2, STEP, "Europe/Berlin", GridTerms(price=0.1, fee_ratio=2.0)
        )
        self.timezone = self.opened.timezone
        self.first = self._slots[0].start if self._slots else None
        self.record = RunRecord(
            f"{name}-run",
            name,
            "training",
            "m",
            0,
            7,
            '{"study": {"name": "street"}}',
            "c0ffee" * 9,
            "0.1.0",
            START,
            START,
            "finished",
        )

    async def slots(self) -> AsyncGenerator[SlotRecords, None]:
        """Yield the slots."""
        for slot in self._slots:
            yield slot

    async def bills(self) -> dict[str, int]:
        """Return participant id -> bill, in nano-dollars."""
        parties = frames_of(self._slots).parties
        return dict(zip(parties.participant_id, parties.bill, strict=True))

    async def responses(self) -> None:
        """Return nothing: there was no demand response."""

    async def orders(self) -> int:
        """Return how many orders there are."""
        return sum(len(slot.orders) for slot in self._slots)

    async def charges(self, most: int) -> tuple[Charges, int]:
        """Return the charge of some batteries, and how many there are."""
        return dict(list(self._charges.items())[:most]), len(self._charges)

    async def feeders(self) -> Feeders:
        """Flexibility was not traded."""
        return {}

    async def days(self, baseline: Mapping[str, int] | None) -> RunFrames:
        """Nothing was recorded by day."""
        raise NotImplementedError
