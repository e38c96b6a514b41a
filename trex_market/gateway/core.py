"""The gateway as a whole: who there is, who has what, and what it is all made of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from trex_market.gateway.commands import Commands, FeeType
from trex_market.gateway.events import TICKS, Events
from trex_market.gateway.graphql import GraphQL
from trex_market.gateway.homes import SOLAR, Battery, HomeAccount
from trex_market.gateway.host import Host, Moments
from trex_market.gateway.mailboxes import Line, Mailboxes
from trex_market.gateway.registrations import Aggregator, Registrations
from trex_market.gateway.statistics import Statistics
from trex_market.gateway.ticks import Ticker
from trex_market.gateway.translate import AssetCommand, moment_text, slot_text
from trex_market.gateway.tree import HomeAssets, Node, build_tree
from trex_market.gateway.users import User, Users

QUIET_S = 1.0
"""A simulation begins when those who have come have asked for nothing for so long, in seconds."""

DAY_S = 86_400


class GatewaySettings(msgspec.Struct, frozen=True):
    """How the gateway presents the market.

    Args:
        simulation_id: what agents know the market by.
        homes: the market's participants.
        root: name of the area that holds all, if the market has no areas.
        buses: names of what stands for the grid.
        users: name -> what it may do.
        token_lifetime_s: in seconds.
        fee_type: which fees agents can set.
        aggregators: a simulation begins when so many are there.
        default_source: the pool of bids, where pools are by source.
        most_orders: that a home may have open at one time.
    """

    simulation_id: str
    homes: tuple[HomeAssets, ...]
    root: str = "Grid"
    buses: tuple[str, ...] = ()
    users: Mapping[str, User] = {}
    token_lifetime_s: int = 2 * DAY_S
    fee_type: FeeType = "constant"
    aggregators: int = 1
    default_source: str = SOLAR
    most_orders: int = 1_000


class Gateway:
    """What the SDK's agents talk to.

    Args:
        settings: how it presents the market.
        host: the market.
        moments: when ticks are.
        batteries: participant id -> battery, of homes that have one.
        check_password: of a user, from an address; raises `ProtocolError` if it is wrong.
        secret: signs tokens.
        registered: file of who has what; None for nowhere.

    Raises:
        InputError: if two areas or assets have the same name, or that file is no good.
        MissingExtraError: without PyJWT.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        host: Host,
        moments: Moments,
        batteries: Mapping[str, Battery],
        check_password: Callable[[str, str, str], None],
        secret: str,
        registered: Path | None = None,
    ) -> None:
        self.settings = settings
        self.simulation_id = settings.simulation_id
        self.host = host
        self.step = host.terms.step
        self.users = Users(check_password, settings.users, secret, settings.token_lifetime_s)
        self.registrations = Registrations(registered)
        self.mailboxes = Mailboxes()
        self.tree = build_tree(
            host.terms, settings.homes, settings.simulation_id, settings.root, settings.buses
        )
        self.accounts = {
            home.participant_id: HomeAccount(
                home.participant_id, tuple(home.assets), batteries.get(home.participant_id)
            )
            for home in settings.homes
            if home.registered
        }
        statistics = Statistics(self.tree, host.terms.reconciliation_window_s)
        self.commands = Commands(
            host,
            self.tree,
            self.accounts,
            self.registrations,
            statistics,
            settings.fee_type,
            settings.default_source,
            settings.most_orders,
        )
        self._events = Events(self.tree, self.accounts, statistics, self.commands, settings.simulation_id)
        self.ticker = Ticker(
            host,
            moments,
            self.tree,
            self.accounts,
            self.registrations,
            statistics,
            self.commands,
            self._events,
            self.mailboxes,
        )
        self.graphql = GraphQL(self.tree, self.registrations, settings.simulation_id)
        self._ready = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._gone = asyncio.Event()
        self.mailboxes.changed = self._attendance
        self.present: Callable[[], int] = self._present

    # ------------------------------------------------------------ coming and going

    def _present(self) -> int:
        """Count the aggregators that are there."""
        return sum(self.mailboxes.is_there(one.uuid) for one in self.registrations.all)

    def _attendance(self) -> None:
        if self.mailboxes.present:
            self._gone.clear()
        else:
            self._gone.set()
        self.busy()

    def busy(self) -> None:
        """Note that somebody asks for something: agents that are still coming are waited for."""
        if self._ready.is_set():
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.present() >= self.settings.aggregators:
            self._timer = asyncio.get_running_loop().call_later(QUIET_S, self._ready.set)

    async def ready(self) -> None:
        """Wait until as many aggregators are there as a simulation waits for."""
        self.busy()
        await self._ready.wait()

    async def left(self) -> None:
        """Wait until nobody listens any more."""
        if self.mailboxes.present:
            await self._gone.wait()

    def welcome(self, aggregator: Aggregator, line: Line) -> None:
        """Let an aggregator listen; it is told first which assets it has."""
        for device in aggregator.devices:
            line.push(msgspec.json.encode(_selected(aggregator, device)))
        self.mailboxes.come(aggregator.uuid, line)

    # ------------------------------------------------------------ who has what

    def may_select(self, user: str, node: Node) -> bool:
        """Say whether a user may trade for an asset or area."""
        allowed = self.users.areas_of(user)
        if allowed is None:
            return True
        place: Node | None = node
        while place is not None and place.name not in allowed:
            place = self.tree.parent_of(place)
        return place is not None

    def select(self, aggregator: Aggregator, node: Node) -> None:
        """Give an asset or area to an aggregator, and tell it.

        Raises:
            ProtocolError: unauthorised, if another one has it.
        """
        self.registrations.select(aggregator, node.uuid)
        if self.mailboxes.is_there(aggregator.uuid):
            self.mailboxes.post(aggregator.uuid, _selected(aggregator, node.uuid))

    def unselect(self, aggregator: Aggregator, node: Node) -> None:
        """Take an asset or area from an aggregator, and tell it."""
        if self.registrations.unselect(aggregator, node.uuid):
            message = {"event": "unselected_by_device", "device_uuid": node.uuid}
            self.mailboxes.post(aggregator.uuid, message)

    def forget(self, aggregator: Aggregator) -> None:
        """Forget an aggregator; its assets are free."""
        self.registrations.delete(aggregator)
        self.mailboxes.forget(aggregator.uuid)

    # ------------------------------------------------------------ what is asked

    def do(self, node: Node, command: AssetCommand) -> dict[str, Any]:
        """Do one asset's or area's command at once.

        Raises:
            ProtocolError: if it cannot be done.
        """
        return self.commands.do(node, command)

    def for_open_slot(self, energy_wh: object) -> dict[str, object]:
        """Return an energy in Wh as one of the slot that is open, in kWh.

        Raises:
            ProtocolError: wrong_phase, before the first slot.
        """
        known = isinstance(energy_wh, int | float) and not isinstance(energy_wh, bool)
        kwh = energy_wh / 1000 if known else energy_wh  # type: ignore[operator]  # a number, then
        return {slot_text(self.commands.round.next_settle): kwh}

    def registry(self) -> dict[str, Any]:
        """Return areas and assets with their types, and who has them."""
        registrations = self.registrations
        return self.tree.registry(registrations.names, registrations.unregistered)

    def config_file(self, user: str, base: str) -> dict[str, Any]:
        """Return what agents are told of the market in a file.

        Args:
            user: who asks.
            base: URL of the server.
        """
        engine = self.host.engine
        round = None if engine is None else engine.market.round
        minutes, seconds = divmod(self.step, 60)
        hours, minutes = divmod(minutes, 60)
        return {
            "username": user,
            "name": self.host.terms.market_id,
            "uuid": self.simulation_id,
            "domain_name": base,
            "web_socket_domain_name": f"{base.replace('http', 'ws', 1)}/external-ws",
            "global_settings": {
                "start_date": None if round is None else moment_text(round.time)[:10],
                "spot_market_type": 2,
                "slot_length": f"{hours}:{minutes:02}:{seconds:02}",
                "grid_fee_type": 1 if self.settings.fee_type == "constant" else 2,
                "tick_length": self.step // TICKS,
                "progress_info": True,
                "slot_length_realtime": None,
            },
            "registry": self.registry(),
        }


def _selected(aggregator: Aggregator, device: str) -> dict[str, Any]:
    return {"event": "selected_by_device", "device_uuid": device, "aggregator_uuid": aggregator.uuid}
