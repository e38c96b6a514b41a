"""The gateway inside of one process: ticks, trees, statistics, mailboxes; and what configs may say of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gateway.serving import changed
from tests.server.helpers import soon
from trex_market.build import BASELINE, TRAINING, Study, load_study
from trex_market.core.errors import ConfigError, InputError, ProtocolError
from trex_market.core.messages import Contract, Contracted, Delivered, OrderAccepted, Transaction
from trex_market.gateway import mailboxes as mail
from trex_market.gateway.core import Gateway
from trex_market.gateway.mailboxes import Mailboxes
from trex_market.gateway.registrations import Aggregator, Registrations
from trex_market.gateway.statistics import Statistics
from trex_market.gateway.ticks import WAITING, Batch
from trex_market.gateway.tree import HomeAssets, build_tree
from trex_market.gatewaying import GatewayService, make_gateway, password_check
from trex_market.server.app import ServerSettings, SimulationServer
from trex_market.server.conductor import Patience
from trex_market.server.doorkeeper import token_hash
from trex_market.simulation.run import play_episode


def study(folder: Path, **changes: Any) -> Study:
    """Return the street, with two slots, and ticks that take no time worth waiting for."""
    path = folder / "gateway.yaml"
    quick = {"gateway__gsy__tick_s": 0.01, "study__days": 0.0625, "gateway__gsy__aggregators": 0}
    data = changed({key.replace("__", "."): value for key, value in {**quick, **changes}.items()})
    path.write_text(yaml.safe_dump(data))
    return load_study(path, remote=True)


class Recorder:
    """A connection that keeps what it is sent."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    def push(self, message: bytes) -> None:
        self.heard.append(json.loads(message))

    @property
    def kinds(self) -> list[str]:
        """What was heard: events and commands, in order."""
        return [message.get("event") or message["command"] for message in self.heard]


class Street:
    """A market with a gateway, in this process."""

    def __init__(self, study: Study, server: SimulationServer, service: GatewayService) -> None:
        self.study = study
        self.server = server
        self.gateway: Gateway = service.gateway
        self._service = service
        self.events: list[Any] = []

    def hear(self, events: Any) -> None:
        """Keep what happens."""
        self.events += events

    def join(self, name: str, *assets: str) -> tuple[Aggregator, Recorder]:
        """Let an aggregator come, with assets."""
        aggregator = self.gateway.registrations.create(name, "alice")
        line = Recorder()
        self.gateway.welcome(aggregator, line)
        for asset in assets:
            self.gateway.select(aggregator, self.gateway.tree.by_name[asset])
        return aggregator, line

    def uuid(self, name: str) -> str:
        """Return the UUID of an asset or area."""
        return self.gateway.tree.by_name[name].uuid

    async def play(self) -> None:
        """Play an episode."""
        async with self._service.playing():
            [plan] = self.study.episodes(TRAINING)
            await play_episode(plan, self.server.conductor, listeners=[self])
            for one in list(self.gateway.registrations.all):
                for line in self.gateway.mailboxes._lines.get(one.uuid, [])[:]:
                    self.gateway.ticker.finish()
                    self.gateway.mailboxes.go(one.uuid, line)


@asynccontextmanager
async def street(folder: Path, **changes: Any) -> AsyncIterator[Street]:
    found = study(folder, **changes)
    settings = ServerSettings(patience=Patience(20, 20, "stop"), is_open=True)
    server = SimulationServer(found.terms, found.config.participants, settings)
    service = make_gateway(found, server, is_open=True)
    assert service is not None
    async with server:
        yield Street(found, server, service)


# ---------------------------------------------------------------- ticks


