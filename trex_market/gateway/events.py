"""The SDK's events: `market`, `tick`, `trade`, `finish`, and the grid tree as an aggregator may see it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from trex_market.core.messages import Contract, RoundStarted
from trex_market.gateway.commands import Commands
from trex_market.gateway.homes import HomeAccount, asset_of, share_of
from trex_market.gateway.statistics import Statistics
from trex_market.gateway.translate import (
    cents_from_money,
    cents_from_price,
    kwh_from_wh,
    slot_text,
    zoned_text,
)
from trex_market.gateway.tree import Node, Tree

TICKS = 10
"""Ticks in a slot; the SDK's agents count on it."""

ANONYMOUS = "anonymous"

NOBODY = "None"
"""What stands for an id that there is not."""


class Events:
    """Makes events.

    Args:
        tree: areas and assets.
        accounts: participant id -> home.
        statistics: of the last slot.
        commands: knows assets and fees as they are now.
        simulation_id: the market's, as agents know it.
    """

    def __init__(
        self,
        tree: Tree,
        accounts: Mapping[str, HomeAccount],
        statistics: Statistics,
        commands: Commands,
        simulation_id: str | None,
    ) -> None:
        self._tree = tree
        self._accounts = accounts
        self._statistics = statistics
        self._commands = commands
        self._simulation_id = simulation_id

    def slot(self, event: str, tick: int, round: RoundStarted, own: Collection[str]) -> dict[str, Any]:
        """Return a `market` or `tick` event.

        Args:
            event: which of the two.
            tick: its number, 0 to 9.
            round: the round that is running.
            own: UUIDs of the assets that are described in full.
        """
        return {
            "event": event,
            "slot_completion": f"{100 * tick // TICKS}%",
            "market_slot": slot_text(round.next_settle),
            **self._frame(round, own),
        }

    def _frame(self, round: RoundStarted, own: Collection[str]) -> dict[str, Any]:
        return {
            "grid_tree": self.grid_tree(round, own),
            "feed_in_tariff_rate": cents_from_price(round.next_sell_price),
            "market_maker_rate": cents_from_price(round.next_buy_price),
            "num_ticks": float(TICKS),
            "simulation_id": self._simulation_id,
        }

    def grid_tree(self, round: RoundStarted, own: Collection[str]) -> dict[str, Any]:
        """Return areas with their statistics, own assets in full, and the names of others."""
        slot = round.last_settle

        def shown(node: Node) -> dict[str, Any]:
            if node.kind == "Area":
                return {
                    "area_name": node.name,
                    "last_market_bill": self._statistics.bill(node, slot),
                    "last_market_stats": self._statistics.rates(node, slot),
                    "last_market_fee": self._commands.fee_of(node, slot),
                    "current_market_fee": self._commands.fee_of(node),
                    "children": {child.uuid: shown(child) for child in self._tree.children[node.uuid]},
                }
            if node.uuid not in own or node.participant_id is None:
                return {"area_name": node.name}
            return {"area_name": node.name, **self._asset(node, self._accounts[node.participant_id], slot)}

        return {self._tree.root.uuid: shown(self._tree.root)}

    def _asset(self, node: Node, account: HomeAccount, slot_start: int) -> dict[str, Any]:
        kind = node.kind
        assert kind in ("Load", "PV", "Storage")
        contracts = self._statistics.contracts(slot_start, account.participant_id)
        share = share_of(account.participant_id, kind, contracts)
        return {
            "asset_info": self._commands.info(account, kind),
            "last_slot_asset_info": {
                "energy_traded": kwh_from_wh(share.bought + share.sold),
                "total_cost": cents_from_money(share.paid),
            },
            "asset_bill": {},
        }

    def trades(
        self, round: RoundStarted, contracts: Sequence[Contract], own: Collection[str], time: int
    ) -> dict[str, Any] | None:
        """Return a `trade` event of contracts that were just made; None if none is of an own asset.

        Args:
            round: the round that is running.
            contracts: all that were made.
            own: UUIDs of own assets.
            time: when they were made.
        """
        trades = [
            self._trade(contract, node, time)
            for contract in contracts
            for node in self._sides(contract)
            if node.uuid in own
        ]
        if not trades:
            return None
        return {"event": "trade", "trade_list": trades, **self._frame(round, own)}

    def _sides(self, contract: Contract) -> list[Node]:
        """Return the assets that bought and sold, as far as they are assets here."""
        buyer = self._tree.assets.get((contract.buyer_id, asset_of(contract.bid_id, "bid", "")))
        kind = asset_of(contract.ask_id, "ask", contract.energy_source)
        seller = self._tree.assets.get((contract.seller_id, kind))
        return [node for node in (buyer, seller) if node is not None]

    def _trade(self, contract: Contract, node: Node, time: int) -> dict[str, Any]:
        buys = contract.buyer_id == node.participant_id
        price = contract.settlement_price_buy if buys else contract.settlement_price_sell
        fee = contract.fee_bid + contract.fee_ask
        home = self._tree.parent_of(node)
        return {
            "event": "trade",
            "asset_id": node.uuid,
            "trade_id": contract.id,
            "time": zoned_text(time),
            "trade_price": cents_from_money(contract.quantity * price),
            "traded_energy": kwh_from_wh(contract.quantity),
            "total_fee": cents_from_money(contract.quantity * fee),
            "local_market_fee": 0.0 if home is None else self._commands.fee_of(home),
            "attributes": None,
            "seller": ANONYMOUS if buys else node.name,
            "buyer": node.name if buys else ANONYMOUS,
            "seller_origin": ANONYMOUS if buys else node.name,
            "buyer_origin": node.name if buys else ANONYMOUS,
            "bid_id": contract.bid_id if buys else NOBODY,
            "offer_id": NOBODY if buys else contract.ask_id,
            "residual_bid_id": NOBODY,
            "residual_offer_id": NOBODY,
        }

    def finish(self) -> dict[str, Any]:
        """Return the `finish` event."""
        return {"event": "finish", "num_ticks": float(TICKS), "simulation_id": self._simulation_id}
