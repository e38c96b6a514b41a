"""What a participant sees of the market, and what it may do.

A `Strategy` decides: it looks at a `View` in each round and answers with a
`Decision`. A `Participant` takes part: it turns an `Announcement` into a
`Turn`, with a strategy, a meter and perhaps a battery inside. The same objects
play in-process and over sockets.

Units are those of `core.units`; a slot is named by its start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import index
from typing import Protocol, runtime_checkable

import msgspec

from trex_market.core.errors import StrategyError, TrexError
from trex_market.core.lots import uniform
from trex_market.core.messages import (
    Attributes,
    Contract,
    Event,
    MeterReading,
    OpenMarket,
    Order,
    Requirement,
    RoundStarted,
    Side,
    Transaction,
)


class MarketInfo(msgspec.Struct, frozen=True):
    """What a participant must know of the market before the first round.

    Args:
        market_id: its name.
        step: length of a slot, in seconds.
        close_steps: the gate of a slot closes this many steps before the end of it, see DESIGN of rounds.
        timezone: IANA name.
    """

    market_id: str
    step: int
    close_steps: int
    timezone: str

    @classmethod
    def of(cls, terms: OpenMarket) -> MarketInfo:
        """Return what a participant must know of a market's terms."""
        return cls(terms.market_id, terms.step, terms.close_steps, terms.timezone)


class Series(Protocol):
    """Load and generation per slot, from `start` on; see `trex_market.profiles.Profile`."""

    @property
    def start(self) -> int:
        """Start of the first slot, UNIX seconds."""

    @property
    def step(self) -> int:
        """Length of a slot, in seconds."""

    @property
    def load(self) -> Sequence[int]:
        """Wh used in each slot."""

    @property
    def generation(self) -> Mapping[str, Sequence[int]]:
        """Source -> Wh generated in each slot."""


class EpisodeStart(msgspec.Struct, frozen=True):
    """An episode begins.

    Args:
        episode: its number, from 0.
        simulation: "baseline", "training" or "validation"; "realtime" on the wall clock.
        market: the market's terms.
        parameters: what the curriculum sets from now on.
        start: of the first round, UNIX seconds.
        rounds: how many; None in real time.
        profile: the participant's load and generation; None for what it had before.
    """

    episode: int
    simulation: str
    market: MarketInfo
    parameters: dict[str, object] = {}
    start: int = 0
    rounds: int | None = None
    profile: Series | None = None


class Announcement(msgspec.Struct, frozen=True):
    """What a participant is told at the start of a round.

    Args:
        round: time, slots and grid prices.
        contracts: its own, of the slot that was just cleared.
        transactions: its own, of the slot that was just delivered.
        flexibility: slot start -> Wh by which it shall change what it takes, above 0 for more; sold by its aggregator.
    """

    round: RoundStarted
    contracts: Sequence[Contract] = ()
    transactions: Sequence[Transaction] = ()
    flexibility: Mapping[int, int] = {}


class NewOrder(msgspec.Struct, frozen=True, gc=False):
    """An order to submit; see `core.messages.Order`."""

    side: Side
    quantity: int
    price: int
    slot_start: int
    source: str | None = None
    attributes: Attributes | None = None
    requirements: tuple[Requirement, ...] = ()


def bid(quantity: int, price: int, slot_start: int, source: str | None = None) -> NewOrder:
    """Offer to buy.

    Args:
        quantity: Wh.
        price: micro-dollars per kWh; `units.price_from_dollars` makes it from $/kWh.
        slot_start: the slot's start.
        source: where pools are by source; None for the market's default.

    Raises:
        TypeError: if a number is not whole.
    """
    return NewOrder("bid", index(quantity), index(price), index(slot_start), source)


def ask(quantity: int, price: int, slot_start: int, source: str = "solar") -> NewOrder:
    """Offer to sell; see `bid`."""
    return NewOrder("ask", index(quantity), index(price), index(slot_start), source)


