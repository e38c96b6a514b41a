"""The in-process driver: who is told what and when, and whose mistake a broken turn is."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers import STEP, slot, terms
from tests.simulation.helpers import Scripted, driver, plan
from trex_market.core.errors import StrategyError
from trex_market.core.messages import (
    Contracted,
    Delivered,
    Event,
    Joined,
    MeterReading,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    TurnsEnded,
)
from trex_market.engine import Engine
from trex_market.participant import Announcement, NewOrder, Turn, ask, bid
from trex_market.simulation.local import LocalRounds
from trex_market.simulation.run import play_episode


def play(rounds: int, *participants: Scripted) -> list[Event]:
    """Play rounds and return all events."""
    engine = Engine()
    outbox = engine.listen()
    played = LocalRounds(engine, terms(), participants, slot(0), "solar")
    for number in range(rounds):
        played.play(slot(number))
    return outbox.take()


def of(events: list[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def buys(announcement: Announcement) -> Turn:
    return Turn([bid(100, 200_000, announcement.round.next_settle)])


def sells(announcement: Announcement) -> Turn:
    return Turn([ask(100, 100_000, announcement.round.next_settle)])


def test_with_early_clearing_a_round_announces_all_contracts_of_its_slot() -> None:
    """The buyer comes twice to a seller: in the second round before the gate."""

    def often(announcement: Announcement) -> Turn:
        return Turn([bid(60, 200_000, announcement.round.next_settle + STEP)])

    def once(announcement: Announcement) -> Turn:
        return Turn([ask(100, 100_000, announcement.round.next_settle + STEP)])

    heard: list[Announcement] = []

    def listens(announcement: Announcement) -> Turn:
        heard.append(announcement)
        return often(announcement)

    engine = Engine()
    outbox = engine.listen()
    opened = terms(clearing="tick")
    played = LocalRounds(engine, opened, [Scripted("a", listens), Scripted("b", once)], slot(0), "solar")
    for number in range(4):
        played.play(slot(number))
    made = [(event.slot_start, len(event.contracts)) for event in of(outbox.take(), Contracted)]
    assert made[:4] == [(slot(1), 0), (slot(3), 1), (slot(2), 0), (slot(4), 1)]
    assert [(one.slot_start, one.quantity) for said in heard for one in said.contracts] == [
        (slot(3), 60),
        (slot(4), 60),
    ]


def test_participants_join_and_act_in_the_order_of_their_ids() -> None:
    late, early = Scripted("b", buys), Scripted("a", buys)
    events = play(1, late, early)
    assert [event.participant_id for event in of(events, Joined)] == ["a", "b"]
    assert [event.order.order_id for event in of(events, OrderAccepted)] == ["a-1", "b-1"]
    assert len(of(events, TurnsEnded)) == 1


def test_a_contract_and_its_transactions_reach_both_sides_and_nobody_else() -> None:
    seller, buyer, other = Scripted("s", sells, made=100), Scripted("b", buys, need=100), Scripted("o")
    events = play(3, seller, buyer, other)
    # Ordered in round 0 for slot 2; cleared as round 1 starts; delivered as round 2 ends.
    (contract,) = of(events, Contracted)[1].contracts
    assert (contract.slot_start, contract.quantity) == (slot(2), 100)
    for party in (seller, buyer):
        assert [list(told.contracts) for told in party.told[:2]] == [[], [contract]]
        assert not party.told[2].contracts or party.told[2].contracts[0].slot_start == slot(3)
    assert all(not told.contracts for told in other.told)
    kinds = [row.kind for row in of(events, Delivered)[-1].transactions]
    assert kinds == ["delivery"]


def test_transactions_of_the_last_slot_come_with_the_next_round() -> None:
    home = Scripted("a", need=50)
    other = Scripted("b")
    play(2, home, other)
    assert home.told[0].transactions == ()
    (row,) = home.told[1].transactions
    assert (row.kind, row.buyer_id, row.quantity, row.time_creation) == ("supply", "a", 50, slot(0))
    assert not other.told[1].transactions


def test_cancellations_come_before_orders_and_both_are_answered() -> None:
    def act(announcement: Announcement) -> Turn:
        if announcement.round.time == slot(0):
            return Turn([bid(5, 100, slot(9)), bid(0, 100, slot(9))])
        return Turn([bid(6, 100, slot(9))], ["a-1", "a-1"])

    home = Scripted("a", act)
    play(2, home)
    first, second = home.answers
    assert [type(answer) for answer in first] == [OrderAccepted, OrderRejected]
    assert isinstance(second[0], OrderCancelled)
    assert second[0].order.order_id == "a-1"
    assert [type(answer).__name__ for answer in second[1:]] == ["ChangeRejected", "OrderAccepted"]


def test_an_order_for_a_slot_that_is_past_is_refused_and_the_market_goes_on() -> None:
    home = Scripted("a", lambda told: Turn([bid(5, 100, told.round.time - STEP)]))
    play(2, home)
    assert [answer.code for answers in home.answers for answer in of(answers, OrderRejected)] == [
        "gate_closed"
    ] * 2


class Whole:
    """A whole number as other libraries have them."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __index__(self) -> int:
        return self._number


