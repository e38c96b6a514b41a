"""A home as its agents see it: what its assets need and have, and what its meter says.

What is traded for an asset is known by the ids of its orders, which end in the
asset's kind. So nothing has to be kept beside the market.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from trex_market.core.messages import (
    BATTERY,
    EXTERNAL,
    OTHER,
    Contract,
    MeterReading,
    Order,
    Side,
)
from trex_market.gateway.translate import AssetKind, cents_from_money, kwh_from_wh
from trex_market.participant import Series

SOLAR = "solar"

MARKS: dict[AssetKind, str] = {"Load": ".load", "PV": ".pv", "Storage": ".storage"}
"""Kind of an asset -> the end of its orders' ids."""

SIDES: dict[AssetKind, tuple[Side, ...]] = {"Load": ("bid",), "PV": ("ask",), "Storage": ("bid", "ask")}
"""Kind of an asset -> what it may order."""

SLOTS_KEPT = 20_000
"""Forecasts and measurements of so many slots are kept, of each asset."""

BATTERY_SLOTS = 1_000
"""What a battery did is remembered for so many slots."""


class Battery(Protocol):
    """A home's battery; energy in Wh as seen from outside."""

    @property
    def capacity(self) -> int:
        """What it can hold."""

    @property
    def state_of_charge(self) -> int:
        """What it holds."""

    def start(self, slot_start: int, step: int) -> None:
        """Begin anew at a slot."""

    def potential(self, slot_start: int) -> tuple[int, int]:
        """Return how much could be discharged and charged in a slot."""

    def schedule(self, slot_start: int, energy: int) -> int:
        """Plan a slot, positive into it, and return what is planned."""

    def scheduled(self, slot_start: int) -> int:
        """Return what is planned for a slot."""

    def advance(self) -> int:
        """Do what is planned for the current slot, and go to the next."""


def marked(order_id: str, kind: AssetKind) -> str:
    """Return the id of an asset's order."""
    return order_id + MARKS[kind]


def asset_of(order_id: str, side: Side, source: str) -> AssetKind:
    """Return whose order it was: of an id without mark, what is likely."""
    for kind, mark in MARKS.items():
        if order_id.endswith(mark):
            return kind
    if side == "bid":
        return "Load"
    return "Storage" if source == BATTERY else "PV"


class Share(msgspec.Struct, frozen=True):
    """What an asset traded in a slot.

    Args:
        bought: Wh.
        sold: Wh.
        paid: nano-dollars, less what it got.
    """

    bought: int = 0
    sold: int = 0
    paid: int = 0


def share_of(participant_id: str, kind: AssetKind, contracts: Sequence[Contract]) -> Share:
    """Add up an asset's part of contracts."""
    bought = sold = paid = 0
    for one in contracts:
        quantity = one.quantity
        if one.buyer_id == participant_id and asset_of(one.bid_id, "bid", "") == kind:
            bought += quantity
            paid += quantity * (one.settlement_price_buy + one.fee_bid)
        if one.seller_id == participant_id and asset_of(one.ask_id, "ask", one.energy_source) == kind:
            sold += quantity
            paid -= quantity * (one.settlement_price_sell - one.fee_ask)
    return Share(bought, sold, paid)


