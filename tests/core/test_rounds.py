"""Rounds: gates, pools, turns, readings, gaps."""

from __future__ import annotations

import pytest

from tests.helpers import START, STEP, Dialogue, flows, reading, refused, report, slot
from trex_market.core.errors import RefusalCode
from trex_market.core.messages import (
    Contract,
    Contracted,
    Delivered,
    EndTurn,
    GridTerms,
    Join,
    Joined,
    MeterAccepted,
    MeterReading,
    MeterRejected,
    ReportMeter,
    RoundEnded,
    RoundStarted,
    TurnsEnded,
)
from trex_market.core.units import MAX_QUANTITY

# ---------------------------------------------------------------- rounds


@pytest.mark.parametrize("close_steps", [2, 3, 5])
def test_a_slot_is_cleared_when_the_round_starts_in_which_it_is_last_settle(close_steps: int) -> None:
    dialogue = Dialogue("ann bob", close_steps=close_steps)
    start = dialogue.now + STEP * close_steps
    dialogue.starts_round(0)
    dialogue.bids("ann", 5, 200, slot_start=start)
    dialogue.ends_round()
    dialogue.asks("bob", 9, 100, slot_start=start)
    cleared, started = dialogue.starts_round(1)
    assert isinstance(cleared, Contracted)
    assert cleared.slot_start == start
    (made,) = cleared.contracts
    assert made == Contract(
        made.id, start, start + STEP, "bob", "ann", "solar", 5, 150, 150, "o1", "o2", slot(2)
    )
    grid = (100_000, 200_000)
    assert started == RoundStarted(slot(1), STEP, start, start + STEP, *grid, *grid)
    assert dialogue.market.open_orders("bob") == []  # what is left at the gate is void


def test_pools_are_cleared_dispatch_first_then_by_name() -> None:
    dialogue = Dialogue("ann bob", sources={"wind": False, "tank": True, "solar": False, "bess": True})
    for source in ("wind", "solar", "tank", "bess"):
        dialogue.bids("ann", 5, 5, source=source)
        dialogue.asks("bob", 5, 5, source=source)
    dialogue.starts_round(1)
    (cleared,) = dialogue.heard(Contracted)
    assert [c.energy_source for c in cleared.contracts] == ["bess", "tank", "solar", "wind"]
    assert [c.id for c in cleared.contracts] == sorted(c.id for c in cleared.contracts)


def test_by_source_a_bid_meets_asks_of_its_source_alone() -> None:
    for rule, count in (("MicroTE", 0), ("MicroTE3B", 1)):
        dialogue = Dialogue("ann bob", rule)
        dialogue.bids("ann", 5, 9, source="wind")
        dialogue.asks("bob", 5, 5, source="solar")
        dialogue.starts_round(1)
        assert len(dialogue.heard(Contracted)[0].contracts) == count


def test_the_market_notices_that_all_turns_have_ended() -> None:
    dialogue = Dialogue("ann bob")
    dialogue.starts_round(0)
    assert dialogue.says(EndTurn("ann"), EndTurn("ann"), EndTurn("eve")) == []
    assert dialogue.says(EndTurn("bob")) == [TurnsEnded(START)]
    assert dialogue.says(EndTurn("bob")) == []
    dialogue.ends_round()
    dialogue.starts_round(1)
    assert dialogue.says(EndTurn("bob"), EndTurn("ann")) == [TurnsEnded(slot(1))]


def test_joining_again_changes_nothing() -> None:
    dialogue = Dialogue("ann")
    assert dialogue.says(Join("ann", START)) == [Joined("ann")]
    assert dialogue.market.members == {"ann"}


# ---------------------------------------------------------------- readings


