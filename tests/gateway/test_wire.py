"""Tokens, names, refusals and batches: over HTTP and WebSocket, against a market that runs on."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.gateway.agent import Aggregator, Device, Session, Socket, nodes_of, until
from tests.gateway.serving import SIMULATION, Served, served
from trex_market.server.doorkeeper import token_hash

pytestmark = pytest.mark.slow

USERS = {
    "alice": {"password_sha256": token_hash("secret")},
    "bob": {"password_sha256": token_hash("secret"), "areas": ["House 2"]},
    "carol": {},
}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A market that goes on for a day: 96 slots of 1.5 s."""
    with served(
        tmp_path_factory.mktemp("gateway"),
        environment={"TREX_MARKET_GATEWAY_PASSWORD_carol": "word"},
        gateway__gsy__tick_s=0.15,
        gateway__gsy__users=USERS,
        study__days=1,
    ) as place:
        yield place


@contextmanager
def aggregator(market: Served, *names: str, name: str = "one", user: str = "alice") -> Iterator[Aggregator]:
    """Return an aggregator that has assets, once it knows of them; afterwards it has none."""
    one = Aggregator(Session(market.url, SIMULATION, user), name)
    devices = [Device(one.session, asset) for asset in names]
    try:
        for device in devices:
            device.select_aggregator(one.uuid)
        until(lambda: len(one.devices) == len(names))
        assets = [asset for asset in names if not asset.startswith("House")]
        until(lambda: one.flat and all(one.has(asset) for asset in assets))
        yield one
        assert not one.faults, one.faults
        assert not one.socket.faults, one.socket.faults
    finally:
        one.session.aggregator("POST", "delete-aggregator", aggregator_uuid=one.uuid)
        one.close()


def session(market: Served, user: str = "alice", password: str = "secret") -> Session:
    made = Session(market.url, SIMULATION, user, password)
    made.log_in()
    return made


# ---------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    ("user", "password", "status"),
    [
        ("alice", "secret", 200),
        ("carol", "word", 200),
        ("alice", "wrong", 401),
        ("dave", "secret", 401),
        ("", "", 401),
    ],
)
def test_passwords(market: Served, user: str, password: str, status: int) -> None:
    one = Session(market.url, SIMULATION)
    answer = one.call("POST", "/api-token-auth/", {"username": user, "password": password})
    assert one.status == status
    assert (answer is not None) == (status == 200)


def _token(**changes: Any) -> str:
    claims = {"sub": "alice", "iat": int(time.time()), "exp": int(time.time()) + 60, **changes}
    return jwt.encode(claims, "another secret, of another server!", algorithm="HS256")


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", _token(), _token(exp="soon")])
def test_tokens_that_are_none(market: Served, token: str) -> None:
    one = Session(market.url, SIMULATION)
    one.token = token
    assert one.aggregator("GET", "list-aggregators") is None
    assert one.status == 401
    assert json.loads(one.refusal)["code"] == "unauthorised"


def test_a_token_without_signature_is_none(market: Served) -> None:
    one = session(market)
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    one.token = f"{header}.{one.token.split('.')[1]}."
    assert one.aggregator("GET", "list-aggregators") is None
    assert one.status == 401


def test_a_token_expires(tmp_path: Path) -> None:
    with served(tmp_path, gateway__gsy__token_lifetime_s=1) as market:
        one = session(market)
        assert one.aggregator("GET", "list-aggregators") == []
        assert one.status == 200

        def expired() -> bool:
            return one.aggregator("GET", "list-aggregators") is None

        until(expired)
        assert one.status == 401
        assert "expired" in json.loads(one.refusal)["detail"]
        one.log_in()
        assert one.aggregator("GET", "list-aggregators") == []


# ---------------------------------------------------------------- what there is not


def test_another_simulation(market: Served) -> None:
    one = session(market)
    one.simulation = "another"
    for call in (
        lambda: one.aggregator("GET", "list-aggregators"),
        lambda: one.aggregator("POST", "create-aggregator", name="x"),
        lambda: one.call("GET", "/external-connection/configurations/another/registry", {}),
        lambda: one.call("POST", "/external-connection/api/another/x/register/", {}),
        lambda: one.call("GET", "/external-connection/configurations/another/simulation-config", {}),
    ):
        assert call() is None
        assert one.status == 404
    assert one.graphql('query { readConfiguration(uuid: "another") { x } }')["errors"]


