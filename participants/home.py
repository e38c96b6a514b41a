"""A home: load and generation from a profile, perhaps a battery, and a strategy that decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import index
from zoneinfo import ZoneInfo

from participants.devices.battery import Battery
from participants.submetering import submeter
from trex_market.core.errors import StrategyError
from trex_market.core.messages import (
    Contract,
    Event,
    Order,
    OrderAccepted,
    OrderCancelled,
    RoundStarted,
    Transaction,
)
from trex_market.participant import (
    Announcement,
    Chance,
    Decision,
    EpisodeStart,
    EpisodicStrategy,
    MarketInfo,
    Series,
    Strategy,
    Turn,
)

_NONE: Mapping[str, int] = {}


class Home:
    """A participant with a profile, perhaps a battery, and a strategy.

    Args:
        participant_id: its id.
        strategy: decides what it does.
        seed: of its chance.
        battery: its battery, if any.
    """

    def __init__(
        self, participant_id: str, strategy: Strategy, *, seed: int = 0, battery: Battery | None = None
    ) -> None:
        self.participant_id = participant_id
        self._strategy = strategy
        self._battery = battery
        self._seed = seed
        self._view = HomeView(participant_id, battery)

    def use(self, profile: Series) -> None:
        """Take load and generation from a profile; it must cover the next episode and the slots traded in it."""
        self._view.use(profile)

    def start_episode(self, start: EpisodeStart) -> None:
        """Begin an episode: ledger empty, battery as at first."""
        if start.profile is not None:
            self.use(start.profile)
        self._view.begin(start, Chance(self._seed + start.episode, self.participant_id))
        self._started = False
        if isinstance(self._strategy, EpisodicStrategy):
            self._strategy.start_episode(start)

    def end_episode(self) -> None:
        """End the episode."""
        if isinstance(self._strategy, EpisodicStrategy):
            self._strategy.end_episode()

    def turn(self, announcement: Announcement) -> Turn:
        """Let the strategy decide, plan the battery, and meter the current slot.

        Raises:
            StrategyError: if the strategy fails.
        """
        view = self._view
        battery = self._battery
        now = announcement.round.time
        if battery is not None and not self._started:
            battery.start(now, announcement.round.step)
        self._started = True
        view.update(announcement)
        decision = self._decide(now)
        activity: int | None = None
        if battery is not None:
            for slot_start, energy in decision.battery.items():
                try:
                    battery.schedule(index(slot_start), index(energy))
                except TypeError as error:
                    what = f"planned {energy!r} for slot {slot_start!r}, which are not whole numbers"
                    raise self._broken(now, what) from error
            activity = battery.advance()
        slot = (now, now + announcement.round.step)
        reading = submeter(slot, view.generation(now), view.load(now), activity, view.sold(now))
        view.forget(now)
        return Turn(decision.orders, decision.cancel, reading)

    def _decide(self, now: int) -> Decision:
        try:
            decision = self._strategy.decide(self._view)
        except Exception as error:
            raise self._broken(now, f"raised {type(error).__name__}: {error}") from error
        if not isinstance(decision, Decision):
            raise self._broken(now, f"answered with {decision!r}, which is not a Decision")
        if decision.battery and self._battery is None:
            raise self._broken(now, "planned a battery, but there is none")
        return decision

    def _broken(self, now: int, what: str) -> StrategyError:
        name = type(self._strategy).__name__
        return StrategyError(f"strategy {name} of {self.participant_id!r} {what} (round at {now})")

    def answered(self, answers: Sequence[Event]) -> None:
        """Hear what became of the turn's orders and cancellations."""
        self._view.note(answers)

    def metrics(self) -> Mapping[str, float]:
        """Return the battery's state of charge in Wh, after the current slot."""
        return {} if self._battery is None else {"state_of_charge": self._battery.state_of_charge}


class HomeView:
    """What a home's strategy sees; implements `trex_market.participant.View`."""

    round: RoundStarted
    market: MarketInfo
    transactions: Sequence[Transaction]

    def __init__(self, participant_id: str, battery: Battery | None) -> None:
        self.participant_id = participant_id
        self.battery = battery
        self._start, self._step = 0, 1
        self._load: Sequence[int] = ()
        self._generation: tuple[tuple[str, Sequence[int]], ...] = ()
        self._only: tuple[str, Sequence[int]] | None = None

    def use(self, profile: Series) -> None:
        """Take forecasts from a profile."""
        self._start, self._step = profile.start, profile.step
        self._load = profile.load
        self._generation = tuple(profile.generation.items())
        # Most homes have one source at most.
        self._only = self._generation[0] if len(self._generation) == 1 else None

    def begin(self, start: EpisodeStart, chance: Chance) -> None:
        """Forget all of the last episode."""
        self.market = start.market
        self.transactions = ()
        self._zone = ZoneInfo(start.market.timezone)
        self._chance = chance
        self._bought: dict[int, int] = {}
        self._sold: dict[int, dict[str, int]] = {}
        self._open: dict[str, Order] = {}

    def update(self, announcement: Announcement) -> None:
        """Take in what was announced."""
        self.round = announcement.round
        self.transactions = announcement.transactions
        for contract in announcement.contracts:
            self._note_contract(contract)
        if self._open:
            gate = announcement.round.next_settle
            self._open = {name: order for name, order in self._open.items() if order.slot_start >= gate}

    def _note_contract(self, contract: Contract) -> None:
        slot_start, quantity = contract.slot_start, contract.quantity
        if contract.buyer_id == self.participant_id:
            self._bought[slot_start] = self._bought.get(slot_start, 0) + quantity
        else:
            sold = self._sold.setdefault(slot_start, {})
            sold[contract.energy_source] = sold.get(contract.energy_source, 0) + quantity

    def note(self, answers: Sequence[Event]) -> None:
        """Keep own open orders."""
        for answer in answers:
            if isinstance(answer, OrderAccepted):
                self._open[answer.order.order_id] = answer.order
            elif isinstance(answer, OrderCancelled):
                self._open.pop(answer.order.order_id, None)

    def forget(self, slot_start: int) -> None:
        """Drop what is known of a slot that is over."""
        self._bought.pop(slot_start, None)
        self._sold.pop(slot_start, None)

    def load(self, slot_start: int) -> int:
        """Return the load expected in a slot, in Wh; 0 where the profile ends."""
        place = (slot_start - self._start) // self._step
        return self._load[place] if 0 <= place < len(self._load) else 0

    def generation(self, slot_start: int) -> Mapping[str, int]:
        """Return the generation expected in a slot: source -> Wh."""
        place = (slot_start - self._start) // self._step
        if not 0 <= place < len(self._load):
            return _NONE
        if self._only is not None:
            return {self._only[0]: self._only[1][place]}
        return {source: series[place] for source, series in self._generation}

    def bought(self, slot_start: int) -> int:
        """Return how much was bought for a slot, in Wh."""
        return self._bought.get(slot_start, 0)

    def sold(self, slot_start: int) -> Mapping[str, int]:
        """Return how much was sold for a slot: source -> Wh."""
        return self._sold.get(slot_start, _NONE)

    def open_orders(self) -> Sequence[Order]:
        """Return own orders whose gates are open."""
        return list(self._open.values())

    def local_hour(self, time: int) -> int:
        """Return the hour of the day (0 to 23) in the market's time zone."""
        return datetime.fromtimestamp(time, self._zone).hour

    def chance(self, draw: int = 0) -> float:
        """Return a number in [0, 1): another one for each round and `draw`, the same in each run."""
        return self._chance.draw(self.round.time, draw)
