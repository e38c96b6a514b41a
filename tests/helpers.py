"""The words of the market, for tests: books, dialogues, homes and money.

Prices are micro-dollars per kWh and quantities Wh, as inside the market.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from participants.devices.battery import Battery
from participants.home import Home
from trex_market.core.book import by_priority
from trex_market.core.errors import RefusalCode
from trex_market.core.market import Market
from trex_market.core.messages import (
    GRID,
    CancelOrder,
    ChangeRejected,
    Command,
    Contract,
    EndRound,
    EndTurn,
    Event,
    GridTerms,
    Join,
    MeterReading,
    MeterRejected,
    OpenMarket,
    Order,
    OrderRejected,
    ReplaceOrder,
    ReportMeter,
    Side,
    StartRound,
    SubmitOrder,
    Transaction,
)
from trex_market.engine import Engine
from trex_market.participant import EpisodeStart, MarketInfo, Participant, Strategy
from trex_market.simulation.local import LocalRounds

STEP = 900
"""Length of a slot, in seconds."""

START = 1_472_976_000
"""A round's start: 2016-09-04 08:00 UTC."""

Offer = tuple[int, int, str]
"""Price, Wh, who."""

EventT = TypeVar("EventT")


def slot(number: int) -> int:
    """Return the start of the slot that is `number` steps after `START`."""
    return START + number * STEP


def terms(rule: str = "MicroTE", **others: Any) -> OpenMarket:
    """Return a market's terms; the grid pays 0.10 and charges 0.20 $/kWh."""
    usual: dict[str, Any] = {
        "close_steps": 2,
        "step": STEP,
        "timezone": "UTC",
        "grid": GridTerms(price=0.1, fee_ratio=1.0),
    }
    return OpenMarket(market_id="m", rule=rule, **(usual | others))


# ---------------------------------------------------------------- books


def order(
    side: Side,
    price: int,
    quantity: int,
    who: str,
    *,
    name: str = "",
    source: str | None = "solar",
    time: int = START,
    sequence: int = 0,
) -> Order:
    """Return an order as it stands in the book of slot `START`."""
    name = name or f"{side}-{who}-{sequence}"
    return Order(name, who, side, quantity, price, source, START, time, sequence)


def book(bids: Iterable[Offer] = (), asks: Iterable[Offer] = ()) -> tuple[list[Order], list[Order]]:
    """Return bids and asks as a clearing rule gets them: by priority. All were submitted at once."""
    orders = [order("bid", *offer, sequence=n) for n, offer in enumerate(bids)]
    orders += [order("ask", *offer, sequence=n) for n, offer in enumerate(asks)]
    return by_priority(orders, START)


# ---------------------------------------------------------------- dialogues


