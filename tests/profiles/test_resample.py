"""Energy is conserved, whatever the slots."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from trex_market.profiles.cells import Number
from trex_market.profiles.resample import resample

STEPS = st.sampled_from([60, 70, 300, 420, 900, 1_000, 1_800, 3_600, 5_400])
WHOLE = st.lists(st.integers(0, 5_000), min_size=1, max_size=12)
DECIMALS = st.lists(
    st.decimals(0, 5_000, allow_nan=False, allow_infinity=False, places=7) | st.integers(0, 5_000),
    min_size=1,
    max_size=12,
)


def true_energy(values: list[Number], native: int, time: int) -> Fraction:
    """Give the energy up to a time, by another way than the code's: slot by slot, in fractions."""
    shares = (
        Fraction(min(max(time - index * native, 0), native), native) * Fraction(value)
        for index, value in enumerate(values)
    )
    return sum(shares, Fraction(0))


@settings(deadline=None)
@given(DECIMALS, STEPS, STEPS, st.data())
def test_the_running_sum_never_drifts_by_a_watt_hour(
    values: list[Number], native: int, step: int, data: st.DataObject
) -> None:
    offset = data.draw(st.integers(0, native - 1))
    count = (native * len(values) - offset) // step
    slots = resample(values, native=native, offset=offset, step=step, count=count) if count else []
    assert len(slots) == count
    assert all(slot >= 0 for slot in slots)
    running = 0
    start = true_energy(values, native, offset)
    for number, slot in enumerate(slots, 1):
        running += slot
        assert abs(running - (true_energy(values, native, offset + number * step) - start)) <= 1
    if offset == 0:
        assert abs(running - true_energy(values, native, count * step)) <= Fraction(1, 2)


@settings(deadline=None)
@given(WHOLE, STEPS, st.integers(1, 12), st.integers(1, 12))
def test_sums_over_whole_slots_of_the_data_are_exact(
    values: list[int], unit: int, native_units: int, step_units: int
) -> None:
    native, step = unit * native_units, unit * step_units
    count = native * len(values) // step
    slots = resample(list(values), native=native, offset=0, step=step, count=count)
    for index in range(len(values) + 1):
        edge = index * native
        if edge % step == 0 and edge // step <= count:
            assert sum(slots[: edge // step]) == sum(values[:index])


@settings(deadline=None)
@given(WHOLE, st.sampled_from([25, 60, 100, 300, 450]), st.data())
def test_reading_in_two_parts_gives_the_same(values: list[int], step: int, data: st.DataObject) -> None:
    native = 900
    count = native * len(values) // step
    cut = data.draw(st.integers(1, count))
    whole = resample(list(values), native=native, offset=0, step=step, count=count)
    skipped, offset = divmod(cut * step, native)
    rest = list(values[skipped:])
    assert resample(list(values), native=native, offset=0, step=step, count=cut) == whole[:cut]
    if rest:
        assert resample(rest, native=native, offset=offset, step=step, count=count - cut) == whole[cut:]


@settings(deadline=None)
@given(WHOLE, st.integers(1, 8))
def test_coarser_slots_are_sums(values: list[int], factor: int) -> None:
    count = len(values) // factor
    slots = resample(list(values), native=900, offset=0, step=900 * factor, count=count)
    assert slots == [sum(values[i * factor : (i + 1) * factor]) for i in range(count)]


def test_a_slot_is_split_evenly_over_time() -> None:
    assert resample([10], native=900, offset=0, step=300, count=3) == [3, 4, 3]
    assert resample([1, 1], native=900, offset=0, step=450, count=4) == [0, 1, 0, 1]
    assert resample([9, 3], native=300, offset=0, step=200, count=3) == [6, 4, 2]


def test_decimals_add_up_where_floats_would_not() -> None:
    tenths: list[Number] = [Decimal("0.1")] * 30
    assert sum(resample(tenths, native=60, offset=0, step=60, count=30)) == 3
    assert resample(tenths, native=60, offset=0, step=600, count=3) == [1, 1, 1]


def test_halves_are_rounded_to_even_on_the_running_sum() -> None:
    halves: list[Number] = [Decimal("0.5")] * 8
    assert resample(halves, native=900, offset=0, step=900, count=8) == [0, 1, 1, 0, 0, 1, 1, 0]