async def test_batches_are_done_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    async with street(tmp_path) as place:
        one, first = place.join("one", "Load 1", "PV 1")
        two, second = place.join("two", "Load 2")
        bid = {"type": "bid", "energy": 0.001, "price": 0}
        add = place.gateway.ticker.add
        add(Batch(two, "t1", {place.uuid("Load 2"): [bid]}))
        add(Batch(one, "t2", {place.uuid("Load 1"): [bid]}))
        add(Batch(two, "t3", {place.uuid("Load 2"): [bid]}))
        add(Batch(one, "t4", {place.uuid("Load 1"): [bid]}))
        await soon(place.play())
    orders = [event.order.order_id for event in place.events if isinstance(event, OrderAccepted)]
    assert orders == ["home_25-1.load", "home_13-1.load", "home_25-2.load", "home_13-2.load"]
    assert first.kinds[:5] == ["selected_by_device"] * 2 + ["batch_commands"] * 2 + ["market"]
    assert second.kinds[:4] == ["selected_by_device", "batch_commands", "batch_commands", "market"]
    assert first.kinds[-1] == "finish"
    ticks = [
        message["slot_completion"] for message in first.heard if message.get("event") in ("market", "tick")
    ]
    assert ticks == [f"{percent}%" for percent in range(0, 100, 10)] * 6


async def test_answers_come_before_the_events_of_their_tick_and_trades_after_them(tmp_path: Path) -> None:
    async with street(tmp_path) as place:
        one, line = place.join("one", "Load 1", "PV 2")
        batch = {
            place.uuid("Load 1"): [{"type": "bid", "energy": 0.01, "price": 0.3}],
            place.uuid("PV 2"): [{"type": "offer", "energy": 0.01, "price": 0.1}],
        }
        place.gateway.ticker.add(Batch(one, "t", batch))
        await soon(place.play())
    begin = line.kinds.index("batch_commands")
    # The gate is not the only clearing: what crosses is traded at the next tick.
    assert line.kinds[begin : begin + 4] == ["batch_commands", "market", "tick", "trade"]
    [bought, sold] = line.heard[begin + 3]["trade_list"]
    assert (bought["buyer"], bought["seller"]) == ("Load 1", "anonymous")
    assert (sold["buyer"], sold["seller"]) == ("anonymous", "PV 2")
    assert bought["traded_energy"] == sold["traded_energy"] == 0.01
    assert sold["trade_price"] == pytest.approx(0.1)
    assert bought["trade_price"] + bought["total_fee"] == pytest.approx(0.3)
    assert bought["bid_id"].endswith(".load")
    assert bought["offer_id"] == sold["bid_id"] == "None"
    [contract] = [one for event in place.events if isinstance(event, Contracted) for one in event.contracts]
    delivered = [row for event in place.events if isinstance(event, Delivered) for row in event.transactions]
    assert [row.quantity for row in delivered if row.contract_id == contract.id] == [10]
    later = [message["grid_tree"] for message in line.heard if message.get("event") == "market"][1:]
    load = later[0][place.uuid("Grid")]["children"][place.uuid("Community")]["children"][
        place.uuid("House 1")
    ]
    assert load["children"][place.uuid("Load 1")]["last_slot_asset_info"]["energy_traded"] in (0.0, 0.01)


async def test_a_batch_that_comes_between_ticks_is_done_before_the_next_one(tmp_path: Path) -> None:
    async with street(tmp_path) as place:
        one, line = place.join("one", "Load 1")
        batch = Batch(one, "t", {place.uuid("Load 1"): [{"type": "device_info"}]})

        def push(message: bytes) -> None:
            Recorder.push(line, message)
            if line.kinds[-1] == "tick" and line.kinds.count("tick") == 3:
                asyncio.get_running_loop().call_soon(place.gateway.ticker.add, batch)

        line.push = push  # type: ignore[method-assign]
        await soon(place.play())
    assert line.kinds[1:7] == ["market", "tick", "tick", "tick", "batch_commands", "tick"]


async def test_an_asset_that_is_selected_in_a_slot_is_described_from_the_next_one_on(tmp_path: Path) -> None:
    async with street(tmp_path) as place:
        one, line = place.join("one", "Load 1")

        def push(message: bytes) -> None:
            Recorder.push(line, message)
            if line.kinds[-1] == "tick" and line.kinds.count("tick") == 3:
                place.gateway.select(one, place.gateway.tree.by_name["PV 2"])

        line.push = push  # type: ignore[method-assign]
        await soon(place.play())
    shown = []
    for message in line.heard:
        if message.get("event") in ("market", "tick"):
            houses = message["grid_tree"][place.uuid("Grid")]["children"][place.uuid("Community")]["children"]
            shown.append("asset_info" in houses[place.uuid("House 2")]["children"][place.uuid("PV 2")])
    assert shown == [False] * 10 + [True] * 50