class Dialogue:
    """A conversation with a market: `says` commands, remembers all that was `heard`.

    Args:
        names: who has joined.
        rule: the clearing rule.
        others: further terms, see `terms`.
    """

    def __init__(self, names: str = "", rule: str = "MicroTE", **others: Any) -> None:
        self.market = Market()
        self.events: list[Event] = []
        self.now = START
        self._orders = 0
        self.says(terms(rule, **others))
        for name in names.split():
            self.says(Join(name, self.now))

    def says(self, *commands: Command) -> list[Event]:
        """Give commands, and return what came of them."""
        events = [event for command in commands for event in self.market.handle(command)]
        self.events += events
        return events

    def hears(self, command: Command, kind: type[EventT]) -> EventT:
        """Give a command whose only answer is of a kind, and return the answer."""
        (event,) = self.says(command)
        assert isinstance(event, kind), event
        return event

    def heard(self, kind: type[EventT]) -> list[EventT]:
        """Return all events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def submit(self, who: str, side: Side, quantity: int, price: int, **others: Any) -> SubmitOrder:
        """Return the command for an order for the next slot to be cleared; `others` overrides."""
        self._orders += 1
        start = others.pop("slot_start", self.now + STEP * self.market.terms.close_steps)
        usual: dict[str, Any] = {
            "order_id": f"o{self._orders}",
            "source": "solar",
            "slot_end": start + STEP,
            "time": self.now,
        }
        return SubmitOrder(
            participant_id=who,
            side=side,
            quantity=quantity,
            price=price,
            slot_start=start,
            **(usual | others),
        )

    def bids(self, who: str, quantity: int, price: int, **others: Any) -> Event:
        """Submit a bid and return the answer."""
        return self.says(self.submit(who, "bid", quantity, price, **others))[0]

    def asks(self, who: str, quantity: int, price: int, **others: Any) -> Event:
        """Submit an ask and return the answer."""
        return self.says(self.submit(who, "ask", quantity, price, **others))[0]

    def starts_round(self, number: int) -> list[Event]:
        """Start the round of slot `number`."""
        self.now = slot(number)
        return self.says(StartRound(self.now, STEP))

    def reports(
        self, who: str, generation: Mapping[str, int] | None = None, need: int = 0, **others: Any
    ) -> Event:
        """Report a reading of the current slot and return the answer."""
        return self.says(report(who, self.now, generation, need, **others))[0]

    def ends_round(self) -> list[Event]:
        """End the round."""
        return self.says(EndRound(self.now + STEP))


def refused(event: Event) -> RefusalCode:
    """Return the code of a refusal, which says why in a sentence."""
    assert isinstance(event, OrderRejected | ChangeRejected | MeterRejected), event
    assert event.detail
    return event.code


def reading(
    slot_start: int = START,
    generation: Mapping[str, int] | None = None,
    need: int = 0,
    own: Mapping[str, int] | None = None,
) -> MeterReading:
    """Return a reading: what left the home, what came from outside, what it used of its own."""
    consumption = {"other": {**(own or {}), "external": need}}
    return MeterReading(slot_start, slot_start + STEP, dict(generation or {}), consumption)


def report(
    who: str, slot_start: int, generation: Mapping[str, int] | None = None, need: int = 0, **others: Any
) -> ReportMeter:
    """Return the command that reports a reading."""
    return ReportMeter(who, reading(slot_start, generation, need, **others), slot_start + STEP)


def lively_commands(seed: int, rule: str, rounds: int = 6, homes: int = 5, **others: Any) -> list[Command]:
    """Return the commands of a market in which much happens: ties, self-trade, changes, missing readings."""
    chance = random.Random(seed)
    names = [f"home-{n}" for n in range(homes)]
    sources = ("bess", "solar", "wind")
    commands: list[Command] = [terms(rule, **others), *(Join(name, START) for name in names)]
    count = 0
    for number in range(rounds):
        now = slot(number)
        commands.append(StartRound(now, STEP))
        for name in names:
            for _ in range(chance.randrange(6)):
                count += 1
                start = slot(number + chance.choice((1, 2, 2, 2, 3)))
                side: Side = chance.choice(("bid", "ask"))
                price, quantity = chance.randrange(10, 20) * 10_001, chance.randrange(-1, 400)
                commands.append(
                    SubmitOrder(
                        f"o{count}",
                        name,
                        side,
                        quantity,
                        price,
                        chance.choice(sources),
                        start,
                        start + STEP,
                        now,
                    )
                )
            if count and chance.random() < 0.2:
                commands.append(CancelOrder(f"o{chance.randrange(count) + 1}", name, now))
            if count and chance.random() < 0.2:
                commands.append(ReplaceOrder(f"o{chance.randrange(count) + 1}", name, 77, 150_000, now))
            if chance.random() < 0.8:
                made = {source: chance.randrange(300) for source in sources}
                commands.append(report(name, now, made, chance.randrange(600), own={"solar": 3}))
            commands.append(EndTurn(name))
        commands.append(EndRound(now + STEP))
    return commands


# ---------------------------------------------------------------- ledgers


def flows(transactions: Iterable[Transaction]) -> Counter[tuple[Any, ...]]:
    """Return Wh by all else that a transaction says, but for its id."""
    energy: Counter[tuple[Any, ...]] = Counter()
    for row in transactions:
        energy[
            row.kind,
            row.contract_id,
            row.seller_id,
            row.buyer_id,
            row.energy_source,
            row.settlement_price_sell,
            row.settlement_price_buy,
            row.time_creation,
            row.time_purchase,
            row.time_consumption,
        ] += row.quantity
    return energy


def balances(transactions: Iterable[Transaction], operator: str = "operator") -> dict[str, int]:
    """Return what each party has gained, in nano-dollars; the operator keeps what is between the prices."""
    money: dict[str, int] = defaultdict(int)
    for row in transactions:
        paid = row.quantity * (row.settlement_price_buy + row.fee_bid)
        received = row.quantity * (row.settlement_price_sell - row.fee_ask)
        money[row.buyer_id] -= paid
        money[row.seller_id] += received
        money[operator] += paid - received
    return dict(money)


def energy_sold(transactions: Iterable[Transaction], who: str, *kinds: str) -> int:
    """Return how much a party sold in rows of these kinds, in Wh."""
    return sum(row.quantity for row in transactions if row.seller_id == who and row.kind in kinds)


def energy_bought(transactions: Iterable[Transaction], who: str, *kinds: str) -> int:
    """Return how much a party bought in rows of these kinds, in Wh."""
    return sum(row.quantity for row in transactions if row.buyer_id == who and row.kind in kinds)


def assert_balanced(
    readings: Mapping[str, MeterReading], transactions: Sequence[Transaction], who_else: str = GRID
) -> None:
    """Check all that is always true of a slot."""
    for name, meter in readings.items():
        made = sum(meter.generation.values())
        need = sum(sources.get("external", 0) for sources in meter.consumption.values())
        assert made == energy_sold(transactions, name, "delivery", "spill", "feed_in"), name
        assert need == energy_bought(transactions, name, "delivery", "supply"), name
    assert all(row.quantity > 0 for row in transactions)
    parties = {*readings, who_else, "operator"}
    money = balances(transactions)
    assert money.keys() <= parties
    assert sum(money.values()) == 0


def contract(
    seller: str,
    buyer: str,
    quantity: int,
    *,
    source: str = "solar",
    price: int = 150_000,
    price_buy: int | None = None,
    number: int = 0,
) -> Contract:
    """Return a contract for slot `START`, cleared in the round before."""
    return Contract(
        f"c{number}",
        START,
        START + STEP,
        seller,
        buyer,
        source,
        quantity,
        price,
        price if price_buy is None else price_buy,
        f"bid{number}",
        f"ask{number}",
        START,
    )


# ---------------------------------------------------------------- homes


@dataclass(frozen=True)
class Series:
    """Load and generation of a home, from slot `START` on."""

    load: Sequence[int]
    generation: Mapping[str, Sequence[int]] = field(default_factory=dict)
    start: int = START
    step: int = STEP


def home(
    name: str,
    strategy: Strategy,
    load: Sequence[int],
    generation: Mapping[str, Sequence[int]] | None = None,
    battery: Battery | None = None,
) -> Home:
    """Return a home with its profile."""
    made = Home(name, strategy, battery=battery)
    made.use(Series(load, generation or {}))
    return made


class Neighbourhood:
    """Homes that trade with each other in-process; keeps all events.

    Args:
        homes: who takes part.
        rule: the clearing rule.
        others: further terms, see `terms`.
    """

    def __init__(self, *homes: Participant, rule: str = "MicroTE3B", **others: Any) -> None:
        opened = terms(rule, **others)
        engine = Engine()
        self._outbox = engine.listen()
        self._driver = LocalRounds(engine, opened, homes, START, "solar")
        self.market = engine.market
        self.info = MarketInfo(opened.market_id, opened.step, opened.close_steps, opened.timezone)
        for one in homes:
            one.start_episode(EpisodeStart(0, "training", self.info))
        self.events: list[Event] = []

    def plays(self, rounds: int) -> None:
        """Play rounds, from the first or from where it stopped."""
        first = 0 if self.market.current is None else (self.market.current - START) // STEP + 1
        for number in range(first, first + rounds):
            self._driver.play(slot(number))
        self.events += self._outbox.take()

    def heard(self, kind: type[EventT]) -> list[EventT]:
        """Return all events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]
