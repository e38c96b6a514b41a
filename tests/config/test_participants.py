from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.config.helpers import SMALL, config, mistakes, only_mistake, small
from trex_market.config.schema import ServerConfig

TRADER = "    trader: {type: basic}\n"


def home(more: str) -> str:
    """Return the small config with more said on its home."""
    return small(TRADER, TRADER + more)


def test_what_is_not_said_has_a_default() -> None:
    participant = config().participants["home_01"]
    assert participant.type == "Residential"
    assert participant.storage is None
    assert participant.profile is None
    assert (participant.load.scale, participant.generation.scale) == (1, 1)
    assert (participant.trader.bid_price, participant.trader.ask_price) == (None, None)
    assert (participant.trader.learning, participant.trader.track_metrics) == (False, False)
    assert participant.trader.options == {}


def test_further_keys_of_a_trader_are_options() -> None:
    text = small(
        "{type: basic}",
        "{type: 'm.x:Basic', use_synthetic_profile: '', rate: 7e-5, when: 0:0:0, l: [1, {a: ~}]}",
    )
    trader = config(text).participants["home_01"].trader
    assert trader.type == "m.x:Basic"
    assert trader.use_synthetic_profile is None
    assert trader.options == {"rate": 7e-5, "when": "0:0:0", "l": [1, {"a": None}]}


def test_a_storage_has_defaults() -> None:
    storage = config(home("    storage: {capacity: 27e3, power: 10000}\n")).participants["home_01"].storage
    assert storage is not None
    assert (storage.type, storage.capacity, storage.power) == ("Bess", 27_000, 10_000)
    assert (storage.efficiency, storage.monthly_sdr, storage.initial_charge) == (1, 0, 0)
    for none in ("", "null", "{}"):
        assert config(home(f"    storage: {none}\n")).participants["home_01"].storage is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("    load: {scale: -0.5}\n", "load.scale: must be at least 0, found -0.5"),
        (
            "    load: {skale: 1}\n",
            "load.skale: unknown key 'skale'. Did you mean 'scale'? There are: scale, shift_s, shiftable.",
        ),
        ("    generation: {scale: true}\n", "generation.scale: must be a number, found true"),
        (
            "    storage: {capacity: 5, power: 1, initial_charge: 6}\n",
            "storage.initial_charge: must be at most the capacity, 5 Wh, found 6",
        ),
        (
            "    storage: {capacity: 5, power: 1, efficiency: 0}\n",
            "storage.efficiency: must be above 0, found 0",
        ),
        (
            "    storage: {capacity: 5, power: 1, efficiency: 1.1}\n",
            "storage.efficiency: must be at most 1, found 1.1",
        ),
        (
            "    storage: {capacity: 5, power: 1, monthly_sdr: 2}\n",
            "storage.monthly_sdr: must be at most 1, found 2",
        ),
        (
            "    storage: {capacity: 5.5, power: 1}\n",
            "storage.capacity: must be a whole number of Wh, found 5.5",
        ),
        ("    storage: {capacity: 5}\n", "storage.power: must be given"),
        ("    storage: 5\n", "storage: must be a mapping of keys to values, found 5"),
        ("    profile: 5\n", "profile: must be text, found 5; put it in quotes"),
    ],
)
def test_wrong_participants_are_told(more: str, message: str) -> None:
    assert only_mistake(home(more)).split(": ", 1)[1] == f"participants.home_01.{message}"


def test_numbers_are_names_and_names_are_kept_as_written() -> None:
    loaded = config(small("home_01:", "007:"))
    assert list(loaded.participants) == ["007"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("grid", "the name 'grid' is reserved"),
        ("Operator", "the name 'Operator' is reserved"),
        ("OBSERVER", "the name 'OBSERVER' is reserved"),
        ("''", "must not be empty"),
        ('" "', "must not be empty"),
        ('"a\\nb"', "must not have control characters, found 'a\\nb'"),
        ('"a\\u202eb"', "must not have control characters"),
        ("x" * 65, "a name must not be longer than 64 characters, found 65"),
    ],
)
def test_names_that_cannot_be(name: str, message: str) -> None:
    line = only_mistake(small("home_01", name))
    assert message in line
    assert line.isprintable()


