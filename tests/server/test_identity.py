"""A participant acts only as itself: tokens, places, second connections."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from participants.client import Client
from tests.helpers import START
from tests.server.helpers import Agent, bid, hall, home, soon
from tests.shell_helpers import Shell, study
from trex_market.config import load_config
from trex_market.core.errors import ConfigError, ParticipantError
from trex_market.server.desk import Limits
from trex_market.server.doorkeeper import OBSERVER, OPERATOR, token_hash
from trex_market.serving import METER_TOKEN_VARIABLE, TOKEN_VARIABLE, server_settings

HASHES = {"ann": token_hash("a"), "bob": token_hash("b")}


async def test_a_token_is_needed_and_must_be_the_right_one() -> None:
    async with hall(token_hashes=HASHES, is_open=False) as place, Agent(place.url) as stranger:
        for join in (
            {"participant_id": "ann"},
            {"participant_id": "ann", "token": None},
            {"participant_id": "ann", "token": ""},
            {"participant_id": "ann", "token": "b"},
            {"participant_id": "ann", "token": HASHES["ann"]},
            {"participant_id": "cat"},
            {"participant_id": "cat", "token": "a"},
        ):
            assert await stranger.is_refused("join", join) == "unauthorised"
        assert await stranger.is_refused("join", {"participant_id": "ann", "token": 5}) == "malformed"
        assert (await stranger.says("join", {"participant_id": "ann", "token": "a"}))["ok"]


async def test_in_an_open_market_those_with_a_token_need_it_still() -> None:
    async with hall(token_hashes=HASHES, is_open=True) as place:
        async with Agent(place.url) as stranger, Agent(place.url, "cat") as cat:
            assert cat.joined["ok"]
            assert await stranger.is_refused("join", {"participant_id": "ann"}) == "unauthorised"


async def test_tokens_hold_for_trex_core_too() -> None:
    async with hall(token_hashes=HASHES, is_open=False) as place, Agent(place.url, namespace="/") as stranger:
        assert await stranger.says("join_market", {"id": "ann", "market_id": "m"}) is False
        assert await stranger.says("join_market", {"id": "ann", "market_id": "m", "token": "b"}) is False
        assert await stranger.says("join_market", {"id": "ann", "market_id": "m", "token": "a"}) is True


async def test_nobody_acts_as_another() -> None:
    async with hall(["ann", "bob"]) as place:
        async with Agent(place.url, "ann") as ann, Agent(place.url, "bob") as bob:
            place.start()
            await ann.hears("start_round")
            foreign = bid(participant_id="bob")
            assert await ann.is_refused("bid", foreign) == "unauthorised"
            answer = await ann.says("turn", {"orders": [foreign | {"side": "bid"}, bid(side="bid")]})
            assert [one.get("code") for one in answer["orders"]] == ["unauthorised", None]
            assert await ann.is_refused("join", {"participant_id": "bob"}) == "unauthorised"
            assert (await bob.says("bid", bid(participant_id="bob")))["order_id"] == "bob-1"


async def test_a_second_connection_is_refused() -> None:
    async with hall(["ann"]) as place, Agent(place.url, "ann") as first, Agent(place.url) as second:
        place.start()
        await first.hears("start_round")
        assert await second.is_refused("join", {"participant_id": "ann"}) == "unauthorised"
        assert await second.is_refused("bid", bid()) == "unauthorised"
        assert (await first.says("bid", bid()))["ok"]
        async with Agent(place.url, namespace="/") as third:
            assert await third.says("join_market", {"id": "ann", "market_id": "m"}) is False
        await first.socket.disconnect()
        async with asyncio.timeout(20):
            while not (await second.says("join", {"participant_id": "ann"}))["ok"]:
                pass


async def test_a_second_connection_takes_over_where_the_config_says_so() -> None:
    async with hall(["ann"], rounds=1, limits=Limits(takes_over=True)) as place:
        async with Agent(place.url, "ann") as first:
            playing = place.start()
            await first.hears("start_round")
            async with Agent(place.url, "ann") as second:
                assert second.joined["round"]["time"] == START
                await soon(first.gone.wait())
                assert (await second.says("bid", bid()))["ok"]
                async with Agent(place.url, "ann") as third:
                    await soon(second.gone.wait())
                    assert [one["order_id"] for one in third.joined["open_orders"]] == ["ann-1"]
                    assert (await third.says("end_turn"))["ok"]
                    await third.hears("end_simulation")
                    await soon(playing)


async def test_a_client_whose_place_was_taken_ends_with_an_error() -> None:
    async with hall(limits=Limits(takes_over=True), token_hashes=HASHES) as place:
        old = place.joins(Client(home("ann"), place.url, token="a"))
        async with asyncio.timeout(20), place.server._sockets._desk.seats.changed:
            await place.server._sockets._desk.seats.changed.wait_for(
                lambda: len(place.server._sockets._desk.seats.missing) == 2
            )
        async with Agent(place.url, "ann", token="b") as thief:
            assert thief.joined["code"] == "unauthorised"
            assert not old.done()
        async with Agent(place.url, "ann", token="a") as owner:
            assert owner.joined["ok"]
            with pytest.raises(ParticipantError, match="ended the connection of 'ann'"):
                await soon(old)


@pytest.mark.parametrize(("name", "token"), [("ann", None), ("ann", "wrong"), ("zoe", "a")])
async def test_a_client_that_is_refused_ends_with_the_reason(name: str, token: str | None) -> None:
    async with hall(token_hashes=HASHES) as place:
        participant = home("ann")
        participant.participant_id = name
        with pytest.raises(ParticipantError, match=f"refuses '{name}': .* \\(un"):
            await soon(Client(participant, place.url, token=token).run())


async def test_a_client_that_finds_no_server_says_so() -> None:
    async with hall() as place:
        url = place.url
    with pytest.raises(ParticipantError, match=f"cannot reach {url}"):
        await soon(Client(home("ann"), url, patience=0.0).run())


# ---------------------------------------------------------------- who is let in at all

PARTICIPANTS = "participants:\n  maker: {trader"
WITH_TOKEN = f"participants:\n  maker: {{token_sha256: {token_hash('m')}, trader"


def test_without_tokens_only_this_machine_is_let_in(tmp_path: Path) -> None:
    config = load_config(study(tmp_path))
    assert server_settings(config, None).is_open
    for host in ("0.0.0.0", "192.0.2.1", "::"):
        with pytest.raises(ConfigError, match=r"study\.yaml.*lets other machines in.*--open"):
            server_settings(load_config(study(tmp_path), overrides={"server.host": host}), None)
    for host in ("localhost", "::1"):
        assert server_settings(load_config(study(tmp_path), overrides={"server.host": host}), None).is_open


def test_who_asks_for_it_can_open_the_market_to_all(tmp_path: Path) -> None:
    asked = {"server.host": "0.0.0.0", "server.open": True}
    assert server_settings(load_config(study(tmp_path), overrides=asked), None).is_open


def test_one_token_closes_the_market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(study(tmp_path, (PARTICIPANTS, WITH_TOKEN)), overrides={"server.host": "0.0.0.0"})
    settings = server_settings(config, None)
    assert (settings.is_open, settings.token_hashes) == (False, {"maker": token_hash("m")})

    monkeypatch.setenv(f"{TOKEN_VARIABLE}taker", "t")
    monkeypatch.setenv(f"{TOKEN_VARIABLE}operator", "o")
    monkeypatch.setenv(f"{TOKEN_VARIABLE}maker", "new")
    hashes = server_settings(config, None).token_hashes
    assert hashes == {"maker": token_hash("new"), "taker": token_hash("t"), OPERATOR: token_hash("o")}


def test_tokens_of_meters_and_observers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_meter = f"participants:\n  maker: {{meter_token_sha256: {token_hash('m')}, trader"
    observed = (
        "market:\n",
        f"server: {{host: 0.0.0.0, observer_token_sha256: {token_hash('e')}}}\nmarket:\n",
    )
    config = load_config(study(tmp_path, (PARTICIPANTS, with_meter), observed))
    settings = server_settings(config, None)
    assert not settings.is_open
    assert settings.token_hashes == {OBSERVER: token_hash("e")}
    assert settings.meter_token_hashes == {"maker": token_hash("m")}

    monkeypatch.setenv(f"{METER_TOKEN_VARIABLE}maker", "new")
    monkeypatch.setenv(f"{METER_TOKEN_VARIABLE}taker", "t")
    monkeypatch.setenv(f"{METER_TOKEN_VARIABLE}nobody", "n")
    monkeypatch.setenv(f"{TOKEN_VARIABLE}observer", "o")
    settings = server_settings(config, None)
    assert settings.token_hashes == {OBSERVER: token_hash("o")}
    assert settings.meter_token_hashes == {"maker": token_hash("new"), "taker": token_hash("t")}


def test_a_meters_token_alone_closes_the_market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{METER_TOKEN_VARIABLE}maker", "m")
    assert not server_settings(load_config(study(tmp_path)), None).is_open


@pytest.mark.parametrize(
    ("arguments", "key", "variable"),
    [
        ([], "server.operator_token_sha256", "TREX_MARKET_TOKEN_operator"),
        (["observer"], "server.observer_token_sha256", "TREX_MARKET_TOKEN_observer"),
        (["ann"], "participants.ann.token_sha256", "TREX_MARKET_TOKEN_ann"),
        (["ann", "--meter"], "participants.ann.meter_token_sha256", "TREX_MARKET_METER_TOKEN_ann"),
    ],
)
def test_a_token_for_each_role_is_made(shell: Shell, arguments: list[str], key: str, variable: str) -> None:
    first, second = shell("token", *arguments), shell("token", *arguments)
    shown, kept, hint = first.out.splitlines()
    secret = shown.rpartition(": ")[2]
    assert len(secret) == 32
    assert kept == f"{key}: {token_hash(secret)}"
    assert variable in hint
    assert second.out.splitlines()[0] != shown
    assert "--meter goes with a participant" in shell.refuses("token", "operator", "--meter")
