"""What was traded for a slot, and what flowed in one: the SDK's statistics and bills."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import msgspec

from trex_market.core.messages import Contract, Contracted, Delivered, Event, Transaction
from trex_market.gateway.translate import cents_from_money, cents_from_price, kwh_from_wh
from trex_market.gateway.tree import Node, Tree


class _Flow(msgspec.Struct):
    """Energy of an area in a slot, in Wh.

    Args:
        bought: from outside.
        sold: to the outside.
        within: from one inside to another, or to itself.
    """

    bought: int = 0
    sold: int = 0
    within: int = 0


class Statistics:
    """Remembers contracts and the last delivery.

    Args:
        tree: whose areas are looked at.
        kept_s: contracts of slots that began so long ago are forgotten, in seconds.
    """

    def __init__(self, tree: Tree, kept_s: int) -> None:
        self._tree = tree
        self._kept_s = kept_s
        self._contracts: dict[int, list[Contract]] = {}
        self._delivered: Sequence[Transaction] = ()

    def hear(self, events: Sequence[Event]) -> list[Contract]:
        """Take in what happened, and return the new contracts."""
        made: list[Contract] = []
        for event in events:
            if isinstance(event, Contracted):
                made += event.contracts
            elif isinstance(event, Delivered):
                self._delivered = event.transactions
        self.take(made)
        return made

    def take(self, contracts: Iterable[Contract]) -> None:
        """Remember contracts."""
        for contract in contracts:
            self._contracts.setdefault(contract.slot_start, []).append(contract)
        newest = max(self._contracts, default=0)
        for slot in [slot for slot in self._contracts if slot < newest - self._kept_s]:
            del self._contracts[slot]

    def forget(self) -> None:
        """Begin anew."""
        self._contracts, self._delivered = {}, ()

    def contracts(self, slot_start: int, participant_id: str | None = None) -> list[Contract]:
        """Return what was traded for a slot, by one participant or by all."""
        return [
            one
            for one in self._contracts.get(slot_start, ())
            if participant_id is None or participant_id in (one.seller_id, one.buyer_id)
        ]

    # ------------------------------------------------------------ areas

    def _through(self, node: Node, slot_start: int) -> list[Contract]:
        """Return the contracts of a slot of which somebody inside has a side."""
        inside = self._tree.homes_in(node)
        return [
            one
            for one in self._contracts.get(slot_start, ())
            if one.seller_id in inside or one.buyer_id in inside
        ]

    def rates(self, node: Node, slot_start: int) -> dict[str, float | None]:
        """Return `last_market_stats`: cents per kWh without fees, and kWh; nulls if nothing was traded."""
        contracts = self._through(node, slot_start)
        total = sum(one.quantity for one in contracts)
        rates = [one.settlement_price_sell for one in contracts]
        known = bool(contracts)
        weighted = sum(one.settlement_price_sell * one.quantity for one in contracts)
        return {
            "min_trade_rate": cents_from_price(min(rates)) if known else None,
            "max_trade_rate": cents_from_price(max(rates)) if known else None,
            "avg_trade_rate": round(weighted / total / 10_000, 6) if known else None,
            "median_trade_rate": median(rates) / 10_000 if known else None,
            "total_traded_energy_kWh": kwh_from_wh(total) if known else None,
        }

    def bill(self, node: Node, slot_start: int) -> dict[str, dict[str, float]]:
        """Return `last_market_bill`: kWh and cents of those inside, by whether the other side is inside as well."""
        inside = self._tree.homes_in(node)
        parts: dict[str, dict[str, float]] = {"accumulated_trades": {}, "external_trades": {}}
        sums: dict[str, list[int]] = {}
        for one in self._through(node, slot_start):
            both = one.seller_id in inside and one.buyer_id in inside
            part = sums.setdefault("accumulated_trades" if both else "external_trades", [0, 0, 0, 0])
            if one.buyer_id in inside:
                part[0] += one.quantity
                part[1] += one.quantity * (one.settlement_price_buy + one.fee_bid)
            if one.seller_id in inside:
                part[2] += one.quantity
                part[3] += one.quantity * (one.settlement_price_sell - one.fee_ask)
        for name, (bought, spent, sold, earned) in sums.items():
            parts[name] = {
                "bought": kwh_from_wh(bought),
                "spent": cents_from_money(spent),
                "sold": kwh_from_wh(sold),
                "earned": cents_from_money(earned),
            }
        return parts

    def flow(self, node: Node) -> _Flow:
        """Return what flowed in the slot that was delivered last."""
        inside = self._tree.homes_in(node)
        flow = _Flow()
        for row in self._delivered:
            if row.amount is not None or row.kind in ("take_or_pay", "shortfall"):
                continue  # money without energy
            buys, sells = row.buyer_id in inside, row.seller_id in inside
            if buys and sells:
                flow.within += row.quantity
            elif buys:
                flow.bought += row.quantity
            elif sells:
                flow.sold += row.quantity
        return flow

    def dso(self, node: Node, slot_start: int, fee_revenue: int) -> dict[str, Any]:
        """Return `market_stats`: rates of a slot, and what flowed in the one delivered last.

        Args:
            node: the area.
            slot_start: the slot that was cleared last.
            fee_revenue: of the area in it, nano-dollars.
        """
        flow = self.flow(node)
        used, made = flow.within + flow.bought, flow.within + flow.sold
        return {
            **self.rates(node, slot_start),
            "market_bill": {"Accumulated Trades": self.bill(node, slot_start)["accumulated_trades"]},
            "market_fee_revenue": cents_from_money(fee_revenue),
            "area_throughput": {"import": kwh_from_wh(flow.bought), "export": kwh_from_wh(flow.sold)},
            "self_sufficiency": 100 * flow.within / used if used else 0.0,
            "self_consumption": 100 * flow.within / made if made else 0.0,
            "market_energy_deviance": None,
        }

    def fee_revenue(self, node: Node, slot_start: int, fee: int, fee_share: int) -> int:
        """Return what an area's fee brought in a slot, in nano-dollars.

        Args:
            node: the area.
            slot_start: the slot.
            fee: micro-dollars per kWh.
            fee_share: millionths of what the seller gets.
        """
        # A contract bears the fee unless both its sides are in one and the same area further down.
        below = [self._tree.homes_in(child) for child in self._tree.children[node.uuid] if not child.is_asset]
        contracts = [
            one
            for one in self._through(node, slot_start)
            if not any(one.seller_id in inside and one.buyer_id in inside for inside in below)
        ]
        share = sum(one.quantity * one.settlement_price_sell for one in contracts) * fee_share // 1_000_000
        return sum(one.quantity for one in contracts) * fee + share
