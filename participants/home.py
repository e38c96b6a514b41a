"""A home: load and generation from a profile, perhaps a battery, and a strategy that decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import index
from typing import Any
from zoneinfo import ZoneInfo

from participants.devices.battery import Battery
from participants.devices.shiftable import ShiftableLoad
from participants.submetering import submeter
from trex_market.core.errors import StrategyError
from trex_market.core.messages import (
    BATTERY,
    Contract,
    Contracted,
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
    View,
)

_NONE: Mapping[str, int] = {}


class Home:
    """A participant with a profile, perhaps a battery, and a strategy.

    Args:
        participant_id: its id.
        strategy: decides what it does.
        seed: of its chance.
        battery: its battery, if any.
        shiftable: share of the load that can wait, and within how many seconds it is made up for; None for none.
    """

    def __init__(
        self,
        participant_id: str,
        strategy: Strategy,
        *,
        seed: int = 0,
        battery: Battery | None = None,
        shiftable: tuple[float, int] | None = None,
    ) -> None:
        self.participant_id = participant_id
        self.strategy = strategy
        self.battery = battery
        self.seed = seed
        self.profile: Series | None = None
        self.shiftable = None if shiftable is None else ShiftableLoad(*shiftable)
        self._view = HomeView(participant_id, battery, self.shiftable)

    @staticmethod
    def array_form() -> Any:
        """Return what plays many homes at once; see `trex_market.population`."""
        from participants.homes import Homes  # noqa: PLC0415 - needs the extra `fast`

        return Homes

    def not_in_arrays(self) -> str | None:
        """Say why it cannot be played in arrays, in a phrase; None if it can."""
        # What inherits a strategy or a battery decides or does otherwise.
        if "array_form" not in vars(type(self.strategy)):
            return f"the strategy {type(self.strategy).__name__} has no array form"
        if self.battery is not None and type(self.battery) is not Battery:
            return f"the storage {type(self.battery).__name__} has no array form"
        return None

    def sources(self, profile: Series | None) -> tuple[str, ...]:
        """Return the sources of its meter readings with a profile, in their order."""
        own = () if profile is None else tuple(profile.generation)
        return own if self.battery is None else (*own, BATTERY)

    def use(self, profile: Series) -> None:
        """Take load and generation from a profile; it must cover the next episode and the slots traded in it."""
        self.profile = profile
        self._view.use(profile)

    def start_episode(self, start: EpisodeStart) -> None:
        """Begin an episode: ledger empty, battery as at first."""
        if start.profile is not None:
            self.use(start.profile)
        self._view.begin(start, Chance(self.seed + start.episode, self.participant_id))
        self._started = False
        if isinstance(self.strategy, EpisodicStrategy):
            self.strategy.start_episode(start)

    def end_episode(self) -> None:
        """End the episode."""
        if isinstance(self.strategy, EpisodicStrategy):
            self.strategy.end_episode()

    def turn(self, announcement: Announcement) -> Turn:
        """Let the strategy decide, plan the battery, and meter the current slot.

        Raises:
            StrategyError: if the strategy fails.
        """
        view = self.hear(announcement)
        try:
            decision = self.strategy.decide(view)
        except Exception as error:
            raise self._broken(f"raised {type(error).__name__}: {error}") from error
        return self.act(decision)

    def hear(self, announcement: Announcement) -> View:
        """Take in what was announced, and return what there is to be decided on."""
        self._begin(announcement.round.time, announcement.round.step)
        self._view.update(announcement)
        return self._view

    def _begin(self, time: int, step: int) -> None:
        """Start the battery, once in an episode."""
        if self.battery is not None and not self._started:
            self.battery.start(time, step)
        self._started = True

    def act(self, decision: Decision) -> Turn:
        """Do what was decided on what it heard last: plan the battery, and meter the current slot.

        Raises:
            StrategyError: if that is no decision.
        """
        if not isinstance(decision, Decision):
            raise self._broken(f"answered with {decision!r}, which is not a Decision")
        view = self._view
        now = view.round.time
        activity: int | None = None
        if self.battery is not None:
            activity = self._move(self.battery, decision)
        elif decision.battery:
            raise self._broken("planned a battery, but there is none")
        slot = (now, now + view.round.step)
        reading = submeter(slot, view.generation(now), view.load(now), activity, view.sold(now))
        view.forget(now)
        return Turn(decision.orders, decision.cancel, reading)

    def _move(self, battery: Battery, decision: Decision) -> int:
        """Plan the battery, and let it do what is planned for the current slot."""
        for slot_start, energy in decision.battery.items():
            try:
                battery.schedule(index(slot_start), index(energy))
            except TypeError as error:
                what = f"planned {energy!r} for slot {slot_start!r}, which are not whole numbers"
                raise self._broken(what) from error
        return battery.advance()

    def _broken(self, what: str) -> StrategyError:
        name, now = type(self.strategy).__name__, self._view.round.time
        return StrategyError(f"strategy {name} of {self.participant_id!r} {what} (round at {now})")

    def answered(self, answers: Sequence[Event]) -> None:
        """Hear what became of the turn's orders and cancellations."""
        self._view.note(answers)

    # ------------------------------------------------------------ flexibility

    def flexible_power(self) -> int:
        """Return the battery's power in W, if the strategy does what was sold of it; else 0."""
        willing = self.battery is not None and getattr(self.strategy, "sells_flexibility", False)
        return self.battery.power if self.battery is not None and willing else 0

    def expected(self, start: int, slots: int, step: int) -> Sequence[int]:
        """Return what it is going to take without any flexibility, in Wh: load, less generation, and the battery's plan."""
        self._begin(start, step)
        view, battery = self._view, self.battery
        energies = []
        for slot in range(start, start + slots * step, step):
            energy = view.load(slot) - sum(view.generation(slot).values())
            if battery is not None:
                energy += battery.scheduled(slot) - view.flexibility.get(slot, 0)
            energies.append(energy)
        return energies

    def bearable(self, wanted: Mapping[int, int]) -> Mapping[int, int]:
        """Return what the battery could do of what is wanted, besides its plan; Wh by slot."""
        battery = self.battery
        if battery is None or not self._started or not self.flexible_power():
            return {}
        # Any part of it may be ordered: nothing rests on energy that would only be charged for it, or on room that
        # would only be made.
        charging = {slot: energy for slot, energy in wanted.items() if energy > 0}
        giving = {slot: energy for slot, energy in wanted.items() if energy < 0}
        return self._bearable(battery, charging) | self._bearable(battery, giving)

    @staticmethod
    def _bearable(battery: Battery, wanted: Mapping[int, int]) -> dict[int, int]:
        changes: dict[int, int] = {}
        planned: dict[int, int] = {}
        for slot, energy in sorted(wanted.items()):
            before = battery.scheduled(slot)
            discharge, charge = battery.potential(slot, planned)
            after = max(-discharge, min(charge, before + energy))
            change = after - before
            # A plan of before may be beyond what can be done now; that is not what was asked for.
            if change * energy > 0:
                changes[slot] = change
                planned[slot] = after
        return changes

    def metrics(self) -> Mapping[str, float]:
        """Return the battery's state of charge in Wh, after the current slot."""
        return {} if self.battery is None else {"state_of_charge": self.battery.state_of_charge}


