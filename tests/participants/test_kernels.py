"""The array forms of battery and sub-metering against the plain ones, to the last unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from participants.devices.battery import Battery
from participants.devices.battery_kernel import (
    charge_potential,
    discharge_potential,
    make_bank,
    plan,
)
from participants.strategies.battery_arbitrage_kernel import Window
from participants.submetering import submeter as plain_submeter
from participants.submetering_kernel import submeter
from tests.helpers import START, STEP, slot
from trex_market.core.errors import InputError
from trex_market.core.messages import BATTERY, EXTERNAL, OTHER
from trex_market.kernels.layout import make_layout
from trex_market.kernels.records import NOBODY

pytestmark = pytest.mark.timeout(900)  # compiling for the first time takes its while

batteries = st.builds(
    lambda capacity, power, efficiency, loss, filled: Battery(
        capacity, power, efficiency, loss, initial_charge=capacity * filled / 10
    ),
    st.sampled_from([0, 1, 200, 9_000_000]),
    st.sampled_from([0, 4, 400, 10**9]),
    st.sampled_from([1, 0.95, 0.777777, 0.000001]),
    st.sampled_from([0, 0, 0.05, 1]),
    st.integers(0, 10),
)
energies = st.one_of(st.integers(-300, 300), st.sampled_from([-(10**9), 10**9, -9_000_000, 9_000_001]))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(batteries, min_size=1, max_size=3), st.integers(0, 3), st.data())
def test_a_battery_that_is_planned_once_in_each_round_is_the_plain_one(
    plain: list[Battery], ahead: int, data: st.DataObject
) -> None:
    slots = ahead + 1
    bank, plans = make_bank(plain, [ahead] * len(plain), STEP, slots)
    for battery in plain:
        battery.start(START, STEP)
    for number in range(12):
        later = slot(number + ahead)
        for place, battery in enumerate(plain):
            assert (discharge_potential(bank, place), charge_potential(bank, place)) == battery.potential(
                later
            )
            energy = data.draw(energies)
            planned = battery.schedule(later, energy)
            plan(bank, plans, place, (number + ahead) % slots, energy)
            assert plans[(number + ahead) % slots, place]["energy"] == planned
            now = plans[number % slots, place]
            assert now["energy"] == battery.advance()
            assert now["held"] == battery.stored_micro_wh


def test_potentials_can_be_asked_up_to_a_limit() -> None:
    bank, _ = make_bank([Battery(1_000, 4_000, initial_charge=500)], [0], STEP, 1)
    assert [discharge_potential(bank, 0, limit) for limit in (0, 499, 500, 501)] == [0, 499, 500, 500]
    assert [charge_potential(bank, 0, limit) for limit in (0, 499, 500, 501)] == [0, 499, 500, 500]


def test_batteries_that_are_too_large_are_refused() -> None:
    with pytest.raises(InputError, match=r"at most 9,000,000 Wh .* found up to 9,000,001 Wh"):
        make_bank([Battery(9_000_001, 1)], [0], STEP, 1)


amounts = st.integers(0, 9)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(amounts, amounts), max_size=3),
    amounts,
    st.one_of(st.none(), st.integers(-9, 9)),
    amounts,
    st.integers(0, 2),
)
def test_a_reading_is_the_plain_one(
    sources: list[tuple[int, int]], load: int, battery: int | None, sold: int, before: int
) -> None:
    """`sources` are what each made and sold; `sold` is from the battery; others stand before the home."""
    names = ["solar", "wind", "hydro"][: len(sources)]
    promised = {name: sale for name, (_, sale) in zip(names, sources, strict=True) if sale}
    if battery is not None and sold:
        promised[BATTERY] = sold
    generation = {name: made for name, (made, _) in zip(names, sources, strict=True)}
    expected = plain_submeter((START, START + STEP), generation, load, battery, promised)

    own = [*range(1, len(names) + 1), *([0] if battery is not None else [])]
    layout = make_layout([[1, 2, 0]] * before + [own], [0] * (before + 1), 4)
    participants, channels = layout.participants, layout.channels
    participants[before]["battery"] = NOBODY if battery is None else 5
    first = 3 * before
    channels["due"][first:] = [sale for _, sale in sources] + ([] if battery is None else [sold])
    made = np.zeros((2, len(channels)), dtype=np.int32)
    made[1, first : first + len(sources)] = [energy for energy, _ in sources]
    loads = np.full((2, before + 1), load, dtype=np.int32)
    submeter(loads, made, participants, channels, before, 1, battery or 0)

    home, read = participants[before], channels[first:]
    with_battery = names if battery is None else [*names, BATTERY]
    assert dict(zip(with_battery, read["exported"].tolist(), strict=True)) == expected.generation
    used = dict(zip(with_battery, read["used"].tolist(), strict=True)) | {EXTERNAL: home["load_outside"]}
    assert used == expected.consumption[OTHER]
    if battery is not None:
        stored = dict(zip(names, read["stored"].tolist(), strict=False)) | {EXTERNAL: home["battery_outside"]}
        assert stored == expected.consumption[BATTERY]
    assert not channels["exported"][:first].any()


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1), st.integers(1, 5))
def test_a_window_of_prices_knows_its_lowest_and_highest(prices: list[int], length: int) -> None:
    window = Window(length)
    for number, price in enumerate(prices):
        last = prices[max(0, number - length + 1) : number + 1]
        assert window.add(number, price) == (min(last), max(last))
