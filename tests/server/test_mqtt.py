"""Meters over MQTT, with a real broker in a process of its own: answers, junk, and a broker that goes and comes."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.helpers import START, STEP
from tests.server.helpers import PATIENCE_S, meter, soon
from tests.server.metering import Gateway, gateway
from tests.server.test_meters import readings, shows
from trex_market.core.errors import InputError, MissingExtraError
from trex_market.core.messages import ReadRegisters
from trex_market.journal import read_commands
from trex_market.server.meters import MAX_BODY_BYTES
from trex_market.server.mqtt import MqttMeters, MqttSettings

aiomqtt = pytest.importorskip("aiomqtt", reason="the extra `mqtt` is not installed")
pytest.importorskip("amqtt", reason="there is no broker: amqtt is not installed")

pytestmark = pytest.mark.slow

TOPIC = "trex/{market_id}/{participant_id}/meter"
ANN, BOB = "trex/m/ann/meter", "trex/m/bob/meter"
OPEN = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}

ITS_OWN_WARNING = "The 'acl' option is deprecated"
"""The option that takes its place, amqtt does not take."""


class Broker:
    """A broker in a process of its own.

    Args:
        folder: for its config.
        port: where it listens.
        plugins: who may do what.
        listener: more of how it listens.
    """

    def __init__(
        self, folder: Path, port: int, plugins: Mapping[str, Any], listener: Mapping[str, Any]
    ) -> None:
        self.port = port
        self._file = folder / "broker.json"
        listeners = {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}", **listener}}
        self._file.write_bytes(msgspec.json.encode({"listeners": listeners, "plugins": plugins}))

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-W", f"ignore:{ITS_OWN_WARNING}:DeprecationWarning"),
            *("-m", "amqtt.scripts.broker_script", "-c", str(self._file)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        said = b""
        assert self._process.stderr is not None
        while b"bind to" not in said:
            line = await soon(self._process.stderr.readline())
            assert line, said.decode()
            said += line
        self._reading = asyncio.create_task(self._process.stderr.read())

    async def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading


@asynccontextmanager
async def broker(
    folder: Path, port: int, plugins: Mapping[str, Any] = OPEN, **listener: Any
) -> AsyncIterator[Broker]:
    """Run a broker."""
    made = Broker(folder, port, plugins, listener)
    await made.start()
    try:
        yield made
    finally:
        await made.kill()


@asynccontextmanager
async def listening(place: Gateway, port: int, **others: Any) -> AsyncIterator[MqttMeters]:
    """Let a market take reports of a broker."""
    settings = MqttSettings("127.0.0.1", port, **({"topic": TOPIC} | others))
    made = MqttMeters(settings, "m", place.meters, place.server.audit)
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        assert not running.done(), running.exception()
        running.cancel()
        await asyncio.wait([running])


class Device:
    """A meter, or several: writes reports and reads answers.

    Args:
        client: of MQTT.
    """

    def __init__(self, client: aiomqtt.Client) -> None:
        self.client = client

    async def writes(self, report: object, topic: str = ANN, **others: Any) -> None:
        """Send a report."""
        body = report if isinstance(report, bytes) else msgspec.json.encode(report)
        await self.client.publish(topic, body, qos=1, **others)

    async def answers(self, count: int) -> list[tuple[str, Any]]:
        """Wait for answers, and return whose and which."""
        heard: list[tuple[str, Any]] = []
        while len(heard) < count:
            message = await soon(anext(self.client.messages))
            heard.append((message.topic.value.split("/")[2], msgspec.json.decode(message.payload)))
        return heard

    async def asks(self, report: object, topic: str = ANN, **others: Any) -> Any:
        """Send a report and return the answer."""
        await self.writes(report, topic, **others)
        ((who, answer),) = await self.answers(1)
        assert who == topic.split("/")[2]
        return answer


@asynccontextmanager
async def device(port: int, **others: Any) -> AsyncIterator[Device]:
    """Connect a device."""
    async with aiomqtt.Client("127.0.0.1", port, **others) as client:
        await client.subscribe("trex/m/+/meter/answer", qos=1)
        yield Device(client)


async def trouble_of(made: MqttMeters) -> str:
    """Wait until there is trouble, which nobody tells of but the alarms, and return it."""
    async with asyncio.timeout(PATIENCE_S):
        while made.trouble is None:  # noqa: ASYNC110 - it is a state, which is looked at
            await asyncio.sleep(0.02)
    return made.trouble


@asynccontextmanager
async def everything(folder: Path, port: int) -> AsyncIterator[tuple[Gateway, Device, MqttMeters]]:
    """Run a broker, a market that reads it, and a device."""
    async with broker(folder, port), gateway(folder) as place, listening(place, port) as made:
        async with device(port) as connected:
            await soon(made.listening.wait())
            yield place, connected, made


# ---------------------------------------------------------------- reports


async def test_a_meter_reports_and_is_answered(tmp_path: Path, unused_tcp_port: int) -> None:
    async with everything(tmp_path, unused_tcp_port) as (place, connected, made):
        assert made.trouble is None
        assert await connected.asks({"registers": {"import": 1.5}}) == {
            "ok": True,
            "slots": [],
            "troubles": [],
        }
        place.at(STEP)
        answer = await connected.asks(shows(1.9, who="ann"))
        assert answer == {"ok": True, "slots": [[START, START + STEP]], "troubles": []}
        *_, last = [command for _, command in read_commands(place.journal.path)]
        assert isinstance(last, ReadRegisters)
        assert await connected.asks(meter(START, solar=8), BOB) == {"ok": True}
        assert readings(place) == [("ann", 0, 400, 0), ("bob", 0, 0, 8)]


async def test_reports_are_taken_in_the_order_in_which_they_come(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with everything(tmp_path, unused_tcp_port) as (place, connected, _):
        place.at(STEP)
        for second in range(0, STEP + 1, 15):
            await connected.writes({"registers": {"import": second / 1000}, "time": START + second})
        answers = await connected.answers(STEP // 15 + 1)
        assert {(who, answer["ok"]) for who, answer in answers} == {("ann", True)}
        assert readings(place) == [("ann", 0, STEP, 0)]


JUNK = [
    (b"", "malformed"),
    (b"\xff", "malformed"),
    (b"[" * 60_000, "malformed"),
    (b'{"registers": {"import": 1}}'.ljust(MAX_BODY_BYTES + 1), "malformed"),
    (b"{}", "bad_slot"),
    (b'{"registers": {"import": "x"}}', "bad_quantity"),
    (b'{"registers": {"gas": 1}}', "malformed"),
    (b'{"participant_id": "bob", "registers": {"import": 1}}', "unauthorised"),
    (b'{"participant_id": 5, "registers": {"import": 1}}', "malformed"),
]


async def test_junk_is_refused_and_stops_nothing(tmp_path: Path, unused_tcp_port: int) -> None:
    async with everything(tmp_path, unused_tcp_port) as (place, connected, made):
        before = place.engine.market.state()
        for body, code in JUNK:
            answer = await connected.asks(body)
            assert (answer["ok"], answer["code"]) == (False, code), body[:60]
        answer = await connected.asks({"registers": {"import": 1}}, "trex/m/eve/meter")
        assert (answer["ok"], answer["code"]) == (False, "unknown_participant")
        assert place.engine.market.state() == before
        assert (await connected.asks({"registers": {"import": 1}}))["ok"]
        assert (made.trouble, place.faults) == (None, [])


async def test_only_topics_of_meters_are_read(tmp_path: Path, unused_tcp_port: int) -> None:
    async with everything(tmp_path, unused_tcp_port) as (place, connected, _):
        for topic in ("trex/other/ann/meter", "trex/m/ann/solar/meter", "trex/m/ann", "trex/m/ann/meter/x"):
            await connected.writes({"registers": {"import": 1}}, topic)
        assert (await connected.asks({"registers": {"import": 2}}, BOB))["ok"]
        assert place.engine.market.registers_of("ann") == frozenset()


async def test_what_the_broker_has_kept_must_say_its_time(tmp_path: Path, unused_tcp_port: int) -> None:
    async with broker(tmp_path, unused_tcp_port), device(unused_tcp_port) as connected:
        timed = {"registers": {"import": 1}, "time": START - 100}
        await connected.writes(timed, ANN, retain=True)
        await connected.writes({"registers": {"import": 1}}, BOB, retain=True)
        async with gateway(tmp_path) as place, listening(place, unused_tcp_port):
            answers = dict(await connected.answers(2))
            assert answers["ann"]["ok"]
            assert answers["bob"]["code"] == "malformed"
            assert "does not say its time" in answers["bob"]["detail"]
            assert place.engine.market.state().registers["ann"]["import"].time == START - 100
            assert (await connected.asks({"registers": {"import": 1}}, BOB))["ok"]


async def test_another_topic(tmp_path: Path, unused_tcp_port: int) -> None:
    async with (
        broker(tmp_path, unused_tcp_port),
        gateway(tmp_path) as place,
        device(unused_tcp_port) as connected,
    ):
        async with listening(place, unused_tcp_port, topic="{participant_id}/a(b)/m") as made:
            await soon(made.listening.wait())
            await connected.client.subscribe("+/+/m/answer")
            for topic in ("ann/a-b-/m", "bob/a(b)/m"):
                await connected.writes({"registers": {"import": 0}}, topic)
            message = await soon(anext(connected.client.messages))
            assert message.topic.value == "bob/a(b)/m/answer"
            assert place.engine.market.registers_of("ann") == frozenset()


# ---------------------------------------------------------------- brokers that go, or are of no use


async def test_a_broker_that_is_gone_is_told_and_comes_back(
    tmp_path: Path, unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with broker(tmp_path, unused_tcp_port) as running, gateway(tmp_path) as place:
        async with listening(place, unused_tcp_port) as made:
            async with device(unused_tcp_port) as connected:
                await soon(made.listening.wait())
                assert made.trouble is None
                assert (await connected.asks({"registers": {"import": 1}}))["ok"]
                await running.kill()
                trouble = await trouble_of(made)
            assert trouble.startswith(f"the MQTT broker at 127.0.0.1:{unused_tcp_port} ")
            assert f"the MQTT broker at 127.0.0.1:{unused_tcp_port} is gone: " in caplog.text
            await running.start()
            await soon(made.listening.wait())
            assert made.trouble is None
            async with device(unused_tcp_port) as connected:
                assert (await connected.asks({"registers": {"import": 1}}))["ok"]


async def test_a_market_starts_before_its_broker(tmp_path: Path, unused_tcp_port: int) -> None:
    async with gateway(tmp_path) as place, listening(place, unused_tcp_port) as made:
        assert "cannot be reached: " in await trouble_of(made)
        async with broker(tmp_path, unused_tcp_port):
            await soon(made.listening.wait())
            assert made.trouble is None


async def test_the_broker_says_who_may_do_what(tmp_path: Path, unused_tcp_port: int) -> None:
    pwdlib = pytest.importorskip("pwdlib", reason="amqtt's part for passwords is not installed")
    passwords = tmp_path / "passwords"
    hashed = pwdlib.PasswordHash.recommended().hash("secret")
    passwords.write_text(f"market:{hashed}\nstranger:{hashed}\n")
    plugins = {
        "amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(passwords)},
        "amqtt.plugins.topic_checking.TopicAccessControlListPlugin": {
            "acl": {"market": ["trex/m/+/meter", "trex/m/+/meter/answer"]}
        },
    }
    async with broker(tmp_path, unused_tcp_port, plugins), gateway(tmp_path) as place:
        for username, password, trouble in (
            ("market", "wrong", "cannot be reached"),
            ("stranger", "secret", "does not let the market read trex/m/+/meter"),
        ):
            async with listening(place, unused_tcp_port, username=username, password=password) as made:
                said = await trouble_of(made)
                assert trouble in said
                assert "secret" not in said
        known = {"username": "market", "password": "secret"}
        async with (
            listening(place, unused_tcp_port, **known) as made,
            device(unused_tcp_port, **known) as connected,
        ):
            await soon(made.listening.wait())
            assert (await connected.asks({"registers": {"import": 1}}))["ok"]


@asynccontextmanager
async def tls_broker(folder: Path, port: int) -> AsyncIterator[str]:
    """Run a broker that speaks TLS, and return the file of the authority that vouches for it."""
    pytest.importorskip("cryptography", reason="the extra `tls` is not installed")
    from trex_market.server.certificates import make_certificates

    made = make_certificates(folder / "tls")
    files = {"ssl": True, "certfile": str(made.certificate), "keyfile": str(made.key)}
    async with broker(folder, port, **files):
        yield str(made.authority)


async def test_reports_over_tls(tmp_path: Path, unused_tcp_port: int) -> None:
    async with tls_broker(tmp_path, unused_tcp_port) as authority, gateway(tmp_path) as place:
        async with listening(place, unused_tcp_port, tls=True, ca_file=authority) as made:
            await soon(made.listening.wait())
            async with device(unused_tcp_port, tls_params=aiomqtt.TLSParameters(authority)) as connected:
                assert (await connected.asks({"registers": {"import": 1}}))["ok"]


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_broker_that_nobody_vouches_for_is_not_spoken_to(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with tls_broker(tmp_path, unused_tcp_port), gateway(tmp_path) as place:
        async with listening(place, unused_tcp_port, tls=True) as made:
            assert "certificate verify failed" in await trouble_of(made)
    gc.collect()


async def test_the_extra_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiomqtt", None)
    async with gateway(tmp_path) as place:
        with pytest.raises(MissingExtraError, match=r"over MQTT needs .* 'trex-market\[mqtt\]'"):
            MqttMeters(MqttSettings("h", 1, TOPIC), "m", place.meters, place.server.audit)


async def test_an_authority_that_cannot_be_read(tmp_path: Path) -> None:
    async with gateway(tmp_path) as place:
        settings = MqttSettings("h", 1, TOPIC, tls=True, ca_file=str(tmp_path / "missing.pem"))
        with pytest.raises(InputError, match=r"server\.mqtt\.ca_file: .*missing\.pem cannot be read"):
            MqttMeters(settings, "m", place.meters, place.server.audit)