def test_whole_numbers_of_other_libraries_are_welcome() -> None:
    home = Scripted("a", lambda told: Turn([bid(Whole(5), Whole(100), Whole(told.round.next_settle))]))  # type: ignore[arg-type]
    events = play(1, home)
    assert of(events, OrderAccepted)[0].order.quantity == 5


def bad_orders() -> Iterator[Any]:
    late = slot(5)
    yield None
    yield 5
    yield [None]
    yield [{"quantity": 5}]
    yield [NewOrder("bid", 5.0, 100, late)]  # type: ignore[arg-type]
    yield [NewOrder("bid", 5, 0.3, late)]  # type: ignore[arg-type]
    yield [NewOrder("bid", 5, "cheap", late)]  # type: ignore[arg-type]
    yield [NewOrder("bid", True, 100, late)]
    yield [NewOrder("bid", 5, 100, float(late))]  # type: ignore[arg-type]
    yield [NewOrder("bid", 5, 100, late, 5)]  # type: ignore[arg-type]


@pytest.mark.parametrize("orders", list(bad_orders()), ids=str)
def test_what_is_no_order_is_the_participants_mistake(orders: Any) -> None:
    with pytest.raises(StrategyError, match=rf"participant 'a' .*\(round at {slot(0)}\)"):
        play(1, Scripted("a", lambda _: Turn(orders)))


@pytest.mark.parametrize("cancel", [None, 5, [None], [["a-1"]]], ids=str)
def test_what_is_no_order_id_is_the_participants_mistake(cancel: Any) -> None:
    with pytest.raises(StrategyError, match=r"participant 'a' "):
        play(1, Scripted("a", lambda _: Turn((), cancel)))


@pytest.mark.parametrize(
    "generation", [{"solar": 1.5}, {"solar": -1}, {"solar": 10**30}], ids=["broken", "negative", "vast"]
)
def test_a_reading_that_cannot_be_is_the_participants_mistake(generation: dict[str, int]) -> None:
    reading = MeterReading(slot(0), slot(1), generation, {})
    with pytest.raises(StrategyError, match=r"participant 'a' metered what cannot be: .*round at"):
        play(1, Scripted("a", lambda _: Turn((), (), reading)))


def raiser(error: BaseException) -> Any:
    def raises(*_: object) -> Any:
        raise error

    return raises


@pytest.mark.parametrize(
    "error", [ValueError("five"), SystemExit(0), MemoryError(), subprocess.SubprocessError()]
)
@pytest.mark.parametrize("where", ["turn", "start_episode", "end_episode"])
async def test_what_a_participant_raises_is_its_own_mistake(error: BaseException, where: str) -> None:
    home = Scripted("a")
    setattr(home, where, raiser(error))
    played = driver(home)
    expected = {
        "turn": f"round at {slot(0)}",
        "start_episode": "start of episode 3",
        "end_episode": "end of episode 3",
    }
    with pytest.raises(StrategyError) as caught:
        await play_episode(plan(1, episode=3), played)
    assert str(caught.value) == f"participant 'a' raised {type(error).__name__}: {error} ({expected[where]})"
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StrategyError("of my own")])
def test_interrupts_and_errors_that_say_who_are_left_alone(error: BaseException) -> None:
    home = Scripted("a", raiser(error))
    with pytest.raises(type(error)) as caught:
        play(1, home)
    assert caught.value is error


async def test_an_episode_is_told_to_all_and_ends_for_all() -> None:
    homes = [Scripted("a"), Scripted("b")]
    played = driver(*homes)
    profiles: dict[str, Any] = {"a": object()}
    told = plan(7, episode=2, simulation="validation", parameters={"rate": 0.5}, profiles=profiles)
    await played.begin(told, Engine())
    for home in homes:
        (start,) = home.episodes
        assert (start.episode, start.simulation, start.parameters) == (2, "validation", {"rate": 0.5})
        assert (start.market.market_id, start.market.step, start.market.close_steps) == ("m", STEP, 2)
    await played.end(told)
    assert [home.ended for home in homes] == [1, 1]
    assert list(played.metrics()) == [("a", "rounds", 0), ("b", "rounds", 0)]