async def test_too_many_batches_are_refused(tmp_path: Path) -> None:
    async with street(tmp_path) as place:
        one, line = place.join("one", "Load 1")
        two, _ = place.join("two")
        for _ in range(WAITING):
            place.gateway.ticker.add(Batch(one, "t", {}))
        with pytest.raises(ProtocolError, match="wait for the next tick"):
            place.gateway.ticker.add(Batch(one, "t", {}))
        place.gateway.ticker.add(Batch(two, "t", {}))
        await soon(place.play())
        assert line.kinds.count("batch_commands") == WAITING
        place.gateway.ticker.add(Batch(one, "late", {place.uuid("Load 1"): [{"type": "list_bids"}]}))
        late = Recorder()
        place.gateway.welcome(one, late)
    answer = next(message for message in late.heard if message.get("transaction_id") == "late")
    assert answer["responses"][place.uuid("Load 1")][0]["code"] == "wrong_phase"


async def test_a_simulation_waits_for_aggregators(tmp_path: Path) -> None:
    async with street(tmp_path, gateway__gsy__aggregators=2) as place:
        playing = asyncio.ensure_future(place.play())
        place.join("one", "Load 1")
        await asyncio.sleep(0)
        assert not place.gateway._ready.is_set()
        assert place.gateway._timer is None
        place.join("two", "Load 2")
        assert place.gateway._timer is not None
        await soon(playing)


# ---------------------------------------------------------------- trees


def test_the_tree_is_made_of_areas_and_homes(tmp_path: Path) -> None:
    found = study(tmp_path)
    homes = (
        HomeAssets("home_13", "House 1", {"Load": "Load 1", "PV": "PV 1"}),
        HomeAssets("home_25", "House 2", {"Load": "Load 2"}, registered=False),
    )
    tree = build_tree(found.terms, homes, "street", buses=("Grid Market",))
    assert [node.name for node in tree.nodes.values()][:2] == ["Grid", "Community"]
    house = tree.by_name["House 1"]
    assert (house.area, house.participant_id) == ("House 1", "home_13")
    assert tree.homes_in(tree.by_name["Community"]) == {"home_13", "home_25"}
    assert tree.by_name["Grid Market"].parent == tree.root.uuid
    again = build_tree(found.terms, homes, "street", buses=("Grid Market",))
    assert again.nodes.keys() == tree.nodes.keys(), "UUIDs are the same in each run"
    assert build_tree(found.terms, homes, "other").root.uuid != tree.root.uuid
    registry = tree.registry({house.uuid: "mine"}, frozenset())
    flat = {node["name"]: node for node in _flat(registry)}
    assert flat["House 1"]["aggregator_name"] == "mine"
    assert (flat["Load 1"]["registered"], flat["Load 2"]["registered"]) == (True, None)
    with pytest.raises(InputError, match="two of 'Load 1'"):
        build_tree(found.terms, (*homes, HomeAssets("home_02", "House 3", {"Load": "Load 1"})), "street")


def _flat(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(one for child in node.get("children", []) for one in _flat(child))]


def test_without_areas_homes_are_in_one_that_holds_all(tmp_path: Path) -> None:
    found = study(tmp_path, areas={}, participants={"ann": {"trader": {"type": "basic"}}},
                  gateway__gsy__homes={}, study__profiles_db_location=None)  # fmt: skip
    tree = build_tree(found.terms, (HomeAssets("ann", "ann", {"Load": "ann Load"}),), "x", "All")
    assert [(node.name, node.kind) for node in tree.nodes.values()] == [
        ("All", "Area"),
        ("ann", "Area"),
        ("ann Load", "Load"),
    ]
    assert tree.by_name["ann"].area is None


# ---------------------------------------------------------------- statistics


