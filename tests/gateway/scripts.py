"""Agents that do what the SDK's own example scripts do, each until its market is over."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.gateway.agent import Aggregator, Device, Session, names_by_type, until

SLOT = "%Y-%m-%dT%H:%M"


def plus(slot: str, minutes: int) -> str:
    """Return the slot that is so many minutes later."""
    moment = datetime.strptime(slot, SLOT).replace(tzinfo=UTC) + timedelta(minutes=minutes)
    return moment.strftime(SLOT)


class Basic(Aggregator):
    """Ramps prices from tick to tick, from the grid's one price to its other, fees to the market maker included."""

    rates: dict[str, dict[str, list[float]]]

    def on_market_slot(self, message: dict[str, Any]) -> None:
        """Make the slot's ramps, and begin with them."""
        low, high = message["feed_in_tariff_rate"], message["market_maker_rate"]
        middle = (high + low) / 2
        self.rates = {}
        for uuid, node in self.flat.items():
            if node.get("asset_info") is None:
                continue
            fee = self.fee_between(uuid, self.uuid_of("Grid Market"))
            step = [tick / 9 for tick in range(10)]
            self.rates[uuid] = {
                "buy": [low - fee + (high + 2 * fee - low) * part for part in step],
                "sell": [max(0.0, high + fee - (high + 2 * fee - low) * part) for part in step],
                "hold_buy": [max(0.0, low - fee + (middle - low) * part) for part in step],
                "hold_sell": [high + fee - (high - middle) * part for part in step],
            }
        self.post(0)

    def on_tick(self, message: dict[str, Any]) -> None:
        """Go on with the ramps."""
        self.post(int(int(message["slot_completion"].rstrip("%")) / 10))

    def post(self, tick: int) -> None:
        """Bid and offer for all that is not traded yet."""
        for uuid, node in self.flat.items():
            info = node.get("asset_info")
            if info is None:
                continue
            rates = self.rates[uuid]
            need, made = info.get("energy_requirement_kWh", 0), info.get("available_energy_kWh", 0)
            buy, sell = info.get("energy_to_buy", 0), info.get("energy_to_sell", 0)
            if need > 0:
                self.order("bid", uuid, need, max(0.0, rates["buy"][tick]) * need)
            if made > 0:
                self.order("offer", uuid, made, rates["sell"][tick] * made)
            if "energy_to_buy" in info and buy + info["energy_active_in_bids"] > 0:
                self.order("bid", uuid, buy, rates["hold_buy"][tick] * buy)
            if "energy_to_sell" in info and sell + info["energy_active_in_offers"] > 0:
                self.order("offer", uuid, sell, rates["hold_sell"][tick] * sell)
        self.execute()


class Posting(Aggregator):
    """Sends a batch of its own for each asset, and looks at what became of it."""

    def on_market_slot(self, message: dict[str, Any]) -> None:
        """Bid or offer for each asset."""
        for uuid, node in list(self.flat.items()):
            info = node.get("asset_info")
            if info is None:
                continue
            if info.get("energy_requirement_kWh", 0) > 0:
                energy = info["energy_requirement_kWh"] / 2
                self.order("bid", uuid, energy, 30 * energy)
                self.add(uuid, {"type": "list_bids", "time_slot": None})
            if info.get("available_energy_kWh", 0) > 0:
                energy = info["available_energy_kWh"] / 2
                self.order("offer", uuid, energy, 8 * energy)
                self.add(uuid, {"type": "list_offers", "time_slot": None})
            self.add(uuid, {"type": "device_info"})
            self.execute()


class Fees(Aggregator):
    """A grid operator: changes the fees of all its areas in each slot, and asks for statistics."""

    def on_market_slot(self, message: dict[str, Any]) -> None:
        """Set each area's fee to a little more than it is."""
        for uuid in self.devices:
            fee = self.flat[uuid]["current_market_fee"] or 0
            self.add(uuid, {"type": "dso_market_stats", "data": {}})
            self.add(uuid, {"type": "grid_fees", "data": {"fee_const": fee + 0.1}})
        self.execute()


class Live(Aggregator):
    """Sends forecasts and measurements of assets, and bids for them."""

    clients: dict[str, Device]

    def on_market_slot(self, message: dict[str, Any]) -> None:
        """Foresee the next slot, measure, bid and offer."""
        slot = message["market_slot"]
        for name, client in self.clients.items():
            energy = 0.4 if name.startswith("Load") else 0.6
            answer = client.forecast({slot: energy, plus(slot, 15): energy})
            assert answer["status"] == "ready", answer
        for name, client in self.clients.items():
            if name.startswith("Load"):
                self.order("bid", client.uuid, 0.4, 12.0)
            else:
                self.order("offer", client.uuid, 0.6, 6.0)
        self.execute()


def run(script: Aggregator, names: list[str]) -> None:
    """Let a script have assets or areas, and run it until its market is over."""
    for name in names:
        Device(script.session, name).select_aggregator(script.uuid)
    end(script)


def end(script: Aggregator, within_s: float = 120) -> None:
    """Wait until a script's market is over, and check that nothing was wrong."""
    until(lambda: script.is_finished, within_s)
    time.sleep(0)
    script.close()
    assert not script.faults, script.faults
    assert not script.socket.faults, script.socket.faults


def all_assets(session: Session) -> list[str]:
    """Return the names of all assets that are registered."""
    names = names_by_type(session.registry())
    return [*names["Load"], *names["PV"], *names["Storage"]]
