"""From a config to reports of meters, in a market that is killed and goes on."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.config.helpers import SMALL, config
from tests.server.helpers import soon
from tests.server.metering import gateway
from tests.server.test_mqtt import OPEN, Device, aiomqtt, broker
from trex_market.core.errors import ConfigError
from trex_market.core.messages import MeterAccepted
from trex_market.engine import Engine, replay
from trex_market.metering import meter_registers, metering, mqtt_settings
from trex_market.server.meters import MeterRegister
from trex_market.server.mqtt import MqttSettings

METERS = """\
    meter:
      registers:
        import: {modulus_kwh: 4294967.296}
        day: {measures: Consumption, max_power_w: 5000}
        export:
"""
TOPIC = "trex/{market_id}/{participant_id}/meter"


def with_broker(more: str) -> str:
    return f"server:\n  mqtt: {{host: broker.lan{more}}}\n{SMALL}"


# ---------------------------------------------------------------- from the config


def test_registers_are_those_of_the_config() -> None:
    assert meter_registers(config()) == {}
    assert meter_registers(config(SMALL + METERS)) == {
        "home_01": {
            "import": MeterRegister("consumption", 100_000, 4_294_967_296),
            "day": MeterRegister("consumption", 5_000),
            "export": MeterRegister("solar"),
        }
    }


def test_a_broker_is_the_one_of_the_config() -> None:
    assert mqtt_settings(config(), {}) is None
    assert mqtt_settings(config(with_broker("")), {}) == MqttSettings("broker.lan", 1883, TOPIC)
    more = ", tls: true, ca_file: ca.pem, topic: 'm/{participant_id}', username: market, password_env: SECRET"
    assert mqtt_settings(config(with_broker(more), "folder/x.yaml"), {"SECRET": "?!"}) == MqttSettings(
        "broker.lan", 8883, "m/{participant_id}", "market", "?!", tls=True, ca_file=str(Path("folder/ca.pem"))
    )
    assert mqtt_settings(config(with_broker(", port: 5, tls: true")), {}) == MqttSettings(
        "broker.lan", 5, TOPIC, tls=True
    )


def test_a_password_that_is_not_there_is_named() -> None:
    said = "x.yaml:2: there is no environment variable 'SECRET'"
    with pytest.raises(ConfigError, match=said):
        mqtt_settings(config(with_broker(", username: market, password_env: SECRET")), {})


def test_passwords_are_in_no_config() -> None:
    said = config(with_broker(", username: market, password_env: SECRET")).resolved()["server"]["mqtt"]
    assert said["password_env"] == "SECRET"
    assert "password" not in said


# ---------------------------------------------------------------- in a market


async def test_a_broker_that_is_away_is_an_alarm(tmp_path: Path, unused_tcp_port: int) -> None:
    text = f"server:\n  mqtt: {{host: 127.0.0.1, port: {unused_tcp_port}}}\n{SMALL}"
    async with gateway(tmp_path, routes=False) as place:
        alarms = place.server.watch.alarms
        async with metering(place.server, config(text)):
            async with asyncio.timeout(20):
                # An alarm is a state, which is looked at.
                while not (raised := [one for one in alarms.current() if one.code == "mqtt"]):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        assert [one.level for one in raised] == ["warning"]
        assert f"MQTT broker at 127.0.0.1:{unused_tcp_port} cannot be reached" in raised[0].text
        assert place.faults == []


async def test_a_fault_stops_the_market(tmp_path: Path) -> None:
    loaded = config(with_broker(""))
    assert loaded.server.mqtt is not None
    mqtt = loaded.server.mqtt.model_copy(update={"port": -1})  # no config can say that
    broken = loaded.model_copy(update={"server": loaded.server.model_copy(update={"mqtt": mqtt})})
    async with gateway(tmp_path, routes=False) as place:
        fault: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        place.server.desk.faulty = fault.set_result
        async with metering(place.server, broken):
            assert "Invalid port" in str(await soon(fault))


# ---------------------------------------------------------------- all of it

STEP = 2
LIVE = """
study: {{name: live, start_datetime: "2016-01-18", time_step_size: {step}, days: 1}}
server:
  port: {port}
  mqtt: {{host: 127.0.0.1, port: {broker}, username: market, password_env: BROKER_PASSWORD}}
market: {{id: live, mode: realtime, grid: {{price: 0.08, fee_ratio: 2.75}}}}
participants:
  ann: {{trader: {{type: basic}}}}
  bob: {{trader: {{type: basic}}}}
"""


async def started(folder: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "trex_market",
            "serve",
            str(folder / "live.yaml"),
            "--out",
            str(folder / "run"),
        ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": "", "COLUMNS": "200", "BROKER_PASSWORD": "secret"},
    )
    assert process.stdout is not None
    line = await soon(process.stdout.readline())
    assert b"market live at" in line, line
    return process


@pytest.mark.slow
async def test_a_market_that_is_killed_goes_on_counting(tmp_path: Path, unused_tcp_port_factory: Any) -> None:
    port, broker_port = unused_tcp_port_factory(), unused_tcp_port_factory()
    (tmp_path / "live.yaml").write_text(LIVE.format(step=STEP, port=port, broker=broker_port))
    base = int(time.time()) // STEP * STEP - 20

    async def posts(slot: int, kwh: float) -> Any:
        report = {"participant_id": "ann", "registers": {"import": kwh}, "time": base + slot * STEP}
        async with aiohttp.ClientSession() as web:
            async with web.post(f"http://127.0.0.1:{port}/meter", json=report) as response:
                return await response.json()

    async with broker(tmp_path, broker_port, OPEN):
        process = await started(tmp_path)
        await posts(0, 7)
        assert (await posts(1, 7.5))["slots"] == [[base, base + STEP]]
        process.kill()
        await process.wait()

        process = await started(tmp_path)
        answer = await soon(asyncio.ensure_future(written(broker_port, base + 2 * STEP)))
        assert answer["slots"] == [[base + STEP, base + 2 * STEP]]
        assert (await posts(2, 7.75))["ok"]
        process.terminate()
        _, errors = await soon(process.communicate())
        assert b"Traceback" not in errors, errors

    assert process.returncode == 0
    engine = Engine()
    outbox = engine.listen()
    for _ in replay(tmp_path / "run" / "journal.jsonl", engine):
        pass
    accepted = [event.meter for event in outbox.take() if isinstance(event, MeterAccepted)]
    needs = [(meter.slot_start - base, meter.consumption["other"]["external"]) for meter in accepted]
    assert needs == [(0, 500), (STEP, 250)]
    assert "secret" not in "".join(path.read_text() for path in (tmp_path / "run").glob("*.json*"))


async def written(port: int, moment: int) -> Any:
    """Write a report to a broker until the market, which may not listen yet, answers."""
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("trex/live/+/meter/answer", qos=1)
        connected = Device(client)
        while True:
            await connected.writes({"registers": {"import": 7.75}, "time": moment}, "trex/live/ann/meter")
            try:
                message = await asyncio.wait_for(anext(client.messages), 0.2)
            except TimeoutError:
                continue
            return msgspec.json.decode(message.payload)