def test_statistics_of_areas(tmp_path: Path) -> None:
    found = study(tmp_path)
    homes = tuple(
        HomeAssets(name, f"House {place}", {"Load": f"Load {place}"})
        for place, name in enumerate(("home_13", "home_25", "home_02"), 1)
    )
    tree = build_tree(found.terms, homes, "street")
    told = Statistics(tree, 3600)
    contracts = (
        Contract("a", 900, 1800, "home_13", "home_25", "solar", 200, 100_000, 105_000, "b", "a", 0, 0, 5_000),
        Contract("b", 900, 1800, "home_13", "home_02", "solar", 100, 130_000, 130_000, "b", "a", 0),
    )
    assert told.hear([Contracted(900, contracts)]) == list(contracts)
    house, community = tree.by_name["House 1"], tree.by_name["Community"]
    assert told.rates(house, 900) == {
        "min_trade_rate": 10.0,
        "max_trade_rate": 13.0,
        "avg_trade_rate": 11.0,
        "median_trade_rate": 11.5,
        "total_traded_energy_kWh": 0.3,
    }
    assert told.rates(house, 1800)["avg_trade_rate"] is None
    assert told.bill(house, 900) == {
        "accumulated_trades": {},
        "external_trades": {"bought": 0.0, "spent": 0.0, "sold": 0.3, "earned": pytest.approx(3.3)},
    }
    # 0.2 kWh at 10.5 cents and a fee of half a cent, and 0.1 kWh at 13 cents.
    assert told.bill(community, 900)["accumulated_trades"]["spent"] == pytest.approx(3.5)
    assert told.fee_revenue(community, 900, 5_000, 0) == 300 * 5_000
    assert told.fee_revenue(tree.root, 900, 5_000, 0) == 0, "both sides are in one area below it"
    assert told.fee_revenue(tree.by_name["House 2"], 900, 0, 100_000) == 2_000_000

    def row(kind: Any, quantity: int, seller: str, buyer: str) -> Transaction:
        return Transaction("t", kind, None, quantity, seller, buyer, "solar", 0, 0, 900, 900, 1800)

    told.hear(
        [
            Delivered(
                900,
                (
                    row("delivery", 200, "home_13", "home_25"),
                    row("self_consumption", 50, "home_13", "home_13"),
                    row("feed_in", 70, "home_13", "grid"),
                    row("supply", 30, "grid", "home_25"),
                    row("take_or_pay", 999, "home_13", "home_25"),
                    row("shortfall", 999, "home_13", "home_25"),
                ),
                (),
            )
        ]
    )
    stats = told.dso(community, 900, 1_500_000)
    assert stats["area_throughput"] == {"import": 0.03, "export": 0.07}
    assert stats["market_fee_revenue"] == 0.15
    assert stats["self_sufficiency"] == pytest.approx(100 * 250 / 280)
    assert stats["self_consumption"] == pytest.approx(100 * 250 / 320)
    assert told.dso(house, 900, 0)["area_throughput"] == {"import": 0.0, "export": 0.27}


# ---------------------------------------------------------------- mailboxes


