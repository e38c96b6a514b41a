"""A command of an asset or area, and its answer. Whatever is wrong with one changes nothing for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from json import dumps
from typing import Any, Literal

import msgspec

from trex_market.core.errors import PhaseError, ProtocolError, RefusalCode
from trex_market.core.messages import (
    BATTERY,
    CancelOrder,
    Contract,
    GridFeeRejected,
    OpenMarket,
    Order,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    Requirement,
    RoundStarted,
    SetGridFee,
    Side,
    SubmitOrder,
)
from trex_market.engine import Engine
from trex_market.gateway.homes import SIDES, SOLAR, HomeAccount, marked, orders_of
from trex_market.gateway.host import Host
from trex_market.gateway.registrations import Registrations
from trex_market.gateway.statistics import Statistics
from trex_market.gateway.translate import (
    ANSWERS,
    AssetCommand,
    AssetKind,
    DeleteCommand,
    EnergyCommand,
    FeeCommand,
    InfoCommand,
    ListCommand,
    OrderCommand,
    StatisticsCommand,
    cents_from_money,
    cents_from_price,
    command_of,
    kwh_from_wh,
    moment_text,
)
from trex_market.gateway.tree import Node, Tree

FeeType = Literal["constant", "percent"]

SPOT, FUTURE = "Spot Market", "Future Market"

TITLES: dict[Side, str] = {"bid": "bid", "ask": "offer"}


class Commands:
    """Answers commands.

    Args:
        host: the market.
        tree: areas and assets.
        accounts: participant id -> home.
        registrations: who has what.
        statistics: of the last slot.
        fee_type: which fees can be set.
        default_source: the pool of bids, where pools are by source.
        most_orders: that a home may have open at one time.
    """

    def __init__(
        self,
        host: Host,
        tree: Tree,
        accounts: Mapping[str, HomeAccount],
        registrations: Registrations,
        statistics: Statistics,
        fee_type: FeeType = "constant",
        default_source: str = SOLAR,
        most_orders: int = 1_000,
    ) -> None:
        self._host = host
        self._tree = tree
        self._accounts = accounts
        self._registrations = registrations
        self._statistics = statistics
        self._fee_type = fee_type
        self._default_source = default_source
        self._most_orders = most_orders
        self.measured: Callable[[HomeAccount, Iterable[int]], None] = lambda _home, _slots: None
        """Is told of slots that were measured."""

    def answer(self, node: Node, data: object, transaction_id: str) -> dict[str, Any]:
        """Answer one command of a batch.

        Args:
            node: for which asset or area.
            data: the command as it came.
            transaction_id: of the batch.
        """
        kind = data.get("type") if isinstance(data, dict) else None
        named = ANSWERS.get(kind, str(kind)[:60]) if isinstance(kind, str) else "unknown"
        base = {"command": named, "area_uuid": node.uuid, "transaction_id": transaction_id}
        try:
            command = command_of(data, self._terms.step)
            return {**base, "status": "ready", **self.do(node, command)}
        except ProtocolError as error:
            return {**base, **failure(error)}
        except PhaseError as error:
            return {**base, **failure(ProtocolError(RefusalCode.WRONG_PHASE, str(error)))}

    def do(self, node: Node, command: AssetCommand) -> dict[str, Any]:
        """Do what a command says, and return what is particular of its answer.

        Raises:
            ProtocolError: if it cannot be done.
        """
        match command:
            case OrderCommand():
                return self._order(node, command)
            case DeleteCommand():
                return self._delete(node, command)
            case ListCommand():
                return self._list(node, command)
            case InfoCommand():
                return {"device_info": self.info(*self._asset(node))}
            case StatisticsCommand():
                return self.dso(node)
            case FeeCommand():
                return self.set_fee(node, command)
            case EnergyCommand():
                return self.foresee(node, command)

    # ------------------------------------------------------------ where things are

    @property
    def _terms(self) -> OpenMarket:
        return self._host.terms

    @property
    def _engine(self) -> Engine:
        engine = self._host.engine
        if engine is None:
            raise ProtocolError(RefusalCode.WRONG_PHASE, "the market is not open at the moment")
        return engine

    @property
    def round(self) -> RoundStarted:
        """The round that is running.

        Raises:
            ProtocolError: wrong_phase, if there is none.
        """
        round = self._engine.market.round
        if round is None:
            raise ProtocolError(RefusalCode.WRONG_PHASE, "the first slot has not begun yet")
        return round

    def _asset(self, node: Node) -> tuple[HomeAccount, AssetKind]:
        if node.kind not in SIDES or node.participant_id is None:
            raise ProtocolError(RefusalCode.MALFORMED, f"{node.name!r} is an {node.kind}, not an asset")
        return self._accounts[node.participant_id], node.kind

    def _contracts(self, account: HomeAccount) -> list[Contract]:
        return self._engine.market.contracts_of(account.participant_id)

    def _open_orders(self, account: HomeAccount) -> list[Order]:
        return self._engine.market.open_orders(account.participant_id)

    def info(self, account: HomeAccount, kind: AssetKind) -> dict[str, Any]:
        """Return `asset_info` of an asset, for the slot that is open."""
        orders = self._open_orders(account)
        return account.info(kind, self.round.next_settle, self._contracts(account), orders)

    # ------------------------------------------------------------ orders

    def _order(self, node: Node, command: OrderCommand) -> dict[str, Any]:
        account, kind = self._asset(node)
        if command.side not in SIDES[kind]:
            raise ProtocolError(
                RefusalCode.MALFORMED, f"a {kind} cannot {'bid' if command.side == 'bid' else 'offer'}"
            )
        open_slot = self.round.next_settle
        slot = open_slot if command.slot_start is None else command.slot_start
        if slot < open_slot:
            detail = (
                f"the gate of that slot is closed; the slot that is open begins at {moment_text(open_slot)}"
            )
            raise ProtocolError(RefusalCode.GATE_CLOSED, detail)
        orders = self._open_orders(account)
        if len(orders) >= self._most_orders:
            raise ProtocolError(RefusalCode.RATE_LIMITED, f"more than {self._most_orders} open orders")
        others = orders_of(kind, orders, command.side, slot)
        available = account.available(kind, command.side, slot, self._contracts(account))
        if not command.replaces:
            available -= sum(order.quantity for order in others)
        if command.quantity > available:
            verb = "needs" if command.side == "bid" else "has"
            detail = (
                f"{node.name!r} {verb} {kwh_from_wh(max(0, available)):g} kWh at most in that slot, "
                f"found {kwh_from_wh(command.quantity):g}"
            )
            raise ProtocolError(RefusalCode.BAD_QUANTITY, detail)
        order = self._submit(account.participant_id, kind, command, slot)
        if command.replaces:
            for other in others:
                self._engine.submit(CancelOrder(other.order_id, account.participant_id, self._host.now()))
        title = TITLES[command.side]
        return {
            title: dumps(self._shown(order, node)),
            "market_type": SPOT if slot == open_slot else FUTURE,
            "message": "",
        }

    def _submit(self, participant_id: str, kind: AssetKind, command: OrderCommand, slot: int) -> Order:
        self._host.check_rate(participant_id)
        source = (
            {"PV": SOLAR, "Storage": BATTERY}.get(kind) if command.side == "ask" else self._default_source
        )
        outcome = self._engine.submit(
            SubmitOrder(
                marked(self._host.order_id(participant_id), kind),
                participant_id,
                command.side,
                command.quantity,
                command.price,
                source,
                slot,
                slot + self._terms.step,
                self._host.now(),
                command.attributes,
                tuple(self._partners(one) for one in command.requirements),
            )
        )[0]
        if isinstance(outcome, OrderRejected):
            raise ProtocolError(outcome.code, outcome.detail)
        assert isinstance(outcome, OrderAccepted)
        return outcome.order

    def _partners(self, requirement: Requirement) -> Requirement:
        """Name trading partners as the market does: each of an area's homes."""
        partners: list[str] = []
        for named in requirement.trading_partners:
            node = self._tree.find(named) or self._tree.by_name.get(named)
            partners += sorted(self._tree.homes_in(node)) if node is not None else [named]
        return msgspec.structs.replace(requirement, trading_partners=tuple(partners))

    def _shown(self, order: Order, node: Node) -> dict[str, Any]:
        """Return an order as the SDK has it."""
        kwh, rate = kwh_from_wh(order.quantity), cents_from_price(order.price)
        price = cents_from_money(order.quantity * order.price)
        role = "buyer" if order.side == "bid" else "seller"
        attributes = order.attributes
        return {
            "id": order.order_id,
            "creation_time": moment_text(order.time),
            "time_slot": moment_text(order.slot_start),
            "original_price": price,
            "price": price,
            "energy": kwh,
            "energy_rate": rate,
            "attributes": None if attributes is None else {"energy_type": attributes.energy_type},
            "requirements": msgspec.to_builtins(order.requirements) or None,
            role: node.name,
            f"{role}_origin": node.name,
            f"{role}_origin_id": node.uuid,
            f"{role}_id": node.uuid,
            "type": "Bid" if order.side == "bid" else "Offer",
        }

    def _mine(self, node: Node, side: Side, slot_start: int | None) -> tuple[str, list[Order]]:
        account, kind = self._asset(node)
        slot = self.round.next_settle if slot_start is None else slot_start
        return account.participant_id, orders_of(kind, self._open_orders(account), side, slot)

    def _delete(self, node: Node, command: DeleteCommand) -> dict[str, Any]:
        participant_id, orders = self._mine(node, command.side, command.slot_start)
        if command.order_id is not None:
            orders = [order for order in orders if order.order_id == command.order_id]
            if not orders:
                title = TITLES[command.side]
                detail = f"{node.name!r} has no open {title} {command.order_id!r:.80}"
                raise ProtocolError(RefusalCode.UNKNOWN_ORDER, detail)
        deleted = []
        for order in orders:
            self._host.check_rate(participant_id)
            outcome = self._engine.submit(CancelOrder(order.order_id, participant_id, self._host.now()))[0]
            if isinstance(outcome, OrderCancelled):
                deleted.append(order.order_id)
        return {f"deleted_{TITLES[command.side]}s": deleted}

    def _list(self, node: Node, command: ListCommand) -> dict[str, Any]:
        _, orders = self._mine(node, command.side, command.slot_start)
        shown = [
            {
                "id": order.order_id,
                "price": cents_from_money(order.quantity * order.price),
                "energy": kwh_from_wh(order.quantity),
            }
            for order in orders
        ]
        return {f"{TITLES[command.side]}_list": shown}

    # ------------------------------------------------------------ areas

    def fee_of(self, node: Node, slot_start: int | None = None) -> float | None:
        """Return an area's fee: cents per kWh or percent; None for what has none.

        Args:
            node: the area.
            slot_start: of a slot; None as it is now.
        """
        if node.kind != "Area":
            return None
        fee, share = self._fee(node, slot_start)
        return cents_from_price(fee if self._fee_type == "constant" else share)

    def _fee(self, node: Node, slot_start: int | None = None) -> tuple[int, int]:
        engine = self._host.engine
        if engine is None or node.area is None:
            return 0, 0
        return engine.market.grid_fees(slot_start).get(node.area, (0, 0))

    def dso(self, node: Node) -> dict[str, Any]:
        """Return the statistics of an area.

        Raises:
            ProtocolError: malformed, if it is none.
        """
        if node.kind != "Area":
            raise ProtocolError(RefusalCode.MALFORMED, f"{node.name!r} is a {node.kind}, not an area")
        slot = self.round.last_settle
        fee, share = self._fee(node, slot)
        revenue = self._statistics.fee_revenue(node, slot, fee, share)
        return {"name": node.name, "market_stats": self._statistics.dso(node, slot, revenue)}

    def set_fee(self, node: Node, command: FeeCommand) -> dict[str, Any]:
        """Change an area's fee.

        Raises:
            ProtocolError: malformed, unknown_area, bad_price.
        """
        if (command.constant is not None) != (self._fee_type == "constant"):
            raise ProtocolError(
                RefusalCode.MALFORMED,
                f"GridFee parameter conflicting with GlobalConfigFeeType: fees are {self._fee_type} here",
            )
        if node.area is None:
            detail = f"{node.name!r} has no fee of its own: it is none of the config's areas"
            raise ProtocolError(RefusalCode.UNKNOWN_AREA, detail)
        set_fee = SetGridFee(node.area, self._host.now(), command.constant or 0, command.share or 0)
        outcome = self._engine.submit(set_fee)[0]
        if isinstance(outcome, GridFeeRejected):
            raise ProtocolError(outcome.code, outcome.detail)
        constant, share = command.constant, command.share
        return {
            "market_fee_const": "None" if constant is None else f"{cents_from_price(constant):g}",
            "market_fee_percent": "None" if share is None else f"{cents_from_price(share):g}",
        }

    # ------------------------------------------------------------ energy

    def foresee(self, node: Node, command: EnergyCommand) -> dict[str, Any]:
        """Take forecasts or measurements of an asset.

        Raises:
            ProtocolError: malformed, if it is a storage; bad_slot, if a slot was delivered already.
        """
        account, kind = self._asset(node)
        if kind == "Storage":
            detail = f"{node.name!r} is a Storage: it does what is traded, nothing is foreseen or measured"
            raise ProtocolError(RefusalCode.MALFORMED, detail)
        if command.measured and self._terms.mode == "simulation":
            over = [slot for slot in command.energy if slot < self.round.time]
            if over:
                detail = f"the slot at {moment_text(over[0])} was delivered already"
                raise ProtocolError(RefusalCode.BAD_SLOT, detail)
        account.foresee(kind, command.energy, measured=command.measured)
        if command.measured:
            self._registrations.note_metered(account.participant_id)
            self.measured(account, command.energy)
        name = "set_energy_measurement" if command.measured else "set_energy_forecast"
        return {name: dict(command.as_given)}


def failure(error: ProtocolError) -> dict[str, Any]:
    """Return what an answer says of what could not be done."""
    return {
        "status": "error",
        "code": error.code.value,
        "error_message": error.detail,
        "message": error.detail,
        "market_type": SPOT,
    }