def test_unknown_assets_and_aggregators(market: Served) -> None:
    one = session(market)
    mine = one.aggregator("POST", "create-aggregator", name="two")["uuid"]
    bus = next(node for node in nodes_of([one.registry()]) if node["name"] == "Grid Market")
    assert bus["registered"] is None
    load = one.uuid_of("Load 1")
    one.log_in()
    for what, body in (
        ("select-aggregator", {"aggregator_uuid": mine, "device_uuid": "no such asset"}),
        ("select-aggregator", {"aggregator_uuid": mine, "device_uuid": bus["uuid"]}),
        ("select-aggregator", {"aggregator_uuid": mine}),
        ("select-aggregator", {"aggregator_uuid": "nobody", "device_uuid": load}),
        ("batch-commands", {"aggregator_uuid": "nobody", "batch_commands": {}}),
        ("delete-aggregator", {"aggregator_uuid": ["x"]}),
    ):
        assert one.aggregator("POST", what, **body) is None, what
        assert one.status == 404, what
    other = session(market, "carol", "word")
    assert other.aggregator("POST", "batch-commands", aggregator_uuid=mine, batch_commands={}) is None
    assert other.status == 404, "an aggregator is its user's alone"
    one.aggregator("POST", "delete-aggregator", aggregator_uuid=mine)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'"x"', b"[" * 20_000])
def test_bodies_that_are_none(market: Served, body: bytes) -> None:
    one = session(market)
    path = f"/external-connection/aggregator-api/{SIMULATION}/batch-commands/"
    assert one.call("POST", path, body) is None
    assert one.status == 400
    assert one.call("POST", "/api-token-auth/", body) is None
    assert one.status == 400


def test_an_aggregator_needs_a_name(market: Served) -> None:
    one = session(market)
    for name in (None, "", 7, "x" * 201):
        assert one.aggregator("POST", "create-aggregator", name=name) is None
        assert one.status == 400


def test_what_a_user_may_trade_for(market: Served) -> None:
    bob = session(market, "bob")
    mine = bob.aggregator("POST", "create-aggregator", name="bob's")["uuid"]
    Device(bob, "PV 2").select_aggregator(mine)
    device = Device(bob, "PV 1")
    device.select_aggregator(mine)
    assert device.session.status == 403
    bob.aggregator("POST", "delete-aggregator", aggregator_uuid=mine)


# ---------------------------------------------------------------- aggregators


def test_aggregators_are_listed_and_found_again(market: Served) -> None:
    one = session(market)
    made = one.aggregator("POST", "create-aggregator", name="kept")
    assert one.aggregator("POST", "create-aggregator", name="kept") == made
    assert made in one.aggregator("GET", "list-aggregators")
    assert session(market, "bob").aggregator("GET", "list-aggregators") == []
    device = Device(one, "Load 3")
    device.select_aggregator(made["uuid"])
    query = "query { aggregatorsList { configUuid name devicesList { deviceUuid } } }"
    listed = one.graphql(query)["data"]["aggregatorsList"]
    entry = next(entry for entry in listed if entry["name"] == "kept")
    assert entry["devicesList"] == [{"deviceUuid": device.uuid}]
    node = next(node for node in nodes_of([one.registry()]) if node["uuid"] == device.uuid)
    assert (node["type"], node["aggregator_name"]) == ("Load", "kept")
    unselected = one.aggregator(
        "POST", "unselect-aggregator", aggregator_uuid=made["uuid"], device_uuid=device.uuid
    )
    assert unselected
    node = next(node for node in nodes_of([one.registry()]) if node["uuid"] == device.uuid)
    assert node["aggregator_name"] is None
    assert one.aggregator("POST", "delete-aggregator", aggregator_uuid=made["uuid"])
    assert made not in one.aggregator("GET", "list-aggregators")


def test_canary_networks(market: Served) -> None:
    query = "query { listCanaryNetworks { configurations { uuid resultsStatus type } } }"
    [network] = session(market).graphql(query)["data"]["listCanaryNetworks"]["configurations"]
    assert (network["uuid"], network["type"], network["resultsStatus"]) == (
        SIMULATION,
        "CANARY_NETWORK",
        "running",
    )
    assert network["settingsData"]["spotMarketType"] == "TWO_SIDED"
    assert session(market).graphql("query { wallet }")["errors"]
    assert session(market).graphql("}{")["errors"]