class HomeAccount:
    """What is known of a home's energy.

    Args:
        participant_id: whose.
        kinds: of its assets.
        battery: its storage, if it has one.
    """

    def __init__(
        self, participant_id: str, kinds: Sequence[AssetKind], battery: Battery | None = None
    ) -> None:
        self.participant_id = participant_id
        self.kinds = tuple(kinds)
        self.battery = battery
        self.profile: Series | None = None
        self._forecasts: dict[AssetKind, dict[int, int]] = {}
        self._measured: dict[AssetKind, dict[int, int]] = {}
        self._clock: int | None = None
        self._moved: dict[int, int] = {}
        """What the battery did in slots that are over: start -> Wh."""

    def begin(self, profile: Series | None) -> None:
        """Begin an episode, or go on with another profile."""
        if profile is not None:
            self.profile = profile
        self._forecasts, self._measured, self._clock, self._moved = {}, {}, None, {}

    def foresee(self, kind: AssetKind, energy: Mapping[int, int], *, measured: bool) -> None:
        """Take forecasts or measurements of an asset: start of slot -> Wh."""
        known = (self._measured if measured else self._forecasts).setdefault(kind, {})
        known.update(energy)
        for slot in sorted(known)[: max(0, len(known) - SLOTS_KEPT)]:
            del known[slot]

    def was_measured(self, slot_start: int) -> bool:
        """Say whether anything of a slot was measured."""
        return any(slot_start in known for known in self._measured.values())

    # ------------------------------------------------------------ time

    def enter(self, slot_start: int, step: int, contracts: Sequence[Contract]) -> None:
        """Begin a round: the battery has done what was planned until then, and plans what was traded.

        Args:
            slot_start: start of the current slot.
            step: length of a slot, in seconds.
            contracts: the home's, for slots that are not delivered.
        """
        if self.battery is None:
            return
        if self._clock is None:
            self.battery.start(slot_start, step)
            self._clock = slot_start
        while self._clock < slot_start:
            self._moved[self._clock] = self.battery.advance()
            self._clock += step
        while len(self._moved) > BATTERY_SLOTS:
            del self._moved[min(self._moved)]
        self.plan(contracts)

    def plan(self, contracts: Sequence[Contract]) -> None:
        """Let the battery do what was traded for it."""
        if self.battery is None or self._clock is None:
            return
        for slot in sorted({one.slot_start for one in contracts}):
            if slot >= self._clock:
                share = self._share("Storage", slot, contracts)
                if self.battery.scheduled(slot) != share.bought - share.sold:
                    self.battery.schedule(slot, share.bought - share.sold)

    def _share(self, kind: AssetKind, slot_start: int, contracts: Sequence[Contract]) -> Share:
        in_slot = [one for one in contracts if one.slot_start == slot_start]
        return share_of(self.participant_id, kind, in_slot)

    # ------------------------------------------------------------ energy

    def load(self, slot_start: int) -> int | None:
        """Return what the load takes in a slot, in Wh; None if nobody knows."""
        if "Load" not in self.kinds:
            return 0
        known = self._known("Load", slot_start)
        if known is not None:
            return known
        place = self._place(slot_start)
        return None if place is None or self.profile is None else self.profile.load[place]

    def generation(self, slot_start: int) -> dict[str, int] | None:
        """Return source -> Wh generated in a slot; None if nobody knows."""
        place = self._place(slot_start)
        made: dict[str, int] = {}
        if place is not None and self.profile is not None:
            made = {source: series[place] for source, series in self.profile.generation.items()}
        if "PV" not in self.kinds:
            return made
        known = self._known("PV", slot_start)
        if known is not None:
            return {**made, SOLAR: known}
        return None if place is None else made

    def _known(self, kind: AssetKind, slot_start: int) -> int | None:
        measured = self._measured.get(kind, {}).get(slot_start)
        return self._forecasts.get(kind, {}).get(slot_start) if measured is None else measured

    def _place(self, slot_start: int) -> int | None:
        if self.profile is None:
            return None
        place = (slot_start - self.profile.start) // self.profile.step
        return place if 0 <= place < len(self.profile.load) else None

    def available(self, kind: AssetKind, side: Side, slot_start: int, contracts: Sequence[Contract]) -> int:
        """Return how much an asset could still bid or ask for in a slot, with no order open, in Wh."""
        share = self._share(kind, slot_start, contracts)
        if kind == "Load":
            return max(0, (self.load(slot_start) or 0) - share.bought)
        if kind == "PV":
            return max(0, (self.generation(slot_start) or {}).get(SOLAR, 0) - share.sold)
        if self.battery is None:
            return 0
        discharge, charge = self.battery.potential(slot_start)
        planned = share.bought - share.sold
        return max(0, charge - planned if side == "bid" else discharge + planned)

    def info(
        self, kind: AssetKind, slot_start: int, contracts: Sequence[Contract], orders: Sequence[Order]
    ) -> dict[str, Any]:
        """Return `asset_info`: kWh and cents.

        Args:
            kind: which asset.
            slot_start: start of the slot that is open.
            contracts: the home's, for slots that are not delivered.
            orders: the home's open ones.
        """
        share = self._share(kind, slot_start, contracts)
        info: dict[str, Any] = {}
        if kind == "Load":
            info["energy_requirement_kWh"] = kwh_from_wh(self.available(kind, "bid", slot_start, contracts))
        elif kind == "PV":
            info["available_energy_kWh"] = kwh_from_wh(self.available(kind, "ask", slot_start, contracts))
        elif self.battery is not None:
            held, capacity = self.battery.state_of_charge, self.battery.capacity
            info["energy_to_sell"] = kwh_from_wh(self.available(kind, "ask", slot_start, contracts))
            info["energy_to_buy"] = kwh_from_wh(self.available(kind, "bid", slot_start, contracts))
            info["used_storage"] = kwh_from_wh(held)
            info["free_storage"] = kwh_from_wh(capacity - held)
        for side, name in (("bid", "energy_active_in_bids"), ("ask", "energy_active_in_offers")):
            if side in SIDES[kind]:
                mine = orders_of(kind, orders, side, slot_start)
                info[name] = kwh_from_wh(sum(order.quantity for order in mine))
        info["energy_traded"] = kwh_from_wh(share.bought + share.sold)
        info["total_cost"] = cents_from_money(share.paid)
        return info

    # ------------------------------------------------------------ meter

    def reading(self, slot_start: int, step: int, contracts: Sequence[Contract]) -> MeterReading | None:
        """Return what the home's meter says of a slot; None if nobody knows what there was.

        Each asset has first what was traded for it. What the PV makes beyond that serves the load as far as
        nothing was bought for it, and then the grid. What is bought and sold for the storage in one slot passes
        through it.

        Args:
            slot_start: start of the slot.
            step: length of a slot, in seconds.
            contracts: the home's, for slots that are not delivered.
        """
        load, made = self.load(slot_start), self.generation(slot_start)
        if load is None or made is None:
            return None
        sold = self._share("PV", slot_start, contracts).sold
        need = max(0, load - self._share("Load", slot_start, contracts).bought)
        exported: dict[str, int] = {}
        to_load: dict[str, int] = {}
        for source, energy in made.items():
            promised = sold if source == SOLAR else 0
            used = min(max(0, energy - promised), need)
            need -= used
            to_load[source] = used
            exported[source] = energy - used
        to_load[EXTERNAL] = load - sum(to_load.values())
        consumption = {OTHER: to_load}
        if self.battery is not None:
            storage = self._share("Storage", slot_start, contracts)
            done = self._moved.get(slot_start)
            taken, given = _through(storage, self.battery.scheduled(slot_start) if done is None else done)
            exported[BATTERY] = given
            consumption = {BATTERY: {EXTERNAL: taken}, OTHER: to_load}
        return MeterReading(slot_start, slot_start + step, exported, consumption)


def _through(share: Share, planned: int) -> tuple[int, int]:
    """Return what a storage takes and gives in a slot, in Wh, if it can do no more than planned of what was traded."""
    taken, given = share.bought, share.sold
    lacking = planned - (taken - given)
    if lacking < 0:
        taken += lacking
    else:
        given -= lacking
    return max(0, taken) + max(0, -given), max(0, given) + max(0, -taken)


def orders_of(kind: AssetKind, orders: Sequence[Order], side: Side, slot_start: int) -> list[Order]:
    """Return an asset's orders of a side and slot."""
    return [
        order
        for order in orders
        if order.side == side
        and order.slot_start == slot_start
        and asset_of(order.order_id, side, order.source or "") == kind
    ]