def test_there_is_at_least_one() -> None:
    assert only_mistake(small("  home_01:\n    trader: {type: basic}\n", "  {}\n")) == (
        "x.yaml:6: participants: must name at least one participant"
    )
    assert only_mistake(small("    trader: {type: basic}\n", "")) == (
        "x.yaml:7: participants.home_01: must be a mapping of keys to values, found nothing"
    )


def test_a_trader_has_a_type() -> None:
    assert only_mistake(small("{type: basic}", "{bid_price: 0.1}")).startswith(
        "x.yaml:8: participants.home_01.trader.type: must"
    )
    assert only_mistake(small("basic}", "basic, bid_price: 1001}")).endswith(
        "must be at most 1000 $/kWh, found 1001"
    )


def test_a_config_is_frozen() -> None:
    loaded = config()
    with pytest.raises(ValidationError):
        loaded.study.days = 2
    with pytest.raises(ValidationError):
        loaded.participants["home_01"].trader.type = "other"


# ---------------------------------------------------------------- training and server


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ("{hyperparamters: {}}", "hyperparamters: unknown key"),
        ("{hyperparameters: 5}", "hyperparameters: must be a mapping"),
        (
            "{curriculum: {first: {}}}",
            "curriculum.first: must be the number of an episode, from 0, or 'default'",
        ),
        ("{curriculum: {-1: {}}}", "curriculum.-1: must be the number of an episode"),
        ("{curriculum: {1: 5}}", "curriculum.1: must be a mapping"),
        ("{curriculum: {1: {anneal: 5}}}", "curriculum.1.anneal: must be a mapping of parameters to"),
        (
            "{curriculum: {1: {anneal: {rate: [1, divide, 2]}}}}",
            "curriculum.1.anneal.rate: must be [value, 'multiply' or",
        ),
        (
            "{curriculum: {1: {anneal: {rate: [1, multiply]}}}}",
            "curriculum.1.anneal.rate: must be [value, 'multiply' or",
        ),
        (
            "{curriculum: {1: {anneal: {rate: [1, multiply, x]}}}}",
            "curriculum.1.anneal.rate: must be [value, 'multiply' or",
        ),
    ],
)
def test_wrong_trainings_are_told(training: str, message: str) -> None:
    assert only_mistake(f"{SMALL}training: {training}\n").startswith(f"x.yaml:9: training.{message}")


@pytest.mark.parametrize(
    "section", ["training:", "training: {curriculum: , hyperparameters: }", "server:", "server: {host: ''}"]
)
def test_empty_sections_are_their_defaults(section: str) -> None:
    assert config(f"{SMALL}{section}\n").hash == config().hash


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ("{port: -1}", "port: must be at least 0, found -1"),
        ("{port: '65536'}", "port: must be at most 65535, found 65536"),
        ("{port: http}", "port: must be a port, 1 to 65535, found 'http'"),
        ("{turn_timeout_s: 0}", "turn_timeout_s: must be above 0 s, found 0"),
        ("{host: 5}", "host: must be text, found 5; put it in quotes"),
        ("{request_burst: 0}", "request_burst: must be at least 1, found 0"),
        ("{max_requests_per_second: 0}", "max_requests_per_second: must be above 0, found 0"),
        (
            "{allowed_origins: [example.org]}",
            "allowed_origins[0]: must be an origin such as 'https://example.org', without a path, or '*' for all, found 'example.org'",
        ),
        (
            "{hots: x}",
            "hots: unknown key 'hots'. Did you mean 'host'? There are: "
            + ", ".join(sorted(ServerConfig.model_fields))
            + ".",
        ),
    ],
)
def test_wrong_servers_are_told(server: str, message: str) -> None:
    assert only_mistake(f"{SMALL}server: {server}\n") == f"x.yaml:9: server.{message}"


def test_all_homes_are_checked_at_once() -> None:
    text = SMALL + "".join(f"  home_{number}:\n    trader: {{type: 5}}\n" for number in range(2, 9))
    assert len(mistakes(text)) == 7