def test_the_config_file(market: Served) -> None:
    path = f"/external-connection/configurations/{SIMULATION}/simulation-config"
    one = session(market)
    file = one.call("GET", path, {})
    assert set(file) == {
        "username", "name", "uuid", "domain_name", "web_socket_domain_name", "global_settings", "registry",
    }  # fmt: skip
    assert file["domain_name"] == market.url
    assert file["web_socket_domain_name"] == market.url.replace("http", "ws") + "/external-ws"
    assert file["global_settings"]["slot_length"] == "0:15:00"
    basic = base64.b64encode(b"alice:secret").decode()
    assert one.call("GET", path, {}, {"Authorization": f"Basic {basic}"})["registry"] == file["registry"]
    for wrong in ("alice:wrong", "alice"):
        shown = base64.b64encode(wrong.encode()).decode()
        assert one.call("GET", path, {}, {"Authorization": f"Basic {shown}"}) is None
        assert one.status == 401
    assert one.call("GET", path, {}, {"Authorization": "Basic ????"}) is None
    assert one.status == 401


# ---------------------------------------------------------------- batches


def test_a_bad_command_stops_nothing(market: Served) -> None:
    with aggregator(market, "Load 1", "PV 1", "Load 3") as one:
        load, pv, other = one.uuid_of("Load 1"), one.uuid_of("PV 1"), one.uuid_of("Load 2")
        nobody = "00000000-0000-0000-0000-000000000000"
        answer = one.send(
            {
                load: [
                    {"type": "bid", "energy": 1e5, "price": 1e5},
                    {"type": "offer", "energy": 0.001, "price": 1},
                    {"type": "bid", "energy": 0.001, "price": -1},
                    {"type": "bid", "energy": 0.001, "price": 1, "time_slot": "2016-07-21T00:00"},
                    {"type": "dance"},
                    "bid",
                    {"type": "device_info"},
                ],
                pv: "everything",
                nobody: [{"type": "device_info"}],
                other: [{"type": "bid", "energy": 0.001, "price": 1}],
                one.uuid_of("Load 3"): [{"type": "list_bids"}],
            }
        )
        assert answer["aggregator_uuid"] == one.uuid
        responses = answer["responses"]
        statuses = [(one["status"], one.get("code")) for one in responses[load]]
        assert statuses == [
            ("error", "bad_quantity"),
            ("error", "malformed"),
            ("error", "bad_price"),
            ("error", "gate_closed"),
            ("error", "malformed"),
            ("error", "malformed"),
            ("ready", None),
        ]
        assert all(one["error_message"] for one in responses[load][:-1])
        assert [one["command"] for one in responses[load]][:2] == ["bid", "offer"]
        assert responses[pv][0]["code"] == "malformed"
        assert responses[nobody][0]["code"] == "unknown_participant"
        assert responses[other][0]["code"] == "unauthorised", "nobody selected it"
        assert responses[one.uuid_of("Load 3")][0]["status"] == "ready"
        for nonsense in ([], "x", None, 7):
            answer = one.send(nonsense)
            assert (answer["status"], answer["responses"]) == ("error", {})


def test_another_aggregators_asset(market: Served) -> None:
    with aggregator(market, "Load 1") as one, aggregator(market, "PV 1", name="two") as two:
        load = one.uuid_of("Load 1")
        [answer] = two.send({load: [{"type": "bid", "energy": 0.001, "price": 1}]})["responses"][load]
        assert (answer["status"], answer["code"]) == ("error", "unauthorised")
        assert "asset_info" not in two.flat[load]
        assert two.flat[load] == {"area_name": "Load 1"}
        device = Device(two.session, "Load 1")
        device.select_aggregator(two.uuid)
        assert device.session.status == 403
        carol = Session(market.url, SIMULATION, "carol", "word")
        stranger = Device(carol, "Load 1")
        path = f"/external-connection/api/{SIMULATION}/{load}/set-energy-forecast/"
        assert stranger.session.call("POST", path, {"energy_forecast": {}}) is None
        assert stranger.session.status == 403


