"""The engine: journal first, then the market, then all who listen; and replay of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers import START, STEP, lively_commands, slot, terms
from tests.test_journal import BID, JOIN, OPEN, scenario
from trex_market.core.errors import PhaseError, RefusalCode, ScenarioError
from trex_market.core.market import Market
from trex_market.core.messages import (
    Command,
    EndRound,
    Event,
    Join,
    Joined,
    MarketOpened,
    OrderRejected,
    StartRound,
    SubmitOrder,
)
from trex_market.engine import Engine, order_command, replay
from trex_market.participant import NewOrder, ask, bid


class Log:
    """Keeps commands, and how many events had been handed out when each came."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.told: list[int] = []
        self.engine: Engine | None = None

    def append(self, command: Command) -> None:
        self.commands.append(command)
        assert self.engine is not None
        self.told.append(len(self.engine.market.members))


def test_a_command_is_in_the_journal_before_the_market_has_it() -> None:
    log = Log()
    log.engine = engine = Engine(journal=log)
    engine.submit(terms())
    engine.submit(Join("a", START))
    engine.submit(Join("b", START))
    assert log.commands == [terms(), Join("a", START), Join("b", START)]
    assert log.told == [0, 0, 1]


def test_every_listener_hears_all_from_when_it_came_in_order_and_once() -> None:
    engine = Engine()
    early = engine.listen()
    engine.submit(terms())
    late = engine.listen()
    events = engine.submit(Join("a", START))
    assert early.take() == [MarketOpened(terms()), Joined("a")]
    assert late.take() == events == [Joined("a")]
    assert early.take() == late.take() == []


def test_what_is_not_possible_changes_nothing_and_is_told_to_nobody() -> None:
    engine = Engine()
    outbox = engine.listen()
    with pytest.raises(PhaseError):
        engine.submit(Join("a", START))
    assert outbox.take() == []


def test_what_is_not_possible_is_not_in_the_journal_either() -> None:
    log = Log()
    log.engine = engine = Engine(journal=log)
    with pytest.raises(PhaseError):
        engine.submit(Join("a", START))
    assert log.commands == []


def test_a_refusal_is_handed_out() -> None:
    engine = Engine()
    outbox = engine.listen()
    refusal = OrderRejected("o", "a", RefusalCode.BAD_QUANTITY, "5.0 is not whole")
    engine.refuse(refusal)
    assert outbox.take() == [refusal]


def test_order_ids_are_numbered_for_each_participant() -> None:
    engine = Engine()
    ids = [engine.order_id(name) for name in ("a", "b", "a", "a")]
    assert ids == ["a-1", "b-1", "a-2", "a-3"]


def test_a_bid_without_a_source_goes_to_the_default_pool_and_an_ask_does_not() -> None:
    asked = ask(5, 100, slot(2), "wind")
    made = order_command(bid(5, 100, slot(2)), "a", "a-1", START, terms(), "hydro")
    assert made == SubmitOrder("a-1", "a", "bid", 5, 100, "hydro", slot(2), slot(3), START)
    unnamed = NewOrder("ask", 5, 100, slot(2))
    assert order_command(unnamed, "a", "a-4", START, terms(), "hydro").source is None
    assert order_command(asked, "a", "a-2", START, terms(), "hydro").source == "wind"
    assert order_command(bid(5, 100, slot(2), "bess"), "a", "a-3", START, terms(), "hydro").source == "bess"


def test_the_engine_adds_nothing_to_what_the_market_says() -> None:
    commands = lively_commands(7, "MicroTE")
    market, engine = Market(), Engine()
    outbox = engine.listen()
    expected: list[Event] = [event for command in commands for event in market.handle(command)]
    for command in commands:
        engine.submit(command)
    assert outbox.take() == expected


# ---------------------------------------------------------------- replay


def test_replay_handles_line_by_line(tmp_path: Path) -> None:
    engine = Engine()
    outbox = engine.listen()
    path = scenario(tmp_path, OPEN, JOIN, {**BID, "quantity": 1.5})
    lines = replay(path, engine)
    assert next(lines) == f"{path}:1"
    assert [type(event) for event in outbox.take()] == [MarketOpened]
    assert list(lines) == [f"{path}:2", f"{path}:3"]
    joined, rejected = outbox.take()
    assert joined == Joined("a")
    assert isinstance(rejected, OrderRejected)


START_ROUND = {"command": "start_round", "time": START, "duration": STEP}
END_ROUND = {"command": "end_round", "time": START + STEP}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([JOIN], ":1: Join is not possible: the market is closed"),
        ([OPEN, OPEN], ":2: OpenMarket is not possible: the market is between rounds"),
        ([OPEN, END_ROUND], ":2: EndRound is not possible: the market is between rounds"),
        ([OPEN, START_ROUND, START_ROUND], ":3: StartRound is not possible: the market is in a round"),
        ([OPEN, {**START_ROUND, "duration": 1}], ":2: a round lasts 900 s"),
        ([OPEN, START_ROUND, END_ROUND, START_ROUND], ":4: the round at"),
        ([json.dumps(OPEN).replace("MicroTE", "MicroT")], ":1: unknown clearing rule 'MicroT'. Did you mean"),
        ([], ": holds no commands; the first must be open_market"),
    ],
)
def test_a_line_that_cannot_be_handled_is_named(tmp_path: Path, lines: list[object], said: str) -> None:
    path = scenario(tmp_path, *lines)
    with pytest.raises(ScenarioError) as caught:
        list(replay(path, Engine()))
    assert str(caught.value).startswith(f"{path}{said}")


def test_a_market_is_as_it_was_before_the_line_that_failed(tmp_path: Path) -> None:
    engine = Engine()
    with pytest.raises(ScenarioError):
        list(replay(scenario(tmp_path, OPEN, JOIN, END_ROUND), engine))
    engine.submit(StartRound(START, STEP))
    engine.submit(EndRound(START + STEP))
    assert engine.market.members == {"a"}
