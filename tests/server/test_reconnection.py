"""Our client loses its connection in mid-episode, comes back, and nothing is lost or done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from participants.client import Client
from participants.home import Home
from tests.helpers import START, STEP
from tests.server.helpers import Agent, Hall, Ledger, Wire, bid, hall, home, meter, soon
from tests.simulation.helpers import Scripted
from trex_market.core.messages import Contracted, Event
from trex_market.participant import Announcement, NewOrder, Turn
from trex_market.protocol import wire
from trex_market.server.conductor import Patience
from trex_market.server.seats import EVENTS_KEPT

WAITING = Patience(turn_timeout_s=20.0, join_timeout_s=20.0, silence="wait")


class Shaky:
    """A home in whose turns something happens.

    Args:
        inner: the home.
        happens: is called in each turn, with its number.
    """

    def __init__(self, inner: Home, happens: Callable[[int], None]) -> None:
        self.participant_id = inner.participant_id
        self.turns = 0
        self.heard: asyncio.Queue[int] = asyncio.Queue()
        self._inner = inner
        self._happens = happens
        for name in ("start_episode", "end_episode", "metrics"):
            setattr(self, name, getattr(inner, name))

    def answered(self, answers: Sequence[Event]) -> None:
        """Pass on what became of the orders."""
        self.heard.put_nowait(len(answers))
        self._inner.answered(answers)

    def turn(self, announcement: Announcement) -> Turn:
        """Let something happen, and take the turn."""
        self.turns += 1
        self._happens(self.turns)
        return self._inner.turn(announcement)


def client(participant: Home | Shaky | Scripted, url: str, *, packed: bool = False) -> Client:
    """Return a client that comes back at once."""
    made = Client(participant, url, packed=packed)
    made._socket.reconnection_delay = 0.01
    made._socket.randomization_factor = 0
    return made


def later(hops: int, action: Callable[[], None]) -> None:
    """Do something after so many turns of the event loop."""
    if hops:
        asyncio.get_running_loop().call_soon(later, hops - 1, action)
    else:
        action()


async def a_market(hops: int | None, *, packed: bool = False, episodes: int = 1) -> tuple[Ledger, int, int]:
    """Run a market in which one client's connection is cut in each turn; return turns and cuts as well."""
    async with hall(rounds=6, rule="MicroTE", patience=WAITING) as place, Wire(place.url) as wire:

        def cut(_turn: int) -> None:
            if hops is not None:
                later(hops, wire.cut)

        shaky = Shaky(home("ann"), cut)
        playing = place.start(episodes)
        clients = [place.joins(client(shaky, wire.url, packed=packed))]
        clients += [place.joins(client(home(name), place.url)) for name in ("bob", "cat")]
        await soon(playing)
        await soon(asyncio.gather(*clients))
    assert place.ledger.contracts
    return place.ledger, shaky.turns, wire.cuts


@pytest.mark.parametrize("hops", [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24])
async def test_a_connection_that_breaks_in_every_round_changes_nothing(hops: int) -> None:
    smooth, turns, _ = await a_market(None)
    shaky, again, cuts = await a_market(hops, packed=hops % 2 == 1)

    assert cuts > 6
    assert shaky.same() == smooth.same()
    assert again == turns == 6


@pytest.mark.parametrize("hops", [0, 3, 6, 12])
async def test_contracts_made_before_the_gate_are_heard_once(hops: int) -> None:
    """Orders are for the slot after the next: its contracts are made a round before it is announced."""
    async with hall(["ann", "bob"], rounds=6, patience=WAITING, market={"clearing": "tick"}) as place:
        async with Wire(place.url) as wire:

            def buys(announcement: Announcement) -> Turn:
                later(hops, wire.cut)
                return Turn([NewOrder("bid", 10, 200_000, announcement.round.next_settle + STEP)])

            def sells(announcement: Announcement) -> Turn:
                return Turn([NewOrder("ask", 10, 100_000, announcement.round.next_settle + STEP, "solar")])

            ann, bob = Scripted("ann", buys), Scripted("bob", sells)
            playing = place.start()
            place.joins(client(ann, wire.url))
            place.joins(client(bob, place.url))
            await soon(playing)
            assert wire.cuts > 4
    announced = [one.id for said in ann.told for one in said.contracts]
    heard = [
        one.id
        for answers in ann.answers
        for event in answers
        if isinstance(event, Contracted)
        for one in event.contracts
    ]
    assert len(announced + heard) == len({*announced, *heard}) >= 4


