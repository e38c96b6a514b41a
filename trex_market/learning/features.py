"""What an agent observes: numbers made of a `View`, so the same in an environment and in any other market.

Energy is in kWh, prices in $/kWh. What is *expected* comes from the home's profile, as for any strategy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from trex_market.core.messages import Contract
from trex_market.core.units import MAX_PRICE, MAX_QUANTITY, MICRO
from trex_market.participant import View

_WH = 1000
_DAY = 86_400
_WEEK = 7 * _DAY

MOST_ENERGY = MAX_QUANTITY / _WH
"""kWh."""

MOST_MONEY = MAX_PRICE / MICRO
"""$/kWh."""


class Feature(msgspec.Struct, frozen=True):
    """One number of an observation.

    Args:
        name: of it.
        unit: empty for a plain number.
        low: the least that it can be.
        high: the most.
        meaning: a phrase.
    """

    name: str
    unit: str
    low: float
    high: float
    meaning: str


def features(close_steps: int, forecast_slots: int) -> list[Feature]:
    """Return what an observation holds, in order.

    Args:
        close_steps: of the market.
        forecast_slots: how many slots are looked at, from the current one on.
    """
    next_slot = "the next slot to be cleared"
    return [
        *(
            Feature(
                f"{name}_{part}", "", -1, 1, f"{what} of when {next_slot} begins; a turn is a local {turn}"
            )
            for name, turn in (("day", "day"), ("week", "week from Monday"))
            for part, what in (("sin", "sine"), ("cos", "cosine"))
        ),
        Feature("sell_price", "$/kWh", -MOST_MONEY, MOST_MONEY, "what the grid pays now"),
        Feature("buy_price", "$/kWh", -MOST_MONEY, MOST_MONEY, "what the grid charges now"),
        Feature("next_sell_price", "$/kWh", -MOST_MONEY, MOST_MONEY, f"what it pays in {next_slot}"),
        Feature("next_buy_price", "$/kWh", -MOST_MONEY, MOST_MONEY, f"what it charges in {next_slot}"),
        *(
            Feature(f"{name}_{place}", "kWh", 0, MOST_ENERGY, f"{name} expected in {_slot(place)}")
            for place in range(forecast_slots)
            for name in ("load", "generation")
        ),
        *(
            Feature(f"{name}_{place}", "kWh", 0, MOST_ENERGY, f"{name} by contract for {_slot(place)}")
            for place in range(close_steps)
            for name in ("bought", "sold")
        ),
        Feature("bought_price", "$/kWh", 0, MOST_MONEY, "mean price of what it bought for a slot last"),
        Feature("sold_price", "$/kWh", 0, MOST_MONEY, "mean price of what it sold for a slot last"),
        Feature("charge", "", 0, 1, "share of its battery that is full now"),
        Feature("battery_gives", "kWh", 0, MOST_ENERGY, f"most that its battery could give in {next_slot}"),
        Feature("battery_takes", "kWh", 0, MOST_ENERGY, f"most that its battery could take in {next_slot}"),
    ]


def _slot(place: int) -> str:
    return {0: "the current slot", 1: "the slot after it"}.get(place, f"slot {place} from the current one")


class Calendar:
    """Time of day and week as points on circles; one for all agents, who ask for the same time.

    Args:
        timezone: IANA name.
    """

    def __init__(self, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)
        self._time = -1
        self._point: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def point(self, time: int) -> tuple[float, float, float, float]:
        """Return sine and cosine of the day, then of the week (from Monday), at a moment (UNIX seconds)."""
        if time != self._time:
            local = datetime.fromtimestamp(time, self._zone)
            seconds = local.hour * 3600 + local.minute * 60 + local.second
            day = 2 * math.pi * seconds / _DAY
            week = 2 * math.pi * (local.weekday() * _DAY + seconds) / _WEEK
            self._time = time
            self._point = (math.sin(day), math.cos(day), math.sin(week), math.cos(week))
        return self._point


class Observer:
    """Makes an agent's observations.

    Args:
        calendar: of the market's time zone.
        forecast_slots: how many slots are looked at, from the current one on.
    """

    def __init__(self, calendar: Calendar, forecast_slots: int) -> None:
        self._calendar = calendar
        self._slots = forecast_slots
        self.begin()

    def begin(self) -> None:
        """Begin an episode."""
        self._bought_price = 0.0
        self._sold_price = 0.0

    def observe(self, view: View) -> list[float]:
        """Return the observation of a round, in the order of `features`."""
        self._note_prices(view)
        round = view.round
        now, step, next_settle = round.time, round.step, round.next_settle
        values = [
            *self._calendar.point(next_settle),
            round.sell_price / MICRO,
            round.buy_price / MICRO,
            round.next_sell_price / MICRO,
            round.next_buy_price / MICRO,
        ]
        for slot_start in range(now, now + self._slots * step, step):
            values.append(view.load(slot_start) / _WH)
            values.append(sum(view.generation(slot_start).values()) / _WH)
        for slot_start in range(now, next_settle, step):
            values.append(view.bought(slot_start) / _WH)
            values.append(sum(view.sold(slot_start).values()) / _WH)
        values.append(self._bought_price)
        values.append(self._sold_price)
        battery = view.battery
        if battery is None:
            values += (0.0, 0.0, 0.0)
        else:
            gives, takes = battery.potential(next_settle)
            full = battery.state_of_charge / battery.capacity if battery.capacity else 0.0
            values += (full, gives / _WH, takes / _WH)
        return values

    def _note_prices(self, view: View) -> None:
        if not view.contracts:
            return
        own = view.participant_id
        bought = [contract for contract in view.contracts if contract.buyer_id == own]
        sold = [contract for contract in view.contracts if contract.seller_id == own]
        if bought:
            self._bought_price = _mean_price(bought, [contract.settlement_price_buy for contract in bought])
        if sold:
            self._sold_price = _mean_price(sold, [contract.settlement_price_sell for contract in sold])


def _mean_price(contracts: Sequence[Contract], prices: Sequence[int]) -> float:
    """Return the mean price of contracts, weighted by energy, in $/kWh."""
    energy = sum(contract.quantity for contract in contracts)
    cost = sum(contract.quantity * price for contract, price in zip(contracts, prices, strict=True))
    return cost / energy / MICRO