class Decision(msgspec.Struct, frozen=True):
    """What a strategy wants in a round.

    Args:
        orders: to submit, in this order.
        cancel: ids of open orders to take back; done before `orders`.
        battery: slot start -> Wh into (positive) or out of (negative) the battery, as seen from outside.
    """

    orders: Sequence[NewOrder] = ()
    cancel: Sequence[str] = ()
    battery: Mapping[int, int] = {}


NOTHING = Decision()
"""The decision to do nothing."""


class Turn(msgspec.Struct, frozen=True):
    """What a participant does in a round: a decision's orders, and the current slot's meter reading."""

    orders: Sequence[NewOrder] = ()
    cancel: Sequence[str] = ()
    meter: MeterReading | None = None


class BatteryView(Protocol):
    """A battery as its owner's strategy sees it. Energy in Wh, as seen from outside."""

    @property
    def capacity(self) -> int:
        """Usable capacity."""

    @property
    def state_of_charge(self) -> int:
        """What is stored, at the start of the current slot."""

    @property
    def efficiency(self) -> float:
        """One way; a round trip keeps its square."""

    def scheduled(self, slot_start: int) -> int:
        """Return what is planned for a slot: positive into, negative out of the battery."""

    def potential(self, slot_start: int, also: Mapping[int, int] | None = None) -> tuple[int, int]:
        """Return how much could be discharged and charged in a slot, both at least 0.

        Whatever is planned for other slots, and for those in `also` (slot start -> Wh), stays possible.
        """


class View(Protocol):
    """What a strategy sees in a round."""

    @property
    def participant_id(self) -> str:
        """Whose strategy it is."""

    @property
    def round(self) -> RoundStarted:
        """Time, slots and grid prices."""

    @property
    def market(self) -> MarketInfo:
        """The market's terms."""

    @property
    def battery(self) -> BatteryView | None:
        """The battery, if there is one."""

    @property
    def contracts(self) -> Sequence[Contract]:
        """Own contracts of the slot that was just cleared."""

    @property
    def transactions(self) -> Sequence[Transaction]:
        """Own transactions of the slot that was just delivered."""

    @property
    def flexibility(self) -> Mapping[int, int]:
        """Slot start -> Wh by which it shall change what it takes: flexibility that was sold, and is paid for if done."""

    def load(self, slot_start: int) -> int:
        """Return the load expected in a slot, in Wh."""

    def generation(self, slot_start: int) -> Mapping[str, int]:
        """Return the generation expected in a slot: source -> Wh."""

    def bought(self, slot_start: int) -> int:
        """Return how much was bought for a slot, in Wh."""

    def sold(self, slot_start: int) -> Mapping[str, int]:
        """Return how much was sold for a slot: source -> Wh."""

    def open_orders(self) -> Sequence[Order]:
        """Return own orders whose gates are open."""

    def local_hour(self, time: int) -> int:
        """Return the hour of the day (0 to 23) in the market's time zone."""

    def chance(self, draw: int = 0) -> float:
        """Return a number in [0, 1): another one for each round and `draw`, the same in each run."""


class Strategy(Protocol):
    """Decides what a participant does. Its constructor takes the trader's options from the config."""

    def decide(self, view: View) -> Decision:
        """Answer to a round."""


@runtime_checkable
class EpisodicStrategy(Protocol):
    """A strategy that wants to know of episodes: to learn, anneal, or begin anew."""

    def start_episode(self, start: EpisodeStart) -> None:
        """Begin an episode."""

    def end_episode(self) -> None:
        """End it."""


@runtime_checkable
class LearningStrategy(Strategy, Protocol):
    """A strategy that learns; what it has learnt is kept after each training episode, and given back to validate it."""

    def weights(self) -> bytes:
        """Return all that it has learnt; the same bytes if it has learnt the same."""

    def load_weights(self, weights: bytes) -> None:
        """Know what was learnt before, and nothing else.

        Raises:
            InputError: if these are not the weights of such a strategy.
        """


