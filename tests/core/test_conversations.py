"""What holds over a whole market: balance, independence of arrival, sameness, and steps that do not explode."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.steps import counted_steps
from tests.helpers import (
    START,
    STEP,
    assert_balanced,
    book,
    contract,
    lively_commands,
    reading,
)
from trex_market.core.clearing import RULES, RuleOptions, make_rule
from trex_market.core.delivery import DeliveryTerms, deemed_reading, deliver
from trex_market.core.market import Market
from trex_market.core.messages import (
    DEFAULT_SOURCES,
    CancelOrder,
    Command,
    Contracted,
    Delivered,
    EndRound,
    Event,
    Join,
    MeterAccepted,
    MeterReading,
    Order,
    OrderAccepted,
    OrderReplaced,
    ReplaceOrder,
    StartRound,
    SubmitOrder,
)
from trex_market.core.tariff import GridPrices

ROOT = Path(__file__).parents[2]
seeds = st.integers(0, 10**6)
rules = st.sampled_from(sorted(RULES))


def played(commands: list[Command]) -> list[Event]:
    market = Market()
    return [event for command in commands for event in market.handle(command)]


def shuffled(commands: list[Command], seed: int) -> list[Command]:
    """Let orders that follow each other arrive in another order, each participant's own kept in order."""
    chance = random.Random(seed)
    arrived: list[Command] = []
    for is_order, group in groupby(commands, key=lambda command: isinstance(command, SubmitOrder)):
        run = list(group)
        if is_order:
            senders = [command.participant_id for command in run if isinstance(command, SubmitOrder)]
            own = {
                name: iter([c for c in run if isinstance(c, SubmitOrder) and c.participant_id == name])
                for name in senders
            }
            chance.shuffle(senders)
            run = [next(own[name]) for name in senders]
        arrived += run
    return arrived


def outcome(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, Contracted | Delivered)]


@given(seeds, rules)
@settings(max_examples=60)
def test_every_slot_balances(seed: int, rule: str) -> None:
    events = played(lively_commands(seed, rule))
    readings: dict[int, dict[str, MeterReading]] = {}
    contracts = {event.slot_start: event.contracts for event in events if isinstance(event, Contracted)}
    for event in events:
        if isinstance(event, MeterAccepted):
            readings.setdefault(event.meter.slot_start, {})[event.participant_id] = event.meter
        if isinstance(event, Delivered):
            start = event.slot_start
            seen = dict(readings.get(start, {}))
            for name in event.estimated:
                assert name not in seen
                seen[name] = deemed_reading(name, contracts[start], start, start + STEP)
            assert_balanced(seen, event.transactions)


@given(seeds, rules)
@settings(max_examples=60)
def test_no_order_is_oversold_and_both_limits_are_kept(seed: int, rule: str) -> None:
    orders: dict[str, Order] = {}
    for event in played(lively_commands(seed, rule)):
        if isinstance(event, OrderAccepted | OrderReplaced):
            orders[event.order.order_id] = event.order
        if isinstance(event, Contracted):
            left = {name: order.quantity for name, order in orders.items()}
            for made in event.contracts:
                bid, ask = orders[made.bid_id], orders[made.ask_id]
                left[made.bid_id] -= made.quantity
                left[made.ask_id] -= made.quantity
                assert ask.price <= made.settlement_price_sell <= made.settlement_price_buy <= bid.price
                assert (made.seller_id, made.buyer_id) == (ask.participant_id, bid.participant_id)
                assert made.seller_id != made.buyer_id
                assert bid.slot_start == ask.slot_start == made.slot_start == event.slot_start
                assert made.energy_source == ask.source
                assert bid.source in {None, ask.source}
            assert min(left.values(), default=0) >= 0


def orders_first(commands: list[Command]) -> list[Command]:
    """Let each round begin with its orders, and leave cancellations and replacements out."""
    ordered: list[Command] = []
    for edge, group in groupby(commands, key=lambda command: isinstance(command, StartRound | EndRound)):
        kept = [command for command in group if not isinstance(command, CancelOrder | ReplaceOrder)]
        ordered += kept if edge else sorted(kept, key=lambda command: not isinstance(command, SubmitOrder))
    return ordered


@given(seeds, seeds, rules)
@settings(max_examples=60)
def test_the_order_of_arrival_changes_nothing(seed: int, other: int, rule: str) -> None:
    opening, *rest = lively_commands(seed, rule)
    joins = [command for command in rest if isinstance(command, Join)]
    straight = [opening, *joins, *orders_first([c for c in rest if not isinstance(c, Join)])]
    arrived = shuffled(straight, other)
    assert sorted(map(repr, arrived)) == sorted(map(repr, straight))
    assert outcome(played(arrived)) == outcome(played(straight))


@given(seeds, rules)
@settings(max_examples=25)
def test_the_same_commands_give_the_same_events(seed: int, rule: str) -> None:
    commands = lively_commands(seed, rule)
    assert played(commands) == played(commands)


SCRIPT = """
import sys, msgspec
from tests.helpers import lively_commands
from trex_market.core.clearing import RULES
from trex_market.core.market import Market
for rule in sorted(RULES):
    market = Market()
    for command in lively_commands(7, rule):
        for event in market.handle(command):
            sys.stdout.write(type(event).__name__ + msgspec.json.encode(event).decode() + "\\n")
"""


def test_the_hash_seed_changes_no_byte() -> None:
    said = []
    for hash_seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], cwd=ROOT, env=environment, capture_output=True, check=True
        )
        said.append(done.stdout)
    assert len(said[0]) > 10_000
    assert said[0] == said[1] == said[2]


# ---------------------------------------------------------------- steps


def hard_book(n: int) -> tuple[list[Order], list[Order]]:
    """One owner holds the front of both sides; many prices are the same."""
    bids = [(90 - i % 7, 3, "a" if i < n // 2 else f"b{i % 50}") for i in range(n)]
    asks = [(10 + i % 7, 2, "a" if i < n // 2 else f"b{(i + 1) % 50}") for i in range(n)]
    return book(bids, asks)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_four_times_the_orders_take_about_four_times_the_steps(rule: str) -> None:
    match = make_rule(rule, RuleOptions(price_cap=100)).match
    steps = []
    for n in (200, 800):
        bids, asks = hard_book(n)
        with counted_steps() as count:
            match(bids, asks)
        steps.append(count[0])
    assert steps[0] > 0
    assert steps[1] <= 6 * steps[0]


def test_four_times_the_contracts_take_about_four_times_the_steps() -> None:
    steps = []
    for n in (100, 400):
        contracts = [contract(f"s{i}", f"b{(i * 7) % n}", 5, number=i) for i in range(n)]
        readings = {f"s{i}": reading(generation={"solar": 4}) for i in range(n)}
        readings |= {f"b{i}": reading(need=5) for i in range(n)}
        with counted_steps() as count:
            deliver(
                contracts,
                readings,
                GridPrices(1, 2),
                DeliveryTerms(DEFAULT_SOURCES),
                (START, START + STEP),
            )
        steps.append(count[0])
    assert steps[1] <= 5 * steps[0]
