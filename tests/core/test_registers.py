"""Counters become readings of slots: to the Wh, and never where too little is known. All numbers by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.helpers import STEP, reading, terms
from trex_market.core.errors import PhaseError, RefusalCode
from trex_market.core.market import Market
from trex_market.core.messages import (
    CONSUMPTION,
    AdvanceClock,
    Corrected,
    Delivered,
    Event,
    Join,
    MeterAccepted,
    MeterRejected,
    ReadRegisters,
    RegisterReading,
    RegistersRead,
    RegisterTrouble,
    ReportMeter,
    StartRound,
)
from trex_market.core.registers import SLOTS_KEPT, TOLERANCE_WH, Registers, max_gap
from trex_market.core.state import MarketState

T = 1_472_976_000
"""A slot's start; a slot lasts 900 s."""

POWER = 36_000
"""W: 10 Wh a second."""

MODULUS = 100_000
"""Wh."""

GAP = max_gap(STEP)


class Meter:
    """Ann's meter, and a market that listens to it."""

    def __init__(self, *others: str, **more: Any) -> None:
        self.market = Market()
        usual = {"mode": "realtime", "meter_grace_s": 60, "reconciliation_window_s": 7_200}
        self.market.handle(terms(**(usual | more)))
        for name in ("ann", *others):
            self.market.handle(Join(name, T))
        self.energies: dict[int, tuple[int, int]] = {}
        """Number of a slot -> what was consumed, what the sun gave."""

    def shows(
        self,
        after: int,
        consumed: int | None = None,
        exported: int | None = None,
        *,
        told: int = 0,
        modulus: int | None = None,
        expected: Sequence[str] = (),
        who: str = "ann",
    ) -> list[Event]:
        """Tell what the registers show so many seconds after `T`, and `told` seconds later."""
        values = {"import": (consumed, CONSUMPTION), "export": (exported, "solar")}
        registers = tuple(
            RegisterReading(name, value, measures, POWER, modulus)
            for name, (value, measures) in values.items()
            if value is not None
        )
        command = ReadRegisters(who, registers, T + after, T + after + told, tuple(expected))
        events = self.market.handle(command)
        for event in events:
            if isinstance(event, MeterAccepted):
                number, rest = divmod(event.meter.slot_start - T, STEP)
                assert rest == 0
                assert number not in self.energies
                sun = event.meter.generation.get("solar", 0)
                self.energies[number] = (event.meter.consumption["other"]["external"], sun)
        return events

    def is_refused(self, after: int, *values: int | None, **others: Any) -> tuple[RefusalCode, str]:
        """Tell what is refused, and return why; it changes nothing."""
        before = msgspec.json.encode(self.market.state())
        (event,) = self.shows(after, *values, **others)
        assert isinstance(event, MeterRejected), event
        assert msgspec.json.encode(self.market.state()) == before
        return event.code, event.detail

    @property
    def need(self) -> dict[int, int]:
        """Number of a slot -> what was consumed."""
        return {number: need for number, (need, _) in self.energies.items()}


def troubles(events: Sequence[Event]) -> list[RegisterTrouble]:
    return [event for event in events if isinstance(event, RegisterTrouble)]


# ---------------------------------------------------------------- interpolation


def test_readings_at_the_edges_are_taken_as_they_are() -> None:
    meter = Meter()
    assert meter.shows(0, 5_000) == [RegistersRead("ann", T)]
    meter.shows(900, 5_300)
    meter.shows(1800, 5_301)
    assert meter.need == {0: 300, 1: 1}


def test_edges_between_two_readings_are_interpolated_and_floored() -> None:
    meter = Meter()
    meter.shows(-100, 1_000)
    meter.shows(500, 1_010)  # 10 Wh in 600 s: 1 at the edge (1.67), 9 since
    assert meter.need == {}
    meter.shows(1000, 1_020)  # 10 in 500 s: 8 until the edge at 900, 2 since
    assert meter.need == {0: 17}
    meter.shows(1800, 1_021)
    assert meter.need == {0: 17, 1: 3}
    assert sum(meter.need.values()) == 1_021 - 1_001


