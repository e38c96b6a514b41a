"""Finding a market by real multicast, on the loopback interface alone."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.server.helpers import free_port, soon, start_process
from tests.shell_helpers import Shell, run_process, study
from trex_market import __version__
from trex_market.config import load_config
from trex_market.core.errors import InputError
from trex_market.server.addresses import lan_addresses
from trex_market.server.discovery import Listing, announced_addresses, discover, keep_announced
from trex_market.serving import server_settings

LOOPBACK = ["127.0.0.1"]
GROUP = "224.0.0.251"


def _why_not() -> str | None:
    """Say why multicast is impossible on this machine; None if it is possible."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            membership = socket.inet_aton(GROUP) + socket.inet_aton("127.0.0.1")
            one.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            one.bind(("", 0))
            one.settimeout(1)
            one.sendto(b"?", (GROUP, one.getsockname()[1]))
            one.recv(1)
    except OSError as error:
        return f"no multicast on the loopback interface: {error}"
    return None


REASON = _why_not()
multicast = pytest.mark.skipif(REASON is not None, reason=REASON or "")


def listing(market_id: str = "home", **others: Any) -> Listing:
    usual: dict[str, Any] = {"mode": "realtime", "tls": False, "addresses": ("127.0.0.1",), "port": 3100}
    return Listing(market_id, **(usual | others))


@asynccontextmanager
async def announced(*listings: Listing) -> AsyncIterator[None]:
    """Announce servers for as long as the context lasts, once the network knows of them."""
    async with AsyncExitStack() as stack:
        for one in listings:
            heard = _heard(f"announced on the local network as {one.market_id} (")
            task = asyncio.create_task(keep_announced(one, LOOPBACK))
            stack.push_async_callback(_cancelled, task)
            await soon(heard)
        yield


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _heard(text: str) -> asyncio.Future[None]:
    """Return what is done once the log says something."""
    logger = logging.getLogger("trex_market.server.discovery")
    logger.setLevel(logging.INFO)
    told: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith(text) and not told.done():
                told.set_result(None)

    listener = Listener()
    logger.addHandler(listener)
    told.add_done_callback(lambda _told: logger.removeHandler(listener))
    return told


@multicast
async def test_a_market_is_found() -> None:
    async with announced(listing(tls=True, mode="simulation", port=4321)):
        found = await discover(within=3, interfaces=LOOPBACK)
        assert found == Listing("home", "simulation", True, ("127.0.0.1",), 4321, __version__, "/socket.io")
        assert found.url == "https://127.0.0.1:4321"
        assert await discover("home", interfaces=LOOPBACK) == found


@multicast
@pytest.mark.slow
async def test_of_several_one_has_to_be_named() -> None:
    async with announced(listing("home"), listing("lab", port=3200)):
        with pytest.raises(
            InputError, match=r"--market: home at http://127\.0\.0\.1:3100, lab at http://127\.0\.0\.1:3200"
        ):
            await discover(within=3, interfaces=LOOPBACK)
        assert (await discover("lab", interfaces=LOOPBACK)).port == 3200
        with pytest.raises(
            InputError, match="no market 'shed' was found on the local network; there are: home at"
        ):
            await discover("shed", within=3, interfaces=LOOPBACK)


@multicast
@pytest.mark.slow
async def test_who_wants_tls_takes_nothing_less() -> None:
    async with announced(listing("home")):
        with pytest.raises(
            InputError, match=r"no market 'home' with TLS was found.*there are: home at http:"
        ):
            await discover("home", tls_only=True, within=3, interfaces=LOOPBACK)
        async with announced(listing("home 2", tls=True)):
            assert (await discover(tls_only=True, within=3, interfaces=LOOPBACK)).market_id == "home 2"


@multicast
async def test_where_there_is_none_it_says_so_and_what_to_do() -> None:
    with pytest.raises(InputError, match=r"no market was found .* within 0.5 s; name its URL, .* --announce"):
        await discover(within=0.5, interfaces=LOOPBACK)


@multicast
async def test_a_market_that_has_closed_is_found_no_longer() -> None:
    async with announced(listing("gone")):
        pass
    with pytest.raises(InputError, match="no market was found"):
        await discover(within=1, interfaces=LOOPBACK)


