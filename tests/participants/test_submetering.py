"""Where a home's energy goes: all of it somewhere, once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from participants.submetering import submeter
from tests.helpers import START, STEP
from trex_market.core.messages import MeterReading

SLOT = (START, START + STEP)
energies = st.integers(0, 50)
generations = st.dictionaries(st.sampled_from(["solar", "wind"]), energies)
sales = st.dictionaries(st.sampled_from(["solar", "wind", "bess"]), energies)


@given(generations, energies, st.one_of(st.none(), st.integers(-50, 50)), sales)
def test_energy_is_conserved(
    generation: dict[str, int], load: int, battery: int | None, sold: dict[str, int]
) -> None:
    reading = submeter(SLOT, generation, load, battery, sold)
    other = reading.consumption["other"]
    stored = reading.consumption.get("bess", {})
    charge, discharge = max(battery or 0, 0), max(-(battery or 0), 0)
    assert (reading.slot_start, reading.slot_end) == SLOT
    for source, made in generation.items():
        assert made == reading.generation[source] + other[source] + stored.get(source, 0)
    assert sum(other.values()) == load
    assert sum(stored.values()) == charge
    assert reading.generation.get("bess", 0) + other.get("bess", 0) == discharge
    assert ("bess" in reading.consumption) is (battery is not None)
    everything = [reading.generation, *reading.consumption.values()]
    assert all(wh >= 0 for energies in everything for wh in energies.values())
    made, exported = sum(generation.values()), sum(reading.generation.values())
    external = sum(energies.get("external", 0) for energies in reading.consumption.values())
    assert made + discharge + external == exported + load + charge


@given(generations, energies, st.one_of(st.none(), st.integers(-50, 50)), sales)
def test_what_was_sold_leaves_first(
    generation: dict[str, int], load: int, battery: int | None, sold: dict[str, int]
) -> None:
    reading = submeter(SLOT, generation, load, battery, sold)
    for source, made in generation.items():
        assert reading.generation[source] >= min(made, sold.get(source, 0))
    if battery is not None and battery < 0:
        missing = sum(max(0, sold.get(source, 0) - made) for source, made in generation.items())
        assert reading.generation["bess"] >= min(-battery, sold.get("bess", 0) + missing)


@given(generations, energies, st.one_of(st.none(), st.integers(-50, 50)))
def test_nothing_is_bought_while_unsold_energy_leaves(
    generation: dict[str, int], load: int, battery: int | None
) -> None:
    reading = submeter(SLOT, generation, load, battery, {})
    if reading.consumption["other"]["external"]:
        assert not sum(reading.generation.values())
    if reading.consumption.get("bess", {}).get("external"):
        assert not any(reading.generation[source] for source in generation)


def test_sold_then_own_use_then_battery_then_grid() -> None:
    assert submeter(SLOT, {"solar": 100}, 30, 20, {"solar": 40}) == MeterReading(
        *SLOT,
        {"solar": 50, "bess": 0},
        {"bess": {"solar": 20, "external": 0}, "other": {"solar": 30, "bess": 0, "external": 0}},
    )


def test_the_battery_stands_in_for_the_sun_that_was_sold() -> None:
    assert submeter(SLOT, {"solar": 10}, 30, -50, {"solar": 40, "bess": 5}) == MeterReading(
        *SLOT,
        {"solar": 10, "bess": 35},
        {"bess": {"solar": 0, "external": 0}, "other": {"solar": 0, "bess": 15, "external": 15}},
    )


def test_also_for_a_source_that_is_not_metered_at_all() -> None:
    assert submeter(SLOT, {}, 30, -50, {"solar": 40}).generation == {"bess": 40}


def test_without_a_battery_there_is_no_trace_of_one() -> None:
    assert submeter(SLOT, {"solar": 10}, 30, None, {}) == MeterReading(
        *SLOT, {"solar": 0}, {"other": {"solar": 10, "external": 20}}
    )
