"""What an agent observes, number by number."""

from __future__ import annotations

import math

import pytest

from participants.devices.battery import Battery
from tests.helpers import slot, terms
from tests.learning.helpers import Seat, contract
from trex_market.learning.features import Calendar, Observer, features


def observe(
    observer: Observer,
    seat: Seat,
    number: int,
    *contracts: object,
    steps: int = 2,
    slots: int = 3,
    **others: object,
) -> dict[str, float]:
    """Return the observation of a round: name -> value."""
    values = observer.observe(seat.hears(number, *contracts, **others))  # type: ignore[arg-type]
    rows = features(steps, slots)
    assert len(values) == len(rows)
    for value, row in zip(values, rows, strict=True):
        assert row.low <= value <= row.high, row
    return {row.name: value for row, value in zip(rows, values, strict=True)}


def observer(slots: int = 3, timezone: str = "UTC") -> Observer:
    return Observer(Calendar(timezone), slots)


def test_load_generation_and_prices_of_the_slots_that_come() -> None:
    seat = Seat([100, 200, 300, 400], {"solar": [0, 10, 20, 30], "wind": [1, 2, 3, 4]})
    seen = observe(observer(), seat, 1, prices=(80_000, 300_000))
    assert [seen[f"load_{place}"] for place in range(3)] == [0.2, 0.3, 0.4]
    assert [seen[f"generation_{place}"] for place in range(3)] == [0.012, 0.023, 0.034]
    assert (seen["sell_price"], seen["buy_price"]) == (0.08, 0.3)
    assert (seen["next_sell_price"], seen["next_buy_price"]) == (0.08, 0.3)
    # Where the profile ends nothing is expected.
    assert observe(observer(), seat, 3)["load_1"] == 0


def test_contracts_by_slot_and_the_last_prices() -> None:
    watcher, seat = observer(), Seat([0] * 9)
    before = observe(watcher, seat, 0)
    assert before["bought_price"] == before["sold_price"] == before["bought_1"] == before["sold_1"] == 0
    made = [contract(2, 100, 120_000, sells=False), contract(2, 300, 160_000, sells=False)]
    seen = observe(watcher, seat, 1, *made)
    assert (seen["bought_0"], seen["bought_1"], seen["sold_1"]) == (0, 0.4, 0)
    assert seen["bought_price"] == pytest.approx(0.15)
    assert seen["sold_price"] == 0
    seen = observe(watcher, seat, 2, contract(3, 50, 110_000, sells=True, price_buy=190_000))
    assert (seen["bought_0"], seen["bought_1"], seen["sold_1"]) == (0.4, 0, 0.05)
    assert seen["sold_price"] == 0.11  # its own side's
    assert seen["bought_price"] == pytest.approx(0.15)  # as it was
    watcher.begin()
    assert observe(watcher, seat, 3)["sold_price"] == 0


def test_the_battery() -> None:
    battery = Battery(2_000, 4_000, efficiency=0.8, initial_charge=500)
    seen = observe(observer(), Seat([0] * 9, battery=battery), 0)
    assert seen["charge"] == 0.25
    assert seen["battery_gives"] == 0.4  # 500 Wh at 80 %
    assert seen["battery_takes"] == 1.0  # a quarter of an hour at 4 kW
    # What is planned for the slots before is done by then.
    seat = Seat([0] * 9, battery=battery)
    seat.hears(0)
    battery.schedule(slot(1), 500)
    assert observe(observer(), seat, 0)["battery_gives"] == 0.72
    without = observe(observer(), Seat([0] * 9), 0)
    assert without["charge"] == without["battery_gives"] == without["battery_takes"] == 0


@pytest.mark.parametrize(
    ("timezone", "number", "hour", "weekday"),
    [
        (
            "UTC",
            0,
            8.5,
            6,
        ),  # the first slot begins on a Sunday at 8:00 UTC; the one two steps on is looked at
        ("UTC", 14, 12.0, 6),
        ("UTC", 62, 0.0, 0),
        ("Asia/Tokyo", 0, 17.5, 6),
    ],
)
def test_the_time_of_day_and_week_is_local(timezone: str, number: int, hour: float, weekday: int) -> None:
    watcher, seat = observer(timezone=timezone), Seat([0] * 99)
    observe(watcher, seat, number + 1)
    seen = observe(watcher, seat, number)
    day, week = 2 * math.pi * hour / 24, 2 * math.pi * (weekday * 24 + hour) / 168
    assert [seen[name] for name in ("day_sin", "day_cos", "week_sin", "week_cos")] == pytest.approx(
        [math.sin(day), math.cos(day), math.sin(week), math.cos(week)], abs=1e-12
    )


def test_more_slots_and_a_longer_way_to_the_gate() -> None:
    seat = Seat(list(range(20)), market=terms(close_steps=4))
    seen = observe(observer(6), seat, 0, contract(3, 77, 150_000, sells=True), steps=4, slots=6)
    assert seen["load_5"] == 0.005
    assert seen["sold_3"] == 0.077
    assert "sold_4" not in seen


def test_every_number_has_a_name_of_its_own_and_a_meaning() -> None:
    rows = features(3, 5)
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.meaning and row.low < row.high for row in rows)