@multicast
@pytest.mark.parametrize("market_id", ["a.b c'd", "Nachbarschaft Süd ☀", "x" * 64, "☀" * 64])
async def test_names_of_any_kind_are_found(market_id: str) -> None:
    task = asyncio.create_task(keep_announced(listing(market_id), LOOPBACK))
    try:
        found = await discover(market_id, within=10, interfaces=LOOPBACK)
        assert found.market_id == market_id
    finally:
        await _cancelled(task)


@multicast
@pytest.mark.slow
async def test_two_markets_of_one_name_on_one_machine_are_both_announced() -> None:
    async with announced(listing("home", port=3100), listing("home", port=3200)):
        with pytest.raises(InputError, match=r"several markets .*:3100.*:3200"):
            await discover(within=3, interfaces=LOOPBACK)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # zeroconf forgets a socket then
async def test_a_network_without_multicast_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    await soon(keep_announced(listing(), ["192.0.2.99"]))
    assert "cannot be announced" in caplog.text
    assert "cannot look for markets" in await _refusal()
    gc.collect()


async def _refusal() -> str:
    try:
        await discover(interfaces=["192.0.2.99"])
    except InputError as error:
        return str(error)
    return ""


# ---------------------------------------------------------------- which addresses


def test_the_url_is_one_that_others_can_use() -> None:
    assert listing(addresses=("fe80::1%eth0", "2001:db8::1", "192.0.2.7")).url == "http://192.0.2.7:3100"
    assert listing(addresses=("fe80::1%eth0", "2001:db8::1"), tls=True).url == "https://[2001:db8::1]:3100"
    assert listing(addresses=("169.254.1.1", "2001:db8::1")).url == "http://[2001:db8::1]:3100"


def test_what_is_announced_is_where_it_listens() -> None:
    assert announced_addresses("192.0.2.7") == ("192.0.2.7",)
    assert announced_addresses("::1") == ("::1",)
    assert "127.0.0.1" in announced_addresses("localhost")
    assert announced_addresses("no.such.host.invalid") == ()
    everywhere = announced_addresses("0.0.0.0")
    assert set(everywhere) == {str(one) for one in lan_addresses() if one.version == 4}
    assert not any(address.startswith("127.") for address in everywhere)


def test_it_is_announced_where_others_can_reach_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def announces(**server: Any) -> bool:
        overrides = {f"server.{key}": value for key, value in server.items()}
        return server_settings(
            load_config(study(tmp_path), overrides={"server.open": True, **overrides}), None
        ).announce

    assert announces(host="0.0.0.0")
    assert not announces()
    assert announces(announce=True)
    assert not announces(host="0.0.0.0", announce=False)


# ---------------------------------------------------------------- the commands


def test_join_wants_to_know_where(shell: Shell) -> None:
    join = ["join", "--participant", "ann", "--strategy", "basic"]
    assert "its URL, or --discover" in shell.refuses(*join)
    assert "its URL, or --discover" in shell.refuses(*join, "http://127.0.0.1:1", "--discover")
    assert "--market goes with --discover" in shell.refuses(*join, "http://127.0.0.1:1", "--market", "m")


@multicast
@pytest.mark.slow
def test_a_server_that_announces_itself_is_found_and_joined(tmp_path: Path) -> None:
    market_id = f"found-{free_port()}"
    changes = ("study:", "study:\n  simulations: [training]"), ("market:", f"market:\n  id: {market_id}")
    config = study(tmp_path, *changes)
    options = ["--port", "0", "--out", tmp_path / "run", "--play", "taker", "--play", "mixed"]
    server = start_process("serve", config, *options, "--announce", "--log-level", "info", cwd=tmp_path)
    try:
        assert server.stderr is not None
        assert f"announced on the local network as {market_id} (" in server.stderr.readline()
        join = ["join", "--discover", "--market", market_id, "--participant", "maker", "--config", config]
        joined = run_process(*join, cwd=tmp_path)
        assert joined.status == 0, joined.err
        said, complaints = server.communicate(timeout=60)
        assert server.returncode == 0, said + complaints
    finally:
        server.kill()
        server.communicate()
