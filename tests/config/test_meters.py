"""Meters in a config: registers, and a broker."""

from __future__ import annotations

import pytest

from tests.config.helpers import SMALL, config, mistakes, only_mistake
from trex_market.config import load_config_text
from trex_market.config.dump import dump_yaml

METER = "    meter: {registers: %s}\n"


def meter(registers: str, market: str = "  grid: {price: 0.069}") -> str:
    return SMALL.replace("  grid: {price: 0.069}", market) + METER % registers


def broker(mqtt: str, text: str = SMALL) -> str:
    return f"server:\n  mqtt: {mqtt}\n{text}"


# ---------------------------------------------------------------- registers


@pytest.mark.parametrize("section", ["", "    meter:\n", "    meter: {}\n", METER % "", METER % "{}"])
def test_nothing_has_to_be_said(section: str) -> None:
    assert config(SMALL + section).participants["home_01"].meter.registers is None
    assert config(SMALL + section).hash == config().hash


def test_usual_names_say_what_is_measured() -> None:
    registers = (
        config(meter("{import: , export: {max_power_w: 9e3}, Mill: {measures: WIND}}"))
        .participants["home_01"]
        .meter.registers
    )
    assert registers is not None
    measured = {name: (register.measures, register.max_power_w) for name, register in registers.items()}
    assert measured == {
        "import": ("consumption", 100_000),
        "export": ("solar", 9_000),
        "Mill": ("wind", 100_000),
    }


def test_usual_names_may_measure_something_else() -> None:
    registers = config(meter("{import: {measures: wind}}")).participants["home_01"].meter.registers
    assert registers is not None
    assert registers["import"].measures == "wind"


@pytest.mark.parametrize(
    ("kwh", "wh"), [("100000", 10**8), ("999999.9", 999_999_900), ("4294967.296", 2**32), ("0.001", 1)]
)
def test_a_register_rolls_over_at_whole_wh(kwh: str, wh: int) -> None:
    registers = config(meter(f"{{import: {{modulus_kwh: {kwh}}}}}")).participants["home_01"].meter.registers
    assert registers is not None
    assert registers["import"].modulus_wh == wh


def test_sources_of_the_market_can_be_measured() -> None:
    market = "  grid: {price: 0.069}\n  sources: {Hydro: dispatch}"
    assert config(meter("{weir: {measures: hydro}}", market))
    said = only_mistake(meter("{weir: {measures: hidro}}", market))
    assert said.startswith(
        "x.yaml:10: participants.home_01.meter.registers.weir.measures: unknown source 'hidro'. "
    )
    assert "Did you mean 'hydro'? There are: bess, consumption, hydro, solar, wind." in said


@pytest.mark.parametrize(
    ("registers", "said"),
    [
        ("5", "registers: must be a mapping of keys to values, found 5"),
        ("{import: 5}", "registers.import: must be a mapping of keys to values, found 5"),
        ("{day: }", "registers.day.measures: must be given"),
        ("{day: {measures: 5}}", "registers.day.measures: must be text, found 5"),
        ("{import: {modulus_kwh: 0}}", "registers.import.modulus_kwh: must be above 0 kWh, found 0"),
        (
            "{import: {modulus_kwh: 1.0005}}",
            "must have at most 3 decimals, a whole number of Wh, found 1.0005",
        ),
        ("{import: {max_power_w: -1}}", "registers.import.max_power_w: must be at least 0 W, found -1"),
        ("{import: {power: 1}}", "unknown key 'power'. Did you mean 'max_power_w'? There are:"),
        ("{'': {measures: solar}}", "must not be empty"),
    ],
)
def test_registers_that_cannot_be(registers: str, said: str) -> None:
    assert said in "\n".join(mistakes(meter(registers)))


def test_what_is_shown_loads_as_the_same() -> None:
    loaded = config(
        broker("{host: h, tls: true, ca_file: ca.pem}", meter("{import: {modulus_kwh: 1e5}, export: }"))
    )
    assert load_config_text(dump_yaml(loaded), "x.yaml").resolved() == loaded.resolved()


# ---------------------------------------------------------------- a broker


@pytest.mark.parametrize("mqtt", ["", "{}"])
def test_no_broker(mqtt: str) -> None:
    assert config(broker(mqtt)).server.mqtt is None


@pytest.mark.parametrize("topic", ["", "{participant_id}", "a b/{market_id}/x/{participant_id}"])
def test_topics(topic: str) -> None:
    mqtt = config(broker(f"{{host: h, topic: '{topic}'}}")).server.mqtt
    assert mqtt is not None
    assert mqtt.topic == (topic or "trex/{market_id}/{participant_id}/meter")


@pytest.mark.parametrize(
    ("mqtt", "said"),
    [
        ("5", "server.mqtt: must be a mapping of keys to values, found 5"),
        ("{port: 5}", "server.mqtt.host: must be given"),
        ("{host: ''}", "server.mqtt.host: must not be empty"),
        ("{host: h, port: 0}", "server.mqtt.port: must be at least 1, found 0"),
        ("{host: h, password: x}", "unknown key 'password'. Did you mean 'password_env'?"),
        ("{host: h, password_env: x}", "server.mqtt.password_env: is for a username, which is not given"),
        ("{host: h, ca_file: x}", "server.mqtt.ca_file: is for tls, which is off"),
        ("{host: h, topic: 'a/b'}", "server.mqtt.topic: must have {participant_id} as one of its levels"),
        ("{host: h, topic: 'x{participant_id}'}", "must have {participant_id} as one of its levels"),
        ("{host: h, topic: '{participant_id}/{participant_id}'}", "must have {participant_id} as one"),
        ("{host: h, topic: '{participant_id}/+'}", "no other wildcard, found '{participant_id}/+'"),
        ("{host: h, topic: '{participant_id}/#'}", "no other wildcard"),
        ("{host: h, topic: '{participant_id}/{market}'}", "no other wildcard"),
    ],
)
def test_brokers_that_cannot_be(mqtt: str, said: str) -> None:
    assert said in only_mistake(broker(mqtt))


@pytest.mark.parametrize("name", ["a/b", "a+", "#"])
def test_with_a_broker_ids_must_fit_topics(name: str) -> None:
    text = SMALL.replace("home_01", f"'{name}'").replace("market:\n", f"market:\n  id: '{name}'\n")
    assert config(text)
    said = mistakes(broker("{host: h}", text))
    assert len(said) == 2
    assert all(f"with server.mqtt an id must not have any of / + #, found '{name}'" in line for line in said)
    assert "market.id" in said[0]
