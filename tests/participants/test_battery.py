"""The battery: nothing is overdrawn, nothing is lost but what must be."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.devices.battery import Battery
from tests.helpers import START, STEP, slot
from trex_market.core.errors import InputError

MICRO = 10**6

batteries = st.builds(
    lambda capacity, power, efficiency, loss, filled: Battery(
        capacity, power, efficiency / 1000, loss / 100, initial_charge=capacity * filled / 10
    ),
    st.integers(0, 200),
    st.integers(0, 1200),
    st.integers(100, 1000),
    st.sampled_from([0, 0, 1, 20, 100]),
    st.integers(0, 10),
)
lossless = batteries.map(lambda battery: Battery(battery.capacity, 800, battery.efficiency))
plans = st.lists(st.tuples(st.integers(0, 4), st.integers(-300, 300)), max_size=14)
fates = st.lists(
    st.one_of(st.none(), *[st.tuples(st.integers(0, 3), st.integers(-300, 300))] * 3), max_size=40
)


def begun(battery: Battery) -> Battery:
    battery.start(START, STEP)
    return battery


def taken_out(energy: int, efficiency: Fraction) -> int:
    """What leaves the store (micro-Wh) for `energy` Wh outside, rounded up."""
    return -((-energy * MICRO) // efficiency)


@given(batteries, fates)
def test_random_schedules_never_overdraw_and_energy_is_conserved(
    battery: Battery, fates: list[tuple[int, int] | None]
) -> None:
    """charged * efficiency - discharged / efficiency - losses == change, in micro-Wh."""
    begun(battery)
    efficiency = Fraction(str(battery.efficiency))
    loss = battery._loss
    number = 0
    for fate in fates:
        if fate is not None:
            battery.schedule(slot(number + fate[0]), fate[1])
            continue
        before, planned = battery.stored_micro_wh, battery.scheduled(slot(number))
        assert battery.advance() == planned
        moved = before
        moved += int(planned * efficiency * MICRO) if planned > 0 else -taken_out(-planned, efficiency)
        assert 0 <= moved <= battery.capacity * MICRO
        assert battery.stored_micro_wh == moved - min(loss, moved)
        assert battery.state_of_charge == battery.stored_micro_wh // MICRO
        number += 1


@given(batteries, plans)
def test_what_is_planned_stays_possible(battery: Battery, plans: list[tuple[int, int]]) -> None:
    begun(battery)
    agreed: dict[int, int] = {}
    for number, energy in plans:
        agreed[number] = battery.schedule(slot(number), energy)
        assert abs(agreed[number]) <= battery._limit
        assert {n: battery.scheduled(slot(n)) for n in agreed} == agreed
    done = [battery.advance() for _ in range(14)]
    assert done == [agreed.get(number, 0) for number in range(14)]
    assert 0 <= battery.stored_micro_wh <= battery.capacity * MICRO


@given(batteries, plans, st.integers(0, 5), st.integers(-400, 400))
def test_the_potential_is_what_can_be_planned(
    battery: Battery, plans: list[tuple[int, int]], number: int, energy: int
) -> None:
    begun(battery)
    for other, planned in plans:
        battery.schedule(slot(other), planned)
    discharge, charge = battery.potential(slot(number))
    assert discharge >= 0
    assert charge >= 0
    if not battery.scheduled(slot(number)):  # else other plans may rest on this one
        assert battery.schedule(slot(number), energy) == max(-discharge, min(charge, energy))
        assert battery.potential(slot(number)) == (discharge, charge)


@given(lossless, plans, st.integers(0, 5), st.integers(-300, 300))
def test_without_losses_the_nearest_possible_is_planned(
    battery: Battery, plans: list[tuple[int, int]], number: int, energy: int
) -> None:
    begun(battery)
    for other, planned in plans:
        battery.schedule(slot(other), planned)
    efficiency = Fraction(str(battery.efficiency))

    def possible(energy: int) -> bool:
        stored = 0
        for n in range(6):
            flow = energy if n == number else battery.scheduled(slot(n))
            stored += int(flow * efficiency * MICRO) if flow > 0 else -taken_out(-flow, efficiency)
            if abs(flow) > 200 or not 0 <= stored <= battery.capacity * MICRO:
                return False
        return True

    nearest = min((wh for wh in range(-200, 201) if possible(wh)), key=lambda wh: abs(wh - energy))
    discharge, charge = battery.potential(slot(number))
    planned = battery.schedule(slot(number), energy)
    assert possible(planned)
    if possible(0):  # else others rest on this slot's plan, and what is cut off may be more
        assert planned == nearest
        assert possible(-discharge)
        assert possible(charge)
        assert not possible(-discharge - 1)
        assert not possible(charge + 1)


def test_a_charge_that_others_rest_on_cannot_be_taken_back() -> None:
    battery = begun(Battery(1_000, 4_000, efficiency=0.5))
    assert battery.schedule(START, 1_000) == 1_000
    assert battery.schedule(slot(1), -200) == -200  # takes 400 of the 500
    assert battery.potential(START) == (0, 1_000)
    assert battery.schedule(START, 0) == 800
    assert [battery.advance(), battery.advance(), battery.stored_micro_wh] == [800, -200, 0]


# ---------------------------------------------------------------- examples


def test_power_limits_what_flows_in_a_slot() -> None:
    battery = begun(Battery(10_000, 4_000))
    assert battery.potential(START) == (0, 1_000)
    assert battery.schedule(START, 5_000) == 1_000


def test_charging_and_discharging_both_lose() -> None:
    battery = begun(Battery(10_000, 40_000, efficiency=0.9))
    battery.schedule(START, 1_000)
    battery.advance()
    assert battery.stored_micro_wh == 900 * MICRO
    assert battery.potential(slot(1))[0] == 810
    battery.schedule(slot(1), -10_000)
    assert battery.advance() == -810
    assert battery.stored_micro_wh == 0


@pytest.mark.parametrize(
    ("efficiency", "p1", "p2"), [(0.9, 100, 200), (0.9, 100, 120), (1.0, 100, 101), (0.8, 64, 100)]
)
def test_arbitrage_gains_as_the_closed_form_says(efficiency: float, p1: int, p2: int) -> None:
    """Profit per kWh charged = efficiency^2 p2 - p1, hence above 0 iff p2/p1 > 1/efficiency^2."""
    battery = begun(Battery(100_000, 400_000, efficiency))
    charged = battery.schedule(START, 10_000)
    battery.advance()
    given_back = -battery.schedule(slot(1), -100_000)
    profit = Fraction(given_back * p2 - charged * p1, charged)
    eta = Fraction(str(efficiency))
    assert profit == eta**2 * p2 - p1
    assert (profit > 0) is (Fraction(p2, p1) > 1 / eta**2)


def test_what_will_be_needed_later_cannot_be_given_now() -> None:
    battery = begun(Battery(1_000, 40_000, initial_charge=600))
    assert battery.schedule(slot(10), -500) == -500
    assert battery.potential(slot(3)) == (100, 400)
    assert battery.schedule(slot(3), -600) == -100
    assert battery.potential(slot(5)) == (0, 500)


def test_room_that_will_be_needed_later_cannot_be_filled_now() -> None:
    battery = begun(Battery(1_000, 40_000, initial_charge=600))
    assert battery.schedule(slot(10), 300) == 300
    assert battery.potential(slot(3))[1] == 100


def test_self_discharge_takes_its_share_in_a_month() -> None:
    battery = begun(Battery(1_000, 1_000, monthly_sdr=0.5, initial_charge=1_000))
    slots = 30 * 24 * 3600 // STEP
    for _ in range(slots):
        battery.advance()
    assert 0 <= battery.stored_micro_wh - 500 * MICRO <= slots  # each slot's share is cut to a micro-Wh
    for _ in range(2 * slots):
        battery.advance()
    assert battery.stored_micro_wh == 0


def test_a_slot_that_is_over_is_ignored() -> None:
    battery = begun(Battery(1_000, 4_000, initial_charge=500))
    battery.advance()
    assert battery.potential(START) == (0, 0)
    assert battery.schedule(START, 100) == 0
    assert battery.potential(slot(1)) == (500, 500)


def test_it_begins_anew() -> None:
    battery = begun(Battery(1_000, 4_000, initial_charge=500))
    battery.schedule(START, 100)
    battery.schedule(slot(4), 100)
    battery.advance()
    begun(battery)
    assert (battery.state_of_charge, battery.scheduled(slot(4))) == (500, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"capacity": -1},
        {"power": -1},
        {"efficiency": 0},
        {"efficiency": 1.01},
        {"monthly_sdr": -0.1},
        {"monthly_sdr": 1.1},
        {"initial_charge": -1},
        {"initial_charge": 1_001},
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="found"):
        Battery(**{"capacity": 1_000, "power": 1_000, **wrong})