def test_orders_are_replaced_listed_and_deleted(market: Served) -> None:
    with aggregator(market, "Load 3") as one:
        load = one.uuid_of("Load 3")
        until(lambda: one.flat[load]["asset_info"]["energy_requirement_kWh"] > 0.004)
        bid = {"type": "bid", "energy": 0.001, "price": 0}
        more = {**bid, "replace_existing": False}
        listing = {"type": "list_bids", "time_slot": None}
        answers = one.send({load: [bid, bid, more, listing, {"type": "device_info"}]})["responses"][load]
        assert [answer["status"] for answer in answers] == ["ready"] * 5, answers
        orders = [json.loads(answer["bid"]) for answer in answers[:3]]
        assert orders[0]["buyer"] == "Load 3"
        assert orders[0]["energy"] == 0.001
        assert [entry["id"] for entry in answers[3]["bid_list"]] == [orders[1]["id"], orders[2]["id"]]
        assert answers[4]["device_info"]["energy_active_in_bids"] == 0.002
        far = {**bid, "time_slot": orders[0]["time_slot"][:11] + "23:00"}
        delete = {"type": "delete_bid", "bid_id": orders[1]["id"], "time_slot": orders[1]["time_slot"][:16]}
        answers = one.send({load: [delete, delete, {**delete, "bid_id": None}, far]})["responses"][load]
        if answers[0]["status"] == "ready":  # the gate had not closed in the meantime
            assert answers[0]["deleted_bids"] == [orders[1]["id"]]
            assert answers[1]["code"] == "unknown_order"
            assert answers[2]["deleted_bids"] == [orders[2]["id"]]
        assert (answers[3]["status"], answers[3].get("market_type")) == ("ready", "Future Market"), answers[3]


def test_an_order_beyond_what_is_left_is_refused(market: Served) -> None:
    with aggregator(market, "Load 3") as one:
        load = one.uuid_of("Load 3")
        until(lambda: one.flat[load]["asset_info"]["energy_requirement_kWh"] > 0.004)
        answers = one.send(
            {
                load: [
                    {"type": "device_info"},
                    {"type": "bid", "energy": 0.003, "price": 0, "replace_existing": False},
                ]
            }
        )["responses"][load]
        need = answers[0]["device_info"]["energy_requirement_kWh"]
        assert answers[1]["status"] == "ready"
        again = {"type": "bid", "energy": need, "price": 0, "replace_existing": False}
        slot = json.loads(answers[1]["bid"])["time_slot"][:16]
        answers = one.send({load: [{**again, "time_slot": slot}]})["responses"][load]
        assert answers[0]["status"] == "error"
        assert answers[0]["code"] in ("bad_quantity", "gate_closed")


# ---------------------------------------------------------------- single assets


