"""A market that is made anew from its state answers as the one it was taken of, at any moment."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.lively import lively_areas
from tests.helpers import STEP, lively_commands
from trex_market.core.clearing import RULES
from trex_market.core.market import Market
from trex_market.core.messages import (
    AdvanceClock,
    Command,
    EndRound,
    Event,
    OrderAccepted,
    ReportMeter,
    StartRound,
    SubmitOrder,
)
from trex_market.core.state import MarketState

WALL_CLOCK: dict[str, Any] = {
    "rounds": 9,
    "mode": "realtime",
    "meter_grace_s": STEP,
    "reconciliation_window_s": 3 * STEP,
}


def on_the_wall_clock(seed: int, rule: str) -> list[Command]:
    """Return a lively market whose readings come after their slots: most in time, some late, some never."""
    return late_readings(seed, lively_commands(seed, rule, **WALL_CLOCK))


def late_readings(seed: int, lively: list[Command]) -> list[Command]:
    """Let the readings of a lively market come after their slots."""
    chance = random.Random(seed)
    commands: list[Command] = []
    waiting: list[tuple[int, ReportMeter]] = []
    for command in lively:
        if isinstance(command, ReportMeter):
            waiting.append((command.meter.slot_end + chance.choice((0, 0, STEP, 2 * STEP)), command))
            continue
        if isinstance(command, StartRound):
            due = [report for time, report in waiting if time <= command.time]
            waiting = [entry for entry in waiting if entry[0] > command.time]
            commands += [msgspec.structs.replace(report, time=command.time) for report in due]
            commands.append(AdvanceClock(command.time))
        commands.append(command)
    return commands


@given(st.integers(0, 10**6), st.sampled_from(sorted(RULES)), st.floats(0, 1), st.booleans())
@settings(max_examples=120)
def test_so_does_one_with_areas_requirements_and_early_clearings(
    seed: int, rule: str, part: float, realtime: bool
) -> None:
    free = rule in {"uniform", "mcafee", "trade_reduction"}
    lively = lively_areas(seed, rule, areas=not free, **(WALL_CLOCK if realtime else {}))
    commands = late_readings(seed, lively) if realtime else lively
    cut = 1 + int(part * (len(commands) - 1))
    market = Market()
    handled(market, commands[:cut])
    written = msgspec.json.encode(market.state())
    restored = Market.restored(msgspec.json.decode(written, type=MarketState))
    assert msgspec.json.encode(restored.state()) == written
    assert restored.grid_fees() == market.grid_fees()
    assert handled(restored, commands[cut:]) == handled(market, commands[cut:])
    assert restored.state() == market.state()


NEW_KEYS = {"areas", "attributes", "requirements", "clearing", "fee_payer", "places", "fee_ask", "fee_bid"}


def without_new_keys(plain: Any) -> Any:
    """Return a state as it was written before there were areas, requirements and early clearings."""
    if isinstance(plain, dict):
        return {key: without_new_keys(inner) for key, inner in plain.items() if key not in NEW_KEYS}
    return [without_new_keys(inner) for inner in plain] if isinstance(plain, list) else plain


def test_a_state_of_before_can_be_gone_on_with() -> None:
    market = Market()
    commands = on_the_wall_clock(11, "MicroTE")
    handled(market, commands[: len(commands) // 2])
    old = msgspec.json.encode(without_new_keys(msgspec.json.decode(msgspec.json.encode(market.state()))))
    restored = Market.restored(msgspec.json.decode(old, type=MarketState))
    assert restored.state() == market.state()
    assert handled(restored, commands[len(commands) // 2 :]) == handled(
        market, commands[len(commands) // 2 :]
    )


def handled(market: Market, commands: list[Command]) -> list[Event]:
    return [event for command in commands for event in market.handle(command)]


@given(st.integers(0, 10**6), st.sampled_from(sorted(RULES)), st.floats(0, 1), st.booleans())
@settings(max_examples=120)
def test_a_restored_market_goes_on_as_the_first(seed: int, rule: str, part: float, realtime: bool) -> None:
    commands = on_the_wall_clock(seed, rule) if realtime else lively_commands(seed, rule)
    cut = 1 + int(part * (len(commands) - 1))
    market = Market()
    handled(market, commands[:cut])
    written = msgspec.json.encode(market.state())
    restored = Market.restored(msgspec.json.decode(written, type=MarketState))
    assert msgspec.json.encode(restored.state()) == written
    assert restored.members == market.members
    assert restored.open_slots() == market.open_slots()
    assert {name: restored.contracts_of(name) for name in market.members} == {
        name: market.contracts_of(name) for name in market.members
    }
    assert handled(restored, commands[cut:]) == handled(market, commands[cut:])
    assert restored.state() == market.state()


def test_on_the_wall_clock_ids_are_forgotten_with_their_gate_and_in_a_simulation_never() -> None:
    for mode, forgotten in (("realtime", True), ("simulation", False)):
        market = Market()
        commands = lively_commands(3, "MicroTE", mode=mode)
        events = handled(market, [one for one in commands if not isinstance(one, ReportMeter)])
        (first, *_) = [event.order for event in events if isinstance(event, OrderAccepted)]
        known = market.state().book.used
        assert (first.order_id in known) is not forgotten
        assert {order.order_id for order in market.state().book.orders} <= known.keys()
        if forgotten:
            current = market.current
            assert current is not None
            assert all(start > current + STEP for start in known.values())


def test_a_state_is_no_window_into_the_market() -> None:
    market = Market()
    commands = on_the_wall_clock(5, "MicroTE3B")
    handled(market, commands[: len(commands) // 2])
    state = market.state()
    before = msgspec.json.encode(state)
    handled(market, commands[len(commands) // 2 :])
    assert any(isinstance(one, SubmitOrder | EndRound) for one in commands[len(commands) // 2 :])
    assert msgspec.json.encode(state) == before