def test_messages_wait_for_those_who_are_not_there(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    boxes, line = Mailboxes(), Recorder()
    boxes.post("x", {"command": "kept"})
    boxes.post("x", {"event": "tick"}, keep=False)
    boxes.come("x", line)
    boxes.post("x", {"event": "tick"}, keep=False)
    assert line.kinds == ["kept", "tick"]
    assert boxes.present == {"x"}
    monkeypatch.setattr(mail, "LARGEST", 100)
    boxes.post("x", {"event": "market", "grid_tree": "x" * 200})
    assert len(line.heard) == 2
    assert "fewer assets" in caplog.text
    boxes.go("x", line)
    assert not boxes.is_there("x")
    for number in range(mail.KEPT + 5):
        boxes.post("x", {"command": str(number)})
    again = Recorder()
    boxes.come("x", again)
    assert again.kinds[0] == "5"


async def test_a_connection_that_is_far_behind_is_ended() -> None:
    ended: list[bool] = []
    outgoing = mail.Outgoing(lambda: ended.append(True))
    for _ in range(mail.BEHIND):
        outgoing.push(b"{}")
    assert not ended
    outgoing.push(b"{}")
    assert ended


# ---------------------------------------------------------------- registrations


def test_who_has_what_is_written_down(tmp_path: Path) -> None:
    path = tmp_path / "gateway.json"
    kept = Registrations(path)
    one, two = kept.create("one", "alice"), kept.create("one", "bob")
    assert kept.create("one", "alice") is one
    kept.select(one, "device")
    with pytest.raises(ProtocolError, match="another"):
        kept.select(two, "device")
    kept.register("device", registered=False)
    kept.note_metered("home")
    again = Registrations(path)
    assert [other.uuid for other in again.of_user("alice")] == [one.uuid]
    owner = again.owner("device")
    assert owner is not None
    assert owner.uuid == one.uuid
    assert again.unregistered == {"device"}
    assert again.is_metered("home")
    again.delete(owner)
    assert Registrations(path).owner("device") is None
    path.write_text("{")
    with pytest.raises(InputError, match=r"gateway\.json"):
        Registrations(path)


# ---------------------------------------------------------------- configs


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gateway__gsy__participants": ["home_1"]}, "unknown participant 'home_1'"),
        ({"gateway__gsy__homes": {"nobody": {}}}, "unknown participant 'nobody'"),
        ({"gateway__gsy__tick_s": 0}, "above 0 s"),
        ({"gateway__gsy__users": {"alice": {"password_sha256": "secret"}}}, "64 hexadecimal digits"),
        ({"gateway__gsy__grid_fee_type": "none"}, "grid_fee_type"),
        ({"gateway__gsx": {}}, "gsx"),
    ],
)
def test_configs_that_are_none(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        study(tmp_path, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gateway__gsy__homes": {"home_13": {"load": "X"}, "home_25": {"load": "X"}}}, "two of 'X'"),
        ({"gateway__gsy__users": {"alice": {"areas": ["House 9"]}}}, "no area, home or asset 'House 9'"),
    ],
)
def test_gateways_that_cannot_be(
    tmp_path: Path, changes: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREX_MARKET_GATEWAY_PASSWORD_alice", "word")
    found = study(tmp_path, **changes)
    server = SimulationServer(found.terms, found.config.participants, ServerSettings())
    with pytest.raises(ConfigError, match=said):
        make_gateway(found, server, is_open=True)


def test_passwords_come_from_the_config_or_the_environment(tmp_path: Path) -> None:
    users = {"alice": {"password_sha256": token_hash("one")}, "bob": {}}
    gsy = study(tmp_path, gateway__gsy__users=users).config.gateway.gsy
    assert gsy is not None
    with pytest.raises(ConfigError, match="trex-market token bob --gateway"):
        password_check(gsy, {}, is_open=True)
    check = password_check(gsy, {"TREX_MARKET_GATEWAY_PASSWORD_bob": "two"}, is_open=True)
    check("alice", "one", "10.0.0.1")
    check("bob", "two", "10.0.0.1")
    for name, password in (("alice", "two"), ("bob", "one"), ("carol", "one")):
        with pytest.raises(ProtocolError):
            check(name, password, "10.0.0.1")
    nobody = study(tmp_path).config.gateway.gsy
    assert nobody is not None
    password_check(nobody, {}, is_open=True)("anybody", "anything", "127.0.0.1")
    with pytest.raises(ConfigError, match="name users"):
        password_check(nobody, {}, is_open=False)


def test_secrets_and_names_are_no_part_of_a_run(tmp_path: Path) -> None:
    users = {"alice": {"password_sha256": token_hash("one")}}
    plain, named = study(tmp_path).config, study(tmp_path, gateway__gsy__users=users).config
    assert plain.hash == named.hash
    assert token_hash("one") not in json.dumps(named.recorded())


def test_those_who_are_played_here_are_not_for_agents(tmp_path: Path) -> None:
    found = study(tmp_path)
    server = SimulationServer(found.terms, found.config.participants, ServerSettings())
    service = make_gateway(found, server, is_open=True, played=["home_25"])
    assert service is not None
    assert set(service.gateway.accounts) == {"home_13", "home_02"}
    assert not service.gateway.tree.by_name["PV 2"].registered
    assert found.profile("home_25") is not None
    assert BASELINE in found.simulations