class HomeView:
    """What a home's strategy sees; implements `trex_market.participant.View`."""

    round: RoundStarted
    market: MarketInfo
    contracts: Sequence[Contract]
    transactions: Sequence[Transaction]
    flexibility: Mapping[int, int]

    def __init__(
        self, participant_id: str, battery: Battery | None, shiftable: ShiftableLoad | None = None
    ) -> None:
        self.participant_id = participant_id
        self.battery = battery
        self._shiftable = shiftable
        self._start, self._step = 0, 1
        self._load: Sequence[int] = ()
        self._generation: tuple[tuple[str, Sequence[int]], ...] = ()
        self._only: tuple[str, Sequence[int]] | None = None
        self.flexibility = {}

    def sources(self, profile: Series | None) -> tuple[str, ...]:
        """Return the sources of its meter readings with a profile, in their order."""
        own = () if profile is None else tuple(profile.generation)
        return own if self.battery is None else (*own, BATTERY)

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
        self.contracts = ()
        self.transactions = ()
        self.flexibility = {}
        self._zone = ZoneInfo(start.market.timezone)
        self._chance = chance
        if self._shiftable is not None:
            self._shiftable.start(start.market.step)
        self._bought: dict[int, int] = {}
        self._sold: dict[int, dict[str, int]] = {}
        self._open: dict[str, Order] = {}

    def update(self, announcement: Announcement) -> None:
        """Take in what was announced."""
        self.round = announcement.round
        self.contracts = announcement.contracts
        self.transactions = announcement.transactions
        self.flexibility = announcement.flexibility
        if self._shiftable is not None:
            self._shiftable.plan(self.round.time, self.flexibility, self._profiled)
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
        """Keep own open orders, and contracts that were made while it was away."""
        for answer in answers:
            if isinstance(answer, OrderAccepted):
                self._open[answer.order.order_id] = answer.order
            elif isinstance(answer, OrderCancelled):
                self._open.pop(answer.order.order_id, None)
            elif isinstance(answer, Contracted):
                for contract in answer.contracts:
                    self._note_contract(contract)

    def forget(self, slot_start: int) -> None:
        """Drop what is known of a slot that is over."""
        self._bought.pop(slot_start, None)
        self._sold.pop(slot_start, None)

    def load(self, slot_start: int) -> int:
        """Return the load expected in a slot, in Wh; 0 where the profile ends."""
        load = self._profiled(slot_start)
        return load if self._shiftable is None else load + self._shiftable.change(slot_start)

    def _profiled(self, slot_start: int) -> int:
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