class Participant(Protocol):
    """Takes part in a market, driven in-process or over sockets."""

    participant_id: str

    def start_episode(self, start: EpisodeStart) -> None:
        """Begin an episode: ledger empty, devices as at first."""

    def turn(self, announcement: Announcement) -> Turn:
        """Answer to a round.

        Raises:
            StrategyError: if its strategy fails.
        """

    def answered(self, answers: Sequence[Event]) -> None:
        """Hear what became of the turn's orders and cancellations.

        Args:
            answers: `OrderAccepted`, `OrderRejected`, `OrderCancelled`, `ChangeRejected`; `Contracted` for
                contracts that were made while it was away.
        """

    def end_episode(self) -> None:
        """End the episode."""

    def metrics(self) -> Mapping[str, float]:
        """Return what should be recorded of this round besides the ledger: name -> value."""


@runtime_checkable
class Steerable(Protocol):
    """A participant whose decisions can be made by somebody else than its strategy: `turn` in two halves."""

    def hear(self, announcement: Announcement) -> View:
        """Take in what was announced, and return what there is to be decided on."""

    def act(self, decision: Decision) -> Turn:
        """Do what was decided on what it heard last.

        Raises:
            StrategyError: if that is no decision.
        """


@runtime_checkable
class Flexible(Protocol):
    """A participant for whom an aggregator can speak, see `trex_market.programmes.flexibility`."""

    def flexible_power(self) -> int:
        """Return by how much it could change what it takes, in W; 0 if it does not want to."""

    def expected(self, start: int, slots: int, step: int) -> Sequence[int]:
        """Return what it is going to take from the grid without any flexibility: Wh for each slot, below 0 it gives.

        Args:
            start: the first slot.
            slots: how many.
            step: length of a slot, in seconds.
        """

    def bearable(self, wanted: Mapping[int, int]) -> Mapping[int, int]:
        """Return what it could do of what is wanted, all of it together.

        Args:
            wanted: slot start -> Wh by which it should change what it takes, at most.
        """


class Chance:
    """Seeded chance of one participant; see `core.lots.uniform`."""

    def __init__(self, seed: int, participant_id: str) -> None:
        self._seed = seed
        self._participant_id = participant_id

    def draw(self, time: int, draw: int = 0) -> float:
        """Return a number in [0, 1) for a moment (UNIX seconds) and a running number."""
        return uniform(self._seed, self._participant_id, time, draw)


def take_turn(participant: Participant, announcement: Announcement) -> Turn:
    """Let a participant act; whatever is wrong with its turn is its own mistake.

    Raises:
        StrategyError: if it fails, or its orders are none.
    """
    name, when = participant.participant_id, f"round at {announcement.round.time}"
    with blamed(name, when):
        turn = participant.turn(announcement)
        for order in turn.orders:
            if not _is_order(order):
                raise StrategyError(
                    f"participant {name!r} ordered {order!r}; orders are made by `bid` and `ask`, of whole "
                    f"numbers ({when})"
                )
        for order_id in turn.cancel:
            if type(order_id) is not str:
                raise StrategyError(f"participant {name!r} cancelled {order_id!r}, which is no id ({when})")
    return turn


def _is_order(order: object) -> bool:
    return (
        type(order) is NewOrder
        and type(order.quantity) is type(order.price) is type(order.slot_start) is int
        and (order.source is None or type(order.source) is str)
    )


class blamed:  # noqa: N801 - reads as a verb
    """Turn what goes wrong in a participant's code into an error that names it.

    Args:
        name: the participant's.
        when: what was going on.
    """

    __slots__ = ("_name", "_when")

    def __init__(self, name: str, when: str) -> None:
        self._name = name
        self._when = when

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, Exception | SystemExit) and not isinstance(error, TrexError):
            message = f"participant {self._name!r} raised {type(error).__name__}: {error} ({self._when})"
            raise StrategyError(message) from error
