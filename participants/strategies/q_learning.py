"""Q-learning over prices: for each hour of the day, which price has gained most.

A bandit for each state, learnt by tabular Q-learning without a next state (Sutton and Barto, Reinforcement
Learning, 2nd edition, 2.5 and 6.5): after a slot was delivered, the value of the price that was offered moves
towards what it gained,

    Q += learning_rate * (gain - Q)

where the gain is the share that was reached of the most that could be: all energy of the order traded at the best
price of the grid. In training it tries a price at random now and then (epsilon-greedy); in validation it takes
the best. The battery stores what was not sold, and gives what was not bought.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from participants.strategies.common import balancing_energy, residual, residual_orders
from trex_market.core.errors import InputError
from trex_market.participant import Decision, EpisodeStart, View
from trex_market.profit import net_profit

States = Literal["hour", "tariff", "hour_and_tariff"]
"""What tells one state from another: the local hour of the slot, the grid's prices in it, or both."""

VALIDATION = "validation"
REALTIME = "realtime"

PARAMETERS = ("exploration", "learning_rate")
"""What the curriculum may set."""


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What it has learnt.

    Args:
        price_levels: how many prices there are.
        states: what tells one state from another.
        values: side and state -> price level -> expected gain, 0 to 1.
    """

    price_levels: int
    states: States
    values: dict[str, list[float]]


class _Trial(msgspec.Struct):
    """An order whose slot is not delivered yet.

    Args:
        state: side and state.
        level: of its price.
        most: that it could gain, nano-dollars.
        sell_price: what the grid pays in its slot, micro-dollars per kWh.
        buy_price: what it charges.
        gain: until now, nano-dollars.
    """

    state: str
    level: int
    most: int
    sell_price: int
    buy_price: int
    gain: int = 0


class QLearning:
    """Learn at which price to bid and to ask.

    Args:
        price_levels: how many prices there are, evenly from what the grid pays to what it charges; at least 2.
        exploration: share of rounds in which a price is tried at random, 0 to 1.
        learning_rate: how far a value moves towards what was gained, 0 to 1.
        states: what tells one state from another: "hour", "tariff" or "hour_and_tariff".
        learning: whether it learns.
    """

    def __init__(
        self,
        price_levels: int = 11,
        exploration: float = 0.1,
        learning_rate: float = 0.1,
        states: States = "hour",
        *,
        learning: bool = False,
    ) -> None:
        if type(price_levels) is not int or price_levels < 2:
            raise InputError(f"price_levels must be a whole number of at least 2, found {price_levels}")
        if states not in ("hour", "tariff", "hour_and_tariff"):
            raise InputError(f"states must be hour, tariff or hour_and_tariff, found {states!r}")
        self._levels = price_levels
        self._states = states
        self._learning = learning
        self._options = {
            "exploration": _share("exploration", exploration),
            "learning_rate": _share("learning_rate", learning_rate),
        }
        self._values: dict[str, list[float]] = {}
        self._begin(learns=learning, parameters=self._options, delay_steps=1)

    def _begin(self, *, learns: bool, parameters: dict[str, float], delay_steps: int) -> None:
        self._learns = learns
        self._exploration = parameters["exploration"] if learns else 0.0
        self._learning_rate = parameters["learning_rate"]
        self._delay_steps = delay_steps
        self._trials: dict[int, _Trial] = {}

    def start_episode(self, start: EpisodeStart) -> None:
        """Begin an episode, with what the curriculum sets; in a validation it only shows what it has learnt.

        Raises:
            InputError: if the curriculum sets what cannot be.
        """
        set_now = {
            name: _share(name, start.parameters[name]) for name in PARAMETERS if name in start.parameters
        }
        learns = self._learning and start.simulation != VALIDATION
        # On the wall clock a slot is delivered some time after its end, when its readings are due.
        delay_steps = 2 if start.simulation == REALTIME else 1
        self._begin(learns=learns, parameters={**self._options, **set_now}, delay_steps=delay_steps)

    def end_episode(self) -> None:
        """End it; of slots that were not delivered nothing is learnt."""

    def weights(self) -> bytes:
        """Return what it has learnt, as JSON."""
        values = {state: self._values[state] for state in sorted(self._values)}
        return msgspec.json.encode(Weights(self._levels, self._states, values))

    def load_weights(self, weights: bytes) -> None:
        """Know what was learnt before, and nothing else.

        Raises:
            InputError: if it was learnt with other options, or these are no weights.
        """
        try:
            loaded = msgspec.json.decode(weights, type=Weights)
        except msgspec.DecodeError as error:
            raise InputError(f"these are not the weights of q_learning: {error}") from error
        if (loaded.price_levels, loaded.states) != (self._levels, self._states):
            raise InputError(
                f"these weights are of price_levels: {loaded.price_levels}, states: {loaded.states}; the config has "
                f"{self._levels} and {self._states}"
            )
        for state, values in loaded.values.items():
            if len(values) != self._levels:
                raise InputError(f"these weights have {len(values)} values for {state!r}, not {self._levels}")
        self._values = {state: list(values) for state, values in loaded.values.items()}

    def decide(self, view: View) -> Decision:
        """Learn from the slot that was delivered; bid or ask for the next one to be cleared."""
        if self._learns:
            self._learn(view)
        battery = {}
        if view.battery is not None:
            cleared = view.round.last_settle
            battery[cleared] = balancing_energy(view, cleared)
        slot_start = view.round.next_settle
        need = residual(view, slot_start)
        if not need:
            return Decision(battery=battery)
        sell_price, buy_price = view.round.next_sell_price, view.round.next_buy_price
        state = f"{'bid' if need > 0 else 'ask'} {self._state(view)}"
        level = self._choose(view, state)
        if self._learns and buy_price > sell_price:
            most = abs(need) * (buy_price - sell_price)
            self._trials[slot_start] = _Trial(state, level, most, sell_price, buy_price)
        low = max(0, sell_price)
        price = low + max(0, buy_price - low) * level // (self._levels - 1)
        return Decision(residual_orders(view, slot_start, price, price), battery=battery)

    def _state(self, view: View) -> str:
        round = view.round
        hour = f"{view.local_hour(round.next_settle):02d}"
        tariff = f"{round.next_sell_price}-{round.next_buy_price}"
        return {"hour": hour, "tariff": tariff}.get(self._states, f"{hour} {tariff}")

    def _choose(self, view: View, state: str) -> int:
        """Return the level of the best price, or, now and then in training, any.

        Of prices that are equally good it tries any while it learns, then takes one in the middle.
        """
        if view.chance(0) < self._exploration:
            return int(view.chance(1) * self._levels)
        values = self._values.get(state, [0.0] * self._levels)
        highest = max(values)
        best = [level for level, value in enumerate(values) if value == highest]
        return best[int(view.chance(2) * len(best)) if self._learns else len(best) // 2]

    def _learn(self, view: View) -> None:
        """Move the values of the prices whose slots are delivered towards what they gained."""
        for row in view.transactions:
            trial = self._trials.get(row.time_creation)
            if trial is not None:
                trial.gain += net_profit([row], view.participant_id, trial.sell_price, trial.buy_price)
        delivered = view.round.time - self._delay_steps * view.round.step
        for slot_start in [slot_start for slot_start in self._trials if slot_start <= delivered]:
            trial = self._trials.pop(slot_start)
            values = self._values.setdefault(trial.state, [0.0] * self._levels)
            values[trial.level] += self._learning_rate * (trial.gain / trial.most - values[trial.level])


def _share(name: str, value: Any) -> float:
    """Return a number from 0 to 1.

    Raises:
        InputError: if it is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InputError(f"{name} must be a number from 0 to 1, found {value!r}")
    return float(value)
