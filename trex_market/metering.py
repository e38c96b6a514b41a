"""From a config to a market that takes reports of meters: over HTTP always, over MQTT where a broker is named."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from trex_market.config import Config
from trex_market.core.errors import ConfigError
from trex_market.server.app import MarketServer
from trex_market.server.meters import MeterRegister, Meters, serve_meters
from trex_market.server.mqtt import MqttMeters, MqttSettings

PORT, TLS_PORT = 1883, 8883


def meter_registers(config: Config) -> dict[str, dict[str, MeterRegister]]:
    """Return participant id -> name -> register, of those participants that have others than the usual ones."""
    return {
        participant_id: {
            name: MeterRegister(register.measures, register.max_power_w, register.modulus_wh)
            for name, register in section.meter.registers.items()
        }
        for participant_id, section in config.participants.items()
        if section.meter.registers
    }


def mqtt_settings(config: Config, environment: Mapping[str, str]) -> MqttSettings | None:
    """Return where the broker is; None if none is named.

    Raises:
        ConfigError: if the password is not where it should be.
    """
    mqtt = config.server.mqtt
    if mqtt is None:
        return None
    password = None
    if mqtt.password_env is not None:
        password = environment.get(mqtt.password_env)
        if password is None:
            place = config.where("server.mqtt.password_env")
            raise ConfigError(f"{place}: there is no environment variable {mqtt.password_env!r}")
    return MqttSettings(
        host=mqtt.host,
        port=mqtt.port or (TLS_PORT if mqtt.tls else PORT),
        topic=mqtt.topic,
        username=mqtt.username,
        password=password,
        tls=mqtt.tls,
        ca_file=None if mqtt.ca_file is None else str(config.source.parent / mqtt.ca_file),
    )


@asynccontextmanager
async def metering(server: MarketServer, config: Config) -> AsyncIterator[None]:
    """Let a server take reports of meters for as long as the context lasts; it must not listen yet.

    Raises:
        ConfigError: if the password for the broker is not where it should be.
        InputError: if there is something wrong with the broker's authority.
        MissingExtraError: if a broker is named, and the extra for it is not installed.
    """
    meters = Meters(server.desk, meter_registers(config))
    serve_meters(server, meters)
    settings = mqtt_settings(config, os.environ)
    if settings is None:
        yield
        return
    mqtt = MqttMeters(settings, config.market.id, meters, server.audit)
    server.watch.alarms.watch("mqtt", "warning", lambda: mqtt.trouble)
    listening = asyncio.create_task(mqtt.run())

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            server.desk.faulty(error)

    listening.add_done_callback(ended)
    try:
        yield
    finally:
        listening.cancel()
        await asyncio.wait([listening])