def contracted() -> Dialogue:
    """A dialogue in round 2, in which bob owes ann 10 Wh of sun."""
    dialogue = Dialogue("ann bob")
    dialogue.bids("ann", 10, 150_000)
    dialogue.asks("bob", 10, 150_000)
    dialogue.starts_round(1)
    dialogue.ends_round()
    dialogue.starts_round(2)
    return dialogue


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (report("eve", slot(2)), RefusalCode.UNKNOWN_PARTICIPANT),
        (report("ann", slot(1)), RefusalCode.BAD_SLOT),
        (report("ann", slot(3)), RefusalCode.BAD_SLOT),
        (ReportMeter("ann", MeterReading(slot(2), slot(4), {}, {}), 0), RefusalCode.BAD_SLOT),
        (report("ann", slot(2), {"solar": -1}), RefusalCode.BAD_QUANTITY),
        (report("ann", slot(2), need=-1), RefusalCode.BAD_QUANTITY),
        (report("ann", slot(2), {"solar": MAX_QUANTITY + 1}), RefusalCode.BAD_QUANTITY),
        (report("ann", slot(2), {"solar": 1.5}), RefusalCode.BAD_QUANTITY),  # type: ignore[dict-item]
    ],
    ids=str,
)
def test_a_reading_is_refused_with_a_code(command: ReportMeter, code: RefusalCode) -> None:
    dialogue = contracted()
    assert refused(dialogue.hears(command, MeterRejected)) is code
    dialogue.ends_round()
    assert set(dialogue.heard(Delivered)[-1].estimated) == {"ann", "bob"}


def test_the_last_reading_counts() -> None:
    dialogue = contracted()
    dialogue.reports("ann", need=99)
    assert isinstance(dialogue.reports("ann", need=10), MeterAccepted)
    dialogue.reports("bob", {"solar": 10})
    delivered, ended = dialogue.ends_round()
    assert ended == RoundEnded(slot(2))
    assert isinstance(delivered, Delivered)
    assert [(r.kind, r.quantity, r.time_purchase) for r in delivered.transactions] == [
        ("delivery", 10, slot(2))
    ]


def test_a_silent_meter_is_deemed_to_say_what_the_contracts_say() -> None:
    dialogue = contracted()
    dialogue.reports("ann", need=4)
    dialogue.ends_round()
    delivered = dialogue.heard(Delivered)[-1]
    assert delivered.estimated == ("bob",)
    assert [(r.kind, r.quantity, r.estimated) for r in delivered.transactions] == [
        ("delivery", 4, True),
        ("take_or_pay", 6, True),
        ("spill", 6, True),
    ]


def test_a_reading_after_its_round_delivers_nothing_again() -> None:
    dialogue = contracted()
    dialogue.reports("ann", need=10)
    dialogue.reports("bob", {"solar": 10})
    dialogue.ends_round()
    assert refused(dialogue.reports("bob", {"solar": 10})) is RefusalCode.BAD_SLOT
    dialogue.starts_round(3)
    slots = [event.slot_start for event in dialogue.heard(Delivered)]
    assert slots == sorted(set(slots))


def test_skipped_rounds_are_delivered_in_order_and_their_orders_are_void() -> None:
    dialogue = Dialogue("ann bob")
    dialogue.starts_round(0)
    for number in (2, 3, 9):
        dialogue.bids("ann", 5, 5, slot_start=slot(number))
        dialogue.asks("bob", 5, 5, slot_start=slot(number))
    dialogue.ends_round()
    dialogue.starts_round(1)
    dialogue.ends_round()
    delivered, cleared, _ = dialogue.starts_round(7)
    assert isinstance(delivered, Delivered)
    assert (delivered.slot_start, delivered.estimated) == (slot(2), ("ann", "bob"))
    assert [row.kind for row in delivered.transactions] == ["delivery"]
    assert cleared == Contracted(slot(8), ())
    assert [order.slot_start for order in dialogue.market.open_orders("ann")] == [slot(9)]
    dialogue.ends_round()
    assert len(dialogue.starts_round(8)) == 2
    assert [c.slot_start for c in dialogue.heard(Contracted)[-1].contracts] == [slot(9)]


def test_delivery_uses_the_tariff_of_its_slot() -> None:
    dialogue = Dialogue("ann", grid=GridTerms(series=((0, 1, 2), (slot(1), 3, 4))))
    for number in (0, 1):
        dialogue.starts_round(number)
        dialogue.reports("ann", {"solar": 1}, need=1)
        dialogue.ends_round()
    rows = [flows(event.transactions) for event in dialogue.heard(Delivered) if event.transactions]
    assert [sorted(key[5] for key in row) for row in rows] == [[1, 2], [3, 4]]


def test_members_that_are_silent_without_contracts_have_no_rows() -> None:
    dialogue = Dialogue("ann bob")
    dialogue.starts_round(0)
    dialogue.says(ReportMeter("ann", reading(need=1), slot(1)))
    dialogue.ends_round()
    (delivered,) = dialogue.heard(Delivered)
    assert (delivered.estimated, len(delivered.transactions)) == ((), 1)
