"""On the wall clock: grace, deemed readings, late ones, and silence to the end. All numbers by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from trex_market.core.errors import PhaseError, RefusalCode
from trex_market.core.market import Market
from trex_market.core.messages import (
    AdvanceClock,
    Corrected,
    Delivered,
    EndRound,
    Event,
    GridTerms,
    Join,
    MeterReading,
    MeterRejected,
    OpenMarket,
    ReportMeter,
    StartRound,
    SubmitOrder,
    Transaction,
)

STEP = 900
START = 1_468_800_000
GRACE, WINDOW = 60, 7_200
DEAR, CHEAP = 210_000, 100_000
"""What the grid charges and pays, micro-dollars per kWh."""


class Town:
    """Ann sells 1000 Wh of sun to Bob at 0.15 $/kWh, for the slot that starts at `slot`."""

    def __init__(self, others: tuple[str, ...] = ()) -> None:
        self.market = Market()
        self.slot = START + STEP
        grid = GridTerms(price=0.1, fee_ratio=1.1)
        self.says(
            OpenMarket(
                "town",
                "MicroTE",
                2,
                STEP,
                "UTC",
                grid,
                mode="realtime",
                meter_grace_s=GRACE,
                reconciliation_window_s=WINDOW,
            )
        )
        for name in ("ann", "bob", *others):
            self.says(Join(name, START))
        for side, name in (("ask", "ann"), ("bid", "bob")):
            self.says(
                SubmitOrder(
                    f"{side}-1", name, side, 1000, 150_000, "solar", self.slot, self.slot + STEP, START
                )
            )
        self.says(StartRound(START, STEP), EndRound(START + STEP))
        self.says(StartRound(self.slot, STEP), EndRound(self.slot + STEP))
        self.rows: list[Transaction] = []

    def says(self, *commands: Any) -> list[Event]:
        return [event for command in commands for event in self.market.handle(command)]

    def hears(self, *commands: Any) -> list[Event]:
        events = self.says(*commands)
        for event in events:
            if isinstance(event, Delivered | Corrected):
                self.rows += event.transactions
        return events

    def reports(self, name: str, sun: int, need: int, after: int = 10) -> list[Event]:
        reading = MeterReading(self.slot, self.slot + STEP, {"solar": sun}, {"other": {"external": need}})
        return self.hears(ReportMeter(name, reading, self.slot + STEP + after))

    def waits(self, seconds: int) -> list[Event]:
        return self.hears(AdvanceClock(self.slot + STEP + seconds))

    def ledger(self) -> Counter[tuple[str, str, str]]:
        """What holds in the end: kind, seller, buyer -> Wh; reversed rows cancel out."""
        wh: Counter[tuple[str, str, str]] = Counter()
        for row in self.rows:
            if row.time_creation == self.slot:
                wh[row.kind, row.seller_id, row.buyer_id] += row.quantity
        return Counter({key: energy for key, energy in wh.items() if energy})

    def bill(self, name: str) -> int:
        """What a party has paid less what it got, nano-dollars."""
        paid = sum(row.quantity * row.settlement_price_buy for row in self.rows if row.buyer_id == name)
        return paid - sum(
            row.quantity * row.settlement_price_sell for row in self.rows if row.seller_id == name
        )


DELIVERY = ("delivery", "ann", "bob")


def test_a_slot_waits_for_its_readings() -> None:
    town = Town()
    town.reports("ann", sun=1000, need=0)
    assert town.waits(GRACE - 1) == []
    town.reports("bob", sun=0, need=1300, after=GRACE - 1)
    delivered = town.waits(GRACE)
    assert [type(event) for event in delivered] == [Delivered]
    assert town.ledger() == {DELIVERY: 1000, ("supply", "grid", "bob"): 300}
    assert not any(row.estimated for row in town.rows)
    assert town.waits(GRACE + 1) == []


def test_a_missing_reading_is_deemed_and_marked() -> None:
    town = Town()
    town.reports("bob", sun=0, need=1300)
    (delivered,) = town.waits(GRACE)
    assert isinstance(delivered, Delivered)
    assert delivered.estimated == ("ann",)
    assert {row.kind: row.estimated for row in town.rows} == {"delivery": True, "supply": False}


def test_a_late_reading_reverses_what_no_longer_holds() -> None:
    town = Town()
    town.reports("bob", sun=0, need=1300)
    town.waits(GRACE)
    before = list(town.rows)
    town.reports("ann", sun=400, need=50, after=GRACE + 100)
    # 400 Wh are delivered, Ann owes Bob 600 Wh that she lacked at the grid's price, who buys 900 from it.
    assert town.ledger() == {
        ("delivery", "ann", "bob"): 400,
        ("shortfall", "ann", "bob"): 600,
        ("supply", "grid", "bob"): 900,
        ("supply", "grid", "ann"): 50,
    }
    assert town.bill("ann") == -400 * 150_000 + 600 * DEAR + 50 * DEAR
    assert town.bill("bob") == 400 * 150_000 - 600 * DEAR + 900 * DEAR
    assert town.bill("ann") + town.bill("bob") + town.bill("grid") == 0
    reversing = [row for row in town.rows if row.reverses]
    assert [(row.kind, row.quantity) for row in reversing] == [("delivery", -1000), ("supply", -300)]
    assert [row.reverses for row in reversing] == [row.id for row in before]
    assert len({row.id for row in town.rows}) == len(town.rows)


def test_a_late_reading_that_says_the_same_changes_nothing() -> None:
    town = Town()
    town.reports("bob", sun=0, need=1300)
    town.waits(GRACE)
    events = town.reports("ann", sun=1000, need=0, after=GRACE + 1)
    assert not any(isinstance(event, Corrected) for event in events)


def test_silence_never_pays() -> None:
    town = Town()
    for day in range(1, 4):  # Bob needed 1,100, 1,200, 1,300 Wh in this hour on the days after
        start = town.slot + day * 86_400
        reading = MeterReading(start, start + STEP, {}, {"other": {"external": 1000 + 100 * day}})
        town.says(ReportMeter("bob", reading, start + STEP))
    town.waits(GRACE)
    assert town.ledger() == {DELIVERY: 1000}
    town.waits(WINDOW - 1)
    assert town.ledger() == {DELIVERY: 1000}
    town.waits(WINDOW)
    # No generation: Ann owes all that Bob needs. His need is what he bought: later days are not before.
    assert town.ledger() == {("shortfall", "ann", "bob"): 1000, ("supply", "grid", "bob"): 1000}
    assert town.waits(WINDOW + 10_000) == []


def test_the_silent_pay_for_their_highest_need_of_the_hour() -> None:
    town = Town(others=("cid",))
    for day in range(1, 30):
        start = town.slot - day * 86_400
        need = {28: 700, 29: 9000}.get(day, 300)
        for late in (0, 3600):
            reading = MeterReading(
                start + late, start + late + STEP, {}, {"other": {"external": need + late}}
            )
            town.says(ReportMeter("cid", reading, start + late + STEP))
    town.reports("ann", sun=1000, need=0)
    town.reports("bob", sun=0, need=1000)
    town.waits(GRACE)
    assert town.ledger() == {DELIVERY: 1000}
    town.waits(WINDOW)
    assert town.ledger()[("supply", "grid", "cid")] == 700


@pytest.mark.parametrize(
    ("name", "shift", "after", "said"),
    [
        ("ann", 0, -1, "not over yet"),
        ("ann", 1, 10, "not a slot"),
        ("bob", 0, GRACE + 5, "was delivered with a reading"),
    ],
)
def test_readings_out_of_time_are_refused(name: str, shift: int, after: int, said: str) -> None:
    town = Town()
    town.reports("bob", sun=0, need=1300, after=0)
    if after > GRACE:
        town.waits(GRACE)
    reading = MeterReading(town.slot + shift, town.slot + shift + STEP, {}, {})
    (refused,) = town.says(ReportMeter(name, reading, town.slot + STEP + after))
    assert isinstance(refused, MeterRejected)
    assert refused.code is RefusalCode.BAD_SLOT
    assert said in refused.detail


def test_after_the_window_nothing_can_be_corrected() -> None:
    town = Town()
    town.waits(WINDOW)
    (refused,) = town.reports("ann", sun=400, need=0, after=WINDOW + 1)
    assert isinstance(refused, MeterRejected)
    assert "cannot be corrected any more" in refused.detail


def test_a_simulation_has_no_wall_clock() -> None:
    market = Market()
    market.handle(OpenMarket("town", "MicroTE", 2, STEP, "UTC", GridTerms()))
    with pytest.raises(PhaseError, match="the rounds are the clock"):
        market.handle(AdvanceClock(START))