async def test_what_is_said_without_a_connection_is_lost_but_no_mistake() -> None:
    async with hall(["ann"]) as place:
        unconnected = Client(home("ann"), place.url)
        await unconnected._emit("turn", wire.Turn(), "turn_taken")


async def test_a_turn_that_is_on_its_way_is_not_sent_again() -> None:
    """The answer to `join` says that a turn is awaited, but it was sent in the meantime."""
    smooth, _, _ = await a_market(None)
    async with hall(rounds=6, rule="MicroTE", patience=WAITING) as place:

        def join_again(_turn: int) -> None:
            with suppress(StopIteration):
                ann._on_connect().send(None)

        ann = client(Shaky(home("ann"), join_again), place.url)
        playing = place.start()
        place.joins(ann)
        for name in ("bob", "cat"):
            place.joins(client(home(name), place.url))
        await soon(playing)
    assert place.ledger.same() == smooth.same()


async def test_it_breaks_over_several_episodes() -> None:
    smooth, _, _ = await a_market(None, episodes=3)
    shaky, turns, _ = await a_market(2, episodes=3)

    assert shaky.same() == smooth.same()
    assert turns == 18


async def missing_for(place: Hall, ann: Agent, rounds: int) -> None:
    """Let rounds go by that the others play."""
    for _ in range(rounds):
        told = await ann.hears("start_round")
        await ann.says("turn", {"meter": meter(told["time"], need=5)})


@pytest.mark.parametrize("away", [3, EVENTS_KEPT + 3])
async def test_who_was_away_goes_on_where_the_others_are(away: int) -> None:
    """In the rounds that it missed nothing is sent in its name; its devices lived through them."""
    skipping = Patience(turn_timeout_s=1.0, join_timeout_s=20.0, silence="skip")
    async with hall(["ann", "bob"], rounds=away + 4, patience=skipping) as place:
        async with Wire(place.url) as wire, Agent(place.url, "ann") as ann:
            gone = asyncio.Event()

            def leave(turn: int) -> None:
                if turn == 2:
                    wire.cut()
                    gone.set()
                    while not shaky.heard.empty():
                        shaky.heard.get_nowait()

            shaky = Shaky(home("bob", slots=400), leave)
            bob = client(shaky, wire.url)
            bob._socket.reconnection = False
            playing = place.start()
            place.joins(bob)
            await missing_for(place, ann, 1)
            await soon(gone.wait())
            seats = place.server._sockets._desk.seats
            async with asyncio.timeout(20), seats.changed:
                await seats.changed.wait_for(lambda: seats.missing == ["bob"])
            await missing_for(place, ann, away)

            bob._socket.reconnection = True
            await soon(bob._socket.connect(wire.url, namespaces=["/market"], transports=["websocket"]))
            for _ in ("what it has open", "what became of its turn"):
                await soon(shaky.heard.get())
            await missing_for(place, ann, 3)
            await soon(playing)

            assert shaky.turns >= min(away, EVENTS_KEPT - 1) + 4
            metered = sorted(
                {row.time_creation for row in place.ledger.transactions if row.buyer_id == "bob"}
            )
            assert metered == [START, *(START + (away + number) * STEP for number in (1, 2, 3))]
            assert place.conductor.status.silent == away


async def test_open_orders_are_known_again_after_a_restart() -> None:
    async with hall(["ann", "bob"], patience=WAITING, rounds=3) as place:
        async with Agent(place.url, "bob") as bob:
            async with Agent(place.url, "ann") as ann:
                place.start()
                told = await ann.hears("start_round")
                order = bid(slot_start=told["next_settle"][1])
                order_id = (await ann.says("ask", order))["order_id"]

            known: list[list[str]] = []
            inner = home("ann")
            shaky = Shaky(
                inner, lambda _turn: known.append([one.order_id for one in inner._view.open_orders()])
            )
            place.joins(client(shaky, place.url))
            await bob.says("end_turn")
            for _ in range(2):
                await bob.hears("start_round")
            assert known[0] == [order_id]