def test_one_interval_may_hold_two_edges() -> None:
    meter = Meter()
    meter.shows(0, 0)
    meter.shows(800, 80)
    events = meter.shows(800 + GAP, 80 + GAP)  # 1350 Wh in 1350 s: 100 until 900, 900 until 1800, 350 since
    starts = [event.meter.slot_start for event in events if isinstance(event, MeterAccepted)]
    assert starts == [T, T + 900]
    assert meter.need == {0: 180, 1: 900}
    meter.shows(2700, 3_000)
    assert meter.need == {0: 180, 1: 900, 2: 3_000 - 80 - 1_000}


def test_the_slot_in_which_counting_began_is_not_covered() -> None:
    meter = Meter()
    meter.shows(1, 50)
    meter.shows(900, 80)
    assert meter.need == {}
    meter.shows(1800, 85)
    assert meter.need == {1: 5}


times = st.lists(st.integers(1, GAP), min_size=2, max_size=40)


@given(st.integers(-2 * STEP, 2 * STEP), times, st.data())
def test_slots_add_up_to_what_the_register_counted(begun: int, gaps: list[int], data: st.DataObject) -> None:
    """Compare with the piecewise linear function itself, in fractions; the register rolls over on the way."""
    points = [(begun, data.draw(st.integers(0, MODULUS - 1)))]
    for gap in gaps:
        time, total = points[-1]
        points.append((time + gap, total + data.draw(st.integers(0, min(MODULUS - 1, 10 * gap)))))
    meter = Meter()
    for time, total in points:
        events = meter.shows(time, total % MODULUS, modulus=MODULUS)
        assert troubles(events) == []

    def at(moment: int) -> int:
        for (start, low), (end, high) in pairwise(points):
            if start <= moment <= end:
                return int(low + Fraction(high - low) * (moment - start) / (end - start))
        raise AssertionError(moment)

    edges = range(-(-points[0][0] // STEP) * STEP, points[-1][0] + 1, STEP)
    assert meter.need == {start // STEP: at(end) - at(start) for start, end in pairwise(edges)}
    if meter.need:
        assert sum(meter.need.values()) == at(edges[-1]) - at(edges[0])


# ---------------------------------------------------------------- several registers


def test_a_slot_has_a_reading_when_all_registers_cover_it() -> None:
    meter = Meter()
    meter.shows(0, 0, 0)
    meter.shows(900, 100)
    meter.shows(1800, 300)
    assert meter.energies == {}
    meter.shows(900, exported=40)
    assert meter.energies == {0: (100, 40)}
    events = meter.shows(1810, exported=951, told=5)  # 911 Wh in 910 s: 900 until the edge
    assert meter.energies == {0: (100, 40), 1: (200, 900)}
    assert [type(event) for event in events] == [RegistersRead, MeterAccepted]


def test_registers_that_measure_the_same_are_added_up() -> None:
    market = Meter().market
    day_and_night = [("day", 7, CONSUMPTION), ("night", 5, CONSUMPTION), ("roof", 2, "solar")]
    for time, factor in ((T, 0), (T + 900, 1)):
        registers = tuple(
            RegisterReading(name, value * factor, what, POWER) for name, value, what in day_and_night
        )
        events = market.handle(ReadRegisters("ann", registers, time, time))
    assert events[1:] == [MeterAccepted("ann", reading(T, {"solar": 2}, need=12))]


def test_what_is_expected_and_never_read_holds_slots_back() -> None:
    meter = Meter()
    both = ("import", "export")
    for after in (0, 900, 1800):
        meter.shows(after, exported=after, expected=both)
    assert meter.energies == {}
    meter.shows(1800, 7, expected=both)
    meter.shows(2700, 8, 2700, expected=both)
    assert meter.energies == {2: (1, 900)}


def test_a_register_that_is_no_longer_expected_is_forgotten() -> None:
    meter = Meter()
    meter.shows(0, 0, 0)
    meter.shows(900, 10)
    assert meter.energies == {}
    meter.shows(1000, 20, expected=["import"])
    assert meter.energies == {0: (10, 0)}
    assert meter.market.registers_of("ann") == {"import"}


def test_each_participant_has_registers_of_its_own() -> None:
    meter = Meter("bob")
    meter.shows(0, 0)
    meter.shows(0, 0, 0, who="bob")
    meter.shows(900, 10)
    assert meter.need == {0: 10}
    assert meter.market.registers_of("cid") == frozenset()


def test_slots_that_can_be_covered_no_more_are_forgotten() -> None:
    meter = Meter()
    meter.shows(0, 0)
    for number in range(1, 4):
        meter.shows(900 * number, number, expected=("import", "export"))
    meter.shows(2000, exported=0, expected=("import", "export"))  # it covers slots from 2700 on
    assert meter.market.state().registers["ann"]["import"].energies == {T + 1800: 1}
    meter.shows(2700, exported=0, expected=("import", "export"))
    assert meter.market.state().registers["ann"]["import"].energies == {}


def test_what_waits_for_another_register_is_bounded() -> None:
    registers = Registers(1, {"solar"})
    for second in range(SLOTS_KEPT + 50):
        shown = RegisterReading("import", second, CONSUMPTION, POWER)
        registers.read(ReadRegisters("ann", (shown,), second, second, ("import", "export")))
    waiting = registers.state()["ann"]["import"].energies
    assert list(waiting) == list(range(49, SLOTS_KEPT + 49))


readings_of_both = st.lists(
    st.tuples(st.integers(1, GAP), st.integers(0, 1_000), st.integers(1, GAP), st.integers(0, 1_000)),
    min_size=1,
    max_size=12,
)


@given(readings_of_both, st.randoms(use_true_random=False))
def test_which_register_comes_first_changes_nothing(rows: list[tuple[int, ...]], chance: Any) -> None:
    consumed, exported = [(0, 0)], [(0, 0)]
    for consumed_after, need, exported_after, sun in rows:
        consumed.append((consumed[-1][0] + consumed_after, consumed[-1][1] + need))
        exported.append((exported[-1][0] + exported_after, exported[-1][1] + sun))
    outcomes = []
    for _ in range(2):
        meter = Meter()
        both = ("import", "export")
        queues = {"consumed": list(consumed), "exported": list(exported)}
        while any(queues.values()):
            name = chance.choice([one for one, queue in queues.items() if queue])
            after, value = queues[name].pop(0)
            late = 10 * GAP * len(rows)
            meter.shows(after, told=late - after, expected=both, **{name: value})
        outcomes.append(meter.energies)
    assert outcomes[0] == outcomes[1]
    covered = min(consumed[-1][0], exported[-1][0]) // STEP
    assert outcomes[0].keys() == set(range(covered))


# ---------------------------------------------------------------- gaps


def test_a_gap_leaves_its_slots_without_a_reading_and_is_told() -> None:
    meter = Meter()
    meter.shows(0, 0)
    meter.shows(900, 100)
    events = meter.shows(900 + GAP + 1, 3_000)
    (trouble,) = troubles(events)
    assert (trouble.reason, trouble.start, trouble.end, trouble.energy) == ("gap", T + 900, T + 2251, 2_900)
    assert "was not read for 1351 s, at most 1350 may be in between: the 2900 Wh" in trouble.detail
    meter.shows(2700, 3_010)
    meter.shows(3600, 3_012)
    assert meter.need == {0: 100, 3: 2}


def test_a_daily_reading_covers_nothing() -> None:
    meter = Meter()
    for day in range(3):
        events = meter.shows(day * 86_400, day * 10_000)
        assert [one.energy for one in troubles(events)] == [10_000] * bool(day)
    assert meter.need == {}


@pytest.mark.parametrize("step", [1, 5, 900, 3600])
def test_a_gap_is_more_than_a_step_and_less_than_two(step: int) -> None:
    assert step <= max_gap(step) < 2 * step


# ---------------------------------------------------------------- down and up


def test_a_register_rolls_over() -> None:
    meter = Meter()
    meter.shows(0, MODULUS - 40, modulus=MODULUS)
    assert troubles(meter.shows(900, 60, modulus=MODULUS)) == []
    assert meter.need == {0: 100}


def test_a_register_rolls_over_in_a_gap() -> None:
    meter = Meter()
    meter.shows(0, MODULUS - 40, modulus=MODULUS)
    (trouble,) = troubles(meter.shows(9000, 60, modulus=MODULUS))
    assert (trouble.reason, trouble.energy) == ("gap", 100)


@pytest.mark.parametrize("modulus", [None, MODULUS])
def test_a_register_is_reset(modulus: int | None) -> None:
    meter = Meter()
    meter.shows(0, 50_000, modulus=modulus)
    (trouble,) = troubles(meter.shows(600, 20, modulus=modulus))
    assert (trouble.reason, trouble.start, trouble.end, trouble.energy) == ("reset", T, T + 600, None)
    assert "went from 50000 Wh (consumption) to 20 Wh" in trouble.detail
    assert troubles(meter.shows(900, 25, modulus=modulus)) == []
    meter.shows(1800, 32, modulus=modulus)
    assert meter.need == {1: 7}


def test_slots_that_waited_outlive_a_reset() -> None:
    meter = Meter()
    meter.shows(0, 1_000, 0)
    meter.shows(900, 1_030)
    meter.shows(950, 0)
    meter.shows(900, exported=4)
    assert meter.energies == {0: (30, 4)}


@pytest.mark.parametrize(("after", "most"), [(900, 9_000 + TOLERANCE_WH), (1, 10 + TOLERANCE_WH)])
def test_no_more_flows_than_can(after: int, most: int) -> None:
    meter = Meter()
    meter.shows(0, 0)
    code, detail = meter.is_refused(after, most + 1)
    assert code is RefusalCode.BAD_QUANTITY
    assert detail == f"register 'import' went up by {most + 1} Wh in {after} s; at most {most} Wh can flow"
    assert troubles(meter.shows(after, most)) == []


def test_a_roll_over_is_one_as_long_as_so_much_can_flow() -> None:
    most = 9_000 + TOLERANCE_WH
    for value, reasons in ((most - 1, []), (most, ["reset"])):
        meter = Meter()
        meter.shows(0, MODULUS - 1, modulus=MODULUS)
        events = meter.shows(900, value, modulus=MODULUS)
        assert [one.reason for one in troubles(events)] == reasons


def test_a_meter_that_was_exchanged_counts_anew_after_a_gap() -> None:
    meter = Meter()
    meter.shows(0, 10)
    code, _ = meter.is_refused(GAP, 5_000_000)
    assert code is RefusalCode.BAD_QUANTITY
    (trouble,) = troubles(meter.shows(GAP + 1, 5_000_000))
    assert (trouble.reason, trouble.energy) == ("reset", None)
    meter.shows(1800, 5_000_001)
    meter.shows(2700, 5_000_003)
    assert meter.need == {2: 2}


def test_a_register_that_measures_something_else_counts_anew() -> None:
    market = Meter().market
    for time, value, measures in ((T, 0, "solar"), (T + 900, 10, "wind"), (T + 1800, 10**9, "solar")):
        shown = RegisterReading("roof", value, measures, POWER)
        events = market.handle(ReadRegisters("ann", (shown,), time, time))
        assert [one.reason for one in troubles(events)] == ["reset"] * (time > T)


# ---------------------------------------------------------------- refusals


def test_a_reading_that_comes_twice_changes_nothing() -> None:
    meter = Meter()
    meter.shows(0, 10, 0)
    state = meter.market.state()
    assert meter.shows(0, 10, 0, told=5) == [RegistersRead("ann", T)]
    assert meter.market.state() == state
    meter.shows(5, 11)
    assert meter.market.state() != state


@pytest.mark.parametrize(
    ("after", "values", "others", "code", "said"),
    [
        (-1, (10,), {}, RefusalCode.BAD_SLOT, "was read at 1472976000 already, found 1472975999"),
        (0, (11,), {}, RefusalCode.BAD_SLOT, "was read at 1472976000 already"),
        (50, (11, 4), {"told": -1}, RefusalCode.BAD_SLOT, "were read in 1 s from now"),
        (50, (11, -1), {}, RefusalCode.BAD_QUANTITY, "register 'export' must show 0 to "),
        (50, (11, 10**15 + 1), {}, RefusalCode.BAD_QUANTITY, f"must show 0 to {10**15} Wh"),
        (50, (11, 100), {"modulus": 100}, RefusalCode.BAD_QUANTITY, "must show 0 to 99 Wh, found 100"),
        (50, (11, 4), {"expected": ["import"]}, RefusalCode.MALFORMED, "unknown register 'export'"),
        (50, (), {}, RefusalCode.MALFORMED, "must be named, and each once; found []"),
        (50, (11,), {"who": "eve"}, RefusalCode.UNKNOWN_PARTICIPANT, "'eve' has not joined"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    after: int, values: tuple[int, ...], others: Mapping[str, Any], code: RefusalCode, said: str
) -> None:
    meter = Meter()
    meter.shows(0, 10)
    found, detail = meter.is_refused(after, *values, **({"told": 100} | others))
    assert found is code
    assert said in detail


@pytest.mark.parametrize(
    ("names", "measures", "code"),
    [
        (("a", "a"), "solar", RefusalCode.MALFORMED),
        (("a",), "tidal", RefusalCode.UNKNOWN_SOURCE),
    ],
)
def test_registers_must_make_sense(names: Sequence[str], measures: str, code: RefusalCode) -> None:
    registers = tuple(RegisterReading(name, 5, measures, POWER) for name in names)
    (event,) = Meter().market.handle(ReadRegisters("ann", registers, T, T))
    assert isinstance(event, MeterRejected)
    assert event.code is code


def test_in_a_simulation_there_are_no_registers() -> None:
    meter = Meter(mode="simulation")
    with pytest.raises(PhaseError, match="only readings of slots"):
        meter.shows(0, 10)


# ---------------------------------------------------------------- in the market


def test_a_register_that_is_read_late_corrects_its_slot() -> None:
    meter = Meter()
    market = meter.market
    market.handle(StartRound(T - STEP, STEP))
    meter.shows(0, 1_000)
    (delivered,) = market.handle(AdvanceClock(T + STEP + 60))
    assert isinstance(delivered, Delivered)
    assert (delivered.estimated, delivered.transactions) == (("ann",), ())
    *_, corrected = meter.shows(900, 1_250, told=100)
    assert isinstance(corrected, Corrected)
    (row,) = corrected.transactions
    assert (row.kind, row.quantity, row.buyer_id, row.estimated) == ("supply", 250, "ann", False)


def test_silence_is_closed_as_silence_whatever_the_register_says_later() -> None:
    meter = Meter()
    market = meter.market
    meter.shows(-86_400, 0)
    meter.shows(-86_400 + 900, 700)  # a day before, in this hour
    market.handle(StartRound(T - STEP, STEP))
    meter.shows(0, 1_000)
    market.handle(AdvanceClock(T + STEP + 60))
    assert [one.energy for one in troubles(meter.shows(7_000, 1_300))] == [300]
    (corrected,) = market.handle(AdvanceClock(T + STEP + 7_200))
    assert isinstance(corrected, Corrected)
    (row,) = corrected.transactions
    assert (row.kind, row.quantity, row.estimated) == ("supply", 700, True)


def test_a_slot_that_has_a_true_reading_keeps_it() -> None:
    meter = Meter()
    market = meter.market
    market.handle(StartRound(T - STEP, STEP))
    meter.shows(0, 0)
    market.handle(ReportMeter("ann", reading(T, need=40), T + STEP))
    market.handle(AdvanceClock(T + STEP + 60))
    read, refused = meter.shows(900, 50, told=100)
    assert isinstance(read, RegistersRead)
    assert isinstance(refused, MeterRejected)
    assert "was delivered" in refused.detail


shown = st.tuples(
    st.integers(0, 2 * GAP), st.integers(-50, 1_000), st.integers(-50, 1_000), st.sampled_from("ieb")
)


@given(st.lists(shown, max_size=15), st.integers(0, 15))
def test_a_market_goes_on_from_its_state(rows: list[tuple[int, int, int, str]], cut: int) -> None:
    assume(cut <= len(rows))
    meter = Meter()
    after, consumed, exported = 0, 1_000, 1_000
    rest = []
    for number, (gap, need, sun, which) in enumerate(rows):
        after, consumed, exported = after + gap, max(0, consumed + need), max(0, exported + sun)
        values = (consumed if which in "ib" else None, exported if which in "eb" else None)
        if number < cut:
            meter.shows(after, *values)
        else:
            rest.append((after, values))
    written = msgspec.json.encode(meter.market.state())
    again = Meter()
    state = msgspec.json.decode(written, type=MarketState)
    again.market = Market.restored(state)
    again.energies = dict(meter.energies)
    for after, values in rest:
        assert again.shows(after, *values) == meter.shows(after, *values)
    assert again.market.state() == meter.market.state()
    assert msgspec.json.encode(state) == written
