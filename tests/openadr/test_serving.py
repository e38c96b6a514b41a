"""A virtual top node at work, and its command, as processes."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import aiohttp
import pytest

from tests.openadr.helpers import Ven
from tests.openadr.test_hostile import DEADLY, XML
from tests.server.helpers import free_port, soon, start_process
from tests.server.responding import place
from tests.shell_helpers import Shell
from tests.test_demand_response import NODE
from trex_market.core.errors import InputError
from trex_market.openadr.market import MarketEvents
from trex_market.openadr.node import NodeSettings
from trex_market.openadr.serving import serve_node, vens_of
from trex_market.server.doorkeeper import token_hash

FINGERPRINT = "AF:2B:04:3C:80:61:D9:07:5E:12"


def test_who_may_come_as_a_ven() -> None:
    assert vens_of([]) is None
    assert vens_of(["ann", f"a=b={FINGERPRINT.lower()}"]) == {"ann": None, "a=b": FINGERPRINT}
    for wrong in ("ann=AF", f"ann={FINGERPRINT}:00", "ann=" + "x" * 29):
        with pytest.raises(InputError, match="a fingerprint is"):
            vens_of([wrong])


async def test_it_waits_for_the_market_and_ends_when_told(tmp_path: Path) -> None:
    port, stopped = free_port(), asyncio.Event()
    said: asyncio.Queue[str] = asyncio.Queue()
    market = MarketEvents(f"http://127.0.0.1:{port}", None, 0.0)
    serving = asyncio.create_task(serve_node(market, NodeSettings(port=0), said.put_nowait, stopped))
    assert "cannot be reached" in await soon(said.get())
    url = (await soon(said.get())).split()[-1]
    async with place(tmp_path, port=port, now=int(time.time())):
        async with Ven("ann", url) as ven:
            assert await ven.states() == {}
    stopped.set()
    await soon(serving)


@pytest.mark.parametrize(
    ("token", "ven", "reason"),
    [("wrong", "ann", "wants its operator's token"), ("right", "annn", "Did you mean 'ann'")],
)
async def test_what_can_never_work_ends_it_at_once(tmp_path: Path, token: str, ven: str, reason: str) -> None:
    hashes = {"operator": token_hash("right")}
    async with place(tmp_path, token_hashes=hashes, is_open=False) as here:
        market = MarketEvents(here.server.own_url, token, 0.0)
        settings = NodeSettings(port=0, vens={ven: None})
        with pytest.raises(InputError, match=reason):
            await serve_node(market, settings, print, asyncio.Event())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--host", "0.0.0.0"], "lets other machines in"),
        (["--tls-cert", "x"], "go together"),
        (["--vtn-id", "trex"], "capitals"),
        (["--ven", "home_01=AA"], "a fingerprint is"),
        (["--ca-cert", "none.pem"], "no authority's certificate"),
    ],
)
def test_what_the_command_refuses(shell: Shell, options: list[str], reason: str) -> None:
    assert reason in shell.refuses("openadr", "vtn", "http://127.0.0.1:1", *options)


MARKET = """
study: {{name: live, start_datetime: "2016-01-18", time_step_size: 60, days: 1}}
server: {{port: {port}}}
market: {{type: MicroTE3B, mode: realtime, grid: {{price: 0.08, fee_ratio: 2.75}}}}
participants:
  ann: {{trader: {{type: basic}}}}
  bob: {{trader: {{type: basic}}}}
demand_response: {{price: 1}}
"""


@pytest.mark.slow
async def test_a_market_and_its_node_as_processes(tmp_path: Path) -> None:
    port, node_port = free_port(), free_port()
    config = tmp_path / "live.yaml"
    config.write_text(MARKET.format(port=port))
    market = start_process("serve", config, "--out", tmp_path / "live", cwd=tmp_path)
    node = None
    try:
        assert market.stdout is not None
        assert "market" in market.stdout.readline()
        url = f"http://127.0.0.1:{port}"
        command = NODE.replace("3100", str(port)).replace("8080", str(node_port)).split()[1:]
        node = start_process(*command, cwd=tmp_path)
        assert node.stdout is not None
        vtn = node.stdout.readline().split()[-1]
        event = {"event_id": "e", "start": int(time.time()) + 3600, "load_kwh": 1}
        async with aiohttp.ClientSession() as web:
            async with web.post(f"{url}/dr/events", json=event) as response:
                assert response.status == 200
            async with web.post(f"{vtn}/OadrPoll", data=DEADLY, headers=XML) as response:
                assert response.status == 400
        async with Ven("ann", vtn) as ven:
            # What the node knows may be some seconds old.
            async with asyncio.timeout(30):
                while not ven.heard:
                    await ven.polls()
        async with aiohttp.ClientSession() as web, web.get(f"{url}/dr/events/e") as response:
            devices = (await response.json())["found"]["devices"]
        assert {one["device_id"]: one["accepts"] for one in devices} == {"ann": True, "bob": None}
        node.send_signal(signal.SIGTERM)
        said, complaints = node.communicate(timeout=30)
        assert node.returncode == 0, said
        (line,) = complaints.splitlines()
        assert "was not read: a message defines no document type" in line
    finally:
        for process in (node, market):
            if process is not None:
                process.terminate()
                process.communicate(timeout=30)