def test_an_asset_registers_and_is_foreseen(market: Served) -> None:
    device = Device(Session(market.url, SIMULATION), "PV 2", listens=True)
    with aggregator(market, "Load 3") as one:  # so that the market runs
        slot = next(message["market_slot"] for message in one.heard if message.get("event") == "market")
        answer = device.ask("unregister/", "unregister")
        assert answer["unregistered"] is True
        node = next(node for node in nodes_of([one.session.registry()]) if node["uuid"] == device.uuid)
        assert node["registered"] is None
        answer = device.ask("register/", "register")
        assert (answer["status"], answer["registered"], answer["device_uuid"]) == ("ready", True, device.uuid)
        later = slot[:11] + "23:45"
        assert device.forecast({later: 0.25})["set_energy_forecast"] == {later: 0.25}
        assert device.forecast({later: -1})["status"] == "error"
        assert device.ask("set_energy_forecast/", "set_energy_forecast", energy_Wh=250)["status"] == "ready"
        form = device.session.call(
            "POST",
            f"/external-connection/api/{SIMULATION}/{device.uuid}/set_energy_forecast/",
            b"energy_Wh=250",
            {"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert form["status"] == "ready"
        assert device.measure({later: 0.2})["status"] == "ready"
        assert device.measure({"2016-07-21T00:00": 0.2})["code"] == "bad_slot"
        assert (
            device.ask("set-live-generation/", "set-live-generation", live_data={"x": 1})["status"] == "ready"
        )
        assert device.ask("grid-fee/", "grid_fees", fee_const=1)["code"] == "unknown_area"
        assert device.ask("dso-market-stats", "dso_market_stats", method="GET")["code"] == "malformed"
        scm = device.session.call(
            "POST", f"/external-connection/api/{SIMULATION}/set-scm-global-data/", {"a": 1}
        )
        assert scm
    device.close()
    assert not device.socket or not device.socket.faults


def test_a_market_client(market: Served) -> None:
    house = Device(Session(market.url, SIMULATION), "House 1", listens=True)
    with aggregator(market, "House 1", "Load 3") as one:
        assert house.ask("grid-fee/", "grid_fees", fee_const=2.5)["market_fee_const"] == "2.5"
        until(lambda: one.flat[house.uuid]["current_market_fee"] == 2.5)
        answer = house.ask("dso-market-stats", "dso_market_stats", method="GET")
        assert answer["name"] == "House 1"
        assert answer["market_stats"]["area_throughput"]["import"] >= 0
        [percent] = one.send({house.uuid: [{"type": "grid_fees", "data": {"fee_percent": 5}}]})["responses"][
            house.uuid
        ]
        assert "GlobalConfigFeeType" in percent["error_message"]
        assert house.ask("grid-fee/", "grid_fees", fee_const=0)["market_fee_const"] == "0"
    house.close()


# ---------------------------------------------------------------- sockets


@pytest.mark.parametrize("path", ["aggregator/nobody", "nobody"])
def test_sockets_of_what_there_is_not(market: Served, path: str) -> None:
    socket = Socket(Session(market.url, SIMULATION), path, lambda _message: None)
    until(lambda: socket.faults)
    socket.close()
    assert "404" in str(socket.faults[0])


def test_selections_are_told_when_a_socket_opens(market: Served) -> None:
    one = session(market)
    mine = one.aggregator("POST", "create-aggregator", name="late")["uuid"]
    device = Device(one, "Load 3")
    device.select_aggregator(mine)
    late = Aggregator(Session(market.url, SIMULATION), "late")
    until(lambda: device.uuid in late.devices)
    assert late.heard[0]["event"] == "selected_by_device"
    one.aggregator("POST", "delete-aggregator", aggregator_uuid=mine)
    late.close()


def test_events_have_what_agents_count_on(market: Served) -> None:
    with aggregator(market, "Load 1", "PV 1", "Storage 1") as one:

        def slots() -> int:
            return sum(message.get("event") == "market" for message in one.heard)

        begin = slots()
        until(lambda: slots() >= begin + 4)
        events = [message for message in one.heard if message.get("event") in ("market", "tick")]
    # The first one may have come in the middle of a slot.
    first = [place for place, event in enumerate(events) if event["event"] == "market"][1]
    completions = [event["slot_completion"] for event in events[first:]]
    assert completions[:20] == [f"{percent}%" for percent in range(0, 100, 10)] * 2
    for event in events:
        assert isinstance(event["feed_in_tariff_rate"], float)
        assert isinstance(event["market_maker_rate"], float)
        assert event["num_ticks"] == 10.0
        assert event["simulation_id"] == SIMULATION
    assert (event["feed_in_tariff_rate"], event["market_maker_rate"]) == (8.0, 30.0)
    slots_told = [event["market_slot"] for event in events if event["event"] == "market"]
    assert len(set(slots_told)) == len(slots_told)
    infos = {node["area_name"]: set(node["asset_info"]) for node in one.flat.values() if "asset_info" in node}
    assert infos["Load 1"] == {
        "energy_requirement_kWh",
        "energy_active_in_bids",
        "energy_traded",
        "total_cost",
    }
    assert infos["PV 1"] == {"available_energy_kWh", "energy_active_in_offers", "energy_traded", "total_cost"}
    assert infos["Storage 1"] == {
        "energy_to_sell", "energy_active_in_bids", "energy_to_buy", "energy_active_in_offers",
        "free_storage", "used_storage", "energy_traded", "total_cost",
    }  # fmt: skip
    pv, target = one.uuid_of("PV 1"), one.uuid_of("Grid Market")
    assert one.fee_between(pv, target) == pytest.approx(1.5)
